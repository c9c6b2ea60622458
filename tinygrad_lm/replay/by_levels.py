"""Running a step by levels: its numbers stand in one array, and each group of them is computed by one call of NumPy.

The way back goes through the groups in reverse, by the derivatives of the table, written for arrays as well as floats.
What comes to one number from many is added up in a fixed order. Where a matrix product was written as sums over all
pairs of rows, its way back is two matrix products.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from tinygrad_lm.autograd.elementwise import Elementwise
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.replay.levels import Group, Levels

_FEW = 4
"""Matrices with fewer rows than that are not looked for."""


class Memory:
    """The numbers of a step in one array, and their gradients in another of the same order."""

    def __init__(self, levels: Levels) -> None:
        self._at: dict[int, int] = {}
        """Where each number stands, by its place among those that were made."""
        first = [*levels.constants, *levels.inputs, *levels.leaves]
        size = len(first) + sum(len(group.units) for group in levels.groups)
        self.numbers: Array = np.zeros(size)
        self.gradients: Array = np.zeros(size)
        self.give(first)
        self.numbers[: len(levels.constants)] = [levels.numbers[place] for place in levels.constants]
        inputs, leaves = len(levels.constants), len(levels.constants) + len(levels.inputs)
        self.inputs, self.leaves = self.numbers[inputs:leaves], self.numbers[leaves : len(first)]
        self.computed = self.numbers[inputs:]
        """All but the constants."""
        self.constants = inputs

    def give(self, places: Sequence[int]) -> slice:
        """Let numbers stand side by side."""
        start = len(self._at)
        self._at.update(zip(places, range(start, start + len(places)), strict=True))
        return slice(start, len(self._at))

    def at(self, places: Sequence[int]) -> Array:
        """Where numbers stand."""
        return np.array([self._at[place] for place in places], dtype=np.intp)


class Taken:
    """Numbers that are read, in an array of any shape; and where the gradient of each is added."""

    def __init__(self, memory: Memory, at: Array, needed: bool = False, plain: bool = False) -> None:
        self._numbers, self._gradients = memory.numbers, memory.gradients
        self._at = at
        self._view: Any = None
        """The numbers themselves where they need not be gathered."""
        flat = at.ravel()
        first, count = int(flat[0]), len(flat)
        if _in_a_row(flat):
            self._view = self._numbers[first : first + count].reshape(at.shape)
        elif at.ndim == 1 and bool((flat == first).all()):
            number = plain and first < memory.constants
            self._view = float(self._numbers[first]) if number else self._numbers[first : first + 1]
        if needed:
            some, which = np.unique(flat, return_inverse=True)
            self._which: Any = which if len(some) < count or not _in_a_row(flat) else None
            self._count = len(some)
            self._to: Any = slice(int(some[0]), int(some[0]) + len(some)) if _in_a_row(some) else some

    def read(self) -> Any:
        """The numbers."""
        return self._numbers[self._at] if self._view is None else self._view

    def add(self, gradients: Array) -> None:
        """Add to the gradient of each; of a number that is there several times, in the order of the array."""
        flat = gradients.ravel()
        if self._which is not None:
            flat = np.bincount(self._which, flat, self._count)
        self._gradients[self._to] += flat


def _in_a_row(at: Array) -> bool:
    return bool((at[1:] - at[:-1] == 1).all())


class Elements:
    """A group of one operation of the table."""

    def __init__(self, group: Group, memory: Memory) -> None:
        how = cast("Elementwise", group.how)
        at = memory.at([place for unit in group.units for place in unit.of]).reshape(len(group.units), -1).T
        here = memory.give([unit.place for unit in group.units])
        # A number that all have in common is one for NumPy, too, which squares where the exponent is 2.
        self._operands = [
            Taken(memory, one, need, plain=i > 0) for i, (one, need) in enumerate(zip(at, group.needs, strict=True))
        ]
        self._forward: Any = how.forward
        self._derivatives = [
            (operand, slope)
            for operand, slope, need in zip(self._operands, how.derivatives, group.needs, strict=True)
            if need
        ]
        self._out, self._gradient = memory.numbers[here], memory.gradients[here]
        self._inputs: list[Any] = []

    def forward(self) -> None:
        """Compute the numbers."""
        self._inputs = inputs = [operand.read() for operand in self._operands]
        self._out[...] = self._forward(*inputs)

    def backward(self) -> None:
        """Hand their gradients on."""
        gradient = self._gradient
        for operand, slope in self._derivatives:
            if isinstance(slope, int):
                operand.add(gradient if slope == 1 else gradient * slope)
            else:
                operand.add(gradient * slope(*self._inputs, self._out))


class Sums:
    """A group of sums of as many terms, some of them products; added up from the first one on, as Python does."""

    def __init__(self, group: Group, memory: Memory) -> None:
        products = np.array(group.products)
        first = np.cumsum([0, *(1 + products)])[:-1]
        units = group.units
        count = len(units)
        at = memory.at([place for unit in units for place in unit.of]).reshape(count, -1).T
        needs = np.array(group.needs)
        one, other = first[products], first[products] + 1
        self._products: Grid | Pairs | None = None
        if len(one):
            grid = _grid(at[one], at[other], needs[one], needs[other])
            if grid is not None:
                order, shape = grid
                units, at = [units[int(i)] for i in order], at[:, order]
                self._products = Grid(memory, at[one], at[other], shape, (bool(needs[one[0]]), bool(needs[other[0]])))
            else:
                self._products = Pairs(memory, at[one], at[other], (needs[one], needs[other]))
        self._terms = np.empty((len(products), count))
        self._product_rows, self._rows = _some(np.flatnonzero(products)), _some(np.flatnonzero(~products))
        single = first[~products]
        self._single = Taken(memory, at[single]) if len(single) else None
        needed = single[needs[single]]
        self._needed, self._shape = Taken(memory, at[needed], True) if len(needed) else None, (len(needed), count)
        here = memory.give([unit.place for unit in units])
        self._out, self._gradient = memory.numbers[here], memory.gradients[here]

    def forward(self) -> None:
        """Compute the numbers."""
        terms = self._terms
        if self._single is not None:
            terms[self._rows] = self._single.read()
        if self._products is not None:
            terms[self._product_rows] = self._products.forward()
        if terms.shape[1] > 1:
            np.add.reduce(terms, axis=0, out=self._out)
        else:  # which NumPy would add up in another order
            self._out[...] = np.add.accumulate(terms[:, 0])[-1]

    def backward(self) -> None:
        """Hand their gradients on."""
        if self._needed is not None:
            self._needed.add(np.broadcast_to(self._gradient, self._shape))
        if self._products is not None:
            self._products.backward(self._gradient)


def _some(rows: Array) -> Any:
    return slice(int(rows[0]), int(rows[-1]) + 1) if len(rows) and _in_a_row(rows) else rows


class Pairs:
    """Products of numbers from anywhere."""

    def __init__(self, memory: Memory, one: Array, other: Array, needs: tuple[Array, Array]) -> None:
        self._sides = Taken(memory, one), Taken(memory, other)
        self._rows = [_some(np.flatnonzero(need)) for need in needs]
        self._added = [
            Taken(memory, at[rows], True) if need.any() else None
            for at, rows, need in zip((one, other), self._rows, needs, strict=True)
        ]
        self._x: Any = None
        self._y: Any = None

    def forward(self) -> Array:
        """The products."""
        self._x, self._y = self._sides[0].read(), self._sides[1].read()
        return self._x * self._y

    def backward(self, gradient: Array) -> None:
        """Hand on what comes to the sums."""
        for added, rows, partner in zip(self._added, self._rows, (self._y, self._x), strict=True):
            if added is not None:
                added.add(gradient * partner[rows])


class Grid:
    """The products of each row of one matrix with each row of another, which stand as columns here."""

    def __init__(
        self, memory: Memory, one: Array, other: Array, shape: tuple[int, int], needs: tuple[bool, bool]
    ) -> None:
        self._shape = shape
        self._one = Taken(memory, one[:, :: shape[1]], needs[0])
        self._other = Taken(memory, other[:, : shape[1]], needs[1])
        self._needs = needs
        self._x: Any = None
        self._y: Any = None

    def forward(self) -> Array:
        """The products."""
        self._x, self._y = self._one.read(), self._other.read()
        return (self._x[:, :, None] * self._y[:, None, :]).reshape(len(self._x), -1)

    def backward(self, gradient: Array) -> None:
        """Hand on what comes to the sums."""
        grid = gradient.reshape(self._shape)
        if self._needs[0]:
            self._one.add(self._y @ grid.T)
        if self._needs[1]:
            self._other.add(self._x @ grid)


def _grid(one: Array, other: Array, needs: Array, others_need: Array) -> tuple[Array, tuple[int, int]] | None:
    """In which order the sums are those of all pairs of a column of one and a column of the other; how many of each."""
    if one.shape[1] < _FEW or needs.any() != needs.all() or others_need.any() != others_need.all():
        return None
    (some, which), (others, which_other) = (np.unique(at, axis=1, return_inverse=True) for at in (one, other))
    shape = some.shape[1], others.shape[1]
    pair = which.ravel() * shape[1] + which_other.ravel()
    if min(shape) < 2 or shape[0] * shape[1] != len(pair) or len(np.unique(pair)) < len(pair):
        return None
    return np.argsort(pair), shape


class Ways:
    """The way forward and back through all groups."""

    def __init__(self, levels: Levels) -> None:
        self.memory = memory = Memory(levels)
        self.groups = [
            (Elements if isinstance(group.how, Elementwise) else Sums)(group, memory) for group in levels.groups
        ]

    def forward(self) -> None:
        """Compute all numbers of what stands at the inputs and leaves."""
        for group in self.groups:
            group.forward()

    def backward(self, root: int, gradient: float) -> None:
        """Compute the gradients of the number at a place of the array."""
        gradients = self.memory.gradients
        gradients[:] = 0.0
        gradients[root] = gradient
        for group in reversed(self.groups):
            group.backward()
