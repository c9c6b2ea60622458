"""The order of the items in each row, with few crossings: sweeps by barycentres, and exchanges of neighbours."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from itertools import pairwise

from visualize.layout.rows import Rows

SWEEPS = 24
EXCHANGES = 4
"""How often neighbours are exchanged after a sweep."""
PATIENCE = 8
"""How many sweeps in a row may find nothing better."""
THROUGH = 4
"""How many crossings an edge that runs through a frame counts for."""


class Order:
    """In each row and frame, what is directly in it, in order: items, and frames inside as ``-1 - frame``."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.entries: list[dict[int, list[int]]] = [{} for _ in range(rows.count)]
        self.lines: list[list[int]] = [[] for _ in range(rows.count)]
        """The items of each row, in order."""
        self.place = [0] * len(rows.items)
        """The place of each item in its row."""
        self.held: list[dict[int, tuple[int, int]]] = [{} for _ in range(rows.count)]
        """In each row, the first and last place inside each frame."""
        self._counted: list[int | None] = [None] * max(0, rows.count - 1)
        """The crossings after each row, where they are known."""
        self._start()

    def _start(self) -> None:
        """Put everything in the order in which it is met from the end of the flow, operand by operand."""
        rows = self.rows
        met = _met(rows)
        frames: dict[int, int] = {}
        for item in met:
            for frame in rows.nest.around[rows.items[item].frame]:
                frames.setdefault(frame, len(frames))
        inside: list[dict[int, set[int]]] = [{} for _ in range(rows.count)]
        for item in met:
            row, around = rows.items[item].row, rows.nest.around[rows.items[item].frame]
            for outer, inner in pairwise(around):
                group = inside[row].setdefault(outer, set())
                if -1 - inner not in group:
                    group.add(-1 - inner)
                    self.entries[row].setdefault(outer, []).append(-1 - inner)
            self.entries[row].setdefault(around[-1], []).append(item)
        # Where two frames are beside each other in several rows, their order must be the same in all.
        for row, groups in enumerate(self.entries):
            for group in groups.values():
                places = [i for i, entry in enumerate(group) if entry < 0]
                inner = sorted((group[i] for i in places), key=lambda entry: frames[-1 - entry])
                for i, entry in zip(places, inner, strict=True):
                    group[i] = entry
            self._lay(row)

    def _lay(self, row: int) -> None:
        """Write the row's items in order, from its entries."""
        line: list[int] = []
        held: dict[int, tuple[int, int]] = {}
        entries = self.entries[row]

        def walk(frame: int) -> None:
            start = len(line)
            for entry in entries.get(frame, ()):
                if entry < 0:
                    walk(-1 - entry)
                else:
                    self.place[entry] = len(line)
                    line.append(entry)
            held[frame] = (start, len(line) - 1)

        walk(0)
        self.held[row] = held
        if line != self.lines[row]:
            self.lines[row] = line
            self._counted[max(0, row - 1) : row + 1] = [None] * len(self._counted[max(0, row - 1) : row + 1])

    def crossings(self) -> int:
        """How often edges cross each other; crossing a frame counts several times."""
        return sum(map(self._crossings, range(self.rows.count - 1)))

    def _crossings(self, row: int) -> int:
        """The crossings between a row and the next."""
        counted = self._counted[row]
        if counted is None:
            counted = self._counted[row] = self._count(row)
        return counted

    def _count(self, row: int) -> int:
        place, after = self.place, self.rows.after
        ends: list[int] = []
        begins: list[int] = []
        for item in self.lines[row]:
            begins.append(len(ends))
            ends += sorted(place[other] for other in after[item]) if len(after[item]) > 1 else ()
            if len(after[item]) == 1:
                ends.append(place[after[item][0]])
        total = 0
        if ends != sorted(ends):
            seen: list[int] = []
            for end in ends:
                total += len(seen) - bisect_right(seen, end)
                insort(seen, end)
        following = self.held[row + 1]
        for frame, (low, high) in self.held[row].items():
            if frame and frame in following:
                first, last = following[frame]
                under = ends[: begins[low]]
                over = ends[begins[high + 1] :] if high + 1 < len(begins) else []
                if under and max(under) > last:
                    total += THROUGH * sum(end > last for end in under)
                if over and min(over) < first:
                    total += THROUGH * sum(end < first for end in over)
        return total

    def sweep(self, forward: bool, turn: bool) -> None:
        """Sort each row by the mean places of its neighbours in the row before it, or after it; equals may turn."""
        count = self.rows.count
        for row in range(1, count) if forward else range(count - 2, -1, -1):
            self._sort(row, row - 1 if forward else row + 1, turn)

    def _sort(self, row: int, fixed: int, turn: bool) -> None:
        near = self.rows.before if fixed < row else self.rows.after
        place = self.place
        standing = self.held[fixed]
        entries = self.entries[row]

        def walk(frame: int) -> tuple[float, int]:
            """Sort what is in a frame; where it wants to be, as a sum and a count."""
            keys: dict[int, float] = {}
            total, count = 0.0, 0
            group = entries[frame]
            for entry in group:
                if entry >= 0:
                    others = near[entry]
                    some = len(others)
                    far = place[others[0]] if some == 1 else sum(place[other] for other in others)
                    if some:
                        keys[entry] = far / some
                else:
                    far, some = walk(-1 - entry)
                    if -1 - entry in standing:
                        # A frame that is in both rows keeps its place among other such, and what passes it its side.
                        keys[entry] = sum(standing[-1 - entry]) / 2
                    elif some:
                        keys[entry] = far / some
                total, count = total + far, count + some
            spots = [i for i, entry in enumerate(group) if entry in keys]
            moved = sorted((group[i] for i in (reversed(spots) if turn else spots)), key=keys.__getitem__)
            for i, entry in zip(spots, moved, strict=True):
                group[i] = entry
            return total, count

        walk(0)
        self._lay(row)

    def exchange(self, even: bool) -> bool:
        """Exchange neighbours where that leaves fewer crossings, or even as many; whether there were any."""
        least = 0 if even else 1
        better = False
        for row, groups in enumerate(self.entries):
            if not any(map(self._crossings, range(max(0, row - 1), min(row + 1, self.rows.count - 1)))):
                continue
            changed = False
            for group in groups.values():
                for i in range(len(group) - 1):
                    one, other = group[i], group[i + 1]
                    if one >= 0 and other >= 0 and self._gain(one, other) >= least:
                        group[i], group[i + 1] = other, one
                        self.place[one], self.place[other] = self.place[other], self.place[one]
                        changed = True
            if changed:
                self._lay(row)
                better = True
        return better

    def _gain(self, one: int, other: int) -> int:
        """How many crossings fewer there are when two neighbours change places."""
        gain = 0
        place = self.place
        for near in (self.rows.before, self.rows.after):
            ones, others = near[one], near[other]
            if len(ones) == len(others) == 1:
                left, right = place[ones[0]], place[others[0]]
                gain += (left > right) - (left < right)
            elif ones and others:
                right = sorted(place[item] for item in others)
                for end in (place[item] for item in ones):
                    gain += bisect_left(right, end) - len(right) + bisect_right(right, end)
        return gain

    def kept(self) -> list[dict[int, list[int]]]:
        """A copy of the order."""
        return [{frame: list(group) for frame, group in groups.items()} for groups in self.entries]

    def restore(self, entries: list[dict[int, list[int]]]) -> None:
        """Go back to an order that was kept."""
        self.entries = entries
        for row in range(self.rows.count):
            self._lay(row)


def ordered(rows: Rows) -> Order:
    """The order with the fewest crossings that was seen."""
    order = Order(rows)
    best, fewest, since = order.kept(), order.crossings(), 0
    for sweep in range(SWEEPS):
        if fewest == 0 or since == PATIENCE:
            break
        order.sweep(sweep % 2 == 0, sweep % 4 > 1)
        for i in range(EXCHANGES):
            if not order.exchange(i == 0 and sweep % 4 > 1):
                break
        crossings = order.crossings()
        if crossings < fewest:
            best, fewest, since = order.kept(), crossings, 0
        else:
            since += 1
    order.restore(best)
    return order


def _met(rows: Rows) -> Sequence[int]:
    """All items, operands in the order of their positions, depth first from the results."""
    seen: set[int] = set()
    met: list[int] = []
    for start in range(len(rows.items)):
        if rows.after[start]:
            continue
        todo = [start]
        while todo:
            item = todo.pop()
            if item not in seen:
                seen.add(item)
                met.append(item)
                todo += reversed(rows.before[item])
    return met
