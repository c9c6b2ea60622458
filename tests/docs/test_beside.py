"""Tests of the page that compares pictures: it shows what there is, and its rows about ours are what comes out."""

import importlib.util
import re
import sys

import pytest

from tests.helpers import ROOT

SCRIPT = ROOT / "docs" / "beside.py"
PAGE = ROOT / "docs" / "beside_other_pictures.md"

pytestmark = pytest.mark.skipif(not SCRIPT.is_file(), reason="the script is not part of this distribution")


@pytest.fixture(scope="module")
def beside():
    specification = importlib.util.spec_from_file_location("beside", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    sys.modules["beside"] = module  # a NamedTuple looks its module up
    specification.loader.exec_module(module)
    yield module
    del sys.modules["beside"]


@pytest.fixture(scope="module")
def ours(beside):
    """Ours as laid out by the built-in engine, which is the same everywhere."""
    return [beside.measured(*drawing) for drawing in beside.ours() if drawing[1] != "ours, by dot"]


def cells(table):
    """The cells of each row of a table, its head first."""
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    return [lines[0], *lines[2:]]


def rows():
    """The rows of the page's last table, by graph and tool."""
    table = PAGE.read_text(encoding="utf-8").rpartition("\n\n")[2]
    return {(row[0], row[1]): row for row in cells(table)[1:]}


def test_the_rows_about_ours_are_what_comes_out(ours, beside):
    assert len(ours) == 13
    for picture in ours:
        row = rows()[picture.graph, picture.tool]
        assert row[3:5] == [str(picture.nodes), str(picture.edges)]
        assert row[-1] == (picture.says() or "–")
        measured = [*map(float, row[2].split(" × ")), *map(float, row[5:8])]
        drawn = [picture.width, picture.height, *map(picture.text_at, beside.PAGE_WIDTHS)]
        # An architecture has no computed numbers; others may have a digit more or less on another machine.
        without_numbers = picture.tool.startswith("ours, architecture")
        assert measured == pytest.approx(drawn, **({"rel": 1e-3, "abs": 0.5} if without_numbers else {"rel": 0.04}))


def test_the_short_table_says_what_the_long_one_says():
    short = PAGE.read_text(encoding="utf-8").partition("## How large\n")[2].split("\n\n")[1]
    head, *lines = cells(short)
    seen = 0
    for graph, *line in lines:
        graph, _, depth = graph.partition(", ")
        for tool, cell in zip(head[1:], line, strict=True):
            if cell not in ("–", "cannot"):
                text, size, *settings = cell.replace("*", "").split(", ")
                row = rows()[graph.lower(), ", ".join(filter(None, [tool, depth, *settings]))]
                assert [text, size] == [row[6], row[2]]
                seen += 1
                ours = [float(other[6]) for (of, by), other in rows().items() if of == row[0] and "ours" in by]
                assert ("**" in cell) == (float(text) > max(ours))
    assert seen == 28


def test_the_page_shows_the_pictures_that_the_script_writes_for_it(beside):
    shown = re.findall(r"\]\(pictures/beside/(\w+)\.svg\)", PAGE.read_text(encoding="utf-8"))
    names = [re.sub(r"\W+", "_", f"{graph}_{tool}") for graph, *tools in beside.ON_THE_PAGE for tool in tools]
    assert shown == names
    assert sorted(path.stem for path in (PAGE.parent / "pictures" / "beside").iterdir()) == sorted(names)


def test_text_is_measured_as_a_page_shows_it(beside):
    svg = '<svg width="72pt" viewBox="0 0 144 10" height="5pt"><g class="graph" transform="scale(0.5)">'
    svg += "".join(f'<g class="node"><text font-size="{size}">data 1</text></g>' for size in (6, 24, 30)) + "</g></svg>"
    picture = beside.measured("neuron", "a tool", lambda: svg)
    assert (picture.width, picture.height, picture.nodes, picture.edges) == (96, pytest.approx(20 / 3), 3, 0)
    assert picture.text == pytest.approx(24 * 0.5 * 96 / 144)
    assert picture.text_at(48) == pytest.approx(picture.text / 2)
    assert picture.says() == "values"


def test_what_cannot_be_drawn_is_left_out_with_a_line(beside, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))  # no Graphviz: nothing but ours, laid out by the built-in engine
    drawn = [(graph, tool) for source in (beside.ours(), beside.theirs()) for graph, tool, _ in source]
    assert len(drawn) == len(set(drawn)) == 13
    assert {tool for _, tool in drawn} == {"ours", "ours, architecture", "ours, architecture, depth 1"}
    left_out = [line.partition(", for ")[0] for line in capsys.readouterr().out.splitlines()]
    assert left_out == ["left out: ours, by dot", "left out: micrograd", "left out: torch"]
