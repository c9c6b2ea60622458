"""Inputs that are edited in the page, by real keys: everything is what the engine makes of the new numbers."""

import math

import numpy as np
import pytest

import visualize
from tests.helpers.graphs import diamond, net_loss, neuron, tensor
from tests.helpers.stepping import LOOK, after, data_in, part
from tinygrad_lm import Tensor, Value, nn, optim
from tinygrad_lm.autograd import custom
from visualize.graph.quantities import number

FIELDS = """[...document.querySelectorAll(".fields label")].map((each) =>
  [each.textContent.trim(), each.querySelector("input").value])"""
CHOOSE = """(label) => { const found = [...document.querySelectorAll(".fields label")]
  .find((each) => each.textContent.trim() === label).querySelector("input"); found.focus(); found.select(); }"""


def edit(page, label, text):
    page.evaluate(CHOOSE, label)
    page.type(text)


@pytest.fixture
def page(stepping):
    return stepping(visualize.stepper(neuron, engine="builtin").html())


def shown(x):
    return number(x, ".4g")


def test_there_is_a_field_for_each_leaf_that_has_a_name_and_for_lr(page):
    assert [name for name, _ in page.evaluate(FIELDS)] == ["x1", "w1", "x2", "w2", "b", "lr"]
    assert [text for _, text in page.evaluate(FIELDS)] == ["2", "-3", "0", "1", "6.881373587019543", "0.1"]


def test_everything_follows_an_edited_number(page):
    edit(page, "w1", "-2.5")
    edit(page, "lr", "0.5")
    page.click(part("note"))

    x1, w1, x2, w2, b = leaves = [Value(x) for x in (2.0, -2.5, 0.0, 1.0, 6.8813735870195432)]
    root = (x1 * w1 + x2 * w2 + b).tanh()
    steps = visualize.backward_steps(root)
    said = after(page, "2", "ArrowRight")["say"]
    assert (
        f"1 - o · o = {shown(steps.frames[0].contributions[0].local)}" in said and "finite difference of o: 1" in said
    )
    end = after(page, "End")
    assert sorted(end["grads"].values()) == sorted(f"grad {shown(x)}" for x in steps.gradients.values())
    root.backward()
    updated = sorted(f"data {shown(leaf.data - 0.5 * leaf.grad)}" for leaf in leaves)
    inner = sorted(f"data {shown(node.data)}" for node in steps.nodes.values() if not node.is_leaf)
    assert sorted(end["values"].values()) == sorted(updated + inner)
    assert end["title"].startswith(f"o: {shown(root.data)} → ")


def test_the_frame_that_is_seen_stays(page):
    before = after(page, *["ArrowRight"] * 3)
    edit(page, "b", "1")
    seen = page.evaluate(LOOK)
    assert seen["count"] == before["count"]
    page.click(part("note"))
    assert "= -5" in after(page, *["ArrowRight"])["title"]


def test_reset_brings_the_numbers_back(page):
    start = after(page, "End")
    fields = page.evaluate(FIELDS)
    edit(page, "w1", "7")
    edit(page, "lr", "3")
    assert page.evaluate(LOOK)["say"] != start["say"]
    page.click(part("reset"))
    assert page.evaluate(FIELDS) == fields
    assert page.evaluate(LOOK) == start


def test_what_is_no_number_changes_nothing_and_is_marked(page):
    start = after(page, "End")
    edit(page, "w1", "-")
    assert page.evaluate("document.activeElement.getAttribute('aria-invalid')") == "true"
    assert page.evaluate(LOOK) == start
    page.press("1")
    assert page.evaluate("document.activeElement.getAttribute('aria-invalid')") == "false"
    assert page.evaluate(LOOK)["say"] != start["say"]


def test_what_is_not_finite_is_shown(stepping):
    page = stepping(visualize.stepper(lambda: Value(2.0, label="x").exp() * 0, engine="builtin").html())
    edit(page, "x", "1e6")
    page.click(part("note"))
    seen = after(page, "End")
    assert seen["values"]["v1"] == "data inf" and seen["values"]["v3"] == "data nan"
    assert "nan" in seen["title"]


def test_numbers_that_are_not_finite_from_the_beginning(stepping):
    page = stepping(visualize.stepper(lambda: Value(math.inf, label="x") * 2, engine="builtin").html())
    seen = after(page, "ArrowRight")
    assert seen["title"].endswith("= inf · 2 = inf")


def test_every_mode_follows(stepping):
    page = stepping(visualize.stepper(diamond, engine="builtin").html())
    edit(page, "a", "3")
    page.evaluate("document.querySelector('[data-part=modes]').focus()")
    page.press("=")
    page.click(part("note"))
    assert after(page, "End")["grads"]["v0"] == "grad 12, not 18"


def test_a_constant_that_has_a_name_is_edited_and_its_name_stands_in_formulas(stepping):
    def program():
        x = Value(2.0, label="x", requires_grad=False)
        return (Value(3.0, label="w") * x) ** 2

    page = stepping(visualize.stepper(program, engine="builtin").html())
    edit(page, "x", "5")
    page.click(part("note"))
    seen = after(page, "2", "ArrowRight", "ArrowRight")
    assert "= x = 5" in seen["say"] and "30 × 5 = 150" in seen["say"]


WHY = "document.querySelector('[data-part=why]')?.textContent ?? ''"


def by_hand(x):
    return math.exp(x)


@pytest.mark.parametrize(
    ("make", "options", "why"),
    [
        (lambda: net_loss()[1], {}, "not in arrays"),
        (lambda: custom.elementwise("mine", by_hand, lambda x, out: math.exp(x))(Value(1.0)), {}, "'mine' cannot be"),
        (neuron, {"fmt": "+.3f"}, "the format '+.3f'"),
        (neuron, {"optimizer": True}, "the optimizer's step"),
        (lambda: tensor(requires_grad=True) * 2, {}, "not in arrays"),
    ],
)
def test_where_nothing_can_be_edited_it_says_why(stepping, make, options, why):
    root = make()
    if "optimizer" in options:
        leaves = [node for node in visualize.backward_steps(root).nodes.values() if node.is_leaf]
        options = {"optimizer": optim.SGD(leaves, lr=0.1)}
    page = stepping(visualize.stepper(root, engine="builtin", **options).html())
    assert why in page.evaluate(WHY)
    assert page.evaluate(FIELDS) == []
    page.press("End")
    assert "with the updated numbers" in page.evaluate(LOOK)["title"]


def test_a_program_that_is_computed_in_the_page_has_no_texts_of_numbers():
    data = data_in(visualize.stepper(neuron, engine="builtin").html())
    assert "recorded" not in data and data["given"]["v1"] == -3.0


def test_tensors_and_programs_say_the_same(stepping):
    """The same program on Values, computed in the page, and on tensors of one number, told by Python."""
    seen = []
    for make in (Value, lambda x, label: Tensor(x, requires_grad=True, label=label)):
        a = make(2.0, label="a")
        html = visualize.stepper((a * 2) * (a + 3), engine="builtin").html()
        page = stepping(html)
        seen.append(
            [(look["title"], look["say"], look["live"]) for look in (after(page, "ArrowRight") for _ in range(9))]
        )
    one, other = ([[text.replace("v", "") for text in look] for look in each] for each in seen)
    assert one == other


def test_labels_do_not_get_out_of_the_fields(stepping):
    x = Value(1.0, label="<img src=x onerror=alert(1)>{0}")
    page = stepping(visualize.stepper(x * 2 + nn.functional.relu(x), engine="builtin").html())
    assert page.evaluate(FIELDS)[0][0] == "<img src=x onerror=alert(1)>{0}"
    assert "<img src=x onerror=alert(1)>{0}" in after(page, "ArrowRight")["title"]


def test_the_range_of_numbers_fits_its_boxes(stepping):
    page = stepping(visualize.stepper(diamond, engine="builtin").html())
    edit(page, "a", "-1.23456e-17")
    page.click(part("note"))
    page.press("End")
    outside = """[...document.querySelectorAll("svg g.node")].filter((g) => [...g.querySelectorAll("text")].some(
      (text) => text.getBBox().width > g.querySelector("rect, polygon").getBBox().width)).length"""
    assert page.evaluate(outside) == 0
    assert np.float64(page.evaluate(FIELDS)[0][1]) == -1.23456e-17
