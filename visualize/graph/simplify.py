"""Large graphs as small honest pictures: collapse modules, fold repeats, look at one place."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from visualize.graph.contract import Group, Reduced, contract, without_empty_clusters
from visualize.graph.data import Cluster, Graph, GraphEdge, GraphNode
from visualize.graph.fan_in import fold_fan_in
from visualize.graph.folding import fold

Collapse = str | Callable[[Cluster], bool]


def simplify(
    graph: Graph,
    *,
    depth: int | None = None,
    collapse: Collapse = "auto",
    fold_repeats: bool = True,
    max_nodes: int = 150,
    focus: Collection[str] = (),
    radius: int = 2,
    fits: Callable[[Reduced], bool] = lambda reduced: True,
) -> Reduced:
    """Make a graph small enough to read, and note in it what was done.

    Parameters
    ----------
    graph
        The whole graph.
    depth
        How many levels of modules are opened; the rest are collapsed.
    collapse
        ``"auto"`` (only above ``max_nodes``), ``"none"`` (show everything) or a function that says of a cluster whether
        to collapse it.
    fold_repeats
        Whether repeats, and long rows of like operands, are drawn once where the whole is too large.
    max_nodes
        How many nodes may be left.
    fits
        Whether the picture of a graph that has no more nodes than these is small enough.
    focus, radius
        Ids of nodes: only what is within ``radius`` edges of them is kept.

    Raises
    ------
    ValueError
        For a depth or radius below 0, fewer than 2 nodes, or an unknown ``collapse``.
    """
    _check(depth, collapse, max_nodes, radius)
    reduced = Reduced(graph)
    if focus:
        reduced = Reduced(around(graph, focus, radius))
    if callable(collapse):
        chosen = [cluster for cluster in reduced.graph.clusters if collapse(cluster)]
        reduced = collapse_clusters(reduced, chosen, f"{len(chosen)} module calls collapsed" if chosen else "")
    if depth is not None:
        reduced = _to_depth(reduced, depth)
    if collapse == "none" or (len(reduced) <= max_nodes and fits(reduced)):
        return reduced

    def enough(smaller: Reduced) -> bool:
        return len(smaller) <= max_nodes and fits(smaller)

    whole = reduced
    if fold_repeats:
        reduced = folded(whole, enough)
    if collapse == "auto" and depth is None:
        for level in range(max(whole.graph.depth().values(), default=-1), -1, -1):
            if len(reduced) <= max_nodes:
                break
            reduced = _to_depth(whole, level)
            if fold_repeats:
                reduced = folded(reduced, enough)
    return reduced if len(reduced) <= max_nodes else _nearest(reduced, max_nodes)


def _check(depth: int | None, collapse: Collapse, max_nodes: int, radius: int) -> None:
    if depth is not None and depth < 0:
        raise ValueError(f"depth is how many levels of modules to open, 0 or more, not {depth}")
    if not callable(collapse) and collapse not in ("auto", "none"):
        raise ValueError(f"collapse is 'auto', 'none' or a function of a cluster, not {collapse!r}")
    if max_nodes < 2:
        raise ValueError(f"max_nodes must be at least 2, not {max_nodes}")
    if radius < 0:
        raise ValueError(f"radius is how many edges away from the focus to show, 0 or more, not {radius}")


def _to_depth(reduced: Reduced, depth: int) -> Reduced:
    levels = reduced.graph.depth()
    chosen = [cluster for cluster in reduced.graph.clusters if levels[cluster.id] == depth]
    if not chosen:
        return reduced
    opened = "modules collapsed" if depth == 0 else f"modules opened to depth {depth}"
    return collapse_clusters(reduced, chosen, opened)


def collapse_clusters(reduced: Reduced, chosen: Collection[Cluster], note: str = "") -> Reduced:
    """Each chosen cluster, with all that is in it, becomes one node."""
    keys = {cluster.id for cluster in chosen}
    outermost: dict[str, str] = {"": ""}
    for cluster in reduced.graph.clusters:
        outer = outermost[cluster.parent]
        outermost[cluster.id] = outer or (cluster.id if cluster.id in keys else "")
    inside: dict[str, list[str]] = {}
    for node in reduced.graph.nodes:
        if outermost[node.cluster]:
            inside.setdefault(outermost[node.cluster], []).append(node.id)
    clusters = {cluster.id: cluster for cluster in chosen}
    groups = [
        Group(ids, clusters[key].title, clusters[key].parent, module=clusters[key].module)
        for key, ids in inside.items()
    ]
    return contract(_without_weights_elsewhere(reduced, inside, clusters), groups, note)


def _without_weights_elsewhere(
    reduced: Reduced, inside: Mapping[str, Sequence[str]], clusters: Mapping[str, Cluster]
) -> Reduced:
    """Leave out that a later call of a module uses the weights of the first: to a reader that is no connection."""
    place = {node: key for key, ids in inside.items() for node in ids}
    learned = {node.id for node in reduced.graph.nodes if node.kind == "parameter" and node.id in place}

    def is_implied(edge: GraphEdge) -> bool:
        if edge.source not in learned or edge.target not in place:
            return False
        own, other = place[edge.source], place[edge.target]
        return own != other and clusters[own].module == clusters[other].module

    edges = tuple(edge for edge in reduced.graph.edges if not is_implied(edge))
    return Reduced(replace(reduced.graph, edges=edges), reduced.members)


def folded(reduced: Reduced, enough: Callable[[Reduced], bool], of_modules_alone: bool = False) -> Reduced:
    """Long rows of operands and repeats put together, until that is enough; or only repeated calls of modules."""
    rowed, operands = (reduced, 0) if of_modules_alone else fold_fan_in(reduced)
    if operands:
        reduced = _noted(rowed, f"{operands:,} operands folded")
    folded, repeats = fold(reduced, enough, of_modules_alone)
    return _noted(folded, f"{repeats:,} repeats folded") if repeats else reduced


def _noted(reduced: Reduced, note: str) -> Reduced:
    return Reduced(replace(reduced.graph, notes=(*reduced.graph.notes, note)), reduced.members)


def _nearest(reduced: Reduced, most: int) -> Reduced:
    """Keep what is nearest to the results; what lies before becomes one group."""
    graph = reduced.graph
    height = dict.fromkeys((node.id for node in graph.nodes), 0)
    into: dict[str, list[str]] = {}
    for edge in graph.edges:
        into.setdefault(edge.target, []).append(edge.source)
    for node in reversed(graph.nodes):
        for source in into.get(node.id, ()):
            height[source] = max(height[source], height[node.id] + 1)
    nodes = sorted(graph.nodes, key=lambda node: height[node.id])
    far = [node.id for node in nodes[most - 1 :]]
    return contract(reduced, [Group(far, "what came before", with_leaves=True)], "the nearest to the result shown")


def around(graph: Graph, focus: Collection[str], radius: int) -> Graph:
    """The nodes within ``radius`` edges of the focus; where the graph goes on, a stub says by how much."""
    near: dict[str, list[str]] = {}
    for edge in graph.edges:
        near.setdefault(edge.source, []).append(edge.target)
        near.setdefault(edge.target, []).append(edge.source)
    kept = set(focus)
    ring = set(focus)
    for _ in range(radius):
        ring = {other for key in ring for other in near.get(key, ())} - kept
        kept |= ring
    before: dict[str, int] = {}
    after: dict[str, int] = {}
    for edge in graph.edges:
        if edge.target in kept and edge.source not in kept:
            before[edge.target] = before.get(edge.target, 0) + edge.uses
        elif edge.source in kept and edge.target not in kept:
            after[edge.source] = after.get(edge.source, 0) + edge.uses
    nodes: list[GraphNode] = []
    edges = [edge for edge in graph.edges if edge.source in kept and edge.target in kept]
    for node in graph.nodes:
        if node.id not in kept:
            continue
        if node.id in before:
            stub = GraphNode(f"before_{node.id}", "group", f"{before[node.id]:,} more", cluster=node.cluster, size=0)
            nodes.append(stub)
            edges.append(GraphEdge(stub.id, node.id, position=-1))
        nodes.append(node)
        if node.id in after:
            stub = GraphNode(f"after_{node.id}", "group", f"{after[node.id]:,} more", cluster=node.cluster, size=0)
            nodes.append(stub)
            edges.append(GraphEdge(node.id, stub.id))
    note = f"{radius} edges around the focus"
    nodes = [replace(node, focused=node.id in focus) for node in nodes]
    smaller = replace(
        graph,
        nodes=tuple(nodes),
        edges=tuple(edges),
        roots=tuple(root for root in graph.roots if root in kept),
        notes=(*graph.notes, note),
    )
    return without_empty_clusters(smaller)
