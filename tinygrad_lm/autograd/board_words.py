"""The words of formulas on a board: functions that compute on arrays, and print themselves when given symbols."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_lm.autograd.attention import weights_reference
from tinygrad_lm.autograd.elementwise import unbroadcast
from tinygrad_lm.autograd.reductions import restore
from tinygrad_lm.autograd.symbols import Symbol, call
from tinygrad_lm.autograd.types import Array

Word = Callable[..., Any]


def word(shown: int = 1) -> Callable[[Word], Word]:
    """Make a function print itself by its name, with so many of its operands (0 for all), when it is given symbols."""

    def make(function: Word) -> Word:
        @functools.wraps(function)
        def spoken(*operands: Any) -> Any:
            if any(isinstance(x, Symbol) for x in operands):
                return call(function.__name__.removesuffix("_"), operands[: shown or None])
            return function(*operands)

        return spoken

    return make


def rows(x: Any) -> Any:
    """All rows of the last axis as one matrix, which does not show."""
    return x if isinstance(x, Symbol) else x.reshape(-1, x.shape[-1])


def transposed(x: Any) -> Any:
    """The last two axes exchanged."""
    return x.T if isinstance(x, Symbol) else x.swapaxes(-1, -2)


def fitted(g: Any, x: Any) -> Any:
    """Summed over what was broadcast, which does not show where nothing was."""
    return g if isinstance(g, Symbol) or g.shape == x.shape else fit(g, x)


def restored(out: Any, x: Any, axis: Any) -> Any:
    """A reduced result with its axes back, which does not show."""
    return out if isinstance(out, Symbol) else restore(out, x, axis)


def row_times(g: Any, matrix: Any) -> Any:
    """A row, or a stack of rows, times a matrix."""
    return g @ matrix if isinstance(g, Symbol) else (g[..., None, :] @ matrix)[..., 0, :]


def times_column(matrix: Any, g: Any) -> Any:
    """A matrix times a column, or a stack of columns."""
    return matrix @ g if isinstance(g, Symbol) else (matrix @ g[..., None])[..., 0]


@word()
def sum_rows(x: Array) -> Array:
    """The sum of all rows."""
    return rows(x).sum(axis=0)


@word()
def sum_(x: Array, axis: Any = -1) -> Array:
    """The sum along an axis, which stays."""
    return x.sum(axis=axis, keepdims=True)


@word()
def mean_(x: Array, axis: Any = -1) -> Array:
    """The mean along an axis, which stays."""
    return x.mean(axis=axis, keepdims=True)


@word()
def normal(x: Array, axis: int, eps: float) -> Array:
    """With mean 0 and variance 1 along an axis."""
    return (x - x.mean(axis=axis, keepdims=True)) / std_(x, axis, eps)


@word()
def std_(x: Array, axis: int, eps: float) -> Array:
    """The standard deviation along an axis, which stays."""
    return np.sqrt(x.var(axis=axis, keepdims=True) + eps)


@word()
def rms(x: Array, eps: float) -> Array:
    """The root of the mean of the squares."""
    return np.sqrt(mean_(x * x) + eps)


@word()
def softmax(x: Array, axis: Any = -1) -> Array:
    """The softmax along an axis; of a row without a finite element 0."""
    largest = x.max(axis=axis, keepdims=True)
    e = np.exp(x - np.where(np.isfinite(largest), largest, 0))
    total = e.sum(axis=axis, keepdims=True)
    return e / np.where(total == 0, 1, total)


@word()
def onehot(targets: Array, z: Array) -> Array:
    """A row of zeros with a 1 at the target."""
    classes: int = z.shape[-1]
    return np.equal(targets[..., None], np.arange(classes)).astype(z.dtype)


@word()
def counted(targets: Array, ignore_index: int) -> Array:
    """1 where a target counts, and 0 where it is ignored."""
    return np.not_equal(targets, ignore_index)[..., None]


@word(2)
def scatter_add(g: Array, ids: Array, weight: Array) -> Array:
    """Zeros with each row of g added at its id."""
    table = np.zeros_like(weight)
    np.add.at(table, ids, g)
    return table


@word()
def spread(g: Array, x: Array, axis: Any) -> Array:
    """Each element of g for all that it was reduced from."""
    return np.broadcast_to(restore(g, x, axis), x.shape)


@word(2)
def share(x: Array, out: Array, axis: Any) -> Array:
    """1 where the extreme is, divided among equals, and 0 elsewhere."""
    best: Array = restore(out, x, axis)
    there = np.equal(x, best)
    return there / np.count_nonzero(there, axis=axis, keepdims=True)


@word()
def others(x: Array, axis: Any) -> Array:
    """For each element the product of the others."""
    found = np.empty_like(x)
    for index in np.ndindex(x.shape):
        without = x.copy()
        without[index] = 1
        found[index] = np.broadcast_to(np.prod(without, axis=axis, keepdims=True), x.shape)[index]
    return found


@word()
def fit(g: Array, x: Array) -> Array:
    """Summed over what was broadcast."""
    return unbroadcast(g, x.shape)


@word(2)
def outer(x: Array, y: Array) -> Array:
    """Each element of one with each of the other."""
    return x[..., :, None] * y[..., None, :]


@word(0)
def einsum(subscripts: str, *xs: Array) -> Array:
    """A product with sums, as NumPy's."""
    return np.einsum(subscripts, *xs)


@word()
def inside(g: Array, x: Array, widths: Sequence[tuple[int, int]]) -> Array:
    """Without the border."""
    return g[tuple(slice(before, before + size) for (before, _), size in zip(widths, x.shape, strict=True))]


@word()
def part(g: Array, position: int, xs: Sequence[Array], axis: int) -> Array:
    """What of a joined array belongs to one of its parts."""
    if g.ndim > xs[0].ndim:
        return np.take(g, position, axis)
    ends = np.cumsum([x.shape[axis] for x in xs])[:-1]
    return np.split(g, ends, axis)[position]


@word()
def sum_from_the_end(g: Array, axis: int) -> Array:
    """The running sum, backwards."""
    return np.flip(np.cumsum(np.flip(g, axis), axis), axis)


@word()
def tril(g: Array, k: int) -> Array:
    """The lower triangle."""
    return np.tril(g, k)


@word()
def triu(g: Array, k: int) -> Array:
    """The upper triangle."""
    return np.triu(g, k)


@word(3)
def where(condition: Array, x: Array | int, y: Array | int) -> Array:
    """One where the condition holds, else the other."""
    return np.where(condition, x, y)


@word(2)
def weights(query: Array, key: Array, scale: float, mask: Array | None) -> Array:
    """How much each query attends to each key."""
    return weights_reference(query, key, scale=scale, mask=mask)
