"""Normalisation by the root mean square of rows, and over a batch: functions and layers in PyTorch's words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast, overload

import numpy as np

from tinygrad_lm.autograd import normalisation as kernels
from tinygrad_lm.autograd.observers import as_one
from tinygrad_lm.autograd.recorded import as_is
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.checks import whole_number
from tinygrad_lm.nn.layers import last_axis
from tinygrad_lm.nn.module import Module, set_buffers
from tinygrad_lm.nn.parameter import Parameter

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


@overload
def rms_norm(x: Array, weight: Array | None = None, eps: float | None = None) -> Array: ...
@overload
def rms_norm(x: Tensor, weight: Tensor | Array | None = None, eps: float | None = None) -> Tensor: ...
def rms_norm(x: Tensor | Array, weight: Tensor | Array | None = None, eps: float | None = None) -> Tensor | Array:
    """Rows of x (..., n) divided by sqrt(mean of their squares + eps), times weight (n,) if there is one.

    Without ``eps`` it is the dtype's distance from 1 to the next number, as in PyTorch (Zhang & Sennrich 2019).

    Raises
    ------
    ValueError
        Naming the shapes that do not fit together.
    """
    if isinstance(cast(object, weight), (int, tuple, list)):
        raise TypeError("rms_norm: the rows are those of the last axis, without normalized_shape: (x, weight, eps)")
    if weight is not None and (weight.ndim != 1 or x.shape[-1:] != weight.shape):
        raise ValueError(
            f"rms_norm: the weight must have the shape of the input's last axis, {x.shape[-1:]}, not {weight.shape}"
        )
    if x.dtype.kind in "biu":
        x = x.astype(np.float64)  # the squares of small integers would not fit their type
    if eps is None:
        eps = float(np.finfo(np.float64 if x.dtype == object else x.dtype).eps)
    weights = () if weight is None else (weight,)
    return cast(Tensor, kernels.rms_norm(x, *weights, eps=float(eps)))


class RMSNorm(Module):
    """Rows of the last axis divided by their root mean square, then scaled (Zhang & Sennrich 2019).

    (..., normalized_shape) to the same shape. ``weight`` is (normalized_shape,) and starts as ones, or is ``None`` with
    ``elementwise_affine=False``.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.normalized_shape = size = last_axis(normalized_shape)
        self.eps = eps
        self.weight = Parameter(np.ones(size), dtype=dtype) if elementwise_affine else None

    def forward(self, x: Tensor | Array) -> Tensor:
        """Normalise the last axis."""
        if x.shape[-1:] != (self.normalized_shape,):
            raise ValueError(
                f"RMSNorm: the input's last axis must be {self.normalized_shape}, but its shape is {x.shape}"
            )
        return rms_norm(cast(Tensor, x), self.weight, self.eps)

    def extra_repr(self) -> str:
        """The size."""
        return str(self.normalized_shape) + ("" if self.weight is not None else ", no weight")


class BatchNorm1d(Module):
    """Each feature brought to mean 0 and variance 1 over the batch, then scaled and shifted (Ioffe & Szegedy 2015).

    Inputs are (n, num_features), or (n, num_features, length), as in PyTorch: features are the second axis. In training
    the mean and the variance are those of the batch, of more than one row, and ``running_mean`` and ``running_var``
    (unbiased) follow them; in evaluation these take their place. ``weight`` and ``bias`` start as ones and zeros.

    Parameters
    ----------
    num_features
        How many features there are.
    eps
        What is added to the variance.
    momentum
        The share that each batch has in the running statistics, from 0 to 1. ``None``: they are the means over all
        batches so far, whose number ``num_batches_tracked`` is then a buffer too.
    affine
        Whether there are ``weight`` and ``bias``; else both are ``None``.
    track_running_stats
        Whether there are running statistics; else those of the batch are used in evaluation too.
    bias
        Whether there is a ``bias`` beside the ``weight``.
    """

    running_mean: Array | None
    running_var: Array | None
    num_batches_tracked: Array | None

    _statistics = ("running_mean", "running_var", "num_batches_tracked")
    _spare = ("num_batches_tracked",)  # in each of PyTorch's states, though a momentum needs no count

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.num_features = whole_number(num_features, 1, "num_features must be a whole number from 1, not")
        if momentum is not None and not 0 <= momentum <= 1:
            raise ValueError(f"momentum is a number from 0 to 1, or None for a mean over all batches, not {momentum!r}")
        self.eps, self.momentum = eps, momentum
        self.weight = Parameter(np.ones(num_features), dtype=dtype) if affine else None
        self.bias = Parameter(np.zeros(num_features), dtype=dtype) if affine and bias else None
        counted = track_running_stats and momentum is None
        self.register_buffer("running_mean", np.zeros(num_features, dtype) if track_running_stats else None)
        self.register_buffer("running_var", np.ones(num_features, dtype) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", np.array(0, np.int64) if counted else None)

    def forward(self, x: Tensor | Array) -> Tensor:
        """Normalise each feature."""
        if x.ndim not in (2, 3) or x.shape[1] != self.num_features:
            raise ValueError(
                f"BatchNorm1d takes (n, {self.num_features}) or (n, {self.num_features}, length), not {x.shape}"
            )
        if x.ndim == 2:
            return self._rows(x)
        n, features, length = x.shape
        rows: Any = self._rows(x.swapaxes(1, 2).reshape(n * length, features))
        return rows.reshape(n, length, features).swapaxes(1, 2)

    def _rows(self, x: Any) -> Tensor:
        affine = self._affine(x)
        if not self.training and self.running_mean is not None and self.running_var is not None:
            normal = (x - self.running_mean) * (1 / np.sqrt(self.running_var + self.eps))
            return normal * affine[0] + affine[1] if affine else normal
        if len(x) < 2:
            remedy = ", or switch to eval()" if self.training else ": there are no running statistics"
            raise ValueError(f"BatchNorm1d: of one row there is no variance to learn from; give more{remedy}")
        if x.dtype != object and self.running_mean is not None and self.running_var is not None:
            kept = _followed(x, self.running_mean, self.running_var, self.num_batches_tracked, self.momentum)
            set_buffers(self, dict(zip(self._statistics, kept, strict=False)))
        return cast(Tensor, kernels.batch_norm(x, *affine, eps=self.eps))

    def _affine(self, x: Any) -> tuple[Any, ...]:
        """The weight and the bias, which is 0 where there is none; nothing without a weight."""
        if self.weight is None:
            return ()
        if self.bias is None:
            return self.weight, np.zeros(self.num_features, np.float64 if x.dtype == object else x.dtype)
        return self.weight, self.bias

    def extra_repr(self) -> str:
        """The size."""
        return str(self.num_features)


@as_one
def _followed(x: Any, mean: Array, variance: Array, batches: Array | None, momentum: float | None) -> tuple[Array, ...]:
    """The running statistics with a batch taken in, and how many batches they are of where that is counted."""
    rows, share = as_is(x), cast(Any, momentum)
    counted: tuple[Any, ...] = ()
    if share is None:
        more: Any = np.add(0 if batches is None else batches, 1)
        counted, share = (more,), cast(Any, np.divide(1, more)).astype(mean.dtype)
    unbiased = rows.var(axis=0) * (len(rows) / (len(rows) - 1))
    return mean + share * (rows.mean(axis=0) - mean), variance + share * (unbiased - variance), *counted
