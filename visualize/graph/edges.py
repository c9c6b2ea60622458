"""The derivative on each edge: whose it is, its formula, and for scalars its number."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from tinygrad_lm.autograd import Value
from tinygrad_lm.autograd.graph import Node
from tinygrad_lm.autograd.on_the_board import vjp_formula
from tinygrad_lm.autograd.symbols import local_formula
from visualize.graph.data import GraphEdge
from visualize.graph.extract import Extract
from visualize.graph.nodes import Number, array_of, attributes_of, local_derivatives_of
from visualize.graph.quantities import number

LONGEST = 20
"""Labels of more characters are too long for a formula."""

_NAME = re.compile(r"[^\W\d][\w.]*(\[[\d, ]+\])?")
_NUMBERED = re.compile(r"([^\W\d]+)\d+")

Words = Mapping[Node, str]
"""What formulas call each node."""


def words_of(extracted: Extract) -> dict[Node, str]:
    """What formulas call each node: its label, where that reads well and no other node has it, or ``v3``, say.

    The intermediate results of a program are numbered like this since Wengert (1964).
    """
    labels = [entry.label for entry in extracted.graph.nodes]
    count = Counter(labels)
    taken = {match[1] for label in count if (match := _NUMBERED.fullmatch(label))}
    letter = next((name for name in ("v", "n", "u", "t", "node") if name not in taken), "node_")
    words: dict[Node, str] = {}
    for entry in extracted.graph.nodes:
        if entry.id in extracted.nodes:
            own = count[entry.label] == 1 and _reads_well(entry.label)
            words[extracted.nodes[entry.id]] = entry.label if own else letter + entry.id[1:]
    return words | {twin: words[first] for twin, first in extracted.twins.items()}


def with_local_derivatives(
    edges: Iterable[GraphEdge], nodes: Mapping[str, Node], words: Words, fmt: str
) -> tuple[GraphEdge, ...]:
    """The edges with their derivatives: whose they are, the formula, and for scalars the number."""
    found: dict[str, Sequence[Number | None]] = {}
    written: list[GraphEdge] = []
    for edge in edges:
        source, target = nodes.get(edge.source), nodes.get(edge.target)
        if target is None or source is None or not source.requires_grad:
            written.append(edge)
            continue
        local = ""
        if isinstance(target, Value):
            if edge.target not in found:
                found[edge.target] = local_derivatives_of(target)
            derivative = found[edge.target][edge.position]
            local = "" if derivative is None else number(derivative, fmt)
        formula = formula_of(target, edge.position, words)
        whose = derivative_of(target, source, words) if formula or local else ""
        written.append(replace(edge, derivative=whose, formula=formula, local=local))
    return tuple(written)


def derivative_of(target: Node, source: Node, words: Words) -> str:
    """The sign of a local derivative: ``∂o/∂n``."""
    return f"∂{words[target]}/∂{words[source]}"


def formula_of(node: Node, position: int, words: Words, named: Container[Node] = ()) -> str:
    """The local derivative of a node to one operand as a formula; empty where it has none.

    Constants are written as numbers, but for those that are ``named``.
    """
    if node.operation is None:
        return ""
    names: list[str | float] = [words[parent] for parent in node.parents]
    for i, parent in enumerate(node.parents):
        is_constant = not parent.requires_grad and parent.operation is None and np.size(parent.data) == 1
        if is_constant and parent not in named:
            names[i] = float(array_of(parent).item())
    return local_formula(node.operation, position, tuple(names), words[node])


def vjp_of(node: Node, position: int, words: Words) -> str:
    """What an operation on whole arrays hands to one operand, in terms of ``g``, the gradient of its result."""
    if node.operation is None:
        return ""
    inputs = [array_of(parent) for parent in node.parents]
    called = ["g", words[node], *(words[parent] for parent in node.parents)]
    if "g" in called[1:]:
        called[0] = "ḡ"
    return vjp_formula(node.operation, position, called, inputs, array_of(node), attributes_of(node))


def _reads_well(label: str) -> bool:
    return len(label) <= LONGEST and _NAME.fullmatch(label) is not None
