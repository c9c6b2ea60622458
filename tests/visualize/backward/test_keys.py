"""Tests of whose keys are whose: several steppers on a page, and text fields in and beside them, by real keys."""

import pytest

import visualize
from tests.helpers.graphs import diamond, neuron
from visualize.formats.page import page as page_of
from visualize.formats.themes import THEMES

COUNTS = "[...document.querySelectorAll('[data-part=count]')].map((count) => count.textContent.split(' ')[0])"
PLAYING = "[...document.querySelectorAll('[data-part=play]')].map((play) => play.getAttribute('aria-pressed'))"
FIELDS = ("<input {}>", "<textarea {}></textarea>", '<div {} contenteditable style="height: 3rem"></div>')
WRITTEN = (
    "(id) => ((field) => (field.value ?? field.textContent).replaceAll('\\u00a0', ' '))(document.getElementById(id))"
)


def fragment(root):
    return visualize.stepper(root, engine="builtin").fragment()


@pytest.fixture
def three(open_page):
    """Three steppers on one page, two of them of the same program."""
    body = "".join(
        f"<div id={name}>{fragment(root)}</div>" for name, root in zip("abc", (diamond, neuron, diamond), strict=True)
    )
    return open_page(page_of("three", body, THEMES["light"]), height=2000)


def test_each_of_three_steppers_moves_only_itself(three):
    three.press("ArrowRight")
    assert three.evaluate(COUNTS) == ["0", "0", "0"]
    three.click("#b figure")
    three.press("ArrowRight", "ArrowRight")
    assert three.evaluate(COUNTS) == ["0", "2", "0"]
    three.click("#c figure")
    three.press("End", "ArrowLeft")
    assert three.evaluate(COUNTS) == ["0", "2", "3"]
    three.click("#a [data-part=next]")
    three.press("ArrowRight")
    assert three.evaluate(COUNTS) == ["2", "2", "3"]
    three.click("#b figure")
    three.press(" ")
    assert three.evaluate(PLAYING) == ["false", "true", "false"]


def fields(place):
    return "".join(field.format(f"id={place}{i}") for i, field in enumerate(FIELDS))


def around(html):
    """A page with this and with three fields after it."""
    return page_of("fields", html + fields("beside"), THEMES["light"])


@pytest.mark.parametrize("place", ["beside", "inside"])
def test_fields_keep_every_character(open_page, place):
    page = open_page(around(fragment(diamond).replace("</section>", fields("inside") + "</section>")), height=1200)
    for i in range(len(FIELDS)):
        page.click(f"#{place}{i}")
        page.type("x = 1 + 2")
        page.press("ArrowLeft", "ArrowLeft", *" #", "Home", *" a", "ArrowRight", *" b", "End", *" c")
        assert page.evaluate(WRITTEN, f"{place}{i}") == " ax b = 1 + # 2 c"
    assert page.evaluate(COUNTS) == ["0"]


def test_the_page_around_hears_no_key_of_a_stepper(open_page):
    page = open_page(around(fragment(diamond)), height=900)
    page.evaluate("window.heard = []; document.addEventListener('keydown', (event) => heard.push(event.key))")
    page.click("figure")
    page.press("ArrowRight", "ArrowLeft", "End", "Home", " ", "d", "Tab", "Enter", "Tab", "Escape")
    page.click("[data-part=modes]", count=2)
    page.press("ArrowDown")
    assert page.evaluate("heard") == []
    page.press("Control+b")
    assert page.evaluate("heard") == ["b"]
    page.click("#beside0")
    page.press(" ")
    assert page.evaluate("heard") == ["b", " "]


def test_a_chord_is_no_key_of_a_stepper(three):
    three.click("#a figure")
    three.press("Control+End", "Alt+Home", "Meta+ArrowRight", "Shift+ArrowRight")
    assert three.evaluate(COUNTS) == ["0", "0", "0"]
