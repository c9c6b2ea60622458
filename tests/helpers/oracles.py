"""What the engines are compared with: complex step and central differences of plain NumPy functions, and probes.

They are written a second time here, apart from the checker's own: what a test shares with its subject it cannot prove.
"""

import math

import numpy as np

from tinygrad_lm import Tensor

EPSILON = 1e-30
EXACT = {"rtol": 1e-9, "atol": 1e-11}
NUMERIC = {"rtol": 1e-6, "atol": 1e-8}
ENGINES = {"rtol": 1e-12, "atol": 1e-12}
NUMBERS = np.random.default_rng(7).uniform(0.5, 1.5, 8191) * np.random.default_rng(8).choice([-1.0, 1.0], 8191)
"""What probes are cut out of: a generator for each would take longer than what is probed."""


def agree(actual, expected, what, *, rtol, atol):
    """Both are finite, of one shape, and equal within the tolerance: NaN equals nothing here."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape}, expected {expected.shape}"
    assert np.isfinite(expected).all(), f"{what}: the oracle itself gives {expected}"
    if (actual == expected).all():
        return
    assert np.isfinite(actual).all(), f"{what}: {actual}, expected {expected}"
    close(actual, expected, what, rtol=rtol, atol=atol)


def close(actual, expected, what="", *, rtol, atol):
    """``np.testing.assert_allclose``, which is asked where the numbers differ only: it takes ten times as long."""
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.abs(np.subtract(actual, expected, dtype=float)) <= atol + rtol * np.abs(expected)
    if not (near.all() and np.isfinite(expected).all()):
        np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol, err_msg=what)


def same(actual, expected, what=""):
    """``np.testing.assert_array_equal``, which is asked where the numbers differ only: it takes ten times as long."""
    if not (np.shape(actual) == np.shape(expected) and np.equal(actual, expected).all()):
        np.testing.assert_array_equal(actual, expected, err_msg=what, strict=True)


def probe(shape, seed):
    """A cotangent of random signs and sizes: ones would make the gradient of a softmax vanish."""
    return np.take(NUMBERS, seed % NUMBERS.size * 389 + np.arange(math.prod(shape)), mode="wrap").reshape(shape)


def complex_step(function, inputs, cotangent):
    """The gradient of ``sum(cotangent * function(*inputs))`` to each input, exact to the last bits."""
    gradients = []
    shifted = [x.astype(complex) for x in inputs]
    for position, x in enumerate(inputs):
        gradient = np.zeros(x.shape)
        for index in np.ndindex(x.shape):
            shifted[position][index] += EPSILON * 1j
            gradient[index] = np.sum(cotangent * np.imag(function(*shifted))) / EPSILON
            shifted[position][index] = x[index]
        gradients.append(gradient)
    return gradients


def directional(function, inputs, directions):
    """The derivative of the function along ``directions``, by complex step."""
    moved = [x + EPSILON * 1j * u for x, u in zip(inputs, directions, strict=True)]
    return np.imag(function(*moved)) / EPSILON


def central_differences(function, inputs, cotangent=1.0):
    """The gradient of ``sum(cotangent * function(*inputs))`` to each input, by symmetric differences."""
    gradients = []
    moved = [x.copy() for x in inputs]
    for position, x in enumerate(inputs):
        gradient = np.zeros(x.shape)
        for index in np.ndindex(x.shape):
            step = 2.0 ** np.round(np.log2(6e-6 * max(1.0, abs(x[index]))))
            above, below = x[index] + step, x[index] - step
            moved[position][index] = above
            high = function(*moved)
            moved[position][index] = below
            low = function(*moved)
            moved[position][index] = x[index]
            gradient[index] = np.sum(cotangent * (high - low)) / (above - below)
        gradients.append(gradient)
    return gradients


def leaves(inputs, dtype=None):
    """A tensor that requires a gradient for each array."""
    return [Tensor(x, requires_grad=True, dtype=dtype) for x in inputs]


def layouts(x):
    """The same numbers in other memory: name and array. Not every layout exists for every shape."""
    yield "Fortran", np.array(x, order="F")
    yield "transposed", x.T.copy().T
    wide = np.full([2 * n for n in x.shape], np.nan)
    every_second = (*(slice(None, None, 2),) * x.ndim, ...)
    wide[every_second] = x
    yield "strided", wide[every_second]
    backwards = (*(slice(None, None, -1),) * x.ndim, ...)
    yield "reversed", np.array(x[backwards], order="C")[backwards]
    frozen = x.copy()
    frozen.flags.writeable = False
    yield "read-only", frozen
