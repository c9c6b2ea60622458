"""What is too long for a line of the derivative table: derivatives with corners, and functions that NumPy lacks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_lm.autograd.erf import erf as erf
from tinygrad_lm.autograd.graph import Node, detach
from tinygrad_lm.autograd.types import Array

SQRT_HALF = math.sqrt(0.5)
DENSITY = 1 / math.sqrt(2 * math.pi)
GELU = math.sqrt(2 / math.pi)


def quotient(x: float, y: float) -> float:
    """x / y."""
    return x / y


def power(x: Array, y: Array) -> Array:
    """x**y. The operator computes small whole powers by products, which ``np.power`` does not."""
    return x**y


def power_in_base(x: Array, y: Array, out: Array) -> Array | float:
    """d x**y / d x = y x**(y - 1), and 0 where y is 0."""
    if isinstance(y, (int, float)):
        return y * x if y == 2 else y * x ** (y - 1) if y != 0 else 0
    slope = y * x ** (y - 1 + ((x == 0) & (y == 0)))
    return _unsettled(slope, y, (x == 0) & ((y == 0) | (y == 1)))


def power_in_exponent(x: Array, y: Array, out: Array) -> Array:
    """d x**y / d y = x**y log(x), and 0 where x is 0 and y is not negative."""
    slope = _unsettled(out * np.log(x + ((x == 0) & (y >= 0))), x, (x == 0) & (y >= 0) & (y <= 1))
    return _unsettled(slope, y, (x == 0) & (y == 0))


def _unsettled(slope: Array, x: Array, where: Array) -> Array:
    """The slope itself, with the derivative nan to ``x`` where convention alone set it."""
    if not getattr(x, "requires_grad", False) or not np.any(detach(where)):
        return slope
    # 0, whose derivative is 0 times infinity.
    return slope + np.sqrt(x * 0) * where


def share(x: Array, y: Array, out: Array, wins: Callable[[Array, Array], Array]) -> Array:
    """1 where x is the result, one half at a tie, 0 elsewhere, in the operands' dtype; a NaN always is the result."""
    x, y, out = detach(x), detach(y), detach(out)
    part = np.where(np.equal(x, y), 0.5, wins(x, y))
    if not isinstance(out, Node) and np.isnan(out).any():
        mine, its = np.isnan(x), np.isnan(y)
        part = np.where(mine & its, 0.5, np.where(mine | its, mine, part))
    return part.astype(np.result_type(x, y), copy=False)


def larger(x: float, y: float) -> float:
    """The larger of two floats, or the one that is nan."""
    return x if x >= y or x != x else y


def smaller(x: float, y: float) -> float:
    """The smaller of two floats, or the one that is nan."""
    return x if x <= y or x != x else y


def relu_of_float(x: float) -> float:
    """max(x, 0), and nan of nan."""
    return x if x > 0 or x != x else 0.0


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), by the one of its two forms that does not overflow."""
    small = np.exp(-np.abs(x))
    return np.where(np.greater_equal(x, 0), np.ones_like(small), small) / (1 + small)


def sigmoid_of_float(x: float) -> float:
    """1 / (1 + exp(-x)), by the one of its two forms that does not overflow."""
    small = math.exp(-abs(x))
    return (1.0 if x >= 0 else small) / (1 + small)


def gelu_tanh_slope(x: Array, out: Array) -> Array:
    """The derivative of GPT-2's form of the GELU, x p: p (1 + 2 (1 - p) x GELU (1 + 3 * 0.044715 x**2))."""
    # Of larger squares tanh is 1 to the last bit, and a cube would overflow in narrow dtypes.
    square = np.minimum(x * x, 1000)
    p = 0.5 + 0.5 * np.tanh(x * (GELU + GELU * 0.044715 * square))
    return p * (1 + (1 - p) * x * (2 * GELU + GELU * 0.26829 * square))


def gelu_tanh(x: Array) -> Array:
    """GPT-2's form of the GELU; what it shares with its slope is computed by the same expressions."""
    square = np.minimum(x * x, 1000)
    if type(x) is not np.ndarray or x.dtype.kind != "f" or not x.ndim:
        return x * (0.5 + 0.5 * np.tanh(x * (GELU + GELU * 0.044715 * square)))
    # The same in one array: of a wide layer each new one is fetched from memory.
    inner = square
    inner *= GELU * 0.044715
    inner += GELU
    inner *= x
    out = np.tanh(inner, out=inner)
    out *= 0.5
    out += 0.5
    out *= x
    return out


def above_inf(x: Any, like: Any) -> Any:
    """``x`` with -inf replaced by a finite number, so that a difference of two of them is never nan."""
    lowest = float(np.finfo(np.result_type(detach(like))).min) / 2
    return larger(x, lowest) if type(x) is float else np.maximum(x, lowest)
