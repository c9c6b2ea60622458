"""Tests of legends: each kind looks in them as it does in the picture, whoever draws it; and of what focus marks."""

import re

import numpy as np
import pytest

import visualize
from tests.helpers.graphs import SVG, Net, every_engine, net_loss, neuron, read_svg
from visualize.graph.data import KINDS


def picture(**options):
    """Every kind of node but a module."""
    net = Net()
    return visualize.draw([net(np.array([[0, 1]])), neuron() * 3], names=net, depth=2, collapse="none", **options)


def shape_of(group):
    """What a group is drawn with: its elements, and their dashes and round corners."""
    parts = [part for part in group if part.tag.removeprefix(SVG) in ("rect", "polygon", "path", "ellipse")]
    return [(p.tag.removeprefix(SVG), p.get("stroke-dasharray"), bool(p.get("rx"))) for p in parts]


def test_legends_of_the_built_in_layout_are_drawn_as_the_nodes_are():
    root = read_svg(picture(engine="builtin").svg())
    (legend,) = (group for group in root.iter(f"{SVG}g") if group.get("class") == "legend")
    texts = ["".join(text.itertext()) for text in legend.iter(f"{SVG}text")]
    shapes, left = {}, shape_of(legend)
    for name in texts:
        count = 2 if name in ("parameter", "data", "several nodes") else 1
        shapes[name], left = left[:count], left[count:]
    for group in root.iter(f"{SVG}g"):
        kind = (group.get("class") or "").removeprefix("node ")
        if kind in KINDS and KINDS[kind] in shapes:
            assert shape_of(group) == shapes[KINDS[kind]], kind


def test_legends_in_dot_are_nodes_of_the_same_shape():
    dot = picture().dot
    boxes = {}
    for line in dot.splitlines():
        if found := re.match(r'\s*(\w+) \[id="[^"]*" class="(\w+)" (shape=\w+ style="[^"]*"(?: peripheries=2)?)', line):
            name, kind, shape = found.groups()
            boxes.setdefault(kind if kind != "legend" else name.removeprefix("legend_"), set()).add(shape)
    assert len(boxes) >= 6
    assert all(len(shapes) == 1 for shapes in boxes.values()), boxes


@every_engine
def test_every_engine_shows_the_same_legend(engine):
    svg = picture(engine=engine).svg()
    assert svg.count('class="legend"') == 1
    assert ">parameter</text>" in svg.replace("&#45;", "-")
    assert 'class="legend"' not in picture(engine=engine, legend=False).svg()


@every_engine
@pytest.mark.parametrize("focus", ["n", "x1"])
def test_focus_marks_its_focus(engine, focus):
    view = visualize.draw(neuron(), focus=focus, radius=1, engine=engine)
    assert [node.label for node in view.graph.nodes if node.focused] == [focus]
    marked = [
        group
        for group in read_svg(view.svg()).iter(f"{SVG}g")
        if any(part.get("stroke") == view.theme.gradient for part in group)
    ]
    assert len(marked) == 1
    assert focus in "".join(marked[0].itertext())


def test_nothing_is_marked_where_nothing_is_looked_for():
    net, loss = net_loss()
    assert not any(node.focused for node in visualize.draw(loss, names=net).graph.nodes)
