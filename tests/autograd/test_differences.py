"""Tests of the finite differences that the checker and the pictures share."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lm.autograd.differences import both_sides, central_difference, step_at

numbers = st.floats(-1e6, 1e6)


@given(x=numbers, step=st.floats(1e-9, 1.0))
def test_what_counts_is_how_far_apart_the_points_are(x, step):
    """Rounding moves them: a line of slope 1 has it exactly, whatever the step."""
    ahead, behind, distance = both_sides(lambda t: t, x, step)
    assert ahead == x + step and behind == x - step and distance == ahead - behind
    assert central_difference(lambda t: t, x, step) == 1.0


@given(x=st.floats(-2, 2))
def test_central_differences(x):
    assert central_difference(math.sin, x, step_at(x)) == pytest.approx(math.cos(x), rel=1e-8, abs=1e-9)
    assert central_difference(lambda t: t**3, x, 0.5) == pytest.approx(3 * x**2 + 0.25)


@given(x=numbers)
def test_a_step_is_a_power_of_two_that_fits_the_number(x):
    step = step_at(x)
    assert math.frexp(step)[0] == 0.5 and 4e-6 < step / max(1, abs(x)) < 9e-6
    assert step_at(-x) == step
