"""From numbers to leaves and from results to numbers, for functions of ``Tensor``s, ``Value``s and arrays of them."""

# Operands may be floats, arrays or nodes: their types are not inferred here.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_lm.autograd import Tensor, Value, data_of, to_values
from tinygrad_lm.testing.checker.report import GradientError

Array = np.ndarray[Any, Any]


def make_leaf(name: str, point: Array, engine: str) -> Any:
    """A fresh leaf at a point: a ``tensor``, a ``value``, or an array of ``values``."""
    if engine == "tensor":
        return Tensor(point, requires_grad=True, label=name)
    return Value(point.item(), label=name) if engine == "value" else to_values(point, label=name)


def numbers_of(leaf: Any) -> Any:
    """What a leaf holds."""
    return data_of(leaf) if isinstance(leaf, np.ndarray) else leaf.data


def flat(leaves: Sequence[Any]) -> list[Any]:
    """The nodes themselves, where a leaf may be an array of them."""
    return [node for leaf in leaves for node in (leaf.flat if isinstance(leaf, np.ndarray) else (leaf,))]


def grouped(found: Sequence[Any], leaves: Sequence[Any]) -> list[Array | None]:
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


def parts_of(result: Any) -> list[Any]:
    """The parts of a nested result, in order."""
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, (tuple, list)):
        return [leaf for part in result for leaf in parts_of(part)]
    if isinstance(result, np.ndarray) and result.dtype == object:
        return list(result.flat)
    return [result]


def nodes_of(result: Any, function: str) -> list[Any]:
    """The nodes of a result, each of them differentiable."""
    nodes = parts_of(result)
    if not nodes:
        raise GradientError(f"{function} returned nothing to differentiate: {result!r:.60}")
    for node in nodes:
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
                f"{function} returned {node.dtype}, which has no gradient: return floating-point results alone"
            )
    return nodes
