"""What the page computes, run by Node.js: numbers as Python writes them, and every pass as the engine makes it."""

import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import visualize
from tests.helpers.graphs import diamond, neuron
from tests.helpers.node import same
from tests.helpers.registry import examples
from tinygrad_lm import Value
from visualize.backward.fragment import asset, program_of, structure
from visualize.backward.phases import result_after, updated
from visualize.backward.wording import Wording
from visualize.graph.quantities import number

FORMATS = [f".{digits}{kind}" for digits in (0, 1, 2, 3, 4, 6, 10, 17) for kind in "gfe"]
NUMBERS = [0.0, -0.0, 0.5, 1.5, 2.5, 0.125, 9.5, 99.5, 99995.0, 0.0001, 0.00001, -0.00001, 1e16, 1e21, 1.5e300, 5e-324]
NUMBERS += [math.inf, -math.inf, math.nan, 2.0**53, 12345.0, -1234.5, 0.00012345]


@pytest.fixture(autouse=True)
def _quietly():
    with np.errstate(all="ignore"):
        yield


def random_numbers():
    rng = np.random.default_rng(0)
    scaled = rng.normal(size=300) * 10.0 ** rng.uniform(-30, 30, size=300)
    halves = rng.integers(-5_000, 5_000, size=300) / 2.0 ** rng.integers(0, 12, size=300)
    bits = (struct.unpack(">d", rng.bytes(8))[0] for _ in range(300))
    return [*NUMBERS, *rng.normal(size=300).tolist(), *scaled.tolist(), *halves.tolist(), *bits]


def test_numbers_are_written_as_python_writes_them(node):
    calls = [(x, spec) for x in random_numbers() for spec in FORMATS]
    source = f"(() => {{{asset('passes.js')}\nreturn format}})()"
    wrong = [
        (x, spec, found)
        for (x, spec), found in zip(calls, node.call(source, *calls), strict=True)
        if found != number(x, spec)
    ]
    assert wrong == []


def pages(steps):
    """The page's own program of a pass, as a function of its structure, of numbers for its leaves, and of lr."""
    words = Wording(steps, ".4g", 0.1)
    program, why = program_of(words)
    assert why == ""
    source = f"(() => {{{asset('passes.js')}\nreturn (data, given, rate) => passes(data, {program}, given, rate)}})()"
    return source, structure(words)


def all_modes(root):
    correct = visualize.backward_steps(root)
    return {"correct": correct} | {mode: correct.in_mode(mode) for mode in ("order", "overwrite", "no_zero_grad")}


def leaves_of(steps):
    nodes = steps["correct"].nodes
    return {key: float(node.data) for key, node in nodes.items() if node.operation is None}


def close(found, wanted, scale):
    return same(found, wanted, 1e-9 * scale, 1e-9)


def check(found, steps, rate):
    """A page's frames of every mode are those of the engine."""
    for key, value in found["values"].items():
        assert close(value, steps["correct"].nodes[key].data, 1.0)
    for mode, page in zip(steps.values(), found["modes"], strict=True):
        gradients = [*mode.gradients.values(), *(row.amount for frame in mode for row in frame.contributions)]
        scale = max((abs(x) for x in gradients if math.isfinite(x)), default=0.0)
        assert [frame["node"] for frame in page["frames"]] == [frame.node for frame in mode]
        for seen, frame in zip(page["frames"], mode, strict=True):
            assert close(seen["gradient"], frame.gradient, scale)
            for row, wanted in zip(seen["rows"], frame.contributions, strict=True):
                assert (row["edge"], row["source"], row["first"]) == (wanted.edge, wanted.source, wanted.first)
                for name in ("upstream", "local", "amount", "before", "after"):
                    value = getattr(wanted, name)
                    assert close(row[name], value, max(1.0, scale)), (name, row, wanted)
        for name, wanted in (("start", mode.start), ("final", mode.gradients)):
            assert page[name].keys() == wanted.keys()
            assert all(close(page[name][key], wanted[key], scale) for key in wanted)
        changed = updated(mode, rate)
        for seen, wanted in zip(page["updates"], changed, strict=True):
            assert seen["node"] == wanted.node and close(seen["after"], wanted.after, max(1.0, scale))


VALUES = st.floats(-1.5, 1.5) | st.sampled_from([0.0, 1.0, 30.0, -30.0, 1e300, math.inf, math.nan])


@st.composite
def programs(draw):
    """A function that builds a program on three numbers, and numbers for it, as it is drawn and edited."""
    plan = [
        (draw(st.sampled_from(["add", "mul", "sub", "div", "tanh", "exp", "relu", "square", "constant"])), *pair)
        for size in range(3, draw(st.integers(4, 12)))
        for pair in [(draw(st.integers(0, size - 1)), draw(st.integers(0, size - 1)))]
    ]

    def build(numbers):
        nodes = [Value(x, label=f"x{i}") for i, x in enumerate(numbers)]
        made = {
            "add": lambda a, b: a + b,
            "sub": lambda a, b: a - b,
            "mul": lambda a, b: a * b,
            "div": lambda a, b: a / b,
            "tanh": lambda a, b: a.tanh(),
            "exp": lambda a, b: a.exp(),
            "relu": lambda a, b: a.relu(),
            "square": lambda a, b: a**2,
            "constant": lambda a, b: 3 * a,
        }
        for how, i, j in plan:
            nodes.append(made[how](nodes[i], nodes[j]))
        return nodes[-1] + nodes[0] * nodes[1] * nodes[2]

    numbers = [[draw(VALUES) for _ in range(3)] for _ in range(2)]
    return build, numbers


@settings(max_examples=examples(300))
@given(drawn=programs(), rate=st.sampled_from([0.1, 0.0, -2.0, 1e-3]))
def test_edited_programs_are_those_that_the_engine_runs_anew(node, drawn, rate):
    build, (numbers, edited) = drawn
    first, second = (all_modes(build(each)) for each in (numbers, edited))
    source, data = pages(first)
    leaves = [leaves_of(first), leaves_of(second)]
    one, other = node.call(source, *((data, each, rate) for each in leaves))
    check(one, first, rate)
    check(other, second, rate)


@pytest.mark.parametrize("make", [diamond, neuron, lambda: Value(3.0, label="x") * 1])
def test_measured_derivatives_and_results_too(node, make):
    steps = all_modes(make())
    source, data = pages(steps)
    (found,) = node.call(source, (data, leaves_of(steps), 0.1))
    for key, (_, nudged) in steps["correct"].finite_differences.items():
        assert found["nudges"][key] == pytest.approx(nudged, rel=1e-9, abs=1e-9)
    for page, mode in zip(found["modes"], steps.values(), strict=True):
        assert page["result"] == pytest.approx(result_after(mode, updated(mode, 0.1)), rel=1e-12)


def test_what_is_wrong_is_what_differs(node):
    steps = all_modes(diamond())
    source, data = pages(steps)
    (found,) = node.call(source, (data, {"v0": 2.0, "v1": 2.0, "v3": 3.0}, 0.1))
    assert [mode["wrong"] for mode in found["modes"]] == [{}, *[{"v0": 14.0}] * 3]
