"""What is wrong with a graph's numbers: nan and infinity, where they begin, and results that are out of date."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from tinygrad_lm.autograd import Tensor, Value
from tinygrad_lm.autograd.graph import Node
from tinygrad_lm.autograd.tensor import is_stale
from tinygrad_lm.autograd.types import Array
from visualize.graph.data import GraphNode
from visualize.graph.extract import Extract
from visualize.graph.nodes import Number
from visualize.graph.quantities import as_numbers

STALE = "numbers of two times: an operand was changed after its result was computed; run the program again"


class Health:
    """Which nodes of a graph are in order."""

    def __init__(self, extracted: Extract) -> None:
        self._extracted = extracted
        self._masked: set[str] = set()
        """The nodes whose infinities were put there by a mask."""
        self._ill: dict[str, str] = {}
        """What each node holds that it should not."""
        self._first: set[str] = set()
        """The ill nodes that none but healthy ones were made from."""
        with np.errstate(all="ignore"):
            self._stale = {key for key, node in extracted.nodes.items() if _is_stale(node)}
        operands: dict[str, list[str]] = {}
        for edge in extracted.graph.edges:
            operands.setdefault(edge.target, []).append(edge.source)
        for entry in extracted.graph.nodes:
            self._look_at(entry.id, operands.get(entry.id, ()))

    def _look_at(self, key: str, operands: Sequence[str]) -> None:
        node = self._extracted.nodes.get(key)
        found = _not_finite(self._extracted.arrays[key] if node is None else node.data)
        if found:
            is_given = node is None or (node.operation is None and not node.requires_grad)
            if "nan" not in found and "inf" not in found and (is_given or any(key in self._masked for key in operands)):
                self._masked.add(key)
            else:
                self._ill[key] = " and ".join(found)
                if not any(operand in self._ill for operand in operands):
                    self._first.add(key)
        if node is not None and node.grad is not None and key not in self._ill:
            in_gradient = _not_finite(node.grad)
            if in_gradient:
                self._ill[key] = f"{' and '.join(in_gradient)} in the gradient"

    def told(self, entry: GraphNode, members: Sequence[str]) -> GraphNode:
        """A graph's node with what is wrong with it, or with the nodes that it stands for."""
        ill = [key for key in members if key in self._ill]
        if any(key in self._stale for key in members):
            note = "stale: an operand has changed since"
        elif not ill:
            return entry
        elif entry.kind == "group":
            note = f"{self._ill[ill[0]]} within, in {len(ill)} of {len(members)}"
        else:
            note = f"{self._ill[ill[0]]} begins here" if ill[0] in self._first and entry.op else ""
        return replace(entry, alert=bool(ill), note=note)


def _not_finite(x: Number) -> list[str]:
    """Which of nan, inf and -inf a number or an array holds."""
    if isinstance(x, float) and math.isfinite(x):
        return []
    array = as_numbers(x)
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return []
    kinds: Mapping[str, Array] = {"nan": np.isnan(array), "inf": array == np.inf, "-inf": array == -np.inf}
    return [name for name, where in kinds.items() if where.any()]


def _is_stale(node: Node) -> bool:
    """Whether a result was computed from numbers that its operands do not hold any more."""
    if isinstance(node, Tensor):
        return is_stale(node)
    if not isinstance(node, Value) or node.operation is None or node.operation.name == "released":
        return False
    try:
        again = node.operation.on_floats([parent.data for parent in node.parents])
    except Exception:  # whatever an operation of the user's raises, it took the numbers that it was given then
        return True
    return again != node.data and not (math.isnan(again) and math.isnan(node.data))
