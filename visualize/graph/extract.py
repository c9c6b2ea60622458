"""From an engine's nodes to the plain-data graph, without recursion and in the same order every time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from tinygrad_lm.autograd.graph import Node, Scope, topological_order
from visualize.graph.data import Cluster, Graph, GraphEdge, GraphNode, Kind
from visualize.graph.edges import COMMUTATIVE, argument_names, with_local_derivatives
from visualize.graph.quantities import number, summary


@dataclass(frozen=True, slots=True)
class Trace:
    """A graph's structure together with the engine's nodes that it was made from."""

    graph: Graph
    """Without numbers: they are written by ``describe``, for what is drawn alone."""
    nodes: Mapping[str, Node]
    """The engine's node behind each id."""


def trace(*roots: Node, names: Any = None) -> Trace:
    """The structure of everything that the roots depend on.

    ``names`` gives labels: a dictionary from name to node (``locals()`` will do), or a module, whose parameters
    are then called as in ``named_parameters()``.
    """
    order = topological_order(*roots, constants=True)
    labels = names_of(names)
    positions = {id(node): i for i, node in enumerate(order)}
    ids = [f"v{i}" for i in range(len(order))]
    root_ids = tuple(dict.fromkeys(ids[positions[id(root)]] for root in roots))
    clusters, owner = _clusters(order, positions)
    ends = set(root_ids)
    nodes: list[GraphNode] = []
    edges: list[GraphEdge] = []
    for key, node, cluster in zip(ids, order, owner, strict=True):
        operation = node.operation
        label = labels.get(id(node)) or node.label
        if operation is None:
            nodes.append(GraphNode(key, _leaf_kind(node), label, cluster=cluster))
            continue
        kind: Kind = "loss" if key in ends else "operation"
        nodes.append(GraphNode(key, kind, label, operation.name, operation.symbol, cluster=cluster))
        parents = node.parents
        arguments = argument_names(operation, len(parents)) if len(parents) > 1 else None
        ordered = arguments is not None and operation.name not in COMMUTATIVE
        for position, parent in enumerate(parents):
            name = arguments[position] if ordered and arguments is not None else ""
            edges.append(GraphEdge(ids[positions[id(parent)]], key, position, name))
    graph = Graph(tuple(nodes), tuple(edges), clusters, root_ids, len(nodes))
    return Trace(graph, dict(zip(ids, order, strict=True)))


def describe(
    graph: Graph,
    nodes: Mapping[str, Node],
    fmt: str = ".4g",
    members: Mapping[str, Sequence[str]] | None = None,
    line: Callable[[Node], str] | None = None,
    local: bool = False,
) -> Graph:
    """Write shapes, numbers and gradients into a graph.

    ``members`` has the nodes behind each group, ``line`` gives the code behind a node; ``local`` adds the derivative
    on every edge.
    """
    described: list[GraphNode] = []
    for entry in graph.nodes:
        node = nodes.get(entry.id)
        if node is None:
            described.append(_described_group(entry, [nodes[key] for key in (members or {}).get(entry.id, ())]))
            continue
        data, alert = summary(node.data, fmt)
        grad = "-" if node.requires_grad else ""
        if node.grad is not None:
            grad, wrong = summary(node.grad, fmt)
            alert = alert or wrong
        shape = getattr(node.data, "shape", None)
        described.append(
            replace(
                entry,
                shape=None if shape is None else tuple(map(int, shape)),
                dtype="" if shape is None else str(node.data.dtype),
                options=_options(node),
                data=data,
                grad=grad,
                alert=alert,
                line=line(node) if line else "",
            )
        )
    edges = with_local_derivatives(graph.edges, nodes, labels_of(graph, nodes), fmt) if local else graph.edges
    return replace(graph, nodes=tuple(described), edges=edges)


def _described_group(group: GraphNode, nodes: Sequence[Node]) -> GraphNode:
    """What a group holds: the shape of its last result, and how many numbers are learned in it."""
    weights = sum(int(np.size(node.data)) for node in nodes if node.operation is None and is_parameter(node))
    last = next((node for node in reversed(nodes) if node.operation is not None), None)
    shape = None if last is None else getattr(last.data, "shape", None)
    return replace(group, weights=weights, shape=shape, dtype="" if shape is None else str(getattr(last, "dtype", "")))


def labels_of(graph: Graph, nodes: Mapping[str, Node]) -> dict[int, str]:
    """The labels in a graph by the identity of the engine's nodes."""
    return {id(nodes[node.id]): node.label for node in graph.nodes if node.id in nodes}


def graph_of(*roots: Node, names: Any = None, fmt: str = ".4g") -> Graph:
    """The whole graph of one or more roots, with every number written out.

    >>> from tinygrad_lm import Value
    >>> x = Value(3.0, label="x")
    >>> [(edge.source, edge.target) for edge in graph_of(x * x).edges]
    [('v0', 'v1'), ('v0', 'v1')]
    """
    traced = trace(*roots, names=names)
    return describe(traced.graph, traced.nodes, fmt, local=True)


def _leaf_kind(node: Node) -> Kind:
    if not node.requires_grad:
        return "constant"
    if node.operation is not None:
        return "operation"
    return "parameter" if is_parameter(node) else "input"


def is_parameter(node: Node) -> bool:
    """Whether a node is a module's parameter."""
    return any(kind.__name__ == "Parameter" for kind in type(node).__mro__)


def names_of(names: Any) -> dict[int, str]:
    """Labels by the node's identity."""
    if names is None:
        return {}
    pairs: Iterable[tuple[Any, Any]]
    if isinstance(names, Mapping):
        pairs = cast("Mapping[Any, Any]", names).items()
    elif callable(getattr(names, "named_parameters", None)):
        pairs = names.named_parameters()
    else:
        raise TypeError(
            f"names must be a dictionary from name to node, or a module, not {type(names).__name__}; "
            "names=locals() labels every variable of a function"
        )
    labels: dict[int, str] = {}
    for name, thing in pairs:
        if isinstance(thing, Node):
            labels.setdefault(id(thing), str(name))
        elif isinstance(thing, (list, tuple)):
            for i, part in enumerate(cast("Sequence[Any]", thing)):
                if isinstance(part, Node):
                    labels.setdefault(id(part), f"{name}[{i}]")
    return labels


def _options(node: Node) -> str:
    """The attributes of an operation as text: ``axis=1, keepdims=True``."""
    attributes: dict[str, Any] = getattr(node, "attributes", {})
    parts: list[str] = []
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        text = number(value) if isinstance(value, float) else repr(value)
        if isinstance(value, np.ndarray):
            text = f"array of {np.shape(cast('Any', value))}"
        text = " ".join(text.split())
        parts.append(f"{name}={text if len(text) <= 40 else text[:39] + '…'}")
    return ", ".join(parts)


def _clusters(order: Sequence[Node], positions: Mapping[int, int]) -> tuple[tuple[Cluster, ...], list[str]]:
    """The module calls that made the nodes, and for each node the innermost one it belongs to."""
    known: dict[int, Cluster] = {}
    modules: dict[int, int] = {}
    chains: dict[str, tuple[str, ...]] = {"": ()}

    def cluster_of(scope: Scope | None) -> str:
        if scope is None:
            return ""
        cluster = known.get(id(scope))
        if cluster is not None:
            return cluster.id
        chain: list[Scope] = []
        while scope is not None and id(scope) not in known:
            chain.append(scope)
            scope = scope.parent
        parent = known[id(scope)].id if scope is not None else ""
        for inner in reversed(chain):
            module = modules.setdefault(inner.module, len(modules))
            cluster = Cluster(f"c{len(known)}", inner.name, inner.kind, module, parent)
            known[id(inner)] = cluster
            chains[cluster.id] = (*chains[parent], cluster.id)
            parent = cluster.id
        return parent

    owner = [cluster_of(node.scope) if node.operation is not None else "" for node in order]
    if known:
        _take_in_leaves(order, positions, owner, chains)
    return tuple(known.values()), owner


def _take_in_leaves(
    order: Sequence[Node], positions: Mapping[int, int], owner: list[str], chains: Mapping[str, tuple[str, ...]]
) -> None:
    """Put parameters and constants where all of their uses are: leaves are made outside of any call."""
    users: dict[int, set[str]] = {}
    for node, cluster in zip(order, owner, strict=True):
        for parent in node.parents:
            if parent.operation is None:
                users.setdefault(positions[id(parent)], set()).add(cluster)
    for j, clusters in users.items():
        if _leaf_kind(order[j]) == "input":
            continue
        common: tuple[str, ...] | None = None
        for cluster in clusters:
            chain = chains[cluster]
            common = chain if common is None else tuple(a for a, b in zip(common, chain, strict=False) if a == b)
        owner[j] = common[-1] if common else ""
