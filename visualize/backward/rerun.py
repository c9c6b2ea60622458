"""Derivatives measured by nudging: the program run again with one number a little larger and a little smaller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_lm.autograd import Value
from tinygrad_lm.autograd.graph import Node

NUDGE = 6e-6
"""How far a number is moved, relative to it: about the cube root of float64's precision, best for two sides."""


def finite_difference(order: Sequence[Node], node: Node, index: tuple[int, ...] = ()) -> float:
    """How fast the last node of a topological order changes with one number of a node.

    Everything is computed in float64, whatever the dtype of the program.
    """
    start = next(i for i, other in enumerate(order) if other is node)
    before = _plain(node)
    centre = float(before[index])
    step = NUDGE * max(1.0, abs(centre))
    results: list[float] = []
    points = (centre + step, centre - step)
    for point in points:
        nudged = before.copy()
        nudged[index] = point
        results.append(float(_again(order, start, nudged)))
    # Rounding moved the points: what counts is how far apart they really are.
    return (results[0] - results[1]) / (points[0] - points[1])


def _plain(node: Node) -> Any:
    array: Any = np.asarray(node.data)
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _again(order: Sequence[Node], start: int, nudged: Any) -> Any:
    """The last node's value when the node at ``start`` has another: only what depends on it is computed again."""
    changed: dict[int, Any] = {id(order[start]): nudged}
    for node in order[start + 1 :]:
        operation: Any = node.operation
        if operation is None or not any(id(parent) in changed for parent in node.parents):
            continue
        inputs = [changed[id(p)] if id(p) in changed else _plain(p) for p in node.parents]
        if isinstance(node, Value):
            changed[id(node)] = np.float64(operation.on_floats(tuple(float(x) for x in inputs)))
        else:
            attributes: dict[str, Any] = getattr(node, "attributes", {})
            with np.errstate(all="ignore"):
                changed[id(node)] = np.asarray(operation.evaluate(tuple(inputs), attributes))
    last = order[-1]
    return changed[id(last)] if id(last) in changed else _plain(last)
