"""The functions behind the modules, in PyTorch's words. They take tensors, plain arrays and arrays of ``Value``s."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_lm.autograd import kernels, reductions, remedies, rules
from tinygrad_lm.autograd.graph import detach
from tinygrad_lm.autograd.kernels import check_ids
from tinygrad_lm.autograd.methods import one_axis
from tinygrad_lm.autograd.tensor import Tensor, from_array
from tinygrad_lm.autograd.value import Value
from tinygrad_lm.random import as_generator

_ARRAYS: Any = (Tensor, np.ndarray)


def _array(x: Any, name: str) -> Any:
    """A tensor or an array as it is, and a list as an array; a single ``Value`` is none."""
    if isinstance(x, _ARRAYS):
        return x
    if isinstance(x, Value):
        raise TypeError(
            f"{name} takes Tensors and arrays of Values, not a single Value: put several into np.array([a, b])"
        )
    return np.asarray(x)


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """x @ weight.T + bias: x (..., in), weight (out, in), bias (out,) give (..., out)."""
    return kernels.linear(x, weight) if bias is None else kernels.linear(x, weight, bias)


def embedding(ids: Any, weight: Any) -> Any:
    """The rows of weight (n, width) at integer ids (...): (..., width)."""
    shape = getattr(weight, "shape", None)
    if shape is None:
        weight = _array(weight, "embedding")
        shape = weight.shape
    if len(shape) != 2:
        raise ValueError(f"embedding: the weight is a table (n, width), but its shape is {shape}")
    return kernels.embedding(weight, ids=check_ids(ids, shape[0], "embedding ids"))


def cross_entropy(logits: Any, targets: Any) -> Any:
    """The mean over rows of -log softmax(logits)[target], in nats: logits (n, classes), integer targets (n,)."""
    ids = np.asarray(detach(targets))
    shape = getattr(logits, "shape", None)
    if shape is None:
        logits = _array(logits, "cross_entropy")
        shape = logits.shape
    if len(shape) != 2 or ids.shape != shape[:1] or not len(ids):
        raise ValueError(
            f"cross_entropy takes logits (n, classes) and targets (n,) with n at least 1, not {shape} and "
            f"{ids.shape}; for sequences flatten both: logits.reshape(-1, classes), targets.reshape(-1)"
        )
    return kernels.cross_entropy(logits, targets=check_ids(ids, shape[1], "targets"))


def mse_loss(x: Any, y: Any) -> Any:
    """The mean of the squared differences; the shapes must agree."""
    x, y = (part if isinstance(part, Value) else _array(part, "mse_loss") for part in (x, y))
    given = [() if isinstance(part, Value) else part.shape for part in (x, y)]
    if given[0] != given[1]:
        raise ValueError(f"mse_loss: shapes {given[0]} and {given[1]} must agree")
    difference = x - y
    squared = difference * difference
    return squared if isinstance(squared, Value) else squared.mean()


def layer_norm(x: Any, weight: Any, bias: Any, eps: float = 1e-5) -> Any:
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


def dropout(x: Any, p: float = 0.5, training: bool = True, *, rng: np.random.Generator | int | None = None) -> Any:
    """Each element zero with probability p, the others divided by 1 - p; x itself outside training.

    Without ``rng`` the default generator draws; an integer gives the same zeros at each call.
    """
    if not 0 <= p < 1:
        raise ValueError(f"dropout: p is a probability from 0 to below 1, not {p}")
    if not training or p == 0:
        return x
    if isinstance(x, Value):
        return x * (float(as_generator(rng).random(dtype=np.float32) >= p) / (1 - float(p)))
    x = _array(x, "dropout")
    shape: tuple[int, ...] = x.shape
    draws = as_generator(rng).random(shape, dtype=np.float32)
    kept = np.greater_equal(draws, p)
    dtype = np.float64 if x.dtype.kind == "O" else x.dtype
    return x * (kept.astype(dtype) * (1 / (1 - float(p))))


def softmax(x: Any, axis: int = -1, *, dim: int | None = None) -> Any:
    """exp(x) / sum(exp(x)) along an axis."""
    return reductions.softmax(_array(x, "softmax"), axis=one_axis(axis, dim, -1))


def log_softmax(x: Any, axis: int = -1, *, dim: int | None = None) -> Any:
    """log(softmax(x)) along an axis, without underflow."""
    return reductions.log_softmax(_array(x, "log_softmax"), axis=one_axis(axis, dim, -1))


def one_hot(ids: Any, num_classes: int | None = None, dtype: Any = np.float32) -> Any:
    """Rows (..., num_classes) with 1 at each id: a Tensor of a Tensor's ids, else a plain array.

    Without a number, the largest id is the last class. PyTorch gives int64; here the floats that a layer takes.
    """
    if num_classes is None or num_classes == -1:
        array = np.asarray(detach(ids))
        if not array.size:
            raise ValueError("one_hot: of no ids the number of classes is not known; give num_classes")
        num_classes = int(array.max()) + 1
    rows = np.eye(num_classes, dtype=dtype)[check_ids(ids, num_classes, "ids")]
    return from_array(rows) if isinstance(ids, Tensor) else rows


def relu(x: Any) -> Any:
    """max(x, 0)."""
    return rules.relu(x)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    return rules.tanh(x)


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return rules.sigmoid(x)


def gelu(x: Any, approximate: str = "none") -> Any:
    """X times the normal distribution function at x, exact or by GPT-2's ``"tanh"`` form."""
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: approximate is 'none' or 'tanh', not {approximate!r}")
    return (rules.gelu if approximate == "none" else rules.gelu_tanh)(x)


def silu(x: Any) -> Any:
    """X times sigmoid(x)."""
    return rules.silu(x)


def softplus(x: Any) -> Any:
    """log(1 + exp(x))."""
    return rules.softplus(x)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """An error that says what to write for a function of PyTorch's that is not here."""
        raise remedies.unknown(__name__, name, remedies.FUNCTIONAL)
