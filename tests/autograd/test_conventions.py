"""Slopes that are set by convention: exact to first order, and never the ground for a made-up second derivative."""

import math

import numpy as np
import pytest

from tinygrad_lm import Tensor, Value, grad, hessian, hvp, jacobian
from tinygrad_lm.autograd.rules import TABLE

INF, NAN = math.inf, math.nan

KINKS = {
    "norm at 0": (lambda x: x.norm(), [0.0, 0.0]),
    "norm of one element at 0": (lambda x: x.norm(), [0.0]),
    "np.linalg.norm at 0": (lambda x: np.linalg.norm(x), [0.0, 0.0, 0.0]),
    "norm squared at 0": (lambda x: x.norm() ** 2, [0.0, 0.0]),
    "std of equal elements": (lambda x: x.std(), [2.0, 2.0]),
    "std of equal elements with ddof": (lambda x: np.std(x, ddof=1), [2.0, 2.0, 2.0]),
    "std squared": (lambda x: x.std() ** 2, [2.0, 2.0]),
    "logsumexp of -inf alone": (lambda x: x.logsumexp(), [-INF, -INF]),
}


@pytest.mark.parametrize(("function", "x"), KINKS.values(), ids=KINKS)
def test_no_second_derivative_is_made_up(function, x):
    x = np.array(x)
    assert jacobian(function, x).tolist() == [0.0] * x.size
    assert np.isnan(hessian(function, x)).all()
    for v in (np.ones(x.size), np.linspace(1, -1, x.size)):
        assert np.isnan(hvp(function, x, v)).all()


def test_to_third_order():
    x = Tensor([0.0, 0.0], requires_grad=True)
    slope = grad(x.norm(), x, create_graph=True)
    bend = grad(slope[0], x, create_graph=True)
    assert slope.tolist() == [0.0, 0.0]
    assert np.isnan(bend.data).all()
    assert np.isnan(grad(bend.sum(), x).data).all()
    y = np.array([0.3, -0.4])
    third = jacobian(lambda t: grad(grad(t.norm(), t, create_graph=True)[0], t, create_graph=True)[0], y)
    # d/dx of y²/n³ and d/dy of it.
    n = 0.5
    np.testing.assert_allclose(third, [-3 * 0.3 * 0.16 / n**5, -0.8 / n**3 + 3 * 0.4 * 0.16 / n**5], rtol=1e-12)


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (lambda x: x.norm(axis=1), [[0.0, 0.0], [3.0, 4.0]]),
        (lambda x: x.std(axis=1), [[2.0, 2.0], [1.0, 3.0]]),
        (lambda x: x.logsumexp(axis=1), [[-INF, -INF], [0.0, 1.0]]),
    ],
    ids=["norm", "std", "logsumexp"],
)
def test_other_rows_stay_right(function, x):
    x = np.array(x)
    alone = hessian(lambda t: function(t).sum(), x[1:])
    both = hessian(lambda t: function(t).sum(), x)
    assert np.isnan(both[0, :, 0]).all()
    assert not both[0, :, 1].any()
    assert not both[1, :, 0].any()
    np.testing.assert_array_equal(both[1:, :, 1:], alone)
    # A row that a mask keeps out of the result has no second derivative either: exactly zero.
    kept = hessian(lambda t: np.where(np.array([False, True]), function(t), 0.0).sum(), x)
    assert not kept[0].any()
    np.testing.assert_array_equal(kept[1:, :, 1:], alone)


def test_second_derivatives_that_are_known_stay():
    """Where a slope is constant on either side, or the second derivative exists, it is a number."""
    for function, x, wanted in (
        (lambda t: t.std(), [2.0], [[0.0]]),
        (lambda t: t.var(), [2.0, 2.0], [[0.5, -0.5], [-0.5, 0.5]]),
        (lambda t: t.abs().sum(), [0.0, 0.0], np.zeros((2, 2))),
        (lambda t: (t.relu() ** 2).sum(), [0.0], [[0.0]]),
        (lambda t: t.max() ** 2, [1.0, 1.0], np.full((2, 2), 0.5)),
        (lambda t: (t**2).sum(), [0.0], [[2.0]]),
        (lambda t: (t**0).sum(), [0.0], [[0.0]]),
        (lambda t: (t**1.5).sum(), [0.0], [[INF]]),
        (lambda t: t.sqrt().sum(), [0.0], [[-INF]]),
        (lambda t: t.prod(), [0.0, 0.0, 2.0], [[0.0, 2.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 0.0]]),
        (lambda t: t.norm(ord=1), [0.0, 0.0], np.zeros((2, 2))),
        (lambda t: t.norm(ord=INF), [1.0, -1.0], np.zeros((2, 2))),
        (lambda t: t.logsumexp(), [-INF, 0.0], np.zeros((2, 2))),
    ):
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(hessian(function, np.array(x)), wanted)


def both_engines(name, numbers):
    """The result and the gradients of a rule on numbers, from either engine."""
    for make in (Value, lambda x: Tensor(x, requires_grad=True)):
        inputs = [make(x) for x in numbers]
        out = TABLE[name](*inputs)
        out.backward()
        yield float(out.data), [float(x.grad) for x in inputs]


@pytest.mark.parametrize(
    ("name", "numbers", "gradients"),
    [
        ("maximum", (NAN, 1.0), [1.0, 0.0]),
        ("maximum", (1.0, NAN), [0.0, 1.0]),
        ("maximum", (NAN, INF), [1.0, 0.0]),
        ("maximum", (NAN, NAN), [0.5, 0.5]),
        ("minimum", (NAN, 1.0), [1.0, 0.0]),
        ("minimum", (1.0, NAN), [0.0, 1.0]),
        ("minimum", (-INF, NAN), [0.0, 1.0]),
        ("minimum", (NAN, NAN), [0.5, 0.5]),
        ("relu", (NAN,), [1.0]),
        ("clip", (NAN, 0.0, 1.0), [1.0, 0.0, 0.0]),
        ("clip", (0.5, NAN, 1.0), [0.0, 1.0, 0.0]),
        ("clip", (0.5, 0.0, NAN), [0.0, 0.0, 1.0]),
        ("clip", (-1.0, 0.0, NAN), [0.0, 0.0, 1.0]),
        ("clip", (0.5, NAN, NAN), [0.0, 1.0, 0.0]),
        ("clip", (NAN, NAN, NAN), [1.0, 0.0, 0.0]),
    ],
)
def test_the_gradient_goes_to_the_nan_that_is_the_result(name, numbers, gradients):
    for value, found in both_engines(name, numbers):
        assert math.isnan(value)
        assert found == gradients


def test_extremes_over_axes_send_the_gradient_to_the_nan():
    for name in ("max", "min"):
        x = Tensor([[NAN, 1.0, NAN], [2.0, 2.0, 2.0]], requires_grad=True)
        getattr(x, name)(axis=1).sum().backward()
        np.testing.assert_allclose(x.grad, [[0.5, 0.0, 0.5], [1 / 3] * 3])
        x.zero_grad()
        getattr(x, name)().backward()
        assert x.grad.tolist() == [[0.5, 0.0, 0.5], [0.0] * 3]


@pytest.mark.parametrize(
    ("y", "wanted"),
    [
        (3.0, [[0.0, 0.0], [0.0, 0.0]]),
        (2.0, [[2.0, 0.0], [0.0, 0.0]]),
        (1.5, [[INF, 0.0], [0.0, 0.0]]),
        (1.0, [[0.0, NAN], [NAN, 0.0]]),
        (0.5, [[-INF, NAN], [NAN, 0.0]]),
        (0.0, [[0.0, NAN], [NAN, NAN]]),
    ],
)
def test_a_power_of_zero_has_the_second_derivatives_that_exist(y, wanted):
    """d²(x**y) at x = 0, where the slopes to y, and to x at y = 0, are 0 by convention."""
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(hessian(lambda t: t[0] ** t[1], np.array([0.0, y])), wanted)
        beside = Tensor([[0.0, 2.0], [y, 3.0]], requires_grad=True)
        slope = grad((beside[0] ** beside[1]).sum(), beside, create_graph=True)
        found = grad(slope.sum(), beside).data[:, 1]
        np.testing.assert_allclose(found, [12 + 4 + 12 * math.log(2), 4 + 12 * math.log(2) + 8 * math.log(2) ** 2])
        a, b = Value(0.0), Value(y)
        rows = [grad(slope, [a, b]) if slope.requires_grad else [] for slope in grad(a**b, [a, b], create_graph=True)]
        np.testing.assert_array_equal([[float(g.data) for g in row] for row in rows], wanted)
