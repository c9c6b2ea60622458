"""Many operands of one operation as a few: the first, the last, and how many stand between."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from visualize.graph.contract import Group, Reduced, contract, has_cycle
from visualize.graph.data import Graph, GraphNode

MANY = 8
"""So many operands of a kind in a row are drawn one by one."""

ENDS = 2
"""How many are drawn at each end of a longer row."""

_DIGITS = re.compile(r"\d+")


def fold_fan_in(reduced: Reduced) -> tuple[Reduced, int]:
    """Draw of each long row of like operands its two ends, with all that is computed for these alone.

    Also gives the number of operands that were put together.
    """
    graph = reduced.graph
    operands: dict[str, list[str]] = {}
    for edge in graph.edges:
        operands.setdefault(edge.target, []).append(edge.source)
    by_id = {node.id: node for node in graph.nodes}
    folded = 0
    for row in operands.values():
        if len(row) <= MANY:
            continue
        for _, run in groupby(dict.fromkeys(row), lambda key: _sort(by_id[key])):
            keys = [key for key in run if by_id[key].kind != "group"]
            if len(keys) <= MANY:
                continue
            middle = keys[ENDS:-ENDS]
            group = Group(_with_own(reduced.graph, middle), _label(by_id, middle), _home(by_id, middle))
            smaller = contract(reduced, [group])
            if not has_cycle(smaller.graph):
                reduced, folded = smaller, folded + len(middle)
    return reduced, folded


def _sort(node: GraphNode) -> tuple[str, str, str, str]:
    """What operands have in common that are drawn as one row: ``x0`` and ``x17``."""
    return node.kind, node.op, node.cluster, _DIGITS.sub("0", node.label)


def _label(by_id: dict[str, GraphNode], middle: Sequence[str]) -> str:
    first, last = by_id[middle[0]].label, by_id[middle[-1]].label
    return f"+{len(middle):,} more" + (f": {first} … {last}" if first and last else "")


def _home(by_id: dict[str, GraphNode], middle: Sequence[str]) -> str:
    return by_id[middle[0]].cluster


def _with_own(graph: Graph, keys: Sequence[str]) -> list[str]:
    """These nodes, and those that nothing else depends on."""
    users: dict[str, list[str]] = {}
    for edge in graph.edges:
        users.setdefault(edge.source, []).append(edge.target)
    own = set(keys)
    for node in reversed(graph.nodes):
        if node.id not in own and users.get(node.id) and node.id not in graph.roots and own.issuperset(users[node.id]):
            own.add(node.id)
    return [node.id for node in graph.nodes if node.id in own]
