"""Planted mistakes in a user's own operations: ``check_gradients`` names the wrong index and the mistake."""

import functools

import numpy as np
import pytest

from tests.testing.checker.failing import failing
from tinygrad_lm import Value
from tinygrad_lm.autograd import custom
from tinygrad_lm.testing import GradientError, check_gradients

RNG = np.random.default_rng(1)
X = RNG.normal(size=(3, 4))
Y = RNG.normal(size=(4, 2))
SQUARE = RNG.normal(size=(3, 3))


def softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


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
        off = np.zeros_like(X)
        off[1, 2] = 1
        one = custom.operation(
            "f", np.sin, lambda g, out, x: g * np.cos(x) + (0 if isinstance(x, np.ndarray) else g * off)
        )
        error = failing(one, X, order=2)
        assert "one thing on arrays and another on tensors" in str(error)
        assert "with respect to x" in str(error)
        assert "at index (1, 2), without it" in str(error)

    @pytest.mark.parametrize(("results", "inputs", "told"), [(400, 2, True), (401, 2, False), (300, 134, False)])
    def test_the_jacobian_is_looked_at_where_it_is_small(self, results, inputs, told):
        x = RNG.normal(size=inputs)
        matrix = RNG.normal(size=(results, inputs))
        f = custom.operation("f", lambda x: matrix @ x, lambda g, out, x: (g * 1.5) @ matrix)
        assert ("d result" in str(failing(f, x))) == told

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

    def test_of_an_operation_with_its_attributes(self):
        total = custom.operation("total", lambda y, axis: np.sum(y, axis), lambda g, out, y, axis: 0 * y - g)
        error = failing(functools.partial(total, axis=None), X)
        assert (error.name, str(error).splitlines()[0]) == ("y", "the gradient of total with respect to y is wrong")
        assert failing(functools.partial(lambda a, y: a * y.data * y, 2.0), X).name == "y"

    def test_carries_the_arrays(self):
        error = failing(lambda x: x * x.data, X)
        np.testing.assert_array_equal(error.inputs["x"], X)


def test_a_cotangent_of_ones_makes_a_softmax_check_vacuous():
    """Why the weights are random by default."""
    zeros = custom.operation("softmax", softmax, lambda g, out, x: np.zeros_like(x))
    check_gradients(zeros, X, cotangent=np.ones((3, 4)))
    failing(zeros, X)


def test_tolerance_can_be_widened():
    f = custom.elementwise("f", np.sin, lambda x, out: 1.00001 * np.cos(x))
    failing(f, X)
    check_gradients(f, X, rtol=1e-4)
