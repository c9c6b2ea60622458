"""Places across the flow: links short, the main ones straight, and room for everything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from visualize.layout.order import Order
from visualize.layout.rows import Rows
from visualize.layout.separate import Pair, Separation
from visualize.layout.straight import Groups, Link, links_of, straightened

STEPS = 30
BETWEEN = 8.0
"""What a frame keeps free around it."""
SLIGHT = 6.0
"""A link that is less off than this is made straight."""
LEAST = 1e-3


@dataclass(frozen=True, slots=True)
class Across:
    """Where everything is across the flow."""

    lines: list[float]
    """The line of each item: the middle of a node, and where the edge runs beside its text."""
    walls: list[tuple[float, float]]
    """The lower and the upper side of each frame."""
    links: list[Link]


def across(rows: Rows, order: Order, pads: tuple[float, float], wide: Sequence[float]) -> Across:
    """Find the places.

    Parameters
    ----------
    rows, order
        The items in order.
    pads
        What each frame keeps free inside at its lower and its upper side.
    wide
        How wide each frame is at least.
    """
    links = links_of(rows, order)
    groups = straightened(rows, order, links)
    places = _Places(rows, order, groups, pads, wide)
    lines = places.settle(links, None)
    slight = _slight(rows, links, groups, lines)
    if slight:
        for link in slight:
            groups.join(link)
        places = _Places(rows, order, groups, pads, wide)
        lines = places.settle(links, lines)
    return Across(lines, _walls(rows, lines, pads, wide, places.room), links)


def _slight(rows: Rows, links: Sequence[Link], groups: Groups, lines: Sequence[float]) -> list[Link]:
    """Links that are nearly straight, the only such at their start."""
    near: dict[int, list[Link]] = {}
    for link in links:
        if groups.group[link.low] != groups.group[link.high]:
            off = lines[link.high] + link.port - lines[link.low]
            if abs(off) < SLIGHT:
                near.setdefault(link.low, []).append(link)
    return [some[0] for some in near.values() if len(some) == 1]


class _Places:
    """What is moved across the flow: groups of items, and the sides of frames."""

    def __init__(
        self, rows: Rows, order: Order, groups: Groups, pads: tuple[float, float], wide: Sequence[float]
    ) -> None:
        leaders = sorted(set(groups.group))
        number = {leader: i for i, leader in enumerate(leaders)}
        self.of = [number[leader] for leader in groups.group]
        self.offset = groups.offset
        self.rows = rows
        self._sides = len(leaders)
        gaps = self._gaps(order, pads)
        for frame in range(1, len(rows.spans)):
            low = self._sides + 2 * frame
            gaps[low, low + 1] = max(gaps.get((low, low + 1), 0.0), wide[frame])
        self.count = self._sides + 2 * len(rows.spans)
        self.separation = Separation(self.count, gaps)
        self.room: list[tuple[float, float]] = []
        """Between which places each frame is to be, once all is settled."""

    def _gaps(self, order: Order, pads: tuple[float, float]) -> dict[Pair, float]:
        """The distances between neighbours in each row, sides of frames among them."""
        gaps: dict[Pair, float] = {}
        items, of, offset = self.rows.items, self.of, self.offset

        def keep(low: tuple[int, float], high: tuple[int, float], gap: float) -> None:
            if low[0] != high[0]:
                gap += low[1] - high[1]
                gaps[low[0], high[0]] = max(gap, gaps.get((low[0], high[0]), gap))

        for entries in order.entries:
            # What was passed last: its number and offset, how far it reaches, and what it keeps free.
            last: tuple[tuple[int, float], float, float] | None = None
            todo: list[tuple[int, bool]] = [(entry, True) for entry in reversed(entries.get(0, []))]
            while todo:
                entry, opening = todo.pop()
                if entry >= 0:
                    item, here = items[entry], (of[entry], offset[entry])
                    if last:
                        keep(last[0], here, last[1] + item.low + (last[2] + item.margin if last[2] >= 0 else 0.0))
                    last = (here, item.high, item.margin)
                elif opening:
                    here = (self._sides - 2 * (entry + 1), 0.0)
                    if last:
                        keep(last[0], here, last[1] + (last[2] + BETWEEN if last[2] >= 0 else 0.0))
                    last = (here, pads[0], -1.0)
                    todo.append((entry, False))
                    todo += [(inner, True) for inner in reversed(entries[-1 - entry])]
                else:
                    here = (self._sides - 2 * (entry + 1) + 1, 0.0)
                    if last:
                        keep(last[0], here, last[1] + pads[1])
                    last = (here, 0.0, BETWEEN)
        return gaps

    def settle(self, links: Sequence[Link], start: Sequence[float] | None) -> list[float]:
        """Make the links short, by weighted squares: a step at a time, each with some of the swing of the last."""
        springs = self._springs(links)
        weights = [LEAST] * self.count
        for low, high, _, weight in springs:
            weights[low] += weight
            weights[high] += weight
        places = self.separation.packed()
        if start is not None:
            for i, number in enumerate(self.of):
                places[number] = start[i] - self.offset[i]
            places = self.separation.nearest(places, weights)
        swung = places
        for step in range(STEPS):
            wishes = [place * LEAST for place in swung]
            for low, high, off, weight in springs:
                wishes[low] += weight * (swung[high] + off)
                wishes[high] += weight * (swung[low] - off)
            wishes = [(w / weights[i] + swung[i]) / 2 for i, w in enumerate(wishes)]
            moved = self.separation.nearest(wishes, weights)
            swing = step / (step + 3)
            swung = [new + swing * (new - old) for new, old in zip(moved, places, strict=True)]
            most = max((abs(new - old) for new, old in zip(moved, places, strict=True)), default=0.0)
            places = moved
            if most < 0.05:
                break
        self.room = list(zip(places[self._sides :: 2], places[self._sides + 1 :: 2], strict=True))
        return [places[number] + off for number, off in zip(self.of, self.offset, strict=True)]

    def _springs(self, links: Sequence[Link]) -> list[tuple[int, int, float, float]]:
        """Links between what moves apart: what they pull at, how much higher the one is in them, and how hard."""
        nodes = len(self.rows.nest.home)
        springs: list[tuple[int, int, float, float]] = []
        for link in links:
            low, high = self.of[link.low], self.of[link.high]
            if low != high:
                off = self.offset[link.high] + link.port - self.offset[link.low]
                springs.append((low, high, off, (1.0, 2.0, 4.0)[(link.low >= nodes) + (link.high >= nodes)]))
        return springs


def _walls(
    rows: Rows,
    lines: Sequence[float],
    pads: tuple[float, float],
    wide: Sequence[float],
    room: Sequence[tuple[float, float]],
) -> list[tuple[float, float]]:
    """The sides of each frame, as close to what is in it as its title allows; those of the picture without pads."""
    walls = [(float("inf"), -float("inf"))] * len(rows.spans)

    def hold(frame: int, low: float, high: float) -> None:
        below, above = pads if frame else (0.0, 0.0)
        walls[frame] = (min(walls[frame][0], low - below), max(walls[frame][1], high + above))

    for item, line in zip(rows.items, lines, strict=True):
        hold(item.frame, line - item.low, line + item.high)
    for frame in range(len(rows.spans) - 1, 0, -1):
        low, high = walls[frame]
        lack = max(0.0, wide[frame] - (high - low))
        low = min(max(low - lack / 2, room[frame][0]), low)
        low = min(low, room[frame][1] - (high - low) - lack) if lack else low
        walls[frame] = (low, max(high, low + wide[frame]))
        hold(rows.nest.parent[frame], *walls[frame])
    return walls
