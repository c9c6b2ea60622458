"""From an engine's nodes to the plain-data graph, without recursion and in the same order every time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tinygrad_lm.autograd.graph import Node, topological_order
from tinygrad_lm.autograd.types import Array
from visualize.graph.clusters import clusters_of, homes_of
from visualize.graph.data import Graph, GraphEdge, GraphNode, Kind
from visualize.graph.given import arrays_of, comes_from_outside
from visualize.graph.naming import Naming
from visualize.graph.nodes import argument_names, array_of, spoken

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
    twins: Mapping[Node, Node]
    """Constants that stand for the same array as another, which alone has an id."""


def extract(*roots: Node, naming: Naming | None = None) -> Extract:
    """The structure of everything that the roots depend on."""
    naming = naming or Naming()
    order = topological_order(*roots, constants=True)
    twins = _twins(order, naming)
    ids = {node: f"v{i}" for i, node in enumerate(node for node in order if node not in twins)}
    known = ids | {twin: ids[first] for twin, first in twins.items()}
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
            edges.append(GraphEdge(known[parent], key, position, argument))
        for position, (name, array) in enumerate(arrays_of(node), count):
            given = data.node_of(name, array, cluster)
            nodes += given.new
            edges.append(GraphEdge(given.id, key, position, name if name != given.label else ""))
        entry = GraphNode(key, kinds[node], label, op=operation.name, symbol=operation.symbol, cluster=cluster)
        nodes.append(entry)
    graph = Graph(tuple(nodes), tuple(edges), clusters, tuple(ids[root] for root in ends), len(nodes))
    return Extract(graph, {key: node for node, key in ids.items()}, naming, data.arrays, twins)


def _twins(order: Iterable[Node], naming: Naming) -> dict[Node, Node]:
    """The constants that are made of one array, which is given to several operations, by the first of them."""
    first: dict[tuple[str, tuple[int, ...]], Node] = {}
    twins: dict[Node, Node] = {}
    for node in order:
        if node.operation is None and not node.requires_grad and (name := naming.input_of(node)):
            known = first.setdefault((name, array_of(node).shape), node)
            # Which step of an input it is may be unknown: equal ones need not be one.
            if known is not node and "…" not in name:
                twins[node] = known
    return twins


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
