"""What ``check_gradients`` refuses, and how it says why."""

import itertools

import numpy as np
import pytest

from tests.testing.checker.failing import failing
from tinygrad_lm import Tensor, nn
from tinygrad_lm.autograd import custom
from tinygrad_lm.autograd.graph import Operation
from tinygrad_lm.testing import check_gradients

RNG = np.random.default_rng(1)
X = RNG.normal(size=(3, 4))


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

        assert "the vjp of 'f' for operand 0 ('x') writes into" in str(failing(custom.operation("f", np.sin, vjp), X))

        class Careless(Operation):
            def forward(self, x):
                return np.sin(x)

            def vjp(self, gradient, call):
                return [vjp(gradient, call.out, *call.inputs)]

        assert "changed the input x" in str(failing(Careless("careless"), X))

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

    @pytest.mark.parametrize("odd", [0, 1, 2])
    def test_backward_that_differs_once(self, odd):
        """Which of the first passes it is does not matter."""
        calls = itertools.count()
        f = custom.operation("f", np.sin, lambda g, out, x: g * np.cos(x) * (2 if next(calls) == odd else 1))
        assert "two different gradients for the same cotangent" in str(failing(f, X))

    def test_backward_that_does_not_sum(self):
        class Spread(Operation):
            def forward(self, x):
                return np.sin(x) + np.zeros((2, *x.shape))

            def vjp(self, gradient, call):
                return [gradient * np.cos(call.inputs[0])]

        error = failing(Spread("spread"), X)
        assert "with respect to x has shape (2, 3, 4), but x has shape (3, 4)" in str(error)
        assert error.name == "x"

    def test_backward_that_adds(self):
        f = custom.operation("f", np.sin, lambda g, out, x: g * np.cos(x) + 1)
        error = failing(f, X)
        assert "gave 1.0 at index (0, 0) for a cotangent of zeros" in str(error)
        assert (error.name, error.index, error.analytic) == ("x", (0, 0), 1.0)

    def test_backward_that_is_not_linear(self):
        f = custom.operation("f", np.sin, lambda g, out, x: g * np.abs(g) * np.cos(x))
        error = failing(f, X)
        assert "is not linear" in str(error)
        assert (error.name, error.index) == ("x", (0, 0))
        assert f"it gave {error.analytic} at index (0, 0)" in str(error)
        assert abs(error.analytic - error.numeric) > 0.1

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
            ({"cotangent": np.where(np.eye(3, 4), np.nan, 1.0)}, "the cotangent holds numbers that are not finite"),
            ({"cotangent": np.ones(3)}, r"the cotangent has shapes \[\(3,\)\], but sin returns \[\(3, 4\)\]"),
            ({"cotangent": np.zeros((3, 4))}, "all zero"),
            ({"cotangent": np.full((3, 4), np.inf)}, "not finite"),
        ],
    )
    def test_options(self, options, message):
        with pytest.raises(ValueError, match=message):
            check_gradients(np.sin, X, **options)

    def test_cotangent_of_some_results(self):
        assert check_gradients(np.sin, X, cotangent=np.eye(3, 4)).worst_error < 1e-9

    def test_dropout(self):
        class Random(nn.Module):
            def __init__(self):
                self.inner = nn.Linear(4, 2, rng=np.random.default_rng(0))
                self.rng = np.random.default_rng(0)

            def forward(self, x):
                return self.inner(x) * self.rng.normal()

        assert "module.eval()" in str(failing(Random(), X))
