"""Tests of the browser that tests drive: it reports what goes wrong, does what hands do, and leaves nothing behind."""

import contextlib
import struct
import sys
import time
from pathlib import Path

import pytest

from tests.helpers.browser import NO_BROWSER, Browser
from tests.helpers.keys import key_event
from tests.helpers.pages import ScriptError, TooLate

LOUD = """<!doctype html><meta http-equiv="Content-Security-Policy" content="img-src data:">
<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw="><img src="http://127.0.0.1:9/forbidden.png">
<script>console.log("said"); console.warn("warned", 1); console.error("failed");
fetch("http://127.0.0.1:9/asked").catch(() => {});
Promise.reject(new Error("rejected"));
throw new Error("thrown");</script>"""

LONG = """<!doctype html><body style="margin: 0; height: 5000px">
<input type="range" style="position: absolute; left: 0; top: 0; width: 200px; margin: 0" min="0" max="200" value="0">
<div id="over" style="position: absolute; top: 50px; width: 90px; height: 20px">over</div>
<div id="under" style="position: absolute; top: 50px; width: 90px; height: 20px; z-index: -1">under</div>
<style>#over:hover { color: rgb(1, 2, 3) }</style>"""


@pytest.fixture(scope="module")
def loud(browser, tmp_path_factory):
    """A page on which much goes wrong."""
    file = tmp_path_factory.mktemp("loud") / "loud.html"
    file.write_text(LOUD, encoding="utf-8")
    page = browser.page()
    page.open(file)
    page.wait_for("performance.getEntriesByType('resource').some((entry) => entry.name.endsWith('asked'))")
    yield page
    page.close()


@pytest.mark.parametrize(
    "kind, what",
    [
        ("console warning", "warned 1"),
        ("console error", "failed"),
        ("exception", "rejected"),
        ("exception", "thrown"),
        ("policy", "forbidden.png"),
        ("request", "asked"),
    ],
)
def test_what_goes_wrong_is_a_problem(loud, kind, what):
    assert any(problem.startswith(kind) and what in problem for problem in loud.problems())


def test_nothing_else_is_a_problem(loud):
    assert ("log", "said") in loud.console and loud.address in loud.requests
    assert not any("said" in problem or problem.startswith("request: data:") for problem in loud.problems())
    assert any(problem.startswith("request: ") for problem in loud.problems())
    assert not any(problem.startswith("request: ") for problem in loud.problems("http://127.0.0.1:9/"))


def test_a_script_that_throws_and_a_wait_in_vain_say_so(open_page):
    page = open_page("<!doctype html><p>still</p>")
    assert page.evaluate("(a, b) => Promise.resolve({ sum: a + b })", 1, 2) == {"sum": 3}
    with pytest.raises(ScriptError, match="no such thing"):
        page.evaluate("(() => { throw new Error('no such thing'); })()")
    with pytest.raises(ScriptError, match="refused"):
        page.evaluate("Promise.reject('refused')")
    with pytest.raises(ScriptError, match="2 elements are"):
        page.evaluate("document.body.innerHTML = '<b>1</b><b>2</b>'")
        page.click("b")
    with pytest.raises(TooLate, match=r"within 0.1 s this did not become true: window\.never"):
        page.wait_for("window.never", timeout=0.1)
    assert page.wait_for("(setTimeout(() => { window.soon = 7; }, 20), window.soon)") == 7


def test_the_view_is_what_was_asked_for(open_page):
    page = open_page("<!doctype html>", width=600, height=400, scale=2, scheme="dark", reduced_motion=True)
    asked = """[innerWidth, innerHeight, devicePixelRatio,
      matchMedia("(prefers-color-scheme: dark)").matches, matchMedia("(prefers-reduced-motion: reduce)").matches]"""
    assert page.evaluate(asked) == [600, 400, 2, True, True]
    png = page.screenshot()
    assert (png[:8], struct.unpack(">II", png[16:24])) == (b"\x89PNG\r\n\x1a\n", (1200, 800))
    page.set_view()
    assert page.evaluate(asked) == [1000, 700, 1, False, False]


def test_the_pointer_points_drags_and_turns_its_wheel(open_page):
    page = open_page(LONG)
    page.drag((5, 8), (150, 8))
    assert 130 < int(page.evaluate("document.querySelector('input').value")) < 170
    page.move("#over")
    page.wait_for("getComputedStyle(document.getElementById('over')).color === 'rgb(1, 2, 3)'")
    with pytest.raises(ScriptError, match=r"#under is covered by .*over"):
        page.click("#under")
    page.wheel((300, 300), dy=200)
    page.wait_for("scrollY === 200")


@pytest.mark.parametrize(
    "name, key, code, number, modifiers, text",
    [
        ("a", "a", "KeyA", 65, 0, "a"),
        ("A", "A", "KeyA", 65, 8, "A"),
        (" ", " ", "Space", 32, 0, " "),
        ("=", "=", "", 187, 0, "="),
        ("+", "+", "", 187, 8, "+"),
        ("'", "'", "", 222, 0, "'"),
        ("Control++", "+", "", 187, 10, ""),
        ("Shift+Tab", "Tab", "Tab", 9, 8, ""),
        ("Control+Shift+ArrowRight", "ArrowRight", "ArrowRight", 39, 10, ""),
    ],
)
def test_keys_have_the_numbers_of_a_keyboard(name, key, code, number, modifiers, text):
    assert key_event(name) == {
        "key": key,
        "code": code,
        "windowsVirtualKeyCode": number,
        "modifiers": modifiers,
        "text": text,
    }


def commands():
    """The command lines of all processes."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield file.read_bytes().decode("utf-8", "replace")


@pytest.mark.skipif(bool(NO_BROWSER) or sys.platform != "linux", reason=NO_BROWSER or "processes are read from /proc")
def test_a_closed_browser_leaves_no_process_and_no_file():
    other = Browser()
    other.page()
    folder = str(other.folder)
    assert other.folder.exists() and any(folder in command for command in commands())
    other.close()
    assert not other.folder.exists()
    deadline = time.monotonic() + 5
    while any(folder in command for command in commands()):
        assert time.monotonic() < deadline, "a process of the browser is still there"
