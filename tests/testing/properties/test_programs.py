"""Random programs are plain data, and agree between both engines and the complex step."""

import contextlib

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from tinygrad_lm import Tensor
from tinygrad_lm.testing import GradientError, check_gradients, strategies
from tinygrad_lm.testing.programs import (
    KINKED,
    OPERATIONS,
    Program,
    Step,
    gradients_on_tensors,
    gradients_on_values,
    numbers,
)


@given(strategies.programs(), st.data())
def test_programs_agree(program, data):
    plain = program.on_numpy()
    v = data.draw(strategies.cotangents(plain.shape))
    _, on_tensors = program.on_tensors()
    _, on_values = program.on_values()
    np.testing.assert_allclose(numbers(on_tensors), plain, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(numbers(on_values), plain, rtol=1e-12, atol=1e-12)
    exact = program.gradients_by_complex_step(v)
    for name, gradients in (("tensors", gradients_on_tensors), ("values", gradients_on_values)):
        for want, got in zip(exact, gradients(program, v), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-10, err_msg=name)


@given(strategies.programs())
def test_programs_are_data(program):
    again = Program.from_json(program.to_json())
    assert str(again) == str(program)
    assert eval(repr(program)).to_json() == program.to_json()
    assert all(np.array_equal(a, b) for a, b in zip(again.leaves, program.leaves, strict=True))
    np.testing.assert_array_equal(again.on_numpy(), program.on_numpy())


def test_programs_of_tensors_and_arrays():
    """Leaves that are to stay constant may be given as plain arrays."""

    @settings(max_examples=30)
    @given(strategies.programs())
    def run(program):
        leaves = [Tensor(x, requires_grad=True) if i == 0 else x for i, x in enumerate(program.leaves)]
        np.testing.assert_allclose(numbers(program.evaluate(leaves)), program.on_numpy(), rtol=1e-12, atol=1e-12)

    run()


@given(strategies.programs(), st.integers(0, 2**32 - 1))
def test_programs_in_another_order(program, seed):
    other = program.reordered(np.random.default_rng(seed))
    assert sorted(step.operation for step in other.steps) == sorted(step.operation for step in program.steps)
    np.testing.assert_array_equal(other.on_numpy(), program.on_numpy())
    Program.from_json(other.to_json())


def test_other_orders_are_found():
    steps = (Step("sin", (0,)), Step("tanh", (0,)), Step("add", (1, 2)))
    program = Program((np.ones(2),), steps, 3)
    drawn = [program.reordered(np.random.default_rng(seed)) for seed in range(20)]
    assert {other.steps[0].operation for other in drawn} == {"sin", "tanh"}
    assert {other.steps[2].operation for other in drawn} == {"add"}


@given(strategies.programs())
def test_programs_keep_away_from_kinks(program):
    assert program.margin() >= strategies.MARGIN


def test_programs_keep_away_from_ties():
    x = np.array([0.5, 0.25, 0.5, 0.125])
    assert KINKED["max"](x, axis=0, keepdims=False) == 0
    assert KINKED["max"](x[:3].reshape(3, 1), axis=1, keepdims=True) == np.inf


def test_the_margin_is_that_of_the_nearest_kink():
    x, y = np.array([0.5, -0.25]), np.array([0.5, 0.5])
    plain = Program((x, y), (Step("add", (0, 1)),), 2)
    assert plain.margin() == np.inf
    relu = Program((x, y), (Step("relu", (0,)), Step("add", (2, 1))), 3)
    assert (relu.margin(), relu.margin([x + 0.5, y])) == (0.25, 0.25)
    assert Program((x, y), (Step("maximum", (0, 1)),), 2).margin([x + 0.125, y]) == 0.125
    largest = {"axis": 0, "keepdims": False}
    both = (Step("abs", (1,)), Step("max", (0,), largest))
    assert Program((x, y), both, 3).margin() == 0.5
    assert Program((x + 1, y), both, 3).margin([x, np.array([2.0, 3.0])]) == 0.75


@settings(max_examples=25)
@given(strategies.programs())
def test_programs_can_be_checked(program):
    check_gradients(lambda *leaves: program.evaluate(leaves), *program.leaves)


def test_every_operation_is_drawn():
    missing = set(OPERATIONS)

    class NoneIsMissing(Exception):
        pass

    @settings(max_examples=400, phases=[Phase.generate], derandomize=True, database=None)
    @given(strategies.programs(max_steps=12))
    def collect(program):
        missing.difference_update(step.operation for step in program.steps)
        if not missing:
            raise NoneIsMissing

    with contextlib.suppress(NoneIsMissing):
        collect()
    assert missing == set()


def test_a_limited_choice_of_operations():
    @settings(max_examples=30, database=None)
    @given(strategies.programs(operations=["tanh", "mul"]))
    def run(program):
        assert {step.operation for step in program.steps} <= {"tanh", "mul"}

    run()
    with pytest.raises(ValueError, match="there is no operation 'log'"):
        find(strategies.programs(operations=["log"]), lambda x: True)


def test_a_failing_program_shrinks_to_the_guilty_step():
    found = []

    @settings(max_examples=300, derandomize=True, database=None, report_multiple_bugs=False)
    @given(strategies.programs())
    def no_tanh(program):
        if any(step.operation == "tanh" for step in program.steps):
            found.append(program)
            raise AssertionError

    with pytest.raises(AssertionError):
        no_tanh()
    smallest = found[-1]
    assert [step.operation for step in smallest.steps] == ["tanh"]
    assert smallest.leaves[0].size == 1


def test_printed_form():
    program = Program(
        (np.array([1.0, 2.0]),), (Step("tanh", (0,)), Step("sum", (1,), {"axis": 0, "keepdims": False})), 2
    )
    assert str(program) == ("x0 = np.array([1.0, 2.0])\nx1 = tanh(x0)\nx2 = sum(x1, axis=0, keepdims=False)\nreturn x2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the text is not a program"),
        ("{}", "'format'"),
        ('{"format": 9}', "this is format 9; 1 is the one that is known"),
        ('{"format": 1, "leaves": [], "steps": [["eval", [], {}]], "result": 0}', "there is no operation 'eval'"),
        ('{"format": 1, "leaves": [], "steps": [["tanh", [0], {}]], "result": 0}', "uses a result that comes later"),
        ('{"format": 1, "leaves": [], "steps": [], "result": 0}', "there is no result x0"),
        ('{"format": 1, "leaves": [{"shape": [2], "data": [1]}], "steps": [], "result": 0}', "reshape"),
    ],
)
def test_text_that_is_no_program(text, message):
    with pytest.raises(ValueError, match=message):
        Program.from_json(text)


def test_profiles_are_registered_under_a_prefix():
    assert settings.get_profile("tinygrad_lm-dev").max_examples == 50
    assert settings.get_profile("tinygrad_lm-ci").derandomize
    assert settings.get_profile("tinygrad_lm-explore").max_examples == 20_000


def test_a_wrong_gradient_in_a_program_is_found():
    from tinygrad_lm.autograd import custom

    wrong = custom.elementwise("tanh", np.tanh, lambda x, out: 1 - out)
    with pytest.raises(GradientError):
        check_gradients(lambda x: np.sum(wrong(x) * x), np.array([0.5, 1.0]))


KEPT = """
{"format": 1, "leaves": [{"shape": [2, 3], "data": [0.5, -1.25, 0.75, 2.0, 0.25, -0.5]}, {"shape": [3], "data": [1.5,
-0.25, 0.5]}], "steps": [["neg", [0], {}], ["sin", [2], {}], ["tanh", [3], {}], ["exp_tanh", [4], {}], ["log_square",
[5], {}], ["sqrt_square", [6], {}], ["cube_tanh", [7], {}], ["abs", [0], {}], ["relu", [0], {}], ["add", [9, 1], {}],
["sub", [11, 10], {}], ["mul", [12, 8], {}], ["div_square", [13, 1], {}], ["maximum", [14, 0], {}], ["where", [15, 0],
{"mask": [[true, false, true], [false, true, false]]}], ["transpose", [16], {"axes": [1, 0]}], ["matmul", [16, 17],
{}], ["sum", [18], {"axis": [0, -1], "keepdims": true}], ["mean", [18], {"axis": 0, "keepdims": false}], ["max", [16],
{"axis": -1, "keepdims": true}], ["softmax", [16], {"axis": -2}], ["cumsum", [22], {"axis": 1}], ["flip", [23],
{"axis": 0}], ["reshape", [24], {"shape": [2, -1]}], ["broadcast_to", [21], {"shape": [2, 2, 1]}], ["concatenate",
[25, 16], {"axis": -1}], ["stack", [25, 16], {"axis": 1}], ["getitem", [27], {"index": {"tuple": [{"slice": [null,
null, -1]}, {"ids": [[3], [0, 5, 5]]}]}}], ["getitem", [28], {"index": {"tuple": [{"ellipsis": true}, null, 1]}}],
["sum", [30], {"axis": null, "keepdims": false}], ["mul", [29, 31], {}], ["add", [32, 19], {}], ["sum", [20], {"axis":
null, "keepdims": false}], ["sub", [33, 34], {}], ["sum", [26], {"axis": 0, "keepdims": false}], ["add", [35, 36],
{}]], "result": 37}
"""
"""A program as it was saved when there were these operations; what it computes must not change."""


def test_a_program_that_was_saved_earlier():
    program = Program.from_json(KEPT)
    assert len({step.operation for step in program.steps}) == 28
    expected = [[5.533341817489431, 4.65625, 4.65625], [8.27915818251057, 8.40625, 8.40625]]
    np.testing.assert_allclose(program.on_numpy(), expected, rtol=1e-13)
    slopes = [[[15.0, -4.5, 9.5], [21.0, -4.5, 3.5]], [0.0, 0.0, 0.0]]
    for gradients in (gradients_on_tensors, gradients_on_values):
        for found, wanted in zip(gradients(program, np.ones((2, 3))), slopes, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)
