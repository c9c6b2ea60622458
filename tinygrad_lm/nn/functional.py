"""The functions behind the modules, in PyTorch's words. They take tensors, plain arrays and arrays of ``Value``s."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinygrad_lm.autograd import kernels, reductions, remedies, rules
from tinygrad_lm.autograd.graph import constant
from tinygrad_lm.autograd.kernels import check_ids
from tinygrad_lm.autograd.methods import one_axis
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.autograd.value import Value
from tinygrad_lm.nn.state import is_array
from tinygrad_lm.random import as_generator

Operand = TypeVar("Operand", Tensor, Array, Value)
"""What a function of each element takes, and gives again."""

Rows = TypeVar("Rows", Tensor, Array)
"""What a function along an axis takes, and gives again."""


def _array(x: object, name: str) -> Tensor | Array:
    """A tensor or an array as it is, and a list as an array; a single ``Value`` is none."""
    if isinstance(x, Tensor) or is_array(x):
        return x
    if isinstance(x, Value):
        raise TypeError(
            f"{name} takes Tensors and arrays of Values, not a single Value: put several into np.array([a, b])"
        )
    return np.asarray(x)


@overload
def linear(x: Tensor | Array, weight: Tensor, bias: Tensor | Array | None = None) -> Tensor: ...
@overload
def linear(x: Tensor, weight: Array, bias: Tensor | Array | None = None) -> Tensor: ...
@overload
def linear(x: Array, weight: Array, bias: Array | None = None) -> Array: ...
def linear(x: object, weight: object, bias: object = None) -> object:
    """x @ weight.T + bias: x (..., in), weight (out, in), bias (out,) give (..., out)."""
    return kernels.linear(x, weight) if bias is None else kernels.linear(x, weight, bias)


@overload
def embedding(ids: ArrayLike, weight: Tensor) -> Tensor: ...
@overload
def embedding(ids: ArrayLike, weight: Array) -> Array: ...
def embedding(ids: ArrayLike, weight: object) -> object:
    """The rows of weight (n, width) at integer ids (...): (..., width)."""
    table = _array(weight, "embedding")
    if table.ndim != 2:
        raise ValueError(f"embedding: the weight is a table (n, width), but its shape is {table.shape}")
    return kernels.embedding(table, ids=check_ids(ids, table.shape[0], "embedding ids"))


@overload
def cross_entropy(logits: Tensor, targets: ArrayLike) -> Tensor: ...
@overload
def cross_entropy(logits: Array, targets: ArrayLike) -> Any: ...
def cross_entropy(logits: object, targets: ArrayLike) -> object:
    """The mean over rows of -log softmax(logits)[target], in nats: logits (n, classes), integer targets (n,)."""
    ids = np.asarray(constant(targets))
    logits = _array(logits, "cross_entropy")
    shape = logits.shape
    if len(shape) != 2 or ids.shape != shape[:1] or not len(ids):
        raise ValueError(
            f"cross_entropy takes logits (n, classes) and targets (n,) with n at least 1, not {shape} and "
            f"{ids.shape}; for sequences flatten both: logits.reshape(-1, classes), targets.reshape(-1)"
        )
    return kernels.cross_entropy(logits, targets=check_ids(ids, shape[1], "targets"))


@overload
def mse_loss(x: Tensor, y: Tensor | Array) -> Tensor: ...
@overload
def mse_loss(x: Array, y: Tensor) -> Tensor: ...
@overload
def mse_loss(x: Value, y: Value | float) -> Value: ...
@overload
def mse_loss(x: Array, y: Array) -> Any: ...
def mse_loss(x: object, y: object) -> object:
    """The mean of the squared differences; the shapes must agree."""
    operands = [part if isinstance(part, Value) else _array(part, "mse_loss") for part in (x, y)]
    given = [() if isinstance(part, Value) else part.shape for part in operands]
    if given[0] != given[1]:
        raise ValueError(f"mse_loss: shapes {given[0]} and {given[1]} must agree")
    difference = operands[0] - operands[1]
    squared = difference * difference
    return squared if isinstance(squared, Value) else squared.mean()


@overload
def layer_norm(x: Tensor | Array, weight: Tensor, bias: Tensor | Array, eps: float = 1e-5) -> Tensor: ...
@overload
def layer_norm(x: Tensor, weight: Array, bias: Tensor | Array, eps: float = 1e-5) -> Tensor: ...
@overload
def layer_norm(x: Array, weight: Array, bias: Array, eps: float = 1e-5) -> Array: ...
def layer_norm(x: object, weight: object, bias: object, eps: float = 1e-5) -> object:
    """Rows of x (..., n) with mean 0 and variance 1, times weight (n,), plus bias (n,)."""
    if isinstance(weight, (int, tuple)):
        raise TypeError("layer_norm: the rows are those of the last axis, without normalized_shape: (x, weight, bias)")
    x, weight, bias = (_array(part, "layer_norm") for part in (x, weight, bias))
    if weight.ndim != 1:
        raise ValueError(f"layer_norm: the weight has one axis, (n,), but its shape is {weight.shape}")
    if x.shape[-1:] != weight.shape:
        raise ValueError(f"layer_norm: the input's last axis must be {weight.shape[0]}, but its shape is {x.shape}")
    if bias.shape != weight.shape:
        raise ValueError(f"layer_norm: the bias must have the weight's shape {weight.shape}, not {bias.shape}")
    return kernels.layer_norm(x, weight, bias, eps=float(eps))


def dropout(
    x: Operand, p: float = 0.5, training: bool = True, *, rng: np.random.Generator | int | None = None
) -> Operand:
    """Each element zero with probability p, the others divided by 1 - p; x itself outside training.

    Without ``rng`` the default generator draws; an integer gives the same zeros at each call.
    """
    if not 0 <= p < 1:
        raise ValueError(f"dropout: p is a probability from 0 to below 1, not {p}")
    if not training or p == 0:
        return x
    if isinstance(x, Value):
        return x * (float(as_generator(rng).random(dtype=np.float32) >= p) / (1 - float(p)))
    operand = _array(x, "dropout")
    draws = as_generator(rng).random(operand.shape, dtype=np.float32)
    kept = np.greater_equal(draws, p)
    dtype = np.float64 if operand.dtype.kind == "O" else operand.dtype
    return operand * (kept.astype(dtype) * (1 / (1 - float(p))))


def softmax(x: Rows, axis: int = -1, *, dim: int | None = None) -> Rows:
    """exp(x) / sum(exp(x)) along an axis."""
    return reductions.softmax(_array(x, "softmax"), axis=one_axis(axis, dim, -1))


def log_softmax(x: Rows, axis: int = -1, *, dim: int | None = None) -> Rows:
    """log(softmax(x)) along an axis, without underflow."""
    return reductions.log_softmax(_array(x, "log_softmax"), axis=one_axis(axis, dim, -1))


@overload
def one_hot(ids: Tensor, num_classes: int | None = None, dtype: DTypeLike = np.float32) -> Tensor: ...
@overload
def one_hot(
    ids: Array | Sequence[object] | int, num_classes: int | None = None, dtype: DTypeLike = np.float32
) -> Array: ...
def one_hot(ids: object, num_classes: int | None = None, dtype: DTypeLike = np.float32) -> object:
    """Rows (..., num_classes) with 1 at each id: a Tensor of a Tensor's ids, else a plain array.

    Without a number, the largest id is the last class. PyTorch gives int64; here the floats that a layer takes.
    """
    if num_classes is None or num_classes == -1:
        array = np.asarray(constant(ids))
        if not array.size:
            raise ValueError("one_hot: of no ids the number of classes is not known; give num_classes")
        num_classes = int(array.max()) + 1
    rows = np.eye(num_classes, dtype=dtype)[check_ids(ids, num_classes, "ids")]
    return Tensor.wrap(rows) if isinstance(ids, Tensor) else rows


def relu(x: Operand) -> Operand:
    """max(x, 0)."""
    return rules.relu(x)


def tanh(x: Operand) -> Operand:
    """The hyperbolic tangent."""
    return rules.tanh(x)


def sigmoid(x: Operand) -> Operand:
    """1 / (1 + exp(-x))."""
    return rules.sigmoid(x)


def gelu(x: Operand, approximate: str = "none") -> Operand:
    """X times the normal distribution function at x, exact or by GPT-2's ``"tanh"`` form."""
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: approximate is 'none' or 'tanh', not {approximate!r}")
    return (rules.gelu if approximate == "none" else rules.gelu_tanh)(x)


def silu(x: Operand) -> Operand:
    """X times sigmoid(x)."""
    return rules.silu(x)


def softplus(x: Operand) -> Operand:
    """log(1 + exp(x))."""
    return rules.softplus(x)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """An error that says what to write for a function of PyTorch's that is not here."""
        raise remedies.unknown(__name__, name, remedies.FUNCTIONAL)
