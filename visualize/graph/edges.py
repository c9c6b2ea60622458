"""The derivative on each edge: what its arguments are called, its formula, and for scalars its number."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from tinygrad_lm.autograd import Value
from tinygrad_lm.autograd.custom import signature_of
from tinygrad_lm.autograd.graph import Node
from tinygrad_lm.autograd.symbols import local_formula, vjp_formula
from visualize.graph.data import GraphEdge
from visualize.graph.quantities import number

COMMUTATIVE = frozenset({"add", "mul", "maximum", "minimum", "logaddexp", "sum"})
"""Operations whose arguments may be exchanged: their edges need no argument names."""


_NAME = re.compile(r"[^\W\d][\w.]*(\[[\d, ]+\])?")
_WORD = re.compile(r"\w+")


@lru_cache(maxsize=1024)
def argument_names(operation: Any, count: int) -> Sequence[str]:
    """What an operation calls its arguments: ``x`` and ``y``, ``x`` and ``weight``..."""
    if operation.name == "dot":
        return [f"w{i}" for i in range(count // 2)] + [f"x{i}" for i in range(count // 2)]
    names: list[str] = []
    function = _function(operation)
    if function is not None:
        try:
            parameters = signature_of(function).parameters.values()
        except (TypeError, ValueError):
            parameters = ()
        for parameter in parameters:
            if parameter.kind is parameter.VAR_POSITIONAL:
                extra = count - len(names)
                names += [parameter.name] if extra == 1 else [f"{parameter.name}{i}" for i in range(extra)]
                break
            names.append(parameter.name)
    if len(names) < count:
        return ["x", "y", "z"][:count] if count <= 3 else [f"x{i}" for i in range(count)]
    return names[:count]


def _function(operation: Any) -> Any:
    """A function whose parameters are the operation's arguments, if there is one."""
    derivatives: tuple[Any, ...] = getattr(operation, "derivatives", ())
    for formula in derivatives:
        if callable(formula):
            return formula
    for attribute in ("reference", "function"):
        function = getattr(operation, attribute, None)
        if callable(function):
            return function
    return None


def with_local_derivatives(
    edges: Iterable[GraphEdge], nodes: Mapping[str, Node], labels: Mapping[int, str], fmt: str
) -> tuple[GraphEdge, ...]:
    """The edges with their derivatives: the formula, and for scalars the number. Labels are by the node's identity."""
    found: dict[str, list[Any]] = {}
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
                found[edge.target] = target.local_derivatives()
            local = number(found[edge.target][edge.position], fmt)
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


def formula_of(node: Node, position: int, labels: Mapping[int, str]) -> str:
    """The local derivative of a node to one operand as a formula; empty where there is none.

    Operands and the result stand in it by their labels, where these read well in a formula, and else by the names
    of the arguments and ``out``; numbers that are constants stand as numbers.
    """
    names: list[str | float] = list(_words(node, labels))
    for i, parent in enumerate(node.parents):
        if not parent.requires_grad and parent.operation is None and np.size(parent.data) == 1:
            names[i] = float(parent.data)
    out = labels.get(id(node), "")
    return local_formula(node.operation, position, tuple(names), out if _reads_well(out) else "out")


def vjp_of(node: Node, position: int, labels: Mapping[int, str]) -> str:
    """What an operation on whole arrays hands to one operand, in terms of ``g``, the gradient of its result."""
    names = tuple(_words(node, labels))
    attributes: dict[str, Any] = getattr(node, "attributes", {})
    return vjp_formula(node.operation, position, names, [parent.data for parent in node.parents], node.data, attributes)


def _arguments(node: Node) -> Sequence[str]:
    return argument_names(node.operation, len(node.parents))


def _words(node: Node, labels: Mapping[int, str]) -> Sequence[str]:
    """What each operand is called in a formula; arguments' names for all if labels would be ambiguous."""
    arguments = _arguments(node)
    called: dict[str, int] = {}
    names: list[str] = []
    for parent, argument in zip(node.parents, arguments, strict=True):
        label = labels.get(id(parent), "")
        name = label if _reads_well(label) else argument
        if called.setdefault(name, id(parent)) != id(parent):
            return arguments
        names.append(name)
    return names


def _speaks_of_arguments(formula: str, node: Node, labels: Mapping[int, str]) -> bool:
    """Whether a reader must know which argument is which to read a formula."""
    if not formula or len(node.parents) < 2:
        return False
    words = set(_WORD.findall(formula))
    pairs = zip(_words(node, labels), _arguments(node), node.parents, strict=True)
    return any(name == argument and name in words and labels.get(id(p)) != name for name, argument, p in pairs)


def _reads_well(label: str) -> bool:
    return len(label) <= 12 and label not in ("out", "g") and _NAME.fullmatch(label) is not None
