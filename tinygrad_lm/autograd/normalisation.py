"""The fused kernels that normalise: rows by their root mean square, and columns over a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_lm.autograd import reductions
from tinygrad_lm.autograd.kernels import Gradients, Kernel
from tinygrad_lm.autograd.sums import column_sums, row_means
from tinygrad_lm.autograd.types import Array


def _rms_norm_reference(x: Array, *weight: Array, eps: float) -> Array:
    square = reductions.sum(x * x, axis=-1, keepdims=True) * (1 / x.shape[-1])
    normal = x / np.sqrt(square + eps)
    return normal * weight[0] if weight else normal


def _rms_norm_forward(x: Array, *weight: Array, eps: float) -> tuple[Array, object]:
    scale = 1 / np.sqrt(row_means(x * x) + eps)
    normal = x * scale
    return normal * weight[0] if weight else normal, (normal, scale)


def _rms_norm_backward(
    g: Array, saved: tuple[Array, Array], needed: Sequence[bool], x: Array, *weight: Array, eps: float
) -> Gradients:
    normal, scale = saved
    found: Gradients = [None] * len(needed)
    if needed[0]:
        h = g * weight[0] if weight else g.copy()
        h -= normal * row_means(h * normal)
        h *= scale
        found[0] = h
    if weight and needed[1]:
        found[1] = column_sums((g * normal).reshape(-1, g.shape[-1]))
    return found


rms_norm = Kernel("rms_norm", _rms_norm_reference, _rms_norm_forward, _rms_norm_backward)
"""Each row of x (..., n) divided by its root mean square, times weight (n,) if there is one (Zhang & Sennrich 2019)."""


def _batch_norm_reference(x: Array, *affine: Array, eps: float) -> Array:
    n = len(x)
    centred = x - x.sum(axis=0) * (1 / n)
    normal = centred / np.sqrt((centred * centred).sum(axis=0) * (1 / n) + eps)
    return normal * affine[0] + affine[1] if affine else normal


def _batch_norm_forward(x: Array, *affine: Array, eps: float) -> tuple[Array, object]:
    normal = x - x.mean(axis=0)
    scale = 1 / np.sqrt(np.mean(normal * normal, axis=0) + eps)
    normal *= scale
    return normal * affine[0] + affine[1] if affine else normal, (normal, scale)


def _batch_norm_backward(
    g: Array, saved: Any, needed: Sequence[bool], x: Array, *affine: Array, eps: float
) -> Gradients:
    normal, scale = saved
    found: Gradients = [None] * len(needed)
    if needed[0]:
        h = g * affine[0] if affine else g.copy()
        h -= h.mean(axis=0) + normal * np.mean(h * normal, axis=0)
        h *= scale
        found[0] = h
    if affine:
        found[1] = column_sums(g * normal) if needed[1] else None
        found[2] = column_sums(g) if needed[2] else None
    return found


batch_norm = Kernel("batch_norm", _batch_norm_reference, _batch_norm_forward, _batch_norm_backward)
"""Each column of x (n, width) with mean 0 and variance 1 over the batch, times weight, plus bias, if there are these.

Weight and bias are (width,) each (Ioffe & Szegedy 2015).
"""
