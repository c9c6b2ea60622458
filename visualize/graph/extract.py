"""From an engine's nodes to the plain-data graph, without recursion and in the same order every time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tinygrad_lm.autograd.graph import Node, topological_order
from visualize.graph.clusters import clusters_of
from visualize.graph.data import Graph, GraphEdge, GraphNode, Kind
from visualize.graph.naming import Naming
from visualize.graph.nodes import argument_names

COMMUTATIVE = frozenset({"add", "mul", "maximum", "minimum", "logaddexp", "sum"})
"""Operations whose arguments may be exchanged: their edges need no argument names."""


@dataclass(frozen=True, slots=True)
class Extract:
    """A graph's structure together with the engine's nodes that it was made from."""

    graph: Graph
    """Without numbers: ``described`` writes them, only for what is drawn."""
    nodes: Mapping[str, Node]
    """The engine's node behind each id."""
    naming: Naming
    """What these are called, and which of them are learned."""


def extract(*roots: Node, naming: Naming | None = None) -> Extract:
    """The structure of everything that the roots depend on."""
    naming = naming or Naming()
    order = topological_order(*roots, constants=True)
    ids = {node: f"v{i}" for i, node in enumerate(order)}
    ends = dict.fromkeys(roots)
    kinds: dict[Node, Kind] = {node: _kind(node, node in ends, naming) for node in order}
    clusters, home = clusters_of(order, kinds)
    nodes: list[GraphNode] = []
    edges: list[GraphEdge] = []
    for node, key in ids.items():
        operation, label, cluster = node.operation, naming.label_of(node), home[node]
        if operation is None:
            nodes.append(GraphNode(key, kinds[node], label, cluster=cluster))
            continue
        nodes.append(GraphNode(key, kinds[node], label, operation.name, operation.symbol, cluster=cluster))
        count = len(node.parents)
        ordered = count > 1 and operation.name not in COMMUTATIVE
        arguments = argument_names(operation, count) if ordered else [""] * count
        for position, (parent, argument) in enumerate(zip(node.parents, arguments, strict=True)):
            edges.append(GraphEdge(ids[parent], key, position, argument))
    graph = Graph(tuple(nodes), tuple(edges), clusters, tuple(ids[root] for root in ends), len(nodes))
    return Extract(graph, {key: node for node, key in ids.items()}, naming)


def _kind(node: Node, is_root: bool, naming: Naming) -> Kind:
    if node.operation is not None:
        return "loss" if is_root else "operation"
    if not node.requires_grad:
        return "constant"
    return "parameter" if naming.is_parameter(node) else "input"
