"""Numbers and arrays as the short texts of a picture."""

from __future__ import annotations

import math
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


def summary(x: ArrayLike, fmt: str = ".4g") -> tuple[str, bool]:
    """A number or array as text, and whether it holds a nan or an infinity.

    Small arrays are written in full, larger ones as the least, the mean and the largest element.
    """
    if isinstance(x, (float, int)):
        return number(x, fmt), not math.isfinite(x)
    array: Array = np.asarray(x)
    if array.dtype == object:
        array = np.array([float(part) for part in array.ravel()]).reshape(array.shape)
    if array.dtype.kind not in "biuf":
        return str(array.dtype), False
    finite = np.isfinite(array)
    alert = not bool(finite.all())
    if array.size == 0:
        return "empty", False
    if array.size <= FULL:
        return _full(array, fmt), alert
    if array.dtype.kind == "b":
        return f"{int(array.sum()):,} of {array.size:,} true", False
    kept = array[finite] if alert else array
    text = "no finite element"
    if kept.size:
        with np.errstate(all="ignore"):
            mean = float(kept.mean(dtype=np.float64))
        low, high = number(kept.min(), fmt), number(kept.max(), fmt)
        text = f"all {low}" if low == high else f"{low} … {high}, mean {number(mean, fmt)}"
    if alert:
        text += f", {int(array.size - kept.size):,} nan or inf"
    return text, alert


def _full(array: Array, fmt: str) -> str:
    if array.ndim == 0:
        return number(array.item(), fmt)
    return "[" + ", ".join(_full(np.asarray(part), fmt) for part in array) + "]"
