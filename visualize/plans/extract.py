"""From a plan to plain data: its calls in short, its arrays and their memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import numpy as np

from tinygrad_lm.replay.instructions import Clip, Store, Update, WholeBackward
from tinygrad_lm.replay.memory import mentioned
from tinygrad_lm.replay.naming import Section
from tinygrad_lm.replay.optimising import Comparison
from tinygrad_lm.replay.plan import Plan
from tinygrad_lm.replay.traced import Traced
from visualize.graph.naming import Naming
from visualize.plans.data import ArrayKind, Buffer, PlanArray, PlanCall, PlanData, Row
from visualize.plans.wording import Wording


def plan_data(plan: Plan, naming: Naming | None = None) -> PlanData:
    """A plan as data.

    Parameters
    ----------
    plan
        The plan.
    naming
        What parameters are called; by default as they are labelled.
    """
    return _Reading(plan, naming or Naming()).data()


class _Reading:
    """One reading of a plan."""

    def __init__(self, plan: Plan, naming: Naming) -> None:
        self._plan = plan
        self._leaves = _named({key: naming.label_of(leaf) or "w" for key, leaf in plan.leaves.items()})
        self._words = Wording({id(plan.traced[key]): name for key, name in self._leaves.items()})
        self._stored = {id(x.value.owner): x.leaf for x in plan.instructions if isinstance(x, Store)}
        self._rows = [i for i, x in enumerate(plan.instructions) if not self._is_in_place(x)]
        self._parts = _parts(plan.instructions)
        self._made: dict[int, str] = {}
        for instruction, section in zip(plan.instructions, self._parts, strict=True):
            for traced in mentioned(instruction):
                self._made.setdefault(id(traced.owner), section.part)

    def _is_in_place(self, instruction: Any) -> bool:
        """Whether an instruction needs no call: a gradient was written where it belongs in the first place."""
        if not isinstance(instruction, Store):
            return False
        return self._plan.gradients[instruction.leaf] is self._plan.layout.array(instruction.value)

    def data(self) -> PlanData:
        """All of it."""
        instructions = self._plan.instructions
        calls = tuple(self._call(instructions[i], self._parts[i]) for i in self._rows)
        layout = self._plan.layout
        buffers = tuple(
            Buffer(*_fields(self._array(place.array)), place.size, place.start, *self._lines(place.first, place.last))
            for place in layout.places
            if place.size
        )
        return PlanData(calls, buffers, tuple(self._kept()), layout.bytes, layout.unshared)

    def _lines(self, first: int, last: int) -> tuple[int, int]:
        """The numbers of the calls that are the first and the last of some instructions."""
        numbers = np.searchsorted(self._rows, [first, last + 1])
        return int(numbers[0]), max(int(numbers[0]), int(numbers[1]) - 1)

    def _call(self, instruction: Any, section: Section) -> PlanCall:
        distinct = {(id(x.owner), x.offset, x.shape): x.size for x in mentioned(instruction)}
        numbers = sum(distinct.values())
        written: list[ArrayKind] = [self._kind(traced) for traced in _written(instruction)]
        text = self._words.call(instruction)
        kind = written[0] if written else None
        if isinstance(instruction, Update):
            mine = [one for one in self._plan.stepped if one.optimizer is instruction.optimizer]
            arrays = 2 + len(instruction.optimizer.moments)
            numbers = arrays * sum(p.data.size for one in mine for p in one.parameters)
            text, kind = f"{type(instruction.optimizer).__name__}: {_counted(mine)}", "parameter"
        elif isinstance(instruction, Clip):
            numbers, kind = sum(self._plan.leaves[key].data.size for key in instruction.leaves), "backward"
        return PlanCall(text, section.part, section.title, kind, numbers)

    def _kind(self, traced: Traced) -> ArrayKind:
        owner = traced.owner
        if owner.role == "leaf":
            return "parameter"
        if owner.role == "input":
            return "input"
        if owner.role in ("constant", "extern", "state"):
            return "constant"
        return "forward" if self._made.get(id(owner)) == "forward" else "backward"

    def _array(self, traced: Traced, size: int | None = None) -> PlanArray:
        name = self._words.name(traced)
        return PlanArray(name, self._kind(traced), traced.shape, str(traced.dtype), size or traced.nbytes)

    def _kept(self) -> Iterator[Row]:
        plan = self._plan
        joined = [one for one in plan.stepped if len(one.parameters) > 1]
        single = [one for one in plan.stepped if len(one.parameters) == 1]
        for together in [*([one] for one in joined), single]:
            keys = [id(parameter) for one in together for parameter in one.parameters]
            moments = dict.fromkeys(name for one in together for name in one.optimizer.moments)
            kinds = {"parameters": "parameter", "gradients": "backward", **dict.fromkeys(moments, "moment")}
            for title, kind in kinds.items() if keys else ():
                yield Row(title, tuple(self._leaf(key, kind) for key in keys), together is not single)
        shown = {id(parameter) for one in plan.stepped for parameter in one.parameters}
        rest = [key for key in plan.leaves if key not in shown]
        yield from _row("other parameters", [self._leaf(key, "parameter") for key in rest])
        yield from _row("their gradients", [self._leaf(key, "backward") for key in rest if key in plan.gradients])
        yield from _row("inputs", [self._array(traced) for traced in plan.inputs])
        yield from _row("buffers of modules", [self._array(traced) for _, _, traced in plan.states])
        constants = {id(x.owner): x.owner for x in mentioned(plan.instructions) if self._kind(x) == "constant"}
        given = [x for x in constants.values() if x.role != "state" and x.array.ndim]
        yield from _row("constants", [self._array(traced) for traced in given])
        placed = {id(place.array) for place in plan.layout.places}
        results = {id(x.owner): x.owner for x in mentioned(plan.result) if x.owner.role == "work"}
        yield from _row("results", [self._array(x) for key, x in results.items() if key not in placed])

    def _leaf(self, key: int, kind: str) -> PlanArray:
        data, name = self._plan.leaves[key].data, self._leaves[key]
        name = f"d {name}" if kind == "backward" else name
        return PlanArray(name, cast("ArrayKind", kind), data.shape, str(data.dtype), data.nbytes)


def _row(title: str, arrays: list[PlanArray]) -> Iterator[Row]:
    if arrays:
        yield Row(title, tuple(arrays), False)


def _fields(array: PlanArray) -> tuple[str, ArrayKind, tuple[int, ...], str]:
    return array.name, array.kind, array.shape, array.dtype


def _named(labels: Mapping[int, str]) -> dict[int, str]:
    """Labels of which no two are the same."""
    found: dict[int, str] = {}
    taken: set[str] = set()
    for key, label in labels.items():
        name, n = label, 2
        while name in taken:
            name, n = f"{label}_{n}", n + 1
        taken.add(name)
        found[key] = name
    return found


def _written(instruction: Any) -> Iterable[Traced]:
    """The arrays that an instruction writes."""
    if isinstance(instruction, WholeBackward):
        return [result for result in instruction.results if result is not None]
    result = getattr(instruction, "result", None)
    return [result] if isinstance(result, Traced) else []


def _parts(instructions: Iterable[Any]) -> list[Section]:
    """What each instruction is about: one that does not say so belongs to the one before it."""
    found: list[Section] = []
    section = Section("forward", "")
    for instruction in instructions:
        if isinstance(instruction, (Store, Clip, Update)):
            section = Section("update" if not isinstance(instruction, Store) else section.part, "")
        elif isinstance(instruction, WholeBackward):
            section = Section("backward", f"back through {instruction.forward.operation.name}")
        else:
            inner: Any = instruction.compute if isinstance(instruction, Comparison) else instruction
            section = inner.section if isinstance(getattr(inner, "section", None), Section) else section
        found.append(section)
    return found


def _counted(joined: Any) -> str:
    """How many parameters are stepped, in how many vectors."""
    parameters = sum(len(one.parameters) for one in joined)
    if len(joined) == parameters:
        return f"{parameters} parameters, one by one" if parameters > 1 else "the parameter"
    return f"{parameters} parameters as {'one vector' if len(joined) == 1 else f'{len(joined)} vectors'}"
