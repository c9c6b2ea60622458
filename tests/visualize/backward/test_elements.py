"""Single elements of arrays written out: their numbers come to what the engine has there."""

import re

import numpy as np
import pytest

import visualize
from tests.helpers.graphs import Net, net_loss, tensor
from tests.helpers.stepping import data_in
from tinygrad_lm import Tensor, nn
from visualize.backward.wording import Wording


def words_of(loss, names=None):
    steps = visualize.backward_steps(loss, names=names)
    return Wording({"correct": steps, "overwrite": steps.in_mode("overwrite")}, ".4g", 0.1)


def total(text):
    """What a written sum of products comes to."""
    number = r"\(?(-?[\d.]+(?:e[+-]\d+)?)\)?"
    assert re.fullmatch(rf"{number}( × {number})?( \+ {number}( × {number})?)*", text), text
    return sum(np.prod([float(x.strip("()")) for x in term.split(" × ")]) for term in text.split(" + "))


def check(element, array):
    index = tuple(int(i) for i in element.place.strip("[]").split(", ") if i)
    assert element.value == pytest.approx(float(np.asarray(array)[index]), rel=1e-5, abs=1e-7)
    assert total(element.sum) == pytest.approx(element.value, rel=0.01)
    assert element.sum.count("+") < 6 and element.value != 0


def test_every_contribution_of_a_small_model_has_an_element():
    net, loss = net_loss()
    words = words_of(loss, net)
    for steps in words.steps.values():
        for row in (row for frame in steps for row in frame.contributions):
            check(words.element(row), row.amount)


def test_results_too():
    x, w = tensor(3, 4, seed=1), tensor(4, 2, requires_grad=True, seed=2)
    m = x @ w
    words = words_of((m.reshape(6) * 2).sum())
    found = words.results_by_element
    kinds = {words.graph.nodes[int(key[1:])].op: key for key in found}
    assert set(kinds) == {"matmul", "reshape", "mul", "sum"}
    check(found[kinds["matmul"]], m.data)
    assert "×" not in found[kinds["reshape"]].sum and " · 2" in found[kinds["mul"]].sum


@pytest.mark.parametrize("make", [lambda x: (x @ np.ones((40, 2))).sum(), lambda x: nn.functional.softmax(x)[0, 0]])
def test_what_is_no_short_sum_is_not_written_out(make):
    words = words_of(make(tensor(2, 40, requires_grad=True)))
    assert not [key for key in words.results_by_element if words.graph.nodes[int(key[1:])].op in ("matmul", "softmax")]


def test_large_results_are_not_taken_apart():
    x = Tensor(np.ones((300, 1), np.float32), requires_grad=True)
    words = words_of((x @ np.ones((1, 1), np.float32)).sum())
    rows = [row for frame in words.steps["correct"] for row in frame.contributions]
    assert [words.element(row) is None for row in rows] == [False, True]


def test_the_page_asks_for_what_is_written_out():
    net, loss = net_loss()
    recorded = data_in(visualize.stepper(loss, names=net, engine="builtin").html())["recorded"]
    for frame in recorded["modes"][0]["frames"]:
        assert total(frame["ask"]["text"].partition(" = ")[2]) == pytest.approx(frame["ask"]["value"], rel=0.01)
        assert all(", e.g. [" in row["example"] for row in frame["rows"])
    assert "What does the gradient of v6 receive at [0, 0]?" in str(recorded["modes"][0]["frames"][1]["ask"])
    assert any("linear" not in ask["text"] and "×" in ask["text"] for ask in recorded["asks"].values())


def test_a_model_of_some_width_takes_little_time():
    net = Net(hidden=200, tokens=50)
    loss = nn.functional.cross_entropy(net(np.array([[0, 1], [2, 3]])), np.array([1, 4]))
    text = visualize.stepper(loss, names=net, engine="builtin").text()
    assert "linear(" in text
