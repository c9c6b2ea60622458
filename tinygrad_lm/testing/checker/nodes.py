"""From numbers to leaves and from results to gradients, for both engines: everything the checker asks of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeGuard, cast

import numpy as np

from tinygrad_lm.autograd import Tensor, Value, data_of, grad, no_grad, to_values
from tinygrad_lm.autograd.gradients import gradients_of
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.testing.checker.report import GradientError

Node = Tensor | Value
Leaf = Tensor | Value | Array
"""An input as a function is given it: a node, or an array of ``Value``s."""
Seed = Array | float
"""The cotangent of one node."""
Engine = Literal["tensor", "value", "values"]
"""What an input is given as: a ``Tensor``, a ``Value``, or an array of ``Value``s."""


def make_leaf(name: str, point: Array, engine: Engine) -> Leaf:
    """A fresh leaf at a point."""
    if engine == "tensor":
        return Tensor(point, requires_grad=True, label=name)
    return Value(point.item(), label=name) if engine == "value" else to_values(point, label=name)


def numbers_of(leaf: Leaf) -> Seed:
    """What a leaf holds."""
    return data_of(leaf) if isinstance(leaf, np.ndarray) else leaf.data


def is_array(x: object) -> TypeGuard[Array]:
    """Whether ``x`` is an array."""
    return isinstance(x, np.ndarray)


def is_array_of_values(x: object) -> TypeGuard[Array]:
    """Whether ``x`` is an array whose elements are all ``Value``s, one at least."""
    return is_array(x) and x.dtype == object and x.size > 0 and all(isinstance(v, Value) for v in elements(x))


def elements(array: Array) -> list[object]:
    """The elements of an array of objects, in order."""
    return list(array.flat)


def flat(leaves: Iterable[Leaf]) -> list[Node]:
    """The nodes themselves, where a leaf may be an array of them."""
    nodes: list[Node] = []
    for leaf in leaves:
        nodes += cast("list[Node]", elements(leaf)) if isinstance(leaf, np.ndarray) else [leaf]
    return nodes


def gradients(roots: Sequence[Node], leaves: Sequence[Leaf], seeds: Sequence[Seed]) -> list[Array | None]:
    """The gradient of the roots, each weighted by its seed, to each leaf; ``None`` where no path leads to it."""
    pairs = [(root, seed) for root, seed in zip(roots, seeds, strict=True) if root.requires_grad]
    with no_grad():
        found: list[Seed | None] = gradients_of(
            [root for root, _ in pairs], flat(leaves), [seed for _, seed in pairs], create_graph=False
        )
    return grouped(found, leaves)


def recorded_gradients(roots: Sequence[Node], leaves: Sequence[Leaf], seeds: Sequence[Seed]) -> list[Node] | None:
    """The same as nodes, to be differentiated again: one a node of the leaves; ``None`` where no root has a graph."""
    pairs = [(root, seed) for root, seed in zip(roots, seeds, strict=True) if root.requires_grad]
    if not pairs:
        return None
    return list(grad([root for root, _ in pairs], flat(leaves), [seed for _, seed in pairs], create_graph=True))


def grouped(found: Sequence[Seed | None], leaves: Sequence[Leaf]) -> list[Array | None]:
    """The gradients of the nodes as one array a leaf; ``None`` where no path leads to any of its nodes."""
    remaining = iter(found)
    totals: list[Array | None] = []
    for leaf in leaves:
        if isinstance(leaf, np.ndarray):
            parts = [next(remaining) for _ in range(leaf.size)]
            reached = any(part is not None for part in parts)
            numbers = np.array([0.0 if part is None else part for part in parts])
            totals.append(numbers.reshape(leaf.shape) if reached else None)
        else:
            total = next(remaining)
            totals.append(None if total is None else np.array(total, dtype=np.float64))
    return totals


def parts_of(result: object) -> list[object]:
    """The parts of a nested result, in order."""
    if isinstance(result, dict):
        result = list(cast("Mapping[object, object]", result).values())
    if isinstance(result, (tuple, list)):
        return [leaf for part in cast("Sequence[object]", result) for leaf in parts_of(part)]
    return elements(result) if is_array(result) and result.dtype == object else [result]


def nodes_of(result: object, function: str) -> list[Node]:
    """The nodes of a result, each of them differentiable.

    Raises
    ------
    GradientError
        Where there are none, or something else is among them, or a tensor that is not float64.
    """
    nodes: list[Node] = []
    for node in parts_of(result):
        if not isinstance(node, (Tensor, Value)):
            raise GradientError(
                f"{function} returned {type(node).__name__}, not a Tensor or a Value: "
                + (
                    "it lacks a return"
                    if node is None
                    else "its graph was lost on the way, by .data, float(), item() or NumPy on .data"
                )
            )
        if isinstance(node, Tensor) and node.dtype != np.float64:
            if node.dtype.kind == "f":
                raise GradientError(
                    f"{function} computes in {node.dtype} although it was given float64: a difference would be mostly "
                    "round-off. Take the cast out, or make it follow its input: x.astype(other.dtype)"
                )
            raise GradientError(
                f"{function} returned {node.dtype}, which has no gradient: return only floating-point results"
            )
        nodes.append(node)
    if not nodes:
        raise GradientError(f"{function} returned nothing to differentiate: {result!r:.60}")
    return nodes
