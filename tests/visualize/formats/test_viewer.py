"""Tests of the viewer in a real browser: all of a picture is seen, zoomed, moved, and lit by pointer and keys."""

import numpy as np
import pytest

import visualize
from tests.helpers.graphs import diamond, every_engine, net_loss, neuron, picture_in, recurrence
from tinygrad_lm import nn, optim
from tinygrad_lm.replay import replay
from visualize.formats.viewer import asset

LOOK = """(() => {
  const box = document.querySelector(".tglm-view"), svg = box.querySelector("svg"), pane = svg.getBoundingClientRect();
  const groups = [...svg.querySelectorAll("g.node")].filter((g) => /-[dvg]\\d+$/.test(g.id));
  const all = groups.map((g) => [g.id.replace(/.*-/, ""), g.getBoundingClientRect()]);
  const named = (name) => [...svg.querySelectorAll(`g.${name}`)].map((g) => g.id.replace(/.*-/, "")).sort();
  return {
    box: svg.getAttribute("viewBox").split(" ").map(Number),
    inside: all.filter(([, r]) => r.left >= pane.left - 1 && r.right <= pane.right + 1 && r.top >= pane.top - 1 &&
      r.bottom <= pane.bottom + 1).map(([id]) => id),
    nodes: all.length,
    dim: named("dim"), feeds: named("feeds"), fed: named("fed"), picked: named("picked"),
    about: box.querySelector("[data-view=about]").textContent,
    overflow: document.documentElement.scrollWidth - innerWidth,
    text: Math.min(...[...svg.querySelectorAll("g.node text")].map((t) => t.getBoundingClientRect().height)),
  };
})()"""


@pytest.fixture
def page(open_page):
    """The diamond: a -> b, c -> d."""
    return open_page(visualize.draw(diamond(), engine="builtin").html(stepper=False))


def node(key):
    return f'g[id$="-{key}"]'


@every_engine
@pytest.mark.parametrize("width", [1000, 1200])
def test_all_of_a_picture_is_seen_at_first(open_page, engine, width):
    net, loss = net_loss()
    view = visualize.draw(loss, names=net, engine=engine, show=("label", "shape"))
    page = open_page(view.html(stepper=False), width=width, height=900)
    seen = page.evaluate(LOOK)
    assert len(seen["inside"]) == seen["nodes"] == 13
    assert seen["overflow"] == 0


def test_where_all_of_it_would_be_too_small_the_result_is_seen(open_page):
    net, loss = net_loss()
    view = visualize.draw(loss, names=net, engine="builtin")
    seen = open_page(view.html(stepper=False), width=400).evaluate(LOOK)
    assert view.graph.roots[0] in seen["inside"]
    assert seen["text"] > 6
    assert seen["overflow"] == 0


def test_pointing_at_a_node_lights_what_feeds_it_and_what_it_feeds(page):
    page.move(node("v2"))
    seen = page.evaluate(LOOK)
    assert (seen["feeds"], seen["fed"]) == (["e0", "e1", "v0", "v1", "v2"], ["e4", "v2", "v5"])
    assert seen["dim"] == ["e2", "e3", "e5", "v3", "v4"]
    assert "b" in seen["about"] and "data 4" in seen["about"]
    page.move((2, 2))
    assert page.evaluate(LOOK)["dim"] == []


def test_a_click_keeps_it_lit_and_another_takes_it_back(page):
    page.click(node("v2"))
    page.move((2, 2))
    assert page.evaluate(LOOK)["picked"] == ["v2"]
    page.click(node("v2"))
    page.move((2, 2))
    assert page.evaluate(LOOK)["picked"] == []


def test_arrow_keys_go_from_node_to_node_and_escape_leaves(page):
    page.press("Tab")
    seen = []
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowLeft", "Escape"):
        page.press(key)
        seen.append(page.evaluate(LOOK)["picked"])
    assert seen == [["v0"], ["v1"], ["v0"], ["v5"], []]


def wide(page):
    return page.evaluate(LOOK)["box"][2]


def test_zooming_by_keys_buttons_wheel_and_double_click(page):
    start = wide(page)
    page.press("Tab", "+", "=")
    assert wide(page) == pytest.approx(start / 2.25, rel=0.01)
    page.press("-")
    assert wide(page) == pytest.approx(start / 1.5, rel=0.01)
    page.press("0")
    assert wide(page) == start
    page.click("[data-view=in]")
    assert wide(page) == pytest.approx(start / 1.5, rel=0.01)
    page.click("[data-view=out]")
    page.click("[data-view=out]")
    assert wide(page) == start
    page.click("svg", count=2)
    assert wide(page) == pytest.approx(start / 2, rel=0.01)
    page.click("[data-view=fit]")
    assert wide(page) == start


def test_the_wheel_alone_is_the_pages(open_page):
    html = visualize.draw(diamond(), engine="builtin").html(stepper=False)
    page = open_page(html.replace("</body>", "<p style='height:3000px'></p></body>"))
    start = wide(page)
    page.wheel("svg", dy=120)
    page.wait_for("scrollY > 50")
    assert wide(page) == start


def test_dragging_moves_what_is_zoomed_and_nothing_else(page):
    page.set_view(width=420)
    page.wait_for("document.querySelector('svg').getAttribute('viewBox').split(' ')[2] < 400")
    start = page.evaluate(LOOK)["box"]
    page.drag((200, 100), (100, 100))
    assert page.evaluate(LOOK)["box"] == start
    page.press("Tab", "+", "+", "+")
    before = page.evaluate(LOOK)["box"]
    page.drag((200, 100), (160, 100))
    after = page.evaluate(LOOK)
    assert after["box"][0] > before[0] and after["box"][2] == before[2]
    page.move((2, 2))
    assert page.evaluate(LOOK)["picked"] == []
    page.press("Shift+ArrowLeft")
    assert page.evaluate(LOOK)["box"][0] < after["box"][0]


def test_a_picture_grows_with_its_page_and_not_beyond_its_size(open_page):
    page = open_page(visualize.draw(recurrence(5), engine="builtin").html(stepper=False), width=500)
    narrow = page.evaluate("document.querySelector('svg').getBoundingClientRect().width")
    page.set_view(width=1400)
    page.wait_for(f"document.querySelector('svg').getBoundingClientRect().width > {narrow + 100}")
    small = open_page(visualize.draw(neuron(), engine="builtin").html(stepper=False), width=1800, height=900)
    assert small.evaluate("document.querySelector('svg g.node rect').getBoundingClientRect().height") < 70


def test_keys_in_fields_beside_it_are_left_alone(open_page):
    html = visualize.draw(diamond(), engine="builtin").html(stepper=False)
    page = open_page(html.replace("</body>", "<input id='field'></body>"))
    start = page.evaluate(LOOK)
    page.click("#field")
    page.type("0 + 1 = 1 - 0")
    assert page.evaluate("document.querySelector('#field').value") == "0 + 1 = 1 - 0"
    assert page.evaluate(LOOK)["box"] == start["box"]


def test_two_pictures_of_one_page_are_looked_at_apart(open_page):
    first, second = (visualize.draw(root, engine="builtin").html(stepper=False) for root in (diamond(), neuron()))
    page = open_page(first.replace("</body>", second.partition("<body>")[2]))
    boxes = "[...document.querySelectorAll('.tglm-view svg')].map((s) => s.getAttribute('viewBox'))"
    before = page.evaluate(boxes)
    page.press("Tab", "+")
    after = page.evaluate(boxes)
    assert after[0] != before[0] and after[1] == before[1]


def test_what_was_asked_for_is_shown_also_in_a_page():
    """A page had a picture of its own, without what ``show`` asked for and with every gradient 0."""
    root = neuron()
    root.backward()
    page = visualize.draw(root, show=("label", "grad", "local"), engine="builtin").html()
    picture = picture_in(page)
    assert "grad -1.5" in picture and "∂o/∂n" in picture and ">data" not in picture


def test_a_picture_that_is_hidden_at_first_is_shown_as_any_other(open_page):
    """In a part of a page that is not displayed it had no width, and a corner of it was seen later."""
    net, loss = net_loss()
    html = visualize.draw(loss, names=net, engine="builtin").html(stepper=False)
    shown = open_page(html, width=400).evaluate(LOOK)
    hidden = html.replace("<body>", "<body><div id='tab' style='display: none'>").replace("</body>", "</div></body>")
    page = open_page(hidden, width=400)
    page.evaluate("document.querySelector('#tab').style.display = ''")
    page.wait_for("document.querySelector('.tglm-view svg').clientWidth > 0")
    page.wait_for(f"document.querySelector('.tglm-view svg').getAttribute('viewBox') === '{viewed(shown)}'")


def viewed(seen):
    return " ".join(f"{number:.2f}" for number in seen["box"])


def test_a_button_released_elsewhere_is_released(page):
    """The picture went on moving with a pointer that pressed nothing."""
    page.set_view(width=420)
    page.press("Tab", "+", "+", "+", "+")
    bottom = page.evaluate("document.querySelector('.tglm-view svg').getBoundingClientRect().bottom")
    page.drag((100, bottom - 2), (100, bottom + 60), steps=0)
    before = page.evaluate(LOOK)["box"]
    page.move((150, bottom - 20))
    page.move((200, bottom - 50))
    assert page.evaluate(LOOK)["box"] == before


def test_the_output_of_an_architecture_is_a_node_as_others_are(open_page):
    model, x = nn.Sequential(nn.Linear(3, 2, rng=0), nn.Tanh()), np.ones((2, 3), np.float32)
    page = open_page(visualize.draw(model, x, style="architecture", engine="builtin").html())
    page.press("Tab", "ArrowLeft")
    assert page.evaluate(LOOK)["picked"] == ["o0"]
    page.move(node("g0"))
    assert "o0" in page.evaluate(LOOK)["fed"]


def test_what_stands_for_the_rest_is_a_node_as_others_are(open_page):
    view = visualize.draw(recurrence(9), focus="v13", radius=1, engine="builtin")
    stub = next(node.id for node in view.graph.nodes if node.id.startswith("before"))
    page = open_page(view.html())
    page.click(node(stub))
    assert page.evaluate(LOOK)["picked"] == [stub]


def test_a_plan_is_looked_around_in_too(open_page):
    layer = nn.Linear(3, 2, rng=0)
    optimizer = optim.SGD(layer.parameters(), lr=0.1)

    def step(x):
        optimizer.zero_grad()
        loss = layer(x).sum()
        loss.backward(retain_graph=False)
        optimizer.step()
        return loss

    replayed = replay(step)
    for _ in range(3):
        replayed(np.ones((2, 3), np.float32))
    page = open_page(visualize.draw(replayed.plan).html())
    page.press("Tab", "+")
    assert page.evaluate("document.querySelector('.tglm-view svg').getAttribute('viewBox')")


def test_a_notebook_gets_the_viewer_the_picture_and_the_table():
    bundle = visualize.draw(diamond(), engine="builtin")._repr_mimebundle_()
    assert set(bundle) == {"text/html", "image/svg+xml", "text/plain"}
    assert "tglm-view" in bundle["text/html"] and picture_in(bundle["text/html"]) == bundle["image/svg+xml"]


def test_its_script_is_small():
    assert len(asset("viewer.js").encode()) < 9_000
