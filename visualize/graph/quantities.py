"""Numbers and arrays as the short texts of a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tinygrad_lm.autograd.types import Array

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

FULL = 6
"""Arrays of up to this many elements are written out."""


def check_format(fmt: str) -> str:
    """The format as it was given.

    Raises
    ------
    ValueError
        Where numbers cannot be written in it.
    """
    try:
        format(1.5, fmt)
    except (ValueError, TypeError) as error:
        raise ValueError(f"fmt must be a format for numbers, as '.4g' or '.3f', not {fmt!r}: {error}") from None
    return fmt


def number(x: ArrayLike, fmt: str = ".4g") -> str:
    """One number: whole numbers and truth values as they are, others by the format."""
    array = np.asarray(x)
    if array.dtype.kind == "b":
        return str(bool(array))
    if array.dtype.kind in "iu":
        return str(int(array))
    text = format(float(array), fmt)
    # Rounding can leave a minus sign on nothing.
    return text[1:] if text.startswith("-") and not text.strip("-0.") else text


def summary(x: ArrayLike, fmt: str = ".4g") -> str:
    """A number or array as text.

    Small arrays are written in full, larger ones as the least and the largest element and the norm: the root of the
    sum of the squares. What is not finite is counted.
    """
    if isinstance(x, (float, int)):
        return number(x, fmt)
    array = as_numbers(x)
    if array.dtype.kind not in "biuf":
        return str(array.dtype)
    if array.size == 0:
        return "empty"
    if array.size <= FULL:
        return _full(array, fmt)
    if array.dtype.kind == "b":
        return f"{int(array.sum()):,} of {array.size:,} true"
    finite = np.isfinite(array)
    kept = array if finite.all() else array[finite]
    text = "no finite element"
    if kept.size:
        low, high = number(kept.min(), fmt), number(kept.max(), fmt)
        text = f"all {low}" if low == high else f"{low} … {high}"
        if low != high and array.dtype.kind == "f":
            text += f", norm {number(_norm(kept), fmt)}"
    for count, what in zip(_not_finite(array), ("nan", "inf", "-inf"), strict=True):
        if count:
            text += f", {count:,} {what}"
    return text


def as_numbers(x: ArrayLike) -> Array:
    """An array; one of objects, such as ``Value``s, as an array of floats, where they are numbers."""
    array: Array = np.asarray(x)
    if array.dtype != object:
        return array
    try:
        return np.array([float(part) for part in array.ravel()]).reshape(array.shape)
    except (TypeError, ValueError):
        return array


def _not_finite(array: Array) -> tuple[int, int, int]:
    """How many elements are nan, inf and -inf."""
    if array.dtype.kind != "f":
        return 0, 0, 0
    return tuple(int(np.count_nonzero(where)) for where in (np.isnan(array), array == np.inf, array == -np.inf))  # pyright: ignore[reportReturnType]


def _norm(x: Array) -> float:
    largest = float(np.abs(x).max())
    with np.errstate(all="ignore"):
        return largest * float(np.linalg.norm(x.astype(np.float64) / largest)) if largest else 0.0


def _full(array: Array, fmt: str) -> str:
    if array.ndim == 0:
        return number(array.item(), fmt)
    return "[" + ", ".join(_full(np.asarray(part), fmt) for part in array) + "]"
