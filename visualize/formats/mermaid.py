"""A graph as a Mermaid flowchart, which many pages and editors draw from text."""

from __future__ import annotations

from visualize.formats.labels import clean, edge_text, node_lines
from visualize.formats.style import Style
from visualize.formats.themes import OUTLINES, Outline
from visualize.graph.data import Cluster, Graph, kinds_of

_BRACKETS: dict[Outline, tuple[str, str]] = {
    "note": ("[/", "/]"),
    "box": ("[", "]"),
    "double": ("[[", "]]"),
    "dashed": ("[", "]"),
    "round": ("(", ")"),
    "octagon": ("{{", "}}"),
    "stack": ("[(", ")]"),
}
_KEPT = frozenset(" ._-")


def escaped(text: str) -> str:
    """A text that shows as itself: everything that Mermaid or Markdown could read as a sign is a number."""
    return "".join(c if c.isalnum() or not c.isascii() or c in _KEPT else f"#{ord(c)};" for c in clean(text))


def to_mermaid(graph: Graph, style: Style) -> str:
    """The graph as Mermaid text."""
    lines = [f"flowchart {style.direction}"]
    inside: dict[str, list[str]] = {"": [], **{cluster.id: [] for cluster in graph.clusters}}
    for node in graph.nodes:
        opening, closing = _BRACKETS[OUTLINES[node.kind]]
        text = "<br/>".join(map(escaped, node_lines(node, style.show)))
        inside[node.cluster].append(f'{node.id}{opening}"{text}"{closing}:::{node.kind}')
    children: dict[str, list[Cluster]] = {}
    for cluster in graph.clusters:
        children.setdefault(cluster.parent, []).append(cluster)
    lines += [f"  {text}" for text in inside[""]]
    todo: list[Cluster | str] = list(reversed(children.get("", [])))
    while todo:
        cluster = todo.pop()
        if isinstance(cluster, str):
            lines.append(cluster)
            continue
        lines.append(f'  subgraph {cluster.id}["{escaped(cluster.title)}"]')
        lines += [f"  {text}" for text in inside[cluster.id]]
        todo += ["  end", *reversed(children.get(cluster.id, []))]
    for edge in graph.edges:
        text = escaped(edge_text(edge, style.show))
        label = f'|"{text}"|' if text else ""
        lines.append(f"  {edge.source} -->{label} {edge.target}")
    for kind in kinds_of(graph.nodes):
        paint = style.theme.paints[kind]
        dashes = ",stroke-dasharray:5 3" if OUTLINES[kind] == "dashed" else ""
        lines.append(f"  classDef {kind} fill:{paint.fill},stroke:{paint.stroke},color:{paint.text}{dashes}")
    if graph.caption:
        lines.append(f"  %% {graph.caption}")
    return "\n".join(lines) + "\n"
