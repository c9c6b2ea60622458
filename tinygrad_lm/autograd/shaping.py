"""Operations that move elements without computing: shapes, joins, selections, indexing and its transpose."""

from __future__ import annotations

from types import EllipsisType, NoneType
from typing import Any, cast

import numpy as np

from tinygrad_lm.autograd.elementwise import unbroadcast
from tinygrad_lm.autograd.graph import detach
from tinygrad_lm.autograd.structured import structured
from tinygrad_lm.autograd.types import Array, Axis


@structured("alias", "=")
def alias(x: Array) -> Array:
    """The same elements as a node of its own: a view, as a reshape is."""
    return x.view()


def _alias_vjp(g: Array, out: Array, x: Array) -> Array:
    return g


alias.defvjp(_alias_vjp)


@structured("astype")
def astype(x: Array, dtype: Any) -> Array:
    """The elements in another dtype."""
    return x.astype(dtype)


def _astype_vjp(g: Array, out: Array, x: Array, dtype: Any) -> Array:
    return g.astype(x.dtype)


astype.defvjp(_astype_vjp)


@structured("reshape")
def reshape(x: Array, shape: tuple[int, ...]) -> Array:
    """The elements in another shape, in C order."""
    return x.reshape(shape)


def _reshape_vjp(g: Array, out: Array, x: Array, shape: tuple[int, ...]) -> Array:
    return g.reshape(x.shape)


reshape.defvjp(_reshape_vjp)


@structured("transpose")
def transpose(x: Array, axes: tuple[int, ...]) -> Array:
    """The axes in another order."""
    return np.transpose(x, axes)


def _transpose_vjp(g: Array, out: Array, x: Array, axes: tuple[int, ...]) -> Array:
    back = [0] * len(axes)
    for to, source in enumerate(axes):
        back[source % len(axes)] = to
    return np.transpose(g, back)


transpose.defvjp(_transpose_vjp)


@structured("broadcast_to")
def broadcast_to(x: Array, shape: tuple[int, ...]) -> Array:
    """The elements repeated to fill a larger shape."""
    return np.broadcast_to(x, shape)


def _broadcast_to_vjp(g: Array, out: Array, x: Array, shape: tuple[int, ...]) -> Array:
    return unbroadcast(g, x.shape)


broadcast_to.defvjp(_broadcast_to_vjp)


@structured("concatenate")
def concatenate(*xs: Array, axis: int = 0) -> Array:
    """Arrays joined along an axis they have."""
    return np.concatenate(xs, axis=axis)


def _concatenate_vjp(position: int, g: Array, out: Array, *xs: Array, axis: int = 0) -> Array:
    start = 0
    for x in xs[:position]:
        start += x.shape[axis]
    before = (slice(None),) * (axis % xs[0].ndim)
    return getitem(g, index=(*before, slice(start, start + xs[position].shape[axis])))


concatenate.defvjp_of_each(_concatenate_vjp)


@structured("stack")
def stack(*xs: Array, axis: int = 0) -> Array:
    """Arrays of one shape joined along a new axis."""
    return np.stack(xs, axis=axis)


def _stack_vjp(position: int, g: Array, out: Array, *xs: Array, axis: int = 0) -> Array:
    return getitem(g, index=(*(slice(None),) * (axis % g.ndim), position))


stack.defvjp_of_each(_stack_vjp)


@structured("flip")
def flip(x: Array, axis: Axis = None) -> Array:
    """The elements in reverse order along axes."""
    return np.flip(x, axis)


def _flip_vjp(g: Array, out: Array, x: Array, axis: Axis = None) -> Array:
    return np.flip(g, axis)


flip.defvjp(_flip_vjp)


@structured("roll")
def roll(x: Array, shift: int | tuple[int, ...], axis: Axis = None) -> Array:
    """The elements shifted along axes, the last coming first."""
    return np.roll(x, shift, axis)


def _roll_vjp(g: Array, out: Array, x: Array, shift: int | tuple[int, ...], axis: Axis = None) -> Array:
    back = tuple(-s for s in shift) if isinstance(shift, tuple) else -shift
    return np.roll(g, back, axis)


roll.defvjp(_roll_vjp)


@structured("pad")
def pad(x: Array, widths: tuple[tuple[int, int], ...], value: Any = 0) -> Array:
    """A border of a constant around the elements."""
    # Shape () has no pairs, and no pairs at all are an array of floats to NumPy.
    return np.pad(x, widths or 0, constant_values=value)


def _pad_vjp(g: Array, out: Array, x: Array, widths: tuple[tuple[int, int], ...], value: Any = 0) -> Array:
    inside = tuple(slice(before, before + size) for (before, _), size in zip(widths, x.shape, strict=True))
    return getitem(g, index=inside)


pad.defvjp(_pad_vjp)


@structured("tril")
def tril(x: Array, k: int = 0) -> Array:
    """The lower triangle, zero above the k-th diagonal; a row is the row of a square matrix."""
    return np.tril(x, k)


def _tril_vjp(g: Array, out: Array, x: Array, k: int = 0) -> Array:
    return unbroadcast(np.tril(g, k), x.shape)


tril.defvjp(_tril_vjp)


@structured("triu")
def triu(x: Array, k: int = 0) -> Array:
    """The upper triangle, zero below the k-th diagonal; a row is the row of a square matrix."""
    return np.triu(x, k)


def _triu_vjp(g: Array, out: Array, x: Array, k: int = 0) -> Array:
    return unbroadcast(np.triu(g, k), x.shape)


triu.defvjp(_triu_vjp)


@structured("where")
def where(x: Array, y: Array, condition: Any) -> Array:
    """The first operand where the condition holds, the second elsewhere."""
    return np.where(condition, x, y)


def _where_vjp_x(g: Array, out: Array, x: Array, y: Array, condition: Any) -> Array:
    return unbroadcast(np.where(condition, g, 0), np.shape(detach(x)))


def _where_vjp_y(g: Array, out: Array, x: Array, y: Array, condition: Any) -> Array:
    return unbroadcast(np.where(condition, 0, g), np.shape(detach(y)))


where.defvjp(_where_vjp_x, _where_vjp_y)


@structured("getitem", "[]")
def getitem(x: Array, index: Any) -> Array:
    """The elements at a NumPy index of any kind; a copy of all of them for ``...``."""
    return x.copy() if index is ... else x[index]


def _getitem_vjp(g: Array, out: Array, x: Array, index: Any) -> Array:
    return scatter_add(g, index=index, shape=x.shape)


getitem.defvjp(_getitem_vjp)


_ONCE = (int, np.integer, slice, NoneType, EllipsisType)
"""The parts of an index that select no element twice."""


@structured("scatter_add")
def scatter_add(x: Array, index: Any, shape: tuple[int, ...]) -> Array:
    """Zeros of a shape with ``x`` added at an index; where positions repeat, the elements add up."""
    out = np.zeros_like(x, shape=shape, order="C")
    parts = cast("tuple[object, ...]", index if isinstance(index, tuple) else (index,))
    if all(isinstance(part, _ONCE) for part in parts):
        out[index] = x
    else:
        # np.add.at is several times faster on flat positions than on rows (numpy#23176).
        positions = np.arange(out.size).reshape(shape)[index]
        np.add.at(out.reshape(-1), positions.reshape(-1), np.reshape(x, -1))
    return out


def _scatter_add_vjp(g: Array, out: Array, x: Array, index: Any, shape: tuple[int, ...]) -> Array:
    return getitem(g, index=index)


scatter_add.defvjp(_scatter_add_vjp)
