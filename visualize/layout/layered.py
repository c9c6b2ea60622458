"""Layered drawing of one flat graph: ranks along one axis, an order with few crossings across it, and bends."""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections.abc import Collection, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise

Pair = tuple[int, int]
Point = tuple[float, float]

SWEEPS = 8
BEND = 8.0
"""How much room a passing edge takes across a layer."""


@dataclass(frozen=True, slots=True)
class Layers:
    """Where everything is: ``along`` the flow and ``across`` it."""

    centres: list[Point]
    """The centre of each item."""
    columns: list[Point]
    """Where the layer of each item begins and ends along the flow."""
    bends: list[list[Point]]
    """For each edge the points where it enters and leaves the layers between its ends, in its own direction."""
    along: float
    across: float


def layered(
    sizes: Sequence[Point],
    edges: Sequence[Pair],
    gap: float,
    space: float,
    first: Collection[int] = (),
    last: Collection[int] = (),
) -> Layers:
    """Lay out items of given sizes: operands before results, each as near to its use as it can be.

    Parameters
    ----------
    sizes
        The size of each item along the flow and across it.
    edges
        The positions of each edge's source and target in ``sizes``.
    gap, space
        What is kept free between layers, and between neighbours in one.
    first, last
        The positions of the items that are held at the two ends.
    """
    ranks = _ranks(len(sizes), edges, first, last)
    extents = [size[0] for size in sizes]
    thickness = [size[1] for size in sizes]
    chains: list[list[int]] = []
    links: list[Pair] = []
    for source, target in edges:
        low, high = (source, target) if ranks[source] <= ranks[target] else (target, source)
        chain = [low]
        for rank in range(ranks[low] + 1, ranks[high]):
            chain.append(len(ranks))
            ranks.append(rank)
            extents.append(0.0)
            thickness.append(BEND)
        chain.append(high)
        if ranks[low] != ranks[high]:
            links += pairwise(chain)
        chains.append(chain if low == source else chain[::-1])
    layers: list[list[int]] = [[] for _ in range(max(ranks, default=-1) + 1)]
    for item, rank in enumerate(ranks):
        layers[rank].append(item)
    before, after = _neighbours(len(ranks), links)
    layers = _order(layers, before, after, links, ranks)
    across = _across(layers, before, after, thickness, space)
    near_ends = [i for i, layer in enumerate(layers) if set(layer) <= {*first, *last}]
    columns = _columns(layers, extents, gap, set(near_ends))
    low = min((across[i] - thickness[i] / 2 for i in range(len(ranks))), default=0.0)
    high = max((across[i] + thickness[i] / 2 for i in range(len(ranks))), default=0.0)
    centres = [(math.fsum(columns[ranks[i]]) / 2, across[i] - low) for i in range(len(sizes))]
    bends: list[list[Point]] = []
    for (source, target), chain in zip(edges, chains, strict=True):
        step = 1 if ranks[source] <= ranks[target] else -1
        bends.append([(x, across[i] - low) for i in chain[1:-1] for x in columns[ranks[i]][::step]])
    ends = [columns[ranks[i]] for i in range(len(sizes))]
    return Layers(centres, ends, bends, columns[-1][1] if columns else 0.0, high - low)


def _ranks(count: int, edges: Sequence[Pair], first: Collection[int], last: Collection[int]) -> list[int]:
    """The layer of each item: the longest way to the end counts; edges that close a cycle do not."""
    targets: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for source, target in edges:
        if source != target:
            targets[source].append(target)
            waiting[target] += 1
    place: dict[int, int] = {}
    ready = [i for i in range(count - 1, -1, -1) if waiting[i] == 0]
    left = list(range(count - 1, -1, -1))
    while len(place) < count:
        while left and left[-1] in place:
            left.pop()
        # Nothing is ready inside a cycle: take the earliest item and ignore what comes back to it.
        item = ready.pop() if ready else left[-1]
        if item in place:
            continue
        place[item] = len(place)
        for target in targets[item]:
            waiting[target] -= 1
            if waiting[target] == 0 and target not in place:
                ready.append(target)
    height = [0] * count
    ends = set(last)
    for item in sorted(place, key=place.__getitem__, reverse=True):
        forward = [height[t] + 1 for t in targets[item] if place[t] > place[item]]
        height[item] = max(forward, default=0 if item in ends or not last else 1)
    top = max(height, default=0)
    if any(height[i] == top for i in range(count) if i not in set(first)) and first:
        top += 1
    starts = set(first)
    return [0 if i in starts else top - height[i] for i in range(count)]


def _neighbours(count: int, links: Sequence[Pair]) -> tuple[list[list[int]], list[list[int]]]:
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    for low, high in links:
        before[high].append(low)
        after[low].append(high)
    return before, after


def _order(
    layers: list[list[int]],
    before: list[list[int]],
    after: list[list[int]],
    links: Sequence[Pair],
    ranks: Sequence[int],
) -> list[list[int]]:
    """Sort each layer by the mean place of its neighbours, forth and back; the best order seen is kept."""
    by_rank: list[list[Pair]] = [[] for _ in layers]
    for low, high in links:
        by_rank[ranks[low]].append((low, high))
    best, fewest = [list(layer) for layer in layers], _crossings(layers, by_rank)
    current = [list(layer) for layer in layers]
    for sweep in range(SWEEPS):
        if fewest == 0:
            break
        forward = sweep % 2 == 0
        neighbours = before if forward else after
        place = _places(current)
        for layer in current if forward else reversed(current):
            keys = {
                item: math.fsum(place[n] for n in neighbours[item]) / len(neighbours[item])
                if neighbours[item]
                else float(place[item])
                for item in layer
            }
            layer.sort(key=keys.__getitem__)
            for i, item in enumerate(layer):
                place[item] = i
        crossings = _crossings(current, by_rank)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in current], crossings
    return best


def _places(layers: Sequence[Sequence[int]]) -> dict[int, int]:
    return {item: i for layer in layers for i, item in enumerate(layer)}


def _crossings(layers: Sequence[Sequence[int]], by_rank: Sequence[Sequence[Pair]]) -> int:
    place = _places(layers)
    total = 0
    for links in by_rank:
        seen: list[int] = []
        for _, high in sorted((place[low], place[high]) for low, high in links):
            total += len(seen) - bisect_right(seen, high)
            insort(seen, high)
    return total


def _across(
    layers: Sequence[Sequence[int]],
    before: list[list[int]],
    after: list[list[int]],
    thickness: Sequence[float],
    space: float,
) -> list[float]:
    """Places across the flow: each item as near to its neighbours' mean as order and sizes allow."""
    position = [0.0] * len(thickness)
    for layer in layers:
        edge = 0.0
        for item in layer:
            position[item] = edge + thickness[item] / 2
            edge += thickness[item] + space
    for sweep in range(2 * SWEEPS):
        forward = sweep % 2 == 0
        for layer in layers if forward else reversed(layers):
            wanted: list[float] = []
            for item in layer:
                near = before[item] if forward else after[item]
                both = near or (after[item] if forward else before[item])
                wanted.append(math.fsum(position[n] for n in both) / len(both) if both else position[item])
            _settle(layer, wanted, thickness, space, position)
    return position


def _settle(
    layer: Sequence[int], wanted: Sequence[float], thickness: Sequence[float], space: float, position: list[float]
) -> None:
    """Move a layer's items to where they want to be, in order and without overlap (isotonic regression)."""
    offsets: list[float] = []
    offset = 0.0
    for i, item in enumerate(layer):
        if i:
            offset += (thickness[layer[i - 1]] + thickness[item]) / 2 + space
        offsets.append(offset)
    blocks: list[tuple[float, int]] = []
    for i in range(len(layer)):
        mean, count = wanted[i] - offsets[i], 1
        while blocks and blocks[-1][0] > mean:
            other, size = blocks.pop()
            mean, count = (mean * count + other * size) / (count + size), count + size
        blocks.append((mean, count))
    i = 0
    for mean, count in blocks:
        for _ in range(count):
            position[layer[i]] = mean + offsets[i]
            i += 1


def _columns(layers: Sequence[Sequence[int]], extents: Sequence[float], gap: float, ends: Set[int]) -> list[Point]:
    """Where each layer begins and ends; the layers at the ends, where nothing but edges is, are kept close."""
    columns: list[Point] = []
    start = 0.0
    for i, layer in enumerate(layers):
        end = start + max((extents[item] for item in layer), default=0.0)
        columns.append((start, end))
        start = end + (gap / 3 if i in ends or i + 1 in ends else gap)
    return columns
