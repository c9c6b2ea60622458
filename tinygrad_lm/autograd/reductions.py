"""Operations over axes: sums, means, extremes, norms, cumulative sums, and the softmax family."""

# Operands may be floats, arrays or nodes: their types are not inferred here.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false, reportUnusedFunction=false

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from tinygrad_lm.autograd.graph import Node, constant
from tinygrad_lm.autograd.rules import annihilate, unbroadcast
from tinygrad_lm.autograd.structured import structured

Axis = int | tuple[int, ...] | None


def axes_of(ndim: int, axis: Axis) -> tuple[int, ...]:
    """The axes as non-negative numbers; all of them for ``None``, and none where NumPy takes 0 or -1 of a number."""
    if ndim == 0 and axis in (0, -1):
        return ()
    return tuple(range(ndim)) if axis is None else tuple(normalize_axis_tuple(axis, ndim))


def count(x: Any, axis: Axis) -> int:
    """How many elements are combined into one."""
    total = 1
    for i in axes_of(x.ndim, axis):
        total *= x.shape[i]
    return total


def _inverse(n: int) -> float:
    return 1 / n if n else math.inf


def restore(reduced: Any, x: Any, axis: Axis) -> Any:
    """Put the reduced axes back with size 1, so that the result broadcasts against ``x``."""
    reducing = axes_of(x.ndim, axis)
    return reduced.reshape(tuple(1 if i in reducing else size for i, size in enumerate(x.shape)))


def nonzero(x: Any) -> Any:
    """Replace 0 by 1, for a denominator whose numerator is 0 as well."""
    return np.where(np.equal(constant(x), 0), 1, x)


@structured("mul_div")
def mul_div(g: Any, x: Any, d: Any) -> Any:
    """g * x / d, and 0 where x and d are both 0: a slope that is set by convention.

    Its own derivatives are those of the formula, nan where d is 0: the convention says nothing about them.
    """
    return g / nonzero(d) * x


def _nan_for_zero(d: Any) -> Any:
    return np.where(np.equal(constant(d), 0), math.nan, d)


@mul_div.vjp(0)
def _(c: Any, out: Any, g: Any, x: Any, d: Any) -> Any:
    return unbroadcast(annihilate(c * x / _nan_for_zero(d), c), g.shape)


@mul_div.vjp(1)
def _(c: Any, out: Any, g: Any, x: Any, d: Any) -> Any:
    # No slope came in where g is 0, as behind a mask: nothing is undefined there.
    return unbroadcast(annihilate(c * g / _nan_for_zero(d), c * g), x.shape)


@mul_div.vjp(2)
def _(c: Any, out: Any, g: Any, x: Any, d: Any) -> Any:
    shape, d = d.shape, _nan_for_zero(d)
    return unbroadcast(annihilate(-c * g * x / d / d, c * g), shape)


@structured("sum", "Σ")
def sum(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The sum over axes."""
    return np.sum(x, axis=axis, keepdims=keepdims)


@sum.vjp(0)
def _(g: Any, out: Any, x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    return np.broadcast_to(restore(g, x, axis), x.shape)


def _check_some(name: str, x: Any, axis: Axis) -> None:
    if x.size == 0 and count(x, axis) == 0:
        raise ValueError(f"{name} of no elements: the shape is {x.shape} and the axis {axis}")


@structured("mean")
def mean(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The mean over axes."""
    _check_some("mean", x, axis)
    return np.mean(x, axis=axis, keepdims=keepdims)


@mean.vjp(0)
def _(g: Any, out: Any, x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    return np.broadcast_to(restore(g * (1 / count(x, axis)), x, axis), x.shape)


@structured("var")
def var(x: Any, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Any:
    """The variance over axes, in two passes."""
    _check_some("var", x, axis)
    return np.var(x, axis=axis, keepdims=keepdims, ddof=ddof)


@var.vjp(0)
def _(g: Any, out: Any, x: Any, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Any:
    centred = x - np.mean(x, axis=axis, keepdims=True)
    return restore(g, x, axis) * centred * (2 * _inverse(count(x, axis) - ddof))


@structured("std")
def std(x: Any, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Any:
    """The standard deviation over axes."""
    _check_some("std", x, axis)
    return np.std(x, axis=axis, keepdims=keepdims, ddof=ddof)


@std.vjp(0)
def _(g: Any, out: Any, x: Any, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Any:
    centred = x - np.mean(x, axis=axis, keepdims=True)
    # One element alone never deviates: there the result is smooth.
    deviation = nonzero(out) if count(x, axis) == 1 else out
    return mul_div(restore(g, x, axis), centred, restore(deviation, x, axis)) * _inverse(count(x, axis) - ddof)


@structured("norm", "‖x‖")
def norm(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The Euclidean norm over axes."""
    return np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))


@norm.vjp(0)
def _(g: Any, out: Any, x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    return mul_div(restore(g, x, axis), x, restore(out, x, axis))


def _shared_among_ties(g: Any, out: Any, x: Any, axis: Axis) -> Any:
    plain, best = constant(x), restore(constant(out), x, axis)
    chosen = np.equal(plain, best)
    if not isinstance(best, Node) and np.isnan(best).any():
        chosen |= np.isnan(plain)
    ties = np.count_nonzero(chosen, axis=axes_of(x.ndim, axis), keepdims=True)
    return restore(g, x, axis) * np.divide(chosen, ties, dtype=x.dtype)


@structured("max")
def max(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The largest element over axes."""
    return np.max(x, axis=axis, keepdims=keepdims)


@max.vjp(0)
def _(g: Any, out: Any, x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    return _shared_among_ties(g, out, x, axis)


@structured("min")
def min(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The smallest element over axes."""
    return np.min(x, axis=axis, keepdims=keepdims)


@min.vjp(0)
def _(g: Any, out: Any, x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    return _shared_among_ties(g, out, x, axis)


@structured("cumsum")
def cumsum(x: Any, axis: int) -> Any:
    """The running sum along one axis."""
    return np.cumsum(x, axis=axis)


@cumsum.vjp(0)
def _(g: Any, out: Any, x: Any, axis: int) -> Any:
    return np.flip(np.cumsum(np.flip(g, axis), axis=axis), axis)


def _finite(x: Any) -> Any:
    return np.where(np.isfinite(constant(x)), x, 0)


@structured("logsumexp")
def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))), shifted by the largest element so that nothing overflows."""
    shift = _finite(np.max(x, axis=axis, keepdims=True))
    with np.errstate(divide="ignore"):
        total = np.log(np.sum(np.exp(x - shift), axis=axis, keepdims=True)) + shift
    return total if keepdims else np.squeeze(total, axis=axes_of(x.ndim, axis))


@logsumexp.vjp(0)
def _(g: Any, out: Any, x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    # Not exp(x - out), which loses the digits that out has lost beside a large x.
    e = np.exp(x - _finite(np.max(constant(x), axis=axis, keepdims=True)))
    return mul_div(restore(g, x, axis), e, np.sum(e, axis=axis, keepdims=True))


@structured("softmax")
def softmax(x: Any, axis: Axis = -1) -> Any:
    """exp(x) divided by its sum over the axis, shifted so that nothing overflows."""
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


@softmax.vjp(0)
def _(g: Any, out: Any, x: Any, axis: Axis = -1) -> Any:
    return out * (g - np.sum(g * out, axis=axis, keepdims=True))


@structured("log_softmax")
def log_softmax(x: Any, axis: Axis = -1) -> Any:
    """The logarithm of the softmax, without computing the softmax."""
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


@log_softmax.vjp(0)
def _(g: Any, out: Any, x: Any, axis: Axis = -1) -> Any:
    return g - np.exp(out) * np.sum(g, axis=axis, keepdims=True)
