"""Tests of the pictures of plans: what they say is what the plan does, and no two arrays are in one place at a time."""

import itertools
import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import visualize
from tinygrad_lm import models, optim
from tinygrad_lm.replay import replay
from tinygrad_lm.text import Vocabulary
from visualize.formats.viewer import asset
from visualize.plans.data import Buffer, PlanCall, PlanData
from visualize.plans.svg import LEFT, MARGIN, MEMORY, ROW

SVG = "{http://www.w3.org/2000/svg}"
MADE = {
    "mlp": lambda: models.MLP(Vocabulary(), context=3, embedding=4, hidden=(16,), rng=0),
    "lstm": lambda: models.LSTM(Vocabulary(), embedding=3, hidden=5, rng=0),
    "transformer": lambda: models.Transformer(Vocabulary(), width=8, heads=2, layers=1, context=6, rng=0),
}


def planned(model, kind="adamw", clip=None, length=None):
    """A step of a model that is replayed, after so many calls that there is a plan, and the last batch."""
    optimizer = optim.SGD(model.parameters(), lr=0.1) if kind == "sgd" else optim.AdamW(model.parameters(), lr=0.1)

    @replay
    def step(inputs, targets):
        optimizer.zero_grad()
        loss = model.loss(inputs, targets)
        loss.backward(retain_graph=False)
        if clip is not None:
            optim.clip_grad_norm_(optimizer.parameters, clip)
        optimizer.step()
        return loss

    rng = np.random.default_rng(0)
    windows = isinstance(model, models.MLP)
    shape = (8, 3) if windows else (4, length or 5)
    for _ in range(3):
        batch = rng.integers(0, 27, shape), rng.integers(0, 27, shape[:1] if windows else shape)
        step(*batch)
    assert step.plan is not None
    return step, batch


@pytest.fixture(scope="module")
def mlp():
    model = MADE["mlp"]()
    return model, planned(model, clip=1.0)[0]


@pytest.fixture(scope="module")
def view(mlp):
    model, step = mlp
    return visualize.draw(step.plan, names=model)


class TestMemory:
    @pytest.mark.parametrize("family", MADE)
    def test_is_never_given_to_two_arrays_at_a_time(self, family):
        step, _ = planned(MADE[family]())
        places = step.plan.layout.places
        assert len(places) > 10
        for one, other in itertools.combinations(places, 2):
            together = one.first <= other.last and other.first <= one.last
            beside = one.start + one.size <= other.start or other.start + other.size <= one.start
            assert beside or not together, (one.array.name, other.array.name)
        data = visualize.draw(step.plan).data
        assert max(buffer.start + buffer.size for buffer in data.buffers) <= data.shared < data.unshared
        for one, other in itertools.combinations(data.buffers, 2):
            together = one.first <= other.last and other.first <= one.last
            beside = one.start + one.size <= other.start or other.start + other.size <= one.start
            assert beside or not together, (one, other)

    @pytest.mark.parametrize("family", MADE)
    def test_is_read_and_written_only_while_an_array_is_needed(self, family):
        """Each array's memory is overwritten before it is needed first and after it was needed last."""
        one, batch = planned(MADE[family](), "sgd")
        expected = [one(*batch).data.copy() for _ in range(3)]
        other, _ = planned(MADE[family](), "sgd")
        plan = other.plan
        for buffer in (plan.layout.array(place.array) for place in plan.layout.places):
            if buffer.dtype.kind == "f":
                buffer[...] = np.nan
        found = [other(*batch).data.copy() for _ in range(3)]
        np.testing.assert_array_equal(found, expected)

    def test_is_where_the_picture_says(self, mlp, view):
        _, step = mlp
        layout = step.plan.layout
        first = min(layout.places, key=lambda place: place.start)
        begin = layout.array(first.array).__array_interface__["data"][0] - first.start
        for place in layout.places:
            assert layout.array(place.array).__array_interface__["data"][0] == begin + place.start
        assert [buffer.start for buffer in view.data.buffers] == [place.start for place in layout.places]


class TestData:
    def test_has_the_calls_in_their_order(self, view):
        calls = view.data.calls
        texts = [call.text for call in calls]
        wanted = [
            "emb = embedding.weight[inputs]",
            "z = emb @ hidden.0.weightᵀ",
            "z = z + hidden.0.bias",
            "h = tanh(z)",
        ]
        assert texts[2:6] == wanted
        assert "d output.weight = d z_2ᵀ @ h" in texts and "d hidden.0.bias = ones · d z" in texts
        assert texts[-2:] == ["clip the gradients to norm 1", "AdamW: 5 parameters as one vector"]
        assert [part for part, _ in itertools.groupby(call.part for call in calls)] == ["forward", "backward", "update"]
        assert not any(text.startswith("copy ") for text in texts)  # gradients are written where they belong
        assert calls[3].title == "linear of hidden.0"
        assert calls[3].numbers == 8 * 12 + 12 * 16 + 8 * 16
        assert calls[5].kind == "forward" and calls[-1].kind == "parameter"

    def test_says_how_long_each_array_is_needed(self, view):
        data = view.data
        texts = [call.text for call in data.calls]
        hidden = next(buffer for buffer in data.buffers if buffer.name == "h")
        assert texts[hidden.first] == "h = tanh(z)" and "h × h" in texts[hidden.last]
        assert (hidden.shape, hidden.dtype, hidden.kind, hidden.size) == ((8, 16), "float32", "forward", 512)
        gradient = next(buffer for buffer in data.buffers if buffer.name == "d z")
        assert gradient.kind == "backward" and gradient.first > hidden.first
        assert not any("weight" in buffer.name for buffer in data.buffers)  # written where they are kept

    def test_has_what_is_kept_side_by_side(self, mlp, view):
        model, _ = mlp
        rows = {row.title: row for row in view.data.kept}
        assert list(rows) == ["parameters", "gradients", "mean", "square", "inputs", "constants", "results"]
        assert [array.name for array in rows["parameters"].arrays] == [name for name, _ in model.named_parameters()]
        assert all(rows[title].joined for title in ("parameters", "gradients", "mean", "square"))
        assert rows["gradients"].arrays[0].name == "d embedding.weight"
        assert [array.name for array in rows["inputs"].arrays] == ["inputs", "targets"]

    def test_of_parameters_that_are_stepped_one_by_one_says_so(self):
        model = MADE["mlp"]()
        held = [parameter.data for parameter in model.parameters()]
        step, _ = planned(model)
        data = visualize.draw(step.plan, names=model).data
        rows = {row.title: row for row in data.kept}
        assert len(held) == len(rows["parameters"].arrays) == 5 and not rows["parameters"].joined
        assert data.calls[-1].text == "AdamW: 5 parameters, one by one"

    def test_of_a_step_without_an_optimizer(self):
        model = MADE["mlp"]()

        @replay
        def loss(inputs, targets):
            return model.loss(inputs, targets).detach()

        inputs, targets = np.zeros((8, 3), int), np.zeros(8, int)
        for _ in range(3):
            loss(inputs, targets)
        data = visualize.draw(loss.plan, names=model).data
        assert {call.part for call in data.calls} == {"forward"}
        assert [row.title for row in data.kept] == ["other parameters", "inputs", "constants", "results"]

    def test_names_no_two_arrays_alike(self, mlp):
        _, step = mlp
        data = visualize.draw(step.plan).data  # without names: two weights, two biases
        names = [array.name for row in data.kept if row.title == "parameters" for array in row.arrays]
        assert len(set(names)) == 5 and "weight_2" in names
        shared = [buffer.name for buffer in data.buffers]
        assert len(set(shared)) == len(shared)

    def test_writes_parts_of_arrays(self):
        step, _ = planned(MADE["lstm"](), length=3)
        texts = [call.text for call in visualize.draw(step.plan).data.calls]
        assert any(text.startswith("lstm[0:4] = ") for text in texts)
        assert any(re.fullmatch(r"(x\d+\[1:\]) = \1 × 0.5", text) for text in texts)


class TestPicture:
    @pytest.mark.parametrize("theme", visualize.THEMES)
    def test_is_within_its_frame(self, mlp, theme):
        model, step = mlp
        root = ET.fromstring(visualize.draw(step.plan, names=model, theme=theme).svg())
        left, top, width, height = map(float, root.get("viewBox").split())
        assert (left, top, width) == (-MARGIN, -MARGIN, LEFT + MEMORY + 2 * MARGIN)
        for box in root.iter(f"{SVG}rect"):
            x, y, wide, high = (float(box.get(key)) for key in ("x", "y", "width", "height"))
            assert left <= x and x + wide <= left + width + 2 and top <= y and y + high <= top + height
            assert re.fullmatch("#[0-9a-f]{6}|none", box.get("fill"))

    def test_has_a_bar_for_each_array_and_a_line_for_each_call(self, view):
        root = ET.fromstring(view.svg())
        groups = {
            kind: [g for g in root.iter(f"{SVG}g") if kind in (g.get("class") or "").split()]
            for kind in ("call", "array")
        }
        kept = sum(len(row.arrays) for row in view.data.kept)
        assert len(groups["call"]) == len(view.data.calls)
        assert len(groups["array"]) == len(view.data.buffers) + kept
        titles = [g.find(f"{SVG}title").text for g in groups["array"]]
        (about,) = [title for title in titles if title.startswith("h: ")]
        hidden = next(buffer for buffer in view.data.buffers if buffer.name == "h")
        box = groups["array"][titles.index(about)].find(f"{SVG}rect")
        left = LEFT + MEMORY * hidden.start / view.data.shared
        assert [float(box.get(key)) for key in ("x", "width")] == pytest.approx(
            [left, MEMORY * hidden.size / view.data.shared], abs=0.06
        )
        assert float(box.get("height")) == ROW * (hidden.last - hidden.first + 1) - 1
        assert "8×16 of float32, 512 bytes" in about and "from call 6: h = tanh(z)" in about
        texts = {text.text for text in root.iter(f"{SVG}text")}
        assert {"forward", "backward", "update", "h", "8×16", "made on the way forward", "moments"} <= texts
        assert {"h = tanh(z)", "linear of hidden.0", view.data.caption} <= texts

    def test_without_a_legend(self, mlp):
        assert "made on the way forward" not in visualize.draw(mlp[1].plan, legend=False).svg()

    def test_of_many_calls_writes_those_with_most_to_do(self):
        calls = tuple(PlanCall(f"call {i}", "forward", "", None, 1 + (i % 100 == 50)) for i in range(2000))
        buffer = Buffer("h", "forward", (4,), "float32", 16, 0, 0, 1999)
        view = visualize.PlanView(PlanData(calls, (buffer,), (), 64, 16), visualize.THEMES["light"])
        root = ET.fromstring(view.svg())
        texts = {text.text for text in root.iter(f"{SVG}text")}
        assert {f"call {i}" for i in range(50, 2000, 100)} <= texts
        assert len(texts) < 400 and float(root.get("height")) < 3200
        assert len([g for g in root.iter(f"{SVG}g") if g.get("class") == "call"]) == 2000

    def test_shows_hostile_names_as_themselves(self):
        call = PlanCall('<script>"&', "forward", "\0", None, 1)
        buffer = Buffer('</text>"', "forward", (4,), "float32", 16, 0, 0, 0)
        view = visualize.PlanView(PlanData((call,) * 4, (buffer,), (), 16, 16), visualize.THEMES["light"])
        root = ET.fromstring(view.svg())
        assert '<script>"&' in {text.text for text in root.iter(f"{SVG}text")}
        page = view.html()
        assert page.count("<script") == 2 and asset("viewer.js") in page and '<script>"' not in page

    def test_is_saved_by_its_suffix(self, view, tmp_path):
        for suffix, begin in ((".svg", "<svg"), (".html", "<!doctype html>"), (".json", "{"), (".txt", "call")):
            assert view.save(tmp_path / f"plan{suffix}").read_text(encoding="utf-8").startswith(begin)
        content = json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))
        assert len(content["calls"]) == len(view.data.calls) and content["caption"] == view.data.caption
        assert not re.search(r"https?://(?!www\.w3\.org/)", view.html())
        with pytest.raises(ValueError, match=r"must end in one of \.svg, \.html, \.json, \.txt"):
            view.save(tmp_path / "plan.png")

    def test_shows_itself_in_a_notebook(self, view):
        bundle = view._repr_mimebundle_()
        assert bundle["image/svg+xml"] == view.svg() and bundle["text/plain"] == view.text()
        assert list(view._repr_mimebundle_(include=["text/plain"])) == ["text/plain"]
        assert view.text().splitlines()[0].split() == ["call", "part", "computed", "numbers", "memory"]
        assert repr(view) == f"<PlanView of {view.data.caption}>"
        assert repr(view.data).startswith("PlanData(")

    def test_is_the_same_for_the_same_program(self, view):
        model = MADE["mlp"]()
        again = visualize.draw(planned(model, clip=1.0)[0].plan, names=model)
        assert again.svg() == view.svg()
