"""The text of a program: forward, backward and update as functions, to be read, and to be run without this package."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_lm.optim import Optimizer
from tinygrad_lm.replay.letters import Letter
from tinygrad_lm.replay.lowering import Clip, Given, Lowering, Store, StoreBuffer, Update
from tinygrad_lm.replay.memory import mentioned
from tinygrad_lm.replay.source import Statements
from tinygrad_lm.replay.traced import Section, Tape, Traced

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
    """

    def __init__(self, lowering: Lowering, result: Any, names: Mapping[int, str], title: str) -> None:
        self._lowering, self._result, self._title = lowering, result, title
        instructions = lowering.instructions
        self._stored = {x.leaf: x.value for x in instructions if isinstance(x, Store)}
        self._buffers = [x for x in instructions if isinstance(x, StoreBuffer)]
        keys = [key for key in names if key in lowering.leaves]
        keys += [key for key in lowering.leaves if key not in names]
        leaves = [(key, lowering.nodes[key].data) for key in keys]
        given = [(traced, traced.name or "x") for traced in lowering.inputs]
        given += [(traced, names.get(key) or lowering.leaves[key].label or "w") for key, traced in leaves]
        given += [(traced, name) for _, name, traced in lowering.states]
        outputs = [*mentioned(result), *self._stored.values(), *(x.value for x in self._buffers)]
        self._body = Statements(instructions, outputs, given)
        self.inputs = [self._name(traced) for traced in lowering.inputs]
        self.parameters = {key: self._name(traced) for key, traced in leaves}
        self.states = [self._name(traced) for _, _, traced in lowering.states]
        self.constants = {self._name(traced): traced.array for traced in self._body.writer.given}
        """Arrays that have to be given to the program, since they have no short form."""

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
        return "\n\n".join([head, *functions])

    def _gradients(self) -> str:
        generators = [*self._body.generators.values()]
        given = [*self.inputs, *self.parameters.values(), *self.states, *self.constants, *generators]
        ends = [f"{self._written_buffer(x)}[...] = {self._body.name_of(x.value)}" for x in self._buffers]
        returned = self._returned(self._result)
        if not self._stored:
            return _function(
                "forward", given, "The result.", _commented(self._body.lines), [*ends, f"return {returned}"]
            )
        pairs = [
            f'"{name}": {self._body.name_of(self._stored[key])}'
            for key, name in self.parameters.items()
            if key in self._stored
        ]
        ends.append(_broken("return " + returned + ", {", pairs, "}"))
        said = "The loss, and its derivative with respect to each parameter: d_x is d loss / d x."
        return _function("gradients", given, said, _commented(self._body.lines), ends)

    def _written_buffer(self, stored: StoreBuffer) -> str:
        for module, name, traced in self._lowering.states:
            if module is stored.module and name == stored.name:
                return self._name(traced)
        return stored.name

    def _returned(self, result: Any) -> str:
        if isinstance(result, Given):
            return self._returned(result.value)
        if isinstance(result, Traced):
            return self._body.name_of(result)
        if isinstance(result, (tuple, list)):
            inside = ", ".join(map(self._returned, result))
            return f"({inside}{',' if len(result) == 1 else ''})" if isinstance(result, tuple) else f"[{inside}]"
        if isinstance(result, dict):
            return "{" + ", ".join(f"{key!r}: {self._returned(value)}" for key, value in result.items()) + "}"
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
        lines = [f"{'loss' if self._result is not None else '_'}, d = gradients("]
        lines[0] += ", ".join([*self.inputs, "**parameters", *(f"{name}={name}" for name in more)]) + ")"
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
            said = "One step, the t-th from 1: the parameters and their moments, zeros at first, are changed in place."
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


def _commented(lines: Sequence[tuple[Section, str]]) -> list[str]:
    """The statements, with a comment where another operation begins, and an empty line before each part."""
    found: list[str] = []
    part = title = ""
    for section, line in lines:
        if section.part != part:
            found += ["", f"# {section.part}"] if found else [f"# {section.part}"]
            part, title = section.part, ""
        if section.title != title:
            title = section.title
            found.append(f"# {title}")
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
