"""What is written into a graph's nodes and edges: shapes, numbers, gradients, lines of code and local derivatives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from tinygrad_lm.autograd import Value
from tinygrad_lm.autograd.graph import Node
from visualize.graph.data import Graph, GraphNode
from visualize.graph.edges import with_local_derivatives, words_of
from visualize.graph.extract import Extract, extract
from visualize.graph.given import is_array
from visualize.graph.health import STALE, Health
from visualize.graph.heat import cells_of
from visualize.graph.naming import Names, naming_of
from visualize.graph.nodes import array_of, attributes_of
from visualize.graph.quantities import number, summary
from visualize.graph.source_lines import line_of

SAME_NUMBERS = frozenset({"reshape", "transpose", "alias", "astype"})
"""Operations whose results are the numbers of their operand."""

LONGEST = 40
"""Options of more characters are cut."""


def graph_of(*roots: Node, names: Names = None, fmt: str = ".4g") -> Graph:
    """The whole graph of one or more roots, with every number written out.

    Parameters
    ----------
    *roots
        The results whose graph it is: ``Value``s or ``Tensor``s.
    names
        Labels: a dictionary from name to node (``locals()`` will do), or a module, whose parameters are then called as
        in ``named_parameters()``.
    fmt
        How numbers are written.

    Raises
    ------
    TypeError
        For names that are neither a dictionary nor a model.

    Examples
    --------
    >>> from tinygrad_lm import Value
    >>> x = Value(3.0, label="x")
    >>> [(edge.source, edge.target) for edge in graph_of(x * x).edges]
    [('v0', 'v1'), ('v0', 'v1')]
    """
    extracted = extract(*roots, naming=naming_of(names))
    return described(extracted.graph, extracted, fmt, local=True)


def described(
    graph: Graph,
    extracted: Extract,
    fmt: str = ".4g",
    members: Mapping[str, Sequence[str]] | None = None,
    lines: bool = False,
    local: bool = False,
    heat: bool = False,
    health: Health | None = None,
) -> Graph:
    """Write into a graph, or into what became of it, the numbers of the nodes that it was extracted from.

    ``members`` has the ids behind each group; ``lines`` adds the line of code that made each node, ``local`` the
    derivative on each edge, with the names that it calls nodes by, and ``heat`` a small picture of each array. Where a
    graph is described several times, ``health`` is what was found out once.
    """
    behind, health = extracted.nodes, health or Health(extracted)
    words = words_of(extracted) if local else {}
    nodes: list[GraphNode] = []
    for entry in graph.nodes:
        if entry.id in behind:
            node = _node(entry, behind[entry.id], fmt, lines)
            cells = cells_of(array_of(behind[entry.id])) if heat else ()
            nodes.append(replace(node, name=words.get(behind[entry.id], ""), cells=cells))
        elif entry.id in extracted.arrays:
            array = extracted.arrays[entry.id]
            data = summary(array, fmt)
            cells = cells_of(array) if heat else ()
            nodes.append(replace(entry, shape=array.shape, dtype=str(array.dtype), data=data, cells=cells))
        else:
            inner = [behind[key] for key in (members or {}).get(entry.id, ()) if key in behind]
            nodes.append(_group(entry, inner, extracted))
    nodes = [health.told(entry, (members or {}).get(entry.id, (entry.id,))) for entry in nodes]
    edges = with_local_derivatives(graph.edges, behind, words, fmt) if local else graph.edges
    notes = (*graph.notes, STALE) if any(node.note.startswith("stale") for node in nodes) else graph.notes
    return replace(graph, nodes=tuple(nodes), edges=edges, notes=notes)


def _node(entry: GraphNode, node: Node, fmt: str, lines: bool) -> GraphNode:
    data = summary(node.data, fmt)
    grad = "-" if node.requires_grad else ""
    if node.grad is not None:
        grad = summary(node.grad, fmt)
    shape, dtype = _shape_and_dtype(node)
    line = line_of(node) if lines else ""
    options = _options(attributes_of(node))
    quiet = entry.op in SAME_NUMBERS and entry.kind == "operation"
    return replace(entry, shape=shape, dtype=dtype, options=options, data=data, grad=grad, line=line, quiet=quiet)


def _group(entry: GraphNode, nodes: Sequence[Node], extracted: Extract) -> GraphNode:
    """What a group holds: the shape of its last result, and how many numbers are learned in it."""
    parameters = [node for node in nodes if node.operation is None and extracted.naming.is_parameter(node)]
    last = next((node for node in reversed(nodes) if node.operation is not None), None)
    shape, dtype = (None, "") if last is None else _shape_and_dtype(last)
    return replace(entry, weights=sum(int(np.size(node.data)) for node in parameters), shape=shape, dtype=dtype)


def _shape_and_dtype(node: Node) -> tuple[tuple[int, ...] | None, str]:
    """The shape and dtype of a tensor; ``None`` and nothing for a ``Value``."""
    if isinstance(node, Value):
        return None, ""
    array = array_of(node)
    return array.shape, str(array.dtype)


def _options(attributes: Mapping[str, object]) -> str:
    """The attributes of an operation as text: ``axis=1, keepdims=True``."""
    parts: list[str] = []
    for name, value in attributes.items():
        if value is None or value is False or is_array(value):
            continue  # an array is a node of its own
        text = number(value) if isinstance(value, float) else repr(value)
        text = " ".join(text.split())
        parts.append(f"{name}={text if len(text) <= LONGEST else text[: LONGEST - 1] + '…'}")
    return ", ".join(parts)
