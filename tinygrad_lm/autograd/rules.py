"""The derivative table: every elementwise operation with its local derivatives, each a NumPy formula.

A formula takes the operands and the result ``out`` and is written in operators and NumPy functions, so the same line
serves the scalar engine (on floats), the tensor engine (on arrays), higher derivatives (on the nodes themselves, which
makes the backward pass a graph of its own) and the pictures (on symbols, which print it). A derivative that is exactly
0, 1 or -1 is written as that number; by 1 nothing is multiplied. ``elementwise.py`` says how a line is run on arrays,
``formulas.py`` has what is too long for one.

To add an operation, add a line here and a method of its name in ``operators.py``: NumPy's function, arrays of
``Value``s, ``nn.functional``, the gradient check and the pictures know it by this line.
"""

from __future__ import annotations

import math
import operator

import numpy as np

from tinygrad_lm.autograd import formulas as f
from tinygrad_lm.autograd.elementwise import AWAY_FROM_0, POSITIVE, Elementwise

add = Elementwise("add", np.add, (1, 1), "+", scalar=operator.add)
sub = Elementwise("sub", np.subtract, (1, -1), "-", scalar=operator.sub)
mul = Elementwise("mul", np.multiply, (lambda x, y, out: y, lambda x, y, out: x), "×", scalar=operator.mul)
div = Elementwise(
    "div",
    np.divide,
    (lambda x, y, out: 1 / y, lambda x, y, out: -out / y),
    "÷",
    scalar=f.quotient,
    others=AWAY_FROM_0,
)
pow = Elementwise("pow", f.power, (f.power_in_base, f.power_in_exponent), "**", scalar=math.pow, domain=POSITIVE)
neg = Elementwise("neg", np.negative, (-1,), "-", scalar=operator.neg)
abs = Elementwise("abs", np.abs, (lambda x, out: sign(x),), "|x|", scalar=math.fabs, domain=AWAY_FROM_0)
sign = Elementwise("sign", np.sign, (0,), domain=AWAY_FROM_0)
square = Elementwise("square", np.square, (lambda x, out: 2 * x,), "x²", scalar=lambda x: x * x)
reciprocal = Elementwise("reciprocal", np.reciprocal, (lambda x, out: -out * out,), "1/x", domain=AWAY_FROM_0)
sqrt = Elementwise("sqrt", np.sqrt, (lambda x, out: 0.5 / out,), "√", scalar=math.sqrt, domain=POSITIVE)
exp = Elementwise("exp", np.exp, (lambda x, out: out,), scalar=math.exp)
exp2 = Elementwise("exp2", np.exp2, (lambda x, out: out * math.log(2),))
expm1 = Elementwise("expm1", np.expm1, (lambda x, out: out + 1,), scalar=math.expm1)
log = Elementwise("log", np.log, (lambda x, out: 1 / x,), scalar=math.log, domain=POSITIVE)
log2 = Elementwise("log2", np.log2, (lambda x, out: (1 / math.log(2)) / x,), scalar=math.log2, domain=POSITIVE)
log10 = Elementwise("log10", np.log10, (lambda x, out: (1 / math.log(10)) / x,), scalar=math.log10, domain=POSITIVE)
log1p = Elementwise("log1p", np.log1p, (lambda x, out: 1 / (1 + x),), scalar=math.log1p, domain=((-0.6, 3.0),))
sin = Elementwise("sin", np.sin, (lambda x, out: np.cos(x),), scalar=math.sin)
cos = Elementwise("cos", np.cos, (lambda x, out: -np.sin(x),), scalar=math.cos)
tan = Elementwise("tan", np.tan, (lambda x, out: 1 + out * out,), scalar=math.tan, domain=((-1.2, 1.2),))
arctan = Elementwise("arctan", np.arctan, (lambda x, out: 1 / (1 + x * x),), scalar=math.atan)
sinh = Elementwise("sinh", np.sinh, (lambda x, out: np.cosh(x),), scalar=math.sinh)
cosh = Elementwise("cosh", np.cosh, (lambda x, out: np.sinh(x),), scalar=math.cosh)
tanh = Elementwise("tanh", np.tanh, (lambda x, out: 1 - out * out,), scalar=math.tanh)
sigmoid = Elementwise("sigmoid", f.sigmoid, (lambda x, out: out * (1 - out),), "σ", scalar=f.sigmoid_of_float)
relu = Elementwise(
    "relu", lambda x: np.maximum(x, 0), (lambda x, out: out != 0,), scalar=f.relu_of_float, domain=AWAY_FROM_0
)
erf = Elementwise("erf", f.erf, (lambda x, out: 2 / math.sqrt(math.pi) * np.exp(-x * x),), scalar=math.erf)
gelu = Elementwise(
    "gelu",
    lambda x: 0.5 * x * (1 + f.erf(x * f.SQRT_HALF)),
    (lambda x, out: 0.5 * (1 + erf(x * f.SQRT_HALF)) + x * np.exp(-0.5 * (x * x)) * f.DENSITY,),
    scalar=lambda x: 0.5 * x * (1 + math.erf(x * f.SQRT_HALF)),
)
gelu_tanh = Elementwise(
    "gelu_tanh",
    f.gelu_tanh,
    (f.gelu_tanh_slope,),
    scalar=lambda x: 0.5 * x * (1 + math.tanh(f.GELU * (x + 0.044715 * x * x * x))),
)
silu = Elementwise(
    "silu",
    lambda x: x * f.sigmoid(x),
    (lambda x, out: (gate := sigmoid(x)) + out * (1 - gate),),
    scalar=lambda x: x * f.sigmoid_of_float(x),
)
softplus = Elementwise(
    "softplus",
    lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    (lambda x, out: sigmoid(x),),
    scalar=lambda x: max(x, 0.0) + math.log1p(math.exp(-math.fabs(x))),
)
# The slopes are not exp(x - out), which loses the digits that out has lost beside a large x.
logaddexp = Elementwise(
    "logaddexp",
    np.logaddexp,
    (
        lambda x, y, out: sigmoid(f.above_inf(x, out) - f.above_inf(y, out)) * (out > -math.inf),
        lambda x, y, out: sigmoid(f.above_inf(y, out) - f.above_inf(x, out)) * (out > -math.inf),
    ),
)
maximum = Elementwise(
    "maximum",
    np.maximum,
    (lambda x, y, out: f.share(x, y, out, np.greater), lambda x, y, out: f.share(y, x, out, np.greater)),
    "max",
    scalar=f.larger,
)
minimum = Elementwise(
    "minimum",
    np.minimum,
    (lambda x, y, out: f.share(x, y, out, np.less), lambda x, y, out: f.share(y, x, out, np.less)),
    "min",
    scalar=f.smaller,
)
# A NaN is the result, and so has the gradient: x's before low's before high's.
clip = Elementwise(
    "clip",
    np.clip,
    (
        lambda x, low, high, out: (x >= low) & (x <= high) | (x != x),
        lambda x, low, high, out: (x < low) & (low <= high) | (low != low) & (x == x),
        lambda x, low, high, out: ((x > high) | (low > high) | (high != high)) & (x == x) & (low == low),
    ),
    scalar=lambda x, low, high: f.smaller(f.larger(x, low), high),
)

TABLE: dict[str, Elementwise] = {rule.name: rule for rule in list(vars().values()) if isinstance(rule, Elementwise)}
"""Every rule by its name."""

UFUNCS: dict[np.ufunc, Elementwise] = {
    **{rule.forward: rule for rule in TABLE.values() if isinstance(rule.forward, np.ufunc)},
    np.power: pow,
    np.float_power: pow,
    np.fabs: abs,
}
"""The rule behind each differentiable NumPy ufunc."""
