"""Fused operations: hand-written forward and backward on arrays, each beside a reference in primitives.

The reference says what the kernel computes: it is the documentation, what the tests compare with, what runs on
arrays of ``Value``s, and what is differentiated where the backward pass itself must have a gradient.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_lm.autograd import gradients, products, reductions, shaping
from tinygrad_lm.autograd.graph import Call, Node, Operation, detach
from tinygrad_lm.autograd.observers import as_one
from tinygrad_lm.autograd.recorded import as_is, rows_at
from tinygrad_lm.autograd.reductions import axes_of, count, restore
from tinygrad_lm.autograd.sums import column_sums, row_maxima, row_means, row_sums
from tinygrad_lm.autograd.types import Array, Axis, Operand

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

Gradients = list[Array | None]
"""One gradient an input, None where it is not needed."""

Backward = Callable[..., Gradients]


class Kernel(Operation):
    """A fused operation.

    ``forward(*inputs, **attributes)`` gives ``(result, saved)``;
    ``backward(g, saved, needed, *inputs, **attributes)`` gives a gradient an input, on arrays.
    """

    __slots__ = ("backward", "forward", "reference")

    saves = True

    def __init__(
        self,
        name: str,
        reference: Callable[..., Array],
        forward: Callable[..., tuple[Array, object]],
        backward: Backward,
    ) -> None:
        super().__init__(name)
        self.reference = reference
        self.forward = forward
        self.backward = backward

    def evaluate(self, operands: tuple[Any, ...], attributes: Mapping[str, Any]) -> Any:
        """On plain arrays the fused forward; on arrays of objects (of ``Value``s, say) the reference."""
        arrays = [np.asarray(operand) for operand in operands]
        if any(array.dtype == object for array in arrays):
            return self.reference(*arrays, **attributes)
        return self.forward(*arrays, **attributes)[0]

    def vjp(self, gradient: Array, call: Call) -> Gradients:
        """The fused backward on arrays; the reference's, differentiable, on nodes."""
        if not isinstance(call.out, Node):
            return self.backward(gradient, call.saved, call.needed, *call.inputs, **call.attributes)
        # Aliases keep the partial derivatives apart where one input depends on another.
        copies = [shaping.alias(x) if need else detach(x) for x, need in zip(call.inputs, call.needed, strict=True)]
        wanted = [x for x, need in zip(copies, call.needed, strict=True) if need]
        result: Any = self.reference(*copies, **call.attributes)
        found = iter(gradients.gradients_of([result], wanted, [gradient], create_graph=True))
        return [next(found) if need else None for need in call.needed]


_SIGNED, _UNSIGNED = np.dtype(np.intp), np.dtype(np.uintp)
"""The machine's own integers."""


@as_one
def check_ids(ids: Operand, size: int, what: str) -> Array:
    """A copy of integer ids, in range and in the machine's own integers; NumPy would wrap negative ones."""
    array = ids if type(ids) is np.ndarray else as_is(ids)
    if array.dtype != _SIGNED:
        if array.dtype.kind not in "iu":
            raise TypeError(
                f"{what} must be integers, not {array.dtype}; give class or token numbers from 0 to {size - 1}"
            )
        _refuse_outside(array, size, what)
        return array.astype(np.intp)
    # As unsigned numbers negative ids are huge: one look for both ends.
    if array.size and np.maximum.reduce(array.view(_UNSIGNED), axis=None) >= size:
        _refuse_outside(array, size, what)
    return array.copy()


def _refuse_outside(array: Array, size: int, what: str) -> None:
    outside = (array < 0) | (array >= size)
    if outside.any():
        position = tuple(int(i) for i in np.argwhere(outside)[0])
        raise IndexError(f"{what}: {array[position]} at position {position} is outside 0 to {size - 1}")


def _linear_reference(x: Array, weight: Array, *bias: Array) -> Array:
    check_linear(x, weight, *bias)
    product = products.matmul(x, weight.T)
    return product + bias[0] if bias else product


def check_linear(x: Array, weight: Array, *bias: Array) -> None:
    """Raise ``ValueError`` naming the shapes that do not fit together."""
    try:
        rows, table, ends = x.shape, weight.shape, bias[0].shape if bias else None
    except AttributeError:  # a number has no shape
        rows, table, *others = (getattr(operand, "shape", ()) for operand in (x, weight, *bias))
        ends = others[0] if bias else None
    if len(table) != 2 or rows[-1:] != table[1:]:
        raise ValueError(
            f"linear: the input (..., in) has shape {rows} and the weight (out, in) {table}; their last axes must agree"
        )
    if ends is not None and ends != table[:1]:
        raise ValueError(f"linear: the bias must have shape {table[:1]}, not {ends}")


def _linear_forward(x: Array, weight: Array, *bias: Array) -> tuple[Array, object]:
    check_linear(x, weight, *bias)
    # One product of all rows: NumPy would make one for each matrix of a stack.
    out = np.matmul(x if x.ndim < 3 else _flat(x), weight.T)
    if bias and bias[0].dtype == out.dtype:
        out += bias[0]
    elif bias:
        out = out + bias[0]
    return out if x.ndim < 3 else out.reshape(*x.shape[:-1], len(weight)), None


def _flat(x: Array) -> Array:
    """The rows of the last axis as one matrix."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def _linear_backward(g: Array, saved: Any, needed: Sequence[bool], x: Array, weight: Array, *bias: Array) -> Gradients:
    rows = g if g.ndim == 2 else _flat(g)
    flat = x if x.ndim == 2 else _flat(x)
    contributions = [
        np.matmul(rows, weight).reshape(x.shape) if needed[0] else None,
        np.matmul(rows.T, flat) if needed[1] else None,
    ]
    if bias:
        contributions.append(column_sums(rows) if needed[2] else None)
    return contributions


linear = Kernel("linear", _linear_reference, _linear_forward, _linear_backward)
"""x @ weight.T (+ bias): x (..., in), weight (out, in), bias (out,) -> (..., out)."""


def _embedding_reference(weight: Array, ids: Array) -> Array:
    return weight[ids]


def _embedding_forward(weight: Array, ids: Array) -> tuple[Array, object]:
    return weight.take(ids, axis=0), None


ONE_HOT_ROWS = 128
"""Up to this many rows a product with one-hot vectors adds up gradients faster than an indexed addition."""


@functools.cache
def _identity(size: int, dtype: DTypeLike) -> Array:
    identity = np.eye(size, dtype=dtype)
    identity.flags.writeable = False
    return identity


def add_rows(rows: Array, ids: Array, size: int) -> Array:
    """Sum rows (n, width) into a table (size, width) at their ids, the same id many times if need be."""
    width: int = rows.shape[-1]
    table = np.zeros_like(rows, shape=(size, width), order="C")
    # np.add.at is several times faster on flat positions than on rows (numpy#23176).
    positions = np.add(ids.reshape(-1, 1).astype(np.intp) * width, np.arange(width))
    np.add.at(table.reshape(-1), positions.reshape(-1), rows.reshape(-1))
    return table


def _embedding_backward(g: Array, saved: Any, needed: Sequence[bool], weight: Array, ids: Array) -> Gradients:
    size, width = weight.shape
    rows = g.reshape(ids.size, width)
    flat = rows.reshape(-1)
    # In a product one gradient of inf would make those of the other rows nan.
    if size > ONE_HOT_ROWS or not flat.dot(flat) < math.inf:
        return [add_rows(rows, ids, size)]
    return [np.matmul(rows_at(_identity(size, g.dtype), ids.reshape(-1)).T, rows)]


embedding = Kernel("embedding", _embedding_reference, _embedding_forward, _embedding_backward)
"""The rows of weight (n, width) at integer ids (...) -> (..., width)."""


def _shift(z: Array) -> Array:
    """The largest logit of each row as a constant (0 where it is not finite): it cancels out."""
    plain = detach(z)
    if plain.dtype.kind == "O":
        plain = np.vectorize(float, otypes=[float])(plain)
    largest = plain.max(axis=-1, keepdims=True)
    return np.where(np.isfinite(largest), largest, 0)


def _counted(z: Array, targets: Array, ignore_index: int | None) -> tuple[Array, Array, Array | None]:
    """Rows of logits (m, classes), targets (m,), and which of all rows they are: ``None`` where none is ignored."""
    if ignore_index is None and z.ndim == 2:
        return z, targets, None
    rows, ids = z.reshape((targets.size, z.shape[-1])), targets.reshape(-1)
    if ignore_index is None:
        return rows, ids, None
    kept = np.flatnonzero(ids != ignore_index)
    return rows[kept], ids[kept], kept


def _cross_entropy_reference(
    z: Array, targets: Array, ignore_index: int | None = None, reduction: str = "mean", label_smoothing: float = 0.0
) -> Array:
    rows, ids, kept = _counted(z, targets, ignore_index)
    shifted = rows - _shift(rows)
    wanted = shifted[np.arange(len(ids)), ids]
    if label_smoothing:
        wanted = wanted * (1 - label_smoothing) + shifted.sum(axis=-1) * (label_smoothing / z.shape[-1])
    losses = np.log(reductions.sum(np.exp(shifted), axis=-1)) - wanted
    if reduction == "mean":
        return losses.sum() * (1 / len(ids))
    if reduction == "sum":
        return losses.sum()
    every = losses if kept is None else shaping.scatter_add(losses, index=kept, shape=(targets.size,))
    return every.reshape(targets.shape)


@functools.lru_cache(maxsize=64)
def _row_starts(rows: int, classes: int) -> Array:
    """Where each row begins among the flat elements of a matrix."""
    starts = np.arange(0, rows * classes, classes)
    starts.flags.writeable = False
    return starts


def _cross_entropy_forward(
    z: Array, targets: Array, ignore_index: int | None = None, reduction: str = "mean", label_smoothing: float = 0.0
) -> tuple[Array, object]:
    rows, ids, kept = z, targets, None
    if z.ndim != 2:
        rows, ids = z.reshape((targets.size, z.shape[-1])), targets.reshape(-1)
    if ignore_index is not None:
        kept = np.not_equal(ids, ignore_index)
        rows, ids = np.where(kept.reshape(-1, 1), rows, 0), np.where(kept, ids, 0)
    largest = row_maxima(rows)
    flat = largest.reshape(-1)
    if not flat.dot(flat) < math.inf:
        largest = _shift(rows)
    probabilities = np.subtract(rows, largest, order="C")
    # One index of flat elements is found faster than two, of rows and columns.
    places = _row_starts(*probabilities.shape) + ids
    wanted = probabilities.reshape(-1).take(places)
    if label_smoothing:
        wanted *= 1 - label_smoothing
        wanted += row_sums(probabilities)[:, 0] * (label_smoothing / z.shape[-1])
    np.exp(probabilities, out=probabilities)
    totals = row_sums(probabilities)
    probabilities /= totals
    losses = np.log(totals[:, 0]) - wanted
    if kept is not None:
        losses = np.where(kept, losses, 0)
    share: Any = None
    if kept is not None and reduction == "mean":
        share = np.divide(1, np.add.reduce(kept, axis=None, dtype=np.intp), dtype=losses.dtype)
    saved = probabilities, places, kept, share
    if reduction == "mean":
        return np.add.reduce(losses) * (1 / len(ids) if share is None else share), saved
    return np.add.reduce(losses) if reduction == "sum" else losses.reshape(targets.shape), saved


def _cross_entropy_backward(
    g: Array,
    saved: tuple[Array, Array, Array | None, Any],
    needed: Sequence[bool],
    z: Array,
    targets: Array,
    ignore_index: int | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Gradients:
    probabilities, places, kept, share = saved
    scale = g.reshape(-1) if reduction == "none" else g
    if reduction == "mean":
        scale = scale * (1 / len(places) if share is None else share)
    if kept is not None:
        scale = np.where(kept, scale, 0)
    by_row = scale.reshape(-1, 1) if scale.ndim else scale
    grad = probabilities * by_row
    if label_smoothing:
        grad -= by_row * (label_smoothing / z.shape[-1])
        scale = scale * (1 - label_smoothing)
    flat = grad.reshape(-1)
    flat[places] -= scale
    return [grad if z.ndim == 2 else grad.reshape(z.shape)]


cross_entropy = Kernel("cross_entropy", _cross_entropy_reference, _cross_entropy_forward, _cross_entropy_backward)
"""-log softmax(z)[target] of logits z (..., classes) and integer targets (...): their mean, their sum, or each (...).

Those whose target is ``ignore_index`` have no loss and do not count. ``label_smoothing`` s takes that share of what is
wanted from the target and spreads it evenly over all classes: (1 - s) times the loss plus s times the mean over the
classes c of -log softmax(z)[c] (Szegedy et al. 2016).
"""


def _layer_norm_reference(x: Array, weight: Array, bias: Array, eps: float) -> Array:
    n = x.shape[-1]
    centred = x - x.sum(axis=-1, keepdims=True) * (1 / n)
    variance = (centred * centred).sum(axis=-1, keepdims=True) * (1 / n)
    return centred / np.sqrt(variance + eps) * weight + bias


def _layer_norm_forward(x: Array, weight: Array, bias: Array, eps: float) -> tuple[Array, object]:
    normal = x - row_means(x)
    scale = 1 / np.sqrt(row_means(normal * normal) + eps)
    normal *= scale
    out = normal * weight
    out += bias
    return out, (normal, scale)


def _layer_norm_backward(
    g: Array, saved: Any, needed: Sequence[bool], x: Array, weight: Array, bias: Array, eps: float
) -> Gradients:
    normal, scale = saved
    grad = None
    if needed[0]:
        grad = g * weight
        shared = normal * row_means(grad * normal)
        shared += row_means(grad)
        grad -= shared
        grad *= scale
    return [
        grad,
        column_sums(_flat(g * normal)) if needed[1] else None,
        column_sums(_flat(g)) if needed[2] else None,
    ]


layer_norm = Kernel("layer_norm", _layer_norm_reference, _layer_norm_forward, _layer_norm_backward)
"""Each row of x (..., n) with mean 0 and variance 1, times weight (n,), plus bias (n,) (Ba et al. 2016)."""


def _prod_reference(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    reducing = axes_of(x.ndim, axis)
    kept = [i for i in range(x.ndim) if i not in reducing]
    shape = tuple(1 if i in reducing else size for i, size in enumerate(x.shape))
    factors = np.transpose(x, [*kept, *reducing]).reshape([*(x.shape[i] for i in kept), count(x, axis)])
    # Multiplied by halves, so that the derivative is a product of the others also where some are zero.
    while factors.shape[-1] > 1:
        half = factors.shape[-1] // 2
        pairs = factors[..., :half] * factors[..., half : 2 * half]
        rest = factors[..., 2 * half :]
        factors = np.concatenate([pairs, rest], axis=-1) if rest.shape[-1] else pairs
    result = factors.reshape(shape) if factors.shape[-1] else (1 + np.sum(factors, axis=-1)).reshape(shape)
    return result if keepdims else result.reshape([x.shape[i] for i in kept])


def _prod_forward(x: Array, axis: Axis = None, keepdims: bool = False) -> tuple[Array, object]:
    return np.prod(x, axis=axis, keepdims=keepdims), None


def _prod_backward(
    g: Array, saved: Any, needed: Sequence[bool], x: Array, axis: Axis = None, keepdims: bool = False
) -> Gradients:
    if x.size == 0:
        return [np.zeros_like(x)]
    reducing = axes_of(x.ndim, axis)
    kept = [i for i in range(x.ndim) if i not in reducing]
    order = [*kept, *reducing]
    moved = np.transpose(x, order)
    factors = moved.reshape((*moved.shape[: len(kept)], -1))
    ones = np.ones((*factors.shape[:-1], 1), x.dtype)
    before = np.cumprod(np.concatenate([ones, factors[..., :-1]], axis=-1), axis=-1)
    after = np.cumprod(np.concatenate([ones, factors[..., :0:-1]], axis=-1), axis=-1)[..., ::-1]
    others = np.transpose((before * after).reshape(moved.shape), np.argsort(order))
    return [restore(g, x, axis) * others]


prod = Kernel("prod", _prod_reference, _prod_forward, _prod_backward)
"""The product over axes; its gradient is the product of the others, also where elements are zero."""
