"""The built-in layout: nested frames laid out from the inside out, each as one layered drawing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from visualize.graph.data import Graph
from visualize.layout.layered import Layers, Point, layered

PAD = 10.0
"""Room between a cluster's frame and what is in it."""
TITLE = 22.0
"""Room for a cluster's title."""
SPACE = 14.0
"""Room between neighbours in a layer."""
GAP = 34.0
"""Room between layers, without the edges' texts."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle by its centre."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything in a picture is."""

    nodes: Mapping[str, Box]
    clusters: Mapping[str, Box]
    edges: Sequence[Sequence[Point]]
    """For each edge the points it passes, from its source's border to its target's."""
    texts: Sequence[Point]
    """Where each edge's text goes: in the gap before its target's layer."""
    width: float
    height: float


@dataclass(slots=True)
class _Frame:
    """What is known of one cluster (or of the whole, ``""``) once its inside is laid out."""

    centres: dict[str, Point]
    columns: dict[str, Point]
    ports: dict[int, Point]
    bends: dict[int, list[Point]]
    along: float
    across: float


def lay_out(
    graph: Graph,
    sizes: Mapping[str, tuple[float, float]],
    texts: Sequence[float],
    titles: Mapping[str, float],
    direction: str,
) -> Layout:
    """Place nodes of given width and height, clusters around them, and edges.

    Parameters
    ----------
    graph
        What is placed.
    sizes
        The width and height of each node, by its id.
    texts
        The width of each edge's text.
    titles
        The width of each cluster's title, by its id.
    direction
        Where the flow goes: ``"LR"``, ``"RL"``, ``"TB"`` or ``"BT"``.
    """
    flat = direction in ("LR", "RL")
    pads = {"LR": (PAD, TITLE), "RL": (PAD, TITLE), "TB": (TITLE, PAD), "BT": (PAD, PAD)}[direction]
    ends = {"LR": (PAD, PAD), "RL": (PAD, PAD), "TB": (PAD, PAD), "BT": (TITLE, PAD)}[direction]
    home = {node.id: node.cluster for node in graph.nodes}
    chains = _chains(graph)
    room = {node: size if flat else (size[1], size[0]) for node, size in sizes.items()}
    first = {node.id: i for i, node in enumerate(graph.nodes)}
    inside: dict[str, list[str]] = {"": [], **{cluster.id: [] for cluster in graph.clusters}}
    for node in graph.nodes:
        inside[node.cluster].append(node.id)
    through: dict[str, list[int]] = {key: [] for key in inside}
    for i, edge in enumerate(graph.edges):
        for key in dict.fromkeys((*chains[home[edge.source]], *chains[home[edge.target]])):
            through[key].append(i)
    frames: dict[str, _Frame] = {}
    for cluster in (*reversed(graph.clusters), None):
        key = cluster.id if cluster else ""
        items = sorted(inside[key], key=first.__getitem__)
        frame = _frame(graph, key, items, through[key], chains, home, room, texts if flat else ())
        frames[key] = frame
        if cluster is not None:
            first[key] = first[items[0]] if items else len(first)
            inside[cluster.parent].append(key)
            along, across = frame.along + pads[0] + ends[0], frame.across + pads[1] + ends[1]
            wide = titles[key] + 2 * PAD
            room[key] = (max(along, wide), across) if flat else (along, max(across, wide))
    return _compose(graph, frames, room, chains, home, pads, direction)


def _chains(graph: Graph) -> dict[str, tuple[str, ...]]:
    """The frames around each cluster's inside, outermost (``""``) first."""
    chains: dict[str, tuple[str, ...]] = {"": ("",)}
    for cluster in graph.clusters:
        chains[cluster.id] = (*chains[cluster.parent], cluster.id)
    return chains


def _item(node: str, key: str, chain: tuple[str, ...]) -> str:
    """The item of frame ``key`` that holds a node whose chain of frames is given; empty if it is outside."""
    if key not in chain:
        return ""
    depth = chain.index(key) + 1
    return chain[depth] if depth < len(chain) else node


def _frame(
    graph: Graph,
    key: str,
    items: list[str],
    through: list[int],
    chains: Mapping[str, tuple[str, ...]],
    home: Mapping[str, str],
    room: Mapping[str, tuple[float, float]],
    texts: Sequence[float],
) -> _Frame:
    index = {item: i for i, item in enumerate(items)}
    sizes: list[Point] = [room[item] for item in items]
    pairs: list[tuple[int, int]] = []
    owners: list[int] = []
    ports: dict[int, int] = {}
    first: list[int] = []
    last: list[int] = []
    widest = 0.0
    for i in through:
        edge = graph.edges[i]
        source = _item(edge.source, key, chains[home[edge.source]])
        target = _item(edge.target, key, chains[home[edge.target]])
        if source == target:
            continue
        if not (source and target):
            port = len(sizes)
            ports[i] = port
            sizes.append((0.0, 8.0))
            (first if not source else last).append(port)
        pairs.append((index[source] if source else ports[i], index[target] if target else ports[i]))
        owners.append(i)
        if texts:
            widest = max(widest, texts[i])
    result: Layers = layered(sizes, pairs, GAP + widest, SPACE, first, last)
    return _Frame(
        {item: result.centres[i] for item, i in index.items()},
        {item: result.columns[i] for item, i in index.items()},
        {i: result.centres[port] for i, port in ports.items()},
        dict(zip(owners, result.bends, strict=True)),
        result.along,
        result.across,
    )


def _compose(
    graph: Graph,
    frames: Mapping[str, _Frame],
    room: Mapping[str, tuple[float, float]],
    chains: Mapping[str, tuple[str, ...]],
    home: Mapping[str, str],
    pads: tuple[float, float],
    direction: str,
) -> Layout:
    origin: dict[str, Point] = {"": (0.0, 0.0)}
    centres: dict[str, Point] = {}
    for key in ("", *(cluster.id for cluster in graph.clusters)):
        along, across = origin[key]
        for item, (x, y) in frames[key].centres.items():
            centres[item] = (along + x, across + y)
            if item in frames:
                # Content is in the middle of a frame that its title made larger.
                slack = (room[item][0] - frames[item].along, room[item][1] - frames[item].across)
                flat = direction in ("LR", "RL")
                start = (slack[0] / 2, pads[1]) if flat else (pads[0], slack[1] / 2)
                corner = (along + x - room[item][0] / 2, across + y - room[item][1] / 2)
                origin[item] = (corner[0] + start[0], corner[1] + start[1])
    paths, texts = _routes(graph, frames, room, chains, home, origin, centres)
    width, height = frames[""].along, frames[""].across

    def turn(point: Point) -> Point:
        along, across = point
        if direction == "LR":
            return along, across
        if direction == "RL":
            return width - along, across
        return (across, along) if direction == "TB" else (across, width - along)

    flat = direction in ("LR", "RL")
    boxes = {key: Box(*turn(centre), *(room[key] if flat else room[key][::-1])) for key, centre in centres.items()}
    nodes = {node.id: boxes[node.id] for node in graph.nodes}
    clusters = {cluster.id: boxes[cluster.id] for cluster in graph.clusters}
    edges = [[turn(point) for point in path] for path in paths]
    size = (width, height) if flat else (height, width)
    return Layout(nodes, clusters, edges, [turn(point) for point in texts], *size)


def _routes(
    graph: Graph,
    frames: Mapping[str, _Frame],
    room: Mapping[str, tuple[float, float]],
    chains: Mapping[str, tuple[str, ...]],
    home: Mapping[str, str],
    origin: Mapping[str, Point],
    centres: Mapping[str, Point],
) -> tuple[list[list[Point]], list[Point]]:
    """The way of each edge: straight through layers, bending only in the gaps between them."""

    def climb(i: int, node: str, inside: Sequence[str], start: Point, side: int) -> list[Point]:
        """From a node out to the frame that holds both ends (the first of ``inside``)."""
        way, item = [start], node
        for key in reversed(inside):
            frame, (ox, oy) = frames[key], origin[key]
            way.append((ox + frame.columns[item][side], way[-1][1]))
            if key != inside[0]:
                way += [(ox + x, oy + y) for x, y in frame.bends[i][:: 1 if side else -1]]
                way.append((ox + frame.ports[i][0], oy + frame.ports[i][1]))
            item = key
        return way

    heads: list[list[Point]] = []
    middles: list[list[Point]] = []
    downs: list[Sequence[str]] = []
    for i, edge in enumerate(graph.edges):
        up, down = chains[home[edge.source]], chains[home[edge.target]]
        shared = sum(a == b for a, b in zip(up, down, strict=False)) - 1
        x, y = centres[edge.source]
        heads.append(climb(i, edge.source, up[shared:], (x + room[edge.source][0] / 2, y), 1))
        ox, oy = origin[up[shared]]
        middles.append([(ox + x, oy + y) for x, y in frames[up[shared]].bends[i]])
        downs.append(down[shared:])
    ways = enumerate(zip(heads, middles, downs, strict=True))
    arrivals = _arrivals(graph, [_from_where(i, *way, frames, origin) for i, way in ways])
    paths: list[list[Point]] = []
    texts: list[Point] = []
    for i, edge in enumerate(graph.edges):
        x, y = centres[edge.target]
        slot, slots = arrivals[i]
        spread = room[edge.target][1] * ((slot + 1) / (slots + 1) - 0.5)
        tail = climb(i, edge.target, downs[i], (x - room[edge.target][0] / 2, y + spread), 0)
        path = [*heads[i], *middles[i], *reversed(tail)]
        (ax, ay), (bx, by) = path[-3], path[-2]
        texts.append(((ax + bx) / 2, (ay + by) / 2))
        paths.append([point for j, point in enumerate(path) if j == 0 or point != path[j - 1]])
    return paths, texts


def _from_where(
    i: int,
    head: Sequence[Point],
    middle: Sequence[Point],
    down: Sequence[str],
    frames: Mapping[str, _Frame],
    origin: Mapping[str, Point],
) -> float:
    """Across the flow, where an edge is before its last bend."""
    if len(down) > 1:
        frame, (_, oy) = frames[down[-1]], origin[down[-1]]
        return oy + (frame.bends[i] or [frame.ports[i]])[-1][1]
    return (middle or head)[-1][1]


def _arrivals(graph: Graph, coming_from: Sequence[float]) -> dict[int, tuple[int, int]]:
    """At which of how many places on its target's side each edge ends, so that edges neither meet nor cross there."""
    coming: dict[str, list[int]] = {}
    for i, edge in enumerate(graph.edges):
        coming.setdefault(edge.target, []).append(i)
    places: dict[int, tuple[int, int]] = {}
    for edges in coming.values():
        edges.sort(key=lambda i: (coming_from[i], graph.edges[i].position))
        for slot, i in enumerate(edges):
            places[i] = (slot, len(edges))
    return places
