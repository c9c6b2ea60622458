"""From logits to a token: temperature, top-k, top-p, min-p, the softmax, and the draw, each a pure function."""

from __future__ import annotations

import math
from typing import overload

import numpy as np

from tinygrad_lm.autograd.sums import row_maxima, running_sums
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.checks import whole_number
from tinygrad_lm.text import DataError


def with_temperature(logits: Array, temperature: float) -> Array:
    """logits / temperature: below 1 sharper, above 1 flatter; 0 leaves only the first of the largest (greedy)."""
    if not 0 <= temperature < math.inf:
        raise ValueError(f"temperature is a finite number from 0 (greedy), not {temperature!r}")
    scores, largest = _scores(logits)
    if temperature == 0:
        kept = np.zeros(scores.shape, bool)
        np.put_along_axis(kept, scores.argmax(axis=-1, keepdims=True), True, axis=-1)
        return _keep(scores, kept)
    # Shifted first, so that a tiny temperature overflows only to -inf.
    shifted = scores - largest
    if temperature == 1:
        return shifted
    with np.errstate(over="ignore"):
        return np.divide(shifted, temperature, out=shifted)


def top_k(logits: Array, k: int) -> Array:
    """The k largest logits, exactly (the first of ties); -inf for the others. All of them where k is larger."""
    k = whole_number(k, 1, "top_k is a whole number from 1, not")
    scores, _ = _scores(logits)
    ranks = np.argsort(np.argsort(-scores, axis=-1, kind="stable"), axis=-1, kind="stable")
    return _keep(scores, ranks < k)


def top_p(logits: Array, p: float) -> Array:
    """The smallest set of likeliest tokens whose probabilities sum to at least p, never empty; -inf for the others.

    The token that crosses p is kept (Holtzman et al. 2020); p = 1 changes nothing.
    """
    if not 0 < p <= 1:
        raise ValueError(f"top_p is a probability above 0 and at most 1, not {p!r}")
    scores, _ = _scores(logits)
    if p == 1:  # rounded sums reach 1 before the last, unlikely tokens
        return scores.copy()
    order = np.argsort(-scores, axis=-1, kind="stable")
    likeliest_first = np.take_along_axis(probabilities(scores), order, axis=-1)
    before = np.cumsum(likeliest_first, axis=-1) - likeliest_first
    kept = np.zeros(scores.shape, bool)
    np.put_along_axis(kept, order, (before < p) & (likeliest_first > 0), axis=-1)
    return _keep(scores, kept)


def min_p(logits: Array, p: float) -> Array:
    """The tokens whose probability is at least p times the largest, never none; -inf for the others.

    So many stay where the model is unsure, and few where it is sure (Nguyen et al. 2024); p = 1 leaves the likeliest
    and what ties with it.
    """
    if not 0 < p <= 1:
        raise ValueError(f"min_p is a share of the largest probability, above 0 and at most 1, not {p!r}")
    scores, largest = _scores(logits)
    return _keep(scores, np.exp(scores - largest) >= p)


def _scores(logits: Array) -> tuple[Array, Array]:
    """The logits in float64, and the largest of each row; raises ``DataError`` where that is not a number."""
    scores = np.asarray(logits, np.float64)
    largest = row_maxima(scores) if scores.ndim == 2 else scores.max(axis=-1, keepdims=True)
    if not np.isfinite(largest).all():
        raise DataError("the logits are nan, +inf, or all -inf: the numbers of the model that gave them overflow")
    return scores, largest


def _keep(logits: Array, kept: Array) -> Array:
    return np.where(kept, logits, -np.inf)


def probabilities(logits: Array) -> Array:
    """The softmax of the last axis, in float64: rows sum to 1, and -inf has probability 0."""
    scores, largest = _scores(logits)
    return softmax_in_place(scores - largest)


def softmax_in_place(shifted: Array) -> Array:
    """The softmax of the last axis, written over the logits, of which the largest is 0 in each row."""
    weights = np.exp(shifted, out=shifted)
    weights /= weights.sum(axis=-1, keepdims=True)
    return weights


@overload
def choose(chances: Array, roll: float) -> int: ...
@overload
def choose(chances: Array, roll: Array) -> Array: ...
def choose(chances: Array, roll: float | Array) -> int | Array:
    """The index whose share of the unit interval the roll (from 0 to below 1) falls into; never one of chance 0.

    Chances (n, options), or of one distribution (options,), and rolls (n,) give n indices.
    """
    rolls = np.asarray(roll)
    # The options come first: then each is compared for all rows in one go.
    ends = running_sums(chances) if chances.ndim == 2 else np.cumsum(chances).reshape(-1, *[1] * rolls.ndim)
    reached = ends <= rolls * ends[-1]
    index = reached.sum(axis=0)
    if reached[-1].any():
        last = chances.shape[-1] - 1 - np.argmax(chances[..., ::-1] > 0, axis=-1)
        index = np.minimum(index, last)
    return index if index.ndim else int(index)
