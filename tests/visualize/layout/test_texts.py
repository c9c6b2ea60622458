"""Tests of the texts on edges: each has room of its own, beside its edge, which nothing else runs into."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.visualize.layout.drawn import apart, graph_of, graphs, laid_out, sampled, touches, within
from visualize.formats.style import DIRECTIONS, Style
from visualize.formats.svg import to_svg
from visualize.formats.themes import THEMES
from visualize.graph.data import Cluster, GraphNode
from visualize.layout.geometry import Box
from visualize.layout.layered import lay_out

WIDTHS = (0.0, 8.0, 31.0, 75.0)


@given(graph=graphs(), direction=st.sampled_from(DIRECTIONS), data=st.data())
def test_nothing_touches_a_text(graph, direction, data):
    texts = [
        (width, 11.0 if width else 0.0)
        for width in data.draw(st.lists(st.sampled_from(WIDTHS), min_size=len(graph.edges), max_size=len(graph.edges)))
    ]
    sizes = {node.id: (40.0 + 7 * i, 20.0 + 3 * i) for i, node in enumerate(graph.nodes)}
    layout = lay_out(graph, sizes, texts, {c.id: 50.0 for c in graph.clusters}, direction)
    paths = [sampled(points, direction) for points in layout.edges]
    rooms = [room for room in layout.texts if room]
    assert [(room.width, room.height) if room else (0.0, 0.0) for room in layout.texts] == texts
    whole = Box(layout.width / 2, layout.height / 2, layout.width, layout.height)
    for i, room in enumerate(rooms):
        assert within(room, whole)
        assert all(apart(room, other) for other in rooms[:i])
        assert all(apart(room, box) for box in layout.nodes.values())
        # A path is written to a tenth.
        assert not any(touches(room, path, 0.1) for path in paths)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_text_is_beside_its_own_edge(direction):
    layout = laid_out(graph_of("xy", "xy", "yz"), direction, text=30.0)
    for room, points in zip(layout.texts, layout.edges, strict=True):
        if direction in ("LR", "RL"):
            near = [y for x, y in sampled(points, direction) if abs(x - room.x) < 15]
            assert all(1.9 <= y - room.y - 5.5 < 3 for y in near) and near
        else:
            near = [x for x, y in sampled(points, direction) if abs(y - room.y) < 5.5]
            assert all(1.9 <= room.x - 15 - x < 4 for x in near) and near


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_text_is_in_the_frame_of_its_target(direction):
    clusters = (Cluster("c0", "a", "A", 0), Cluster("c1", "b", "B", 1, "c0"))
    graph = graph_of("xy", "yz", clusters=clusters, y="c1", z="c0")
    layout = laid_out(graph, direction, text=30.0)
    assert within(layout.texts[0], layout.clusters["c1"])
    assert within(layout.texts[1], layout.clusters["c0"])
    assert apart(layout.texts[1], layout.clusters["c1"])


def test_only_texts_take_room():
    plain, told = (laid_out(graph_of("ab", "bc"), text=width) for width in (0.0, 50.0))
    assert 2 * 40 < told.width - plain.width < 2 * 60
    assert plain.width < 3 * 40 + 2 * 32


@given(graph=graphs(), direction=st.sampled_from(DIRECTIONS), width=st.sampled_from([20.0, 90.0, 200.0]))
def test_no_edge_of_a_frame_runs_through_its_title(graph, direction, width):
    sizes = {node.id: (40.0 + 7 * i, 20.0 + 3 * i) for i, node in enumerate(graph.nodes)}
    texts = [(20.0 * (i % 2), 11.0 * (i % 2)) for i in range(len(graph.edges))]
    layout = lay_out(graph, sizes, texts, {c.id: width for c in graph.clusters}, direction)
    homes = {node.id: node.cluster for node in graph.nodes}
    parents = {cluster.id: cluster.parent for cluster in graph.clusters}
    others = [*layout.nodes.values(), *(room for room in layout.texts if room)]
    for key, title in layout.titles.items():
        assert title.width == width
        assert within(title, layout.clusters[key])
        assert all(apart(title, box) for box in others)
        assert all(apart(title, other) for name, other in layout.titles.items() if name != key)
        for edge, points in zip(graph.edges, layout.edges, strict=True):
            if any(key in around(homes[end], parents) for end in (edge.source, edge.target)):
                assert not touches(title, sampled(points, direction), 0.1)


def around(frame, parents):
    """A frame and those around it."""
    while frame:
        yield frame
        frame = parents[frame]


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_arrows_end_where_a_stack_begins(direction):
    graph = replace(graph_of("ab"), nodes=(GraphNode("a", "input", "a"), GraphNode("b", "group", "b")))
    svg = to_svg(graph, Style(THEMES["light"], ("label",), direction, legend=False))
    x, y = map(float, re.search(r'<polygon points="([-\d.]+),([-\d.]+)', svg).groups())
    sheets = re.findall(r'<rect x="([-\d.]+)" y="([-\d.]+)" width="([-\d.]+)" height="([-\d.]+)"', svg)[-2:]
    left, top, width, height = zip(*(map(float, sheet) for sheet in sheets), strict=True)
    right, below = (max(map(sum, zip(*sides, strict=True))) for sides in ((left, width), (top, height)))
    end = {"LR": x - min(left), "RL": x - right, "TB": y - min(top), "BT": y - below}
    assert abs(end[direction]) < 0.11
