"""``check_gradients``: planted mistakes are named, smooth points raise no alarm, kinks are found."""

import subprocess
import sys
import warnings

import numpy as np
import pytest

from tinygrad_lm import Tensor, Value, nn, no_grad
from tinygrad_lm.autograd import custom, to_values
from tinygrad_lm.testing import GradientError, check_gradients
from tinygrad_lm.testing.differences import slope, step_at

RNG = np.random.default_rng(1)
X = RNG.normal(size=(3, 4))
Y = RNG.normal(size=(4, 2))
SQUARE = RNG.normal(size=(3, 3))


def softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def failing(fn, *inputs, **options):
    with pytest.raises(GradientError) as caught:
        check_gradients(fn, *inputs, **options)
    return caught.value


class TestPlantedMistakes:
    """A user's own operation with a wrong derivative: the wrong index is named, and what kind of mistake it is."""

    def test_softmax_backward_of_zeros(self):
        error = failing(custom.operation("softmax", softmax, lambda g, out, x: np.zeros_like(x)), X)
        assert "12 of 12" in str(error)
        assert "a path is dropped" in str(error)
        assert error.name == "x"
        assert error.analytic == 0
        assert error.numeric != 0
        assert f"index {error.index}" in str(error)

    def test_softmax_of_the_diagonal_alone(self):
        error = failing(custom.operation("softmax", softmax, lambda g, out, x: g * out * (1 - out)), X)
        assert "only the diagonal of the Jacobian" in str(error)

    @pytest.mark.parametrize("operand", [0, 1])
    def test_matmul_with_a_transpose_swapped(self, operand):
        right = [lambda g, out, x, y: g @ y.T, lambda g, out, x, y: x.T @ g]
        wrong = [lambda g, out, x, y: g @ y, lambda g, out, x, y: x @ g]
        vjps = [wrong[i] if i == operand else right[i] for i in range(2)]
        error = failing(custom.operation("product", lambda x, y: x @ y, *vjps), SQUARE, SQUARE + 1)
        assert error.name == "xy"[operand]
        assert "the Jacobian is transposed" in error.hints[0]
        assert f"index {error.index}" in str(error)

    def test_mean_that_forgets_to_divide(self):
        mean = custom.operation("mean", lambda x: np.mean(x), lambda g, out, x: np.broadcast_to(g, x.shape))
        error = failing(mean, X)
        assert "ratio:      analytic / numeric = 12" in str(error)
        assert "a mean whose backward pass forgets 1/12" in error.hints[0]
        assert "12 is the number of elements of x" in error.hints[0]

    def test_sum_that_divides(self):
        total = custom.operation(
            "total", lambda x: np.sum(x, axis=0), lambda g, out, x: np.broadcast_to(g, x.shape) / len(x)
        )
        assert "analytic = numeric / 3, and 3 is the length of axis 0 of x" in failing(total, X).hints[0]

    def test_unbroadcast_that_ignores_axes_of_size_one(self):
        def careless(g, out, x, y):
            return g.sum(axis=tuple(range(g.ndim - y.ndim)))

        plus = custom.operation("plus", lambda x, y: x + y, lambda g, out, x, y: g, careless)
        error = failing(plus, X, X[:, :1].copy())
        assert "operand 1 ('y') gave shape (3, 4), but the operand has shape (3, 1)" in str(error)
        assert "the sum over them: the first index too many is (0, 1)" in str(error)
        assert isinstance(error.__cause__, ValueError)

    def test_unbroadcast_that_keeps_the_first_of_an_axis(self):
        plus = custom.operation("plus", lambda x, y: x + y, lambda g, out, x, y: g, lambda g, out, x, y: g[:, :1])
        error = failing(plus, X, X[:, :1].copy())
        assert error.name == "y"
        assert "of the 12 paths from y to the results 9 are dropped" in error.hints[0]

    def test_wrong_sign(self):
        error = failing(custom.elementwise("minus", lambda x: -x, 1), X)
        assert "the sign is wrong" in error.hints[0]

    def test_counted_twice(self):
        # A shape without an axis of length 2, so that nothing else is 2.
        error = failing(custom.elementwise("twice", np.sin, lambda x, out: 2 * np.cos(x)), X)
        assert error.hints == ("analytic = 2 * numeric: counted twice",)

    def test_half_missing(self):
        error = failing(lambda x: x * x.data, X)
        assert "one of two uses is missing" in error.hints[0]

    def test_other_constant_factor(self):
        error = failing(custom.elementwise("seven", np.sin, lambda x, out: 7 * np.cos(x)), X)
        assert "7 times what it should be" in error.hints[0]

    def test_transposed_gradient(self):
        error = failing(custom.operation("cube", lambda x: x**3, lambda g, out, x: (3 * x * x * g).T), SQUARE)
        assert "transposed" in " ".join(error.hints)

    def test_reversed_gradient(self):
        error = failing(custom.operation("cube", lambda x: x**3, lambda g, out, x: (3 * x * x * g)[::-1]), X)
        assert "reversed along axis 0" in " ".join(error.hints)

    def test_gradient_in_another_order(self):
        error = failing(
            custom.operation("cube", lambda x: x**3, lambda g, out, x: np.roll((3 * x * x * g).reshape(-1), 1)), X[0]
        )
        assert "in another order: at x[0] stands what belongs to x[3]" in " ".join(error.hints)

    def test_one_element_a_thousandth_off(self):
        off = np.ones((3, 4))
        off[2, 1] = 1.001
        error = failing(custom.operation("sine", np.sin, lambda g, out, x: g * np.cos(x) * off), X)
        assert error.index == (2, 1)
        assert "1 of 12 elements" in str(error)

    def test_graph_that_was_cut(self):
        error = failing(lambda x: x.detach() * 2, X)
        assert "no path leads back from the result to x" in error.hints[0]
        assert "(no path)" in str(error)

    def test_one_of_several_inputs(self):
        wrong = custom.operation("f", lambda x, y: x @ y, lambda g, out, x, y: g @ y.T, lambda g, out, x, y: -x.T @ g)
        error = failing(lambda a, b: np.tanh(wrong(a, b)), X, Y)
        assert error.name == "b"
        assert "also wrong" not in str(error)
        both = custom.operation("f", lambda x, y: x @ y, lambda g, out, x, y: -g @ y.T, lambda g, out, x, y: -x.T @ g)
        assert "also wrong" in str(failing(both, X, Y))

    def test_second_derivative(self):
        # Right on arrays, but the formula hides a constant from the second derivative.
        hidden = custom.elementwise("cube", lambda x: x**3, lambda x, out: 3 * x * getattr(x, "data", x))
        check_gradients(hidden, X)
        error = failing(hidden, X, order=2)
        assert "second order" in str(error)
        assert "order=2" in str(error)

    def test_backward_that_differs_when_recorded(self):
        two = custom.elementwise("f", np.sin, lambda x, out: np.cos(x) if isinstance(x, np.ndarray) else 2 * np.cos(x))
        check_gradients(two, X)
        assert "one thing on arrays and another on tensors" in str(failing(two, X, order=2))

    def test_scalar_engine(self):
        error = failing(custom.elementwise("f", np.sin, lambda x, out: -np.cos(x)), Value(0.5))
        assert error.name == "x"
        assert error.index == ()
        assert "Value(0.5)" in str(error)

    def test_sample_finds_the_element(self):
        off = np.ones(6000)
        off[4321] = 1.01
        error = failing(custom.operation("sine", np.sin, lambda g, out, x: g * np.cos(x) * off), RNG.normal(size=6000))
        assert error.index == (4321,)
        assert "random directions" in str(error)

    def test_the_message_repeats_the_failure(self):
        f = custom.elementwise("f", np.sin, lambda x, out: -np.cos(x))
        error = failing(f, X, seed=3, rtol=1e-4)
        lines = str(error).partition("reproduce:")[2]
        names = {"np": np, "check_gradients": check_gradients, "f": f}
        with pytest.raises(GradientError) as again:
            exec("\n".join(line.strip() for line in lines.splitlines()), names)
        assert str(again.value) == str(error)

    def test_carries_the_arrays(self):
        error = failing(lambda x: x * x.data, X)
        np.testing.assert_array_equal(error.inputs["x"], X)


class TestRightGradients:
    def test_report(self):
        report = check_gradients(lambda x, w: np.tanh(x @ w), X, Y, order=2)
        assert report.worst_error < 1e-8
        assert [(row.name, row.order) for row in report.inputs] == [("x", 1), ("w", 1), ("x", 2), ("w", 2)]
        assert report.inputs[0].oracle == "differences, complex step"
        assert report.inputs[0].size == 12
        text = str(report)
        assert "12 of 12 elements" in text
        assert "seed 0" in text

    def test_values(self):
        report = check_gradients(lambda a, b: (a * b + a**2).tanh(), Value(2.0), -0.5, order=2)
        assert [row.name for row in report.inputs] == ["a", "b", "a", "b"]
        assert "no complex step" in str(report)
        report = check_gradients(lambda a, b, n: a * b + a**n, Value(2.0), Value(3), 3)
        assert "complex step" in report.inputs[0].oracle

    def test_arrays_of_values(self):
        report = check_gradients(lambda x, w: np.tanh(x @ w), to_values(X), Y, order=2)
        assert report.inputs[0].shape == (3, 4)

    def test_module_with_its_parameters(self):
        model = nn.Sequential(nn.Linear(4, 3, rng=RNG), nn.Tanh(), nn.Linear(3, 2, rng=RNG))
        before = {name: p.data.copy() for name, p in model.named_parameters()}
        report = check_gradients(model, X, order=2)
        names = {row.name for row in report.inputs}
        assert {"0.weight", "0.bias", "2.weight", "2.bias"} < names
        assert "float64 in place of float32" in str(report)
        for name, p in model.named_parameters():
            np.testing.assert_array_equal(p.data, before[name])
            assert p.dtype == np.float32

    def test_function_of_a_module(self):
        model = nn.Linear(4, 3, rng=RNG)
        report = check_gradients(lambda m, x, t: nn.functional.cross_entropy(m(x), t), model, X, np.array([0, 1, 2]))
        assert [row.name for row in report.inputs] == ["x", "m.weight", "m.bias"]
        assert "held fixed, since int64 has no gradient: t" in str(report)

    def test_frozen_parameters_are_left_alone(self):
        model = nn.Linear(4, 3, rng=RNG).requires_grad_(False)
        assert [row.name for row in check_gradients(model, X).inputs] == [
            row.name for row in check_gradients(np.sin, X).inputs
        ]

    def test_a_tied_parameter_is_one_input(self):
        class Tied(nn.Module):
            def __init__(self):
                self.first = nn.Linear(4, 4, rng=RNG)
                self.second = nn.Linear(4, 4, rng=RNG)
                self.second.weight = self.first.weight

            def forward(self, x):
                return self.second(np.tanh(self.first(x)))

        names = [row.name for row in check_gradients(Tied(), X, order=2).inputs]
        assert names.count("first.weight") == 2
        assert "second.weight" not in names

    def test_several_results(self):
        check_gradients(lambda x: (np.sin(x), {"y": [x.sum()]}), X, order=2)
        check_gradients(lambda x: (np.sin(x), x.sum()), X, cotangent=(np.ones((3, 4)), 2.0))

    def test_inside_no_grad(self):
        with no_grad():
            check_gradients(np.sin, X)

    def test_float32_and_lists_and_numbers(self):
        assert "float32" in str(check_gradients(np.sin, X.astype(np.float32)))
        check_gradients(np.sin, Tensor(X, requires_grad=True))
        check_gradients(lambda x, y: x * y, [1.0, 2.0], 3.0)

    def test_empty_input(self):
        report = check_gradients(lambda x: x.sum(), np.zeros((0, 3)))
        assert report.worst_error == 0

    def test_a_constant_has_gradient_zero(self):
        check_gradients(lambda x: Tensor(1.0) + 0 * x.sum(), X)
        check_gradients(lambda x: Tensor(1.0), X)

    def test_sample_says_that_it_is_one(self):
        report = check_gradients(lambda x: np.tanh(x).sum(), RNG.normal(size=5000))
        assert report.inputs[0].method == "sample"
        assert "a sample, no proof" in str(report)
        assert "3 directions" in str(report)
        assert check_gradients(np.sin, X, mode="sample").inputs[0].probes == 3

    def test_large_results_are_called_blunt(self):
        report = check_gradients(lambda x: 1e9 + x.sin(), X)
        assert "round-off hides errors up to" in str(report)
        # Written in NumPy's words it runs on complex numbers, which have no such trouble.
        assert "round-off" not in str(check_gradients(lambda x: 1e9 + np.sin(x), X))

    def test_the_same_call_gives_the_same_report(self):
        assert str(check_gradients(softmax, X, seed=5)) == str(check_gradients(softmax, X, seed=5))

    def test_needs_numpy_alone(self):
        code = (
            "import sys, tinygrad_lm; assert 'tinygrad_lm.testing' not in sys.modules\n"
            "from tinygrad_lm.testing import check_gradients\n"
            "assert not {'hypothesis', 'pytest', '_pytest'} & set(sys.modules)"
        )
        subprocess.run([sys.executable, "-c", code], check=True)


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
    def test_no_false_alarm_at_3000_smooth_points(self, name):
        """With eleven functions 33,000 points."""
        f, low, high = SMOOTH[name]
        points = np.random.default_rng(0).uniform(low, high, 3000)
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

    def test_a_kink_in_the_curvature_alone_is_smooth(self):
        points = np.random.default_rng(0).uniform(-1, 1, 1000) * step_at(0.0)
        assert all(scalar_slope(lambda x: x * abs(x), float(x)).verdict == "smooth" for x in points)

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

    def test_nothing_left_to_check_is_said(self):
        assert "nothing was checked" in str(check_gradients(abs, np.zeros(2), kinks="skip"))

    def test_subgradient(self):
        check_gradients(lambda x: x.relu(), np.array([1.0, 0.0, -1.0]), kinks="subgradient")
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
        assert "is not finite within a step of x" in str(failing(np.sqrt, np.array([1e-9])))

    def test_sample_draws_again(self):
        x = RNG.normal(size=5000)
        report = check_gradients(lambda x: x.relu().sum(), np.abs(x) + 0.1, kinks="skip")
        assert report.inputs[0].skipped == 0
        assert "along a direction" in str(failing(lambda x: x.relu().sum(), 0 * x))


class TestPreconditions:
    def test_random_function(self):
        rng = np.random.default_rng(0)
        error = failing(lambda x: x * rng.normal(size=x.shape), X)
        assert "it is random" in str(error)
        assert "dropout" in str(error)

    def test_integer_input(self):
        with pytest.raises(ValueError, match=r"no floating-point input to check \(given: int64\).*1.0 in place of 1"):
            check_gradients(np.sin, np.arange(3))
        with pytest.raises(ValueError, match="given: none"):
            check_gradients(lambda: Tensor(1.0))

    def test_complex_and_text(self):
        with pytest.raises(TypeError, match="x is an array of complex128"):
            check_gradients(np.sin, X + 1j)
        with pytest.raises(TypeError, match="not int"):
            check_gradients(3, X)

    def test_shared_memory(self):
        x = X.copy()
        with pytest.raises(ValueError, match="x1 and x2 share memory"):
            check_gradients(np.maximum, x, x)
        with pytest.raises(ValueError, match="share memory"):
            check_gradients(lambda a, b: a.sum() * b.sum(), x, x[:2])

    def test_broadcast_view(self):
        with pytest.raises(ValueError, match=r"x is a broadcast view.*pass x\.copy\(\)"):
            check_gradients(lambda x: x, np.broadcast_to(1.0, (3,)))

    def test_input_that_is_not_finite(self):
        with pytest.raises(ValueError, match=r"x is nan at index \(1,\)"):
            check_gradients(lambda x: x, np.array([1.0, np.nan]))

    def test_result_that_is_not_finite(self):
        error = failing(lambda x: 1 / x, np.array([1.0, 0.0]))
        assert "gave inf at index (1,) of its result" in str(error)
        assert "detect_anomaly" in str(error)
        assert "of part 1" in str(failing(lambda x: (x, np.log(x)), np.array([1.0, -1.0])))

    def test_gradient_that_is_not_finite_equals_nothing(self):
        error = failing(np.sqrt, np.array([1.0, 0.0]))
        assert error.index == (1,)
        assert "is inf at index (1,), where x = 0.0" in str(error)
        nan = custom.elementwise("f", np.sin, lambda x, out: np.nan * x)
        assert "is nan" in str(failing(nan, X))

    def test_input_that_the_function_changed(self):
        def f(x):
            x.data[0] += 1
            return x * 2

        assert "changed its input x in place" in str(failing(f, X))

    def test_input_that_the_backward_pass_changed(self):
        def vjp(g, out, x):
            x *= 2
            return g * np.cos(x)

        assert "changed the input x" in str(failing(custom.operation("f", np.sin, vjp), X))

    def test_cotangent_may_be_written_into_by_a_custom_operation(self):
        def vjp(g, out, x):
            g *= np.cos(x)
            return g

        check_gradients(custom.operation("f", np.sin, vjp), X)

    def test_shape_that_depends_on_the_input(self):
        def f(x):
            return x[x.data > 0]

        assert "its shape depends on the values" in str(failing(f, np.array([1.0, 0.0, 2.0])))

    def test_results_that_are_no_nodes(self):
        assert "its graph was lost" in str(failing(lambda x: x.data * 2, X))
        assert "it lacks a return" in str(failing(lambda x: None, X))
        assert "returned nothing" in str(failing(lambda x: [], X))
        assert "returned int64, which has no gradient" in str(failing(lambda x: x.argmax(), X))

    def test_float32_inside(self):
        assert "computes in float32 although it was given float64" in str(failing(lambda x: x.astype(np.float32), X))

    def test_backward_that_raises(self):
        def vjp(g, out, x):
            raise KeyError("oops")

        error = failing(custom.operation("f", np.sin, vjp), X)
        assert "raised KeyError" in str(error)

    def test_backward_that_is_random(self):
        rng = np.random.default_rng(0)
        f = custom.operation("f", np.sin, lambda g, out, x: g * rng.normal(size=x.shape))
        assert "two different gradients for the same cotangent" in str(failing(f, X))

    def test_backward_that_adds(self):
        f = custom.operation("f", np.sin, lambda g, out, x: g * np.cos(x) + 1)
        assert "for a cotangent of zeros" in str(failing(f, X))

    def test_backward_that_is_not_linear(self):
        f = custom.operation("f", np.sin, lambda g, out, x: g * np.abs(g) * np.cos(x))
        assert "is not linear" in str(failing(f, X))

    def test_forward_errors_come_through(self):
        with pytest.raises(ValueError, match="matmul"):
            check_gradients(lambda x: x @ np.ones((9, 9)), X)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"order": 3}, "order is 1"),
            ({"kinks": "ignore"}, "kinks is 'raise'"),
            ({"mode": "fast"}, "mode is 'auto'"),
            ({"seed": -1}, "seed is a whole number"),
            ({"seed": True}, "seed is a whole number"),
            ({"rtol": -1.0}, "rtol is a number from 0"),
            ({"atol": np.nan}, "atol is a number from 0"),
            ({"cotangent": np.ones(3)}, r"the cotangent has shapes \[\(3,\)\], but sin returns \[\(3, 4\)\]"),
            ({"cotangent": np.zeros((3, 4))}, "all zero"),
            ({"cotangent": np.full((3, 4), np.inf)}, "not finite"),
        ],
    )
    def test_options(self, options, message):
        with pytest.raises(ValueError, match=message):
            check_gradients(np.sin, X, **options)

    def test_dropout(self):
        class Random(nn.Module):
            def __init__(self):
                self.inner = nn.Linear(4, 2, rng=np.random.default_rng(0))
                self.rng = np.random.default_rng(0)

            def forward(self, x):
                return self.inner(x) * self.rng.normal()

        assert "module.eval()" in str(failing(Random(), X))


def test_a_cotangent_of_ones_makes_a_softmax_check_vacuous():
    """Why the weights are random by default."""
    zeros = custom.operation("softmax", softmax, lambda g, out, x: np.zeros_like(x))
    check_gradients(zeros, X, cotangent=np.ones((3, 4)))
    failing(zeros, X)


def test_tolerance_can_be_widened():
    f = custom.elementwise("f", np.sin, lambda x, out: 1.00001 * np.cos(x))
    failing(f, X)
    check_gradients(f, X, rtol=1e-4)


class TestComplexStep:
    """The second oracle is used where it is right, and only there."""

    @pytest.mark.parametrize(
        ("fn", "name"),
        [
            (abs, "absolute"),
            (lambda x: x * x.conj() if isinstance(x, np.ndarray) else x * x, "conjugate"),
            (np.sign, "sign"),
            (lambda x: np.var(x), "var"),
            (lambda x: x.std(), "std"),
            (np.linalg.norm, "norm"),
            (lambda x: np.sum(np.abs(x) ** 2), "absolute"),
        ],
    )
    def test_refused(self, fn, name):
        report = check_gradients(fn, X[0])
        assert report.inputs[0].oracle == "differences"
        assert f"np.{name} is not analytic" in str(report)

    def test_small_contribution_of_an_absolute_value(self):
        """Too small for differences to tell, it must not pass as an error of the gradient."""
        softsign = custom.elementwise("f", lambda x: x / (1 + np.abs(x)), lambda x, out: 1 / (1 + np.abs(x)) ** 2)
        check_gradients(lambda x, y: softsign(x * y), np.array(1e-3), np.array(1.1e-3))

    @pytest.mark.parametrize(
        "fn", [np.tanh, softmax, lambda x: np.maximum(x, 0.1), lambda x: np.where(x > 0, x, 2 * x)]
    )
    def test_used(self, fn):
        assert "complex step" in check_gradients(fn, X).inputs[0].oracle

    def test_other_values(self):
        report = check_gradients(lambda x: x * 2 if isinstance(x, Tensor) else x * 3, X)
        assert "its values on complex numbers are others" in str(report)

    def test_other_slopes(self):
        report = check_gradients(lambda x: x * 2 if isinstance(x, Tensor) else x.real * 2 + 0j, X)
        assert "on complex numbers its slopes are others" in str(report)
