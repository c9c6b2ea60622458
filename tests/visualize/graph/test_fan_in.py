"""Tests of what is folded because its picture would not fit a page: long rows of operands, and repeats."""

import pytest

import visualize
from tests.helpers.graphs import read_svg, recurrence
from tinygrad_lm import Value
from visualize.formats.svg import laid_out


def size(view):
    """The picture's width and height in pixels."""
    root = read_svg(view.svg())
    return float(root.get("width")), float(root.get("height"))


def draw(root, **options):
    return visualize.draw(root, engine="builtin", **options)


def values(count, name="x"):
    return [Value(float(i), label=f"{name}{i}") for i in range(count)]


def test_of_many_operands_the_first_and_the_last_are_drawn():
    """In full 200 operands are a column of 10,642 pixels."""
    view = draw(Value.sum(values(200)))
    assert [node.label for node in view.graph.nodes[:-1]] == ["x0", "x1", "+196 more: x2 … x197", "x198", "x199"]
    assert size(view)[1] < 600
    assert "showing 5 of 201 nodes (196 operands folded)" in view.graph.caption
    (edge,) = [edge for edge in view.graph.edges if edge.uses > 1]
    assert edge.uses == 196
    assert "×196" in view.svg()


def test_what_is_computed_for_the_folded_alone_is_folded_with_them():
    weights = values(200, "w")
    view = draw(Value.sum([x * w for x, w in zip(values(200), weights, strict=True)]))
    assert len(view.graph.nodes) == 14
    group = next(node for node in view.graph.nodes if node.kind == "group")
    assert group.size == 3 * 196
    assert sum(node.size for node in view.graph.nodes) == view.graph.total


def test_what_others_use_too_stays():
    xs = values(200)
    view = draw([Value.sum(xs), xs[100] * 2])
    assert "x100" not in [node.label for node in view.graph.nodes]
    assert any(edge.source.startswith("g") and edge.target != view.graph.roots[0] for edge in view.graph.edges)


def test_what_is_computed_for_a_folded_operand_and_used_elsewhere_stays():
    squares = [x * x for x in values(200)]
    kept = squares[100] + 1
    view = draw([Value.sum(squares), kept])
    assert sum(node.size for node in view.graph.nodes) == view.graph.total
    inner = {node.id for node in view.graph.nodes if node.kind == "group"}
    assert any(edge.source in inner and edge.target in view.graph.roots[1:] for edge in view.graph.edges)
    x = Value(2.0, label="shared")
    shared = draw([Value.sum([y * x for y in values(200)]), x + 1])
    assert "shared" in [node.label for node in shared.graph.nodes]


@pytest.mark.parametrize(("first", "second"), [((0, 20), (0, 20)), ((0, 20), (10, 30)), ((0, 30), (0, 20))])
def test_operands_of_two_are_folded_and_counted_once(first, second):
    """The second row said that it stood for operands that the first had taken, and they were counted twice."""
    xs = values(30)
    graph = draw(Value.sum(xs[slice(*first)]) * Value.sum(xs[slice(*second)]), max_nodes=15).graph
    groups = [node for node in graph.nodes if node.kind == "group"]
    for group in groups:
        assert group.label.startswith(f"+{group.size:,} more")
    assert f"{sum(group.size for group in groups)} operands folded" in graph.caption
    assert sum(node.size for node in graph.nodes) == graph.total


def test_rows_within_a_row_are_folded_with_it():
    sums = [Value.sum(values(20, f"x{name}")) * 2 for name in "abcdefghijklmnopqrst"]
    graph = draw(Value.sum(sums)).graph
    assert "16 operands folded" not in graph.caption and "80 operands folded" in graph.caption
    assert [node.size for node in graph.nodes if node.label == "+16 more"] == [16 * 23]
    assert sum(node.size for node in graph.nodes) == graph.total


def test_steps_that_depend_on_each_other_are_no_row():
    """Put together they would be operands of what they are made from."""
    h, steps = Value(0.5), []
    for i in range(20):
        h = (h * Value(0.1, label=f"w{i}")).tanh()
        steps.append(h)
    graph = draw([Value.sum(steps), Value.sum(values(200))]).graph
    place = {node.id: i for i, node in enumerate(graph.nodes)}
    assert all(place[edge.source] < place[edge.target] for edge in graph.edges)
    assert "+196 more: x2 … x197" in [node.label for node in graph.nodes]


@pytest.mark.parametrize("count", [8, 20])
def test_what_fits_is_drawn_one_by_one(count):
    assert len(draw(Value.sum(values(count))).graph.nodes) == count + 1


def test_a_recurrence_is_folded_by_its_width_and_not_by_its_number_of_nodes():
    """29 steps have 148 nodes, which is below the limit, and in full a picture of 11,060 pixels."""
    short, folded, longer = (draw(recurrence(steps)) for steps in (3, 29, 30))
    assert short.graph.caption == ""
    assert [node.op for node in folded.graph.nodes] == [node.op for node in longer.graph.nodes]
    assert abs(size(folded)[0] - size(longer)[0]) < 20
    assert size(folded)[0] < 1_500


@pytest.mark.parametrize("options", [{"collapse": "none"}, {"fold_repeats": False}])
def test_who_wants_everything_gets_it(options):
    view = draw(recurrence(29), **options)
    assert len(view.graph.nodes) == 148
    assert size(view)[0] > 5_000


@pytest.mark.parametrize("root", [recurrence(5), Value.sum([x.tanh() for x in values(8)]), Value.sum(values(200))])
def test_what_is_laid_out_to_see_whether_it_fits_is_drawn_so(root):
    """Each picture was laid out twice, which is most of the time that it takes."""
    laid_out.cache_clear()
    view = draw(root)
    before = laid_out.cache_info().misses
    view.svg()
    assert before == laid_out.cache_info().misses
