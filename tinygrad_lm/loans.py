"""Memory that is lent to arrays, so that it can be told whether somebody else holds them."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


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
    return array.base is not None and not isinstance(array.base, Loan)  # pyright: ignore[reportUnnecessaryIsInstance]
