"""Predictions in the page: what is taken for right, in which phases something is asked, and where the focus is."""

import visualize
from tests.helpers.graphs import diamond, net_loss, neuron, tensor
from tests.helpers.stepping import FOCUS, LOOK, after, data_in, part
from visualize.backward.fragment import asset

RIGHT = [("5", 5.0), ("5.04", 5.0), ("-0.0101", -0.01), ("1e-9", 1e-9), ("0", 0.0), ("-0", 0.0), ("0,5", 0.5)]
RIGHT += [("−3", -3.0), (" 7 ", 7.0), ("0.3333", 1 / 3), ("1.235e-05", 1.2346e-5)]
WRONG = [
    ("0", 0.001),
    ("0", 0.009),
    ("0", 1e-300),
    ("0.001", 0.0),
    ("5.06", 5.0),
    ("", 0.0),
    ("five", 5.0),
    ("5", -5.0),
]
WRONG += [("0.01", 0.001), ("", 1.0), ("NaN", 1.0)]


def test_what_is_taken_for_right(node):
    scripts = asset("passes.js") + asset("stepper.js").partition("document.querySelectorAll(")[0]
    agree = node.call(f"(() => {{{scripts}\nreturn agrees}})()", *((*pair, ".4g") for pair in RIGHT + WRONG))
    assert dict(zip(RIGHT + WRONG, agree, strict=True)) == {pair: pair in RIGHT for pair in RIGHT + WRONG}


def test_no_question_but_one_for_0_takes_0(stepping):
    """It was taken for right wherever a number was smaller than 0.01."""
    page = stepping(visualize.stepper(lambda: neuron() * 0.001, engine="builtin").html())
    page.click(part("predict"))
    answers = []
    for _ in range(20):
        if "?" not in after(page, "ArrowRight")["title"]:
            continue
        page.type("0")
        answers.append("0 is right" in after(page, "Enter")["say"])
        page.press("Escape")
        page.click(part("count"))
    assert len(answers) > 14 and 0 < sum(answers) < 5


def test_the_forward_pass_asks_for_the_number_of_the_node(page):
    page.click(part("predict"))
    asked = after(page, "ArrowRight")
    assert (asked["title"], asked["values"]["v2"]) == ("What is b = a · 2 = 2 · 2?", "data ?")
    assert page.evaluate(FOCUS) == "INPUT"
    page.type("5")
    assert "Not this" in after(page, "Enter")["say"]
    assert page.evaluate(FOCUS) == "INPUT"
    page.type("4")
    right = after(page, "Enter")
    assert "✓ 4 is right" in right["say"] and right["values"]["v2"] == "data 4"
    assert page.evaluate(FOCUS) == "tglm-stepper"
    asked = after(page, "ArrowRight")
    assert "c = a + 3" in asked["title"] and "5" not in asked["values"]["v4"]


def test_the_update_asks_too(page):
    page.click(part("predict"))
    page.press("2", "ArrowRight", *["Escape", "ArrowRight"] * 3)
    seen = page.evaluate(LOOK)
    assert (seen["title"], seen["values"]["v0"]) == ("What does a become? 2 - 0.1 × 14", "data ?")
    page.type("0.6")
    assert "0.6 is right" in after(page, "Enter")["say"]


def test_a_question_stops_the_play(page):
    page.click(part("predict"))
    page.click(part("count"))
    page.press(" ")
    page.pass_time(5_000)
    seen = page.evaluate(LOOK)
    assert (seen["count"], seen["play"]) == ("1 / 9", "false")


def test_arrays_are_asked_for_one_element(stepping):
    net, loss = net_loss()
    html = visualize.stepper(loss, names=net, engine="builtin").html()
    recorded = data_in(html)["recorded"]
    page = stepping(html)
    page.click(part("predict"))
    page.press("2")
    asked = after(page, "ArrowRight")
    wanted = recorded["modes"][0]["frames"][0]["ask"]
    assert asked["title"] == wanted["text"]
    assert "Σ upstream × local" in asked["title"] and asked["edges"] == ["?"]
    page.type(f"{wanted['value']:.3g}")
    right = after(page, "Enter")
    assert "is right" in right["say"] and ", e.g. [0, 0]: 1 × " in right["say"]


def test_what_cannot_be_asked_is_shown(stepping):
    x = tensor(2, 40, requires_grad=True)
    page = stepping(visualize.stepper((x @ tensor(40, 2, seed=1)).sum(), engine="builtin").html())
    page.click(part("predict"))
    seen = after(page, "ArrowRight")
    assert "?" not in seen["title"] and seen["values"][seen["now"][0]] != "data ?"


def test_without_predictions_nothing_is_asked(stepping):
    page = stepping(visualize.stepper(diamond, engine="builtin").html())
    assert not any("?" in after(page, "ArrowRight")["say"] for _ in range(9))
