"""Rows of items: nodes, edges' texts, and the places where edges pass, each in its row and frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from visualize.layout.ranks import Nest, ranks_of

LINE = 2.0
"""What is free between an edge and its own text."""
PASS = 4.0
"""Half of what a passing edge takes across its row."""


@dataclass(slots=True)
class Item:
    """Something that takes room in a row. What is across the flow is measured from the line of its edges."""

    row: int
    frame: int
    """The innermost frame around it."""
    low: float = 0.0
    """How far it reaches to the lower side, across the flow."""
    high: float = 0.0
    along: float = 0.0
    """Its length along the flow."""
    margin: float = 0.0
    """What it keeps free on both sides."""


@dataclass(slots=True)
class Rows:
    """A graph in rows. The first items are the graph's nodes."""

    nest: Nest
    items: list[Item]
    chains: list[list[int]]
    """For each edge the items it goes through, one in each row, in the direction of the flow."""
    against: list[bool]
    """For each edge whether it runs against the flow."""
    texts: list[int]
    """For each edge the item that is its text, or -1."""
    spans: list[tuple[int, int]]
    """The first and last row of each frame."""
    before: list[list[int]] = field(default_factory=list[list[int]])
    """The items of the row before that are linked to each item; ``after`` likewise."""
    after: list[list[int]] = field(default_factory=list[list[int]])
    count: int = 0
    """How many rows there are."""


def rows_of(nest: Nest, sizes: Sequence[tuple[float, float]], texts: Sequence[tuple[float, float, float]]) -> Rows:
    """Put everything in its row.

    Parameters
    ----------
    nest
        The graph.
    sizes
        The size of each node, along the flow and across it.
    texts
        The size of each edge's text along the flow, and how far it reaches from its edge's line to the lower and to
        the higher side; all zero where there is none.
    """
    ranks, against = ranks_of(nest)
    ends = [(b, a) if back else (a, b) for (a, b), back in zip(nest.pairs, against, strict=True)]
    # Texts have a row of their own before the nodes that their edges go to.
    told = {ranks[high] for (_, high), text in zip(ends, texts, strict=True) if text[0]}
    row_of: list[int] = []
    for rank in range(max(ranks, default=-1) + 1):
        row_of.append((row_of[-1] if row_of else -1) + (2 if rank in told else 1))
    items: list[Item] = []
    for rank, frame, (along, across) in zip(ranks, nest.home, sizes, strict=True):
        items.append(Item(row_of[rank], frame, across / 2, across / 2, along, 7.0))
    spans = _spans(nest, items, ends, texts)
    rows = Rows(nest, items, [], against, [], spans, count=row_of[-1] + 1 if row_of else 0)
    for (low, high), (along, below, above) in zip(ends, texts, strict=True):
        chain, text = [low], -1
        for row in range(items[low].row + 1, items[high].row):
            chain.append(len(items))
            frame = _passing(nest, spans, low, high, row)
            if along and row == items[high].row - 1:
                text = chain[-1]
                items.append(Item(row, frame, max(below, LINE), max(above, LINE), along, 2.0))
            else:
                items.append(Item(row, frame, PASS, PASS, 0.0, 3.0))
        rows.chains.append([*chain, high])
        rows.texts.append(text)
    _fill(rows)
    rows.before, rows.after = [[] for _ in items], [[] for _ in items]
    for chain in rows.chains:
        for low, high in pairwise(chain):
            rows.before[high].append(low)
            rows.after[low].append(high)
    return rows


def _spans(
    nest: Nest,
    items: Sequence[Item],
    ends: Sequence[tuple[int, int]],
    texts: Sequence[tuple[float, float, float]],
) -> list[tuple[int, int]]:
    """The first and last row of each frame, with the texts of the edges that come into it."""
    first = [10**9] * len(nest.parent)
    last = [-1] * len(nest.parent)
    starts = [item.row for item in items]
    for (_, high), text in zip(ends, texts, strict=True):
        if text[0]:
            starts[high] = items[high].row - 1
    for node, item in enumerate(items):
        for frame in nest.around[item.frame]:
            first[frame] = min(first[frame], starts[node])
            last[frame] = max(last[frame], item.row)
    return list(zip(first, last, strict=True))


def _passing(nest: Nest, spans: Sequence[tuple[int, int]], low: int, high: int, row: int) -> int:
    """The innermost frame in which an edge passes a row: a frame is left at its end, and entered at its start."""
    shared = nest.shared(low, high)
    for node in (low, high):
        for frame in reversed(nest.around[nest.home[node]][shared:]):
            if spans[frame][0] <= row <= spans[frame][1]:
                return frame
    return nest.around[nest.home[low]][shared - 1]


def _fill(rows: Rows) -> None:
    """Give each frame an item in each row that it spans."""
    present = {(frame, item.row) for item in rows.items for frame in rows.nest.around[item.frame]}
    for frame in range(len(rows.spans) - 1, 0, -1):
        first, last = rows.spans[frame]
        for row in range(first, last + 1):
            if (frame, row) not in present:
                rows.items.append(Item(row, frame))
                present |= {(outer, row) for outer in rows.nest.around[frame]}
