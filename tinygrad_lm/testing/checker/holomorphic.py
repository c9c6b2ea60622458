"""Complex arrays that refuse what would spoil a complex step: NumPy functions that are not holomorphic.

The complex step reads a derivative off the imaginary part, which ``np.abs`` and its like drop without a word.
Comparisons and ``np.maximum`` are let through: NumPy orders complex numbers by their real part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import cast

import numpy as np

from tinygrad_lm.autograd.types import Array

_UFUNCS = frozenset({np.absolute, np.conjugate, np.sign, np.vecdot})
_FUNCTIONS = frozenset({np.linalg.norm, np.vdot, np.var, np.std, np.angle, np.imag, np.real_if_close, np.nan_to_num})


class HolomorphicArray(np.ndarray[tuple[int, ...], np.dtype[np.complex128]]):
    """A complex array on which only holomorphic functions can be computed; others raise ``TypeError``."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: object, **options: object) -> object:
        if ufunc in _UFUNCS:
            raise _refusal(ufunc)
        plain = [_plain(x) for x in inputs]
        if "out" in options:
            options["out"] = tuple(_plain(x) for x in cast("tuple[object, ...]", options["out"]))
        return _holomorphic(getattr(ufunc, method)(*plain, **options))

    def __array_function__(
        self,
        function: Callable[..., object],
        types: Iterable[type],
        args: Iterable[object],
        options: Mapping[str, object],
    ) -> object:
        if function in _FUNCTIONS:
            raise _refusal(function)
        return _holomorphic(super().__array_function__(function, types, args, options))

    def var(self, *args: object, **options: object) -> Array:
        """Refused, by ``TypeError``: of complex numbers it is the mean of |x - mean|²."""
        raise _refusal(np.var)

    def std(self, *args: object, **options: object) -> Array:
        """Refused, as ``var`` is."""
        raise _refusal(np.std)


def holomorphic(x: Array) -> HolomorphicArray:
    """A complex copy of the array that refuses functions which are not holomorphic."""
    return x.astype(np.complex128).view(HolomorphicArray)


def _plain(x: object) -> object:
    return x.view(np.ndarray) if isinstance(x, HolomorphicArray) else x


def _holomorphic(result: object) -> object:
    if isinstance(result, list):
        return [_holomorphic(part) for part in cast("list[object]", result)]
    if isinstance(result, tuple):
        parts = cast("tuple[object, ...]", result)
        # Some of NumPy's tuples have names.
        make: Callable[[Iterable[object]], object] = getattr(parts, "_make", tuple[object, ...])
        return make(map(_holomorphic, parts))
    if isinstance(result, (np.ndarray, np.complexfloating)):
        array = np.asarray(cast("Array", result))
        return array.view(HolomorphicArray) if array.dtype.kind == "c" else array
    return result


def _refusal(function: Callable[..., object]) -> TypeError:
    return TypeError(f"np.{function.__name__} is not holomorphic")
