"""What is done to any engine's SVG so that it is at home in a page: its size, its ids and its titles."""

from __future__ import annotations

import hashlib
import re

from visualize.formats import heat
from visualize.formats.dot import MARK
from visualize.formats.labels import edge_tooltip, node_tooltip
from visualize.formats.shapes import FONT, Footer, tooltip
from visualize.formats.themes import Theme
from visualize.graph.data import Graph

EDGE = 10.0
"""Room at the left and the right of what stands below a picture."""

_HEADER = re.compile(r"<svg\b[^>]*>")
_VIEW = re.compile(r'viewBox="([-\d.]+) ([-\d.]+) ([-\d.]+) ([-\d.]+)"')
_TITLED = re.compile(r'<g id="([^"]+)" class="(node|edge|cluster)[^"]*">\s*<title>[^<]*</title>')


def at_home(svg: str, graph: Graph, below: Footer | None = None) -> str:
    """An engine's SVG for use in any page.

    It has no prologue, no fixed size (it shrinks to the page, and does not grow), ids that no other picture has, and
    titles that say what a reader points at. What goes ``below`` it is added.

    Raises
    ------
    ValueError
        Where the SVG has no viewBox.
    """
    svg = svg[svg.index("<svg") :]
    header = _HEADER.search(svg)
    view = _VIEW.search(svg)
    if header is None or view is None:
        raise ValueError("the engine's SVG has no viewBox")
    prefix = "g" + hashlib.blake2s(svg.encode("utf-8", "replace"), digest_size=5).hexdigest() + "-"
    left, top, width, height = (float(view[i]) for i in range(1, 5))
    footer = ""
    if below is not None and below.parts:
        footer = f'<g transform="translate({left + EDGE:.1f},{top + height:.1f})">{"".join(below.parts)}</g>'
        back = f'<rect x="{left:.1f}" y="{top:.1f}" width="{max(width, below.width + 2 * EDGE):.1f}" '
        back += f'height="{height + below.height:.1f}" fill="{below.background}"/>'
        svg = f"{svg[: header.end()]}{back}{svg[header.end() :]}"
        width, height = max(width, below.width + 2 * EDGE), height + below.height
    names = {node.id: node.label or node.symbol or node.id for node in graph.nodes}
    titles = {node.id: node_tooltip(node) for node in graph.nodes}
    titles |= {cluster.id: cluster.title for cluster in graph.clusters}
    titles |= {
        f"e{i}": edge_tooltip(edge, (names[edge.source], names[edge.target])) for i, edge in enumerate(graph.edges)
    }
    summary = f"computation graph of {len(graph.nodes)} nodes and {len(graph.edges)} edges"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="computation-graph" role="img" aria-label="{summary}" '
        f'viewBox="{left:g} {top:g} {width:g} {height:g}" width="{width:.0f}" height="{height:.0f}" '
        f'style="--wide:{width:.0f}px;max-width:100%;height:auto" font-family="{FONT}">'
    )

    def retitle(match: re.Match[str]) -> str:
        key = match[1]
        head = match[0][: match[0].index("<title>")]
        return f"{head}<title>{tooltip(titles.get(key, key))}</title>"

    body = _TITLED.sub(retitle, svg[header.end() :])
    body = re.sub(r'(<g id=")', rf"\g<1>{prefix}", body)
    return head + body.replace("</svg>", f"{footer}</svg>")


_NODE = re.compile(r'<g id="(\w+)" class="node\b[^"]*">.*?</g>', re.S)
_TEXT = re.compile(r'<text [^>]*?x="([-\d.]+)" y="([-\d.]+)"[^>]*>([^<]*)</text>\n?')


def with_pictures(svg: str, graph: Graph, theme: Theme) -> str:
    """An engine's SVG with the first line of each box in bold, and the small pictures in the room left for them."""
    cells = {node.id: node.cells for node in graph.nodes}

    def finished(match: re.Match[str]) -> str:
        group = match[0].replace("<text ", '<text font-weight="600" ', 1)
        marks = [text for text in _TEXT.finditer(group) if text[3] and not text[3].strip(MARK)]
        own = cells.get(match[1])
        if not marks or not own:
            return group
        x, y = float(marks[0][1]), float(marks[0][2])
        picture = heat.image(own, x - heat.size_of(own)[0] / 2, y - 8, theme)
        return f"{group[: marks[0].start()]}{picture}{group[marks[-1].end() :]}"

    return _NODE.sub(finished, svg)
