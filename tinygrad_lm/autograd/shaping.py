"""Operations that move elements without computing: shapes, joins, selections, indexing and its transpose."""

# Operands may be floats, arrays or nodes: their types are not inferred here.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false, reportUnusedFunction=false

from __future__ import annotations

from types import EllipsisType, NoneType
from typing import Any

import numpy as np

from tinygrad_lm.autograd.graph import constant
from tinygrad_lm.autograd.rules import unbroadcast
from tinygrad_lm.autograd.structured import structured


@structured("alias", "=")
def alias(x: Any) -> Any:
    """The same elements as a node of its own: a view, as a reshape is."""
    return x.view()


@alias.vjp(0)
def _(g: Any, out: Any, x: Any) -> Any:
    return g


@structured("astype")
def astype(x: Any, dtype: Any) -> Any:
    """The elements in another dtype."""
    return x.astype(dtype)


@astype.vjp(0)
def _(g: Any, out: Any, x: Any, dtype: Any) -> Any:
    return g.astype(x.dtype)


@structured("reshape")
def reshape(x: Any, shape: tuple[int, ...]) -> Any:
    """The elements in another shape, in C order."""
    return x.reshape(shape)


@reshape.vjp(0)
def _(g: Any, out: Any, x: Any, shape: tuple[int, ...]) -> Any:
    return g.reshape(x.shape)


@structured("transpose")
def transpose(x: Any, axes: tuple[int, ...]) -> Any:
    """The axes in another order."""
    return np.transpose(x, axes)


@transpose.vjp(0)
def _(g: Any, out: Any, x: Any, axes: tuple[int, ...]) -> Any:
    back = [0] * len(axes)
    for to, source in enumerate(axes):
        back[source % len(axes)] = to
    return np.transpose(g, back)


@structured("broadcast_to")
def broadcast_to(x: Any, shape: tuple[int, ...]) -> Any:
    """The elements repeated to fill a larger shape."""
    return np.broadcast_to(x, shape)


@broadcast_to.vjp(0)
def _(g: Any, out: Any, x: Any, shape: tuple[int, ...]) -> Any:
    return unbroadcast(g, x.shape)


@structured("concatenate")
def concatenate(*xs: Any, axis: int = 0) -> Any:
    """Arrays joined along an axis they have."""
    return np.concatenate(xs, axis=axis)


@concatenate.vjp_of_each
def _(position: int, g: Any, out: Any, *xs: Any, axis: int = 0) -> Any:
    start = 0
    for x in xs[:position]:
        start += x.shape[axis]
    before = (slice(None),) * (axis % xs[0].ndim)
    return getitem(g, index=(*before, slice(start, start + xs[position].shape[axis])))


@structured("stack")
def stack(*xs: Any, axis: int = 0) -> Any:
    """Arrays of one shape joined along a new axis."""
    return np.stack(xs, axis=axis)


@stack.vjp_of_each
def _(position: int, g: Any, out: Any, *xs: Any, axis: int = 0) -> Any:
    return getitem(g, index=(*(slice(None),) * (axis % g.ndim), position))


@structured("flip")
def flip(x: Any, axis: int | tuple[int, ...] | None = None) -> Any:
    """The elements in reverse order along axes."""
    return np.flip(x, axis)


@flip.vjp(0)
def _(g: Any, out: Any, x: Any, axis: int | tuple[int, ...] | None = None) -> Any:
    return np.flip(g, axis)


@structured("roll")
def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    """The elements shifted along axes, the last coming first."""
    return np.roll(x, shift, axis)


@roll.vjp(0)
def _(g: Any, out: Any, x: Any, shift: Any, axis: Any = None) -> Any:
    back = tuple(-s for s in shift) if isinstance(shift, tuple) else -shift
    return np.roll(g, back, axis)


@structured("pad")
def pad(x: Any, widths: tuple[tuple[int, int], ...], value: Any = 0) -> Any:
    """A border of a constant around the elements."""
    # Shape () has no pairs, and no pairs at all are an array of floats to NumPy.
    return np.pad(x, widths or 0, constant_values=value)


@pad.vjp(0)
def _(g: Any, out: Any, x: Any, widths: tuple[tuple[int, int], ...], value: Any = 0) -> Any:
    inside = tuple(slice(before, before + size) for (before, _), size in zip(widths, x.shape, strict=True))
    return getitem(g, index=inside)


@structured("tril")
def tril(x: Any, k: int = 0) -> Any:
    """The lower triangle, zero above the k-th diagonal; a row is the row of a square matrix."""
    return np.tril(x, k)


@tril.vjp(0)
def _(g: Any, out: Any, x: Any, k: int = 0) -> Any:
    return unbroadcast(np.tril(g, k), x.shape)


@structured("triu")
def triu(x: Any, k: int = 0) -> Any:
    """The upper triangle, zero below the k-th diagonal; a row is the row of a square matrix."""
    return np.triu(x, k)


@triu.vjp(0)
def _(g: Any, out: Any, x: Any, k: int = 0) -> Any:
    return unbroadcast(np.triu(g, k), x.shape)


@structured("where")
def where(x: Any, y: Any, condition: Any) -> Any:
    """The first operand where the condition holds, the second elsewhere."""
    return np.where(condition, x, y)


@where.vjp(0)
def _(g: Any, out: Any, x: Any, y: Any, condition: Any) -> Any:
    return unbroadcast(np.where(condition, g, 0), np.shape(constant(x)))


@where.vjp(1)
def _(g: Any, out: Any, x: Any, y: Any, condition: Any) -> Any:
    return unbroadcast(np.where(condition, 0, g), np.shape(constant(y)))


@structured("getitem", "[]")
def getitem(x: Any, index: Any) -> Any:
    """The elements at a NumPy index of any kind; a copy of all of them for ``...``."""
    return x.copy() if index is ... else x[index]


@getitem.vjp(0)
def _(g: Any, out: Any, x: Any, index: Any) -> Any:
    return scatter_add(g, index=index, shape=x.shape)


_ONCE = (int, np.integer, slice, NoneType, EllipsisType)
"""The parts of an index that select no element twice."""


@structured("scatter_add")
def scatter_add(x: Any, index: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of a shape with ``x`` added at an index; where positions repeat, the elements add up."""
    out = np.zeros(shape, x.dtype)
    if all(isinstance(part, _ONCE) for part in (index if isinstance(index, tuple) else (index,))):
        out[index] = x
    else:
        # np.add.at is several times faster on flat positions than on rows (numpy#23176).
        positions = np.arange(out.size).reshape(shape)[index]
        np.add.at(out.reshape(-1), positions.reshape(-1), np.reshape(x, -1))
    return out


@scatter_add.vjp(0)
def _(g: Any, out: Any, x: Any, index: Any, shape: tuple[int, ...]) -> Any:
    return getitem(g, index=index)
