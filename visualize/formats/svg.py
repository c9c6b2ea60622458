"""The built-in SVG picture: laid out here, in plain rectangles, curves and text."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from visualize.formats.labels import clean, edge_text, edge_tooltip, node_lines, node_tooltip
from visualize.formats.style import Style
from visualize.formats.themes import OUTLINES, Outline, Paint, Theme
from visualize.graph.data import KINDS, Graph, GraphNode, kinds_of
from visualize.layout.geometry import Box, Point
from visualize.layout.layered import lay_out
from visualize.layout.text_width import text_width

SIZE = 12.0
SMALL = 10.0
LEADING = 15.0
BEHIND = 4.0
"""How far the sheet behind stands out of a stack, to the right and above."""
TALL = 11.0
"""The height of an edge's text."""
BASE = 2.5
"""How far its baseline is above the lower side of its room."""
MARGIN = 14.0
FONT = "Helvetica, Arial, sans-serif"


def to_svg(graph: Graph, style: Style) -> str:
    """The graph as an SVG picture, laid out here."""
    theme, show, direction = style.theme, style.show, style.direction
    lines = {node.id: node_lines(node, show) for node in graph.nodes}
    sizes = {
        node.id: (
            max(text_width(line, SIZE) for line in lines[node.id]) + 18 + _behind(node),
            LEADING * len(lines[node.id]) + 12 + _behind(node),
        )
        for node in graph.nodes
    }
    texts = [edge_text(edge, show) for edge in graph.edges]
    rooms = [(text_width(text, SMALL), TALL if text else 0.0) for text in texts]
    titles = {cluster.id: text_width(clean(cluster.title), SIZE) for cluster in graph.clusters}
    layout = lay_out(graph, sizes, rooms, titles, direction)
    body: list[str] = []
    for cluster in graph.clusters:
        box = layout.clusters[cluster.id]
        frame = _rect(box, theme.frame, theme.faint, 'rx="8"')
        room = layout.titles[cluster.id]
        title = line(cluster.title, room.x - room.width / 2, room.y + 4, theme.ink, SIZE, "start")
        body.append(
            f'<g id="{cluster.id}" class="cluster module"><title>{tooltip(cluster.title)}</title>{frame}{title}</g>'
        )
    names = {node.id: node.label or node.symbol or node.id for node in graph.nodes}
    for i, (edge, text, path) in enumerate(zip(graph.edges, texts, layout.edges, strict=True)):
        tip = edge_tooltip(edge, (names[edge.source], names[edge.target]))
        room = layout.texts[i]
        label = line(text, room.x, room.y + TALL / 2 - BASE, theme.faint, SMALL) if room else ""
        body.append(
            f'<g id="e{i}" class="edge"><title>{tooltip(tip)}</title>'
            f'<path d="{curve(path, direction)}" fill="none" stroke="{theme.edge}" stroke-width="1.2"/>'
            f"{_arrow(path, direction, theme.edge)}{label}</g>"
        )
    for node in graph.nodes:
        box, more = layout.nodes[node.id], _behind(node)
        front = Box(box.x - more / 2, box.y + more / 2, box.width - more, box.height - more)
        body.append(_node(node, front, lines[node.id], theme))
    width, height = layout.width, layout.height
    footer, wide, tall = _footer(graph, theme, style.legend, height + 12)
    width, height = max(width, wide), height + tall
    content = "\n".join((*body, *footer))
    view = f"{-MARGIN:g} {-MARGIN:g} {width + 2 * MARGIN:.1f} {height + 2 * MARGIN:.1f}"
    back = (
        f'<rect x="{-MARGIN:g}" y="{-MARGIN:g}" width="{width + 2 * MARGIN:.1f}" '
        f'height="{height + 2 * MARGIN:.1f}" fill="{theme.background}"/>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{view}" font-family="{FONT}">\n{back}\n{content}\n</svg>\n'
    )


def tooltip(text: str) -> str:
    """The inside of a title element: lines that show as they are."""
    return escape("\n".join(map(clean, text.split("\n"))), quote=False)


def line(text: str, x: float, y: float, colour: str, size: float, anchor: str = "middle") -> str:
    """One line of text."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size:g}" fill="{colour}" '
        f'xml:space="preserve">{escape(clean(text), quote=False)}</text>'
    )


def _rect(box: Box, fill: str, stroke: str, more: str = "", grow: float = 0.0) -> str:
    return (
        f'<rect x="{box.x - box.width / 2 - grow:.1f}" y="{box.y - box.height / 2 - grow:.1f}" '
        f'width="{box.width + 2 * grow:.1f}" height="{box.height + 2 * grow:.1f}" fill="{fill}" '
        f'stroke="{stroke}" {more}/>'
    )


def _outline(outline: Outline, box: Box, paint: Paint, thick: str) -> str:
    """The border that tells a node's kind without colour."""
    fill, stroke = paint.fill, paint.stroke
    if outline == "double":
        return _rect(box, fill, stroke, thick) + _rect(box, "none", stroke, thick, -3)
    if outline == "dashed":
        return _rect(box, fill, stroke, f'stroke-dasharray="5 3" {thick}')
    if outline == "round":
        return _rect(box, fill, stroke, f'rx="9" {thick}')
    if outline == "octagon":
        cut, w, h = 7.0, box.width / 2, box.height / 2
        corners = [(-w, cut - h), (cut - w, -h), (w - cut, -h), (w, cut - h)]
        corners += [(-x, -y) for x, y in corners]
        points = " ".join(f"{box.x + x:.1f},{box.y + y:.1f}" for x, y in corners)
        return f'<polygon points="{points}" fill="{fill}" stroke="{stroke}" {thick}/>'
    if outline == "stack":
        behind = Box(box.x + BEHIND, box.y - BEHIND, box.width, box.height)
        return _rect(behind, fill, stroke, thick) + _rect(box, fill, stroke, thick)
    return _rect(box, fill, stroke, thick)


def _behind(node: GraphNode) -> float:
    """How much more room a stack takes to both sides for the sheet behind, so that arrows end at what they meet."""
    return BEHIND if OUTLINES[node.kind] == "stack" else 0.0


def _node(node: GraphNode, box: Box, lines: list[str], theme: Theme) -> str:
    paint, thick = theme.paints[node.kind], 'stroke-width="1.2"'
    if node.alert:
        paint, thick = Paint(paint.fill, theme.alert, theme.alert), 'stroke-width="2.5"'
    top = box.y - LEADING * (len(lines) - 1) / 2 + SIZE * 0.35
    texts = "".join(line(text, box.x, top + LEADING * i, paint.text, SIZE) for i, text in enumerate(lines))
    return (
        f'<g id="{node.id}" class="node {node.kind}"><title>{tooltip(node_tooltip(node))}</title>'
        f"{_outline(OUTLINES[node.kind], box, paint, thick)}{texts}</g>"
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


def _footer(graph: Graph, theme: Theme, legend: bool, top: float) -> tuple[list[str], float, float]:
    """The legend and the caption under a picture, with the room they take."""
    parts: list[str] = []
    x, tall, wide = 0.0, 0.0, 0.0
    if legend:
        for kind in kinds_of(graph.nodes):
            width = text_width(KINDS[kind], SMALL) + 14
            box = Box(x + width / 2, top + 12, width, 20)
            paint = theme.paints[kind]
            parts.append(_outline(OUTLINES[kind], box, paint, 'stroke-width="1"'))
            parts.append(line(KINDS[kind], box.x, box.y + 3.5, paint.text, SMALL))
            x += width + 12
        tall, wide = 40.0, x - 12
    if graph.caption:
        parts.append(line(graph.caption, 0, top + tall + 8, theme.faint, SMALL + 1, "start"))
        wide = max(wide, text_width(graph.caption, SMALL + 1))
        tall += 24.0
    return [f'<g class="legend">{"".join(parts)}</g>'] if parts else [], wide, tall
