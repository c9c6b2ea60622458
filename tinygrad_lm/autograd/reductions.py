"""Operations over axes: sums, means, extremes, norms, cumulative sums, and the softmax family."""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from tinygrad_lm.autograd.elementwise import annihilate, unbroadcast
from tinygrad_lm.autograd.graph import Node, detach
from tinygrad_lm.autograd.structured import structured
from tinygrad_lm.autograd.types import Array, Axis


def axes_of(ndim: int, axis: Axis) -> tuple[int, ...]:
    """The axes as non-negative numbers; all of them for ``None``, and none where NumPy takes 0 or -1 of a number."""
    if ndim == 0 and axis in (0, -1):
        return ()
    return tuple(range(ndim)) if axis is None else tuple(normalize_axis_tuple(axis, ndim))


def count(x: Array, axis: Axis) -> int:
    """How many elements are combined into one."""
    total = 1
    for i in axes_of(x.ndim, axis):
        total *= x.shape[i]
    return total


def _inverse(n: int) -> float:
    return 1 / n if n else math.inf


def restore(reduced: Array, x: Array, axis: Axis) -> Array:
    """Put the reduced axes back with size 1, so that the result broadcasts against ``x``."""
    reducing = axes_of(x.ndim, axis)
    return reduced.reshape(tuple(1 if i in reducing else size for i, size in enumerate(x.shape)))


def nonzero(x: Array) -> Array:
    """Replace 0 by 1, for a denominator whose numerator is 0 as well."""
    return np.where(np.equal(detach(x), 0), 1, x)


@structured("mul_div")
def mul_div(g: Array, x: Array, d: Array) -> Array:
    """g * x / d, and 0 where x and d are both 0: a slope that is set by convention.

    Its own derivatives are those of the formula, nan where d is 0: the convention says nothing about them.
    """
    return g / nonzero(d) * x


def _nan_for_zero(d: Array) -> Array:
    return np.where(np.equal(detach(d), 0), math.nan, d)


def _mul_div_vjp_g(c: Array, out: Array, g: Array, x: Array, d: Array) -> Array:
    return unbroadcast(annihilate(c * x / _nan_for_zero(d), c), g.shape)


def _mul_div_vjp_x(c: Array, out: Array, g: Array, x: Array, d: Array) -> Array:
    # No slope came in where g is 0, as behind a mask: nothing is undefined there.
    return unbroadcast(annihilate(c * g / _nan_for_zero(d), c * g), x.shape)


def _mul_div_vjp_d(c: Array, out: Array, g: Array, x: Array, d: Array) -> Array:
    shape, d = d.shape, _nan_for_zero(d)
    return unbroadcast(annihilate(-c * g * x / d / d, c * g), shape)


mul_div.defvjp(_mul_div_vjp_g, _mul_div_vjp_x, _mul_div_vjp_d)


@structured("sum", "Σ")
def sum(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """The sum over axes."""
    return np.sum(x, axis=axis, keepdims=keepdims)


def _sum_vjp(g: Array, out: Array, x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    return np.broadcast_to(restore(g, x, axis), x.shape)


sum.defvjp(_sum_vjp)


def _check_some(name: str, x: Array, axis: Axis) -> None:
    if x.size == 0 and count(x, axis) == 0:
        raise ValueError(f"{name} of no elements: the shape is {x.shape} and the axis {axis}")


@structured("mean")
def mean(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """The mean over axes."""
    _check_some("mean", x, axis)
    return np.mean(x, axis=axis, keepdims=keepdims)


def _mean_vjp(g: Array, out: Array, x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    return np.broadcast_to(restore(g * (1 / count(x, axis)), x, axis), x.shape)


mean.defvjp(_mean_vjp)


@structured("var")
def var(x: Array, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Array:
    """The variance over axes, in two passes."""
    _check_some("var", x, axis)
    return np.var(x, axis=axis, keepdims=keepdims, ddof=ddof)


def _var_vjp(g: Array, out: Array, x: Array, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Array:
    centred = x - np.mean(x, axis=axis, keepdims=True)
    return restore(g, x, axis) * centred * (2 * _inverse(count(x, axis) - ddof))


var.defvjp(_var_vjp)


@structured("std")
def std(x: Array, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Array:
    """The standard deviation over axes."""
    _check_some("std", x, axis)
    return np.std(x, axis=axis, keepdims=keepdims, ddof=ddof)


def _std_vjp(g: Array, out: Array, x: Array, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Array:
    centred = x - np.mean(x, axis=axis, keepdims=True)
    # One element alone never deviates: there the result is smooth.
    deviation = nonzero(out) if count(x, axis) == 1 else out
    return mul_div(restore(g, x, axis), centred, restore(deviation, x, axis)) * _inverse(count(x, axis) - ddof)


std.defvjp(_std_vjp)


@structured("norm", "‖x‖")
def norm(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """The Euclidean norm over axes."""
    return np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))


def _norm_vjp(g: Array, out: Array, x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    return mul_div(restore(g, x, axis), x, restore(out, x, axis))


norm.defvjp(_norm_vjp)


def _shared_among_ties(g: Array, out: Array, x: Array, axis: Axis) -> Array:
    plain, best = detach(x), restore(detach(out), x, axis)
    chosen = np.equal(plain, best)
    if not isinstance(best, Node) and np.isnan(best).any():
        chosen |= np.isnan(plain)
    ties = np.count_nonzero(chosen, axis=axes_of(x.ndim, axis), keepdims=True)
    return restore(g, x, axis) * np.divide(chosen, ties, dtype=x.dtype)


@structured("max")
def max(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """The largest element over axes."""
    return np.max(x, axis=axis, keepdims=keepdims)


def _max_vjp(g: Array, out: Array, x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    return _shared_among_ties(g, out, x, axis)


max.defvjp(_max_vjp)


@structured("min")
def min(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """The smallest element over axes."""
    return np.min(x, axis=axis, keepdims=keepdims)


def _min_vjp(g: Array, out: Array, x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    return _shared_among_ties(g, out, x, axis)


min.defvjp(_min_vjp)


@structured("cumsum")
def cumsum(x: Array, axis: int) -> Array:
    """The running sum along one axis."""
    return np.cumsum(x, axis=axis)


def _cumsum_vjp(g: Array, out: Array, x: Array, axis: int) -> Array:
    return np.flip(np.cumsum(np.flip(g, axis), axis=axis), axis)


cumsum.defvjp(_cumsum_vjp)


def _finite(x: Array) -> Array:
    return np.where(np.isfinite(detach(x)), x, 0)


@structured("logsumexp")
def logsumexp(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """log(sum(exp(x))), shifted by the largest element so that nothing overflows."""
    shift = _finite(np.max(x, axis=axis, keepdims=True))
    with np.errstate(divide="ignore"):
        total = np.log(np.sum(np.exp(x - shift), axis=axis, keepdims=True)) + shift
    return total if keepdims else np.squeeze(total, axis=axes_of(x.ndim, axis))


def _logsumexp_vjp(g: Array, out: Array, x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    # Not exp(x - out), which loses the digits that out has lost beside a large x.
    e = np.exp(x - _finite(np.max(detach(x), axis=axis, keepdims=True)))
    return mul_div(restore(g, x, axis), e, np.sum(e, axis=axis, keepdims=True))


logsumexp.defvjp(_logsumexp_vjp)


@structured("softmax")
def softmax(x: Array, axis: Axis = -1) -> Array:
    """exp(x) divided by its sum over the axis, shifted so that nothing overflows."""
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def _softmax_vjp(g: Array, out: Array, x: Array, axis: Axis = -1) -> Array:
    return out * (g - np.sum(g * out, axis=axis, keepdims=True))


softmax.defvjp(_softmax_vjp)


@structured("log_softmax")
def log_softmax(x: Array, axis: Axis = -1) -> Array:
    """The logarithm of the softmax, without computing the softmax."""
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


def _log_softmax_vjp(g: Array, out: Array, x: Array, axis: Axis = -1) -> Array:
    return g - np.exp(out) * np.sum(g, axis=axis, keepdims=True)


log_softmax.defvjp(_log_softmax_vjp)
