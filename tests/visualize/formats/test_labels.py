"""Tests of labels as hostile input: any string shows as itself in every engine and format, and nothing runs."""

import html
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import visualize
from tests.helpers.graphs import ENGINES, every_engine, every_engine_many_times, net_loss, neuron, read_svg, texts_by_id
from tinygrad_lm import Value
from tinygrad_lm.autograd.context import Scope, enter_scope, leave_scope
from visualize.formats.labels import LONGEST, clean, cut
from visualize.formats.mermaid import escaped
from visualize.formats.viewer import asset

HOSTILE = "\"\\{}|<>&;#%'`$/*_-[]()=:!~^@?.,+ \t\n\r\0\u202e\u0301\u200déā न字🙂abN"
labels = st.text(st.sampled_from(HOSTILE) | st.characters(), min_size=1, max_size=20)


def shown(label):
    """What a label becomes in a picture; blanks at its ends do not count."""
    return cut(clean(label)).replace("\xa0", " ").strip()


@every_engine_many_times
@settings(max_examples=30)
@given(names=st.lists(labels, min_size=1, max_size=8))
@example(names=["</text><script>alert(1)</script>", "]]>", "<!--", "&amp;", "&#65;", "<b>b</b>", "\\N\\l\\n", "a  b"])
@example(names=["javascript:alert(1)", "%s%n", "\ud800", "x" * 500, "<", "\\", '"', "-", "e\u0301"])
def test_any_label_reads_back_as_itself(engine, names):
    values = [Value(1.0, label=name) for name in names]
    view = visualize.draw(Value.sum(values), engine=engine, show=("label",), legend=False)
    texts = texts_by_id(view.svg())
    for node, name in zip(view.graph.nodes, names, strict=False):
        got = [line.strip() for line in texts[node.id]]
        assert got == ([shown(name)] if shown(name) else got)


@every_engine_many_times
@settings(max_examples=15)
@given(name=labels, kind=labels)
@example(name="\r", kind="\r")
def test_module_names_read_back_as_themselves(engine, name, kind):
    token = enter_scope(Scope(name, kind, 1, None))
    y = Value(2.0) * 3
    leave_scope(token)
    view = visualize.draw(y, engine=engine)
    title = clean(view.graph.clusters[0].title).strip()
    # A title of only blanks may be an empty text or none at all.
    assert next((line.strip() for line in texts_by_id(view.svg())["c0"]), "") == title


@settings(max_examples=30)
@given(name=labels)
def test_mermaid_shows_labels_as_numbers_of_characters(name):
    text = escaped(name)
    assert not set(text) & set("\"'`<>|[]{}()\\*\n")
    back = re.sub(r"#(\d+);", lambda match: chr(int(match[1])), text)
    assert back == clean(name)


@every_engine
@pytest.mark.parametrize("label", ["</svg><script>alert(1)</script>", "javascript:alert(1)", "' onload='x"])
def test_no_links_and_no_scripts_but_our_own(engine, label):
    x = Value(1.0, label=label)
    view = visualize.draw(x * 2, engine=engine)
    for element in read_svg(view.svg()).iter():
        assert element.tag.rpartition("}")[2] in {"svg", "g", "title", "text", "path", "polygon", "polyline", "rect"}
        assert not any("href" in name or name.startswith("on") for name in element.attrib)
    page = view.html(stepper=False)
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", page, re.S)
    assert scripts == ['[["v0","v2"],["v1","v2"]]', asset("viewer.js")] and page.count("<script") == 2
    assert html.escape(label, quote=False) in page


def test_the_stepper_does_not_let_labels_out_of_its_data():
    x = Value(1.0, label="</script><script>alert(1)</script>")
    page = visualize.stepper(x * 2, engine="builtin").html()
    assert page.count("<script") == 2
    assert "<script>alert" not in page


@every_engine
def test_pictures_on_one_page_do_not_share_ids(engine):
    net, loss = net_loss()
    pictures = [visualize.draw(root, engine=engine).svg() for root in (neuron(), loss)]
    ids = [set(re.findall(r'\sid="([^"]+)"', svg)) for svg in pictures]
    assert ids[0]
    assert not ids[0] & ids[1]
    assert len(re.findall(r'\sid="', pictures[1])) == len(ids[1])
    del net


@every_engine
def test_every_engine_shows_the_same_nodes_edges_and_texts(engine):
    net, loss = net_loss()
    texts = {}
    for name in ("builtin", engine):
        view = visualize.draw(loss, names=net, engine=name, legend=False)
        found = texts_by_id(view.svg())
        texts[name] = {key: lines for key, lines in found.items() if key[0] in "dvec" and key[1:].isdigit()}
        assert len(texts[name]) == len(view.graph.nodes) + len(view.graph.edges) + len(view.graph.clusters)
    assert texts["builtin"] == texts[engine]


@every_engine
def test_pictures_fit_their_page(engine):
    root = read_svg(visualize.draw(neuron(), engine=engine).svg())
    assert "max-width:100%" in root.get("style")
    assert root.get("role") == "img"
    assert root.get("viewBox")


def test_long_labels_are_cut_in_the_picture_and_whole_in_the_tooltip():
    name = "long " * 40
    svg = visualize.draw(Value(1.0, label=name) * 2, engine="builtin").svg()
    assert len(texts_by_id(svg)["v0"][0]) == LONGEST
    assert name.strip() in svg


def test_all_engines_of_this_machine_were_tried():
    assert ENGINES[0] == "builtin"
