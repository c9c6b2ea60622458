"""NumPy's functions on tensors: what ``np.sum(t)``, ``np.where(mask, t, 0)`` and their like call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from tinygrad_lm.autograd import products, rules, shaping
from tinygrad_lm.autograd.graph import Node, detach
from tinygrad_lm.autograd.methods import ArrayMethods
from tinygrad_lm.autograd.numpy_handlers import HANDLERS, handles, plain
from tinygrad_lm.autograd.operators import bounds
from tinygrad_lm.autograd.recorded import positions, snapshot, whole
from tinygrad_lm.autograd.types import Axis, is_ndarray


def _reduce(method: Callable[..., ArrayMethods]) -> Callable[..., ArrayMethods]:
    """A ufunc's ``reduce``, which is over the first axis where a method is over all of them."""

    def reduce(x: ArrayMethods, axis: Axis = 0, keepdims: bool = False) -> ArrayMethods:
        return method(x, axis, keepdims)

    return reduce


def _accumulate(x: ArrayMethods, axis: int = 0) -> object:
    return x.cumsum(axis)


UFUNC_METHODS: dict[tuple[np.ufunc, str], Callable[..., object]] = {
    (np.matmul, "__call__"): products.matmul,
    (np.add, "reduce"): _reduce(ArrayMethods.sum),
    (np.multiply, "reduce"): _reduce(ArrayMethods.prod),
    (np.maximum, "reduce"): _reduce(ArrayMethods.max),
    (np.minimum, "reduce"): _reduce(ArrayMethods.min),
    (np.add, "accumulate"): _accumulate,
}
"""Ufuncs that are not elementwise, and the methods of ufuncs that reduce."""


def _tensor(x: object) -> Any:
    """A tensor as it is, an array of anything else."""
    return x if isinstance(x, Node) else np.asarray(x)


def _method(functions: tuple[Any, ...], name: str, names: str, **fixed: Any) -> None:
    """Let a tensor's method compute NumPy functions whose parameters it names alike."""
    first = names.split()[0]

    def handler(**options: Any) -> Any:
        x = options.pop(first)
        if isinstance(x, Node):
            # The method that reads the words as NumPy does, where PyTorch's are read too.
            return getattr(ArrayMethods, name)(x, **options)
        # Only what selects is a tensor: there is no gradient.
        return functions[0](plain(x), **{key: plain(value) for key, value in options.items()})

    handles(*functions, names=names, **fixed)(handler)


_ARRAYS_ONLY: dict[str, Any] = {"dtype": None, "out": None, "initial": None, "where": True}

for _functions, _name, _names in (
    ((np.sum,), "sum", "a axis dtype out keepdims initial where"),
    ((np.prod,), "prod", "a axis dtype out keepdims initial where"),
    ((np.max, np.amax), "max", "a axis out keepdims initial where"),
    ((np.min, np.amin), "min", "a axis out keepdims initial where"),
    ((np.mean,), "mean", "a axis dtype out keepdims where"),
    ((np.var,), "var", "a axis dtype out ddof keepdims where mean correction"),
    ((np.std,), "std", "a axis dtype out ddof keepdims where mean correction"),
    ((np.argmax,), "argmax", "a axis out keepdims"),
    ((np.argmin,), "argmin", "a axis out keepdims"),
    ((np.all,), "all", "a axis out keepdims where"),
    ((np.any,), "any", "a axis out keepdims where"),
):
    _method(_functions, _name, _names, **_ARRAYS_ONLY, mean=None, correction=None)

_method((np.swapaxes,), "swapaxes", "a axis1 axis2")
_method((np.squeeze,), "squeeze", "a axis")
_method((np.expand_dims,), "unsqueeze", "a axis")
_method((np.flip,), "flip", "m axis")
_method((np.roll,), "roll", "a shift axis")
_method((np.tril,), "tril", "m k")
_method((np.triu,), "triu", "m k")


@handles(np.cumsum, names="a axis dtype out", dtype=None, out=None)
def _cumsum(a: ArrayMethods, axis: Any = None) -> object:
    if a.ndim == 0 and axis is not None:
        normalize_axis_index(whole(axis), 1)
        return a.reshape(1)
    return a.cumsum(axis)


@handles(np.split, names="ary indices_or_sections axis")
def _split(ary: ArrayMethods, indices_or_sections: Any, axis: Any = 0) -> object:
    ary, sections = _tensor(ary), whole(indices_or_sections)
    if sections == 0:
        raise ValueError("np.split makes one part or more, not 0")
    if is_ndarray(ary):
        return np.split(ary, sections, whole(axis))
    return ArrayMethods.split(ary, sections, axis)


@handles(np.take_along_axis, names="arr indices axis")
def _take_along_axis(arr: ArrayMethods, indices: Any, axis: Any = -1) -> object:
    arr = _tensor(arr)
    if is_ndarray(arr):
        return np.take_along_axis(arr, detach(indices), whole(axis))
    return arr.reshape(-1).take_along_axis(indices, 0) if axis is None else arr.take_along_axis(indices, axis)


@handles(np.reshape, names="a shape order", order="C", copy=None)
def _reshape(a: ArrayMethods, shape: Any = None, newshape: Any = None) -> object:
    # NumPy's word before 2.1 was newshape.
    return _tensor(a).reshape(whole(newshape if shape is None else shape))


@handles(np.transpose, names="a axes")
def _transpose(a: ArrayMethods, axes: Any = None) -> object:
    return _tensor(a).transpose() if axes is None else _tensor(a).transpose(whole(axes))


@handles(np.broadcast_to, names="array shape subok", subok=False)
def _broadcast_to(array: ArrayMethods, shape: Any) -> object:
    return array.broadcast_to(whole(shape))


@handles(np.ravel, names="a order", order="C")
def _ravel(a: ArrayMethods) -> object:
    return a.reshape(-1)


@handles(np.copy, names="a order subok", order="K", subok=False)
def _copy(a: ArrayMethods) -> object:
    return shaping.getitem(a, index=...)


@handles(np.moveaxis, names="a source destination")
def _moveaxis(a: ArrayMethods, source: Any, destination: Any) -> object:
    old, new = (normalize_axis_tuple(whole(axes), a.ndim) for axes in (source, destination))
    if len(old) != len(new):
        raise ValueError(f"np.moveaxis: {len(old)} axes are moved to {len(new)} places")
    order = [i for i in range(a.ndim) if i not in old]
    for to, origin in sorted(zip(new, old, strict=True)):
        order.insert(to, origin)
    return a.transpose(order)


@handles(np.clip, names="a a_min a_max out", out=None)
def _clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> object:
    if (a_min is not None and min is not None) or (a_max is not None and max is not None):
        raise ValueError("np.clip takes each bound once: as a_min and a_max, or as min and max")
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    return _tensor(a).clip(low, high) if isinstance(a, Node) else rules.clip(a, *bounds(low, high))


@handles(np.where, names="")
def _where(condition: Any, *branches: Any) -> object:
    if not branches:
        return np.where(detach(condition))
    if len(branches) != 2:
        raise ValueError("np.where takes a condition alone, or with both branches")
    return shaping.where(*branches, condition=snapshot(condition))


@handles(np.concatenate, names="arrays axis out", out=None, dtype=None, casting="same_kind")
def _concatenate(arrays: Any, axis: Any = 0) -> object:
    parts = [_tensor(x) for x in arrays]
    if axis is None:
        return shaping.concatenate(*(x.reshape(-1) for x in parts), axis=0)
    return shaping.concatenate(*parts, axis=whole(axis))


@handles(np.stack, names="arrays axis out", out=None, dtype=None, casting="same_kind")
def _stack(arrays: Any, axis: Any = 0) -> object:
    return shaping.stack(*map(_tensor, arrays), axis=whole(axis))


@handles(np.vstack, names="tup", dtype=None, casting="same_kind")
def _vstack(tup: Any) -> object:
    return shaping.concatenate(*(x.reshape(1, -1) if x.ndim < 2 else x for x in map(_tensor, tup)), axis=0)


@handles(np.hstack, names="tup", dtype=None, casting="same_kind")
def _hstack(tup: Any) -> object:
    parts = [x.reshape(1) if x.ndim == 0 else x for x in map(_tensor, tup)]
    return shaping.concatenate(*parts, axis=0 if parts[0].ndim == 1 else 1)


@handles(np.pad, names="array pad_width mode", mode="constant")
def _pad(array: ArrayMethods, pad_width: Any, *, constant_values: Any = 0) -> object:
    if np.ndim(constant_values):
        raise TypeError("np.pad of a Tensor takes one constant_values for all sides")
    return array.pad(pad_width, constant_values)


@handles(np.dot, names="a b out", out=None)
def _dot(a: Any, b: Any) -> object:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return a * b
    if np.ndim(a) > 2 or np.ndim(b) > 2:
        raise TypeError("np.dot of a Tensor takes vectors and matrices; for batches say np.matmul or np.einsum")
    return products.matmul(a, b)


@handles(np.outer, names="a b out", out=None)
def _outer(a: ArrayMethods, b: ArrayMethods) -> object:
    return _tensor(a).reshape(-1, 1) * _tensor(b).reshape(1, -1)


@handles(np.tensordot, names="a b axes")
def _tensordot(a: ArrayMethods, b: ArrayMethods, axes: Any = 2) -> object:
    a, b = _tensor(a), _tensor(b)
    if isinstance(axes, Sequence) or getattr(axes, "ndim", 0):
        left, right = (
            normalize_axis_tuple(whole(part), x.ndim)
            for part, x in zip(cast("Sequence[Axis]", axes), (a, b), strict=True)
        )
    else:
        count = whole(axes)
        if not 0 <= count <= min(a.ndim, b.ndim):
            raise ValueError(f"np.tensordot: {count} axes of operands of shapes {a.shape} and {b.shape}")
        left, right = tuple(range(a.ndim - count, a.ndim)), tuple(range(count))
    if [a.shape[i] for i in left] != [b.shape[j] for j in right]:
        raise ValueError(f"np.tensordot: axes {left} of shape {a.shape} and {right} of shape {b.shape} must agree")
    names = [chr(97 + i) for i in range(a.ndim)]
    others = [chr(65 + i) for i in range(b.ndim)]
    for i, j in zip(left, right, strict=True):
        others[j] = names[i]
    kept = [c for i, c in enumerate(names) if i not in left] + [c for j, c in enumerate(others) if j not in right]
    return _einsum(f"{''.join(names)},{''.join(others)}->{''.join(kept)}", a, b)


@handles(np.einsum, names="", out=None, dtype=None, order="K", casting="safe")
def _einsum(subscripts: Any, *operands: Any, optimize: Any = False) -> object:
    if not isinstance(subscripts, str):
        raise TypeError("np.einsum of a Tensor takes its subscripts as a string: 'ij,jk->ik'")
    parts = [_tensor(x) for x in operands]
    terms, output = products.explicit(subscripts, parts)
    return products.einsum(*parts, subscripts=",".join(terms) + "->" + output)


@handles(np.linalg.norm, names="x ord axis keepdims")
def _norm(x: ArrayMethods, ord: Any = None, axis: Any = None, keepdims: bool = False) -> object:
    axis = None if axis is None else normalize_axis_tuple(whole(axis), x.ndim)
    if ord is not None and x.ndim != 1 and axis is None:
        raise TypeError("np.linalg.norm of a Tensor computes vector norms: give the axis (matrix norms have no rule)")
    if axis is not None and len(axis) > 1 and ord is not None:
        raise TypeError("np.linalg.norm of a Tensor over two axes is the Frobenius norm: leave ord out")
    return x.norm(axis=axis, keepdims=keepdims, ord=2 if ord is None else ord)


@handles(np.take, names="a indices axis out mode", out=None, mode="raise")
def _take(a: ArrayMethods, indices: Any, axis: Any = None) -> object:
    return _taken(a, positions(indices), axis)


def _taken(a: ArrayMethods, ids: Any, axis: Any) -> object:
    a = _tensor(a)
    if axis is None or a.ndim == 0:
        normalize_axis_index(0 if axis is None else whole(axis), max(a.ndim, 1))
        return a.reshape(-1)[ids]
    return a[(*(slice(None),) * normalize_axis_index(whole(axis), a.ndim), ids)]


@handles(np.diagonal, names="a offset axis1 axis2")
def _diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> object:
    a, offset = _tensor(a), whole(offset)
    moved: Any = np.moveaxis(a, (axis1, axis2), (-2, -1))
    rows = np.arange(max(0, min(moved.shape[-2] + min(offset, 0), moved.shape[-1] - max(offset, 0))))
    return moved[..., rows - min(offset, 0), rows + max(offset, 0)]


@handles(np.trace, names="a offset axis1 axis2 dtype out", dtype=None, out=None)
def _trace(a: ArrayMethods, offset: int = 0, axis1: int = 0, axis2: int = 1) -> object:
    return _diagonal(a, offset, axis1, axis2).sum(-1)


@handles(np.sort, names="a axis kind order", order=None)
def _sort(a: ArrayMethods, axis: Any = -1, kind: Any = None, stable: Any = None) -> object:
    if axis is None:
        return _sort(a.reshape(-1))
    return a.take_along_axis(np.argsort(detach(a), whole(axis), kind="stable"), whole(axis))


@handles(np.repeat, names="a repeats axis")
def _repeat(a: ArrayMethods, repeats: Any, axis: Any = None) -> object:
    a = _tensor(a)
    size = a.shape[normalize_axis_index(whole(axis), a.ndim)] if axis is not None and a.ndim else a.size
    return _taken(a, np.repeat(np.arange(size), detach(repeats)), axis)


@handles(np.tile, names="A reps")
def _tile(A: ArrayMethods, reps: Any) -> object:
    x, counts = _tensor(A), whole(reps)
    counts = (counts,) if isinstance(counts, int) else counts
    ndim = max(x.ndim, len(counts))
    counts = (1,) * (ndim - len(counts)) + counts
    shape = (1,) * (ndim - x.ndim) + x.shape
    spread = x.reshape([part for size in shape for part in (1, size)])
    wide = [part for n, size in zip(counts, shape, strict=True) for part in (n, size)]
    return np.broadcast_to(spread, wide).reshape([n * size for n, size in zip(counts, shape, strict=True)])


@handles(np.atleast_1d, names="")
def _atleast_1d(*arys: Any) -> object:
    found = tuple(x.reshape(1) if x.ndim == 0 else x for x in map(_tensor, arys))
    return found[0] if len(found) == 1 else found


if hasattr(np, "permute_dims"):
    HANDLERS[np.permute_dims] = HANDLERS[np.transpose]


@handles(np.matrix_transpose if hasattr(np, "matrix_transpose") else np.linalg.matrix_transpose, names="x")
def _matrix_transpose(x: ArrayMethods) -> object:
    return x.mT


def _vectors(a: ArrayMethods, b: ArrayMethods) -> tuple[Any, Any]:
    a, b = _tensor(a), _tensor(b)
    if a.ndim > 1 or b.ndim > 1:
        raise TypeError("np.inner and np.vdot of a Tensor take vectors; for more axes say np.einsum")
    return a, b


@handles(np.inner, names="a b")
def _inner(a: ArrayMethods, b: ArrayMethods) -> object:
    a, b = _vectors(a, b)
    return products.matmul(a, b) if a.ndim and b.ndim else a * b


@handles(np.vdot, names="a b")
def _vdot(a: ArrayMethods, b: ArrayMethods) -> object:
    a, b = _vectors(a, b)
    return products.matmul(a.reshape(-1), b.reshape(-1))
