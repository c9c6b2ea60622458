"""Kinks are found and smooth points raise no alarm: 33,000 of these, and 4,000 within the step of a kink."""

import warnings

import numpy as np
import pytest

from tests.testing.checker.failing import failing
from tinygrad_lm.autograd import custom
from tinygrad_lm.autograd.differences import step_at
from tinygrad_lm.testing import check_gradients
from tinygrad_lm.testing.checker.differences import slope

RNG = np.random.default_rng(1)
X = RNG.normal(size=(3, 4))


SMOOTH = {
    "exp": (np.exp, -3, 3),
    "x**3": (lambda x: x**3, -3, 3),
    "sin(50x)": (lambda x: np.sin(50 * x), -3, 3),
    "softplus(40x)": (lambda x: np.logaddexp(40 * x, 0), -3, 3),
    "log": (np.log, 0.3, 5),
    "1/x": (lambda x: 1 / x, 0.3, 5),
    "sqrt": (np.sqrt, 0.1, 5),
    "gelu": (lambda x: 0.5 * x * (1 + np.tanh(0.79788 * (x + 0.044715 * x**3))), -4, 4),
    "1e6+sin": (lambda x: 1e6 + np.sin(x), -3, 3),
    "1e-9*exp": (lambda x: 1e-9 * np.exp(x), -3, 3),
    "tanh": (np.tanh, -6, 6),
}
KINKED = {
    "relu": lambda x: x * (x > 0),
    "abs": abs,
    "leaky": lambda x: np.where(x > 0, x, 0.2 * x),
    "floor": np.floor,
}


def scalar_slope(f, x):
    return slope(lambda t: np.array([f(t)]), x, step_at(x), np.ones(1), np.array([f(x)]))


class TestKinks:
    @pytest.mark.parametrize("name", SMOOTH)
    @pytest.mark.parametrize("count", [300, pytest.param(3_000, marks=pytest.mark.slow)])
    def test_no_false_alarm_at_smooth_points(self, name, count):
        """With eleven functions 33,000 points, of which the default tests look at a tenth."""
        f, low, high = SMOOTH[name]
        points = np.random.default_rng(0).uniform(low, high, count)
        flagged = [x for x in points if scalar_slope(f, float(x)).verdict != "smooth"]
        assert not flagged

    @pytest.mark.parametrize("name", SMOOTH)
    def test_smooth_functions_pass(self, name):
        f, low, high = SMOOTH[name]
        check_gradients(f, np.random.default_rng(1).uniform(low, high, 300))

    @pytest.mark.parametrize("name", KINKED)
    def test_4000_points_within_the_step_are_flagged(self, name):
        points = np.random.default_rng(0).uniform(-1, 1, 1000) * 0.99 * step_at(0.0)
        missed = [x for x in [0.0, *points] if scalar_slope(KINKED[name], float(x)).verdict == "smooth"]
        assert not missed

    @pytest.mark.parametrize("f", [lambda x: x.relu(), lambda x: x.abs(), lambda x: np.maximum(x, 0)])
    def test_the_check_itself_flags_them_all(self, f):
        points = np.random.default_rng(0).uniform(-1, 1, 250) * 0.99 * step_at(0.0)
        assert check_gradients(f, points, kinks="skip").inputs[0].skipped == 250
        check_gradients(f, points, kinks="subgradient")

    def test_a_kink_in_the_curvature_alone_is_smooth(self):
        points = np.random.default_rng(0).uniform(-1, 1, 1000) * step_at(0.0)
        assert all(scalar_slope(lambda x: x * abs(x), float(x)).verdict == "smooth" for x in points)

    def test_a_bend_at_the_point_itself_passes(self):
        check_gradients(lambda x: x.relu() * x, np.array([0.0, 1e-6, -1e-6, 3e-6]))
        check_gradients(lambda x: x * x.abs(), np.array([0.0, 1e-6, -1e-6, 3e-6]))

    def test_kinds(self):
        assert scalar_slope(abs, 0.0).verdict == "kink"
        assert scalar_slope(np.floor, 1.0).verdict == "jump"
        assert scalar_slope(lambda x: np.sqrt(abs(x)), 0.0).verdict == "kink"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert scalar_slope(np.sqrt, 1e-9).verdict == "edge"

    def test_raise(self):
        error = failing(lambda x: x.relu(), np.array([[1.0, 2.0], [0.0, -1.0]]))
        assert error.index == (1, 0)
        assert "has a kink within a step of x at index (1, 0), where x[1, 0] = 0" in str(error)
        assert "the slope is 0 on the left" in str(error)
        assert "kinks='subgradient'" in str(error)
        assert "2 of 3 elements are like this" in str(failing(abs, np.array([0.0, 1.0, 0.0])))

    def test_skip(self):
        report = check_gradients(lambda x: x.relu(), np.array([1.0, 0.0, -1.0]), kinks="skip")
        assert report.inputs[0].skipped == 1
        assert "1 at kinks skipped" in str(report)
        assert "nothing was checked" not in str(report)

    def test_nothing_left_to_check_is_said(self):
        assert "nothing was checked" in str(check_gradients(abs, np.zeros(2), kinks="skip"))

    def test_subgradient(self):
        report = check_gradients(lambda x: x.relu(), np.array([1.0, 0.0, -1.0]), kinks="subgradient")
        assert report.inputs[0].skipped == 0
        check_gradients(lambda x, y: np.maximum(x, y), X, X.copy(), kinks="subgradient")
        check_gradients(lambda x: x.relu(), np.array([3e-6]), kinks="subgradient")
        high = custom.elementwise("relu", lambda x: np.maximum(x, 0), lambda x, out: np.where(x == 0, 1.5, x > 0))
        error = failing(high, np.array([1.0, 0.0]), kinks="subgradient")
        assert error.index == (1,)
        assert "must lie between the slopes" in str(error)

    def test_a_wrong_smooth_element_comes_first(self):
        wrong = custom.elementwise("relu", lambda x: np.maximum(x, 0), lambda x, out: -1.0 * (x > 0))
        assert failing(wrong, np.array([0.0, 1.0])).index == (1,)

    def test_jump_and_edge_are_no_subgradients(self):
        step = custom.elementwise("step", lambda x: np.where(x > 0, 1.0, 0.0), 0)
        assert "has a jump" in str(failing(step, np.array([0.0, 1.0]), kinks="subgradient"))
        check_gradients(step, np.array([0.0, 1.0]), kinks="skip")
        bent = failing(lambda x: x.relu() * x, np.array([0.0, 1.0]), order=2)
        assert "the gradient of <lambda> has a kink" in str(bent)
        assert "is not finite within a step of x" in str(failing(np.sqrt, np.array([1e-9])))

    def test_sample_draws_again(self):
        x = RNG.normal(size=5000)
        report = check_gradients(lambda x: x.relu().sum(), np.abs(x) + 0.1, kinks="skip")
        assert report.inputs[0].skipped == 0
        assert "along a direction" in str(failing(lambda x: x.relu().sum(), 0 * x))
