"""The text of a program: forward, backward and update as functions, to be read, and to be run without this package."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from tinygrad_lm.optim import Optimizer
from tinygrad_lm.replay.expressions import LARGEST
from tinygrad_lm.replay.instructions import Clip, Given, Store, StoreBuffer, Update, WholeBackward, WholeForward
from tinygrad_lm.replay.letters import Letter
from tinygrad_lm.replay.lowering import Lowering, Unplannable
from tinygrad_lm.replay.memory import mentioned
from tinygrad_lm.replay.naming import Section
from tinygrad_lm.replay.statements import Statements
from tinygrad_lm.replay.traced import Tape, Traced

WIDTH = 100
"""Signatures and dictionaries are broken into lines of at most so many characters."""


class Listing:
    """The program of a lowered step.

    Parameters
    ----------
    lowering
        The step.
    result
        What it returns, with traced arrays for its tensors.
    names
        What parameters are called, by their identity, in the order in which they are to be given.
    title
        What the program says of itself first.
    buffers
        What buffers are called, by the identity of their module, and its name for them.
    """

    def __init__(
        self,
        lowering: Lowering,
        result: Any,
        names: Mapping[int, str],
        title: str,
        buffers: Mapping[tuple[int, str], str] = MappingProxyType({}),
    ) -> None:
        self._lowering, self._result, self._title = lowering, result, title
        for x in lowering.instructions:
            if isinstance(x, (WholeForward, WholeBackward)):
                whole = x if isinstance(x, WholeForward) else x.forward
                raise Unplannable(f"{whole.operation.name!r} has no formulas that can be written down")
        stored = {x.leaf: x.value for x in lowering.instructions if isinstance(x, Store)}
        instructions = lowering.instructions
        self._stored = stored
        self._buffers = [x for x in instructions if isinstance(x, StoreBuffer)]
        keys = [key for key in names if key in lowering.leaves]
        keys += [key for key in lowering.leaves if key not in names]
        # A number that nobody has named, and that learns nothing, is written as it is.
        leaves = [
            (key, lowering.nodes[key].data)
            for key in keys
            if key in names or lowering.leaves[key].requires_grad or lowering.leaves[key].label
        ]
        given = [(traced, traced.name or "x") for traced in lowering.inputs]
        given += [(traced, names.get(key) or lowering.leaves[key].label or "w") for key, traced in leaves]
        given += [(traced, buffers.get((id(owner), name), name)) for owner, name, traced in lowering.states]
        outputs = [*mentioned(result), *self._stored.values(), *(x.value for x in self._buffers)]
        gradients = [(value, lowering.nodes[key].data) for key, value in stored.items()]
        self._body = Statements(instructions, outputs, given, gradients)
        self.inputs = [self._name(traced) for traced in lowering.inputs]
        self.parameters = {key: self._name(traced) for key, traced in leaves}
        self.states = [self._name(traced) for _, _, traced in lowering.states]
        long = [traced for traced in self._body.writer.constants if traced.size > LARGEST]
        self.constants = {self._name(traced): traced.array for traced in long}
        """Arrays that have to be given to the program, since they are too long to be written."""

    def _name(self, traced: Traced) -> str:
        return self._body.writer.names[id(traced)]

    def text(self) -> str:
        """The whole program."""
        updates = [x for x in self._lowering.instructions if isinstance(x, (Clip, Update))]
        functions = [self._gradients(), *map(self._updating, updates)]
        if any(isinstance(x, Update) for x in updates):
            functions.append(self._step(updates))
        imports = ["import math\n"] if any("math." in function for function in functions) else []
        head = f'"""{self._title}"""\n\n' + "".join([*imports, "\n" if imports else "", "import numpy as np\n"])
        literals = [self._literal(traced) for traced in self._body.writer.constants if traced.size <= LARGEST]
        return "\n\n".join(["\n".join([head, *literals]), *functions])

    def _literal(self, traced: Traced) -> str:
        """A long constant in full."""
        written = ast.unparse(ast.fix_missing_locations(self._body.writer.literal(traced.array)))
        whole = f"{self._name(traced)} = {written}"
        return "\n".join(textwrap.wrap(whole, WIDTH, subsequent_indent="    ", break_on_hyphens=False)) + "\n"

    def _shapes(self) -> str:
        """What the function is given, a line each."""
        lowering = self._lowering
        held = [*lowering.inputs, *(lowering.nodes[key].data for key in self.parameters)]
        held += [traced for _, _, traced in lowering.states]
        rows = [(self._name(traced), traced.array) for traced in held] + [*self.constants.items()]
        width = max((len(name) for name, _ in rows), default=0)
        return "".join(f"\n{name:{width}}  {array.shape} {array.dtype}" for name, array in rows)

    def _gradients(self) -> str:
        generators = [*self._body.generators.values()]
        given = [*self.inputs, *self.parameters.values(), *self.states, *self.constants, *generators]
        ends = [f"{self._written_buffer(x)}[...] = {self._body.name_of(x.value)}" for x in self._buffers]
        returned = self._returned(self._result)
        if not self._stored:
            said = f"The result.\n{self._shapes()}\n"
            return _function("forward", given, said, _commented(self._body.lines), [*ends, f"return {returned}"])
        pairs = [
            f'"{name}": {self._body.name_of(self._stored[key])}'
            for key, name in self.parameters.items()
            if key in self._stored
        ]
        ends.append(_broken("return " + returned + ", {", pairs, "}"))
        root = self._body.root
        what = "The loss" if root == "loss" else root
        said = f"{what}, and its derivative with respect to each parameter: d_x is d {root} / d x.\n"
        if any("np.dot(" in line and "np.ones(" in line for _, line in self._body.lines):
            said += "\nProducts with ones are sums: np.dot(x, ones) over the last axis, np.dot(ones, x) over rows.\n"
        said += f"{self._shapes()}\n"
        return _function("gradients", given, said, _commented(self._body.lines), ends)

    def _written_buffer(self, stored: StoreBuffer) -> str:
        for module, name, traced in self._lowering.states:
            if module is stored.module and name == stored.name:
                return self._name(traced)
        return stored.name

    def _returned(self, result: Any) -> str:
        if isinstance(result, Given):
            return self._returned(result.value)
        held = result
        if isinstance(result, Traced):
            return self._body.name_of(result)
        if isinstance(result, (tuple, list)):
            inside = ", ".join(map(self._returned, held))
            return f"({inside}{',' if len(held) == 1 else ''})" if isinstance(result, tuple) else f"[{inside}]"
        if isinstance(result, dict):
            return "{" + ", ".join(f"{key!r}: {self._returned(value)}" for key, value in held.items()) + "}"
        return repr(result)

    def _updating(self, instruction: Clip | Update) -> str:
        if isinstance(instruction, Update):
            return _update(instruction.optimizer)
        return textwrap.dedent(f'''\
            def clip(d, max_norm={instruction.max_norm!r}):
                """Scale all gradients together so that their norm is at most so much."""
                norm = math.sqrt(sum(float(np.vdot(each, each)) for each in d.values()))
                if norm > max_norm:
                    for name in d:
                        d[name] = d[name] * (max_norm / (norm + 1e-06))
            ''')

    def _step(self, updates: Sequence[Clip | Update]) -> str:
        generators = [*self._body.generators.values()]
        more = [*self.states, *self.constants, *generators]
        start = f"{'loss' if self._result is not None else '_'}, d = gradients("
        lines = [_broken(start, [*self.inputs, "**parameters", *(f"{name}={name}" for name in more)], ")")]
        moments = False
        for update in updates:
            if isinstance(update, Clip):
                lines.append("clip(d)")
                continue
            moments = moments or bool(update.optimizer.moments)
            lines += self._loop(update)
        given = ["parameters", *(["moments", "t"] if moments else []), *self.inputs, *more]
        said = "One step: the parameters are changed in place."
        if moments:
            said = "Step t, from 1: the parameters and their moments, zeros at first, are changed in place."
        return _function("step", given, said, lines, ["return loss"] if self._result is not None else [])

    def _loop(self, update: Update) -> list[str]:
        optimizer = update.optimizer
        name = type(optimizer).__name__.lower()
        usual = optimizer.groups[0][1]
        moments = ["**moments[name]", "t=t"] if optimizer.moments else []
        lines: list[str] = []
        for members, options in optimizer.groups:
            keys = [id(member) for member in members if id(member) in update.leaves]
            named = [self.parameters[key] for key in keys]
            if not named:
                continue
            other = [f"{key}={value!r}" for key, value in options.items() if value != usual[key]]
            every = len(optimizer.groups) == 1 and keys == [*self.parameters]
            head = "for name in parameters:" if every else _broken("for name in (", [f'"{x}"' for x in named], ",):")
            call = ", ".join(["parameters[name]", "d[name]", *moments, *other])
            lines += [head, f"    {name}({call})"]
        return lines


def _update(optimizer: Optimizer) -> str:
    """An optimizer's rule, as a function of one parameter."""
    tape = Tape(readable=True)
    tape.section = Section("update", "")
    p, d = (tape.given(np.ones(2), "argument") for _ in range(2))
    moments = {name: tape.given(np.ones(2), "argument") for name in optimizer.moments}
    options = optimizer.groups[0][1]
    letters: Any = {
        key: Letter(value, key) if any(other[key] for _, other in optimizer.groups) else value
        for key, value in options.items()
    }
    given: Any = (p, d, moments, tape.made(np.ones(2)), Letter(1, "t"), letters)
    optimizer.update(*given)
    arguments = [(p, "p"), (d, "d"), *((traced, name) for name, traced in moments.items())]
    body = Statements(tape.instructions, [], arguments)
    shown = [f"{key}={value!r}" for key, value in options.items() if isinstance(letters[key], Letter)]
    said = f"One step of a parameter p along its gradient d: {type(optimizer).__name__}."
    names = ["p", "d", *moments, *(["t"] if moments else []), *shown]
    return _function(type(optimizer).__name__.lower(), names, said, [line for _, line in body.lines], [])


PLAIN = frozenset(
    {"add", "div", "getitem", "matmul", "mean", "mul", "neg", "pow", "reshape", "sub", "sum", "tanh", "transpose"}
)
"""Operations whose statements say by themselves what they are."""


def _commented(lines: Sequence[tuple[Section, str]]) -> list[str]:
    """The statements, with a comment where another operation begins, and an empty line before each part."""
    found: list[str] = []
    part = title = ""
    for section, line in lines:
        if section.part != part:
            found += ["", f"# {section.part}"] if found else [f"# {section.part}"]
            part, title = section.part, ""
        operation, _, place = section.title.removeprefix("back through ").partition(" of ")
        plain = PLAIN if part == "forward" else PLAIN | {"exp", "log", "relu", "sigmoid", "sqrt", "where"}
        shown = (section.title if operation not in plain else place) if section.title else ""
        if shown != title:
            found += [f"# {shown}"] if shown else [""]
            title = shown
        found.append(line)
    return found


def _broken(before: str, parts: Sequence[str], after: str) -> str:
    """Parts on one line where they fit, else one a line."""
    line = before + ", ".join(parts) + (after.lstrip(",") if len(parts) != 1 else after)
    if len(line) + 8 <= WIDTH:
        return line
    return "\n".join([before, *(f"    {part}," for part in parts), after.lstrip(",")])


def _function(name: str, arguments: Sequence[str], said: str, lines: Sequence[str], ends: Sequence[str]) -> str:
    head = f"def {name}({', '.join(arguments)}):"
    if len(head) > WIDTH:
        inside = textwrap.fill(", ".join(arguments), WIDTH, initial_indent="    ", subsequent_indent="    ")
        head = f"def {name}(\n{inside},\n):"
    body = [f'"""{said}"""', *lines, *([""] if ends and len(lines) > 8 else []), *ends]
    inner = "\n".join(body).splitlines()
    return head + "\n" + "\n".join(f"    {line}".rstrip() for line in inner) + "\n"
