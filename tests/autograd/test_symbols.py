"""Tests of symbols: what they print of a program, with brackets where they are needed, and what they refuse."""

import numpy as np
import pytest

from tinygrad_lm.autograd import custom, products, rules, shaping
from tinygrad_lm.autograd.on_the_board import vjp_formula
from tinygrad_lm.autograd.symbols import Symbol, local_formula

X, Y, Z = map(Symbol, "xyz")


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (X + Y * Z, "x + y · z"),
        ((X + Y) * Z, "(x + y) · z"),
        (X - (Y - Z), "x - (y - z)"),
        (X - Y - Z, "x - y - z"),
        (X / (Y * Z), "x / (y · z)"),
        (X * (Y / Z), "x · y / z"),
        (-(X + Y), "-(x + y)"),
        (-X * Y, "-x · y"),
        ((X * Y) ** 2, "(x · y)**2"),
        ((X**Y) ** Z, "(x**y)**z"),
        (2**X, "2**x"),
        (X - -1.5, "x - (-1.5)"),
        (1 / X, "1 / x"),
        (0.1 + 0.2 - X, "0.3 - x"),
        ((X > Y) & (X < Z), "x > y and x < z"),
        ((X > 0) * Y, "(x > 0) · y"),
        ((X == Y) | (X != Z), "x = y or x ≠ z"),
        ((X >= Y) - (X <= Z), "(x ≥ y) - (x ≤ z)"),
        (X @ (Y @ Z), "x @ (y @ z)"),
        (np.exp(-X), "exp(-x)"),
        (np.negative(X) + np.add(Y, Z), "-x + y + z"),
        (np.absolute(X), "abs(x)"),
        (np.where(X > 0, Y, 0), "where(x > 0, y, 0)"),
        (rules.sigmoid(X) + rules.tanh(X + 1), "sigmoid(x) + tanh(x + 1)"),
        (X.astype(np.float32), "x"),
    ],
)
def test_arithmetic(made, text):
    assert repr(made) == text


def test_what_a_symbol_stands_for():
    x = Symbol("x", like=np.ones((2, 3), np.float32))
    assert (x.shape, x.ndim, x.size, x.dtype) == ((2, 3), 2, 6, np.float32)
    assert np.shape(x) == (2, 3)
    assert (Symbol("x").shape, Symbol("x").dtype) == ((), np.float64)
    assert (x.T.text, x.T.shape) == ("xᵀ", (3, 2))
    assert (x @ Y).T.text == "(x @ y)ᵀ"
    assert x.swapaxes(-1, -2).shape == (3, 2)
    assert x.reshape(2, 3) is x and x.reshape((2, 3)) is x
    assert (x.reshape(-1).text, x.reshape(-1).shape) == ("reshape(x)", (6,))


def test_what_depends_on_numbers_has_no_formula():
    with pytest.raises(TypeError, match="whether x > 0 depends on the numbers"):
        bool(X > 0)
    branch = custom.elementwise("branch", lambda x: x, lambda x, out: 1 if x > 0 else -1)
    assert local_formula(branch, 0, ("x",)) == ""
    with pytest.raises(TypeError):
        np.sum(X, axis=0)
    with pytest.raises(TypeError):
        np.add.reduce(X)


def test_local_formulas():
    assert local_formula(rules.mul, 1, ("a", "b")) == "a"
    assert local_formula(rules.mul, 1, (0.5, "b")) == "0.5"
    assert local_formula(rules.add, 0, ("a", "b")) == "1"
    assert local_formula(rules.exp, 0, ("x",), "y") == "y"
    assert local_formula(shaping.reshape, 0, ("x",)) == ""


def test_vjp_formulas():
    x, y = np.ones((2, 3)), np.ones((3, 4))
    names, inputs = ("g", "out", "x", "w"), (x, y)
    found = [vjp_formula(products.matmul, i, names, inputs, x @ y, {}) for i in (0, 1)]
    assert found == ["g @ wᵀ", "xᵀ @ g"]
    assert vjp_formula(shaping.reshape, 0, ("g", "y", "x"), (x,), np.ones(6), {"shape": (6,)}) == "reshape(g)"
    assert vjp_formula(rules.add, 0, ("g", "z", "x", "y"), (x, x), x, {}) == "vjp of add"
