"""Tests of the stepper in a real browser, headless: it plays with the keyboard, quietly and alone."""

import html
import json
import os
import re
import shutil
import subprocess

import pytest

import visualize
from tests.helpers.graphs import diamond, net_loss

NAMES = ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome")
BROWSER = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)

pytestmark = pytest.mark.skipif(BROWSER is None, reason=f"no browser: none of {', '.join(NAMES)} is on the PATH")

QUIET = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
)

WATCH = """<script>
window.problems = [];
for (const kind of ["error", "unhandledrejection", "securitypolicyviolation"])
  window.addEventListener(kind, (event) =>
    window.problems.push(`${kind}: ${event.message || event.reason || event.blockedURI}`));
for (const level of ["error", "warn"]) console[level] = (...words) => window.problems.push(words.join(" "));
</script>"""

DRIVE = """<script>
const press = (key, at = document.body) =>
  at.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const part = (name) => document.querySelector(`[data-part=${name}]`);
const look = () => ({
  count: part("count").textContent,
  say: part("say").innerText,
  queue: [...part("queue").querySelectorAll("span")].map((span) => span.className),
  live: part("live").textContent,
  play: part("play").getAttribute("aria-pressed"),
  grads: Object.fromEntries([...document.querySelectorAll("svg g[id]")]
    .filter((g) => /-v\\d+$/.test(g.id))
    .map((g) => [g.id.replace(/.*-/, ""), [...g.querySelectorAll("text")].at(-1).textContent])),
  edges: [...document.querySelectorAll("svg g.flows text")].map((text) => text.textContent),
  box: document.querySelector("svg").getAttribute("viewBox"),
  places: [...document.querySelectorAll("svg text")]
    .map((text) => `${text.getAttribute("x")} ${text.getAttribute("y")}`).join(),
});
const seen = {};
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
(async () => {
  %s
})().catch((error) => window.problems.push(String(error))).finally(() => {
  const result = document.createElement("pre");
  result.id = "result";
  const loaded = performance.getEntriesByType("resource").map((entry) => entry.name);
  result.textContent = JSON.stringify({ seen, loaded, problems: window.problems });
  document.body.append(result);
});
</script>"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Open a page in the browser, do what a script says, and give what it saw."""

    def run_page(page, script):
        folder = tmp_path_factory.mktemp("browser")
        path = folder / "page.html"
        page = page.replace("<head>", "<head>" + WATCH, 1).replace("</body>", DRIVE % script + "</body>", 1)
        path.write_text(page, encoding="utf-8")
        options = [*QUIET, f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=60000", "--dump-dom"]
        done = subprocess.run(
            [BROWSER, *options, path.as_uri()], capture_output=True, timeout=120, check=True, encoding="utf-8"
        )
        found = re.search(r'<pre id="result">(.*?)</pre>', done.stdout, re.S)
        assert found, done.stderr[-2000:]
        result = json.loads(html.unescape(found[1]))
        assert result["problems"] == []
        assert result["loaded"] == []
        assert "CONSOLE" not in done.stderr
        return result["seen"]

    return run_page


KEYBOARD = """
    seen.start = look();
    press("ArrowRight"); press("ArrowRight"); press("ArrowRight"); seen.three = look();
    press("ArrowLeft"); seen.two = look();
    press("End"); seen.end = look();
    press("Home"); seen.home = look();
"""
MODES = """
    const modes = part("modes");
    for (let i = 0; i < modes.length; i++) {
      modes.selectedIndex = i;
      modes.dispatchEvent(new Event("change"));
      press("End");
      seen[modes.value] = look();
    }
"""
PREDICT = """
    part("predict").checked = true;
    press("ArrowRight"); seen.asked = look();
    const answer = () => part("say").querySelector("input");
    answer().value = "7"; press("Enter", answer()); seen.wrong = look();
    answer().value = "5"; press("Enter", answer()); seen.right = look();
    press("ArrowRight"); seen.next = look();
    press("ArrowRight"); seen.revealed = look();
"""
SLIDER = """
    part("slider").value = 2;
    part("slider").dispatchEvent(new Event("input"));
    seen.slid = look();
    press("ArrowRight", part("modes")); seen.same = look();
"""
SPACE = """
    press(" "); seen.playing = look();
    await wait(12000); seen.played = look();
    press(" "); press(" "); seen.paused = look();
"""
PLAYED = {"keyboard": KEYBOARD, "space": SPACE, "modes": MODES, "predict": PREDICT, "slider": SLIDER}
AS_IT_WAS = """
    part("predict").checked = false;
    part("modes").selectedIndex = 0;
    part("modes").dispatchEvent(new Event("change"));
    press("Home");
"""


@pytest.fixture(scope="module")
def played(run):
    """What each script saw of the diamond, one after the other on one page: starting a browser takes long."""
    scripts = [f"{{ const seen = all.{name} = {{}}; {script} {AS_IT_WAS} }}" for name, script in PLAYED.items()]
    return run(visualize.stepper(diamond, engine="builtin").html(), "const all = seen;" + "".join(scripts))


def the_keyboard_stepped_through(seen):
    assert seen["start"]["count"] == "0 / 4"
    assert {text for key, text in seen["start"]["grads"].items() if key in ("v0", "v2", "v4")} == {"grad 0"}
    assert seen["three"]["grads"]["v0"] == "grad 14"
    assert seen["three"]["edges"] == ["5 × 2 = 10"]
    assert seen["three"]["queue"] == ["done", "done", "now"]
    assert "4 + 10 = 14" in seen["three"]["say"]
    assert "b = a * 2" in seen["three"]["say"]
    assert "its gradient is 14" in seen["three"]["live"]
    assert seen["two"]["grads"]["v0"] == "grad 4"
    assert "finite difference" in seen["end"]["say"]
    assert seen["home"] == seen["start"]
    assert len({seen[step]["places"] for step in seen}) == 1


def test_the_keyboard_steps_through(played):
    the_keyboard_stepped_through(played["keyboard"])


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz's dot")
def test_the_keyboard_steps_through_what_dot_laid_out(run):
    the_keyboard_stepped_through(run(visualize.stepper(diamond, engine="dot").html(), KEYBOARD))


def test_space_plays_to_the_end_and_stops(played):
    seen = played["space"]
    assert seen["playing"]["play"] == "true"
    assert (seen["played"]["count"], seen["played"]["play"]) == ("4 / 4", "false")
    assert seen["paused"]["play"] == "false"


def test_the_modes_go_wrong(played):
    states = played["modes"].values()
    assert [state["grads"]["v0"] for state in states] == ["grad 14", "grad 4", "grad 10", "grad 28"]


def test_predict_then_reveal(played):
    seen = played["predict"]
    assert seen["asked"]["edges"] == ["?", "?"]
    assert "5" not in "".join(seen["asked"]["edges"])
    assert "Not this" in seen["wrong"]["say"]
    assert "5 is right" in seen["right"]["say"]
    assert seen["right"]["edges"] == ["1 × 5 = 5", "1 × 4 = 4"]
    assert (seen["next"]["edges"], seen["revealed"]["edges"]) == (["?"], ["4 × 1 = 4"])


def test_the_slider_moves_and_keys_in_fields_are_left_alone(played):
    seen = played["slider"]
    assert seen["slid"]["count"] == "2 / 4"
    assert seen["same"]["count"] == "2 / 4"


def test_a_model_on_tensors_steps_through(run):
    net, loss = net_loss()
    seen = run(visualize.draw(loss, names=net, engine="builtin").html(stepper=True), 'press("End"); seen.end = look();')
    assert "layers.0.weight" in seen["end"]["say"]
