"""Ranks: how many steps before the end of the flow each node is, where a frame is one thing to what is outside it."""

from __future__ import annotations

from collections.abc import Sequence

from visualize.graph.data import Graph

Pair = tuple[int, int]


class Nest:
    """The nodes and frames of a graph by number: which frame holds what; frame 0 is the whole picture."""

    def __init__(self, graph: Graph) -> None:
        frames = {"": 0, **{cluster.id: i + 1 for i, cluster in enumerate(graph.clusters)}}
        nodes = {node.id: i for i, node in enumerate(graph.nodes)}
        self.home = [frames[node.cluster] for node in graph.nodes]
        """The innermost frame of each node."""
        self.parent = [0, *(frames[cluster.parent] for cluster in graph.clusters)]
        self.pairs: list[Pair] = [(nodes[edge.source], nodes[edge.target]) for edge in graph.edges]
        """The two ends of each edge."""
        self.around: list[tuple[int, ...]] = [(0,)]
        """Each frame and those around it, outermost first."""
        for i in range(1, len(self.parent)):
            self.around.append((*self.around[self.parent[i]], i))

    def shared(self, one: int, other: int) -> int:
        """How many frames are around both nodes."""
        pairs = zip(self.around[self.home[one]], self.around[self.home[other]], strict=False)
        return sum(a == b for a, b in pairs)


def ranks_of(nest: Nest) -> tuple[list[int], list[bool]]:
    """The rank of each node, as late as its uses allow, and for each edge whether it runs against the flow.

    An edge to or from a frame counts for all that is in the frame: what comes into it is before its first node, and
    what goes out of it is after its last. Edges that close a circle of nodes and frames run against the flow.
    """
    count, frames = len(nest.home), len(nest.parent)
    # Things are numbered: the nodes, then the frames' starts, then the frames' ends.
    inside: list[list[Pair]] = [[] for _ in range(frames)]
    ends: list[tuple[int, Pair]] = []
    for source, target in nest.pairs:
        depth = nest.shared(source, target)
        pair = (_thing(nest, source, depth), _thing(nest, target, depth))
        ends.append((nest.around[nest.home[source]][depth - 1], pair))
        inside[ends[-1][0]].append(pair)
    members: list[list[int]] = [[] for _ in range(frames)]
    for node, frame in enumerate(nest.home):
        members[frame].append(node)
    for frame in range(1, frames):
        members[nest.parent[frame]].append(count + frame)
    places: dict[int, int] = {}
    for frame in range(frames):
        places.update(_order(members[frame], inside[frame]))
    against = [places[source] > places[target] for _, (source, target) in ends]
    after: list[list[Pair]] = [[] for _ in range(count + 2 * frames)]
    for (_, (source, target)), reverse in zip(ends, against, strict=True):
        low, high = (target, source) if reverse else (source, target)
        after[low + frames if low >= count else low].append((high, 1))
    for frame in range(1, frames):
        for item in members[frame]:
            after[count + frame].append((item, 0))
            after[item + frames if item >= count else item].append((count + frames + frame, 0))
    height = _longest(after)
    top = max(height, default=0)
    return [top - h for h in height[:count]], against


def _thing(nest: Nest, node: int, depth: int) -> int:
    """A node, or the start of the frame that holds it, seen from inside the frame of a given depth."""
    around = nest.around[nest.home[node]]
    return len(nest.home) + around[depth] if depth < len(around) else node


def _order(items: Sequence[int], pairs: Sequence[Pair]) -> dict[int, int]:
    """The place of each item in an order that most edges follow: all of them, where there is no circle."""
    targets: dict[int, list[int]] = {item: [] for item in items}
    waiting = dict.fromkeys(items, 0)
    for source, target in pairs:
        targets[source].append(target)
        waiting[target] += 1
    place: dict[int, int] = {}
    ready = [item for item in reversed(items) if waiting[item] == 0]
    left = list(reversed(items))
    while len(place) < len(items):
        while left and left[-1] in place:
            left.pop()
        # Nothing is ready inside a circle: take the earliest item and ignore what comes back to it.
        item = ready.pop() if ready else left[-1]
        if item in place:
            continue
        place[item] = len(place)
        for target in targets[item]:
            waiting[target] -= 1
            if waiting[target] == 0 and target not in place:
                ready.append(target)
    return place


def _longest(after: Sequence[Sequence[Pair]]) -> list[int]:
    """The length of the longest way from each thing on."""
    order: list[int] = []
    waiting = [0] * len(after)
    for links in after:
        for thing, _ in links:
            waiting[thing] += 1
    ready = [thing for thing, count in enumerate(waiting) if count == 0]
    while ready:
        thing = ready.pop()
        order.append(thing)
        for other, _ in after[thing]:
            waiting[other] -= 1
            if waiting[other] == 0:
                ready.append(other)
    height = [0] * len(after)
    for thing in reversed(order):
        height[thing] = max((height[other] + length for other, length in after[thing]), default=0)
    return height
