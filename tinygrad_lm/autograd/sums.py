"""Sums and maxima over the rows and the columns of a matrix, several times as fast as NumPy's reductions."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np

from tinygrad_lm.autograd.types import Array

NARROW = 64
"""Up to this many columns the largest of each row is found faster in the transpose."""


@functools.lru_cache(maxsize=256)
def _ones(n: int, dtype: np.dtype[Any]) -> Array:
    ones = np.ones(n, dtype)
    ones.flags.writeable = False
    return ones


def column_sums(rows: Array) -> Array:
    """The sum of the rows (n, width) -> (width,): a product with ones, which BLAS makes of float32 and float64."""
    if rows.dtype.char not in "fd":
        return np.add.reduce(rows, axis=0)
    return np.dot(_ones(rows.shape[0], rows.dtype), rows)


def row_sums(rows: Array) -> Array:
    """The sum of each row (n, width) -> (n, 1), likewise."""
    if rows.dtype.char not in "fd":
        return np.add.reduce(rows, axis=-1, keepdims=True)
    return np.dot(rows, _ones(rows.shape[1], rows.dtype)).reshape(-1, 1)


def row_means(x: Array) -> Array:
    """The mean along the last axis (..., width) -> (..., 1)."""
    width = x.shape[-1]
    if x.dtype.char not in "fd":
        return np.mean(x, axis=-1, keepdims=True)
    # Of a stack of matrices NumPy would make a product a row.
    rows = x if x.ndim < 3 else x.reshape(-1, width)
    means = np.dot(rows, _ones(width, x.dtype))
    means *= 1 / width
    return means.reshape(*x.shape[:-1], 1)


def row_maxima(rows: Array) -> Array:
    """The largest of each row (n, width) -> (n, 1)."""
    if rows.shape[1] > NARROW:
        return np.maximum.reduce(rows, axis=-1, keepdims=True)
    return np.maximum.reduce(rows.T.copy(), axis=0).reshape(-1, 1)


def running_sums(rows: Array) -> Array:
    """The sum of each row (n, width) up to each of its numbers, in the transpose: (width, n), as ``np.cumsum`` adds."""
    n, width = rows.shape
    if n < 8 * width:
        return np.cumsum(rows, axis=-1).T
    sums = rows.T.copy()
    for before, now in itertools.pairwise(sums):
        now += before
    return sums
