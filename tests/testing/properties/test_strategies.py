"""The strategies draw what they promise; random programs agree between both engines and the complex step."""

import json

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from tinygrad_lm.testing import GradientError, check_gradients, strategies
from tinygrad_lm.testing.programs import (
    OPERATIONS,
    Program,
    Step,
    decode_index,
    encode_index,
    gradients_on_tensors,
    gradients_on_values,
    numbers,
)


@given(st.data())
def test_arrays_keep_their_distance(data):
    x = data.draw(strategies.arrays(avoid=[1.0, -0.5], distinct=True))
    assert x.dtype == np.float64
    assert np.abs(x).min(initial=1) > 5e-4
    assert np.abs(x).max(initial=0) <= 2
    assert all(np.abs(x - p).min(initial=1) > 1e-3 for p in (1.0, -0.5))
    assert np.diff(np.sort(x, axis=None)).min(initial=1) >= 1 / 256
    assert data.draw(strategies.arrays((2, 0))).shape == (2, 0)
    positive = data.draw(strategies.arrays((3,), low=0.5, high=3.0))
    assert ((positive >= 0.5) & (positive <= 3)).all()


def test_arrays_that_cannot_be():
    with pytest.raises(ValueError, match=r"there are not 9 distinct numbers from 0\.1 to 0\.11"):
        find(strategies.arrays((9,), low=0.1, high=0.11, distinct=True), lambda x: True)


@given(strategies.broadcastable_shapes(3))
def test_broadcastable_shapes(drawn):
    assert len(drawn) == 3
    np.broadcast_shapes(*drawn)


@given(st.data())
def test_axes_and_indices_and_cotangents(data):
    shape = data.draw(strategies.shapes(min_side=0))
    x = np.ones(shape)
    np.sum(x, axis=data.draw(strategies.axes(x.ndim)))
    if x.ndim:
        np.sum(x, axis=data.draw(strategies.axes(x.ndim, several=False)))
    index = data.draw(strategies.indices(shape))
    again = decode_index(json.loads(json.dumps(encode_index(index))))
    np.testing.assert_array_equal(x[index], x[again])
    v = data.draw(strategies.cotangents(shape))
    assert v.shape == shape
    assert ((np.abs(v) >= 0.5) & (np.abs(v) <= 1.5)).all()


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


@settings(max_examples=25)
@given(strategies.programs())
def test_programs_can_be_checked(program):
    check_gradients(lambda *leaves: program.evaluate(leaves), *program.leaves)


def test_every_operation_is_drawn():
    seen = set()

    @settings(max_examples=400, derandomize=True, database=None)
    @given(strategies.programs(max_steps=12))
    def collect(program):
        seen.update(step.operation for step in program.steps)

    collect()
    assert seen == set(OPERATIONS)


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
        ("", "the text is no program"),
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
