"""Complex arrays that refuse what would spoil a complex step: NumPy functions that are not analytic.

The complex step reads a derivative off the imaginary part, which ``np.abs`` and its like drop without a word.
Comparisons and ``np.maximum`` are let through: NumPy orders complex numbers by their real part.
"""

# The arrays are of any dtype, and NumPy's protocols carry whatever they carry.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

_UFUNCS = frozenset({np.absolute, np.conjugate, np.sign, np.vecdot})
_FUNCTIONS = frozenset({np.linalg.norm, np.vdot, np.var, np.std, np.angle, np.imag, np.real_if_close, np.nan_to_num})


class AnalyticArray(np.ndarray[Any, Any]):
    """A complex array on which only analytic functions can be computed; others raise ``TypeError``."""

    def __array_ufunc__(self, ufunc: Any, method: Any, *inputs: Any, **options: Any) -> Any:
        if ufunc in _UFUNCS:
            raise _refusal(ufunc)
        plain = [_plain(x) for x in inputs]
        if "out" in options:
            options["out"] = tuple(_plain(x) for x in options["out"])
        return _traced(getattr(ufunc, method)(*plain, **options))

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        if function in _FUNCTIONS:
            raise _refusal(function)
        return super().__array_function__(function, types, args, options)

    def var(self, *args: Any, **options: Any) -> Any:
        """Refused: of complex numbers it is the mean of |x - mean|²."""
        raise _refusal(np.var)

    def std(self, *args: Any, **options: Any) -> Any:
        """Refused, as ``var`` is."""
        raise _refusal(np.std)


def analytic(x: Array) -> AnalyticArray:
    """A complex copy of the array that refuses functions which are not analytic."""
    return x.astype(np.complex128).view(AnalyticArray)


def _plain(x: Any) -> Any:
    return x.view(np.ndarray) if isinstance(x, AnalyticArray) else x


def _traced(result: Any) -> Any:
    if isinstance(result, tuple):
        return tuple(_traced(part) for part in result)
    if isinstance(result, (np.ndarray, np.complexfloating)) and result.dtype.kind == "c":
        return np.asarray(result).view(AnalyticArray)
    return result


def _refusal(function: Any) -> TypeError:
    return TypeError(f"np.{function.__name__} is not analytic")
