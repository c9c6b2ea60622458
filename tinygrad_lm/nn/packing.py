"""Sequences of several lengths without what would fill the shorter ones up, with PyTorch's names."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.types import Array

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class PackedSequence(NamedTuple):
    """The rows of all steps one after the other, at each step those of the sequences that go on, the longest first."""

    data: Any
    """(sum(batch_sizes), ...): a tensor, or an array of ids, say."""
    batch_sizes: tuple[int, ...]
    """How many sequences each step reads, never more than the step before."""


def pack_padded_sequence(x: Tensor | Array, lengths: ArrayLike, batch_first: bool = False) -> PackedSequence:
    """Of sequences (length, n, ...), or with ``batch_first`` (n, length, ...), as many rows of each as its length says.

    Raises
    ------
    ValueError
        Unless the longest sequences come first, and each length is from 1 to that of x.
    """
    rows: Any = x.swapaxes(0, 1) if batch_first else x
    shape: tuple[int, ...] = rows.shape
    length, n = shape[:2]
    found: Array = np.asarray(lengths)
    if found.shape != (n,) or found.dtype.kind not in "iu" or (np.diff(found.astype(np.intp)) > 0).any():
        raise ValueError(f"lengths are {n} whole numbers, one a sequence, the largest first, not {lengths!r:.60}")
    if n and not 1 <= found[-1] <= found[0] <= length:
        raise ValueError(f"lengths are from 1 to {length}, as many rows as there are, not {lengths!r:.60}")
    goes_on = np.greater(found, np.arange(length).reshape(-1, 1))
    sizes = tuple(size for size in goes_on.sum(axis=1).tolist() if size)
    return PackedSequence(rows.reshape(length * n, *shape[2:])[np.flatnonzero(goes_on)], sizes)


def pad_packed_sequence(
    packed: PackedSequence, batch_first: bool = False, padding_value: float = 0.0
) -> tuple[Any, Array]:
    """The sequences of one length, (length, n, ...), or with ``batch_first`` (n, length, ...), and the length of each.

    What ``pack_padded_sequence`` left out is ``padding_value``.
    """
    sizes: Array = np.array(packed.batch_sizes).reshape(-1, 1)
    places: Array = np.arange(packed.batch_sizes[0])
    goes_on: Array = np.less(places, sizes)
    # Behind all rows stands one of padding.
    rows: Array = np.where(goes_on, np.cumsum(sizes, axis=0) - sizes + places, len(packed.data))
    padding: Array = np.full((1, *packed.data.shape[1:]), padding_value, packed.data.dtype)
    filled = np.concatenate([packed.data, padding])[rows]
    return filled.swapaxes(0, 1) if batch_first else filled, goes_on.sum(axis=0)


def ends_of(sizes: tuple[int, ...]) -> Array:
    """The row of each sequence's last step."""
    starts = [0, *accumulate(sizes)]
    last = np.greater(np.array(sizes).reshape(-1, 1), np.arange(sizes[0])).sum(axis=0) - 1
    return np.array(starts)[last] + np.arange(sizes[0])
