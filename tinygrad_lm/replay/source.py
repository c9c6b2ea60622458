"""A recorded step as statements in NumPy's words: what is computed, in the order and with the names of the formulas."""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tinygrad_lm.replay.expressions import INFIX, Writer, attribute, numpy, of_function
from tinygrad_lm.replay.lowering import Unplannable, WholeBackward, WholeForward
from tinygrad_lm.replay.memory import mentioned
from tinygrad_lm.replay.traced import Compute, Draw, Section, Traced

OPERATIONS = 6
"""So many operations stand in one statement, at most."""


class Statements:
    """The statements of instructions, of which those are left out that no result depends on.

    Attributes
    ----------
    lines
        Each statement with what it is about.
    generators
        The names of the random generators, by their identity.

    Raises
    ------
    Unplannable
        Where an operation has no formulas in NumPy's words, as one of the user's own.
    """

    def __init__(
        self, instructions: Sequence[Any], results: Iterable[Traced], arguments: Sequence[tuple[Traced, str]]
    ) -> None:
        self.writer = Writer()
        self.lines: list[tuple[Section, str]] = []
        self.generators: dict[int, str] = {}
        self._taken = {"np", "t", *keyword.kwlist}
        self._arguments = {id(traced) for traced, _ in arguments}
        for traced, name in arguments:
            self.writer.names[id(traced)] = self._unique(name)
        self._changed = {id(x.result.owner) for x in instructions if isinstance(x, Compute) and x.in_place}
        self._versions: dict[int, int] = {}
        self._uses = _uses(instructions, [*results], self._arguments)
        for instruction in instructions:
            if isinstance(instruction, (WholeForward, WholeBackward)):
                whole = instruction if isinstance(instruction, WholeForward) else instruction.forward
                raise Unplannable(f"{whole.operation.name!r} has no formulas that can be written down")
            if isinstance(instruction, Draw):
                self._draw(instruction)
            elif isinstance(instruction, Compute) and instruction in self._uses:
                self._name_seeds(instruction)
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

    def _name_seeds(self, compute: Compute) -> None:
        """Write what a backward pass begins with as a statement of its own."""
        for traced in mentioned((compute.args, compute.options)):
            seed = traced.owner
            if seed.role == "constant" and seed.about is not None and id(seed) not in self.writer.names:
                self._emit(Section(compute.section.part, ""), seed, self.writer.write(seed))

    def _draw(self, draw: Draw) -> None:
        key = id(draw.generator)
        if key not in self.generators:
            self.generators[key] = self._unique("rng")
        rng = ast.Name(self.generators[key], ast.Load())
        self._emit(draw.section, draw.result, self.writer.call(attribute(rng, draw.method), (), draw.options))

    def _compute(self, compute: Compute) -> None:
        """Write one call, or keep it for the statement that uses it."""
        writer, result = self.writer, compute.result
        given = compute.args, compute.options
        if compute.in_place:
            self._change(compute)
        elif self._is_same(compute):
            writer.aliases[id(result)] = compute.args[0]
        else:
            size, needs = 1 + writer.size(given), writer.depends(given)
            expression = writer.made(compute)
            self._keep_or_emit(compute, expression, needs, size)

    def _keep_or_emit(self, compute: Compute, expression: ast.expr, needs: set[int], size: int) -> None:
        """Write it, unless it is used once and may as well stand there."""
        result = compute.result
        times, last = self._uses[compute]
        named = last and (result.name or result.about is not None)
        if times == 1 and not named and size < OPERATIONS:
            self.writer.pending[id(result)] = result, expression, needs, size
        else:
            self._emit(compute.section, result, expression)

    def _is_same(self, compute: Compute) -> bool:
        """Whether it is a copy of what nobody changes, as of ids."""
        if compute.method != "copy" or id(compute.result) in self._changed:
            return False
        return compute.args[0].base is None and id(compute.args[0].owner) not in self._changed

    def _emit(self, section: Section, result: Traced, expression: ast.expr) -> None:
        names = self.writer.names
        if id(result) not in names:
            about = None if result.about is None else names.get(id(result.about.owner))
            names[id(result)] = self._unique(result.name or "x" if about is None else f"d_{about}")
        self.writer.pending.pop(id(result), None)
        self._line(section, ast.Assign([ast.Name(names[id(result)], ast.Store())], expression, lineno=0))

    def _line(self, section: Section, statement: ast.stmt) -> None:
        self.lines.append((section, ast.unparse(ast.fix_missing_locations(statement))))

    def _change(self, compute: Compute) -> None:
        """Write a call that changes an array: as a new value where it is the whole of it."""
        target, section, writer = compute.result, compute.section, self.writer
        whole, known = target.base is None, id(target.owner) in writer.names or id(target.owner) in writer.pending
        if compute.method == "fill" and whole and not known:
            filled, like = compute.args[1], {"dtype": target.dtype}
            made = numpy({0: "zeros", 1: "ones"}.get(filled, "full"))
            self._emit(
                section, target, writer.call(made, [target.shape, *([] if filled in (0, 1) else [filled])], like)
            )
            return
        again = whole and compute.method == "call" and isinstance(compute.function, np.ufunc)
        if not again and id(target.owner) in writer.pending:
            owner, expression, *_ = writer.pending[id(target.owner)]
            self._emit(section, owner, expression)
        elif not known and not again:
            self._emit(
                section, target.owner, writer.call(numpy("empty"), [target.owner.shape], {"dtype": target.dtype})
            )
        if again and id(target) not in self._arguments and np.result_type(*map(_like, compute.args)) == target.dtype:
            given = compute.args, compute.options
            size, needs = 1 + writer.size(given), writer.depends(given) - {id(target)}
            expression = writer.made(compute)
            self._flush(section, id(target))
            self._keep_or_emit(compute, expression, needs, size)
            return
        if id(target.owner) in writer.pending:
            owner, expression, *_ = writer.pending[id(target.owner)]
            self._emit(section, owner, expression)
        statement = self._assignment(compute)
        self._flush(section, id(target.owner))
        self._line(section, statement)

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

    def _flush(self, section: Section, changed: int) -> None:
        """Write what is kept and depends on an array, before that is changed."""
        for key, (result, expression, needs, _) in list(self.writer.pending.items()):
            if changed in needs and key != changed:
                self._emit(section, result, expression)


def _stored(place: ast.expr) -> Any:
    if isinstance(place, ast.Subscript):
        return ast.Subscript(place.value, place.slice, ast.Store())
    return ast.Name(place.id, ast.Store())  # pyright: ignore[reportAttributeAccessIssue]


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
