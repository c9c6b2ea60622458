"""Arrays that plans lend out, as data and as gradients, and whether somebody keeps one that is to be written again."""

from __future__ import annotations

import operator
import sys
from collections.abc import Sequence

import numpy as np

from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.loans import lent

ALIGNED = 64
"""Each array begins at a multiple of so many bytes, as BLAS and the vector units like it."""

_GRAD = operator.attrgetter("grad")


def references_to(arrays: Sequence[Array]) -> list[int]:
    """How many references there are to each array of a list, which has one itself."""
    return list(map(sys.getrefcount, arrays))


def _listed() -> int:
    """What ``references_to`` says of an array that nothing but the list refers to."""
    return references_to([np.empty(0)])[0]


LISTED = _listed()


def side_by_side(arrays: Sequence[Array]) -> tuple[Array, list[Array]]:
    """One array of zeros with room for all, and the place of each in it, of its own shape."""
    dtype = arrays[0].dtype
    step = max(1, ALIGNED // dtype.itemsize)
    starts, total = list[int](), 0
    for array in arrays:
        starts.append(total)
        total += -(-array.size // step) * step
    room = np.zeros(total * dtype.itemsize + ALIGNED, np.uint8)
    first = -room.ctypes.data % ALIGNED
    flat: Array = room[first : first + total * dtype.itemsize].view(dtype)
    return flat, [flat[at : at + array.size].reshape(array.shape) for at, array in zip(starts, arrays, strict=True)]


class Gradients:
    """Where the gradients of some leaves are written, which the leaves are shown between the steps.

    In eager mode every backward pass makes new arrays, so one that somebody keeps stays what it was. Here each step
    writes to the same memory. Where somebody keeps such an array, it is left to them: there is new memory, and from
    then on the leaves are given copies.

    Attributes
    ----------
    flat, places
        All gradients in one array, and the place of each in it.
    times
        How often the memory has been left to somebody.
    """

    def __init__(self, leaves: Sequence[Tensor], arrays: Sequence[Array]) -> None:
        self.leaves = list(leaves)
        self.times = 0
        self._renew(arrays)

    def _renew(self, arrays: Sequence[Array]) -> None:
        self.flat, self.places = side_by_side(arrays)
        if len(arrays) == 1:
            (self.flat,) = self.places
        self._lent = list(map(lent, self.places))
        self._usual = [LISTED + 1] * len(arrays)

    def leave(self) -> int:
        """Take new memory where somebody keeps an array that was lent; how often that has been."""
        if not self.times and not (references_to(self._lent) == self._usual and self._all_shown()):
            shown = [leaf.grad is array for leaf, array in zip(self.leaves, self._lent, strict=True)]
            if any(count > LISTED + one for count, one in zip(references_to(self._lent), shown, strict=True)):
                self._renew(self.places)
                self.times += 1
        return self.times

    def _all_shown(self) -> bool:
        return all(map(operator.is_, map(_GRAD, self.leaves), self._lent))

    def show_all(self) -> None:
        """Give each leaf its gradient."""
        if self.times or not self._all_shown():
            for i in range(len(self.leaves)):
                self.show(i)

    def show(self, i: int) -> None:
        """Give a leaf its gradient."""
        if self.times:
            self.leaves[i].grad = self.places[i].copy()
        elif self.leaves[i].grad is not self._lent[i]:
            self.leaves[i].grad = self._lent[i]
