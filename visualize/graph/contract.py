"""Putting sets of nodes together: the one step that collapsing, folding and leaving out are made of."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from visualize.graph.data import Graph, GraphEdge, GraphNode


def _no_members() -> dict[str, tuple[str, ...]]:
    return {}


@dataclass(frozen=True, slots=True)
class Reduced:
    """A graph of which parts have been put together."""

    graph: Graph
    members: Mapping[str, tuple[str, ...]] = field(default_factory=_no_members)
    """The program's nodes that each group stands for, in topological order."""

    def __len__(self) -> int:
        return len(self.graph.nodes)


@dataclass(frozen=True, slots=True)
class Group:
    """What is to be put together, and what the reader is told about it."""

    ids: Sequence[str]
    label: str
    cluster: str = ""
    with_leaves: bool = False
    """Whether leaves that nothing else uses also go into the group."""
    module: int = -1
    """The module whose call it is, if it is one."""


def contract(reduced: Reduced, groups: Iterable[Group], note: str = "") -> Reduced:
    """Replace each group of nodes by one node; edges inside vanish, equal edges between are counted."""
    graph = reduced.graph
    start = max((int(key[1:]) for key in reduced.members), default=-1) + 1
    into: dict[str, str] = {}
    made: dict[str, Group] = {}
    for number, group in enumerate(groups, start):
        key = f"g{number}"
        made[key] = group
        for node in group.ids:
            into[node] = key
    if not made:
        return reduced
    _absorb_leaves(graph, into, made)
    members = {key: ids for key, ids in reduced.members.items() if key not in into}
    place: dict[str, int] = {}
    parts: dict[str, list[str]] = {key: [] for key in made}
    nodes: dict[str, GraphNode] = {}
    for i, node in enumerate(graph.nodes):
        key = into.get(node.id)
        if key is None:
            nodes[node.id] = node
            place[node.id] = i
        else:
            # What says where the graph goes on stands for no node.
            parts[key] += reduced.members.get(node.id, (node.id,) if node.size else ())
            place[key] = i
    for key, group in made.items():
        nodes[key] = GraphNode(
            key, "group", group.label, cluster=group.cluster, size=len(parts[key]), module=group.module
        )
    edges = _edges(graph.edges, into, {*made, *members})
    order = _sorted(place, edges)
    rank = {key: i for i, key in enumerate(order)}
    edges.sort(key=lambda edge: (rank[edge.target], edge.position, rank[edge.source]))
    kept = tuple(nodes[key] for key in order)
    roots = tuple(dict.fromkeys(into.get(root, root) for root in graph.roots))
    notes = (*graph.notes, note) if note else graph.notes
    smaller = replace(graph, nodes=kept, edges=tuple(edges), roots=roots, notes=notes)
    return Reduced(without_empty_clusters(smaller), members | {key: tuple(ids) for key, ids in parts.items()})


def _absorb_leaves(graph: Graph, into: dict[str, str], made: Mapping[str, Group]) -> None:
    made_by_operation = {edge.target for edge in graph.edges}
    users: dict[str, set[str]] = {}
    for edge in graph.edges:
        if edge.source not in made_by_operation and edge.source not in into:
            users.setdefault(edge.source, set()).add(into.get(edge.target, ""))
    for leaf, keys in users.items():
        key = next(iter(keys))
        if len(keys) == 1 and key and made[key].with_leaves:
            into[leaf] = key


def _edges(edges: Iterable[GraphEdge], into: Mapping[str, str], groups: Set[str]) -> list[GraphEdge]:
    """The edges between what is left; those of a group that mean the same are counted, not told apart."""
    kept: list[GraphEdge] = []
    counted: dict[tuple[str, str, str], GraphEdge] = {}
    for edge in edges:
        source, target = into.get(edge.source, edge.source), into.get(edge.target, edge.target)
        if source == target:
            continue
        if source not in groups and target not in groups:
            kept.append(edge)
            continue
        argument = "" if target in groups else edge.argument
        earlier = counted.get((source, target, argument))
        if earlier is None:
            # What an operation does with a node within a group is not what it does with the group.
            position = 0 if target in groups else edge.position
            counted[source, target, argument] = GraphEdge(source, target, position, argument, uses=edge.uses)
        else:
            counted[source, target, argument] = replace(earlier, uses=earlier.uses + edge.uses)
    return kept + list(counted.values())


def _sorted(place: Mapping[str, int], edges: Sequence[GraphEdge]) -> list[str]:
    """A topological order as near to the old one as can be; inside a cycle the old order counts."""
    waiting = dict.fromkeys(place, 0)
    after: dict[str, list[str]] = {key: [] for key in place}
    for edge in edges:
        waiting[edge.target] += 1
        after[edge.source].append(edge.target)
    ready = [(i, key) for key, i in place.items() if waiting[key] == 0]
    heapq.heapify(ready)
    order: list[str] = []
    done: set[str] = set()
    left = sorted(place, key=place.__getitem__, reverse=True)
    while len(order) < len(place):
        while left and left[-1] in done:
            left.pop()
        key = heapq.heappop(ready)[1] if ready else left[-1]
        if key in done:
            continue
        done.add(key)
        order.append(key)
        for other in after[key]:
            waiting[other] -= 1
            if waiting[other] == 0:
                heapq.heappush(ready, (place[other], other))
    return order


def has_cycle(graph: Graph) -> bool:
    """Whether some edge runs against the order of the nodes, which is topological unless there is a cycle."""
    place = {node.id: i for i, node in enumerate(graph.nodes)}
    return any(place[edge.source] >= place[edge.target] for edge in graph.edges)


def without_empty_clusters(graph: Graph) -> Graph:
    """Drop the frames that have nothing left in them."""
    used = {node.cluster for node in graph.nodes}
    for cluster in reversed(graph.clusters):
        if cluster.id in used:
            used.add(cluster.parent)
    if len(used - {""}) == len(graph.clusters):
        return graph
    return replace(graph, clusters=tuple(cluster for cluster in graph.clusters if cluster.id in used))
