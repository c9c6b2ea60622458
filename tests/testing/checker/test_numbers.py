"""The checker's own numbers, each from both sides: what is just allowed passes, what is just not allowed is found."""

import numpy as np
import pytest

from tests.testing.checker.failing import failing
from tinygrad_lm.autograd import custom
from tinygrad_lm.autograd.differences import STEP, step_at
from tinygrad_lm.testing import check_gradients
from tinygrad_lm.testing.checker import measure
from tinygrad_lm.testing.checker.differences import slope


def off(error, factor=1.0):
    """``factor * x`` with an error in its derivative."""
    return custom.elementwise("scaled", lambda x: factor * x, lambda x, out: factor + error + 0 * x)


def real(fn):
    """The same function, which does not run on complex numbers."""

    def on_tensors_alone(x):
        if isinstance(x, np.ndarray):
            raise TypeError("only real numbers")
        return fn(x)

    return on_tensors_alone


ONE = np.array([1.0])


class TestTolerance:
    """1e-7 + 1e-5 * |numeric|, and 1e-11 + 1e-9 * the largest slope for the complex step; one number has weight 1."""

    @pytest.mark.parametrize("sign", [-1, 1])
    def test_rtol(self, sign):
        check_gradients(real(off(sign * 0.8e-5)), ONE)
        failing(real(off(sign * 1.3e-5)), ONE)

    @pytest.mark.parametrize("sign", [-1, 1])
    def test_atol(self, sign):
        check_gradients(real(off(sign * 0.9e-7, 1e-6)), ONE)
        failing(real(off(sign * 1.2e-7, 1e-6)), ONE)

    @pytest.mark.parametrize("factor", [1.0, 1e-4])
    def test_of_the_complex_step(self, factor):
        allowed = 1e-11 + 1e-9 * factor
        check_gradients(off(0.9 * allowed, factor), ONE)
        assert "complex step" in str(failing(off(1.1 * allowed, factor), ONE))

    @pytest.mark.parametrize(("error", "right"), [(0.9e-9, True), (1.2e-9, False)])
    def test_the_largest_slope_counts_for_the_complex_step(self, error, right):
        factors = np.array([1.0, 1e-6])
        both = custom.operation("both", lambda x: x * factors, lambda g, out, x: g * (factors + np.array([0.0, error])))
        if right:
            check_gradients(both, np.ones(2), cotangent=np.ones(2))
        else:
            assert failing(both, np.ones(2), cotangent=np.ones(2)).index == (1,)

    def test_what_is_given_counts_for_both(self):
        check_gradients(off(0.9e-3), ONE, rtol=1e-3, atol=0.0)
        failing(off(1.1e-3), ONE, rtol=1e-3, atol=0.0)
        check_gradients(off(0.9e-3), ONE, rtol=0.0, atol=1e-3)
        failing(off(1.1e-3), ONE, rtol=0.0, atol=1e-3)

    def test_a_difference_is_allowed_its_own_error_and_little_more(self):
        """Of 1e5 * x**3 at 0 the difference is 1e5 * h**2, and its drift 63/64 of that; there is no round-off."""
        h = step_at(0.0)
        seen = 1e5 * h**2

        def cube(slope):
            made = custom.elementwise("cube", lambda x: 1e5 * x**3, lambda x, out: 3e5 * x**2 + slope)
            return real(lambda x: made(x))

        exactly = {"rtol": 0.0, "atol": 0.0}
        check_gradients(cube(0.0), np.array([0.0]), **exactly)
        check_gradients(cube(-0.2 * seen), np.array([0.0]), **exactly)
        failing(cube(-0.3 * seen), np.array([0.0]), **exactly)

    def test_round_off_is_allowed(self):
        """A slope of 16.4 units, of which the difference sees 16 over either step, and 20 more, which are too many."""
        unit = np.finfo(float).eps / (2 * step_at(1.0))
        exactly = {"rtol": 0.0, "atol": 0.0}
        check_gradients(real(lambda x: 1 + 16.4 * unit * (x - 1)), ONE, **exactly)
        for extra in (-40, 40):
            wrong = custom.elementwise("f", lambda x: 1 + 0 * x, lambda x, out, extra=extra: extra * unit)
            failing(real(wrong), ONE, **exactly)

    def test_a_result_too_large_to_move_is_allowed_its_round_off(self):
        """The last digit of 1e12 is 1.2e-4: over a step of 7.6e-6 a slope of 0.05 is lost in it, one of 50 is not."""
        check_gradients(real(lambda x: 0.05 * x + 1e12), np.array(1.0))
        failing(real(lambda x: off(50.0, 0.0)(x) + 1e12), np.array(1.0))
        check_gradients(real(lambda x: 0 * x + 1e12), np.array(1.0))

    @pytest.mark.parametrize(("error", "right"), [(0.5e-6, True), (3e-6, False)])
    def test_along_a_direction_it_grows_as_the_direction_does(self, error, right):
        """Of 100 elements a direction is ten times as long as one of them; a weight in it is between 0.5 and 1.5."""
        off_at_one = np.zeros(100)
        off_at_one[37] = error
        f = custom.operation("f", lambda x: 1e-9 * np.sum(x), lambda g, out, x: g * (1e-9 + off_at_one))
        if right:
            check_gradients(real(f), np.ones(100), mode="sample")
        else:
            assert failing(real(f), np.ones(100), mode="sample").index == (37,)

    def test_along_a_direction_the_other_inputs_stay(self):
        x, y = np.arange(1.0, 5.0), np.arange(2.0, 6.0)
        assert check_gradients(lambda x, y, z: (x * y / z).sum(), x, y, y + 1, mode="sample").worst_error < 1e-9


class TestComplexValues:
    """The complex step counts only where the function is the same on complex numbers."""

    @pytest.mark.parametrize(
        ("other", "same"),
        [
            (lambda x: 2 * x * (1 + 1e-11), True),
            (lambda x: 2 * x * (1 + 1e-7), False),
            (lambda x: np.concatenate([2 * x, 2 * x]), False),
            (lambda x: (2 * x)[:1], False),
        ],
    )
    def test_the_same_shape_and_values(self, other, same):
        report = check_gradients(lambda x: other(x) if isinstance(x, np.ndarray) else 2 * x, np.array([1.0, 1.0]))
        assert ("its values on complex numbers are others" in str(report)) != same
        assert (report.inputs[0].oracle == "differences, complex step") == same


class TestSubgradients:
    @pytest.mark.parametrize("slack", [0.0, 1e-6])
    @pytest.mark.parametrize(("value", "right"), [(-0.5, False), (0.0, True), (0.5, True), (1.0, True), (1.5, False)])
    def test_between_the_slopes(self, value, right, slack):
        at_zero = custom.elementwise(
            "relu", lambda x: np.maximum(x, 0), lambda x, out: np.where(x == 0, value, 1.0 * (x > 0))
        )
        moved = lambda x: at_zero(x) + slack * x  # noqa: E731
        if right:
            check_gradients(moved, np.array([0.0]), kinks="subgradient")
        else:
            assert "must lie between the slopes" in str(failing(moved, np.array([0.0]), kinks="subgradient"))

    @pytest.mark.parametrize(("error", "right"), [(0.5e-5, True), (2e-5, False)])
    @pytest.mark.parametrize("side", [0.0, 1.0])
    def test_the_slack_is_the_tolerance(self, error, right, side):
        value = side + error * (2 * side - 1)
        self.test_between_the_slopes(value, right, 0.0)

    def test_of_concave_kinks_and_of_slopes_of_either_sign(self):
        minus = custom.elementwise("f", lambda x: -abs(x), lambda x, out: np.where(x == 0, 1.5, -np.sign(x)))
        failing(minus, np.array([0.0]), kinks="subgradient")
        check_gradients(lambda x: -abs(x), np.array([0.0]), kinks="subgradient")


class TestPreconditions:
    @pytest.mark.parametrize(("error", "linear"), [(1e-12, True), (1e-8, False)])
    def test_linearity_is_exact_but_for_round_off(self, error, linear):
        f = custom.operation("f", np.sin, lambda g, out, x: g * np.cos(x) * (1 + error * np.tanh(g)))
        x = np.array([0.5, 1.0])
        if linear:
            check_gradients(f, x)
        else:
            assert "is not linear" in str(failing(f, x))

    def test_linearity_where_the_gradient_is_zero_but_for_what_cancels(self):
        f = custom.operation("f", lambda x: 0 * x, lambda g, out, x: (g * 0.1 + g * 0.2) - g * 0.3)
        check_gradients(f, np.array([0.5, 1.0]))
        g = custom.operation("g", lambda x: 0 * x, lambda g, out, x: 1e-12 * np.abs(g))
        assert "is not linear" in str(failing(g, np.array([0.5, 1.0])))

    @pytest.mark.parametrize(("error", "same"), [(1e-11, True), (1e-7, False)])
    def test_the_recorded_gradient_is_the_plain_one(self, error, same):
        f = custom.elementwise(
            "f", np.sin, lambda x, out: np.cos(x) * (1 if isinstance(x, np.ndarray | np.generic) else 1 + error)
        )
        if same:
            check_gradients(f, np.array([0.5, 1.0]), order=2)
        else:
            assert "one thing on arrays and another on tensors" in str(failing(f, np.array([0.5, 1.0]), order=2))


def measured(f, x):
    return slope(lambda t: np.array([f(t)]), x, step_at(x), np.ones(1), np.array([f(x)]))


class TestKinks:
    def test_in_the_presence_of_curvature(self):
        """The gap between the one-sided slopes shrinks to 0.89 of itself, where that of a smooth function is 1/8."""
        assert measured(lambda x: abs(x) + 2e4 * x * x, 0.0).verdict == "kink"

    def test_a_root_of_the_curvature_is_smooth(self):
        """The gap of |x|**1.5 shrinks to 0.35 of itself: there is a derivative."""
        assert measured(lambda x: abs(x) ** 1.5, 0.0).verdict == "smooth"
        assert measured(lambda x: abs(x) ** 0.9, 0.0).verdict == "kink"

    @pytest.mark.parametrize(("size", "verdict"), [(4e-5, "smooth"), (1.2e-4, "kink")])
    def test_a_small_kink_at_the_point(self, size, verdict):
        """A kink as small as the tolerance is none: half of 1e-4 is what a wrong slope there can be off by."""
        assert measured(lambda x: x + size / 2 * abs(x), 0.0).verdict == "smooth"
        assert measured(lambda x: x + 2 * size * abs(x), 0.0).verdict == verdict

    @pytest.mark.parametrize(("size", "verdict"), [(1e-5, "smooth"), (1e-4, "kink")])
    def test_a_small_kink_beside_the_point(self, size, verdict):
        at = 0.5 * step_at(0.0)
        assert measured(lambda x: size * abs(x - at), 0.0).verdict == verdict

    def test_a_jump_is_steeper_than_a_kink(self):
        assert measured(lambda x: float(x > 0), 0.0).verdict == "jump"
        assert measured(lambda x: np.sign(x) * abs(x) ** 0.2, 0.0).verdict == "jump"
        assert measured(lambda x: np.sign(x) * abs(x) ** 0.5, 0.0).verdict == "kink"

    @pytest.mark.parametrize("at", [0.0, 2.0, -3.0, 1e4])
    def test_the_slopes_on_either_side(self, at):
        s = measured(lambda x: 3 * max(x - at, 0) - max(at - x, 0), at)
        assert (s.left, s.right) == (pytest.approx(1), pytest.approx(3))
        assert (s.low, s.high, s.central) == (pytest.approx(1), pytest.approx(3), pytest.approx(2))
        far = measured(lambda x: 3 * max(x - at - s.step / 2, 0), at)
        assert (far.left, far.right, far.low) == (0, 0, 0)
        assert far.high == pytest.approx(1.5)

    def test_round_off_is_no_kink(self):
        rng = np.random.default_rng(0)
        for x in rng.uniform(-3, 3, 300):
            assert measured(lambda t: 1e8 + np.sin(t), float(x)).verdict == "smooth"


class TestSteps:
    @pytest.mark.parametrize("x", [0.0, 0.3, -1.0, 7.0, -1e4, 1e12])
    def test_a_power_of_two_near_6e_6_of_the_number(self, x):
        step = step_at(x)
        assert np.log2(step) == round(np.log2(step))
        assert STEP * max(1, abs(x)) / np.sqrt(2) <= step <= STEP * max(1, abs(x)) * np.sqrt(2)
        assert STEP == 6e-6

    def test_the_difference_is_as_exact_as_such_a_step_allows(self):
        errors = [abs(measured(np.exp, float(x)).central / np.exp(x) - 1) for x in np.linspace(-1, 1, 200)]
        assert max(errors) < 3e-10

    def test_the_complex_step_is_exact(self):
        report = check_gradients(np.exp, np.linspace(-1, 1, 50))
        assert report.worst_error < 1e-15


class TestHowMany:
    @pytest.mark.parametrize(("size", "method"), [(4096, "full"), (4097, "sample")])
    def test_every_element_up_to_4096(self, size, method, monkeypatch):
        monkeypatch.setattr(measure, "slope", lambda along, at, *rest: slope(along, at, *rest) if at == 0 else skipped)
        skipped = measured(lambda x: 2 * x, 1.0)
        report = check_gradients(real(lambda x: x.sum() * 2), np.ones(size), kinks="skip")
        assert report.inputs[0].method == method
        assert report.inputs[0].probes == (size if method == "full" else 3)
