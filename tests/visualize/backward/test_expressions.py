"""Functions that are written in JavaScript: their brackets, their branches, and NumPy's functions in them."""

import itertools
import math
import operator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.node import alone, run, same
from tests.helpers.registry import examples
from tinygrad_lm.autograd import custom
from visualize.backward.expressions import Run, text_of

NUMBERS = (0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 3.0, 1e300, -1e300, 5e-324, 1e16, math.inf, -math.inf)
NUMBERS += (math.nan, 0.1, 4503599627370497.5)

WRITTEN = (
    *("add", "subtract", "multiply", "divide", "negative", "positive", "absolute", "fabs", "sign", "square"),
    *("reciprocal", "sqrt", "cbrt", "hypot", "power", "float_power", "maximum", "minimum", "copysign", "signbit"),
    *("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "logaddexp", "floor", "ceil", "trunc", "rint"),
    *("sin", "cos", "tan", "arcsin", "arccos", "arctan", "arctan2"),
    *("sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh"),
    *("isnan", "isinf", "isfinite", "greater", "greater_equal", "less", "less_equal", "equal", "not_equal"),
    *("logical_and", "logical_or", "logical_xor", "logical_not"),
)
"""The ufuncs that JavaScript has a counterpart of."""


def text(function, *names):
    made = Run(function, names)
    return text_of(made.result, dict(zip((x.serial for x in made.operands), names, strict=True)))


def results(node, function, count, inputs):
    """What a page makes of numbers, and what the engine does."""
    own = custom.elementwise("own", function, (1,) * count)
    nodes = alone(own, count)
    for numbers, (values, _, _) in zip(inputs, run(node, nodes, *([*each, 0.0] for each in inputs)), strict=True):
        yield numbers, values[-1], own.on_floats(numbers)


def unsettled(name, x, y=0.0):
    """Whether NumPy's own answer is another one on other machines, or of bits that no number shows."""
    if name in ("signbit", "copysign"):
        return math.isnan(x) or math.isnan(y)
    if name == "power":  # a square root in place of it
        return y == 0.5 and (x == 0 or x == -math.inf)
    return name in ("maximum", "minimum") and x == y == 0


@pytest.mark.parametrize("name", WRITTEN)
def test_ufuncs(node, name):
    ufunc = getattr(np, name)
    inputs = [*itertools.product(NUMBERS, repeat=ufunc.nin)]
    with np.errstate(all="ignore"):
        for numbers, found, wanted in results(node, lambda *xs: ufunc(*xs), ufunc.nin, inputs):
            assert same(found, wanted) or unsettled(name, *numbers), (numbers, found, wanted)


def test_no_other_ufunc_is_written():
    found = {x.__name__ for x in vars(np).values() if isinstance(x, np.ufunc) and x.nout == 1 and x.nin < 3}
    for name in found - {"bitwise_and", "bitwise_or", "bitwise_xor", "invert", *WRITTEN}:
        with pytest.raises(ValueError, match=f"{name}, called in this way|operand|does not"):
            Run(getattr(np, name), "xy"[: getattr(np, name).nin])


SINGLE = (operator.neg, abs, np.square, np.floor, np.sign)
PAIRS = (
    *(operator.add, operator.sub, operator.sub, operator.mul, operator.truediv, operator.truediv),
    lambda a, b: np.where(a > b, a, b - a),
    lambda a, b: a if a <= b else -b,
    lambda a, b: np.where((a < b) & (b != 2) | ~(a > 0), 0.1, -a),
    lambda a, b: (a == b) * b + (a > 1),
)


@st.composite
def functions(draw):
    """A function of two numbers that is made of many small ones."""
    steps = []
    for size in range(4, draw(st.integers(5, 10))):
        how = draw(st.sampled_from([*SINGLE, *PAIRS]))
        steps.append((how, [draw(st.integers(0, size - 1)) for _ in range(1 if how in SINGLE else 2)]))

    def function(x, y):
        numbers = [x, y, np.float64(0.1), np.float64(-2)]
        for how, operands in steps:
            numbers.append(how(*(numbers[i] for i in operands)))
        return numbers[-1]

    return function


@settings(max_examples=examples(2_000))
@given(function=functions(), data=st.data())
def test_arithmetic_is_bracketed_so_that_every_bit_is_the_same(node, function, data):
    number = st.floats(-10, 10) | st.sampled_from(NUMBERS)
    inputs = [(data.draw(number), data.draw(number)) for _ in range(5)]
    with np.errstate(all="ignore"):
        for numbers, found, wanted in results(node, function, 2, inputs):
            assert same(found, wanted, relative=0.0) or found == wanted == 0, (numbers, found, wanted)


@pytest.mark.parametrize(
    ("function", "written"),
    [
        (lambda x, y: x - (y - x), "x-(y-x)"),
        (lambda x, y: x + (y + x), "x+(y+x)"),
        (lambda x, y: operator.neg(-x), "-(-x)"),
        (lambda x, y: x - -y * x, "x-(-y*x)"),
        (lambda x, y: x - -1.5, "x-(-1.5)"),
        (lambda x, y: (x + y) * 2, "(x+y)*2"),
        (lambda x, y: x**2, "Math.pow(x,2)"),
        (lambda x, y: (x > 0) & (y < 1) | (x == y), "+(x>0&&y<1||x==y)"),
        (lambda x, y: (x > 0) * y, "(x>0)*y"),
        (lambda x, y: x if x > y else y if y > 3 else x, "x>y?x:y>3?y:x"),
        (lambda x, y: x if x > y or y > 3 else y, "x>y||y>3?x:y"),
        (lambda x, y: (x == y) < (y != 3), "+((x==y)<(y!=3))"),
        (lambda x, y: ((x == y) > 0.5) == (y > 3), "+(((x==y)>0.5)==(y>3))"),
        (lambda x, y: 1 if x else 0, "x!=0?1:0"),
        (lambda x, y: np.where(x > y, x > 0, y), "x>y?+(x>0):y"),
        (lambda x, y: np.where(True, x, y), "x"),
        (lambda x, y: x + 1e-9, "x+1e-09"),
        (lambda x, y: x + 1e22, "x+1e+22"),
        (lambda x, y: 0.1 + 0.2 - x, "0.30000000000000004-x"),
        (lambda x, y: x * -0.0, "x*-0"),
        (lambda x, y: x * np.float32(0.5), "x*0.5"),
        (lambda x, y: -math.inf, "-Infinity"),
        (lambda x, y: math.nan, "NaN"),
        (lambda x, y: isinstance(x, float) and type(x) is not float, "1"),
        (lambda x, y: np.asarray(x), "x"),
    ],
)
def test_how_it_is_written(function, written):
    assert text(function, "x", "y") == written


def test_what_is_used_twice_is_one_expression():
    made = Run(lambda x: (np.exp(x) + 1) / np.exp(x), "x")
    assert [text_of(x, {made.operands[0].serial: "x"}) for x in made.shared()] == ["Math.exp(x)"]
    assert Run(lambda x: x * x + x, "x").shared() == []


def test_no_function_catches_that_it_is_run_both_ways():
    def guarded(x):
        try:
            return 1 if x > 0 else 2
        except Exception:
            return 3

    assert text(guarded, "x") == "x>0?1:2"
