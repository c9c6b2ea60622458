"""A program on tensors, run again number by number: every element a ``Value``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_lm.autograd import Value
from tinygrad_lm.autograd.graph import Node, enter_scope, leave_scope, topological_order
from visualize.graph.extract import is_parameter, names_of

MOST = 20_000
"""Programs with more numbers than this are not taken apart."""


def _sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    # Arithmetic on an array without axes gives its one Value, which is not an array any more.
    return np.sum(np.asarray(x, dtype=object), axis=axis, keepdims=keepdims)


def _product(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return np.prod(x, axis=axis, keepdims=keepdims)


def _norm(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return np.sqrt(_sum(x * x, axis, keepdims))


def _variance(x: Any, axis: Any = None, keepdims: bool = False, ddof: int = 0) -> Any:
    centred = x - np.mean(x, axis=axis, keepdims=True)
    total = _sum(centred * centred, axis, keepdims)
    return total * (1 / (x.size // max(np.size(total), 1) - ddof))


def _log_sum_exp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    shift = np.vectorize(float, otypes=[float])(np.max(x, axis=axis, keepdims=True))
    total = np.log(_sum(np.exp(x - shift), axis, True)) + shift
    return total if keepdims else np.squeeze(np.asarray(total, dtype=object), axis=axis)


def _deviation(x: Any, **options: Any) -> Any:
    return np.sqrt(_variance(x, **options))


def _same(x: Any, dtype: Any) -> Any:
    return x


_IN_NUMBERS: Mapping[str, Callable[..., Any]] = {
    "norm": _norm,
    "prod": _product,
    "var": _variance,
    "std": _deviation,
    "logsumexp": _log_sum_exp,
    "astype": _same,
}
"""Operations whose NumPy function does not run on arrays of objects, in functions that do."""


class Parameter(Value):
    """One number of a parameter; drawn as a parameter."""

    __slots__ = ()


def to_scalars(roots: Sequence[Node], names: Any = None) -> tuple[list[Node], dict[str, Node]]:
    """The same results as ``Value``s, with labels such as ``weight[0, 2]`` by name.

    Each operation is done once more on arrays of ``Value``s, in the module call that it was made in. If a backward
    pass has run, it is run on the values, too.
    """
    labels = names_of(names)
    order = topological_order(*roots, constants=True)
    count = sum(int(getattr(node.data, "size", 1)) for node in order)
    if count > MOST:
        raise ValueError(
            f"level='scalar' would draw {count:,} numbers (the limit is {MOST:,}): make the model and the batch "
            "smaller, or draw level='tensor'"
        )
    named: dict[str, Node] = {}
    made: dict[int, Any] = {}
    for node in order:
        if isinstance(node, Value):
            made[id(node)] = node
        elif node.operation is None:
            made[id(node)] = _leaf(node, labels.get(id(node)) or node.label, named)
        else:
            made[id(node)] = _again(node, [made[id(parent)] for parent in node.parents])
            label = labels.get(id(node)) or node.label
            if label:
                _name(made[id(node)], label, named)
    scalars: list[Node] = []
    for root in roots:
        parts: list[Any] = np.asarray(made[id(root)], dtype=object).ravel().tolist()
        # The sum of no numbers, say, is a plain 0.
        values = [part if isinstance(part, Value) else Value(part, requires_grad=False) for part in parts]
        if not values:
            raise ValueError("level='scalar': there is no number in this result that could be drawn")
        scalars += values
        if isinstance(root, Value) or root.grad is None:
            continue
        for value, gradient in zip(values, np.ravel(root.grad).tolist(), strict=True):
            if value.requires_grad:
                value.backward(gradient)
    _copy_gradients(order, made)
    return scalars, named


def _leaf(node: Node, label: str, named: dict[str, Node]) -> Any:
    """An array of values for a tensor of numbers; indices, and numbers without a name, stay what they are."""
    array: Any = node.data
    if array.dtype.kind != "f" or (array.ndim == 0 and not label and not node.requires_grad):
        return array
    kind = Parameter if is_parameter(node) else Value
    values: Any = np.empty(array.shape, dtype=object)
    for index in np.ndindex(array.shape):
        values[index] = kind(float(array[index]), requires_grad=node.requires_grad)
    if label:
        _name(values, label, named)
    return values


def _name(values: Any, label: str, named: dict[str, Node]) -> None:
    for index in np.ndindex(values.shape):
        value = values[index]
        if isinstance(value, Value):
            named.setdefault(f"{label}[{', '.join(map(str, index))}]" if index else label, value)


def _again(node: Node, operands: list[Any]) -> Any:
    operation: Any = node.operation
    attributes: dict[str, Any] = getattr(node, "attributes", {})
    token = enter_scope(node.scope)
    try:
        # A result of one element is an array, too, so that the next operation takes it for one.
        return np.asarray(_IN_NUMBERS.get(operation.name, operation)(*operands, **attributes), dtype=object)
    except (TypeError, ValueError, AttributeError, NotImplementedError) as error:
        raise TypeError(
            f"level='scalar': the operation {operation.name!r} does not run on single numbers ({error}); "
            "draw level='tensor'"
        ) from error
    finally:
        leave_scope(token)


def _copy_gradients(order: Sequence[Node], made: dict[int, Any]) -> None:
    """Leaves show the gradients that their tensors hold, also where several passes added up."""
    for node in order:
        values: Any = made[id(node)]
        if node.operation is None and node.grad is not None and getattr(values, "dtype", np.dtype(float)).kind == "O":
            for index in np.ndindex(values.shape):
                values[index].grad = float(node.grad[index])
