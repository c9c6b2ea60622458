"""Arrays as small pictures: their numbers, averaged to a few cells, from the most negative to the most positive."""

from __future__ import annotations

import numpy as np

from tinygrad_lm.autograd.types import Array

ROWS, COLUMNS = 16, 48
"""The most cells of a picture; larger arrays are averaged."""

LEVELS = 8
"""Cells are whole numbers from -8 to 8."""

Cells = tuple[tuple[int, ...], ...]


def cells_of(array: Array) -> Cells:
    """The cells of an array with at least two elements: its last axis from left to right, the others downwards.

    0 is 0; 8 or -8 is the largest magnitude. Of truth values true is 8. What is not finite is 8 or -8 by its sign, and
    nan is 0. Empty for other arrays.
    """
    if array.size < 2 or array.ndim < 1 or array.dtype.kind not in "biuf":
        return ()
    numbers = array.reshape(-1, array.shape[-1]).astype(np.float64)
    finite = np.isfinite(numbers)
    largest = float(np.abs(numbers[finite]).max(initial=0.0))
    scaled = np.where(finite, numbers / (largest or 1.0), np.sign(np.nan_to_num(numbers, nan=0.0)))
    blocks = _averaged(_averaged(scaled, ROWS, 0), COLUMNS, 1)
    top = float(np.abs(blocks).max(initial=0.0)) or 1.0
    levels = np.rint(blocks / top * LEVELS).astype(int)
    return tuple(tuple(int(cell) for cell in row) for row in levels)


def _averaged(numbers: Array, most: int, axis: int) -> Array:
    """At most so many blocks along an axis, each the mean of what it stands for."""
    size = int(numbers.shape[axis])
    if size <= most:
        return numbers
    starts = np.linspace(0, size, most, endpoint=False).astype(int)
    counts = np.diff([*starts, size])
    sums: Array = np.add.reduceat(numbers, starts, axis=axis)
    return sums / (counts[:, None] if axis == 0 else counts)
