"""A program on tensors, run again number by number: every element a ``Value``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tinygrad_lm.autograd import Value
from tinygrad_lm.autograd.context import Scope
from tinygrad_lm.autograd.graph import Node, Operation, topological_order
from tinygrad_lm.autograd.types import Array, Axis
from visualize.graph.clusters import homes_of
from visualize.graph.naming import Naming
from visualize.graph.nodes import array_of, attributes_of, inside

MOST = 20_000
"""Programs with more numbers than this are not taken apart."""


def _sum(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    # Arithmetic on an array without axes gives its one Value, which is not an array any more.
    return np.sum(np.asarray(x, dtype=object), axis=axis, keepdims=keepdims)


def _product(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    return np.prod(x, axis=axis, keepdims=keepdims)


def _norm(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    return np.sqrt(_sum(x * x, axis, keepdims))


def _variance(x: Array, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Array:
    centred = x - np.mean(x, axis=axis, keepdims=True)
    total = _sum(centred * centred, axis, keepdims)
    return total * (1 / (x.size // max(np.size(total), 1) - ddof))


def _deviation(x: Array, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Array:
    return np.sqrt(_variance(x, axis, keepdims, ddof))


def _log_sum_exp(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    shift = np.vectorize(float, otypes=[float])(np.max(x, axis=axis, keepdims=True))
    total = np.log(_sum(np.exp(x - shift), axis, True)) + shift
    return total if keepdims else np.squeeze(np.asarray(total, dtype=object), axis=axis)


def _same(x: Array, dtype: object) -> Array:
    return x


_IN_NUMBERS: Mapping[str, Callable[..., Array]] = {
    "norm": _norm,
    "prod": _product,
    "var": _variance,
    "std": _deviation,
    "logsumexp": _log_sum_exp,
    "astype": _same,
}
"""Operations whose NumPy function does not run on arrays of objects, in functions that do."""


class ScalarParameter(Value):
    """One number of a parameter."""

    __slots__ = ()

    is_parameter = True


def to_scalars(roots: Sequence[Node], naming: Naming) -> tuple[list[Node], Naming]:
    """The same results as ``Value``s, with labels such as ``weight[0, 2]``.

    Each operation is done once more on arrays of ``Value``s, in the module call that it was made in. If a backward
    pass has run, it also runs on the values.

    Raises
    ------
    ValueError
        For too many numbers or none.
    TypeError
        For an operation that does not run on single numbers.
    """
    order = topological_order(*roots, constants=True)
    count = sum(np.size(node.data) for node in order)
    if count > MOST:
        raise ValueError(
            f"level='scalar' would draw {count:,} numbers (the limit is {MOST:,}): make the model and the batch "
            "smaller, or draw level='tensor'"
        )
    labels: dict[Node, str] = {}
    made: dict[Node, Array] = {}
    homes = homes_of(order)
    for node in order:
        label = naming.label_of(node)
        if isinstance(node, Value):
            made[node] = np.asarray(node, dtype=object)
        elif node.operation is None:
            made[node] = _leaf(node, bool(label), naming.is_parameter(node), homes[node])
        else:
            made[node] = _again(node, node.operation, [made[parent] for parent in node.parents])
        if label:
            _name(made[node], label, labels)
    scalars: list[Node] = []
    for root in roots:
        values = _values(made[root])
        scalars += values
        if not isinstance(root, Value) and root.grad is not None:
            for value, gradient in zip(values, np.ravel(root.grad).tolist(), strict=True):
                if value.requires_grad:
                    value.backward(gradient)
    _copy_gradients(made)
    return scalars, Naming(labels, naming.learned, naming.inputs)


def _leaf(node: Node, has_name: bool, is_parameter: bool, home: Scope | None) -> Array:
    """An array of values for a tensor of numbers; indices, and numbers without a name, stay what they are."""
    array = array_of(node)
    if array.dtype.kind != "f" or (array.ndim == 0 and not has_name and not node.requires_grad):
        return array
    kind = ScalarParameter if is_parameter else Value
    values = np.empty(array.shape, dtype=object)
    for index in np.ndindex(array.shape):
        value = values[index] = kind(float(array[index]), requires_grad=node.requires_grad)
        if is_parameter:
            # A table of numbers is looked up without a trace: where its uses are says nothing of whose it is.
            value.scope = home
    return values


def _again(node: Node, operation: Operation, operands: Sequence[Array]) -> Array:
    function: Callable[..., Array] = _IN_NUMBERS.get(operation.name, operation)
    try:
        with inside(node.scope):
            # A result of one element is made an array as well, so that the next operation takes it for one.
            return np.asarray(function(*operands, **attributes_of(node)), dtype=object)
    except (TypeError, ValueError, AttributeError, NotImplementedError) as error:
        raise TypeError(
            f"level='scalar': the operation {operation.name!r} does not run on single numbers ({error}); "
            "draw level='tensor'"
        ) from error


def _name(values: Array, label: str, labels: dict[Node, str]) -> None:
    for index in np.ndindex(values.shape):
        value: object = values[index]
        if isinstance(value, Value):
            labels.setdefault(value, f"{label}[{', '.join(map(str, index))}]" if index else label)


def _values(made: Array) -> list[Value]:
    """The elements of a result as ``Value``s: the sum of no numbers, say, is a plain 0."""
    parts: list[Value | float] = np.asarray(made, dtype=object).ravel().tolist()
    if not parts:
        raise ValueError("level='scalar': there is no number in this result that could be drawn")
    return [part if isinstance(part, Value) else Value(part, requires_grad=False) for part in parts]


def _copy_gradients(made: Mapping[Node, Array]) -> None:
    """Leaves show the gradients that their tensors hold, also where several passes added up."""
    for node, array in made.items():
        if isinstance(node, Value) or node.operation is not None or node.grad is None:
            continue
        values: list[Value | float] = array.ravel().tolist()
        for value, gradient in zip(values, np.ravel(node.grad).tolist(), strict=True):
            if isinstance(value, Value):
                value.grad = gradient
