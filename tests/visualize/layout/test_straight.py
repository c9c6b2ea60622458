"""Tests of how straight and symmetric the built-in layout is."""

from itertools import pairwise

import pytest

from tests.visualize.layout.drawn import graph_of, laid_out
from visualize.formats.style import DIRECTIONS
from visualize.graph.data import Cluster
from visualize.layout.layered import lay_out

both_ways = pytest.mark.parametrize("direction", DIRECTIONS)
with_texts = pytest.mark.parametrize("text", [0.0, 20.0])


def levels(points, direction):
    """The places across the flow at which an edge runs."""
    found = [point[1 if direction in ("LR", "RL") else 0] for point in points]
    return [level for i, level in enumerate(found) if i == 0 or abs(level - found[i - 1]) > 0.001]


def centre(layout, name, direction):
    box = layout.nodes[name]
    return box.y if direction in ("LR", "RL") else box.x


@both_ways
@with_texts
def test_a_wide_layer_of_pairs_is_straight(direction, text):
    graph = graph_of(*((f"a{i}", f"b{i}") for i in range(20)))
    sizes = {node.id: (30.0 + 11 * (i % 5), 20.0 + 7 * (i % 4)) for i, node in enumerate(graph.nodes)}
    layout = lay_out(graph, sizes, [(text, 11.0 if text else 0.0)] * 20, {}, direction)
    assert all(len(levels(points, direction)) == 1 for points in layout.edges)


@both_ways
@with_texts
def test_a_chain_is_straight_whatever_comes_in_from_the_side(direction, text):
    spine = [(f"h{i}", f"h{i + 1}") for i in range(12)]
    sides = [(f"x{i}", f"h{i + 1}") for i in range(1, 12, 2)]
    layout = laid_out(graph_of(*spine, *sides), direction, text)
    assert all(len(levels(points, direction)) == 1 for points in layout.edges[:12])
    plain = laid_out(graph_of(*spine), direction, text)
    assert len({centre(plain, f"h{i}", direction) for i in range(13)}) == 1


@both_ways
@with_texts
def test_a_long_edge_bends_only_at_its_ends(direction, text):
    chain = [(f"h{i}", f"h{i + 1}") for i in range(8)]
    layout = laid_out(graph_of(*chain, ("h0", "h8"), ("h2", "h7"), ("u", "h2"), ("u", "h6")), direction, text)
    assert all(len(levels(points, direction)) == 1 for points in layout.edges[:8])
    assert all(len(levels(points, direction)) <= 3 for points in layout.edges)
    # What comes from nowhere else comes in straight.
    alone = laid_out(graph_of(*chain, ("h1", "a"), ("a", "h7")), direction, text)
    assert len(levels(alone.edges[-2], direction)) <= 2


@both_ways
@with_texts
@pytest.mark.parametrize("count", [2, 3, 4, 7])
def test_what_is_made_of_equals_is_in_their_middle(direction, text, count):
    layout = laid_out(graph_of(*((f"a{i}", "b") for i in range(count)), ("b", "c")), direction, text)
    places = sorted(centre(layout, f"a{i}", direction) for i in range(count))
    middle = centre(layout, "b", direction)
    # The text of a single edge is on one side: what is beside it may give way.
    assert all(abs(a + b - 2 * middle) < 0.5 for a, b in zip(places, reversed(places), strict=True))
    assert abs(centre(layout, "c", direction) - middle) < 0.001


@both_ways
@with_texts
def test_what_is_used_by_equals_is_in_their_middle(direction, text):
    graph = graph_of("ab", "ac", "bd", "cd", "dx", "dy", "dz")
    layout = laid_out(graph, direction, text)
    at = {node.id: centre(layout, node.id, direction) for node in graph.nodes}
    assert abs((at["b"] + at["c"]) / 2 - at["a"]) < 0.5
    assert abs(at["a"] - at["d"]) < 0.5
    assert abs((at["x"] + at["z"]) / 2 - at["d"]) < 0.5
    assert abs(at["y"] - at["d"]) < 0.5


@both_ways
def test_a_tree_is_its_own_mirror_image(direction):
    edges = [(f"{n}", f"{n // 2}") for n in range(15, 1, -1)]
    layout = laid_out(graph_of(*edges), direction)
    axis = centre(layout, "1", direction)
    for row in range(1, 4):
        places = [centre(layout, f"{n}", direction) for n in range(2**row, 2 ** (row + 1))]
        assert all(abs(a + b - 2 * axis) < 0.5 for a, b in zip(sorted(places), sorted(places)[::-1], strict=True))
        for n in range(2 ** (row - 1), 2**row):
            middle = (centre(layout, f"{2 * n}", direction) + centre(layout, f"{2 * n + 1}", direction)) / 2
            assert abs(middle - centre(layout, f"{n}", direction)) < 0.5


@both_ways
def test_edges_end_in_the_order_in_which_they_come(direction):
    layout = laid_out(graph_of(*((f"a{i}", "b") for i in range(6))), direction)
    across = 1 if direction in ("LR", "RL") else 0
    pairs = sorted((points[0][across], points[-1][across]) for points in layout.edges)
    assert all(one[1] < other[1] for one, other in pairwise(pairs))


def test_an_edge_passes_beside_a_frame():
    graph = graph_of("ab", "bc", "cd", "ad", clusters=[Cluster("c0", "m", "M", 0)], b="c0", c="c0")
    for direction in DIRECTIONS:
        layout = laid_out(graph, direction, 20.0)
        frame, across = layout.clusters["c0"], 1 if direction in ("LR", "RL") else 0
        middle, size = ((frame.x, frame.width), (frame.y, frame.height))[across]
        far = max(abs(point[across] - middle) for point in layout.edges[3])
        assert size / 2 + 5 < far < size / 2 + 40
