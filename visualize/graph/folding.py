"""Finding what a program does again and again, so that it can be drawn once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from visualize.graph.contract import Group, Reduced, contract, has_cycle
from visualize.graph.data import Graph, GraphNode

_NUMBER = re.compile(r"\d+")

LONGEST = 512
"""Repeats of more nodes than this are not looked for."""

LEAST = 2
"""Repeats have to be more than these."""

CANDIDATES = 12
ROUNDS = 24
MOST = 0.9
"""A repeat that is this much of the whole is not bettered by a longer period."""


@dataclass(frozen=True, slots=True)
class _Run:
    """``repeats`` equal stretches of ``period`` nodes each, from ``start`` on."""

    start: int
    period: int
    repeats: int


def fold(reduced: Reduced, enough: Callable[[Reduced], bool], of_modules_alone: bool = False) -> tuple[Reduced, int]:
    """Fold repeats, the longest first, until that is enough or nothing repeats; ``of_modules_alone`` only their calls.

    The first repeat stays; the others become one group. Also gives the number of repeats put together.
    """
    folded = 0
    for _ in range(ROUNDS):
        if enough(reduced):
            break
        smaller, count = _fold_once(reduced, of_modules_alone)
        if smaller is None:
            break
        reduced, folded = smaller, folded + count
    return reduced, folded


def _fold_once(reduced: Reduced, of_modules_alone: bool) -> tuple[Reduced | None, int]:
    graph = reduced.graph
    parents: dict[str, list[str]] = {}
    for edge in graph.edges:
        parents.setdefault(edge.target, []).append(edge.source)
    order = _deepest_first(graph, parents)
    by_id = {node.id: node for node in graph.nodes}
    for found in _runs(order, by_id, parents):
        run = _from_a_border(found, order, by_id)
        rest = order[run.start + run.period : run.start + run.period * run.repeats]
        first = order[run.start : run.start + run.period]
        count = run.repeats - 1
        shared = _shares_weights(graph, run, order, parents)
        home = _common_cluster(graph, [by_id[key].cluster for key in (*first, *rest)])
        kind = _kind_of(graph, home, [by_id[key] for key in (*first, *rest)])
        if of_modules_alone and not kind:
            continue
        label = f"×{count:,} {kind or 'the same weights'} again" if shared else f"+{count:,} more {kind}".rstrip()
        smaller = contract(reduced, [Group(rest, label, home, with_leaves=True)])
        if len(smaller) < len(reduced) and not has_cycle(smaller.graph):
            return _without_weights_again(smaller, label) if shared else smaller, count
    return None, 0


def _from_a_border(run: _Run, order: Sequence[str], by_id: Mapping[str, GraphNode]) -> _Run:
    """The run from where a module's call begins, where its repeats are such calls, and not from within one."""
    homes = [by_id[key].cluster for key in order[max(run.start - 1, 0) : run.start + run.period]]
    for shift, (before, here) in enumerate(pairwise(homes if run.start else ["", *homes])):
        again = order[run.start + shift + run.period - 1], order[run.start + shift + run.period]
        if before != here and by_id[again[0]].cluster != by_id[again[1]].cluster:
            repeats = run.repeats - (shift > 0)
            return _Run(run.start + shift, run.period, repeats) if repeats > LEAST else run
    return run


def _without_weights_again(reduced: Reduced, label: str) -> Reduced:
    """Leave out that the same weights are used again, which the label says."""
    graph = reduced.graph
    again = {node.id for node in graph.nodes if node.label == label}
    learned = {node.id for node in graph.nodes if node.kind == "parameter"}
    edges = tuple(edge for edge in graph.edges if edge.target not in again or edge.source not in learned)
    return Reduced(replace(graph, edges=edges), reduced.members)


def _kind_of(graph: Graph, home: str, nodes: Sequence[GraphNode]) -> str:
    """The class of the modules whose calls repeat; empty where what repeats is not one module's calls."""
    clusters = {cluster.id: cluster for cluster in graph.clusters}
    kinds: set[str] = set()
    for node in nodes:
        if node.cluster == home:
            kinds.add(node.label.rpartition(": ")[2] if node.module >= 0 else "")
            continue
        cluster = clusters[node.cluster]
        while cluster.parent != home:
            cluster = clusters[cluster.parent]
        kinds.add(cluster.kind)
    return kinds.pop() if len(kinds) == 1 else ""


def _deepest_first(graph: Graph, parents: Mapping[str, Sequence[str]]) -> list[str]:
    """A topological order of the operations in which a long history comes before what is done with it.

    So the steps of a loop stand one after the other, as they ran.
    """
    level: dict[str, int] = {}
    for node in graph.nodes:
        if node.id in parents:
            longest = 0
            for parent in parents[node.id]:
                # Leaves have no level, and within a cycle it is not known yet.
                longest = max(longest, level.get(parent, 0))
            level[node.id] = longest + 1
    order: list[str] = []
    entered: set[str] = set()
    finished: set[str] = set()
    stack = [root for root in reversed(graph.roots) if root in parents]
    while stack:
        key = stack[-1]
        if key in entered:
            stack.pop()
            if key not in finished:
                finished.add(key)
                order.append(key)
            continue
        entered.add(key)
        coming = [parent for parent in parents[key] if parent in level and parent not in entered]
        if len(coming) > 1:
            # What is pushed last is visited first.
            coming.reverse()
            coming.sort(key=level.__getitem__)
        stack += coming
    return order


def _runs(order: Sequence[str], by_id: Mapping[str, GraphNode], parents: Mapping[str, Sequence[str]]) -> list[_Run]:
    """Stretches that repeat at least twice more, those that save most first."""
    codes: dict[tuple[object, ...], int] = {}
    names = np.empty(len(order), np.int64)
    for i, key in enumerate(order):
        node = by_id[key]
        what = _NUMBER.sub("0", node.label) if node.kind == "group" else node.op
        sort = (what, node.kind == "loss", len(parents[key]))
        names[i] = codes.setdefault(sort, len(codes))
    found: list[tuple[int, int, int]] = []
    for period in range(1, min(LONGEST, len(order) // 3) + 1):
        same = names[period:] == names[:-period]
        breaks = np.flatnonzero(~same)
        starts = np.concatenate(([0], breaks + 1))
        lengths = np.concatenate((breaks, [len(same)])) - starts
        best = int(lengths.argmax())
        if lengths[best] >= 2 * period:
            found.append((int(lengths[best]), period, int(starts[best])))
            if lengths[best] > MOST * len(order):
                break
    found = [(length // period * period, period, start) for length, period, start in found]
    found.sort(key=lambda entry: (-entry[0], entry[1]))
    place = {key: i for i, key in enumerate(order)}
    runs: list[_Run] = []
    saved = 0
    for length, period, start in found[:CANDIDATES]:
        if saved >= length:
            break
        run = _wired_alike(order, place, parents, _Run(start, period, length // period + 1))
        if run is not None:
            runs.append(run)
            saved = max(saved, (run.repeats - 1) * period)
    return sorted(runs, key=lambda run: (-(run.repeats - 1) * run.period, run.period))


def _wired_alike(
    order: Sequence[str], place: Mapping[str, int], parents: Mapping[str, Sequence[str]], run: _Run
) -> _Run | None:
    """The part of a run whose repeats are also connected alike; the first may get its operands from elsewhere."""
    period = run.period
    longest, end, streak = 0, 0, 0
    for block in range(2, run.repeats):
        begin = run.start + block * period
        alike = all(_alike(order[i], order[i - period], period, place, parents) for i in range(begin, begin + period))
        streak = streak + 1 if alike else 0
        if streak > longest:
            longest, end = streak, block
    return _Run(run.start + (end - longest - 1) * period, period, longest + 2) if longest else None


def _alike(key: str, earlier: str, period: int, place: Mapping[str, int], parents: Mapping[str, Sequence[str]]) -> bool:
    """Whether a node uses what its counterpart one period before uses: the same, or its counterpart."""
    for mine, other in zip(parents[key], parents[earlier], strict=True):
        if mine == other:
            continue
        a, b = place.get(mine), place.get(other)
        if (a is None) != (b is None):
            return False
        # Two leaves, or operations a period apart.
        if a is not None and b is not None and a - b != period:
            return False
    return True


def _shares_weights(graph: Graph, run: _Run, order: Sequence[str], parents: Mapping[str, Sequence[str]]) -> bool:
    """Whether every repeat uses the same trainable leaves."""
    trainable = {node.id for node in graph.nodes if node.kind in ("parameter", "input")}
    named = {node.id for node in graph.nodes if node.kind == "parameter"}
    modules = {node.id: node.module for node in graph.nodes if node.module >= 0}
    middle, last = (order[run.start + i * run.period :][: run.period] for i in (1, 2))
    called = [{modules[key] for key in keys if key in modules} for keys in (middle, last)]
    if called[0] & called[1]:
        return called[0] == called[1]
    second, third = ({p for key in keys for p in parents[key] if p in trainable} for keys in (middle, last))
    return bool(second & third) and not ((second ^ third) & named)


def _common_cluster(graph: Graph, clusters: Sequence[str]) -> str:
    """The innermost cluster around all of them."""
    around = {cluster.id: cluster.parent for cluster in graph.clusters}

    def chain(key: str) -> list[str]:
        found: list[str] = []
        while key:
            found.append(key)
            key = around[key]
        return found[::-1]

    common: list[str] | None = None
    for key in dict.fromkeys(clusters):
        path = chain(key)
        common = path if common is None else [a for a, b in zip(common, path, strict=False) if a == b]
    return common[-1] if common else ""
