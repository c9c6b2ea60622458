"""The built-in layout: nodes and edges' texts in rows along the flow, frames around them, and the ways of the edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from visualize.graph.data import Graph
from visualize.layout.across import Across, Sides, across
from visualize.layout.along import PAD, Along, along
from visualize.layout.geometry import Box, Layout, Point, Size
from visualize.layout.order import ordered
from visualize.layout.ranks import Nest
from visualize.layout.rows import LINE, Rows, rows_of
from visualize.layout.titles import SIDE

TITLE = 22.0
"""Room for a cluster's title."""
HEADING = 14.0
"""The height of the title itself."""
BESIDE = 3.0
"""How far the text of an edge that runs up or down is from it."""


def lay_out(
    graph: Graph,
    sizes: Mapping[str, Size],
    texts: Sequence[Size],
    titles: Mapping[str, float],
    direction: str,
) -> Layout:
    """Place nodes, the clusters around them, and the edges with their texts.

    Parameters
    ----------
    graph
        What is placed.
    sizes
        The width and height of each node, by its id.
    texts
        The width and height of each edge's text; a width of zero is none.
    titles
        The width of each cluster's title, by its id.
    direction
        Where the flow goes: ``"LR"``, ``"RL"``, ``"TB"`` or ``"BT"``.
    """
    flat = direction in ("LR", "RL")
    # The room for titles is at the top: beside the flow, before it or after it.
    title_first, title_last = direction == "TB", direction == "BT"
    ends = (TITLE if title_first else PAD, TITLE if title_last else PAD)
    pads = (TITLE if flat else PAD, PAD)
    shapes = [sizes[node.id] for node in graph.nodes]
    room = [(width, height) if flat else (height, width) for width, height in shapes]
    wide = [0.0, *(titles[cluster.id] for cluster in graph.clusters)]
    none = [0.0] * len(wide)
    if flat:
        told = [(width, height + LINE if width else 0.0, 0.0) for width, height in texts]
    else:
        told = [(height if width else 0.0, 0.0, width + BESIDE if width else 0.0) for width, height in texts]
    rows = rows_of(Nest(graph), room, told)
    order = ordered(rows)
    beside = across(rows, order, Sides(pads, none if flat else wide, title_first))
    onward = along(rows, order, beside, ends, wide if flat else none)
    return _Composed(graph, rows, beside, onward, direction).layout(texts, wide)


class _Composed:
    """A layout along and across the flow, turned into the direction that was asked for."""

    def __init__(self, graph: Graph, rows: Rows, beside: Across, onward: Along, direction: str) -> None:
        self._graph, self._rows, self._beside, self._onward = graph, rows, beside, onward
        self._direction = direction
        self._flat = direction in ("LR", "RL")
        self._low, high = beside.walls[0] if rows.items else (0.0, 0.0)
        self._across = high - self._low

    def _turn(self, x: float, y: float) -> Point:
        """A point by its place along and across the flow."""
        y -= self._low
        if self._direction in ("RL", "BT"):
            x = self._onward.length - x
        return (x, y) if self._flat else (y, x)

    def _box(self, x: float, y: float, length: float, width: float) -> Box:
        return Box(*self._turn(x, y), *((length, width) if self._flat else (width, length)))

    def layout(self, texts: Sequence[Size], wide: Sequence[float]) -> Layout:
        """Everything where it is in the picture."""
        rows, lines, columns = self._rows, self._beside.lines, self._onward.columns
        middles = [sum(columns[item.row]) / 2 for item in rows.items]
        nodes = {
            node.id: self._box(middles[i], lines[i], rows.items[i].along, 2 * rows.items[i].low)
            for i, node in enumerate(self._graph.nodes)
        }
        clusters: dict[str, Box] = {}
        headings: dict[str, Box] = {}
        for i, cluster in enumerate(self._graph.clusters):
            (start, end), (low, high) = self._onward.frames[i + 1], self._beside.walls[i + 1]
            box = clusters[cluster.id] = self._box((start + end) / 2, (low + high) / 2, end - start, high - low)
            left = box.x - box.width / 2 + SIDE if self._flat else self._beside.titles[i + 1] - self._low
            headings[cluster.id] = Box(left + wide[i + 1] / 2, box.y - box.height / 2 + TITLE / 2, wide[i + 1], HEADING)
        boxes: list[Box | None] = []
        for item, (width, height) in zip(rows.texts, texts, strict=True):
            if item < 0:
                boxes.append(None)
                continue
            x, y = self._turn(middles[item], lines[item])
            away = (0.0, -LINE - height / 2) if self._flat else (BESIDE + width / 2, 0.0)
            boxes.append(Box(x + away[0], y + away[1], width, height))
        size = (self._onward.length, self._across) if self._flat else (self._across, self._onward.length)
        return Layout(nodes, clusters, headings, self._ways(middles), boxes, *size)

    def _ways(self, middles: Sequence[float]) -> list[list[Point]]:
        """The points of each edge: straight along rows, bent between them."""
        rows, lines, onward = self._rows, self._beside.lines, self._onward
        ways: list[list[Point]] = []
        ports = {(link.edge, link.high): link.port for link in self._beside.links}
        for edge, (chain, back) in enumerate(zip(rows.chains, rows.against, strict=True)):
            y = lines[chain[0]]
            way = [(middles[chain[0]] + rows.items[chain[0]].along / 2, y)]
            for low, high in pairwise(chain):
                start, end = onward.zones[rows.items[low].row]
                following = lines[high] + ports[edge, high]
                if abs(following - y) > 0.05:
                    way += [(start, y), (end, following)]
                    y = following
            way.append((middles[chain[-1]] - rows.items[chain[-1]].along / 2, y))
            turned = [self._turn(*point) for point in (reversed(way) if back else way)]
            ways.append([point for i, point in enumerate(turned) if i == 0 or point != turned[i - 1]])
        return ways
