"""NumPy's functions of a number that JavaScript lacks, or has with other answers, in terms of those that it has."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinygrad_lm.autograd.types import Array


def _identity(x: Array) -> Array:
    return x


def _square(x: Array) -> Array:
    return x * x


def _reciprocal(x: Array) -> Array:
    return 1 / x


def _exp2(x: Array) -> Array:
    return 2**x


def _sign(x: Array) -> Array:
    """Of -0 it is 0."""
    return np.where(x > 0, 1.0, np.where(x < 0, -1.0, np.where(x == 0, 0.0, x)))


def _maximum(x: Array, y: Array) -> Array:
    """The first one where both are equal, and the one that is nan."""
    return np.where((x >= y) | (x != x), x, y)


def _minimum(x: Array, y: Array) -> Array:
    return np.where((x <= y) | (x != x), x, y)


def _logaddexp(x: Array, y: Array) -> Array:
    apart = x - y
    below = np.where(apart <= 0, y + np.log1p(np.exp(apart)), apart)
    return np.where(x == y, x + math.log(2), np.where(apart > 0, x + np.log1p(np.exp(-apart)), below))


def _signbit(x: Array) -> Array:
    return (x < 0) | (1 / x < 0)


def _copysign(x: Array, y: Array) -> Array:
    return np.abs(x) * np.where(np.signbit(y), -1.0, 1.0)


def _rint(x: Array) -> Array:
    """Half goes to even, since numbers beyond 2**52 have no halves."""
    return np.where(np.abs(x) < 2.0**52, np.copysign(np.abs(x) + 2.0**52 - 2.0**52, x), x)


def _isnan(x: Array) -> Array:
    return x != x


def _isinf(x: Array) -> Array:
    return np.abs(x) == math.inf


def _isfinite(x: Array) -> Array:
    return np.abs(x) < math.inf


FORMULAS: Mapping[str, Callable[..., Any]] = {
    "positive": _identity,
    "square": _square,
    "reciprocal": _reciprocal,
    "exp2": _exp2,
    "sign": _sign,
    "maximum": _maximum,
    "minimum": _minimum,
    "logaddexp": _logaddexp,
    "signbit": _signbit,
    "copysign": _copysign,
    "rint": _rint,
    "isnan": _isnan,
    "isinf": _isinf,
    "isfinite": _isfinite,
}
"""The formulas of ufuncs, by their names."""


def _clip(x: Array, low: Any = None, high: Any = None) -> Array:
    raised = x if low is None else np.maximum(x, low)
    return raised if high is None else np.minimum(raised, high)


def _one(x: Any) -> float:
    return 1.0


def _zero(x: Any) -> float:
    return 0.0


def _is_true(x: Any) -> Any:
    return x.any()


def _no_axes(x: Any) -> tuple[()]:
    return ()


def _float64(*xs: Any) -> np.dtype[Any]:
    return np.dtype(float)


def _is_not(x: Any) -> bool:
    return False


FUNCTIONS: Mapping[Callable[..., Any], Callable[..., Any]] = {
    np.clip: _clip,
    np.ones_like: _one,
    np.zeros_like: _zero,
    np.any: _is_true,
    np.all: _is_true,
    np.shape: _no_axes,
    np.result_type: _float64,
    np.iscomplexobj: _is_not,
}
"""What NumPy's other functions make of one number."""
