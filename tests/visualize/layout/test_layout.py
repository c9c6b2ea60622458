"""Tests of the built-in layout: nothing overlaps, nothing is cut off, everything is connected."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import visualize
from tests.helpers.graphs import net_loss, neuron, recurrence
from visualize.formats.style import DIRECTIONS
from visualize.graph.data import Cluster, Graph, GraphEdge, GraphNode
from visualize.layout.layered import layered
from visualize.layout.nested import lay_out


@st.composite
def graphs(draw):
    """Any graph with nested clusters, also one with cycles."""
    clusters = []
    for i in range(draw(st.integers(0, 4))):
        parent = draw(st.sampled_from(["", *(cluster.id for cluster in clusters)]))
        clusters.append(Cluster(f"c{i}", "a", "B", i, parent))
    homes = st.sampled_from(["", *(cluster.id for cluster in clusters)])
    nodes = [GraphNode(f"v{i}", "operation", cluster=draw(homes)) for i in range(draw(st.integers(1, 14)))]
    ids = st.sampled_from([node.id for node in nodes])
    pairs = draw(st.lists(st.tuples(ids, ids), max_size=25))
    edges = tuple(GraphEdge(a, b) for a, b in pairs if a != b)
    used = {node.cluster for node in nodes}
    for cluster in reversed(clusters):
        if cluster.id in used:
            used.add(cluster.parent)
    return Graph(tuple(nodes), edges, tuple(c for c in clusters if c.id in used), ("v0",), len(nodes))


def apart(a, b):
    return abs(a.x - b.x) >= (a.width + b.width) / 2 - 0.01 or abs(a.y - b.y) >= (a.height + b.height) / 2 - 0.01


def within(inner, outer):
    return (
        abs(inner.x - outer.x) <= (outer.width - inner.width) / 2 + 0.01
        and abs(inner.y - outer.y) <= (outer.height - inner.height) / 2 + 0.01
    )


@given(graph=graphs(), direction=st.sampled_from(DIRECTIONS))
def test_nothing_overlaps_and_everything_is_inside(graph, direction):
    sizes = {node.id: (40.0 + 7 * i, 20.0 + 3 * i) for i, node in enumerate(graph.nodes)}
    layout = lay_out(graph, sizes, [9.0] * len(graph.edges), {c.id: 50.0 for c in graph.clusters}, direction)
    boxes = list(layout.nodes.values())
    for i, box in enumerate(boxes):
        assert all(apart(box, other) for other in boxes[:i])
        assert box.width / 2 - 0.01 <= box.x <= layout.width - box.width / 2 + 0.01
        assert box.height / 2 - 0.01 <= box.y <= layout.height - box.height / 2 + 0.01
    homes = {node.id: node.cluster for node in graph.nodes}
    parents = {cluster.id: cluster.parent for cluster in graph.clusters}
    for key, box in (*layout.nodes.items(), *layout.clusters.items()):
        home = homes.get(key, parents.get(key))
        if home:
            assert within(box, layout.clusters[home])
        chain = [key]
        while home:
            chain.append(home)
            home = parents[home]
        assert all(apart(box, frame) for other, frame in layout.clusters.items() if not related(other, chain, parents))
    for path in layout.edges:
        for x, y in path:
            assert -0.01 <= x <= layout.width + 0.01
            assert -0.01 <= y <= layout.height + 0.01


def related(cluster, chain, parents):
    """Whether one of the two is inside the other."""
    if cluster in chain:
        return True
    while cluster:
        if cluster == chain[0]:
            return True
        cluster = parents[cluster]
    return False


@given(
    edges=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30),
)
def test_operands_come_before_results(edges):
    forward = [(a, b) for a, b in edges if a < b]
    result = layered([(10.0, 10.0)] * 10, forward, 5.0, 5.0)
    for a, b in forward:
        assert result.centres[a][0] < result.centres[b][0]


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("program", [neuron, lambda: net_loss()[1], lambda: recurrence(9)])
def test_edges_run_in_the_direction_asked_for(program, direction):
    view = visualize.draw(program(), engine="builtin", direction=direction)
    assert f"rankdir={direction}" in view.dot
    assert view.svg().startswith("<svg")


def test_two_uses_end_at_two_places():
    graph = Graph(
        (GraphNode("v0", "input"), GraphNode("v1", "loss")),
        (GraphEdge("v0", "v1", 0), GraphEdge("v0", "v1", 1)),
        roots=("v1",),
        total=2,
    )
    layout = lay_out(graph, {"v0": (40.0, 30.0), "v1": (40.0, 30.0)}, [0.0, 0.0], {}, "LR")
    assert layout.edges[0][-1] != layout.edges[1][-1]


@given(
    edges=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=25),
    direction=st.sampled_from(DIRECTIONS),
)
def test_edges_do_not_run_through_nodes(edges, direction):
    nodes = tuple(GraphNode(f"v{i}", "operation") for i in range(12))
    forward = tuple(GraphEdge(f"v{a}", f"v{b}") for a, b in edges if a < b)
    sizes = {node.id: (30.0 + 9 * (i % 4), 20.0 + 5 * (i % 3)) for i, node in enumerate(nodes)}
    layout = lay_out(Graph(nodes, forward, (), ("v11",), 12), sizes, [0.0] * len(forward), {}, direction)
    along = 0 if direction in ("LR", "RL") else 1
    for edge, path in zip(forward, layout.edges, strict=True):
        for start, end in pairwise(path):
            if start[1 - along] != end[1 - along]:
                continue  # a bend, in the gap between two layers
            for key, box in layout.nodes.items():
                if key not in (edge.source, edge.target):
                    centre, size = ((box.x, box.y), (box.width, box.height))
                    beside = abs(start[1 - along] - centre[1 - along]) >= size[1 - along] / 2
                    low, high = sorted((start[along], end[along]))
                    apart = high <= centre[along] - size[along] / 2 or low >= centre[along] + size[along] / 2
                    assert beside or apart
