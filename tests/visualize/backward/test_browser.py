"""Tests of the stepper in a real browser, headless: by keyboard and pointer, quietly and alone."""

import shutil

import pytest

import visualize
from tests.helpers.graphs import diamond, net_loss, neuron
from tests.helpers.stepping import FOCUS, LOOK, after, part

PHASES = ["forward", "backward", "update"]
PARTS = [*PHASES, "first", "back", "play", "next", "last", "slider", "speed", "modes", "predict"]


def keyboard_steps_through(page):
    start = page.evaluate(LOOK)
    assert (start["count"], start["phase"]) == ("0 / 9", "forward")
    assert set(start["grads"].values()) == {""}
    assert {key: text for key, text in start["values"].items() if text} == {"v0": "data 2"}
    two = after(page, "ArrowRight", "ArrowRight")
    assert two["title"] == "c = a + 3 = 2 + 3 = 5"
    assert {key: text for key, text in two["values"].items() if text} == {
        "v0": "data 2",
        "v2": "data 4",
        "v4": "data 5",
    }
    assert (two["now"], two["gets"], two["code"]) == (["v4"], ["v0", "v3"], ["c = a + 3"])
    seed = after(page, "ArrowRight", "ArrowRight")
    assert (seed["count"], seed["phase"], seed["grads"]["v5"]) == ("4 / 9", "backward", "grad 1")
    assert {text for key, text in seed["grads"].items() if key in ("v0", "v2", "v4")} == {"grad 0"}
    assert "Nodes in the queue: 3." in seed["say"]
    three = after(page, "ArrowRight", "ArrowRight", "ArrowRight")
    assert three["grads"]["v0"] == "grad 14"
    assert three["edges"] == ["5 × 2 = 10"]
    assert three["queue"] == ["done", "done", "now"]
    assert "4 + 10 = 14" in three["say"] and "∂b/∂a = 2" in three["say"]
    assert three["code"] == ["b = a * 2"]
    assert "its gradient 4 + 10 = 14" in three["live"] and "finite difference of b: 5; to a; " in three["live"]
    assert after(page, "ArrowLeft")["grads"]["v0"] == "grad 4"
    update = after(page, "ArrowRight", "ArrowRight")
    assert (update["phase"], update["title"]) == ("update", "a ← a - lr · grad = 2 - 0.1 × 14 = 0.6")
    assert update["values"]["v0"] == "data 0.6"
    end = after(page, "End")
    assert (end["count"], end["title"]) == ("9 / 9", "d: 20 → 4.32 with the updated numbers")
    assert "finite difference" in end["say"]
    home = after(page, "Home")
    assert home == start
    assert len({seen["places"] for seen in (start, two, seed, three, update, end, home)}) == 1


def test_the_keyboard_steps_through(page):
    keyboard_steps_through(page)


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz's dot")
def test_the_keyboard_steps_through_what_dot_laid_out(stepping):
    keyboard_steps_through(stepping(visualize.stepper(diamond, engine="dot").html()))


def test_keys_and_buttons_go_to_the_beginning_of_each_phase(page):
    by_keys = [after(page, key)["count"] for key in "321"]
    by_buttons = [page.click(part(name)) or page.evaluate(LOOK) for name in ("update", "backward", "forward")]
    assert by_keys == [seen["count"] for seen in by_buttons] == ["8 / 9", "4 / 9", "0 / 9"]
    assert [seen["phase"] for seen in by_buttons] == ["update", "backward", "forward"]


def test_space_plays_to_the_end_and_stops(page):
    assert after(page, " ")["play"] == "true"
    page.pass_time(20_000)
    played = page.evaluate(LOOK)
    assert (played["count"], played["play"]) == ("9 / 9", "false")
    assert after(page, " ")["play"] == "true"
    assert after(page, " ")["play"] == "false"


@pytest.mark.parametrize("key", ["ArrowRight", "ArrowLeft", "Home", "2"])
def test_a_step_by_hand_stops_the_play(page, key):
    assert after(page, "ArrowRight", " ")["play"] == "true"
    assert after(page, key)["play"] == "false"


@pytest.mark.parametrize(("speed", "count"), [("½", "2 / 9"), ("1", "4 / 9"), ("2", "8 / 9")])
def test_it_plays_as_fast_as_is_chosen(page, speed, count):
    page.press(*["Tab"] * (1 + PARTS.index("speed")), speed if speed != "½" else "Home")
    page.click(part("count"))
    page.press(" ")
    page.pass_time(6_000)
    assert page.evaluate(LOOK)["count"] == count


def test_tab_reaches_every_control_and_leaves(page):
    reached = [page.press("Tab") or page.evaluate(FOCUS) for _ in PARTS]
    assert reached == PARTS
    page.press("Tab")
    assert page.evaluate(FOCUS) not in PARTS
    page.press("Shift+Tab", "Shift+Tab")
    assert page.evaluate(FOCUS) == PARTS[-2]


UNNAMED = """[...document.querySelectorAll(".tglm-stepper :is(button, input, select)")].filter((each) =>
  !each.ariaLabel && !each.closest("label") && !(each.matches("button") && each.textContent.trim())).length"""


def test_every_control_has_a_name(page):
    assert page.evaluate(UNNAMED) == 0


def test_the_buttons_by_pointer(page):
    seen = {}
    for name in ("next", "next", "back", "last", "first"):
        page.click(part(name))
        seen.setdefault(name, []).append(page.evaluate(LOOK)["count"])
    assert seen == {"next": ["1 / 9", "2 / 9"], "back": ["1 / 9"], "last": ["9 / 9"], "first": ["0 / 9"]}
    page.click(part("play"))
    assert page.evaluate(LOOK)["play"] == "true"
    page.click(part("play"))
    assert page.evaluate(LOOK)["play"] == "false"


def test_a_button_has_the_space_bar_and_the_stepper_the_other_keys(page):
    page.click(part("next"))
    assert after(page, " ")["count"] == "2 / 9"
    assert after(page, "Enter")["count"] == "3 / 9"
    assert after(page, "Home")["count"] == "0 / 9"
    assert after(page, "ArrowRight")["count"] == "1 / 9"
    assert after(page, "End")["count"] == "9 / 9"
    assert page.evaluate(LOOK)["play"] == "false"


def choose(page, letter):
    page.click(part("count"))
    page.press("Home", *["Tab"] * (1 + PARTS.index("modes")), letter)
    page.click(part("count"))


def test_the_modes_go_wrong(page):
    states = []
    for letter in "cw=f":
        choose(page, letter)
        states.append(after(page, "End"))
    assert [state["mode"] for state in states] == ["correct", "wrong order", "= in place of +=", "forgotten zero_grad"]
    assert [state["grads"]["v0"] for state in states] == [
        "grad 14",
        "grad 4, not 14",
        "grad 10, not 14",
        "grad 28, not 14",
    ]
    assert [state["wrong"] for state in states] == [[], *[["v0"]] * 3]
    assert [state["title"].split()[3] for state in states] == ["4.32", "14.72", "8", "-3.52"]


def test_what_is_wrong_is_marked_when_nothing_more_will_arrive(page):
    choose(page, "=")
    assert page.evaluate(LOOK)["count"] == "4 / 9"
    seen = [after(page, "ArrowRight") for _ in range(3)]
    assert [each["wrong"] for each in seen] == [[], [], ["v0"]]
    assert [each["grads"]["v0"] for each in seen] == ["grad 0", "grad 4", "grad 10, not 14"]
    border = "getComputedStyle(document.querySelector('g.wrong rect')).stroke"
    assert page.evaluate(border) == "rgb(179, 0, 27)"


@pytest.mark.parametrize(
    ("root", "letter", "why"),
    [
        (neuron, "=", "Here it changes nothing: no value is used twice: the gradients are right all the same."),
        (diamond, "=", ""),
        (lambda: diamond() * 0, "=", "Here it changes nothing: the gradients are right all the same."),
    ],
)
def test_a_mode_that_changes_nothing_says_so(stepping, root, letter, why):
    page = stepping(visualize.stepper(root(), engine="builtin").html())
    choose(page, letter)
    note = page.evaluate(LOOK)["note"]
    assert why in note and ("nothing" in note) == bool(why)


def test_predict_then_reveal(page):
    page.press("2")
    page.click(part("predict"))
    asked = after(page, "ArrowRight")
    assert asked["edges"] == ["?", "?"]
    assert "5 × " not in asked["say"]
    page.type("7")
    assert "Not this" in after(page, "Enter")["say"]
    page.type("5")
    right = after(page, "Enter")
    assert "5 is right" in right["say"]
    assert right["edges"] == ["1 × 5 = 5", "1 × 4 = 4"]
    assert after(page, "ArrowRight")["edges"] == ["?"]
    page.click(part("next"))
    assert page.evaluate(LOOK)["edges"] == ["4 × 1 = 4"]
    after(page, "ArrowRight")
    page.click(part("say") + " button")
    assert page.evaluate(LOOK)["edges"] == ["5 × 2 = 10"]


def test_the_slider_by_pointer_and_by_keys(page):
    x, y = page.point(part("slider"))
    page.drag((x - 60, y), (x, y))
    assert page.evaluate(LOOK)["count"] in ("4 / 9", "5 / 9")
    assert page.evaluate(FOCUS) == "slider"
    page.press("2")
    assert after(page, "ArrowRight")["count"] == "5 / 9"
    assert after(page, "ArrowLeft", "ArrowLeft")["count"] == "3 / 9"
    assert after(page, "End")["count"] == "9 / 9"
    assert after(page, "Home")["count"] == "0 / 9"


def test_keys_in_the_list_of_modes_are_its_own(page):
    page.press("ArrowRight", *["Tab"] * (1 + PARTS.index("modes")))
    assert page.evaluate(FOCUS) == "modes"
    seen = after(page, "ArrowDown")
    assert (seen["mode"], seen["count"]) == ("wrong order", "4 / 9")
    seen = after(page, "End")
    assert (seen["mode"], seen["count"]) == ("forgotten zero_grad", "4 / 9")
    assert after(page, "Home")["mode"] == "correct"


def test_a_model_on_tensors_steps_through(stepping):
    net, loss = net_loss()
    page = stepping(visualize.draw(loss, names=net, engine="builtin").html(stepper=True))
    assert "layers.0.weight" in after(page, "End")["say"]
    page.press("1")
    count = int(page.evaluate(LOOK)["count"].split("/")[1])
    titles = [after(page, "ArrowRight")["title"] for _ in range(count)]
    assert any("linear(v2, layers.0.weight, layers.0.bias)" in title for title in titles)
    assert len(set(titles)) == count


def test_a_line_of_code_goes_to_its_node_and_a_node_to_its_line(page):
    page.press("2")
    page.click(part("code") + " li:nth-child(2) button")
    seen = page.evaluate(LOOK)
    assert (seen["count"], seen["now"], seen["code"]) == ("6 / 9", ["v4"], ["c = a + 3"])
    page.click('g[id$="-v2"]')
    seen = page.evaluate(LOOK)
    assert (seen["count"], seen["now"], seen["code"]) == ("7 / 9", ["v2"], ["b = a * 2"])
    page.press("1")
    page.click('g[id$="-v2"]')
    assert page.evaluate(LOOK)["count"] == "1 / 9"
    page.move((2, 2))
    assert page.evaluate("document.querySelectorAll('g.dim, g.picked').length") == 0
    page.click('g[id$="-v0"]')
    assert page.evaluate(LOOK)["count"] == "8 / 9"


def test_a_line_of_code_by_keys(page):
    page.evaluate("document.querySelector('[data-part=code] button').focus()")
    assert after(page, "Enter")["count"] == "1 / 9"
    assert after(page, "Tab", " ")["count"] == "2 / 9"


def test_a_program_without_lines_has_no_list_of_them(stepping):
    page = stepping(visualize.stepper(diamond(), engine="builtin").html())
    assert page.evaluate("document.querySelector('[data-part=code]').checkVisibility()") is False
