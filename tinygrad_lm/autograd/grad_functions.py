"""Gradients as results: ``grad``, and the Jacobian, the Hessian and the Hessian-vector product on top of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_lm.autograd import context, gradients, shaping
from tinygrad_lm.autograd.graph import Call, Node, Operation
from tinygrad_lm.autograd.tensor import Tensor, from_array, seed_of
from tinygrad_lm.autograd.value import Value


def grad(
    outputs: Node | Sequence[Node],
    inputs: Node | Sequence[Node],
    grad_outputs: Any = None,
    create_graph: bool = False,
) -> Any:
    """The gradient of the outputs to the inputs, returned rather than stored in ``grad``.

    ``grad_outputs`` weights the outputs: one weight, or a sequence of one an output (1 by default). The result
    is a node for a single input, else a tuple with one an input; zero where no output depends on it.
    With ``create_graph=True`` it can be differentiated again, to any order. Works for both engines.

    Raises
    ------
    RuntimeError
        Where an output, be it one of several, depends on nothing that requires a gradient.
    """
    roots = (outputs,) if isinstance(outputs, Node) else tuple(outputs)
    leaves = (inputs,) if isinstance(inputs, Node) else tuple(inputs)
    for node in (*roots, *leaves):
        if not isinstance(node, (Tensor, Value)):
            raise TypeError(f"grad takes Tensors or Values, not {type(node).__name__}: {node!r:.60}")
    for node in leaves:
        if not node.requires_grad:
            raise ValueError(f"grad: the input {node!r:.60} does not require a gradient; set requires_grad=True first")
    if not roots:
        raise ValueError("grad: no outputs were given, and so nothing has a gradient")
    for position, root in enumerate(roots):
        if not root.requires_grad:
            kind = type(root).__name__
            which = f"this {kind}" if isinstance(outputs, Node) else f"output {position}, this {kind},"
            raise RuntimeError(
                f"grad: {which} depends on nothing that requires a gradient; make the inputs with requires_grad=True, "
                "and compute with them outside no_grad, without detach(), .data, float() or functions of math"
            )
    weights = [grad_outputs] if isinstance(outputs, Node) else grad_outputs
    weights = [None] * len(roots) if weights is None else list(weights)
    if len(weights) != len(roots):
        raise ValueError(f"grad: {len(weights)} grad_outputs were given for {len(roots)} outputs")
    results = gradients_or_zeros(roots, leaves, weights, create_graph)
    return results[0] if isinstance(inputs, Node) else results


def gradients_or_zeros(
    outputs: Sequence[Any], inputs: Sequence[Any], weights: Sequence[Any], create_graph: bool = False
) -> tuple[Any, ...]:
    """As ``grad``, but an output without a graph adds nothing: a function need not depend on its inputs."""
    with context.enable_grad() if create_graph else context.no_grad():
        pairs = [(root, _weight(root, weight, create_graph)) for root, weight in zip(outputs, weights, strict=True)]
        pairs = [(root, seed) for root, seed in pairs if root.requires_grad]
        found = gradients.gradients_of(
            [root for root, _ in pairs], inputs, [seed for _, seed in pairs], create_graph=create_graph
        )
        # Each result is an array of its own: not the caller's weights, not a view, not another result.
        shared = {id(seed) for _, seed in pairs}
        for i, total in enumerate(found):
            if isinstance(total, Tensor) and (id(total) in shared or total.data.base is not None):
                found[i] = shaping.getitem(total, index=...)
            shared.add(id(total))
        results = tuple(_as_node(total, leaf) for total, leaf in zip(found, inputs, strict=True))
        if not create_graph:
            return results
        return tuple(
            result if result.requires_grad else _Constant(result.data)(leaf)
            for result, leaf in zip(results, inputs, strict=True)
        )


class _Constant(Operation):
    """A slope that is the same everywhere, as of a linear function: it can be differentiated again, to zero."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        super().__init__("constant", "c")
        self.value = value

    def forward(self, *inputs: Any, **attributes: Any) -> Any:
        return self.value

    def on_floats(self, inputs: Sequence[float]) -> float:
        return self.value

    def local_derivatives(self, out: Any, inputs: Sequence[Any], needed: Sequence[bool]) -> list[Any]:
        return [None]

    def vjp(self, gradient: Any, call: Call) -> list[Any]:
        return [None]


def _weight(root: Any, weight: Any, create_graph: bool) -> Any:
    if isinstance(root, Value):
        return 1.0 if weight is None else weight if create_graph and isinstance(weight, Value) else float(weight)
    seed = seed_of(root, weight, "grad")
    if not create_graph:
        return seed
    if not isinstance(weight, Tensor):
        return from_array(seed)
    # The weight itself, not its data, so that it can be differentiated.
    return weight if weight.dtype == root.dtype else shaping.astype(weight, dtype=root.dtype)


def _as_node(total: Any, leaf: Any) -> Tensor | Value:
    if isinstance(leaf, Value):
        return total if isinstance(total, Value) else Value(0.0 if total is None else total, requires_grad=False)
    if total is None:
        return from_array(np.zeros_like(leaf.data))
    if isinstance(total, Tensor):
        return total if total.dtype == leaf.dtype else shaping.astype(total, dtype=leaf.dtype)
    return from_array(np.array(total, dtype=leaf.dtype))


def _leaf(x: Any) -> Tensor | Value:
    """A fresh differentiable input with the data of ``x``."""
    if isinstance(x, Value):
        return Value(x.data, label=x.label)
    data = x.data if isinstance(x, Tensor) else np.asarray(x)
    return Tensor(data if data.dtype.kind == "f" else data.astype(np.float64), requires_grad=True)


def _elements(y: Any, what: str) -> list[Any]:
    """The elements of a function's result, each a node of its own."""
    if isinstance(y, Value):
        return [y]
    if isinstance(y, Tensor):
        flat = y.reshape(-1)
        return [flat[i] for i in range(flat.size)]
    raise TypeError(f"{what}: the function returned {type(y).__name__}, not a Tensor or a Value")


def jacobian(function: Callable[..., Any], *inputs: Any) -> Any:
    """The derivative of every element of ``function(*inputs)`` to every element of the inputs.

    The inputs are arrays, ``Tensor``s or ``Value``s and stay as they are. For tensors the result has the shape
    ``output.shape + input.shape`` and the input's dtype; for ``Value``s it is a float. One result for a single
    input, a tuple for several.
    """
    leaves = [_leaf(x) for x in inputs]
    with context.enable_grad():
        y = function(*leaves)
        elements = _elements(y, "jacobian")
    rows = [gradients_or_zeros([element], leaves, [None]) for element in elements]
    results = tuple(
        rows[0][i].data
        if isinstance(y, Value)
        else np.reshape(
            [float(row[i].data) if isinstance(leaf, Value) else row[i].data for row in rows], _shape(y, leaf)
        )
        for i, leaf in enumerate(leaves)
    )
    return results[0] if len(inputs) == 1 else results


def _shape(y: Any, leaf: Any) -> tuple[int, ...]:
    return (*y.shape, *(leaf.shape if isinstance(leaf, Tensor) else ()))


def _scalar(y: Any, what: str) -> Any:
    elements = _elements(y, what)
    if len(elements) != 1:
        raise ValueError(f"{what}: the function must give one number, but gave shape {y.shape}")
    return elements[0]


def hessian(function: Callable[..., Any], x: Any) -> Any:
    """The second derivatives of a function of one input that gives one number.

    For a tensor the result is an array of shape ``x.shape + x.shape``; for a ``Value`` a float.
    """

    def slope(leaf: Any) -> Any:
        return _slope(function, leaf, "hessian")

    return jacobian(slope, x)


def hvp(function: Callable[..., Any], x: Any, v: Any) -> Any:
    """The Hessian of a function that gives one number, times ``v``, without forming the Hessian.

    ``v`` and the result, an array (a float for a ``Value``), have the shape of ``x`` (Pearlmutter 1994).
    """
    leaf = _leaf(x)
    with context.enable_grad():
        slope = _slope(function, leaf, "hvp")
    return gradients_or_zeros([slope], [leaf], [v])[0].data


def _slope(function: Callable[..., Any], leaf: Any, what: str) -> Any:
    """The gradient of a function of one number, to be differentiated again."""
    y = _scalar(function(leaf), what)
    return gradients_or_zeros([y], [leaf], [None], create_graph=True)[0]
