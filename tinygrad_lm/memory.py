"""Memory that was freed, kept for the arrays to come; and memory that is lent to arrays."""

from __future__ import annotations

import functools

import numpy as np

from tinygrad_lm.autograd.types import Array

KEPT = 1 << 24
"""How many bytes an array may have to be kept: half of the most that glibc goes by."""


@functools.cache
def keep_what_is_freed() -> None:
    """Let the C library keep the memory of arrays of some megabytes, once and for the process.

    At first glibc hands what is freed above 128 KiB back to the system, which must clear it anew for the next array:
    that takes longer than what small networks compute. How much it keeps follows the largest array that was ever
    freed (``man 3 mallopt``, M_MMAP_THRESHOLD), so one that nobody has written to is made and freed here, which costs
    no memory; up to twice its size of what is freed later stays with the process. Other libraries take no notice.
    """
    np.empty(KEPT, np.uint8)


class Loan:
    """What stands between an array and the memory that is lent to it.

    A view of a view refers to the array that owns the memory. With a loan in between, a view of what was lent refers to
    that: who else holds it, views included, is its reference count.
    """

    __slots__ = ("__array_interface__", "owner")

    def __init__(self, array: Array) -> None:
        self.owner = array
        self.__array_interface__ = array.__array_interface__


def lent(array: Array) -> Array:
    """Another array in the same memory, to which its own views refer."""
    # Without elements there is nothing to be shared, and the interface says nothing of strides.
    return np.asarray(Loan(array)) if array.size else np.empty_like(array)


def is_view(array: Array) -> bool:
    """Whether an array is in the memory of another that somebody else may hold; what is lent is its holder's own."""
    return array.base is not None and type(array.base) is not Loan
