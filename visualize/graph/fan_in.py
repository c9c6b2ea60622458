"""Many operands of one operation as a few: the first, the last, and how many stand between."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
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
    groups = _rows(reduced.graph)
    smaller = contract(reduced, groups.values())
    if not has_cycle(smaller.graph):
        return smaller, sum(map(len, groups))
    folded = 0
    for middle, group in groups.items():
        smaller = contract(reduced, [group])
        if not has_cycle(smaller.graph):
            reduced, folded = smaller, folded + len(middle)
    return reduced, folded


def _rows(graph: Graph) -> dict[tuple[str, ...], Group]:
    """The middle of each long row with the group that it becomes: those of the last results first, and none twice."""
    operands: dict[str, list[str]] = {}
    users: dict[str, set[str]] = {}
    for edge in graph.edges:
        operands.setdefault(edge.target, []).append(edge.source)
        users.setdefault(edge.source, set()).add(edge.target)
    place = {node.id: i for i, node in enumerate(graph.nodes)}
    groups: dict[tuple[str, ...], Group] = {}
    taken: set[str] = set()
    kept = set(graph.roots)
    for target in sorted(operands, key=place.__getitem__, reverse=True):
        if len(operands[target]) <= MANY or target in taken:
            continue
        row = [graph.nodes[place[key]] for key in dict.fromkeys(operands[target]) if key not in taken]
        for _, run in groupby(row, _sort):
            nodes = [node for node in run if node.kind != "group"]
            if len(nodes) > MANY:
                middle = nodes[ENDS:-ENDS]
                keys = tuple(node.id for node in middle)
                own = _with_own(keys, operands, users, kept)
                taken |= own
                kept |= own
                groups[keys] = Group(sorted(own, key=place.__getitem__), _label(middle), middle[0].cluster)
    return groups


def _sort(node: GraphNode) -> tuple[str, str, str, str]:
    """What operands have in common that are drawn as one row: ``x0`` and ``x17``."""
    return node.kind, node.op, node.cluster, _DIGITS.sub("0", node.label)


def _label(middle: Sequence[GraphNode]) -> str:
    first, last = middle[0].label, middle[-1].label
    return f"+{len(middle):,} more" + (f": {first} … {last}" if first and last else "")


def _with_own(
    keys: Sequence[str], operands: Mapping[str, Sequence[str]], users: Mapping[str, Set[str]], kept: Set[str]
) -> set[str]:
    """These nodes, and those that nothing else depends on, but for those that are ``kept``."""
    own, todo = set(keys), list(keys)
    while todo:
        for key in operands.get(todo.pop(), ()):
            if key not in own and key not in kept and own.issuperset(users[key]):
                own.add(key)
                todo.append(key)
    return own
