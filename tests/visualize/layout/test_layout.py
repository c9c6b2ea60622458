"""Tests of the built-in layout: nothing overlaps, nothing is cut off, everything is connected."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import visualize
from tests.helpers.graphs import net_loss, neuron, recurrence
from tests.visualize.layout.drawn import apart, graphs, laid_out, sampled, touches, within
from visualize.formats.style import DIRECTIONS, Style
from visualize.formats.svg import to_svg
from visualize.formats.themes import THEMES
from visualize.graph.data import Graph, GraphEdge, GraphNode
from visualize.layout.layered import lay_out


@given(graph=graphs(), direction=st.sampled_from(DIRECTIONS))
def test_nothing_overlaps_and_everything_is_inside(graph, direction):
    sizes = {node.id: (40.0 + 7 * i, 20.0 + 3 * i) for i, node in enumerate(graph.nodes)}
    layout = lay_out(graph, sizes, [(9.0, 11.0)] * len(graph.edges), {c.id: 50.0 for c in graph.clusters}, direction)
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


@given(graph=graphs(circles=False), direction=st.sampled_from(DIRECTIONS))
def test_operands_come_before_results(graph, direction):
    # A frame around one of two nodes could make a circle of frames.
    flat = replace(graph, nodes=tuple(replace(node, cluster="") for node in graph.nodes), clusters=())
    layout = laid_out(flat, direction)
    for edge, points in zip(flat.edges, layout.edges, strict=True):
        one, other = layout.nodes[edge.source], layout.nodes[edge.target]
        ahead = {"LR": other.x - one.x, "RL": one.x - other.x, "TB": other.y - one.y, "BT": one.y - other.y}
        assert ahead[direction] > {"LR": 40, "RL": 40, "TB": 30, "BT": 30}[direction]
        along = [(x if direction in ("LR", "RL") else y) * (1 if direction in ("LR", "TB") else -1) for x, y in points]
        assert along == sorted(along)


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
    layout = lay_out(graph, {"v0": (40.0, 30.0), "v1": (40.0, 30.0)}, [(0.0, 0.0)] * 2, {}, "LR")
    assert layout.edges[0][-1] != layout.edges[1][-1]


@given(graph=graphs(), direction=st.sampled_from(DIRECTIONS))
def test_edges_do_not_run_through_nodes(graph, direction):
    sizes = {node.id: (30.0 + 9 * (i % 4), 20.0 + 5 * (i % 3)) for i, node in enumerate(graph.nodes)}
    layout = lay_out(graph, sizes, [(0.0, 0.0)] * len(graph.edges), {c.id: 50.0 for c in graph.clusters}, direction)
    for points in layout.edges:
        path = sampled(points, direction)
        assert not any(touches(box, path, 0.1) for box in layout.nodes.values())


@given(graph=graphs(circles=False), direction=st.sampled_from(DIRECTIONS))
def test_edges_pass_the_sides_of_frames_straight(graph, direction):
    layout = laid_out(graph, direction, text=20.0)
    across = 1 if direction in ("LR", "RL") else 0
    homes = {node.id: node.cluster for node in graph.nodes}
    parents = {cluster.id: cluster.parent for cluster in graph.clusters}
    for edge, points in zip(graph.edges, layout.edges, strict=True):
        around = [set(), set()]
        for end, node in zip(around, (edge.source, edge.target), strict=True):
            frame = homes[node]
            while frame:
                end.add(frame)
                frame = parents[frame]
        for frame in around[0] ^ around[1]:
            box = layout.clusters[frame]
            path = sampled(points, direction, 60)
            passed = [(a, b) for a, b in pairwise(path) if inside(a, box) != inside(b, box)]
            assert len(passed) == 1
            assert all(abs(a[across] - b[across]) < 0.11 for a, b in passed)


def inside(point, box):
    # A curve may end at the side itself; paths are written to a tenth.
    return abs(point[0] - box.x) < box.width / 2 - 0.3 and abs(point[1] - box.y) < box.height / 2 - 0.3


@given(graph=graphs(), direction=st.sampled_from(DIRECTIONS))
def test_arrowheads_lie_on_the_straight_end_of_their_edges(graph, direction):
    svg = to_svg(graph, Style(THEMES["light"], ("label",), direction, legend=False))
    found = re.findall(r'<path d="(M[^"]+)".*?<polygon points="([^"]+)"', svg)
    assert len(found) == len(graph.edges)
    for path, polygon in found:
        tip, one, other = (tuple(map(float, point.split(","))) for point in polygon.split())
        base = ((one[0] + other[0]) / 2, (one[1] + other[1]) / 2)
        *_, before, end = re.findall(r"([MLC])(?:[^MLC]* )?([-\d.]+),([-\d.]+)", path)
        start, (command, *last) = tuple(map(float, before[1:])), end
        assert command == "L"
        assert tuple(map(float, last)) == tip
        # The arrowhead's axis is on the last piece, which is at least as long.
        across = 1 if direction in ("LR", "RL") else 0
        assert abs(start[across] - tip[across]) < 0.01
        assert abs(base[across] - tip[across]) < 0.11
        assert 0 < (base[1 - across] - tip[1 - across]) / (start[1 - across] - tip[1 - across]) <= 1
