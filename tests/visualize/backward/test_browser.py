"""Tests of the stepper in a real browser, headless: by keyboard and pointer, quietly and alone."""

import shutil

import pytest

import visualize
from tests.helpers.graphs import diamond, net_loss

LOOK = """(() => {
  const part = (name) => document.querySelector(`[data-part=${name}]`);
  return {
    count: part("count").textContent,
    say: part("say").innerText,
    queue: [...part("queue").querySelectorAll("span")].map((span) => span.className),
    live: part("live").textContent,
    play: part("play").getAttribute("aria-pressed"),
    mode: part("modes").value,
    grads: Object.fromEntries([...document.querySelectorAll("svg g[id]")]
      .filter((g) => /-v\\d+$/.test(g.id))
      .map((g) => [g.id.replace(/.*-/, ""), [...g.querySelectorAll("text")].at(-1).textContent])),
    edges: [...document.querySelectorAll("svg g.flows text")].map((text) => text.textContent),
    places: [...document.querySelectorAll("svg text")]
      .map((text) => `${text.getAttribute("x")} ${text.getAttribute("y")}`).join(),
  };
})()"""
FOCUS = "document.activeElement.dataset.part || document.activeElement.className || document.activeElement.tagName"

PARTS = ["first", "back", "play", "next", "last", "slider", "modes", "predict"]


def part(name):
    return f"[data-part={name}]"


@pytest.fixture
def stepping(open_page):
    """A function that opens a page with a stepper, which has the focus, and gives the page."""

    def open_stepper(html):
        page = open_page(html)
        page.wait_for("document.activeElement.matches('.tglm-stepper')")
        return page

    return open_stepper


@pytest.fixture
def page(stepping):
    """The diamond's stepper."""
    return stepping(visualize.stepper(diamond, engine="builtin").html())


def after(page, *keys):
    """What is seen when these keys have been pressed."""
    page.press(*keys)
    return page.evaluate(LOOK)


def keyboard_steps_through(page):
    start = page.evaluate(LOOK)
    assert start["count"] == "0 / 4"
    assert {text for key, text in start["grads"].items() if key in ("v0", "v2", "v4")} == {"grad 0"}
    three = after(page, "ArrowRight", "ArrowRight", "ArrowRight")
    assert three["grads"]["v0"] == "grad 14"
    assert three["edges"] == ["5 × 2 = 10"]
    assert three["queue"] == ["done", "done", "now"]
    assert "4 + 10 = 14" in three["say"]
    assert "b = a * 2" in three["say"]
    assert "its gradient is 14" in three["live"]
    two = after(page, "ArrowLeft")
    assert two["grads"]["v0"] == "grad 4"
    end = after(page, "End")
    assert "finite difference" in end["say"]
    home = after(page, "Home")
    assert home == start
    assert len({seen["places"] for seen in (start, three, two, end, home)}) == 1


def test_the_keyboard_steps_through(page):
    keyboard_steps_through(page)


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz's dot")
def test_the_keyboard_steps_through_what_dot_laid_out(stepping):
    keyboard_steps_through(stepping(visualize.stepper(diamond, engine="dot").html()))


def test_space_plays_to_the_end_and_stops(page):
    assert after(page, " ")["play"] == "true"
    page.pass_time(12_000)
    played = page.evaluate(LOOK)
    assert (played["count"], played["play"]) == ("4 / 4", "false")
    assert after(page, " ")["play"] == "true"
    assert after(page, " ")["play"] == "false"


def test_tab_reaches_every_control_and_leaves(page):
    reached = [page.press("Tab") or page.evaluate(FOCUS) for _ in PARTS]
    assert reached == PARTS
    page.press("Tab")
    assert page.evaluate(FOCUS) not in PARTS
    page.press("Shift+Tab", "Shift+Tab")
    assert page.evaluate(FOCUS) == PARTS[-2]


def test_the_buttons_by_pointer(page):
    seen = {}
    for name in ("next", "next", "back", "last", "first"):
        page.click(part(name))
        seen.setdefault(name, []).append(page.evaluate(LOOK)["count"])
    assert seen == {"next": ["1 / 4", "2 / 4"], "back": ["1 / 4"], "last": ["4 / 4"], "first": ["0 / 4"]}
    page.click(part("play"))
    assert page.evaluate(LOOK)["play"] == "true"
    page.click(part("play"))
    assert page.evaluate(LOOK)["play"] == "false"


def test_a_button_has_the_space_bar_and_the_stepper_the_other_keys(page):
    page.click(part("next"))
    assert after(page, " ")["count"] == "2 / 4"
    assert after(page, "Enter")["count"] == "3 / 4"
    assert after(page, "Home")["count"] == "0 / 4"
    assert after(page, "ArrowRight")["count"] == "1 / 4"
    assert after(page, "End")["count"] == "4 / 4"
    assert page.evaluate(LOOK)["play"] == "false"


def test_the_modes_go_wrong(page):
    states = []
    for letter in "cw=f":
        page.press(*["Tab"] * (1 + PARTS.index("modes")), letter)
        page.click("figure")
        states.append(after(page, "End"))
    assert [state["mode"] for state in states] == ["correct", "wrong order", "= in place of +=", "forgotten zero_grad"]
    assert [state["grads"]["v0"] for state in states] == ["grad 14", "grad 4", "grad 10", "grad 28"]


def test_predict_then_reveal(page):
    page.click(part("predict"))
    asked = after(page, "ArrowRight")
    assert asked["edges"] == ["?", "?"]
    assert "5" not in "".join(asked["edges"])
    page.click(part("say") + " input")
    page.type("7")
    assert "Not this" in after(page, "Enter")["say"]
    page.click(part("say") + " input", count=3)
    page.press("5")
    right = after(page, "Enter")
    assert "5 is right" in right["say"]
    assert right["edges"] == ["1 × 5 = 5", "1 × 4 = 4"]
    assert after(page, "ArrowRight")["edges"] == ["?"]
    assert after(page, "ArrowRight")["edges"] == ["4 × 1 = 4"]
    after(page, "ArrowRight")
    page.click(part("say") + " button")
    assert page.evaluate(LOOK)["edges"] == ["5 × 2 = 10"]


def test_the_slider_by_pointer_and_by_keys(page):
    x, y = page.point(part("slider"))
    page.drag((x - 100, y), (x, y))
    assert page.evaluate(LOOK)["count"] == "2 / 4"
    assert page.evaluate(FOCUS) == "slider"
    assert after(page, "ArrowRight")["count"] == "3 / 4"
    assert after(page, "ArrowLeft", "ArrowLeft")["count"] == "1 / 4"
    assert after(page, "End")["count"] == "4 / 4"
    assert after(page, "Home")["count"] == "0 / 4"


def test_keys_in_the_list_of_modes_are_its_own(page):
    page.press("ArrowRight", *["Tab"] * (1 + PARTS.index("modes")))
    assert page.evaluate(FOCUS) == "modes"
    seen = after(page, "ArrowDown")
    assert (seen["mode"], seen["count"]) == ("wrong order", "0 / 4")
    seen = after(page, "End")
    assert (seen["mode"], seen["count"]) == ("forgotten zero_grad", "0 / 4")
    assert after(page, "Home")["mode"] == "correct"


def test_a_model_on_tensors_steps_through(stepping):
    net, loss = net_loss()
    page = stepping(visualize.draw(loss, names=net, engine="builtin").html(stepper=True))
    assert "layers.0.weight" in after(page, "End")["say"]
