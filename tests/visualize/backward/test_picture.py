"""The picture of the stepper in a real browser: all of it at first, then what happens, readable at every width."""

import re

import pytest

import visualize
from tests.helpers.graphs import diamond, every_engine, net_loss, neuron
from tests.helpers.stepping import LOOK, part

VIEW = """(() => {
  const svg = document.querySelector(".tglm-view svg"), pane = svg.getBoundingClientRect();
  const inside = (g) => { const r = g.getBoundingClientRect(); return r.width > 0 && r.left >= pane.left - 1 &&
    r.right <= pane.right + 1 && r.top >= pane.top - 1 && r.bottom <= pane.bottom + 1; };
  const named = (groups) => groups.map((g) => g.id.replace(/.*-/, ""));
  const nodes = [...svg.querySelectorAll("g.node")].filter((g) => /-[dv]\\d+$/.test(g.id));
  const scale = svg.getScreenCTM().a;
  const size = (texts) => Math.min(...texts.map((text) => parseFloat(getComputedStyle(text).fontSize) * scale));
  return {
    inside: named(nodes.filter(inside)), all: named(nodes),
    wanted: named(nodes.filter((g) => g.matches(".now, .gets"))), now: named(nodes.filter((g) => g.matches(".now"))),
    text: size([...svg.querySelectorAll("g.now text")]),
    edges: size([...svg.querySelectorAll("g.flows text")]),
    overflow: document.documentElement.scrollWidth - innerWidth,
  };
})()"""

PROGRAMS = {"neuron": (neuron, {}), "net": (lambda: net_loss()[1], {}), "diamond": (diamond, {})}


@pytest.mark.parametrize("width", [400, 700, 1200])
@pytest.mark.parametrize("program", PROGRAMS)
def test_everything_is_seen_at_first_and_then_what_happens(stepping, program, width):
    make, options = PROGRAMS[program]
    page = stepping(visualize.stepper(make(), engine="builtin", **options).html(), width=width, height=900)
    seen = page.evaluate(VIEW)
    assert seen["inside"] == seen["all"] and seen["overflow"] == 0
    count = int(page.evaluate(LOOK)["count"].split("/")[1])
    for _ in range(count):
        page.press("ArrowRight")
        seen = page.evaluate(VIEW)
        assert seen["overflow"] == 0
        if not seen["now"]:
            assert seen["inside"] == seen["all"]
            continue
        assert set(seen["now"]) <= set(seen["inside"])
        assert len(set(seen["wanted"]) & set(seen["inside"])) >= min(2, len(seen["wanted"]))
        assert seen["text"] is None or seen["text"] > 5.9
        assert seen["edges"] is None or seen["edges"] >= 9
    page.press("Home")
    seen = page.evaluate(VIEW)
    assert seen["inside"] == seen["all"]


HEADS = """(() => {
  const svg = document.querySelector(".tglm-view svg");
  return [...svg.querySelectorAll("g.edge")].map((g) => {
    const path = g.querySelector("path"), head = g.querySelector(".head"), own = g.querySelector("polygon:not(.head)");
    const start = path.getPointAtLength(0), later = path.getPointAtLength(4.5);
    const [tip, left, right] = (head?.getAttribute("points").split(" ") ?? []).map((p) => p.split(",").map(Number));
    const far = (p, q) => Math.hypot(p[0] - q.x, p[1] - q.y);
    const middle = head && [0, 1].map((i) => tip[i] / 2 + (left[i] + right[i]) / 4);
    return { id: g.id.replace(/.*-/, ""), forward: getComputedStyle(own).display !== "none",
      back: Boolean(head) && getComputedStyle(head).display !== "none",
      tip: head && far(tip, start), middle: head && far(middle, later),
      width: parseFloat(getComputedStyle(path).strokeWidth), colour: getComputedStyle(path).stroke };
  });
})()"""


@every_engine
def test_arrows_point_backward_where_gradients_have_flowed(stepping, engine):
    page = stepping(visualize.stepper(diamond, engine=engine).html())
    forward = page.evaluate(HEADS)
    assert all(edge["forward"] and not edge["back"] for edge in forward)
    page.press("2", "ArrowRight")
    assert [edge["id"] for edge in page.evaluate(HEADS) if edge["back"]] == ["e4", "e5"]
    page.press("ArrowRight", "ArrowRight")
    edges = page.evaluate(HEADS)
    assert [edge["id"] for edge in edges if edge["back"]] == ["e0", "e2", "e4", "e5"]
    for edge in edges:
        assert edge["forward"] != edge["back"]
        if edge["back"]:
            assert edge["tip"] < 1 and edge["middle"] < 3
    page.press("1")
    assert page.evaluate(HEADS) == forward


def test_the_larger_a_contribution_the_thicker_its_edge(stepping):
    page = stepping(visualize.stepper(diamond, engine="builtin").html())
    page.press("2", "ArrowRight", "ArrowRight", "ArrowRight")
    edges = {edge["id"]: edge for edge in page.evaluate(HEADS)}
    widths = [edges[f"e{i}"]["width"] for i in (4, 2, 5, 0)]
    sizes = [5, 4, 4, 10]
    assert [round((width - 1.2) / 3, 2) for width in widths] == [size / 10 for size in sizes]
    assert len({edges[f"e{i}"]["colour"] for i in (4, 2, 0)}) == 3


def test_arrays_count_by_their_norm(stepping):
    net, loss = net_loss()
    page = stepping(visualize.stepper(loss, names=net, engine="builtin").html())
    page.press("3")
    widths = {edge["width"] for edge in page.evaluate(HEADS) if edge["back"]}
    assert len(widths) > 4 and max(widths) == pytest.approx(4.2)


def test_what_is_opened_later_has_its_size(open_page):
    page = open_page(visualize.draw(neuron(), engine="builtin").html(), width=700, height=900)
    assert page.evaluate("document.querySelector('details').open") is False
    page.click("details:has(.tglm-stepper) > summary")
    view = VIEW.replace('document.querySelector(".tglm-view svg")', 'document.querySelector(".tglm-stepper svg")')
    page.wait_for(f"{view}.inside.length === {view}.all.length")
    page.click(part("next"))
    seen = page.evaluate(view)
    assert seen["now"] and set(seen["wanted"]) <= set(seen["inside"])


def test_a_narrow_table_is_stacked(stepping):
    page = stepping(visualize.stepper(neuron, engine="builtin").html(), width=400)
    page.press("2", "ArrowRight")
    shown = "getComputedStyle(document.querySelector('[data-part=say] td')).display"
    assert page.evaluate(shown) == "block"
    page.set_view(width=1000)
    assert page.evaluate(shown) == "table-cell"


@pytest.mark.parametrize(("reduced", "moves"), [(True, "none"), (False, "tglm-flow")])
def test_nothing_moves_for_those_who_want_it_still(stepping, reduced, moves):
    page = stepping(visualize.stepper(neuron, engine="builtin").html(), reduced_motion=reduced)
    page.press("2", "ArrowRight")
    assert page.evaluate("getComputedStyle(document.querySelector('g.flows path')).animationName") == moves


@every_engine
def test_tooltips_tell_no_number_of_another_frame(stepping, engine):
    page = stepping(visualize.stepper(diamond, engine=engine).html())
    page.press("2", "ArrowRight")
    titles = page.evaluate("[...document.querySelectorAll('svg title')].map((title) => title.textContent)")
    assert "b\noperation mul\nb = a * 2" in titles
    assert not re.search("^(data|grad) ", "\n".join(titles), re.M)


def test_without_scripts_there_is_the_picture_and_no_dead_control_of_the_stepper():
    fragment = visualize.stepper(diamond, engine="builtin").fragment()
    picture = fragment.partition("<figure>")[2].partition("</figure>")[0]
    seen = re.sub("<template>.*?</template>|<script.*?</script>", "", fragment.replace(picture, ""), flags=re.S)
    assert '<img src="data:image/svg+xml;base64,' in picture
    assert "<figure>" in seen and not any(f"<{tag}" in seen for tag in ("button", "input", "select"))
