"""Tests of the backward pass as data: its numbers, its modes, its text and its page."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import visualize
from tests.helpers.graphs import Net, diamond, net_loss, neuron, recurrence, tensor
from tests.helpers.stepping import data_in
from tinygrad_lm import Tensor, Value, nn
from tinygrad_lm.autograd import observers
from visualize.graph.source_lines import place_of


@st.composite
def programs(draw):
    """A random program on a few values, smooth everywhere."""
    nodes = [Value(draw(st.floats(-1.5, 1.5)), label=f"x{i}") for i in range(3)]
    for _ in range(draw(st.integers(1, 12))):
        a, b = (nodes[draw(st.integers(0, len(nodes) - 1))] for _ in range(2))
        makers = [lambda a=a, b=b: a + b, lambda a=a, b=b: a * b, lambda a=a: a.tanh(), lambda a=a, b=b: a - b]
        nodes.append(draw(st.sampled_from(makers))())
    return nodes[-1]


def leaves(steps):
    return {key: node for key, node in steps.nodes.items() if key in steps.gradients and node.is_leaf}


@given(root=programs())
def test_the_last_frame_has_the_engines_gradients_and_those_of_finite_differences(root):
    steps = visualize.backward_steps(root)
    root.backward()
    for key, node in leaves(steps).items():
        assert steps.gradients[key] == node.grad
        _, nudged = steps.finite_differences[key]
        assert nudged == pytest.approx(node.grad, rel=1e-5, abs=1e-7)


def test_tensors_too():
    net, loss = net_loss()
    net.zero_grad()
    steps = visualize.backward_steps(loss, names=net)
    loss.backward()
    for key, node in leaves(steps).items():
        np.testing.assert_allclose(steps.gradients[key], node.grad, rtol=1e-6)
        index, nudged = steps.finite_differences[key]
        assert nudged == pytest.approx(float(node.grad[index]), rel=1e-3)


@pytest.mark.parametrize("x", [np.inf, -np.inf, np.nan])
def test_what_is_not_finite_cannot_be_nudged(x):
    y = Value(x, label="x") * 2
    steps = visualize.backward_steps(y)
    assert np.isnan(steps.finite_differences["v0"][1]) and np.isnan(steps.finite_differences["v2"][1])
    assert "(finite difference nan)" in visualize.stepper(y).text()


def test_one_element_with_axes():
    x = tensor(1, 1, requires_grad=True, label="x")
    page = visualize.stepper((x * 3) @ x, engine="builtin").html()
    row = data_in(page)["recorded"]["modes"][0]["frames"][0]["rows"][0]
    assert row["amount"] == f"[[{x.data[0, 0]:.4g}]]"


@pytest.mark.parametrize(("size", "nudged"), [(3_300_000, {"v0", "v1", "v2"}), (3_400_000, set())])
def test_a_program_that_takes_long_to_nudge_is_left_alone(size, nudged):
    """Three gradients, each with the whole program of twice the size to run again: the limit is 20 million numbers."""
    x = Tensor(np.ones(size, np.float32), requires_grad=True)
    assert set(visualize.backward_steps((x * x).sum()).finite_differences) == nudged


def test_one_is_not_called_several():
    stepper = visualize.stepper(lambda: Value(2.0) * 3)
    assert "1 step, " in repr(stepper)
    assert "2 steps, " in repr(visualize.stepper(lambda: (Value(2.0) * 3).tanh()))


def test_each_frame_adds_up():
    steps = visualize.backward_steps(neuron())
    for frame in steps:
        for row in frame.contributions:
            assert row.amount == row.upstream * row.local
            assert row.after == row.before + row.amount
            assert row.target == frame.node
    assert [len(frame.queue) for frame in steps] == [4, 3, 2, 1, 0]


def test_the_queue_is_in_reverse_topological_order():
    steps = visualize.backward_steps(neuron())
    order = [node.id for node in reversed(steps.graph.nodes) if node.op]
    assert [frame.node for frame in steps] == order
    assert [*steps.frames[0].queue] == order[1:]


@pytest.mark.parametrize(
    ("mode", "gradient"), [("correct", 14.0), ("order", 4.0), ("overwrite", 10.0), ("no_zero_grad", 28.0)]
)
def test_the_diamond_goes_wrong_as_it_should(mode, gradient):
    steps = visualize.backward_steps(diamond(), mode=mode)
    assert steps.gradients["v0"] == gradient
    assert steps.finite_differences["v0"][1] == pytest.approx(14.0)


def test_a_node_used_twice_hands_on_too_early_in_the_wrong_order():
    x = Value(3.0, label="x")
    y = x * 2
    z = y * y + y
    assert visualize.backward_steps(z).gradients["v0"] == 26.0
    steps = visualize.backward_steps(z, mode="order")
    assert 0 != steps.gradients["v0"] != 26.0


def test_the_running_sum_is_shown():
    steps = visualize.backward_steps(diamond())
    rows = [row for frame in steps for row in frame.contributions if row.source == "v0"]
    assert [(row.before, row.amount, row.after, row.first) for row in rows] == [(0, 4, 4, True), (4, 10, 14, False)]


def test_the_line_of_code_is_there_for_functions():
    steps = visualize.backward_steps(diamond)
    assert [frame.line for frame in steps] == ["d = b * c", "c = a + 3", "b = a * 2"]
    assert {frame.line for frame in visualize.backward_steps(diamond())} == {""}


def test_tracing_leaves_the_engines_as_they_were():
    with pytest.raises(ZeroDivisionError), visualize.tracing():
        assert len(observers.active()) == 1
        with visualize.tracing():
            inner = Value(1.0) + 1
        assert place_of(inner).text == "inner = Value(1.0) + 1"
        raise ZeroDivisionError
    assert observers.active() == ()
    assert place_of(Value(1.0) + 1) is None


def test_the_line_can_be_shown_in_a_picture():
    assert "d = b * c" in visualize.draw(diamond, show=("label", "line")).dot


def test_a_forgotten_zero_grad_adds_to_leaves_alone():
    o = neuron()
    steps = visualize.backward_steps(o, mode="no_zero_grad")
    o.backward()
    o.backward()
    for key, node in leaves(steps).items():
        assert steps.gradients[key] == node.grad


@pytest.mark.parametrize("root", [tensor(3, requires_grad=True), Value(1.0, requires_grad=False), [Value(1.0)] * 2])
def test_roots_without_a_backward_pass_get_a_sentence(root):
    with pytest.raises(ValueError, match="one root of one element"):
        visualize.backward_steps(root)


def test_unknown_modes_get_a_sentence():
    with pytest.raises(ValueError, match="mode is one of 'correct'"):
        visualize.backward_steps(diamond(), mode="sideways")


def test_large_graphs_are_not_stepped_through():
    with pytest.raises(ValueError, match="too large to step through"):
        visualize.stepper(recurrence(60))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"fmt": ".4q"}, "fmt must be a format for numbers"),
        ({"direction": "up"}, "direction is 'auto' or one of"),
        ({"theme": "pink"}, "theme must be one of"),
    ],
)
def test_wrong_options_get_a_sentence(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        visualize.stepper(diamond(), **options)


def test_the_frames_as_text():
    text = visualize.stepper(diamond).text()
    assert "to a:  5 × 2 = 10,  by 2,  grad 4 + 10 = 14" in text
    assert "    b = a * 2" in text
    assert "step 2 of 3: c, grad 4 (finite difference 4)" in text
    assert "4 is replaced by 10" in visualize.stepper(diamond()).text("overwrite")


def test_the_page_holds_every_frame_of_every_mode():
    a = Tensor(2.0, requires_grad=True, label="a")
    modes = data_in(visualize.stepper((a * 2) * (a + 3), engine="builtin").html())["recorded"]["modes"]
    assert [mode["final"]["v0"] for mode in modes] == ["14", "4", "10", "28"]
    assert [mode["wrong"] for mode in modes] == [{}, *[{"v0": "14"}] * 3]
    assert [row["after"] for row in modes[0]["frames"][2]["rows"]] == ["14"]
    assert [mode["result"] for mode in modes] == ["4.32", "14.72", "8", "-3.52"]


def test_the_page_needs_nothing_from_anywhere():
    page = visualize.stepper(neuron, engine="builtin").html()
    assert not re.search(r"https?://(?!www\.w3\.org/)", page)
    assert "default-src 'none'" in page
    assert "prefers-reduced-motion" in page
    assert 'aria-live="polite"' in page


def test_our_own_script_is_small():
    page = visualize.stepper(tensor(2, requires_grad=True).sum(), engine="builtin").html()
    scripts = re.findall(r"<script>(.*?)</script>", page, re.S)
    assert sum(len(script.encode()) for script in scripts) < 25_000


def test_a_picture_of_one_number_can_be_stepped_through(tmp_path):
    view = visualize.draw(neuron(), engine="builtin")
    assert '<details><summary>step through it</summary><section class="tglm-stepper"' in view.html()
    assert "<details open><summary>step through it" in view.html(stepper=True)
    assert 'tglm-stepper"' not in view.html(stepper=False)
    assert "tglm-stepper" in visualize.stepper(neuron()).save(tmp_path / "steps.html").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="needs the whole graph of one number"):
        visualize.draw(recurrence(60), engine="builtin").html(stepper=True)


def test_a_graph_released_since_it_was_drawn_still_gives_a_page():
    w = tensor(3, requires_grad=True, label="w")
    loss = (w * w).sum()
    view = visualize.draw(loss, engine="builtin")
    loss.backward(retain_graph=False)
    assert "data:image/svg+xml" in view.html()
    assert "released" in visualize.draw(loss, engine="builtin").dot


def test_a_notebook_shows_the_stepper():
    assert visualize.stepper(diamond(), engine="builtin")._repr_html_().startswith("<section")


def work_of(steps):
    """What the guard against long measuring looks at."""
    return len(steps.gradients) * sum(np.size(node.data) for node in steps.nodes.values())


class TestWhatIsTooLargeToNudge:
    """A page and a text without finite differences, in every mode, on either side of the guard."""

    @pytest.fixture(params=[-1, 0, 1, None], ids=["above", "at", "below", "nothing is nudged"])
    def measured(self, request, monkeypatch):
        """Puts the guard beside a program's work; says whether it is measured."""

        def guard(steps):
            limit = 0 if request.param is None else work_of(steps) + request.param
            monkeypatch.setattr("visualize.backward.frames.WORK", limit)
            return work_of(steps) <= limit

        return guard

    @pytest.mark.parametrize("program", [neuron, diamond, lambda: recurrence(5), lambda: net_loss()[1]])
    def test_the_stepper(self, measured, program, tmp_path):
        root = program()
        with_measures = measured(visualize.backward_steps(root))
        steps = visualize.stepper(root, engine="builtin")
        assert bool(steps.steps["correct"].finite_differences) == with_measures
        page, text = steps.html(), "".join(steps.text(mode) for mode in steps.steps)
        data = data_in(page)
        if "recorded" in data:
            assert bool(data["recorded"]["nudges"]) == with_measures
        assert ("(finite difference" in text) == with_measures
        assert steps.save(tmp_path / "steps.html").exists()
        assert "tglm-stepper" in visualize.draw(root, engine="builtin").save(tmp_path / "g.html").read_text("utf-8")

    @pytest.mark.parametrize("width", [100, 1_250, 1_350, pytest.param(1_700, marks=pytest.mark.slow)])
    def test_models_of_every_size(self, width, tmp_path):
        net = Net(hidden=width, tokens=width)
        loss = nn.functional.cross_entropy(net(np.array([[0, 1], [2, 3]])), np.array([1, 4]))
        steps = visualize.stepper(loss, names=net, engine="builtin")
        assert bool(steps.steps["correct"].finite_differences) == (width < 1_300)
        assert "tglm-stepper" in visualize.draw(loss, names=net, engine="builtin").save(tmp_path / "g.html").read_text()

    def test_an_array_without_elements(self):
        x, nothing = tensor(2, requires_grad=True), tensor(0, requires_grad=True)
        steps = visualize.stepper((np.concatenate([x, nothing * 2]) ** 2).sum(), engine="builtin")
        assert "tglm-stepper" in steps.html() and "(finite difference" in steps.text()
