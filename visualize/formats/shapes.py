"""What SVG pictures are made of: lines of text, the borders of each kind of node, a node's box, and the legend."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from html import escape

from visualize.formats import heat
from visualize.formats.labels import clean, node_lines, node_tooltip
from visualize.formats.themes import OUTLINES, Outline, Paint, Theme
from visualize.graph.data import KINDS, Graph, GraphNode, kinds_of
from visualize.layout.geometry import Box
from visualize.layout.text_width import text_width

SIZE = 12.0
SMALL = 10.0
LEADING = 15.0
BOLD = 1.08
"""How much wider bold letters are."""
BEHIND = 4.0
"""How far the sheet behind stands out of a stack, to the right and above."""
GAP = 6.0
"""Room between a box's text and its small picture."""
FONT = "Helvetica, Arial, sans-serif"


def tooltip(text: str) -> str:
    """The inside of a title element: lines that show as they are."""
    return escape("\n".join(map(clean, text.split("\n"))), quote=False)


def line(text: str, x: float, y: float, colour: str, size: float, anchor: str = "middle", is_bold: bool = False) -> str:
    """One line of text."""
    weight = 'font-weight="600" ' * is_bold
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size:g}" {weight}fill="{colour}" '
        f'xml:space="preserve">{escape(clean(text), quote=False)}</text>'
    )


def rect(box: Box, fill: str, stroke: str, more: str = "", grow: float = 0.0) -> str:
    """A rectangle, larger by ``grow`` at each side."""
    return (
        f'<rect x="{box.x - box.width / 2 - grow:.1f}" y="{box.y - box.height / 2 - grow:.1f}" '
        f'width="{box.width + 2 * grow:.1f}" height="{box.height + 2 * grow:.1f}" fill="{fill}" '
        f'stroke="{stroke}" {more}/>'
    )


def _outline(outline: Outline, box: Box, paint: Paint, thick: str) -> str:
    """The border that tells a node's kind without colour."""
    fill, stroke = paint.fill, paint.stroke
    if outline == "double":
        return rect(box, fill, stroke, thick) + rect(box, "none", stroke, thick, -3)
    if outline == "dashed":
        return rect(box, fill, stroke, f'stroke-dasharray="5 3" {thick}')
    if outline == "round":
        return rect(box, fill, stroke, f'rx="9" {thick}')
    if outline == "octagon":
        cut, w, h = 7.0, box.width / 2, box.height / 2
        corners = [(-w, cut - h), (cut - w, -h), (w - cut, -h), (w, cut - h)]
        corners += [(-x, -y) for x, y in corners]
        points = " ".join(f"{box.x + x:.1f},{box.y + y:.1f}" for x, y in corners)
        return f'<polygon points="{points}" fill="{fill}" stroke="{stroke}" {thick}/>'
    if outline == "note":
        fold, w, h = 7.0, box.width / 2, box.height / 2
        corner = f"{box.x + w - fold:.1f},{box.y - h:.1f} {box.x + w:.1f},{box.y - h + fold:.1f}"
        rest = f"{box.x + w:.1f},{box.y + h:.1f} {box.x - w:.1f},{box.y + h:.1f} {box.x - w:.1f},{box.y - h:.1f}"
        inner = f"{box.x + w - fold:.1f},{box.y - h + fold:.1f}"
        return (
            f'<polygon points="{corner} {rest}" fill="{fill}" stroke="{stroke}" {thick}/>'
            f'<polygon points="{corner} {inner}" fill="{fill}" stroke="{stroke}" {thick}/>'
        )
    if outline == "stack":
        behind = Box(box.x + BEHIND, box.y - BEHIND, box.width, box.height)
        return rect(behind, fill, stroke, thick) + rect(box, fill, stroke, thick)
    return rect(box, fill, stroke, thick)


def node_size(node: GraphNode, show: Collection[str]) -> tuple[float, float]:
    """The width and the height of a node's box, with what stands out of it."""
    lines = node_lines(node, show)
    wide = max(text_width(text, SIZE) * (BOLD if i == 0 else 1.0) for i, text in enumerate(lines))
    tall = LEADING * len(lines)
    if node.cells:
        width, height = heat.size_of(node.cells)
        wide, tall = max(wide, width), tall + height + GAP
    return wide + 18 + _behind(node), tall + 12 + _behind(node)


def _behind(node: GraphNode) -> float:
    """How much more room a stack takes to both sides for the sheet behind, so that arrows end at what they meet."""
    return BEHIND if OUTLINES[node.kind] == "stack" else 0.0


def node_box(node: GraphNode, room: Box, show: Collection[str], theme: Theme) -> str:
    """A node's group: its border, its lines, and its small picture."""
    more = _behind(node)
    box = Box(room.x - more / 2, room.y + more / 2, room.width - more, room.height - more)
    lines = node_lines(node, show)
    paint, thick = theme.paints[node.kind], 'stroke-width="1.2"'
    if node.alert:
        paint, thick = Paint(paint.fill, theme.alert, theme.alert), 'stroke-width="2.5"'
    elif node.focused:
        paint, thick = Paint(paint.fill, theme.gradient, paint.text), 'stroke-width="3"'
    width, height = heat.size_of(node.cells) if node.cells else (0.0, -GAP)
    top = box.y - (LEADING * (len(lines) - 1) + height + GAP) / 2 + SIZE * 0.35
    texts = "".join(
        line(text, box.x, top + LEADING * i, paint.text, SIZE, is_bold=i == 0) for i, text in enumerate(lines)
    )
    picture = ""
    if node.cells:
        below = top + LEADING * (len(lines) - 1) + SIZE * 0.35 + GAP
        picture = heat.image(node.cells, box.x - width / 2, below, theme)
    return (
        f'<g id="{node.id}" class="node {node.kind}"><title>{tooltip(node_tooltip(node))}</title>'
        f"{_outline(OUTLINES[node.kind], box, paint, thick)}{texts}{picture}</g>"
    )


@dataclass(frozen=True, slots=True)
class Footer:
    """The legend and the caption under a picture, from (0, 0) on, and the room they take."""

    parts: Sequence[str]
    width: float
    height: float
    background: str


def footer_of(graph: Graph, theme: Theme, legend: bool) -> Footer:
    """What stands under a picture of a graph."""
    parts: list[str] = []
    x, tall, wide = 0.0, 0.0, 0.0
    if legend:
        for kind in kinds_of(graph.nodes):
            width = text_width(KINDS[kind], SMALL) + 14
            box = Box(x + width / 2, 12, width, 20)
            paint = theme.paints[kind]
            parts.append(_outline(OUTLINES[kind], box, paint, 'stroke-width="1"'))
            parts.append(line(KINDS[kind], box.x, box.y + 3.5, paint.text, SMALL))
            x += width + 12
        parts = [f'<g class="legend">{"".join(parts)}</g>']
        tall, wide = 40.0, x - 12
    if graph.caption:
        parts.append(line(graph.caption, 0, tall + 8, theme.faint, SMALL + 1, "start"))
        wide = max(wide, text_width(graph.caption, SMALL + 1))
        tall += 24.0
    return Footer(parts, wide, tall, theme.background)
