"""A graph in Graphviz's DOT language, for any engine: only plain labels, and the same bytes for the same graph."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from visualize.formats.heat import size_of
from visualize.formats.labels import clean, edge_text, node_lines
from visualize.formats.style import Style
from visualize.formats.themes import OUTLINES, Outline, Theme
from visualize.graph.data import KINDS, Cluster, Graph, GraphNode, kinds_of

FONT = "Helvetica,Arial,sans-serif"

_SHAPES: dict[Outline, str] = {
    "note": 'shape=note style="filled" margin="0.16,0.06"',
    "box": 'shape=box style="filled"',
    "double": 'shape=box style="filled" peripheries=2',
    "dashed": 'shape=box style="filled,dashed"',
    "round": 'shape=box style="filled,rounded"',
    "octagon": 'shape=octagon style="filled" margin="0.02,0"',
    "stack": 'shape=box3d style="filled" margin="0.16,0.1"',
}


def quoted(text: str) -> str:
    """A string as a quoted DOT identifier that shows as itself, whatever it holds."""
    return '"' + clean(text).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;") + '"'


def _label(lines: Collection[str]) -> str:
    return '"' + "\\n".join(quoted(line)[1:-1] for line in lines) + '"'


MARK = "\u2591"
"""Lines of these hold the room of a small picture."""


def to_dot(graph: Graph, style: Style, for_pictures: bool = False) -> str:
    """The graph as DOT text, with room in the boxes ``for_pictures`` that are put there afterwards, or without."""
    theme, show = style.theme, style.show
    lines = [
        "digraph {",
        f'  graph [rankdir={style.direction} bgcolor="{theme.background}" fontname="{FONT}" fontsize=11 '
        f'fontcolor="{theme.faint}" nodesep=0.25 ranksep=0.45 labelloc=b pad=0.2 charset="UTF-8"]',
        f'  node [fontname="{FONT}" fontsize=11 margin="0.12,0.06" height=0.3]',
        f'  edge [fontname="{FONT}" fontsize=9 color="{theme.edge}" fontcolor="{theme.faint}" arrowsize=0.7]',
    ]
    if graph.caption:
        lines.append(f"  label={quoted(graph.caption)}")
    inside: dict[str, list[str]] = {"": []}
    for cluster in graph.clusters:
        inside[cluster.id] = []
    for node in graph.nodes:
        inside[node.cluster].append(_node(node, theme, node_lines(node, show) + (_room(node) if for_pictures else [])))
    _write_clusters(lines, graph.clusters, inside, theme)
    for i, edge in enumerate(graph.edges):
        text = edge_text(edge, show)
        label = f" label={quoted(text)}" if text else ""
        lines.append(f'  {edge.source} -> {edge.target} [id="e{i}"{label}]')
    if style.legend:
        lines += _legend(graph, theme)
    lines.append("}")
    return "\n".join(lines) + "\n"


def _room(node: GraphNode) -> list[str]:
    if not node.cells:
        return []
    width, height = size_of(node.cells)
    return [MARK * math.ceil(width / 7)] * math.ceil((height + 4) / 13)


def _node(node: GraphNode, theme: Theme, lines: Sequence[str]) -> str:
    paint = theme.paints[node.kind]
    stroke, text, extra = paint.stroke, paint.text, ""
    if node.alert:
        stroke, text, extra = theme.alert, theme.alert, " penwidth=2.5"
    elif node.focused:
        stroke, extra = theme.gradient, " penwidth=3"
    return (
        f'{node.id} [id="{node.id}" class="{node.kind}" {_SHAPES[OUTLINES[node.kind]]} '
        f'fillcolor="{paint.fill}" color="{stroke}" fontcolor="{text}"{extra} label={_label(lines)}]'
    )


def _write_clusters(
    lines: list[str], clusters: tuple[Cluster, ...], inside: dict[str, list[str]], theme: Theme
) -> None:
    """Nested subgraphs, written without recursion."""
    children: dict[str, list[Cluster]] = {}
    for cluster in clusters:
        children.setdefault(cluster.parent, []).append(cluster)
    lines += [f"  {text}" for text in inside[""]]
    todo: list[tuple[Cluster, int] | str] = [(child, 1) for child in reversed(children.get("", []))]
    while todo:
        entry = todo.pop()
        if isinstance(entry, str):
            lines.append(entry)
            continue
        cluster, depth = entry
        pad = "  " * depth
        lines.append(f"{pad}subgraph cluster_{cluster.id} {{")
        lines.append(
            f'{pad}  id="{cluster.id}" class="module" label={quoted(cluster.title)} labelloc=t labeljust=l '
            f'style="rounded,filled" fillcolor="{theme.frame}" color="{theme.faint}" fontcolor="{theme.ink}"'
        )
        lines += [f"{pad}  {text}" for text in inside[cluster.id]]
        todo.append(f"{pad}}}")
        todo += [(child, depth + 1) for child in reversed(children.get(cluster.id, []))]


def _legend(graph: Graph, theme: Theme) -> list[str]:
    """The kinds of nodes in boxes that are drawn as the nodes themselves are, so that they look alike."""
    kinds = kinds_of(graph.nodes)
    if not kinds:
        return []
    lines = [
        "  subgraph cluster_legend {",
        f'    id="legend" label="" style=solid color="{theme.background}" rank=same',
    ]
    for kind in kinds:
        paint = theme.paints[kind]
        lines.append(
            f'    legend_{kind} [id="legend_{kind}" class="legend" {_SHAPES[OUTLINES[kind]]} fillcolor="{paint.fill}" '
            f'color="{paint.stroke}" fontcolor="{paint.text}" fontsize=9 height=0.2 margin="0.1,0.03" '
            f"label={quoted(KINDS[kind])}]"
        )
    return [*lines, "  }"]
