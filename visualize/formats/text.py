"""A graph as a table for a terminal: one row a node, in the order in which they were computed."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from visualize.formats.labels import clean, cut
from visualize.graph.data import Graph, GraphNode


def to_text(graph: Graph) -> str:
    """The graph as a table; the last column says what each node was made of."""
    operands: dict[str, list[str]] = {}
    names = {node.id: clean(node.label) or node.id for node in graph.nodes}
    for edge in graph.edges:
        name = names[edge.source]
        called = edge.argument and not edge.argument[0].isdigit()
        operands.setdefault(edge.target, []).append(f"{edge.argument}={name}" if called else name)
    rows = [("node", "name", "shape", "data", "grad", "made by")]
    for node in graph.nodes:
        shape = "" if node.shape is None else "×".join(map(str, node.shape)) or "scalar"
        rows.append(
            (
                node.id,
                "" if node.kind == "group" else cut(clean(node.label)),
                shape,
                node.data,
                node.grad,
                cut(_made_by(node, operands.get(node.id, []))),
            )
        )
    caption = [graph.caption] if graph.caption else []
    return "\n".join([*table(rows), *caption]) + "\n"


def _made_by(node: GraphNode, operands: Sequence[str]) -> str:
    if node.kind == "group":
        return clean(node.label) + (f", {node.size:,} node{'s' * (node.size != 1)}" if node.size else "")
    if not node.op:
        return node.kind
    options = f", {node.options}" if node.options else ""
    return f"{node.op}({', '.join(operands)}{clean(options)})"


def columns(text: str) -> int:
    """How many columns of a terminal a text takes: a mark that stands over or under a letter takes none."""
    spacing = [c for c in text if unicodedata.category(c) not in ("Mn", "Me")]
    return len(spacing) + sum(unicodedata.east_asian_width(c) in "WF" for c in spacing)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows with their columns in line."""
    widths = [max(columns(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(cell + " " * (width - columns(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
