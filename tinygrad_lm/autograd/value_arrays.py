"""What operations make of arrays of ``Value``s, at once, and with no more nodes than the result has numbers.

A number of a matrix product is one node, as of ``Value.dot``, and a sum is one, as of ``Value.sum``: the loop of NumPy
over an array of objects makes a node for each term.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from tinygrad_lm.autograd import observers
from tinygrad_lm.autograd.graph import Node, Operation
from tinygrad_lm.autograd.made_from import numbers_of
from tinygrad_lm.autograd.nary import dot_of_scalars
from tinygrad_lm.autograd.number import as_operand
from tinygrad_lm.autograd.reductions import axes_of
from tinygrad_lm.autograd.structured import OF_NODES
from tinygrad_lm.autograd.types import Array, Axis
from tinygrad_lm.autograd.value import Value
from tinygrad_lm.autograd.value_products import Product


def in_arrays(operation: Operation, operands: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """What is made of arrays of ``Value``s and numbers; ``NotImplemented`` where NumPy's own loop is to do it."""
    function = _FUNCTIONS.get(operation.name)
    if function is None:
        return NotImplemented
    arrays = [np.asarray(operand, dtype=object) for operand in operands]
    kinds = {held for array in arrays for held in {*map(type, array.ravel().tolist())} or {Node}}
    if Value not in kinds or any(issubclass(held, Node) and not issubclass(held, Value) for held in kinds):
        return NotImplemented  # tensors are among them, or no element at all
    return function(operation, *arrays, **attributes)


def _matmul(operation: Operation, x: Array, y: Array) -> Any:
    """``np.matmul``, a ``Product`` for each pair of matrices."""
    if not (x.ndim and y.ndim and x.shape[-1] == y.shape[-2 if y.ndim > 1 else 0]):
        return NotImplemented
    rows = x if x.ndim > 1 else x[None]
    columns = y.swapaxes(-1, -2) if y.ndim > 1 else y[None]
    if columns.ndim == 2:
        lead, pairs = rows.shape[:-1], [(rows.reshape(-1, rows.shape[-1]), columns)]
    else:
        try:
            batch = np.broadcast_shapes(rows.shape[:-2], columns.shape[:-2])
        except ValueError:
            return NotImplemented
        rows = np.broadcast_to(rows, (*batch, *rows.shape[-2:])).reshape(-1, *rows.shape[-2:])
        columns = np.broadcast_to(columns, (*batch, *columns.shape[-2:])).reshape(-1, *columns.shape[-2:])
        lead, pairs = (*batch, rows.shape[-2]), list(zip(rows, columns, strict=True))
    found = [number for pair in pairs for number in _product(operation, *pair)]
    out = _array(found).reshape(*lead, columns.shape[-2])
    if x.ndim == 1:
        out = out.squeeze(-2)
    if y.ndim == 1:
        out = out.squeeze(-1)
    return out if out.ndim else out[()]


def _product(operation: Operation, x: Array, y: Array) -> list[Value]:
    """The numbers of X Yᵀ, row by row."""
    product = Product(*(_values(operation, side.ravel()) for side in (x, y)), width=x.shape[-1])
    observed = bool(observers.observing())
    results = observers.watched(product.numbers) if observed else product.numbers()
    found = numbers_of(product, results, Value)
    if observed:
        for index, out in enumerate(found):
            observers.tell_forward(dot_of_scalars, product.parents(index), {}, out)
    return found


def _sum(operation: Operation, x: Array, axis: Axis = None, keepdims: bool = False) -> Any:
    """``np.sum``, a ``Value.sum`` for each number of the result."""
    axes = axes_of(x.ndim, axis)
    kept = [a for a in range(x.ndim) if a not in axes]
    groups = x.transpose(*kept, *axes).reshape(-1, prod(x.shape[a] for a in axes))
    shape = [1 if a in axes else n for a, n in enumerate(x.shape)] if keepdims else [x.shape[a] for a in kept]
    out = _array([Value.sum(_values(operation, group)) for group in groups]).reshape(shape)
    return out if out.ndim else out[()]


def _values(operation: Operation, numbers: Array) -> list[Value]:
    found = numbers.tolist()
    if {*map(type, found)} == {Value}:
        return found
    return [x if isinstance(x, Value) else Value(as_operand(x, operation), requires_grad=False) for x in found]


def _array(values: list[Value]) -> Array:
    # NumPy asks each element of a list whether it is a sequence; not so here.
    return np.fromiter(values, dtype=object, count=len(values))


_FUNCTIONS: Mapping[str, Any] = {"matmul": _matmul, "sum": _sum}
"""What there is for arrays of ``Value``s, by the name of the operation on arrays."""

OF_NODES.append(in_arrays)
