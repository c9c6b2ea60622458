"""What an operation keeps beside its operands: indices, masks and axes, in one form and safe from later changes."""

# Indices may be numbers, sequences, arrays or nodes: their types are not inferred here.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import operator
from collections.abc import Sequence
from types import EllipsisType, NoneType
from typing import Any

import numpy as np

from tinygrad_lm.autograd.graph import Node, detach

_AS_THEY_ARE = (int, np.generic, NoneType, EllipsisType, str, float)
"""What NumPy takes as a part of an index, or refuses with its own words, without making an array of it."""


def snapshot(x: Any) -> np.ndarray[Any, Any]:
    """A mask, ids, or anything that NumPy makes an array of, as an array that nobody else holds."""
    return np.array(detach(x))


def plain_index(index: Any) -> Any:
    """A NumPy index with each array-like in it a new integer or Boolean array, so that it keeps its meaning."""
    return tuple(map(_plain_part, index)) if isinstance(index, tuple) else _plain_part(index)


def _plain_part(part: Any) -> Any:
    if isinstance(part, _AS_THEY_ARE):
        return part
    if isinstance(part, slice):
        return slice(*(_bound(x) for x in (part.start, part.stop, part.step)))
    if not isinstance(part, (np.ndarray, Node)) and hasattr(part, "__index__") and not hasattr(part, "__array__"):
        return operator.index(part)
    ids = snapshot(part)
    # An empty list is float64, and to NumPy no positions at all; an empty array of floats is an error.
    as_positions = ids.dtype.kind in "iu" or (not ids.size and not isinstance(part, (np.ndarray, Node)))
    return ids.astype(np.intp, copy=False) if as_positions else ids


def _bound(x: Any) -> Any:
    return x if x is None or not hasattr(x, "__index__") else operator.index(x)


def positions(ids: Any) -> np.ndarray[Any, Any]:
    """Positions to take as new integers: what NumPy casts without loss, so a Boolean is 0 or 1 and never a mask."""
    array = np.asarray(detach(ids))
    if not array.size and not isinstance(ids, (np.ndarray, Node)):
        return array.astype(np.intp)
    return array.astype(np.intp, casting="safe")


def whole(x: Any) -> Any:
    """An axis, a shape or a shift: a Python integer, a tuple of them for a sequence or an array, or ``None``."""
    if x is None or type(x) is int:
        return x
    if isinstance(x, tuple):
        return tuple(map(operator.index, x))
    if isinstance(x, Sequence) or getattr(x, "ndim", 0):
        return tuple(map(operator.index, detach(x)))
    return operator.index(x)


def number(x: Any) -> Any:
    """A number that need not be whole (``ddof``): a Python one where an array or a node of one element is given."""
    plain = detach(x)
    return plain.item() if isinstance(plain, np.ndarray) else plain
