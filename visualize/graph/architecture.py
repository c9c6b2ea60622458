"""A model as its architecture: a box for each module that holds no other, with its weights; inputs and an output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from visualize.graph.contract import Group, Reduced, contract
from visualize.graph.data import Cluster, Graph, GraphEdge, GraphNode
from visualize.graph.describe import SAME_NUMBERS
from visualize.graph.extract import Extract
from visualize.graph.nodes import array_of
from visualize.graph.quantities import number
from visualize.graph.simplify import collapse_clusters

DRAWN_AT_RANDOM = frozenset({"kept"})
"""Arrays that say nothing of an architecture: which weights a dropout keeps."""

MOST_WEIGHTS = 4
"""So many weights of a module are named one by one."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """A graph of modules and of what stands between them, and what has to be said of its boxes."""

    reduced: Reduced
    options: Mapping[str, str]
    """Constants that an operation was done with, by the id of its node."""


def architecture_of(extracted: Extract, depth: int | None = None) -> Architecture:
    """The graph with each call of an innermost module as one node, and without what says nothing of the architecture.

    Modules deeper than ``depth`` are closed, too. Single numbers that operations are done with are written into their
    boxes, and steps that only rearrange numbers are put together.
    """
    graph, options = _without_numbers(extracted)
    parents, levels = {cluster.parent for cluster in graph.clusters}, graph.depth()
    closed = [cluster for cluster in graph.clusters if cluster.id not in parents or levels[cluster.id] == depth]
    reduced = collapse_clusters(Reduced(graph), closed)
    reduced = contract(reduced, _rearranging(reduced.graph))
    return Architecture(_with_output(reduced), options)


def _without_numbers(extracted: Extract) -> tuple[Graph, dict[str, str]]:
    """The graph without the constants of one element that have no name."""
    graph, numbers = extracted.graph, dict[str, str]()
    for entry in graph.nodes:
        node = extracted.nodes.get(entry.id)
        if entry.kind != "constant" or entry.id in graph.roots:
            continue
        if node is not None and not entry.label and np.size(node.data) == 1:
            numbers[entry.id] = number(array_of(node).reshape(()))
        elif entry.id in extracted.arrays and entry.label in DRAWN_AT_RANDOM:
            numbers[entry.id] = ""
    options: dict[str, str] = {}
    for edge in graph.edges:
        if edge.source in numbers:
            options[edge.target] = ", ".join(filter(None, (options.get(edge.target), numbers[edge.source])))
    nodes = tuple(entry for entry in graph.nodes if entry.id not in numbers)
    edges = tuple(
        replace(edge, argument="") if edge.argument[:1].isdigit() and edge.target in options else edge
        for edge in graph.edges
        if edge.source not in numbers
    )
    return replace(graph, nodes=nodes, edges=edges), options


def _rearranging(graph: Graph) -> list[Group]:
    """Runs of operations that only rearrange numbers, as ``reshape, transpose``."""
    users: dict[str, list[str]] = {}
    operand: dict[str, str] = {}
    for edge in graph.edges:
        users.setdefault(edge.source, []).append(edge.target)
        operand.setdefault(edge.target, edge.source)
    quiet = {node.id: node for node in graph.nodes if node.op in SAME_NUMBERS and node.kind == "operation"}
    groups: list[Group] = []
    taken: set[str] = set()
    for key in reversed(quiet):
        run = [key]
        while (before := operand.get(run[-1], "")) in quiet and before not in taken and users[before] == [run[-1]]:
            run.append(before)
        if key not in taken and len(run) > 1:
            taken.update(run)
            run.reverse()
            names = ", ".join(dict.fromkeys(quiet[one].op for one in run))
            label = next((quiet[one].label for one in reversed(run) if quiet[one].label), "")
            groups.append(Group(run, f"{label} = {names}" if label else names, quiet[key].cluster))
    return groups


def _with_output(reduced: Reduced) -> Reduced:
    """The graph with a node for each result that a module gives, outside of its frame."""
    graph = reduced.graph
    inside = [node for node in graph.nodes if node.id in graph.roots and (node.cluster or node.kind == "group")]
    if not inside:
        return reduced
    nodes = tuple(replace(node, kind="operation") if node in inside and node.op else node for node in graph.nodes)
    outputs = {node.id: GraphNode(f"o{i}", "loss", "output", size=0) for i, node in enumerate(inside)}
    edges = tuple(GraphEdge(key, node.id) for key, node in outputs.items())
    roots = tuple(outputs[root].id if root in outputs else root for root in graph.roots)
    whole = replace(graph, nodes=(*nodes, *outputs.values()), edges=graph.edges + edges, roots=roots)
    return Reduced(whole, reduced.members)


def described_architecture(graph: Graph, extracted: Extract, members: Mapping[str, Sequence[str]]) -> Graph:
    """A described graph with what each box of an architecture says: what goes in and comes out, and its weights."""
    by_id = {node.id: node for node in graph.nodes}
    before: dict[str, GraphNode] = {}
    for edge in graph.edges:
        source = by_id[edge.source]
        if source.kind != "parameter" and before.get(edge.target, source).kind in ("constant", source.kind):
            before.setdefault(edge.target, source)
            if before[edge.target].kind == "constant":
                before[edge.target] = source
    nodes = tuple(_box(node, before.get(node.id), extracted, members) for node in graph.nodes)
    whole = replace(graph, nodes=nodes, clusters=_counted(graph, extracted, members))
    # What is left out of an architecture is no secret of its picture.
    return replace(whole, total=whole.shown)


def _box(
    node: GraphNode, before: GraphNode | None, extracted: Extract, members: Mapping[str, Sequence[str]]
) -> GraphNode:
    """What the box of a node says, after what goes into it first."""
    if node.id.startswith("o"):
        return replace(node, shape=before.shape, dtype=before.dtype) if before else node
    if node.kind == "group" and node.module >= 0:
        node = replace(node, kind="module", parts=_parts(extracted, members[node.id]))
    elif node.kind == "group" and all(extracted.nodes[key].op in SAME_NUMBERS for key in members[node.id]):
        node = replace(node, kind="operation", quiet=True)
    if node.kind not in ("module", "group", "operation", "loss"):
        return node if node.kind == "constant" else replace(node, cells=())
    takes = before.shape if before is not None and before.shape != node.shape else None
    return replace(node, takes=takes, dtype="", options="" if node.quiet else node.options, cells=())


def _parts(extracted: Extract, members: Sequence[str]) -> tuple[str, ...]:
    """The weights of a module, each with its name there and its shape; none of many, and of several of a name."""
    labels = {entry.id: entry.label for entry in extracted.graph.nodes if entry.kind == "parameter"}
    weights = [
        (labels[key].rpartition(".")[2], np.shape(extracted.nodes[key].data)) for key in members if key in labels
    ]
    if len(weights) > MOST_WEIGHTS or len({name for name, _ in weights}) < len(weights):
        return ()
    return tuple(f"{name or 'weight'} {'×'.join(map(str, shape)) or '1'}" for name, shape in weights)


def _counted(graph: Graph, extracted: Extract, members: Mapping[str, Sequence[str]]) -> tuple[Cluster, ...]:
    """The outermost frames say how many weights are in them."""
    homes = {cluster.id: cluster.parent for cluster in graph.clusters}
    counts: dict[str, int] = {}
    for node in graph.nodes:
        outermost = node.cluster
        while homes.get(outermost):
            outermost = homes[outermost]
        for key in members.get(node.id, (node.id,)):
            inner = extracted.nodes.get(key)
            if inner is not None and extracted.naming.is_parameter(inner):
                counts[outermost] = counts.get(outermost, 0) + int(np.size(inner.data))
    return tuple(
        replace(cluster, note=f"{cluster.note} · {counts[cluster.id]:,} weights".strip())
        if counts.get(cluster.id)
        else cluster
        for cluster in graph.clusters
    )
