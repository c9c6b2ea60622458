"""NumPy's functions on tensors: what ``np.sum(t)``, ``np.where(mask, t, 0)`` and their like call."""

# Operands may be floats, arrays or nodes: their types are not inferred here.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false, reportUnusedFunction=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_lm.autograd import products, reductions, shaping
from tinygrad_lm.autograd.graph import Node, constant, snapshot
from tinygrad_lm.autograd.methods import ArrayMethods
from tinygrad_lm.autograd.operators import unsupported

UFUNC_METHODS: dict[tuple[Any, str], Callable[..., Any]] = {
    (np.matmul, "__call__"): products.matmul,
    (np.add, "reduce"): lambda x, axis=0, keepdims=False: x.sum(axis, keepdims),
    (np.multiply, "reduce"): lambda x, axis=0, keepdims=False: x.prod(axis, keepdims),
    (np.maximum, "reduce"): lambda x, axis=0, keepdims=False: x.max(axis, keepdims),
    (np.minimum, "reduce"): lambda x, axis=0, keepdims=False: x.min(axis, keepdims),
    (np.add, "accumulate"): lambda x, axis=0: x.cumsum(axis),
}
"""Ufuncs that are not elementwise, and the methods of ufuncs that reduce."""

HANDLERS: dict[Any, Callable[..., Any]] = {}
"""How each NumPy function is computed when a tensor is among its arguments."""

PLAIN = frozenset(
    {
        *(np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.iscomplexobj, np.isrealobj),
        *(np.array_equal, np.array_equiv, np.allclose, np.isclose, np.count_nonzero),
        *(np.zeros_like, np.ones_like, np.empty_like, np.full_like, np.argsort, np.nonzero, np.flatnonzero),
        *(np.searchsorted, np.bincount, np.array_str, np.array_repr, np.array2string),
        *(np.shares_memory, np.may_share_memory),
    }
)
"""NumPy functions that give plain results, without gradient."""


def call(function: Any, args: tuple[Any, ...], options: dict[str, Any], tensor: Node) -> Any:
    """Compute a NumPy function of whose arguments ``tensor`` is one."""
    name = f"{function.__module__.replace('numpy', 'np')}.{function.__name__}"
    handler = HANDLERS.get(function)
    if handler is not None:
        try:
            return handler(*args, **options)
        except TypeError as error:
            if "unexpected keyword argument" in str(error):
                raise TypeError(f"{name} on a Tensor: {str(error).rpartition(')')[2].strip()}") from None
            raise
    if function in PLAIN:
        return function(*map(_plain, args), **{key: _plain(value) for key, value in options.items()})
    raise unsupported(name, tensor)


def _plain(x: Any) -> Any:
    return type(x)(map(constant, x)) if type(x) in (list, tuple) else constant(x)


def _handles(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(handler: Callable[..., Any]) -> Callable[..., Any]:
        for function in functions:
            HANDLERS[function] = handler
        return handler

    return register


def _tensor(x: Any) -> Any:
    """A tensor as it is, an array of anything else."""
    return x if isinstance(x, Node) else np.asarray(x)


for _function, _name in {
    np.sum: "sum",
    np.mean: "mean",
    np.var: "var",
    np.std: "std",
    np.max: "max",
    np.amax: "max",
    np.min: "min",
    np.amin: "min",
    np.prod: "prod",
    np.cumsum: "cumsum",
    np.argmax: "argmax",
    np.argmin: "argmin",
    np.all: "all",
    np.any: "any",
    np.swapaxes: "swapaxes",
    np.squeeze: "squeeze",
    np.expand_dims: "unsqueeze",
    np.flip: "flip",
    np.roll: "roll",
    np.tril: "tril",
    np.triu: "triu",
    np.split: "split",
    np.take_along_axis: "take_along_axis",
}.items():

    def _method(x: Any, *args: Any, _name: str = _name, **options: Any) -> Any:
        return getattr(ArrayMethods, _name)(x, *args, **options)

    HANDLERS[_function] = _method


@_handles(np.reshape)
def _reshape(a: Any, shape: Any) -> Any:
    return a.reshape(shape)


@_handles(np.transpose)
def _transpose(a: Any, axes: Any = None) -> Any:
    return a.transpose() if axes is None else a.transpose(axes)


@_handles(np.broadcast_to)
def _broadcast_to(array: Any, shape: Any) -> Any:
    return array.broadcast_to(shape)


@_handles(np.ravel)
def _ravel(x: Any) -> Any:
    return x.reshape(-1)


@_handles(np.copy)
def _copy(x: Any) -> Any:
    return shaping.getitem(x, index=...)


@_handles(np.moveaxis)
def _moveaxis(x: Any, source: Any, destination: Any) -> Any:
    order = [i for i in range(x.ndim) if i not in reductions.axes_of(x.ndim, source)]
    pairs = zip(reductions.axes_of(x.ndim, destination), reductions.axes_of(x.ndim, source), strict=True)
    for to, origin in sorted(pairs):
        order.insert(to, origin)
    return x.transpose(order)


@_handles(np.clip)
def _clip(x: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    return x.clip(a_min if min is None else min, a_max if max is None else max)


@_handles(np.where)
def _where(condition: Any, *branches: Any) -> Any:
    if len(branches) != 2:
        return np.where(constant(condition))
    return shaping.where(*branches, condition=np.asarray(snapshot(condition)))


@_handles(np.concatenate)
def _concatenate(arrays: Any, axis: int | None = 0) -> Any:
    parts = [_tensor(x) for x in arrays]
    if axis is None:
        return shaping.concatenate(*(x.reshape(-1) for x in parts), axis=0)
    return shaping.concatenate(*parts, axis=axis)


@_handles(np.stack)
def _stack(arrays: Any, axis: int = 0) -> Any:
    return shaping.stack(*map(_tensor, arrays), axis=axis)


@_handles(np.vstack)
def _vstack(tup: Any) -> Any:
    return shaping.concatenate(*(x.reshape(1, -1) if x.ndim < 2 else x for x in map(_tensor, tup)), axis=0)


@_handles(np.hstack)
def _hstack(tup: Any) -> Any:
    parts = [x.reshape(1) if x.ndim == 0 else x for x in map(_tensor, tup)]
    return shaping.concatenate(*parts, axis=0 if parts[0].ndim == 1 else 1)


@_handles(np.pad)
def _pad(array: Any, pad_width: Any, mode: Any = "constant", *, constant_values: Any = 0) -> Any:
    if mode != "constant" or np.ndim(constant_values):
        raise TypeError("np.pad of a Tensor takes mode='constant' with one constant_values")
    return array.pad(pad_width, constant_values)


@_handles(np.dot)
def _dot(a: Any, b: Any) -> Any:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return a * b
    if np.ndim(a) > 2 or np.ndim(b) > 2:
        raise TypeError("np.dot of a Tensor takes vectors and matrices; for batches say np.matmul or np.einsum")
    return products.matmul(a, b)


@_handles(np.outer)
def _outer(a: Any, b: Any) -> Any:
    return _tensor(a).reshape(-1, 1) * _tensor(b).reshape(1, -1)


@_handles(np.tensordot)
def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    a, b = _tensor(a), _tensor(b)
    if isinstance(axes, int):
        left, right = tuple(range(a.ndim - axes, a.ndim)), tuple(range(axes))
    else:
        left, right = reductions.axes_of(a.ndim, axes[0]), reductions.axes_of(b.ndim, axes[1])
    names = [chr(97 + i) for i in range(a.ndim)]
    others = [chr(65 + i) for i in range(b.ndim)]
    for i, j in zip(left, right, strict=True):
        others[j] = names[i]
    kept = [c for i, c in enumerate(names) if i not in left] + [c for j, c in enumerate(others) if j not in right]
    return _einsum(f"{''.join(names)},{''.join(others)}->{''.join(kept)}", a, b)


@_handles(np.einsum)
def _einsum(subscripts: Any, *operands: Any, optimize: Any = False) -> Any:
    if not isinstance(subscripts, str):
        raise TypeError("np.einsum of a Tensor takes its subscripts as a string: 'ij,jk->ik'")
    parts = [_tensor(x) for x in operands]
    terms, output = products.explicit(subscripts, parts)
    return products.einsum(*parts, subscripts=",".join(terms) + "->" + output)


@_handles(np.linalg.norm)
def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    if ord is not None and x.ndim != 1 and axis is None:
        raise TypeError("np.linalg.norm of a Tensor computes vector norms: give the axis (matrix norms have no rule)")
    if isinstance(axis, tuple) and ord is not None:
        raise TypeError("np.linalg.norm of a Tensor over two axes is the Frobenius norm: leave ord out")
    return x.norm(axis=axis, keepdims=keepdims, ord=2 if ord is None else ord)


@_handles(np.take)
def _take(a: Any, indices: Any, axis: int | None = None) -> Any:
    ids = np.asarray(constant(indices))
    if axis is None:
        return a.reshape(-1)[ids]
    return a[(*(slice(None),) * (axis % a.ndim), ids)]


@_handles(np.diagonal)
def _diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    moved = np.moveaxis(a, (axis1, axis2), (-2, -1))
    rows = np.arange(max(0, min(moved.shape[-2] + min(offset, 0), moved.shape[-1] - max(offset, 0))))
    return moved[..., rows - min(offset, 0), rows + max(offset, 0)]


@_handles(np.trace)
def _trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return _diagonal(a, offset, axis1, axis2).sum(-1)


@_handles(np.sort)
def _sort(a: Any, axis: int | None = -1, kind: Any = None, *, stable: bool | None = None) -> Any:
    if axis is None:
        return _sort(a.reshape(-1))
    return a.take_along_axis(np.argsort(constant(a), axis, kind="stable"), axis)


@_handles(np.repeat)
def _repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    flat = a.reshape(-1) if axis is None else a
    where = 0 if axis is None else axis % a.ndim
    return _take(flat, np.repeat(np.arange(flat.shape[where]), repeats), where)


@_handles(np.tile)
def _tile(A: Any, reps: Any) -> Any:
    counts = (reps,) if isinstance(reps, int) else tuple(reps)
    ndim = max(A.ndim, len(counts))
    counts = (1,) * (ndim - len(counts)) + counts
    shape = (1,) * (ndim - A.ndim) + A.shape
    spread = A.reshape([part for size in shape for part in (1, size)])
    spread = spread.broadcast_to([part for n, size in zip(counts, shape, strict=True) for part in (n, size)])
    return spread.reshape([n * size for n, size in zip(counts, shape, strict=True)])


@_handles(np.atleast_1d)
def _atleast_1d(x: Any) -> Any:
    return x.reshape(1) if x.ndim == 0 else x


if hasattr(np, "permute_dims"):
    HANDLERS[np.permute_dims] = HANDLERS[np.transpose]


@_handles(np.matrix_transpose if hasattr(np, "matrix_transpose") else np.linalg.matrix_transpose)
def _matrix_transpose(x: Any) -> Any:
    return x.mT


@_handles(np.vdot, np.inner)
def _inner(a: Any, b: Any) -> Any:
    a, b = _tensor(a), _tensor(b)
    if a.ndim > 1 or b.ndim > 1:
        raise TypeError("np.inner and np.vdot of a Tensor take vectors; for more axes say np.einsum")
    return products.matmul(a, b)
