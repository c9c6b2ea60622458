"""A matrix product of ``Value``s: what its numbers keep of their operands, and the way back through all at once.

Each number is a node by itself, what ``Value.dot`` makes of its row and column; its parents and its derivatives are
read off the ``Product``. The pass over Values, which needs them all, takes two products of matrices of floats in their
place: its gradients are those of the nodes one by one, but for rounding.
"""

from __future__ import annotations

from itertools import compress
from operator import mul
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from tinygrad_lm.autograd.elementwise import annihilate
from tinygrad_lm.autograd.nary import dot_of_scalars
from tinygrad_lm.autograd.types import Array

if TYPE_CHECKING:
    from tinygrad_lm.autograd.value import Value


_COMPENSATED = sum([1.0, 1e100, 1.0, -1e100]) != 0.0
"""Whether Python's sum of floats keeps what rounding loses, as from 3.12 on."""

_TERMS = 1 << 15
"""About so many terms are summed side by side."""


class Product:
    """What the numbers of X Yᵀ keep together: X of m rows, Y of n rows, all of one width; each of them flat.

    In the order of a pass over Values it stands before the first of its numbers, like a node.
    """

    __slots__ = ("_total", "columns", "rows", "width", "x", "y")

    operation = dot_of_scalars
    _left = _right = None

    def __init__(self, rows: list[Value], columns: list[Value], width: int) -> None:
        self.rows, self.columns, self.width = rows, columns, width
        self.x, self.y = [v.data for v in rows], [v.data for v in columns]
        self._total: Any = None
        """What came to each number of the product in the running pass."""

    def _arrays(self) -> tuple[Array, Array]:
        return np.array(self.x).reshape(-1, self.width), np.array(self.y).reshape(-1, self.width)

    def _lines(self, index: int) -> tuple[slice, slice]:
        """Where the row and the column of one number stand."""
        width = self.width
        i, j = divmod(index, len(self.y) // width)
        return slice(i * width, (i + 1) * width), slice(j * width, (j + 1) * width)

    def numbers(self) -> list[float]:
        """X Yᵀ, row by row, each number summed as ``Value.dot`` does."""
        x, y = self._arrays()
        if _COMPENSATED:
            return [float(sum(map(mul, row, column))) for row in x.tolist() for column in y.tolist()]
        found: list[float] = []
        some = max(1, _TERMS // y.size)
        with np.errstate(all="ignore"):
            for start in range(0, len(x), some):
                terms = x[start : start + some].T[:, :, None] * y.T[:, None, :]
                # From the left, as no other function of NumPy adds for certain; from 0, which makes 0 of -0.
                found += (np.add.accumulate(terms, axis=0, out=terms)[-1] + 0.0).ravel().tolist()
        return found

    def learns(self) -> list[bool]:
        """Which numbers depend on anything that requires a gradient."""
        width = self.width
        rows, columns = (
            [True in [v.requires_grad for v in side[i : i + width]] for i in range(0, len(side), width)]
            for side in (self.rows, self.columns)
        )
        return [one or other for one in rows for other in columns]

    def parents(self, index: int) -> tuple[Value, ...]:
        """The operands of one number: its row, then its column."""
        row, column = self._lines(index)
        return (*self.rows[row], *self.columns[column])

    def inputs(self, index: int) -> tuple[float, ...]:
        """What those were when the product was computed."""
        row, column = self._lines(index)
        return (*self.x[row], *self.y[column])

    def missing(self, unreached: float) -> list[Value]:
        """The operands that need a gradient and are not in the order yet."""
        sides = self.rows, self.columns
        return [v for side in sides for v in side if v._total is not unreached and v.requires_grad]

    def collect(self, index: int, total: float) -> None:
        """Note what came to one number."""
        totals = self._total
        if type(totals) is not list:
            self._total = totals = cast("list[Any]", [None] * (len(self.x) // self.width * len(self.y) // self.width))
        totals[index] = total

    def hand_on(self, unreached: float) -> None:
        """Add what all that was noted comes to for each operand to its slot."""
        totals: list[Any] = self._total
        self._total = unreached
        x, y = self._arrays()
        grid = np.array(totals, dtype=float).reshape(len(x), len(y))  # nan for None
        sides = [self.rows, self.columns]
        if None in totals:
            reached = np.array([total is not None for total in totals]).reshape(grid.shape)
            some, other = reached.any(axis=1), reached.any(axis=0)
            grid, x, y = np.where(reached, grid, 0.0)[some][:, other], x[some], y[other]
            for side, lines in enumerate((some, other)):
                sides[side] = [*compress(sides[side], lines.repeat(self.width))]
        with np.errstate(all="ignore"):
            shares = grid @ y, grid.T @ x
            whole = shares[0].sum() + shares[1].sum()
        if whole != whole:  # perhaps of 0 times infinity, which is 0 here
            self._hand_on_one_by_one(totals, unreached)
            return
        for parents, parts in zip(sides, shares, strict=True):
            for parent, part in zip(parents, parts.ravel().tolist(), strict=True):
                earlier = parent._total  # also of a constant, where nobody reads it
                parent._total = part if earlier is unreached else earlier + part

    def _hand_on_one_by_one(self, totals: list[Any], unreached: float) -> None:
        for index, total in enumerate(totals):
            if total is None:
                continue
            parents, inputs = self.parents(index), self.inputs(index)
            for parent, partner in zip(parents, inputs[self.width :] + inputs[: self.width], strict=True):
                if parent.requires_grad:
                    part = total * partner
                    part = part if part == part else annihilate(part, total)
                    earlier = parent._total
                    parent._total = part if earlier is unreached else earlier + part
