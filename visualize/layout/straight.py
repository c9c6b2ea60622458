"""Which links between items are drawn straight: those inside long edges, those to texts, and the main way."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from visualize.layout.order import Order
from visualize.layout.rows import Rows


@dataclass(frozen=True, slots=True)
class Link:
    """One step of an edge from a row to the next; it arrives beside the middle of its end by ``port``."""

    edge: int
    low: int
    high: int
    port: float


def links_of(rows: Rows, order: Order) -> list[Link]:
    """All steps of all edges."""
    ports = _ports(rows, order)
    links: list[Link] = []
    for edge, chain in enumerate(rows.chains):
        for low, high in pairwise(chain):
            links.append(Link(edge, low, high, ports[edge] if high == chain[-1] else 0.0))
    return links


def distance(rows: Rows, low: int, high: int) -> float:
    """How far apart the lines of two neighbours in a row must be."""
    one, other = rows.items[low], rows.items[high]
    return one.high + one.margin + other.margin + other.low


def _ports(rows: Rows, order: Order) -> list[float]:
    """Where on the side of its end each edge arrives, so that edges neither meet nor cross there."""
    coming: dict[int, list[int]] = {}
    for edge, chain in enumerate(rows.chains):
        coming.setdefault(chain[-1], []).append(edge)
    ports = [0.0] * len(rows.chains)
    for node, edges in coming.items():
        edges.sort(key=lambda edge: (order.place[rows.chains[edge][-2]], edge))
        side, count = 2 * rows.items[node].low, len(edges)
        step = side / (count + 1)
        if count > 1:
            last = [rows.chains[edge][-2] for edge in edges]
            # What comes through the row before at this distance comes straight.
            free = max((distance(rows, a, b) for a, b in pairwise(last) if min(a, b) >= len(rows.nest.home)), default=0)
            step = max(step, min(free, (side - 18) / (count - 1)))
        for slot, edge in enumerate(edges):
            ports[edge] = step * (slot - (count - 1) / 2)
    return ports


class Groups:
    """Items that are moved as one, because links between them are straight."""

    def __init__(self, rows: Rows, order: Order) -> None:
        self._rows, self._order = rows, order
        count = len(rows.items)
        self.group = list(range(count))
        self.offset = [0.0] * count
        self._members = [[i] for i in range(count)]
        self._reach = [{item.row: (i, i)} for i, item in enumerate(rows.items)]
        """For each group the lowest and the highest item in each row."""
        self._straight: list[list[tuple[int, int]]] = [[] for _ in range(rows.count)]
        """The straight links after each row, by the places of their ends; frames' sides are such."""
        self._left: set[int] = set()
        for row, (this, following) in enumerate(pairwise(order.held)):
            for frame in this.keys() & following.keys():
                self._straight[row] += zip(this[frame], following[frame], strict=True)
            self._straight[row].sort()

    def join(self, link: Link) -> bool:
        """Make a link straight, if nothing is against it."""
        low, high = link.low, link.high
        place = self._order.place
        ends = (place[low], place[high])
        straight = self._straight[self._rows.items[low].row]
        first, last = bisect_left(straight, (ends[0], -1)), bisect_left(straight, (ends[0] + 1, -1))
        crossed = (first and straight[first - 1][1] > ends[1]) or (last < len(straight) and straight[last][1] < ends[1])
        if low in self._left or crossed:
            return False
        keep, gone = self.group[low], self.group[high]
        shift = self.offset[low] - link.port - self.offset[high]
        if not self._fits(keep, gone, shift):
            return False
        if len(self._members[keep]) < len(self._members[gone]):
            keep, gone, shift = gone, keep, -shift
        for item in self._members[gone]:
            self.group[item] = keep
            self.offset[item] += shift
        self._members[keep] += self._members[gone]
        for row, (first, last) in self._reach[gone].items():
            one, other = self._reach[keep].get(row, (first, last))
            self._reach[keep][row] = (min(first, one, key=place.__getitem__), max(last, other, key=place.__getitem__))
        self._left.add(low)
        insort(straight, ends)
        return True

    def _fits(self, keep: int, gone: int, shift: float) -> bool:
        """Whether two groups are neighbours, far enough from each other, in each row where both are."""
        place, items = self._order.place, self._rows.items
        for row, (first, last) in self._reach[gone].items():
            if row not in self._reach[keep]:
                continue
            one, other = self._reach[keep][row]
            upper = place[first] > place[one]
            low, high = (other, first) if upper else (last, one)
            apart = self.offset[high] - self.offset[low] + (shift if upper else -shift)
            close = place[high] != place[low] + 1 or items[high].frame != items[low].frame
            if close or apart < distance(self._rows, low, high) - 1e-6:
                return False
        return True


def straightened(rows: Rows, order: Order, links: Sequence[Link]) -> Groups:
    """Join what is to be straight: first the insides of long edges, then the ends at texts, then the main way."""
    groups = Groups(rows, order)
    nodes = len(rows.nest.home)
    onward, origin = _main_way(rows)
    texts = set(rows.texts)
    for link in links:
        if link.low >= nodes and link.high >= nodes and link.high not in texts:
            groups.join(link)
    for link in _at_texts(rows, order, links):
        groups.join(link)
    for link in links:
        end = rows.chains[link.edge][-1]
        # What is joined to the end of its edge moves with it: then this link is one of those that come in there.
        inside = link.high >= nodes and groups.group[link.high] != groups.group[end]
        if (link.low >= nodes or link.edge in onward) and (inside or link.edge in origin):
            groups.join(link)
    for link in links:
        if link.low >= nodes and link.high in texts:
            groups.join(link)
    return groups


def _at_texts(rows: Rows, order: Order, links: Sequence[Link]) -> list[Link]:
    """The last links of the edges to each node where all of them can be straight, and some have a text."""
    coming: dict[int, list[Link]] = {}
    for link in links:
        if link.high < len(rows.nest.home):
            coming.setdefault(link.high, []).append(link)
    texts = set(rows.texts)
    found: list[Link] = []
    for some in coming.values():
        if any(link.low in texts for link in some):
            some.sort(key=lambda link: order.place[link.low])
            if all(b.port - a.port >= distance(rows, a.low, b.low) - 1e-6 for a, b in pairwise(some)):
                found += some
    return found


def _main_way(rows: Rows) -> tuple[set[int], set[int]]:
    """The edges on the one longest way onward from their start, and on the one longest way to their end."""
    nodes = len(rows.nest.home)
    after: list[list[int]] = [[] for _ in range(nodes)]
    before: list[list[int]] = [[] for _ in range(nodes)]
    for edge, chain in enumerate(rows.chains):
        after[chain[0]].append(edge)
        before[chain[-1]].append(edge)
    steps_on, steps_back = [0] * nodes, [0] * nodes
    onward: set[int] = set()
    origin: set[int] = set()
    by_row = sorted(range(nodes), key=lambda node: rows.items[node].row)
    for node in reversed(by_row):
        longest = [1 + steps_on[rows.chains[edge][-1]] for edge in after[node]]
        steps_on[node] = max(longest, default=0)
        if longest.count(steps_on[node]) == 1:
            onward.add(after[node][longest.index(steps_on[node])])
    for node in by_row:
        longest = [1 + steps_back[rows.chains[edge][0]] for edge in before[node]]
        steps_back[node] = max(longest, default=0)
        if longest.count(steps_back[node]) == 1:
            origin.add(before[node][longest.index(steps_back[node])])
    return onward, origin
