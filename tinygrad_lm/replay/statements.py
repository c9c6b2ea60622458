"""A recorded step as statements in NumPy's words: what is computed, in the order and with the names of the formulas."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tinygrad_lm.replay.constants import attribute, filled, numpy, of_function
from tinygrad_lm.replay.expressions import INFIX, Writer
from tinygrad_lm.replay.generators import Draw
from tinygrad_lm.replay.instructions import WholeBackward, WholeForward
from tinygrad_lm.replay.lines import ROOM, split, word
from tinygrad_lm.replay.memory import mentioned
from tinygrad_lm.replay.naming import Section
from tinygrad_lm.replay.traced import Compute, Traced
from tinygrad_lm.replay.views import permutation

OPERATIONS = 6
"""So many operations stand in one statement, at most."""


RESHAPED = frozenset({"flatten", "ravel", "reshape", "squeeze", "swapaxes", "transpose", "unsqueeze"})
"""Operations whose result is best called by what it was before."""


class Statements:
    """The statements of instructions, of which those are left out that no result depends on.

    Attributes
    ----------
    lines
        Each statement with what it is about.
    generators
        The names of the random generators, by their identity.
    root
        What the gradients are derivatives of.

    Raises
    ------
    Unplannable
        Where an operation has no formulas in NumPy's words, as one of the user's own.
    """

    def __init__(
        self,
        instructions: Sequence[Any],
        results: Iterable[Traced],
        arguments: Sequence[tuple[Traced, str]],
        gradients: Sequence[tuple[Traced, Traced]] = (),
    ) -> None:
        self.writer = Writer(self._name_view)
        self.lines: list[tuple[Section, str]] = []
        self.generators: dict[int, str] = {}
        self._taken = {"np", "t", "math", *keyword.kwlist, *dir(builtins)}
        self._arguments = {id(traced) for traced, _ in arguments}
        for traced, name in arguments:
            self.writer.names[id(traced)] = self._unique(name)
        self._gradients = {id(gradient): self.writer.names[id(leaf)] for gradient, leaf in gradients}
        self._learning = {id(leaf): self.writer.names[id(leaf)] for _, leaf in gradients}
        self.root = "loss"
        self._changed = {id(x.result.owner) for x in instructions if isinstance(x, Compute) and x.in_place}
        self._uses = _uses(instructions, [*results], self._arguments)
        live = [x for x in instructions if x in self._uses]
        for n, traced in enumerate(mentioned([(x.args, x.options, x.result) for x in live if isinstance(x, Compute)])):
            self.writer.use(traced, n)
        self._partly = {id(x.result.owner) for x in live if isinstance(x, Compute) and x.in_place and not _is_again(x)}
        self._mutable: set[str] = set()
        """The names of what is changed in part, or seen through a view that may be."""
        self._known: dict[str, str] = {}
        """What each expression is called that was written so far."""
        self._section = Section("", "")
        for i, instruction in enumerate(live):
            earlier, self._section = self._section, instruction.section
            if self._section.part != earlier.part:
                self._name_seeds(live[i:])
            if isinstance(instruction, Draw):
                self._draw(instruction)
            else:
                self._compute(instruction)

    def name_of(self, traced: Traced) -> str:
        """What an array is called, or how it is written."""
        return ast.unparse(ast.fix_missing_locations(self.writer.write(traced)))

    def _unique(self, wanted: str) -> str:
        base = re.sub(r"\W+", "_", wanted).strip("_") or "x"
        base = f"_{base}" if base[0].isdigit() else base
        name, n = base, 2
        while name in self._taken:
            name, n = f"{base}_{n}", n + 1
        self._taken.add(name)
        return name

    def _name_seeds(self, coming: Sequence[Any]) -> None:
        """Write what a backward pass begins with as a statement of its own."""
        for compute in coming:
            if compute.section.part != self._section.part:
                break
            for traced in mentioned((compute.args, compute.options) if isinstance(compute, Compute) else ()):
                seed = traced.owner
                if seed.role == "constant" and seed.about is not None and id(seed) not in self.writer.names:
                    self.root = self.writer.names.get(id(seed.about)) or seed.about.name or "loss"
                    self._emit(seed, self.writer.write(seed), Section(self._section.part, ""))

    def _draw(self, draw: Draw) -> None:
        key = id(draw.generator)
        if key not in self.generators:
            self.generators[key] = self._unique("rng")
        rng = ast.Name(self.generators[key], ast.Load())
        self._emit(draw.result, self.writer.call(attribute(rng, draw.method), (), draw.options))

    def _compute(self, compute: Compute) -> None:
        """Write one call, or keep it for the statement that uses it."""
        writer, result = self.writer, compute.result
        given = compute.args, compute.options
        if compute.in_place:
            self._change(compute)
            return
        source = compute.args[0] if self._is_same(compute) else None
        if isinstance(source, Traced) and id(source.owner) not in writer.pending:
            leaf = self._gradients.get(id(result))
            if leaf is None or self.name_of(source) == f"d_{leaf}":
                writer.aliases[id(result)] = source
                return
        size, needs = 1 + writer.size(given), writer.depends(given)
        self._keep_or_emit(compute, writer.made(compute) if source is None else writer.write(source), needs, size)

    def _keep_or_emit(self, compute: Compute, expression: ast.expr, needs: set[int], size: int) -> None:
        """Write it, unless it is used once and may as well stand there."""
        result = compute.result
        times, last = self._uses[compute]
        about = result.about is not None and result.about.shape == result.shape
        named = last and (result.name or about or id(result) in self._gradients)
        if times == 1 and not named and size < OPERATIONS:
            self.writer.pending[id(result)] = result, expression, needs, size
        else:
            self._emit(result, expression, last=last)

    def _is_same(self, compute: Compute) -> bool:
        """Whether it is a copy of what nobody changes, as of ids."""
        source, result = compute.args[0] if compute.args else None, compute.result
        if compute.method != "copy" or not isinstance(source, Traced) or id(result) in self._changed:
            return False
        return source.array.strides == result.array.strides and id(source.owner) not in self._changed

    def _emit(self, result: Traced, expression: ast.expr, section: Section | None = None, last: bool = True) -> None:
        self.writer.pending.pop(id(result), None)
        expression = self._known_as(result, expression)
        if isinstance(expression, ast.Name) and not (last and id(result) in self._gradients):
            self.writer.rename(result, expression.id)
            return
        name = self._unique(self._wanted(result, expression, last))
        self.writer.rename(result, name)
        if id(result) in self._partly:
            self._mutable.add(name)
        else:
            self._known.setdefault(ast.unparse(ast.fix_missing_locations(expression)), name)
        leaf = self._gradients.get(id(result)) or self._learning.get(id(result.about)) if last else None
        comment = "" if leaf is None else f"d {self.root} / d {leaf}"
        self._line(ast.Assign([ast.Name(name, ast.Store())], expression, lineno=0), section, comment)

    def _known_as(self, result: Traced, expression: ast.expr) -> ast.expr:
        """The name of what was computed before by the same expression, of arrays that nothing changes in part."""
        read = {part.id for part in ast.walk(expression) if isinstance(part, ast.Name)}
        known = self._known.get(ast.unparse(ast.fix_missing_locations(expression)))
        random = read & {*self.generators.values()}
        if known is None or id(result) in self._partly or read & self._mutable or random:
            return expression
        return ast.Name(known, ast.Load())

    def _wanted(self, result: Traced, expression: ast.expr, last: bool) -> str:
        """What an array is to be called; one that is changed as a whole later is not yet what its name says."""
        if not last:
            return word(expression)
        if id(result) in self._gradients:
            return f"d_{self._gradients[id(result)]}"
        of = "" if result.about is None else self._called(result.about)
        return f"d_{of}" if of else result.name or word(expression)

    def _called(self, traced: Traced) -> str:
        """What an array is called, or a view of it."""
        if traced.base is None or not traced.how:
            return self.writer.names.get(id(traced.owner)) or traced.owner.name
        if traced.name and traced.name not in RESHAPED:
            return traced.name
        base = self._called(traced.base)
        return f"{base}_T" if base and permutation(traced) is not None else base

    def _name_view(self, view: Traced, expression: ast.expr) -> str:
        """Give a name to what is looked at several times."""
        own = self._called(view.about) if view.about is not None else ""
        name = self._unique(f"d_{own}" if own else word(expression) if view.name in {"", *RESHAPED} else view.name)
        if id(view.owner) in self._partly:
            self._mutable.add(name)
        self._line(ast.Assign([ast.Name(name, ast.Store())], expression, lineno=0))
        return name

    def _line(self, statement: ast.stmt, section: Section | None = None, comment: str = "") -> None:
        for part in split(statement, self._unique):
            line = ast.unparse(ast.fix_missing_locations(part))
            if comment and part is statement:
                beside = f"{line}  # {comment}"
                line = beside if len(beside) <= ROOM else f"# {comment}\n{line}"
            self.lines.append((section or self._section, line))

    def _change(self, compute: Compute) -> None:
        """Write a call that changes an array: as a new value where it is the whole of it."""
        target, writer = compute.result, self.writer
        whole, known = target.base is None, id(target.owner) in writer.names or id(target.owner) in writer.pending
        if compute.method == "fill" and whole and not known:
            made = writer.call(*filled(target.shape, compute.args[1], target.dtype))
            self._keep_or_emit(compute, made, set(), 1)
            return
        again = whole and compute.method == "call" and isinstance(compute.function, np.ufunc)
        if _is_again(compute) and id(target) not in self._arguments:
            given = compute.args, compute.options
            size, needs = 1 + writer.size(given), writer.depends(given)
            self._keep_or_emit(compute, writer.made(compute), needs, size)
            return
        if id(target.owner) in writer.pending:
            owner, expression, *_ = writer.pending[id(target.owner)]
            self._emit(owner, expression)
        elif not known and not again:
            self._emit(target.owner, writer.call(numpy("empty"), [target.owner.shape], {"dtype": target.dtype}))
        statement = self._assignment(compute)
        self._flush(id(target.owner))
        self._line(statement)

    def _assignment(self, compute: Compute) -> ast.stmt:
        writer, function, target = self.writer, compute.function, compute.result
        if compute.method == "__setitem__":
            _, index, value = compute.args
            place = ast.Subscript(writer.write(target), writer.write(index), ast.Store())
            written = writer.write(value)
            if isinstance(written, ast.BinOp) and ast.unparse(written.left) == ast.unparse(place):
                return ast.AugAssign(place, written.op, written.right)
            return ast.Assign([place], written, lineno=0)
        if compute.method == "fill":
            return ast.Expr(writer.call(attribute(writer.write(target), "fill"), compute.args[1:], {}))
        if compute.method != "call":
            run = attribute(of_function(function), compute.method)
            return ast.Expr(writer.call(run, compute.args, compute.options))
        place = writer.write(target)
        if isinstance(function, np.ufunc) and isinstance(place, (ast.Subscript, ast.Name)) and not compute.options:
            stored = _stored(place)
            first, *rest = compute.args
            if function.__name__ in INFIX and first is target:
                return ast.AugAssign(stored, INFIX[function.__name__](), writer.write(rest[0]))
            if isinstance(place, ast.Subscript):
                return ast.Assign([stored], writer.made(compute), lineno=0)
        options = {**compute.options, "out": target} if isinstance(function, np.ufunc) else compute.options
        return ast.Expr(writer.call(of_function(function), compute.args, options))

    def _flush(self, changed: int) -> None:
        """Write what is kept and depends on an array, before that is changed."""
        for key, (result, expression, needs, _) in list(self.writer.pending.items()):
            if changed in needs and key != changed:
                self._emit(result, expression)


def _is_again(compute: Compute) -> bool:
    """Whether a call that changes an array gives it other numbers throughout, as a new array would have them."""
    whole = compute.result.base is None and compute.method == "call" and isinstance(compute.function, np.ufunc)
    return whole and np.result_type(*map(_like, compute.args)) == compute.result.dtype


def _stored(place: ast.expr) -> Any:
    if isinstance(place, ast.Subscript):
        return ast.Subscript(place.value, place.slice, ast.Store())
    return ast.Name(ast.unparse(place), ast.Store())


def _like(x: Any) -> Any:
    return x.array if isinstance(x, Traced) else float(x) if isinstance(x, float) else x


def _uses(instructions: Sequence[Any], results: Sequence[Traced], arguments: set[int]) -> dict[Any, tuple[int, bool]]:
    """Of each call that a result depends on, how often what it made is used, and whether nothing changes that later.

    An array that is changed as a whole counts as another one from there on.
    """
    times: dict[int, int] = {}
    for traced in results:
        times[id(traced.owner)] = times.get(id(traced.owner), 0) + 1
    final = {**times, **dict.fromkeys(arguments, 1)}
    live, found = dict(final), dict[Any, tuple[int, bool]]()
    later: set[int] = set()
    for instruction in reversed(instructions):
        if isinstance(instruction, (WholeForward, WholeBackward)):
            for traced in mentioned(instruction):
                live[id(traced.owner)] = live.get(id(traced.owner), 0) + 1
        if not isinstance(instruction, (Compute, Draw)) or id(instruction.result.owner) not in live:
            continue
        result, key = instruction.result, id(instruction.result.owner)
        found[instruction] = live[key], key not in later
        anew = result.base is None and (isinstance(instruction, Draw) or instruction.method == "call")
        if anew and key not in arguments:
            live[key] = 0
            later.add(key)
        given = (instruction.args, instruction.options) if isinstance(instruction, Compute) else ()
        for traced in mentioned(given):
            live[id(traced.owner)] = live.get(id(traced.owner), 0) + 1
    return found
