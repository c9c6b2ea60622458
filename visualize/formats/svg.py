"""The built-in SVG picture: laid out here, in plain rectangles, curves and text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from visualize.formats.labels import clean, edge_text, edge_tooltip
from visualize.formats.shapes import FONT, SIZE, SMALL, footer_of, line, node_box, node_size, rect, tooltip
from visualize.formats.style import Style
from visualize.graph.data import Graph
from visualize.layout.geometry import Point
from visualize.layout.layered import Layout, lay_out
from visualize.layout.text_width import text_width

TALL = 11.0
"""The height of an edge's text."""
BASE = 2.5
"""How far its baseline is above the lower side of its room."""
MARGIN = 14.0


def size_of(graph: Graph, style: Style) -> tuple[float, float]:
    """The width and the height of a graph's picture, without its legend."""
    layout = laid_out(graph, tuple(style.show), style.direction)
    return layout.width, layout.height


@lru_cache(maxsize=4)
def laid_out(graph: Graph, show: tuple[str, ...], direction: str) -> Layout:
    """Where everything goes; kept, as a picture is laid out to see whether it fits and is then drawn."""
    sizes = {node.id: node_size(node, show) for node in graph.nodes}
    texts = [edge_text(edge, show) for edge in graph.edges]
    rooms = [(text_width(text, SMALL), TALL if text else 0.0) for text in texts]
    titles = {cluster.id: text_width(clean(cluster.title), SIZE) for cluster in graph.clusters}
    return lay_out(graph, sizes, rooms, titles, direction)


def to_svg(graph: Graph, style: Style) -> str:
    """The graph as an SVG picture, laid out here."""
    theme, show, direction = style.theme, style.show, style.direction
    layout = laid_out(graph, tuple(show), direction)
    body: list[str] = []
    for cluster in graph.clusters:
        frame = rect(layout.clusters[cluster.id], theme.frame, theme.faint, 'rx="8"')
        room = layout.titles[cluster.id]
        title = line(cluster.title, room.x - room.width / 2, room.y + 4, theme.ink, SIZE, "start")
        body.append(
            f'<g id="{cluster.id}" class="cluster module"><title>{tooltip(cluster.title)}</title>{frame}{title}</g>'
        )
    names = {node.id: node.label or node.symbol or node.id for node in graph.nodes}
    for i, (edge, path) in enumerate(zip(graph.edges, layout.edges, strict=True)):
        tip = edge_tooltip(edge, (names[edge.source], names[edge.target]))
        room = layout.texts[i]
        text = edge_text(edge, show)
        label = line(text, room.x, room.y + TALL / 2 - BASE, theme.faint, SMALL) if room else ""
        body.append(
            f'<g id="e{i}" class="edge"><title>{tooltip(tip)}</title>'
            f'<path d="{curve(path, direction)}" fill="none" stroke="{theme.edge}" stroke-width="1.2"/>'
            f"{_arrow(path, direction, theme.edge)}{label}</g>"
        )
    body += [node_box(node, layout.nodes[node.id], show, theme) for node in graph.nodes]
    width, height = layout.width, layout.height
    footer = footer_of(graph, theme, style.legend)
    if footer.parts:
        body.append(f'<g transform="translate(0,{height + 12:.1f})">{"".join(footer.parts)}</g>')
    width, height = max(width, footer.width), height + footer.height
    content = "\n".join(body)
    view = f"{-MARGIN:g} {-MARGIN:g} {width + 2 * MARGIN:.1f} {height + 2 * MARGIN:.1f}"
    back = (
        f'<rect x="{-MARGIN:g}" y="{-MARGIN:g}" width="{width + 2 * MARGIN:.1f}" '
        f'height="{height + 2 * MARGIN:.1f}" fill="{theme.background}"/>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{view}" font-family="{FONT}">\n{back}\n{content}\n</svg>\n'
    )


def curve(points: Sequence[Point], direction: str) -> str:
    """The path of an edge: straight where it runs along the flow, a curve with both ends along it elsewhere."""
    flat = direction in ("LR", "RL")
    (x, y), parts = points[0], [f"M{points[0][0]:.1f},{points[0][1]:.1f}"]
    for u, v in points[1:]:
        if (y == v) if flat else (x == u):
            parts.append(f"L{u:.1f},{v:.1f}")
        elif flat:
            middle = (x + u) / 2
            parts.append(f"C{middle:.1f},{y:.1f} {middle:.1f},{v:.1f} {u:.1f},{v:.1f}")
        else:
            middle = (y + v) / 2
            parts.append(f"C{x:.1f},{middle:.1f} {u:.1f},{middle:.1f} {u:.1f},{v:.1f}")
        x, y = u, v
    return "".join(parts)


def _arrow(points: Sequence[Point], direction: str, colour: str) -> str:
    """The arrowhead, along the last piece of the path."""
    (u, v), (x, y) = points[-2:]
    dx, dy = (1 if x > u else -1, 0) if direction in ("LR", "RL") else (0, 1 if y > v else -1)
    corners = [(x, y), (x - 7 * dx + 3.5 * dy, y - 7 * dy + 3.5 * dx), (x - 7 * dx - 3.5 * dy, y - 7 * dy - 3.5 * dx)]
    return f'<polygon points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in corners)}" fill="{colour}"/>'
