"""Where a frame's title goes when edges run through the strip that it stands in: into a gap between them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from visualize.layout.order import Order
from visualize.layout.rows import Rows
from visualize.layout.straight import Link

SIDE = 9.0
"""How far a title is from the side of its frame."""
AWAY = 6.0
"""How far it is from an edge, at least."""

Passing = tuple[int, float]
"""An item in whose row an edge passes, and by how much beside its line."""


def passing(rows: Rows, order: Order, links: Sequence[Link], first: bool) -> list[list[Passing]]:
    """The edges that run through each frame's side before its first row, or after its last, in order."""
    found: list[list[Passing]] = [[] for _ in rows.spans]
    for link in links:
        item, other, port = (link.high, link.low, link.port) if first else (link.low, link.high, 0.0)
        outside = rows.nest.around[rows.items[other].frame]
        for frame in rows.nest.around[rows.items[item].frame]:
            if frame not in outside:
                found[frame].append((item, port))
    for some in found:
        some.sort(key=lambda one: (order.place[one[0]], one[1]))
    return found


def gap(low: float, high: float, width: float, lines: Sequence[float]) -> float | None:
    """The lowest place for a title between the sides of its frame and the lines that run there, if there is one."""
    ends = [low + SIDE - AWAY, *lines, high - SIDE + AWAY]
    for one, other in pairwise(ends):
        if other - one >= width + 2 * AWAY - 1e-6:
            return one + AWAY
    return None
