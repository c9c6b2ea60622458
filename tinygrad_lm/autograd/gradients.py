"""Gradients as results, for both engines: what ``grad`` and the derivatives of derivatives rest on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tinygrad_lm.autograd import graph
from tinygrad_lm.autograd.graph import RELEASED, Node


def gradients_of(
    outputs: Sequence[Node], inputs: Sequence[Node], seeds: Iterable[Any], *, create_graph: bool
) -> list[Any]:
    """The gradient of the outputs, weighted by ``seeds``, with respect to each input; ``None`` without a path."""
    order = graph.topological_order(*outputs)
    targets = set(inputs)
    wanted: set[Node] = set()
    for node in order:
        # A released node raises when it is reached; skipping it would give zero.
        if node.operation is RELEASED or node in targets or any(parent in wanted for parent in node.parents):
            wanted.add(node)
    pending: dict[Node, Any] = {}
    for output, seed in zip(outputs, seeds, strict=True):
        if output in wanted:
            pending[output] = pending[output] + seed if output in pending else seed
    found: dict[Node, Any] = {}
    needed = [node for node in order if node in wanted]
    for node, total, _ in graph.sweep(needed, pending, create_graph=create_graph, wanted=wanted):
        if node in targets:
            found[node] = total
    return [found.get(node) for node in inputs]
