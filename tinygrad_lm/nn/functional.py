"""The functions behind the modules, in PyTorch's words. They take tensors, plain arrays and arrays of ``Value``s."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np

from tinygrad_lm.autograd import kernels, reductions, remedies, rules
from tinygrad_lm.autograd.graph import detach
from tinygrad_lm.autograd.kernels import check_ids
from tinygrad_lm.autograd.methods import one_axis
from tinygrad_lm.autograd.observers import as_one
from tinygrad_lm.autograd.recorded import as_is
from tinygrad_lm.autograd.tensor import Tensor, from_array
from tinygrad_lm.autograd.types import Array, is_ndarray
from tinygrad_lm.autograd.value import Value
from tinygrad_lm.random import as_generator

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

    from tinygrad_lm.nn.attention import attention_weights as attention_weights
    from tinygrad_lm.nn.attention import scaled_dot_product_attention as scaled_dot_product_attention
    from tinygrad_lm.nn.normalisation import rms_norm as rms_norm

_HOMES = {"attention_weights": "attention", "scaled_dot_product_attention": "attention", "rms_norm": "normalisation"}
"""The functions that live beside their layers, imported when they are first asked for."""

Operand = TypeVar("Operand", Tensor, Array, Value)
"""What a function of each element takes, and gives again."""

Rows = TypeVar("Rows", Tensor, Array)
"""What a function along an axis takes, and gives again."""


def _array(x: object, name: str) -> Tensor | Array:
    """A tensor or an array as it is, and a list as an array; a single ``Value`` is none."""
    if isinstance(x, Tensor) or is_ndarray(x):
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
    """x @ weight.T + bias: x (..., in), weight (out, in), bias (out,) give (..., out).

    Raises
    ------
    ValueError
        Naming the shapes that do not fit together.
    """
    return kernels.linear(x, weight) if bias is None else kernels.linear(x, weight, bias)


@overload
def embedding(ids: ArrayLike, weight: Tensor) -> Tensor: ...
@overload
def embedding(ids: ArrayLike, weight: Array) -> Array: ...
def embedding(ids: ArrayLike, weight: object) -> object:
    """The rows of weight (n, width) at integer ids (...): (..., width).

    Raises
    ------
    IndexError
        For an id that is not from 0 to n - 1, with its position: NumPy would take the last rows for negative ones.
    TypeError
        For ids that are no integers: NumPy would take booleans for a mask.
    """
    table = weight if isinstance(weight, Tensor) else _array(weight, "embedding")
    shape = table.shape
    if len(shape) != 2:
        raise ValueError(f"embedding: the weight is a table (n, width), but its shape is {shape}")
    return kernels.embedding(table, ids=check_ids(ids, shape[0], "embedding ids"))


@overload
def cross_entropy(
    logits: Tensor,
    targets: ArrayLike,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor: ...
@overload
def cross_entropy(
    logits: Array,
    targets: ArrayLike,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any: ...
def cross_entropy(
    logits: object,
    targets: ArrayLike,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> object:
    """-log softmax(logits)[target], in nats: the mean over all targets, their sum, or each.

    The classes are the last axis, so that a batch of sequences is taken as it is (PyTorch has them second). Batches of
    different sizes have one mean together: add up their sums and divide by the number of all targets.

    Parameters
    ----------
    logits
        (..., classes), such as (n, classes) or (n, t, classes).
    targets
        Integers (...) from 0 to classes - 1, such as (n,) or (n, t).
    ignore_index
        A target of this number has no loss and does not count: 0 in the sum, not among those that the mean is over.
    reduction
        ``"mean"``, ``"sum"``, or ``"none"``: a loss each, (...).
    label_smoothing
        From 0 to 1, s: instead of the target alone, with 1, it is wanted with 1 - s + s / classes and each other class
        with s / classes (Szegedy et al. 2016).

    Raises
    ------
    ValueError
        For shapes that do not fit, an option that is none, and for the mean where all targets are ignored: there is
        none, and PyTorch's nan would end in the weights.
    IndexError
        For a target that is no class, with its position.
    TypeError
        For targets that are no integers.
    """
    if type(ignore_index) is not int or reduction != "mean" or label_smoothing != 0.0:
        check_cross_entropy(ignore_index, reduction, label_smoothing)
    rows = logits if isinstance(logits, Tensor) else _array(logits, "cross_entropy")
    ids: Any = targets
    if not isinstance(targets, (np.ndarray, Tensor)):
        ids = np.asarray(detach(targets))
    shape = rows.shape
    if not shape or shape[:-1] != ids.shape or (reduction == "mean" and not ids.size):
        raise _unfit(shape, ids.shape)
    options: dict[str, object] = {}
    try:
        if 0 <= ignore_index < shape[-1]:
            raise IndexError
        checked = check_ids(ids, shape[-1], "targets")
    except IndexError:
        checked = _masked(ids, shape[-1], int(ignore_index), reduction)
        options["ignore_index"] = int(ignore_index)
    if reduction != "mean":
        options["reduction"] = reduction
    if label_smoothing:
        options["label_smoothing"] = float(label_smoothing)
    return kernels.cross_entropy(rows, targets=checked, **options)


def check_cross_entropy(ignore_index: object, reduction: object, label_smoothing: object) -> None:
    """Raise ``TypeError`` or ``ValueError`` naming the option of ``cross_entropy`` that is none."""
    if isinstance(ignore_index, bool) or not isinstance(ignore_index, (int, np.integer)):
        raise TypeError(
            f"cross_entropy: ignore_index is an integer, not {ignore_index!r:.60}; weights of classes, PyTorch's third "
            "argument, are not here: multiply the losses of reduction='none'"
        )
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"cross_entropy: reduction is 'mean', 'sum' or 'none', not {reduction!r:.60}")
    if not isinstance(label_smoothing, (float, int, np.floating, np.integer)) or not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing is a number from 0 to 1, not {label_smoothing!r:.60}")


@as_one
def _masked(ids: Any, classes: int, ignore_index: int, reduction: str) -> Array:
    """A copy of the targets, each a class or ignored."""
    array: Any = as_is(ids)
    if array.dtype.kind not in "iu":
        return check_ids(array, classes, "targets")  # which says what they are
    ignored = np.equal(array, ignore_index)
    classes_alone: Any = np.where(ignored, array.dtype.type(0), array)
    checked = check_ids(classes_alone, classes, "targets")
    if reduction == "mean" and np.logical_and.reduce(ignored, axis=None):
        raise ValueError(
            f"cross_entropy: all {array.size} targets are ignored (ignore_index={ignore_index}), so there is no mean; "
            "leave such a batch out, or add up batches with reduction='sum'"
        )
    return np.where(ignored, ignore_index, checked)


def _unfit(shape: tuple[int, ...], targets: tuple[int, ...]) -> ValueError:
    """The error for logits and targets whose shapes do not belong together, with what was probably meant."""
    remedy = ""
    if targets == shape:
        remedy = (
            "; targets are class numbers: of one-hot rows targets.argmax(axis=-1), and for probabilities the loss is "
            "-(targets * F.log_softmax(logits)).sum(axis=-1).mean()"
        )
    elif len(shape) > 2 and targets == (shape[0], *shape[2:]):
        remedy = "; the classes are the last axis here, and the second in PyTorch: write np.moveaxis(logits, 1, -1)"
    elif len(shape) > 2:
        remedy = "; where the other axes differ flatten both: logits.reshape(-1, classes), targets.reshape(-1)"
    return ValueError(
        "cross_entropy takes logits (..., classes) and targets (...), say (n, classes) and (n,) with n at least 1, not "
        f"{shape} and {targets}{remedy}"
    )


@overload
def mse_loss(x: Tensor, y: Tensor | Array) -> Tensor: ...
@overload
def mse_loss(x: Array, y: Tensor) -> Tensor: ...
@overload
def mse_loss(x: Value, y: Value | float) -> Value: ...
@overload
def mse_loss(x: Array, y: Array) -> Any: ...
def mse_loss(x: object, y: object) -> object:
    """The mean of the squared differences, of two arrays of one shape or two single ``Value``s.

    Raises
    ------
    ValueError
        Where the shapes differ: stretched to one another they would have another mean.
    """
    operands = [part if isinstance(part, Value) else _array(part, "mse_loss") for part in (x, y)]
    given = [() if isinstance(part, Value) else part.shape for part in operands]
    if given[0] != given[1]:
        raise ValueError(f"mse_loss: shapes {given[0]} and {given[1]} must agree")
    difference = operands[0] - operands[1]
    squared = difference * difference
    return squared if isinstance(squared, Value) else squared.mean()


@overload
def layer_norm(
    x: Tensor | Array, weight: Tensor | None = None, bias: Tensor | Array | None = None, eps: float = 1e-5
) -> Tensor: ...
@overload
def layer_norm(x: Tensor, weight: Array, bias: Tensor | Array | None = None, eps: float = 1e-5) -> Tensor: ...
@overload
def layer_norm(x: Array, weight: Array, bias: Array | None = None, eps: float = 1e-5) -> Array: ...
def layer_norm(x: object, weight: object = None, bias: object = None, eps: float = 1e-5) -> object:
    """Rows of x (..., n) with mean 0 and variance 1, times weight (n,), plus bias (n,) (Ba et al. 2016).

    ``eps`` is added to the variance; without a weight it is 1, without a bias 0.

    Raises
    ------
    ValueError
        Naming the shapes that do not fit together.
    """
    if isinstance(weight, (int, tuple)):
        raise TypeError("layer_norm: the rows are those of the last axis, without normalized_shape: (x, weight, bias)")
    x = _array(x, "layer_norm")
    dtype = np.float64 if x.dtype.kind == "O" else x.dtype
    weight = np.ones(x.shape[-1:], dtype) if weight is None else _array(weight, "layer_norm")
    bias = np.zeros(weight.shape, dtype) if bias is None else _array(bias, "layer_norm")
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
    dtype = np.dtype(np.float64) if operand.dtype.kind == "O" else operand.dtype
    mask: Any = dropout_mask(operand.shape, p, dtype, rng)
    return operand * mask


def dropout_mask(
    shape: tuple[int, ...], p: float, dtype: DTypeLike = np.float32, rng: np.random.Generator | int | None = None
) -> Array:
    """What ``dropout`` multiplies by in training: each element 0 with probability p, else 1 / (1 - p)."""
    return _mask(shape, float(p), np.dtype(dtype), as_generator(rng))


@as_one
def _mask(shape: tuple[int, ...], p: float, dtype: np.dtype[Any], rng: np.random.Generator) -> Array:
    draws = rng.random(shape, dtype=np.float32)
    return np.greater_equal(draws, p).astype(dtype) * (1 / (1 - p))


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
def one_hot(ids: Any, num_classes: int | None = None, dtype: DTypeLike = np.float32) -> object:
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
        """Any other operation of the derivative table; else an error that says what to write for PyTorch's word."""
        if name in rules.TABLE:
            return rules.TABLE[name]
        if name in _HOMES:
            globals()[name] = function = getattr(import_module(f"tinygrad_lm.nn.{_HOMES[name]}"), name)
            return function
        raise remedies.unknown(__name__, name, remedies.FUNCTIONAL)
