"""A plan by levels of a step over ``Value``s: what it reads, what it looks at, and what it leaves behind."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from tinygrad_lm.autograd.value import Value
from tinygrad_lm.replay.by_levels import Ways
from tinygrad_lm.replay.calls import Broken
from tinygrad_lm.replay.levels import Levels
from tinygrad_lm.replay.value_recording import LEAF, ValueRecorder
from tinygrad_lm.replay.watched_values import Given

EXACT = 2.0**53
"""Up to here floats are exact where whole numbers are."""

_COMPARE = {
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
}
_NUMBERS = {float, int}


class Odd(Exception):
    """There is a number that Python and NumPy answer differently: the step itself is to run."""


class ScalarPlan:
    """What two recordings of a step had in common, run by levels."""

    def __init__(self, recorder: ValueRecorder, result: Any, values: Sequence[Value]) -> None:
        self.tried = False
        """Whether it has been seen to give what the step gives."""
        self.told = recorder.told_of(result)
        before: dict[int, Any] = {}
        root: int | None = None
        self._gradient: Any = 1.0
        self.after: list[tuple[str, int, Any]] = []
        for word, place, what in recorder.graded:
            if word == "backward":
                root, self._gradient = place, what
            elif word == "step" or root is not None:
                self.after.append((word, place, what))
            elif place in recorder.leaves:
                before[place] = what
        self.after = [event for event in self.after if event[0] == "step" or event[1] in recorder.leaves]
        wanted = [place for _, one, other, _ in recorder.checks for place in (one, other)]
        levels = Levels(recorder.made, [*wanted, *recorder.whole_numbers, *_places(self.told)], root)
        self._ways = ways = Ways(levels)
        self._memory = memory = ways.memory

        def at(places: Sequence[int]) -> Any:
            return memory.at([levels.source(place) for place in places])

        self._root = int(at([root])[0]) if root is not None and levels.graded else None
        self._whole = at(recorder.whole_numbers)
        self._checks: list[Any] = []
        for name, compare in _COMPARE.items():
            some = [check for check in recorder.checks if check[0].__name__ == name]
            if some:
                outcomes = np.array([outcome for _, _, _, outcome in some])
                self._checks.append(
                    (compare, at([one for _, one, _, _ in some]), at([x for _, _, x, _ in some]), outcomes)
                )
        numbers = {place: i for i, place in enumerate(recorder.inputs)}
        self._inputs = np.array([numbers[place] for place in levels.inputs], dtype=np.intp)
        # Leaves that are arguments are others at each call: by their positions.
        positions = {id(value): i for i, value in enumerate(values)}
        self._positions = {
            place: positions[id(leaf)] for place, leaf in recorder.leaves.items() if id(leaf) in positions
        }
        self._objects = recorder.leaves
        self.places = {place: int(at([place])[0]) for place in _places(self.told)}
        self._read = levels.leaves
        self._graded, self._graded_at = levels.graded, at(levels.graded)
        self._set = [(place, what) for place, what in before.items() if place not in {*levels.graded}]
        self._before = before
        self._alone = not positions
        self._leaves = [recorder.leaves[place] for place in levels.leaves]
        self._bases = (
            None if any(place not in before for place in levels.graded) else [before[p] for p in levels.graded]
        )

    def __str__(self) -> str:
        return f"{len(self._memory.computed):,} numbers in {len(self._ways.groups):,} operations on arrays"

    def leaf(self, place: int, values: Sequence[Value]) -> Value:
        """The leaf at a place, which may be an argument."""
        position = self._positions.get(place)
        return self._objects[place] if position is None else values[position]

    def leaves(self, places: Sequence[int], values: Sequence[Value]) -> list[Value]:
        """The leaves at some places."""
        return [self.leaf(place, values) for place in places]

    def compute(self, numbers: Sequence[float], values: Sequence[Value]) -> Found:
        """Compute everything, and change nothing yet.

        Raises
        ------
        Broken
            Where a comparison comes out otherwise.
        Odd, FloatingPointError, OverflowError
            Where the step itself is to answer.
        """
        memory = self._memory
        data = [leaf.data for leaf in (self._leaves if self._alone else self.leaves(self._read, values))]
        if not {*map(type, data)} <= {float}:
            raise Odd
        memory.leaves[:] = data
        with np.errstate(all="raise", under="ignore"):
            if len(self._inputs):
                memory.inputs[:] = np.array(numbers, dtype=float)[self._inputs]
            self._ways.forward()
            if not math.isfinite(memory.computed.sum()):
                raise Odd
            if len(self._whole) and np.abs(memory.numbers[self._whole]).max() > EXACT:
                raise Odd
            for compare, one, other, outcomes in self._checks:
                if not np.array_equal(compare(memory.numbers[one], memory.numbers[other]), outcomes):
                    raise Broken
            totals: list[float] = []
            if self._root is not None:
                self._ways.backward(self._root, self._gradient)
                found = memory.gradients[self._graded_at]
                if not math.isfinite(found.sum()):
                    raise Odd
                totals = found.tolist()
        graded = self.leaves(self._graded, values)
        bases = [leaf.grad for leaf in graded] if self._bases is None else self._bases
        if self._bases is None:
            bases = [self._before.get(p, base) for p, base in zip(self._graded, bases, strict=True)]
        gradients = [t if b is None else b + t for b, t in zip(bases, totals, strict=True)]
        return Found(self, values, [*zip(graded, gradients, strict=True)], memory.numbers)

    def set_alone(self, values: Sequence[Value]) -> list[tuple[Value, Any]]:
        """What is set as the gradient of leaves to which none comes."""
        return [(self.leaf(place, values), what) for place, what in self._set]


class Found:
    """What a plan has computed for a call."""

    def __init__(
        self, plan: ScalarPlan, values: Sequence[Value], graded: list[tuple[Value, Any]], numbers: Any
    ) -> None:
        self._plan, self._values, self._graded = plan, values, graded
        self._numbers = {place: float(numbers[at]) for place, at in plan.places.items()}

    def gradients(self) -> list[tuple[Value, Any]]:
        """The gradients that the step leaves, each with its leaf."""
        plan, values = self._plan, self._values
        found = {id(leaf): (leaf, what) for leaf, what in [*plan.set_alone(values), *self._graded]}
        for word, place, what in plan.after:
            if word == "set":
                leaf = plan.leaf(place, values)
                found[id(leaf)] = leaf, what
        return [*found.values()]

    def finish(self) -> Any:
        """Leave behind what the step does, and give what it returns."""
        plan, values = self._plan, self._values
        for leaf, gradient in self._graded:
            leaf.grad = gradient
        for leaf, what in plan.set_alone(values):
            leaf.grad = what
        for word, place, what in plan.after:
            if word == "set":
                plan.leaf(place, values).grad = what
            else:
                what.step()
        return self.result()

    def result(self) -> Any:
        """What the step returns."""
        return self._made(self._plan.told)

    def _made(self, told: Any) -> Any:
        kind, place, *rest = told
        if kind is tuple or kind is list:
            return cast("Any", kind)(map(self._made, place))
        if kind is dict:
            return {key: self._made(one) for key, one in place}
        if kind is Given:
            return rest[0](self._numbers[place])
        if kind is Value:
            return Value(self._numbers[place], requires_grad=False)
        return self._plan.leaf(place, self._values) if kind == LEAF else rest[0]


def _places(told: Any) -> list[int]:
    """The places of the numbers that a step returns."""
    kind, place = told[:2]
    if kind is tuple or kind is list:
        return [i for one in place for i in _places(one)]
    if kind is dict:
        return [i for _, one in place for i in _places(one)]
    return [place] if kind is Given or kind is Value else []


def alike(one: Any, other: Any) -> bool:
    """Whether two results are the same but for rounding, to which the largest of their numbers counts."""
    these, those = list[float](), list[float]()
    if _shape(one, these) != _shape(other, those):
        return False
    room = 1e-9 * max(map(abs, these), default=0.0)
    return all(math.isclose(x, y, rel_tol=1e-7, abs_tol=room) for x, y in zip(these, those, strict=True))


def _shape(x: Any, numbers: list[float]) -> Any:
    """All of a result but its numbers, which are put into a list."""
    kind = cast("Any", type(x))
    if kind is tuple or kind is list:
        return kind, [_shape(one, numbers) for one in x]
    if kind is dict:
        return kind, [(key, _shape(one, numbers)) for key, one in x.items()]
    if kind is float or kind is Value:
        numbers.append(x.data if kind is Value else x)
        return kind
    return x
