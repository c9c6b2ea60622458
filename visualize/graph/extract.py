"""From an engine's nodes to the plain-data graph, without recursion and in the same order every time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinygrad_lm.autograd.graph import Node, topological_order
from tinygrad_lm.autograd.types import Array
from visualize.graph.clusters import clusters_of, homes_of
from visualize.graph.data import Graph, GraphEdge, GraphNode, Kind
from visualize.graph.given import arrays_of, comes_from_outside
from visualize.graph.naming import Naming
from visualize.graph.nodes import argument_names, spoken

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
    arrays: Mapping[str, Array]
    """The arrays behind the ids of those that are no nodes: ids, targets, masks."""


def extract(*roots: Node, naming: Naming | None = None) -> Extract:
    """The structure of everything that the roots depend on."""
    naming = naming or Naming()
    order = topological_order(*roots, constants=True)
    ids = {node: f"v{i}" for i, node in enumerate(order)}
    ends = dict.fromkeys(roots)
    labels = {node: naming.label_of(node) for node in order}
    kinds: dict[Node, Kind] = {node: _kind(node, node in ends, naming) for node in order}
    outside = {
        node for node in order if kinds[node] in ("data", "input") or (kinds[node] == "constant" and labels[node])
    }
    clusters, home = clusters_of(order, homes_of(order, outside))
    nodes: list[GraphNode] = []
    edges: list[GraphEdge] = []
    data = _Data(naming)
    for node, key in ids.items():
        operation, label, cluster = node.operation, labels[node], home[node]
        if operation is None:
            nodes.append(GraphNode(key, kinds[node], label, cluster=cluster))
            continue
        count = len(node.parents)
        ordered = count > 1 and operation.name not in COMMUTATIVE
        arguments = spoken(argument_names(operation, count)) if ordered else [""] * count
        for position, (parent, argument) in enumerate(zip(node.parents, arguments, strict=True)):
            edges.append(GraphEdge(ids[parent], key, position, argument))
        for position, (name, array) in enumerate(arrays_of(node), count):
            known = data.node_of(name, array, cluster)
            nodes += known.new
            edges.append(GraphEdge(known.id, key, position, name if name != known.label else ""))
        entry = GraphNode(key, kinds[node], label, op=operation.name, symbol=operation.symbol, cluster=cluster)
        nodes.append(entry)
    graph = Graph(tuple(nodes), tuple(edges), clusters, tuple(ids[root] for root in ends), len(nodes))
    return Extract(graph, {key: node for node, key in ids.items()}, naming, data.arrays)


@dataclass(frozen=True, slots=True)
class _Found:
    id: str
    label: str
    new: Sequence[GraphNode]
    """The graph's node, the first time that the array is met."""


class _Data:
    """The arrays that operations read as options, each one node however often it is read."""

    def __init__(self, naming: Naming) -> None:
        self.arrays: dict[str, Array] = {}
        self._naming = naming
        self._known: dict[int, _Found] = {}

    def node_of(self, name: str, array: Array, cluster: str) -> _Found:
        """The node of an array that was given under this name to an operation in this cluster."""
        known = self._known.get(id(array))
        if known is not None:
            return known
        key = f"d{len(self.arrays)}"
        self.arrays[key] = array
        given = self._naming.input_of(array)
        is_data = bool(given) or comes_from_outside(array)
        node = GraphNode(key, "data" if is_data else "constant", given or name, cluster="" if is_data else cluster)
        self._known[id(array)] = _Found(key, node.label, ())
        return _Found(key, node.label, (node,))


def _kind(node: Node, is_root: bool, naming: Naming) -> Kind:
    if node.operation is not None:
        return "loss" if is_root else "operation"
    if not node.requires_grad:
        return "data" if naming.input_of(node) else "constant"
    return "parameter" if naming.is_parameter(node) else "input"
