"""The fused attention kernel: softmax(Q K^T * scale + mask) V, forward and backward, without a graph between."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tinygrad_lm.autograd import products, reductions
from tinygrad_lm.autograd.graph import detach
from tinygrad_lm.autograd.kernels import Gradients, Kernel
from tinygrad_lm.autograd.types import Array

TINY = {np.dtype(np.float32): 1e-30, np.dtype(np.float64): 1e-280}
"""Below this a sum of exponentials has lost digits: its row was shifted too far."""


def check_attention(query: Array, key: Array, value: Array) -> None:
    """Raise ``ValueError`` naming the shapes that do not fit together."""
    shapes = query.shape, key.shape, value.shape
    if (
        min(map(len, shapes)) < 2
        or key.shape[:-1] != value.shape[:-1]
        or query.shape[:-2] != key.shape[:-2]
        or query.shape[-1] != key.shape[-1]
    ):
        raise ValueError(
            "attention takes a query (..., length, width), keys (..., source, width) and values (..., source, any), "
            f"not {shapes[0]}, {shapes[1]} and {shapes[2]}"
        )


def _shift(scores: Array) -> Array:
    """The largest score of each row as a constant, 0 where it is not finite; it cancels out."""
    largest = scores.max(axis=-1, keepdims=True, initial=-np.inf)
    return np.where(np.isfinite(largest), largest, 0)


def weights_reference(query: Array, key: Array, *, scale: float, mask: Array | None = None) -> Array:
    """softmax(Q K^T * scale + mask) in primitives: (..., length, source), rows sum to 1.

    ``mask`` is true where a key is seen, or is added to the scores. The row of a query that sees no key is 0.
    """
    scores = products.matmul(query, np.swapaxes(key, -1, -2)) * scale
    seen = mask
    if mask is not None and mask.dtype != bool:
        scores, seen = scores + mask, np.not_equal(detach(mask), -np.inf)
    if seen is None:
        seen = np.ones((), bool)
    plain = detach(scores)
    of_values = plain.dtype.kind == "O"
    if of_values:
        plain = np.vectorize(float, otypes=[float])(plain)
    shift = _shift(np.where(seen, plain, -np.inf))
    # What is hidden must not overflow; among Values, which are no elements of one array, it does no harm.
    e = np.where(seen, np.exp((scores if of_values else np.where(seen, scores, shift)) - shift), 0.0)
    blind = ~np.broadcast_to(seen, plain.shape).any(axis=-1, keepdims=True)
    return e / (reductions.sum(e, axis=-1, keepdims=True) + blind.astype(plain.dtype))


def _attention_reference(
    query: Array, key: Array, value: Array, scale: float, mask: Array | None = None, kept: Array | None = None
) -> Array:
    check_attention(query, key, value)
    weights = weights_reference(query, key, scale=scale, mask=mask)
    return products.matmul(weights if kept is None else weights * kept, value)


def _scores(query: Array, key: Array, scale: float, mask: Array | None) -> Array:
    scores = np.matmul(query, key.swapaxes(-1, -2))
    scores = np.multiply(scores, scale, out=scores if scores.dtype.kind in "fc" else None)
    if mask is None:
        return scores
    if mask.dtype == bool:
        np.copyto(scores, -np.inf, where=~mask)
        return scores
    return scores + mask.astype(scores.dtype, copy=False)


def _weights(query: Array, key: Array, scale: float, mask: Array | None) -> Array:
    scores = _scores(query, key, scale, mask)
    if not scores.size:
        return scores
    # One shift for all rows is 30 times cheaper than one each, and right unless a row lies far below the largest.
    largest = np.maximum.reduce(scores, axis=None)
    if -math.inf < largest < math.inf:
        e = np.subtract(scores, largest, out=scores)
        np.exp(e, out=e)
        totals = np.matmul(e, np.ones((e.shape[-1], 1), e.dtype))
        if np.minimum.reduce(totals, axis=None) > TINY.get(e.dtype, math.inf):
            e /= totals
            return e
        scores = _scores(query, key, scale, mask)
    scores -= _shift(scores)
    np.exp(scores, out=scores)
    totals = np.add.reduce(scores, axis=-1, keepdims=True)
    scores /= np.where(totals == 0, 1, totals)
    return scores


def _times(weights: Array, kept: Array) -> Array:
    """The weights that are not dropped, in their own dtype."""
    return np.multiply(weights, kept, dtype=weights.dtype, casting="same_kind")


def _attention_forward(
    query: Array, key: Array, value: Array, scale: float, mask: Array | None = None, kept: Array | None = None
) -> tuple[Array, object]:
    check_attention(query, key, value)
    weights = _weights(query, key, scale, mask)
    return np.matmul(weights if kept is None else _times(weights, kept), value), weights


def _attention_backward(
    g: Array,
    weights: Array,
    needed: Sequence[bool],
    query: Array,
    key: Array,
    value: Array,
    scale: float,
    mask: Array | None = None,
    kept: Array | None = None,
) -> Gradients:
    found: Gradients = [None, None, None]
    if needed[2]:
        used = weights if kept is None else _times(weights, kept)
        found[2] = np.matmul(used.swapaxes(-1, -2), g)
    if needed[0] or needed[1]:
        scores = np.matmul(g, value.swapaxes(-1, -2))
        if kept is not None:
            scores *= kept
        scores -= np.einsum("...i,...i->...", scores, weights)[..., None]
        scores *= weights
        scores *= scale
        if needed[0]:
            found[0] = np.matmul(scores, key)
        if needed[1]:
            found[1] = np.matmul(scores.swapaxes(-1, -2), query)
    return found


attention = Kernel("attention", _attention_reference, _attention_forward, _attention_backward)
"""softmax(Q K^T * scale) V: query (..., length, width), key (..., source, width), value (..., source, any).

They give (..., length, any) (Vaswani et al. 2017). ``mask``, which broadcasts to (..., length, source), is true where a
key is seen, or is added to the scores; ``kept`` multiplies the weights, for dropout.
"""
