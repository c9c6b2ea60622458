"""Planted bugs in single operations: derivatives, shapes, ties, fused kernels."""

import math

import numpy as np

from tests.mutation.checks import Mutant
from tinygrad_lm import Tensor, Value
from tinygrad_lm.autograd import elementwise, kernels, products, reductions, rules, shaping
from tinygrad_lm.autograd.elementwise import unbroadcast
from tinygrad_lm.autograd.graph import detach
from tinygrad_lm.autograd.reductions import axes_of, restore
from tinygrad_lm.autograd.rules import TABLE


def derivative(name, operand, formula):
    """Replace one local derivative in the table."""

    def plant(patch):
        found = list(TABLE[name].derivatives)
        found[operand] = formula
        patch.setattr(TABLE[name], "derivatives", tuple(found))

    return plant


def vjp(operation, function, operand=0):
    """Replace the vector-Jacobian product of one operand."""
    return lambda patch: patch.setitem(operation.vjps, operand, function)


def every_vjp(operation, function):
    return lambda patch: patch.setattr(operation, "every", function)


def kernel_backward(kernel, change):
    """Put a change behind a kernel's backward."""

    def plant(patch):
        backward = kernel.backward
        patch.setattr(
            kernel,
            "backward",
            lambda g, saved, needed, *inputs, **options: change(
                backward(g, saved, needed, *inputs, **options), g, *inputs
            ),
        )

    return plant


def setting(owner, name, value):
    return lambda patch: patch.setattr(owner, name, value)


def unbroadcast_leading_only(x, shape):
    return (
        x
        if x.shape == shape
        else x.sum(axis=tuple(range(x.ndim - len(shape)))).reshape(-1)[: math.prod(shape)].reshape(shape)
    )


def restore_without_normalising(reduced, x, axis):
    reducing = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis % x.ndim,)
    return np.broadcast_to(reduced.reshape(tuple(1 if i in reducing else n for i, n in enumerate(x.shape))), x.shape)


def count_first(x, axis):
    first = axes_of(x.ndim, axis)[:1]
    return math.prod(x.shape[i] for i in first)


def getitem_assigns(g, out, x, index):
    total = np.zeros(x.shape, g.dtype)
    total[index] += g
    return total


def batches_not_reduced(g, out, x, y):
    if x.ndim == 1 or y.ndim == 1:
        return original_matmul(g, out, x, y)
    pulled = x.swapaxes(-1, -2) @ g
    return pulled if pulled.shape == y.shape else np.resize(pulled, y.shape)


def halves(position, g, out, *xs, axis=0):
    n = g.shape[axis]
    cuts = np.linspace(0, n, len(xs) + 1).astype(int)
    part = np.take(g, np.arange(cuts[position], cuts[position + 1]), axis)
    return part if part.shape == xs[position].shape else np.resize(part, xs[position].shape)


def all_ties(g, out, x, axis=None, keepdims=False):
    return restore(g, x, axis) * (x == restore(out, x, axis))


def first_of_ties(g, out, x, axis=None, keepdims=False):
    chosen = x == restore(out, x, axis)
    first = chosen & (np.cumsum(chosen, axis=None).reshape(x.shape) == 1)
    return restore(g, x, axis) * (first if axis is None else chosen)


def quotient(g, saved, needed, x, axis=None, keepdims=False):
    with np.errstate(all="ignore"):
        return [restore(g * np.prod(x, axis=axis, keepdims=keepdims), x, axis) / x]


def einsum_keeps_stretched(position, g, out, *xs, subscripts):
    parts = original_einsum(position, g, out, *xs, subscripts=subscripts)
    return parts if 1 not in xs[position].shape else parts * 0.5


original_matmul = products.matmul.vjps[1]
original_einsum = products.einsum.every


def inverse_swapped(g, out, x, axes):
    return np.transpose(g, axes)


def norm_of_nothing(g, out, x, axis=None, keepdims=False):
    with np.errstate(all="ignore"):
        return restore(g / out, x, axis) * x


def nan_pad(g, out, x, widths, value=0):
    return shaping.getitem(
        g, index=tuple(slice(after, after + n) for (_, after), n in zip(widths, x.shape, strict=True))
    )


def ids_overflow(rows, ids, size):
    table = np.zeros((size, rows.shape[-1]), rows.dtype)
    np.add.at(table, ids.reshape(-1) % 128, rows)
    return table


def reference_detached(patch):
    vjp = kernels.Kernel.vjp

    def constants(self, gradient, call):
        if not isinstance(call.out, Tensor):
            return vjp(self, gradient, call)
        parts = self.backward(gradient.data, call.saved, call.needed, *map(detach, call.inputs), **call.attributes)
        return [None if part is None else Tensor(part) for part in parts]

    patch.setattr(kernels.Kernel, "vjp", constants)


def scalar_tanh(patch):
    patch.setattr(TABLE["tanh"], "scalar", lambda x: math.tanh(x) * (1 + 1e-9))


def float64_mean(patch):
    patch.setattr(
        reductions.mean, "forward", lambda x, axis=None, keepdims=False: np.mean(x, axis, float, None, keepdims)
    )


def value_without_seed(patch):
    original = Value._hand_on
    patch.setattr(Value, "_hand_on", lambda self, g, *rest: original(self, abs(g) if self.op == "sin" else g, *rest))


OPERATION_MUTANTS = (
    Mutant(
        "unbroadcast ignores axes of size 1",
        setting(elementwise, "unbroadcast", unbroadcast_leading_only),
        ("row add",),
    ),
    Mutant("sub has the sign of add", derivative("sub", 1, 1), ("row sub",)),
    Mutant("div lacks the square", derivative("div", 1, lambda x, y, out: -out), ("row div",)),
    Mutant("pow keeps its exponent", derivative("pow", 0, lambda x, y, out: y * x**y), ("row pow",)),
    Mutant("tanh' is off by 0.1%", derivative("tanh", 0, lambda x, out: 1.001 * (1 - out * out)), ("row tanh",)),
    Mutant("tanh of Values is off in the ninth digit", scalar_tanh, ("values tanh",)),
    Mutant("Values forget a sign", value_without_seed, ("values sin",)),
    Mutant(
        "several negative axes are not normalised",
        setting(reductions, "restore", restore_without_normalising),
        ("row sum",),
    ),
    Mutant("mean over several axes counts one", setting(reductions, "count", count_first), ("row mean",)),
    Mutant("mean divides by the size", setting(reductions, "count", lambda x, axis: x.size), ("row mean",)),
    Mutant("transpose goes the same way back", vjp(shaping.transpose, inverse_swapped), ("row transpose",)),
    Mutant(
        "reshape goes back in Fortran order",
        vjp(shaping.reshape, lambda g, out, x, shape: np.reshape(g, x.shape, order="F")),
        ("row reshape",),
    ),
    Mutant("duplicate indices count once", vjp(shaping.getitem, getitem_assigns), ("row getitem",)),
    Mutant("batches of a product are not summed", vjp(products.matmul, batches_not_reduced, 1), ("row matmul",)),
    Mutant(
        "softmax knows its diagonal alone",
        vjp(reductions.softmax, lambda g, out, x, axis=-1: g * out * (1 - out)),
        ("row softmax",),
    ),
    Mutant(
        "softmax sums over the last axis",
        vjp(reductions.softmax, lambda g, out, x, axis=-1: out * (g - (g * out).sum(-1, keepdims=True))),
        ("row softmax",),
    ),
    Mutant("softmax gives zeros", vjp(reductions.softmax, lambda g, out, x, axis=-1: 0 * g), ("row softmax",)),
    Mutant("concatenate splits evenly", every_vjp(shaping.concatenate, halves), ("row concatenate",)),
    Mutant("relu has slope 1 at 0", derivative("relu", 0, lambda x, out: x >= 0), ("kinks relu",)),
    Mutant("tied maxima get 1 each", vjp(reductions.max, all_ties), ("kinks max",)),
    Mutant("the first of tied minima gets all", vjp(reductions.min, first_of_ties), ("kinks min",)),
    Mutant("abs has slope 1 at 0", derivative("abs", 0, lambda x, out: 1 - 2.0 * (x < 0)), ("kinks abs",)),
    Mutant("tied maximum goes to the first", derivative("maximum", 0, lambda x, y, out: x >= y), ("kinks maximum",)),
    Mutant(
        "clip has slope 0 at a bound",
        derivative("clip", 0, lambda x, low, high, out: (x > low) & (x < high)),
        ("kinks clip",),
    ),
    Mutant("x**0 has slope nan at 0", derivative("pow", 0, lambda x, y, out: y * x ** (y - 1)), ("kinks pow",)),
    Mutant("sigmoid' lacks a factor", derivative("sigmoid", 0, lambda x, out: out), ("row sigmoid",)),
    Mutant(
        "gelu' lacks its density",
        derivative("gelu", 0, lambda x, out: 0.5 * (1 + rules.erf(x * math.sqrt(0.5)))),
        ("row gelu",),
    ),
    Mutant("logaddexp halves", derivative("logaddexp", 1, lambda x, y, out: 0.5), ("row logaddexp",)),
    Mutant("prod divides by its elements", setting(kernels.prod, "backward", quotient), ("row prod",)),
    Mutant(
        "cumsum runs forward again",
        vjp(reductions.cumsum, lambda g, out, x, axis: np.cumsum(g, axis=axis)),
        ("row cumsum",),
    ),
    Mutant(
        "var forgets ddof",
        vjp(
            reductions.var,
            lambda g, out, x, axis=None, keepdims=False, ddof=0: (
                restore(g, x, axis) * (x - np.mean(x, axis, keepdims=True)) * (2 / reductions.count(x, axis))
            ),
        ),
        ("row var",),
    ),
    Mutant("the norm has slope nan at 0", vjp(reductions.norm, norm_of_nothing), ("kinks norm",)),
    Mutant(
        "where swaps its branches",
        vjp(shaping.where, lambda g, out, x, y, condition: unbroadcast(np.where(condition, 0, g), np.shape(x))),
        ("row where",),
    ),
    Mutant("einsum halves what it stretches", every_vjp(products.einsum, einsum_keeps_stretched), ("row einsum",)),
    Mutant(
        "roll goes on", vjp(shaping.roll, lambda g, out, x, shift, axis=None: np.roll(g, shift, axis)), ("row roll",)
    ),
    Mutant("flip flips everything", vjp(shaping.flip, lambda g, out, x, axis=None: np.flip(g)), ("row flip",)),
    Mutant("pad cuts from the wrong end", vjp(shaping.pad, nan_pad), ("row pad",)),
    Mutant(
        "tril gives back the upper triangle", vjp(shaping.tril, lambda g, out, x, k=0: np.triu(g, k)), ("row tril",)
    ),
    Mutant(
        "stack gives back the first part",
        every_vjp(shaping.stack, lambda position, g, out, *xs, axis=0: np.take(g, 0, axis)),
        ("row stack",),
    ),
    Mutant(
        "linear forgets a batch of biases",
        kernel_backward(kernels.linear, lambda parts, g, *inputs: [*parts[:2], *(p * 0.5 for p in parts[2:])]),
        ("row linear",),
    ),
    Mutant("large embeddings wrap their ids", setting(kernels, "add_rows", ids_overflow), ("row embedding",)),
    Mutant(
        "cross-entropy forgets 1/n",
        kernel_backward(kernels.cross_entropy, lambda parts, g, z: [parts[0] * len(z)]),
        ("row cross_entropy",),
    ),
    Mutant(
        "layer norm forgets the mean",
        kernel_backward(kernels.layer_norm, lambda parts, g, x, w, b: [parts[0] + 0.01 * g * w, *parts[1:]]),
        ("row layer_norm",),
    ),
    Mutant("kernels are constants to second order", reference_detached, ("second layer_norm",)),
    Mutant("mean turns float32 into float64", float64_mean, ("float32 mean",)),
    Mutant(
        "derivatives in the operand's own dtype",
        setting(elementwise, "_promoted", lambda x, dtype: x),
        ("test test_gradients_are_exact_beside_a_coarser_dtype",),
    ),
)
