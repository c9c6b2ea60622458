"""The error function on arrays against the standard library's, which computes one number at a time."""

import math

import numpy as np
import pytest

from tinygrad_lm.autograd import erf as module
from tinygrad_lm.autograd.erf import erf
from tinygrad_lm.replay.traced import Compute, Tape

FLOATS = (np.float16, np.float32, np.float64)
EDGES = (0.02, 0.5, 1.0, 3.9, 4.0, 5.9, 6.0)
"""Where formulas of other implementations meet, where this one ends, and where its results become 1."""


def exact(x):
    return np.vectorize(math.erf, otypes=[float])(x.astype(float))


def units(found, x):
    """The errors in units in the last place of the result."""
    expected = exact(x)
    return np.abs(found.astype(float) - expected) / np.spacing(np.abs(expected.astype(x.dtype))).astype(float)


def dense(dtype):
    """Numbers of all sizes from the normal range's end to where the result is 1, and many in between, of both signs."""
    small = np.geomspace(float(np.finfo(dtype).tiny), 0.1, 20001)
    x = np.concatenate([small, np.linspace(0.001, 7, 100001)]).astype(dtype)
    return np.concatenate([-x, x])


def neighbours(x, dtype, count=500):
    """The numbers next to one, in their order."""
    integers = np.dtype(f"i{np.dtype(dtype).itemsize}")
    return (np.array(x, dtype).view(integers) + np.arange(-count, count, dtype=integers)).view(dtype)


@pytest.mark.parametrize(("dtype", "most"), [(np.float16, 0.51), (np.float32, 4), (np.float64, 3)])
def test_every_digit_from_the_smallest_numbers_on(dtype, most):
    x = dense(dtype)
    found = erf(x)
    assert found.dtype == dtype
    assert units(found, x).max() <= most


def test_float64_to_3e_16():
    x = dense(np.float64)
    assert np.abs(erf(x) - exact(x)).max() <= 3e-16


def test_float32_on_the_whole():
    """No worse than its own rounding makes it: half a unit in the last place of numbers below 1 is 3e-8."""
    x = np.linspace(-6, 6, 100001).astype(np.float32)
    errors = np.abs(erf(x).astype(float) - exact(x))
    assert errors.max() <= 1.5e-7
    assert errors.mean() <= 1.5e-8


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("edge", EDGES)
def test_it_rises_across_edges(dtype, edge):
    found = erf(neighbours(edge, dtype))
    assert (np.diff(found) >= -np.spacing(found[1:])).all()
    assert (found <= 1).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_it_is_odd_to_the_bit(dtype):
    x = dense(dtype)
    np.testing.assert_array_equal(erf(-x), -erf(x))


@pytest.mark.parametrize("dtype", FLOATS)
def test_special_numbers(dtype):
    largest = np.finfo(dtype).max
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        found = erf(np.array([0.0, -0.0, 6.0, -6.0, largest, -largest, math.inf, -math.inf, math.nan], dtype))
    np.testing.assert_array_equal(found, np.array([0, 0, 1, -1, 1, -1, 1, -1, math.nan]))
    assert np.signbit(found[:2]).tolist() == [False, True]


@pytest.mark.parametrize(
    ("given", "gives"),
    [("f2", "f2"), (">f2", "f2"), (">f4", "f4"), (">f8", "f8"), ("i1", "f8"), ("i8", "f8"), ("u8", "f8"), ("?", "f8")],
)
def test_the_dtype_follows_numpy(given, gives):
    x = np.array([1, 0, 1], given)
    found = erf(x)
    assert found.dtype == np.dtype(gives)
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, erf(x.astype(gives)))


def test_the_lowest_integer():
    assert erf(np.array([-128, 127], np.int8)).tolist() == [-1, 1]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (2, 3)])
def test_shapes(dtype, shape):
    x = np.full(shape, 0.25, dtype)
    found = erf(x)
    assert (found.shape, found.dtype) == (shape, dtype)
    assert (found == erf(dtype(0.25))).all()


def test_a_number_of_python_gives_the_same_bits():
    x = np.concatenate([dense(np.float64)[::40], [0.0, -0.0, 6.0, 7.0, np.inf, -np.inf, np.nan]])
    assert np.array([erf(number) for number in x.tolist()]).tobytes() == erf(x).tobytes()


def test_arrays_with_gaps_and_turned_ones():
    x = np.random.default_rng(0).normal(size=(40, 60))
    kept = x.copy()
    np.testing.assert_array_equal(erf(x.T), erf(x).T)
    np.testing.assert_array_equal(erf(x[::3, ::-2]), erf(x)[::3, ::-2])
    np.testing.assert_array_equal(x, kept)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("size", [63, 64, 65, 128, 200])
def test_blocks_change_nothing(dtype, size, monkeypatch):
    x = np.random.default_rng(0).normal(size=size).astype(dtype)
    whole = erf(x)
    monkeypatch.setattr(module, "_BLOCK", 64)
    np.testing.assert_array_equal(erf(x), whole)


@pytest.mark.parametrize("dtype", [*FLOATS, np.int32])
@pytest.mark.parametrize("shape", [(), (0,), (5, 7), (3, 11000)])
def test_its_calls_depend_on_the_shape_alone(dtype, shape):
    """So a recorded step can be replayed with other numbers."""
    x = np.full(shape, 2, dtype)
    tape = Tape()
    found = erf(tape.given(x, "input"))
    np.testing.assert_array_equal(found.array, erf(x))
    assert all(isinstance(instruction, Compute) for instruction in tape.instructions)
