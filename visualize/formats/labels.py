"""What stands in each node's box and on each edge: the same lines in every format."""

from __future__ import annotations

from collections.abc import Collection

from visualize.graph.data import GraphEdge, GraphNode

SHOWS = ("label", "shape", "data", "grad", "local", "line", "heat")
"""What ``show`` may ask for.

The name, the shape, the number, the gradient, the local derivative on edges, the line of code, and a small picture of
an array.
"""

LONGEST = 60
"""Lines longer than this are cut in a picture; the whole text stays in the node's tooltip."""

NARROW = 36
"""The weights of a module stand on one line if it has no more characters."""

_JOINERS = "\u200c\u200d"


def check_show(show: Collection[str]) -> tuple[str, ...]:
    """The parts to show, as a tuple.

    Raises
    ------
    ValueError
        For a part that is not one of ``SHOWS``.
    """
    parts = (show,) if isinstance(show, str) else tuple(show)
    for part in parts:
        if part not in SHOWS:
            raise ValueError(f"show holds {part!r}; it may hold {', '.join(map(repr, SHOWS))}")
    return parts


def clean(text: str) -> str:
    """Any string as one line that every format can show: what cannot be printed becomes U+FFFD."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in _JOINERS else "\ufffd" for c in text)


def cut(text: str) -> str:
    """A text short enough for a box."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def node_lines(node: GraphNode, show: Collection[str]) -> list[str]:
    """The lines in a node's box, each ready to be escaped for a format."""
    if node.kind == "module":
        return [cut(clean(line)) for line in [*_module_lines(node, show), node.note] if line]
    if node.kind == "group":
        return [cut(clean(line)) for line in [*_group_lines(node, show), node.note] if line]
    if node.kind == "constant" and not node.label and node.shape in (None, ()):
        return [cut(clean(node.data))]
    lines = [_head(node, "label" in show)]
    if node.shape is not None and "shape" in show:
        lines.append(_size(node))
    if node.data and "data" in show and not node.quiet:
        lines.append(f"data {node.data}")
    if node.grad and "grad" in show and not node.quiet:
        lines.append(f"grad {node.grad}")
    if node.line and "line" in show:
        lines.append(node.line)
    return [cut(clean(line)) for line in [*lines, node.note] if line] or [node.kind]


def _head(node: GraphNode, with_label: bool) -> str:
    """What a node is called and what made it: ``b = *``, ``v3 = tanh``, ``v0: logit 1``."""
    sign = node.symbol or node.op
    if node.options:
        sign = f"{sign}  {node.options}" if sign else node.options
    label = node.label if with_label else ""
    name = label or node.name
    if label and node.name not in ("", label):
        name = f"{node.name}: {label}"
    return f"{name} = {sign}" if name and sign else name or sign


def _size(node: GraphNode) -> str:
    """Shape and dtype, as ``4×20 float32``, or what goes in and comes out."""
    size = _shape(node.shape)
    if node.takes is not None:
        return f"{_shape(node.takes)} → {size}"
    return f"{size} {node.dtype}".strip()


def _shape(shape: tuple[int, ...] | None) -> str:
    return "×".join(map(str, shape)) if shape else "scalar"


def _module_lines(node: GraphNode, show: Collection[str]) -> list[str]:
    lines = [node.label]
    if node.shape is not None and "shape" in show:
        lines.append(f"{_shape(node.takes or node.shape)} → {_shape(node.shape)}")
    together = ", ".join(node.parts)
    lines += [together] if len(together) <= NARROW else node.parts
    if node.weights:
        lines.append(f"{node.weights:,} weights")
    return lines


def _group_lines(node: GraphNode, show: Collection[str]) -> list[str]:
    lines = [node.label]
    if node.shape is not None and "shape" in show:
        lines.append(_size(node) if node.takes else f"→ {_size(node)}")
    if node.weights:
        lines.append(f"{node.weights:,} weights")
    elif node.size:
        lines.append(f"{node.size:,} node{'s' * (node.size != 1)}")
    return lines


def node_tooltip(node: GraphNode) -> str:
    """Everything about a node in one text."""
    lines = [node.label, f"{node.kind} {node.op} {node.options}".strip()]
    if node.shape is not None:
        lines.append(f"shape {node.shape} {node.dtype}")
    lines += [f"data {node.data}" if node.data else "", f"grad {node.grad}" if node.grad else "", node.note, node.line]
    return "\n".join(clean(line) for line in lines if line)


def edge_text(edge: GraphEdge, show: Collection[str]) -> str:
    """The text on an edge: the argument's name, the local derivative, the number of uses put together."""
    parts: list[str] = []
    if "local" in show and edge.derivative:
        parts.append(local_derivative(edge))
    elif edge.argument:
        parts.append(edge.argument)
    if edge.uses > 1:
        parts.append(f"×{edge.uses:,}")
    return cut(clean("  ".join(parts)))


def local_derivative(edge: GraphEdge) -> str:
    """A local derivative in full: ``∂o/∂n = 1 - o · o = 0.5``."""
    return f"{edge.derivative} = {derivative_text(edge.formula, edge.local)}"


def derivative_text(formula: str, local: str) -> str:
    """A local derivative: its formula and its number, or only the number where the formula is a number."""
    if not formula or not local:
        return formula or local
    try:
        float(formula)
    except ValueError:
        return f"{formula} = {local}"
    return local


def edge_tooltip(edge: GraphEdge, names: tuple[str, str]) -> str:
    """What flows along an edge in one text."""
    text = f"{names[0]} → {names[1]}"
    if edge.argument:
        text += f", argument {edge.argument}"
    if edge.derivative:
        text += f"; local derivative {local_derivative(edge)}"
    return clean(text)
