"""Places along the flow: rows as long as what is in them, and between them the room in which edges bend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from visualize.layout.across import Across
from visualize.layout.order import Order
from visualize.layout.rows import Rows
from visualize.layout.titles import SIDE

PAD = 10.0
"""Room between a cluster's frame and what is in it."""
STUB = 9.0
"""What is straight before a node: the place of the arrowhead."""
STRAIGHT = 24.0
"""The room between two rows where no edge bends."""
BENT = 14.0
"""The least room where one does."""
STEEP = 0.25
"""How much more there is for each unit by which it goes aside."""
MOST = 40.0
"""The most room for that."""


@dataclass(frozen=True, slots=True)
class Along:
    """Where everything is along the flow."""

    columns: list[tuple[float, float]]
    """Where each row begins and ends."""
    zones: list[tuple[float, float]]
    """Where edges bend after each row."""
    frames: list[tuple[float, float]]
    """Where each frame begins and ends."""
    length: float


def along(rows: Rows, order: Order, beside: Across, ends: tuple[float, float], wide: Sequence[float]) -> Along:
    """Find the places; ``ends`` is what frames keep free inside at both ends, ``wide`` what titles need here."""
    lengths = [0.0] * rows.count
    for item in rows.items:
        lengths[item.row] = max(lengths[item.row], item.along)
    first, last = _pads(rows, ends)
    before = [max((first[f] for f in held if f and rows.spans[f][0] == i), default=0.0) for i, held in _held(order)]
    after = [max((last[f] for f in held if f and rows.spans[f][1] == i), default=0.0) for i, held in _held(order)]
    for chain, back in zip(rows.chains, rows.against, strict=True):
        if back:
            row = rows.items[chain[0]].row
            after[row] = max(after[row], STUB)
        else:
            row = rows.items[chain[-1]].row
            before[row] = max(before[row], STUB)
    room = _room(rows, beside)

    def placed() -> tuple[list[tuple[float, float]], list[tuple[float, float]], float]:
        columns: list[tuple[float, float]] = []
        zones: list[tuple[float, float]] = []
        x = _outer(rows, first, 0)
        for i, length in enumerate(lengths):
            if i:
                x += before[i]
            columns.append((x, x + length))
            x += length
            if i + 1 < rows.count:
                x += after[i]
                zones.append((x, x + room[i]))
                x += room[i]
        return columns, zones, x + _outer(rows, last, 1)

    columns, zones, end = placed()
    for frame in range(len(wide) - 1, 0, -1):
        start, stop = rows.spans[frame]
        lack = wide[frame] + 2 * SIDE - (columns[stop][1] + last[frame] - columns[start][0] + first[frame])
        if wide[frame] and lack > 0:
            for row in range(start, stop + 1):
                lengths[row] += lack / (stop - start + 1)
            columns, zones, end = placed()
    frames = [
        (columns[start][0] - first[frame], columns[stop][1] + last[frame])
        for frame, (start, stop) in enumerate(rows.spans)
        if stop >= 0
    ]
    return Along(columns, zones, frames, end)


def _held(order: Order) -> list[tuple[int, list[int]]]:
    return [(i, list(held)) for i, held in enumerate(order.held)]


def _outer(rows: Rows, pads: Sequence[float], side: int) -> float:
    """What frames need before the first row, or after the last."""
    row = (0, rows.count - 1)[side]
    return max((pads[f] for f in range(1, len(pads)) if rows.spans[f][side] == row), default=0.0)


def _pads(rows: Rows, ends: tuple[float, float]) -> tuple[list[float], list[float]]:
    """How far each frame begins before its first row and ends after its last; frames in it are within that."""
    first, last = [0.0] * len(rows.spans), [0.0] * len(rows.spans)
    for frame in range(len(rows.spans) - 1, 0, -1):
        first[frame] += ends[0]
        last[frame] += ends[1]
        outer = rows.nest.parent[frame]
        if outer:
            if rows.spans[outer][0] == rows.spans[frame][0]:
                first[outer] = max(first[outer], first[frame])
            if rows.spans[outer][1] == rows.spans[frame][1]:
                last[outer] = max(last[outer], last[frame])
    return first, last


def _room(rows: Rows, beside: Across) -> list[float]:
    """The room after each row, for what bends there."""
    most = [0.0] * rows.count
    texts = {rows.items[item].row for item in rows.texts if item >= 0}
    for link in beside.links:
        row = rows.items[link.low].row
        most[row] = max(most[row], abs(beside.lines[link.high] + link.port - beside.lines[link.low]))
    room: list[float] = []
    for row, off in enumerate(most):
        if off > 0.5:
            room.append(min(MOST, BENT + STEEP * off))
        else:
            # A text needs no more room where its edge is straight.
            room.append(0.0 if row in texts else STRAIGHT / 3 if row + 1 in texts else STRAIGHT - STUB)
    return room
