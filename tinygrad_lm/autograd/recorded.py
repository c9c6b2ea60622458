"""What an operation keeps beside its operands: indices, masks and axes, in one form and safe from later changes."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from types import EllipsisType, NoneType
from typing import Any, SupportsIndex, cast

import numpy as np

from tinygrad_lm.autograd.graph import Node, detach
from tinygrad_lm.autograd.observers import as_one
from tinygrad_lm.autograd.types import Array, is_ndarray

_AS_THEY_ARE = (int, np.generic, NoneType, EllipsisType, str, float)
"""What NumPy takes as a part of an index, or refuses with its own words, without making an array of it."""


@as_one
def snapshot(x: object) -> Array:
    """A mask, ids, or anything that NumPy makes an array of, as an array that nobody else holds."""
    return _copied(x)


def as_is(x: Any) -> Any:
    """The data of a node, an array, and what stands for one in NumPy's protocols as it is; else NumPy's array of it."""
    plain = detach(x)
    return plain if hasattr(plain, "__array_function__") else np.asarray(plain)


def rows_at(table: Array, ids: Any) -> Array:
    """The rows of a table at ids: an array, or what stands for one."""
    return table.take(cast("Array", ids), axis=0) if isinstance(ids, np.ndarray) else ids.rows_of(table)


def _copied(x: object) -> Array:
    plain = as_is(x)
    return np.array(cast("Array", plain)) if isinstance(plain, np.ndarray) else plain.copy()


def plain_index(index: object) -> Any:
    """A NumPy index with each array-like in it a new integer or Boolean array, so that it keeps its meaning."""
    if isinstance(index, tuple):
        return tuple(map(_plain_part, cast("tuple[object, ...]", index)))
    return _plain_part(index)


def _plain_part(part: object) -> object:
    if isinstance(part, _AS_THEY_ARE):
        return cast(object, part)
    if isinstance(part, slice):
        bounds = cast("slice[object, object, object]", part)
        return slice(*(_bound(x) for x in (bounds.start, bounds.stop, bounds.step)))
    if isinstance(part, SupportsIndex) and not isinstance(part, Node) and not hasattr(part, "__array__"):
        return operator.index(part)
    return selection(part)


@as_one
def selection(part: object) -> Array:
    """An array-like as what NumPy indexes by: positions, or a mask."""
    ids = _copied(part)
    # An empty list is float64, and to NumPy no positions at all; an empty array of floats is an error.
    as_positions = ids.dtype.kind in "iu" or (not ids.size and not isinstance(part, (np.ndarray, Node)))
    return ids.astype(np.intp, copy=False) if as_positions else ids


def _bound(x: object) -> object:
    return operator.index(x) if isinstance(x, SupportsIndex) else x


@as_one
def positions(ids: object) -> Array:
    """Positions to take as new integers: what NumPy casts without loss, so a Boolean is 0 or 1 and never a mask."""
    array = as_is(ids)
    if not array.size and not isinstance(ids, (np.ndarray, Node)):
        return array.astype(np.intp)
    return array.astype(np.intp, casting="safe")


def whole(x: Any) -> Any:
    """An axis, a shape or a shift: a Python integer, a tuple of them for a sequence or an array, or ``None``."""
    if x is None or type(x) is int:
        return x
    if type(x) is tuple:
        return tuple(map(operator.index, x))  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(x, Sequence) or getattr(x, "ndim", 0):
        return tuple(map(operator.index, detach(cast("Sequence[SupportsIndex]", x))))
    return operator.index(x)


def number(x: Any) -> Any:
    """A number that need not be whole (``ddof``): a Python one where an array or a node of one element is given."""
    plain = detach(x)
    return plain.item() if is_ndarray(plain) else plain
