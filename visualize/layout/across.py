"""Places across the flow: links short, the main ones straight, and room for everything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from visualize.layout.order import Order
from visualize.layout.rows import Rows
from visualize.layout.separate import Pair, Separation
from visualize.layout.straight import Groups, Link, links_of, straightened
from visualize.layout.titles import AWAY, SIDE, Passing, gap, passing

STEPS = 30
BETWEEN = 8.0
"""What a frame keeps free around it."""
SLIGHT = 6.0
"""A link that is less off than this is made straight."""
LONE = 0.005
"""How hard a link pulls at what has several on its other side, where another pulls with one."""
LEAST = 1e-3
"""How hard everything holds on to its place, so that what has no links has one."""


@dataclass(frozen=True, slots=True)
class Across:
    """Where everything is across the flow."""

    lines: list[float]
    """The line of each item: the middle of a node, and where the edge runs beside its text."""
    walls: list[tuple[float, float]]
    """The lower and the upper side of each frame."""
    links: list[Link]
    titles: list[float]
    """Where the title of each frame begins."""


@dataclass(frozen=True, slots=True)
class Sides:
    """What frames need across the flow."""

    pads: tuple[float, float]
    """What they keep free inside at their lower and their upper side."""
    titles: Sequence[float]
    """The width of the title that stands in each frame's side across the flow; zero where it stands elsewhere."""
    first: bool
    """Whether that is the side before the first row, or the one after the last."""


def across(rows: Rows, order: Order, sides: Sides) -> Across:
    """Find the places of items that are in order."""
    links = links_of(rows, order)
    groups = straightened(rows, order, links)
    through = passing(rows, order, links, sides.first)
    lacking: dict[int, bool] = {}
    places = _Places(rows, order, groups, sides)
    lines = places.settle(links, None)
    for link in _slight(links, groups, lines):
        groups.join(link)
    while True:
        places = _Places(rows, order, groups, sides)
        for frame, below in lacking.items():
            places.keep_title(frame, through[frame][0 if below else -1], below)
        lines = places.settle(links, lines)
        walls = places.walls(lines, sides.pads)
        titles, lack = _titles(through, lines, walls, sides)
        if not lack:
            return Across(lines, walls, links, titles)
        lacking |= lack


def _titles(
    through: Sequence[Sequence[Passing]], lines: Sequence[float], walls: Sequence[tuple[float, float]], sides: Sides
) -> tuple[list[float], dict[int, bool]]:
    """Where each title begins, and the frames that have no room for theirs: whether that is less below the edges."""
    titles: list[float] = []
    lacking: dict[int, bool] = {}
    for frame, ((low, high), width) in enumerate(zip(walls, sides.titles, strict=True)):
        passed = sorted(lines[item] + port for item, port in through[frame])
        place = gap(low, high, width, passed) if width else low + SIDE
        titles.append(low + SIDE if place is None else place)
        if place is None:
            lacking[frame] = not passed or passed[0] - low >= high - passed[-1]
    return titles, lacking


def _slight(links: Sequence[Link], groups: Groups, lines: Sequence[float]) -> list[Link]:
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

    def __init__(self, rows: Rows, order: Order, groups: Groups, sides: Sides) -> None:
        leaders = sorted(set(groups.group))
        number = {leader: i for i, leader in enumerate(leaders)}
        self.of = [number[leader] for leader in groups.group]
        self.offset = groups.offset
        self.rows = rows
        self._sides = len(leaders)
        self.count = self._sides + 2 * len(rows.spans)
        self._gaps = self._distances(order, sides.pads)
        self._titles = sides.titles
        for frame, width in enumerate(sides.titles):
            if width:
                low = self._sides + 2 * frame
                self._keep(low, low + 1, width + 2 * SIDE)
        self._room: list[tuple[float, float]] = []
        """Between which places each frame is to be, once all is settled."""
        self._lacking: dict[int, tuple[Passing, bool]] = {}

    def _keep(self, low: int, high: int, gap: float) -> None:
        self._gaps[low, high] = max(gap, self._gaps.get((low, high), gap))

    def keep_title(self, frame: int, edge: Passing, below: bool) -> None:
        """Let a frame have room for its title below the first edge that passes it, or above the last."""
        self._lacking[frame] = edge, below
        item, port = edge
        room = SIDE + self._titles[frame] + AWAY
        low, place = self._sides + 2 * frame, self.offset[item] + port
        if below:
            self._keep(low, self.of[item], room - place)
        else:
            self._keep(self.of[item], low + 1, room + place)

    def _distances(self, order: Order, pads: tuple[float, float]) -> dict[Pair, float]:
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
        for low, high, _, down, up in springs:
            weights[low] += down
            weights[high] += up
        separation = Separation(self.count, self._gaps)
        places = separation.packed()
        if start is not None:
            for i, number in enumerate(self.of):
                places[number] = start[i] - self.offset[i]
            places = separation.nearest(places, weights)
        swung = places
        for step in range(STEPS):
            wishes = [place * LEAST for place in swung]
            for low, high, off, down, up in springs:
                wishes[low] += down * (swung[high] + off)
                wishes[high] += up * (swung[low] - off)
            wishes = [(w / weights[i] + swung[i]) / 2 for i, w in enumerate(wishes)]
            moved = separation.nearest(wishes, weights)
            swing = step / (step + 3)
            swung = [new + swing * (new - old) for new, old in zip(moved, places, strict=True)]
            most = max((abs(new - old) for new, old in zip(moved, places, strict=True)), default=0.0)
            places = moved
            if most < 0.05:
                break
        self._room = list(zip(places[self._sides :: 2], places[self._sides + 1 :: 2], strict=True))
        return [places[number] + off for number, off in zip(self.of, self.offset, strict=True)]

    def _springs(self, links: Sequence[Link]) -> list[tuple[int, int, float, float, float]]:
        """Links between what moves apart: how much higher the one is in them, and how hard they pull at each end.

        What several links go to is to be in the middle of them, so that a single link on its other side counts little.
        """
        rows = self.rows
        springs: list[tuple[int, int, float, float, float]] = []
        for link in links:
            low, high = self.of[link.low], self.of[link.high]
            if low != high:
                off = self.offset[link.high] + link.port - self.offset[link.low]
                lone_low = len(rows.after[link.low]) == 1 < len(rows.before[link.low])
                lone_high = len(rows.before[link.high]) == 1 < len(rows.after[link.high])
                springs.append((low, high, off, LONE if lone_low else 1.0, LONE if lone_high else 1.0))
        return springs

    def walls(self, lines: Sequence[float], pads: tuple[float, float]) -> list[tuple[float, float]]:
        """The sides of each frame, as close to what is in it as its title allows; the picture's are without pads."""
        rows = self.rows
        walls = [(float("inf"), -float("inf"))] * len(rows.spans)

        def hold(frame: int, low: float, high: float) -> None:
            below, above = pads if frame else (0.0, 0.0)
            walls[frame] = (min(walls[frame][0], low - below), max(walls[frame][1], high + above))

        for item, line in zip(rows.items, lines, strict=True):
            hold(item.frame, line - item.low, line + item.high)
        for frame in range(len(rows.spans) - 1, 0, -1):
            (low, high), least = walls[frame], self._titles[frame] + 2 * SIDE if self._titles[frame] else 0.0
            if frame in self._lacking:
                (item, port), below = self._lacking[frame]
                place = lines[item] + port
                low = min(low, place - AWAY - self._titles[frame] - SIDE) if below else low
                high = high if below else max(high, place + AWAY + self._titles[frame] + SIDE)
            if high - low < least:
                low = max(low - (least - high + low) / 2, self._room[frame][0])
                low = min(low, self._room[frame][1] - least)
                high = max(high, low + least)
            walls[frame] = (low, high)
            hold(rows.nest.parent[frame], low, high)
        return walls
