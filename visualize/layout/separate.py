"""The places nearest to those wished for at which everything keeps its distance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush, heapreplace

Pair = tuple[int, int]


class Separation:
    """Distances to be kept: ``gaps[a, b]`` is the least by which ``b`` is above ``a``; there must be no circle."""

    def __init__(self, count: int, gaps: Mapping[Pair, float]) -> None:
        self.below: list[list[tuple[int, float]]] = [[] for _ in range(count)]
        self.above: list[list[tuple[int, float]]] = [[] for _ in range(count)]
        for (low, high), gap in gaps.items():
            self.below[high].append((low, gap))
            self.above[low].append((high, gap))
        self.order: list[int] = []
        """All, from below."""
        waiting = [len(below) for below in self.below]
        ready = [i for i in range(count - 1, -1, -1) if not waiting[i]]
        while ready:
            i = ready.pop()
            self.order.append(i)
            for high, _ in reversed(self.above[i]):
                waiting[high] -= 1
                if not waiting[high]:
                    ready.append(high)

    def packed(self) -> list[float]:
        """Everything between the place farthest down and the place farthest up that it could have."""
        count = len(self.below)
        low, high = [0.0] * count, [0.0] * count
        for i in self.order:
            low[i] = max((low[j] + gap for j, gap in self.below[i]), default=0.0)
        top = max(low, default=0.0)
        for i in reversed(self.order):
            high[i] = min((high[j] - gap for j, gap in self.above[i]), default=top)
        return [(a + b) / 2 for a, b in zip(low, high, strict=True)]

    def nearest(self, wishes: Sequence[float], weights: Sequence[float]) -> list[float]:
        """Places close to the wishes, by weighted squares: the mean of a pass from below and one from above."""
        up = _pushed(wishes, weights, self.order, self.below)
        down = _pushed([-wish for wish in wishes], weights, self.order[::-1], self.above)
        return [(a - b) / 2 for a, b in zip(up, down, strict=True)]


def _pushed(
    wishes: Sequence[float],
    weights: Sequence[float],
    order: Sequence[int],
    below: Sequence[Sequence[tuple[int, float]]],
) -> list[float]:
    """One by one, each joins what it would be too close to; what is joined moves as one (Dwyer and others, 2005)."""
    block = list(range(len(wishes)))
    offset = [0.0] * len(wishes)
    members = [[i] for i in block]
    mass = list(weights)
    moment = [wish * weight for wish, weight in zip(wishes, weights, strict=True)]
    place = list(wishes)
    # The distances to what is below a block; the greatest place that one of them asks of the block is first.
    heaps: list[list[tuple[float, int, int, float]]] = [[] for _ in wishes]
    for i in order:
        heap = heaps[i]
        for low, gap in below[i]:
            heap.append((-(place[block[low]] + offset[low] + gap), low, i, gap))
        heapify(heap)
        b = i
        while heap:
            key, low, high, gap = heap[0]
            other = block[low]
            if other == b:
                heappop(heap)
                continue
            asked = place[other] + offset[low] + gap - offset[high]
            if asked < -key - 1e-9:
                heapreplace(heap, (-asked, low, high, gap))  # what is below went down since
                continue
            if asked <= place[b] + 1e-9:
                break
            heappop(heap)
            shift = offset[low] + gap - offset[high]
            if len(members[other]) >= len(members[b]):
                keep, gone = other, b
            else:
                keep, gone, shift = b, other, -shift
            for j in members[gone]:
                offset[j] += shift
                block[j] = keep
            members[keep] += members[gone]
            mass[keep] += mass[gone]
            moment[keep] += moment[gone] - shift * mass[gone]
            place[keep] = moment[keep] / mass[keep]
            heap = heaps[keep]
            for key, low, high, gap in heaps[gone]:
                heappush(heap, (key + shift, low, high, gap))
            b = keep
    return [place[block[i]] + offset[i] for i in range(len(wishes))]
