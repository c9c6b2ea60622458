"""The program run again with one number a little larger and a little smaller: derivatives measured by nudging."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from tinygrad_lm.autograd.differences import central_difference, step_at
from tinygrad_lm.autograd.graph import Node
from tinygrad_lm.autograd.types import Array
from visualize.graph.nodes import evaluated


def finite_difference(order: Sequence[Node], node: Node, index: tuple[int, ...] = ()) -> float:
    """How fast the last node of a topological order changes with one number of a node.

    Everything is computed in float64, whatever the dtype of the program. The result is nan where that number is not
    finite.
    """
    start = next(i for i, other in enumerate(order) if other is node)
    before = _in_float64(node)
    centre = float(before[index])

    def result_at(x: float) -> float:
        nudged = before.copy()
        nudged[index] = x
        return float(_last_result(order[start:], {node: nudged}).item())

    return central_difference(result_at, centre, step_at(centre)) if math.isfinite(centre) else math.nan


def _in_float64(node: Node) -> Array:
    array: Array = np.asarray(node.data)
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def result_with(order: Sequence[Node], changed: Mapping[Node, Array]) -> float:
    """The number that the last node of a topological order has where some leaves have other numbers, in float64."""
    given = {node: array.astype(np.float64) if array.dtype.kind == "f" else array for node, array in changed.items()}
    return float(_last_result(order, given).item())


def _last_result(order: Sequence[Node], changed: dict[Node, Array]) -> Array:
    """The last node's value when some have another: only what depends on them is computed again."""
    for node in order:
        if node not in changed and any(parent in changed for parent in node.parents):
            inputs = [changed[parent] if parent in changed else _in_float64(parent) for parent in node.parents]
            changed[node] = evaluated(node, inputs)
    last = order[-1]
    return changed[last] if last in changed else _in_float64(last)
