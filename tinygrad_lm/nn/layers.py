"""The layers: modules of one step each, with PyTorch's names, shapes and default initialisation.

``rng`` is a generator, an integer seed (two layers given one seed start equal), or ``None`` for the default generator,
which ``tinygrad_lm.manual_seed`` seeds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.checks import quoted, whole_number
from tinygrad_lm.nn import functional as F
from tinygrad_lm.nn.functional import Operand, Rows
from tinygrad_lm.nn.module import Module
from tinygrad_lm.nn.parameter import Parameter
from tinygrad_lm.random import as_generator

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike


def _size(n: object, what: str) -> int:
    return whole_number(n, 1, f"{what} must be a whole number from 1, not")


def last_axis(normalized_shape: int | Sequence[int]) -> int:
    """The size of the last axis, which may be given as a shape of it alone, as PyTorch's norms take it.

    Raises
    ------
    ValueError
        For anything else; several axes are not normalised together.
    """
    shape = normalized_shape if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
    if len(shape) != 1:
        raise ValueError(f"normalized_shape is the size of the last axis alone, a whole number, not {quoted(shape)}")
    return _size(shape[0], "normalized_shape")


class Linear(Module):
    """x @ weight.T + bias: (..., in_features) to (..., out_features).

    ``weight`` is (out_features, in_features) and ``bias`` (out_features,), or ``None`` with ``bias=False``. Both start
    uniform within 1 / sqrt(in_features), as in PyTorch.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        rng: np.random.Generator | int | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.in_features = _size(in_features, "in_features")
        self.out_features = _size(out_features, "out_features")
        generator = as_generator(rng)
        bound = 1 / math.sqrt(in_features)
        self.weight = Parameter(generator.uniform(-bound, bound, (out_features, in_features)), dtype=dtype)
        self.bias = Parameter(generator.uniform(-bound, bound, out_features), dtype=dtype) if bias else None

    def forward(self, x: Tensor | Array) -> Tensor:
        """The affine map of the last axis."""
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.in_features} -> {self.out_features}" + ("" if self.bias is not None else ", no bias")


class Embedding(Module):
    """A learned row for each id: integers (...) from 0 to num_embeddings - 1 give (..., embedding_dim).

    ``weight`` is (num_embeddings, embedding_dim) and starts normally distributed, with mean 0 and standard deviation 1.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        rng: np.random.Generator | int | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.num_embeddings = _size(num_embeddings, "num_embeddings")
        self.embedding_dim = _size(embedding_dim, "embedding_dim")
        rows = as_generator(rng).normal(size=(num_embeddings, embedding_dim))
        self.weight = Parameter(rows, dtype=dtype)

    def forward(self, ids: ArrayLike) -> Tensor:
        """The rows at the ids; negative ids and booleans are refused."""
        return F.embedding(ids, self.weight)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.num_embeddings} x {self.embedding_dim}"


class Tanh(Module):
    """The hyperbolic tangent of each element."""

    def forward(self, x: Operand) -> Operand:
        """Elementwise."""
        return F.tanh(x)


class Sigmoid(Module):
    """1 / (1 + exp(-x)) of each element."""

    def forward(self, x: Operand) -> Operand:
        """Elementwise."""
        return F.sigmoid(x)


class ReLU(Module):
    """max(x, 0) of each element."""

    def forward(self, x: Operand) -> Operand:
        """Elementwise."""
        return F.relu(x)


class GELU(Module):
    """X times the normal distribution function at x; ``approximate="tanh"`` as in GPT-2."""

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = approximate

    def forward(self, x: Operand) -> Operand:
        """Elementwise."""
        return F.gelu(x, self.approximate)


class SiLU(Module):
    """X times sigmoid(x)."""

    def forward(self, x: Operand) -> Operand:
        """Elementwise."""
        return F.silu(x)


class Softplus(Module):
    """log(1 + exp(x)) of each element."""

    def forward(self, x: Operand) -> Operand:
        """Elementwise."""
        return F.softplus(x)


class Flatten(Module):
    """The axes from start_axis to end_axis joined: (n, a, b) to (n, a * b) by default."""

    def __init__(self, start_axis: int = 1, end_axis: int = -1) -> None:
        self.start_axis = start_axis
        self.end_axis = end_axis

    def forward(self, x: Rows) -> Rows:
        """Reshape only."""
        start, end = normalize_axis_index(self.start_axis, x.ndim), normalize_axis_index(self.end_axis, x.ndim)
        if start > end:
            raise ValueError(f"Flatten: axis {self.start_axis} lies behind axis {self.end_axis} in shape {x.shape}")
        return x.reshape((*x.shape[:start], math.prod(x.shape[start : end + 1]), *x.shape[end + 1 :]))


class Dropout(Module):
    """In training each element is zero with probability p and the others are divided by 1 - p.

    Without ``rng`` the default generator draws, looked up at each call; a generator or a seed is the layer's own,
    and a deep copy of the layer then continues from a copy of it.
    """

    def __init__(self, p: float = 0.5, *, rng: np.random.Generator | int | None = None) -> None:
        if not 0 <= p < 1:
            raise ValueError(f"dropout: p is a probability from 0 to below 1, not {p}")
        self.p = p
        self.rng = None if rng is None else as_generator(rng)

    def forward(self, x: Operand) -> Operand:
        """Random in training, the identity in evaluation."""
        return F.dropout(x, self.p, self.training, rng=self.rng)

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"


class LayerNorm(Module):
    """Rows of the last axis brought to mean 0 and variance 1, then scaled and shifted (Ba et al. 2016).

    (..., normalized_shape) to the same shape. ``weight`` and ``bias`` are (normalized_shape,) and start as ones and as
    zeros; with ``elementwise_affine=False`` both are ``None``, with ``bias=False`` the bias is.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.normalized_shape = size = last_axis(normalized_shape)
        self.eps = eps
        self.weight = Parameter(np.ones(size), dtype=dtype) if elementwise_affine else None
        self.bias = Parameter(np.zeros(size), dtype=dtype) if elementwise_affine and bias else None

    def forward(self, x: Tensor | Array) -> Tensor:
        """Normalise the last axis."""
        if x.shape[-1:] != (self.normalized_shape,):
            raise ValueError(
                f"LayerNorm: the input's last axis must be {self.normalized_shape}, but its shape is {x.shape}"
            )
        return F.layer_norm(x, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The size."""
        without = ", no weight" if self.weight is None else ", no bias" if self.bias is None else ""
        return str(self.normalized_shape) + without


class CrossEntropyLoss(Module):
    """-log softmax(logits)[target], in nats, with the options of ``functional.cross_entropy``; see there."""

    ignore_index: int = -100
    reduction: str = "mean"
    label_smoothing: float = 0.0

    def __init__(self, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0) -> None:
        F.check_cross_entropy(ignore_index, reduction, label_smoothing)
        self.ignore_index = ignore_index
        self.reduction = reduction
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, targets: ArrayLike) -> Tensor:
        """Logits (..., classes) and integer targets (...) to one number, or with ``"none"`` to a loss each (...)."""
        return F.cross_entropy(logits, targets, self.ignore_index, self.reduction, self.label_smoothing)

    def extra_repr(self) -> str:
        """The options that were chosen."""
        given = {name: getattr(self, name) for name in ("ignore_index", "reduction", "label_smoothing")}
        return ", ".join(
            f"{name}={value!r}" for name, value in given.items() if value != getattr(CrossEntropyLoss, name)
        )
