"""The derivative on each edge: its formula, and for scalars its number."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from tinygrad_lm.autograd import Value
from tinygrad_lm.autograd.graph import Node
from tinygrad_lm.autograd.symbols import local_formula, vjp_formula
from visualize.graph.data import GraphEdge
from visualize.graph.nodes import Number, argument_names, array_of, attributes_of, local_derivatives_of
from visualize.graph.quantities import number

_NAME = re.compile(r"[^\W\d][\w.]*(\[[\d, ]+\])?")
_WORD = re.compile(r"\w+")


def with_local_derivatives(
    edges: Iterable[GraphEdge], nodes: Mapping[str, Node], labels: Mapping[Node, str], fmt: str
) -> tuple[GraphEdge, ...]:
    """The edges with their derivatives: the formula, and for scalars the number."""
    found: dict[str, Sequence[Number | None]] = {}
    written: list[GraphEdge] = []
    spoken: set[str] = set()
    for edge in edges:
        target = nodes.get(edge.target)
        if target is None or edge.source not in nodes or not nodes[edge.source].requires_grad:
            written.append(edge)
            continue
        local = ""
        if isinstance(target, Value):
            if edge.target not in found:
                found[edge.target] = local_derivatives_of(target)
            derivative = found[edge.target][edge.position]
            local = "" if derivative is None else number(derivative, fmt)
        formula = formula_of(target, edge.position, labels)
        if _speaks_of_arguments(formula, target, labels):
            spoken.add(edge.target)
        written.append(replace(edge, formula=formula, local=local))
    return tuple(
        replace(edge, argument=_arguments(nodes[edge.target])[edge.position])
        if edge.target in spoken and not edge.argument
        else edge
        for edge in written
    )


def formula_of(node: Node, position: int, labels: Mapping[Node, str]) -> str:
    """The local derivative of a node to one operand as a formula; empty where it has none.

    Operands and the result are called by their labels, where these read well in a formula, and else by the names of
    the arguments and ``out``; constants are written as numbers.
    """
    if node.operation is None:
        return ""
    names: list[str | float] = list(_words(node, labels))
    for i, parent in enumerate(node.parents):
        if not parent.requires_grad and parent.operation is None and np.size(parent.data) == 1:
            names[i] = float(parent.data)
    out = labels.get(node, "")
    return local_formula(node.operation, position, tuple(names), out if _reads_well(out) else "out")


def vjp_of(node: Node, position: int, labels: Mapping[Node, str]) -> str:
    """What an operation on whole arrays hands to one operand, in terms of ``g``, the gradient of its result."""
    if node.operation is None:
        return ""
    inputs = [array_of(parent) for parent in node.parents]
    words = _words(node, labels)
    return vjp_formula(node.operation, position, words, inputs, array_of(node), attributes_of(node))


def _arguments(node: Node) -> Sequence[str]:
    return () if node.operation is None else argument_names(node.operation, len(node.parents))


def _words(node: Node, labels: Mapping[Node, str]) -> Sequence[str]:
    """What each operand is called in a formula; arguments' names for all if labels would be ambiguous."""
    arguments = _arguments(node)
    called: dict[str, Node] = {}
    names: list[str] = []
    for parent, argument in zip(node.parents, arguments, strict=True):
        label = labels.get(parent, "")
        name = label if _reads_well(label) else argument
        if called.setdefault(name, parent) is not parent:
            return arguments
        names.append(name)
    return names


def _speaks_of_arguments(formula: str, node: Node, labels: Mapping[Node, str]) -> bool:
    """Whether a reader must know which argument is which to read a formula."""
    if not formula or len(node.parents) < 2:
        return False
    words = set(_WORD.findall(formula))
    pairs = zip(_words(node, labels), _arguments(node), node.parents, strict=True)
    return any(name == argument and name in words and labels.get(p) != name for name, argument, p in pairs)


def _reads_well(label: str) -> bool:
    return len(label) <= 12 and label not in ("out", "g") and _NAME.fullmatch(label) is not None
