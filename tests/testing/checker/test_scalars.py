"""A function that gives one number is checked as it stands: the cotangent is 1, and no check is vacuous by it."""

import numpy as np
import pytest

from tests.testing.checker.failing import failing
from tinygrad_lm import Value
from tinygrad_lm.autograd import custom

RNG = np.random.default_rng(1)
X = RNG.normal(size=(3, 4))


def hidden(x):
    """One of the two uses of each element is hidden."""
    return (x * x.data).sum()


@pytest.mark.parametrize("shape", [lambda y: y, lambda y: y.reshape(1), lambda y: y.reshape(1, 1), lambda y: [y]])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_numbers_are_those_of_the_function(shape, seed):
    error = failing(lambda x: shape(hidden(x)), np.array([0.5, -3.0]), seed=seed)
    assert error.index == (1,)
    assert error.analytic == -3.0
    assert error.numeric == pytest.approx(-6.0)
    assert "cotangent:  1, as backward() has it for a single number" in str(error)


def test_of_values_too():
    error = failing(lambda v: v * v.data, Value(3.0))
    assert (error.analytic, error.numeric) == (3.0, pytest.approx(6.0))
    assert "cotangent:  1," in str(error)


def test_at_a_kink_the_slopes_are_those_of_the_function():
    error = failing(lambda x: 3 * x.relu().sum(), np.array([1.0, 0.0]))
    assert "the slope is 0 on the left and 3 on the right" in str(error)


def test_a_cotangent_that_is_given_counts():
    error = failing(hidden, np.array([0.5, -3.0]), cotangent=2.0)
    assert error.analytic == -6.0
    assert "cotangent:  given" in str(error)


@pytest.mark.parametrize("fn", [lambda x: x * x.data, lambda x: (hidden(x), hidden(x))])
def test_several_numbers_keep_random_weights(fn):
    error = failing(fn, np.array([0.5, -3.0]))
    assert error.numeric != pytest.approx(-6.0)
    assert "cotangent:  random signs times U(0.5, 1.5), seed 0" in str(error)


def test_to_second_order_the_gradient_keeps_random_weights():
    cube = custom.elementwise("cube", lambda x: x**3, lambda x, out: 3 * x * getattr(x, "data", x))
    error = failing(lambda x: cube(x).sum(), X, order=2)
    assert "cotangent:  1 for the result; for its gradient random signs times U(0.5, 1.5), seed 0" in str(error)
    # The gradient of softmax(x).sum() is zero, and so is the sum of the rows of its second derivative.
    squares = softmax_of_zeros_when_recorded()
    assert "second order" in str(failing(lambda x: (squares(x) ** 2).sum(), X, order=2))


def softmax_of_zeros_when_recorded():
    """A softmax whose backward pass is right, but constant to second order."""

    def forward(x):
        e = np.exp(x - np.max(x, axis=-1, keepdims=True))
        return e / np.sum(e, axis=-1, keepdims=True)

    def vjp(g, out, x):
        y = getattr(out, "data", out)
        return y * (g - np.sum(g * y, axis=-1, keepdims=True))

    return custom.operation("softmax", forward, vjp)


@pytest.mark.parametrize(
    ("vjp", "words"),
    [
        (lambda g, out, x: np.cos(x) * np.ones_like(x), "for a cotangent of zeros"),
        (lambda g, out, x: g * g * np.cos(x), "is not linear"),
        (lambda g, out, x: np.abs(g) * np.cos(x), "is not linear"),
        (lambda g, out, x: np.sign(g) * np.cos(x), "is not linear"),
        (lambda g, out, x: np.sqrt(np.abs(g)) * np.cos(x), "is not linear"),
        (lambda g, out, x: g**3 * np.cos(x), "is not linear"),
        (lambda g, out, x: np.round(g) * np.cos(x), "is not linear"),
    ],
)
def test_a_cotangent_of_one_hides_no_misuse_of_it(vjp, words):
    """With g = 1 these equal g * cos(x): the other cotangents of the preconditions tell them apart."""
    total = custom.operation("total", lambda x: np.sin(x).sum(), vjp)
    for seed in range(20):
        assert words in str(failing(total, X, seed=seed))


def test_a_result_of_one_number_made_of_many_is_still_told():
    zeros = custom.operation("mean", lambda x: np.mean(x), lambda g, out, x: 0 * x * g)
    assert "a path is dropped" in str(failing(zeros, X))
