"""Registry rows of the derivative table: operations on each element alone, for both engines."""

import math
import operator
from operator import methodcaller

import numpy as np
from hypothesis import strategies as st

from tests.helpers.registry.row import (
    SEEDS,
    Case,
    Kink,
    Refusal,
    Row,
    choose,
    domain_of,
    elementwise_cases,
    generator,
    shapes,
)
from tinygrad_lm import Tensor, Value
from tinygrad_lm.autograd.rules import TABLE
from tinygrad_lm.testing.selfcheck.domains import anywhere, away_from_0
from tinygrad_lm.testing.selfcheck.samples import domains_of

INF, NAN = math.inf, math.nan


def erf_reference(x):
    """The error function; its derivative is put into the imaginary part by hand."""
    real = np.vectorize(math.erf, otypes=[float])(x.real)
    return real + 1j * x.imag * (2 / math.sqrt(math.pi)) * np.exp(-x.real * x.real)


def gelu_tanh_reference(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def clip_reference(x, low, high):
    raised = choose(x.real < low.real, low, x)
    return choose(raised.real > high.real, high, raised)


def unary(name, reference, *, method=True, ufuncs=(), extra=None, kinks=(), refusals=()):
    """The row of a rule of one operand: by rule, by method, by NumPy's functions."""
    spellings = {f"rules.{name}": TABLE[name]}
    if method:
        spellings[f"Tensor.{name}"] = methodcaller(name)
    spellings |= {f"np.{ufunc.__name__}": ufunc for ufunc in ufuncs}
    return Row(
        name=name,
        spellings=spellings | (extra or {}),
        reference=reference,
        cases=elementwise_cases(*domains_of(name)),
        operations=(TABLE[name],),
        scalar=True,
        kinks=tuple(Kink((x,), value, (slope,)) for x, value, slope in kinks),
        refusals=refusals,
    )


def binary(name, reference, *, spellings, kinks=(), refusals=()):
    """The row of a rule of two operands that broadcast."""
    return Row(
        name=name,
        spellings={f"rules.{name}": TABLE[name]} | spellings,
        reference=reference,
        cases=elementwise_cases(*domains_of(name)),
        operations=(TABLE[name],),
        scalar=True,
        kinks=tuple(Kink((x, y), value, slopes) for x, y, value, slopes in kinks),
        refusals=refusals,
    )


@st.composite
def powers(draw):
    """A base of either sign and a constant whole exponent."""
    rng = generator(draw(SEEDS))
    return Case((away_from_0(rng, draw(shapes())),), {"y": draw(st.sampled_from([-3, -1, 0, 1, 2, 3, 5, 2.0, -2.0]))})


@st.composite
def bounds(draw):
    """A bound on either side, on neither or on both, and elements away from them."""
    rng = generator(draw(SEEDS))
    low, high = (draw(st.sampled_from([None, value])) for value in (-0.61, 0.62))
    return Case((domain_of("clip")(rng, draw(shapes())),), {"min": low, "max": high})


def clip_to_numbers(x, min=None, max=None):
    raised = x if min is None else choose(x.real < min, min, x)
    return raised if max is None else choose(raised.real > max, max, raised)


UNARY = (
    unary("neg", lambda x: -x, method=False, ufuncs=(np.negative,), extra={"Tensor.__neg__": operator.neg}),
    unary(
        "abs",
        lambda x: choose(x.real < 0, -x, x),
        ufuncs=(np.absolute, np.fabs),
        extra={"Tensor.__abs__": abs},
        kinks=[(0.0, 0.0, 0.0), (-0.0, 0.0, 0.0), (-INF, INF, -1.0)],
    ),
    unary("sign", lambda x: np.sign(x.real), ufuncs=(np.sign,), kinks=[(0.0, 0.0, 0.0), (-3.0, -1.0, 0.0)]),
    unary("square", lambda x: x * x, ufuncs=(np.square,), kinks=[(0.0, 0.0, 0.0)]),
    unary("reciprocal", lambda x: 1 / x, ufuncs=(np.reciprocal,), kinks=[(0.0, INF, -INF)]),
    unary("sqrt", np.sqrt, ufuncs=(np.sqrt,), kinks=[(0.0, 0.0, INF), (-1.0, NAN, NAN)]),
    unary("exp", np.exp, ufuncs=(np.exp,), kinks=[(-INF, 0.0, 0.0), (1e4, INF, INF)]),
    unary("exp2", lambda x: np.exp(x * math.log(2)), ufuncs=(np.exp2,), kinks=[(-INF, 0.0, 0.0)]),
    unary("expm1", lambda x: np.exp(x) - 1, ufuncs=(np.expm1,), kinks=[(1e-20, 1e-20, 1.0)]),
    unary("log", np.log, ufuncs=(np.log,), kinks=[(0.0, -INF, INF), (1.0, 0.0, 1.0), (INF, INF, 0.0)]),
    unary("log2", lambda x: np.log(x) / math.log(2), ufuncs=(np.log2,), kinks=[(0.0, -INF, INF)]),
    unary("log10", lambda x: np.log(x) / math.log(10), ufuncs=(np.log10,), kinks=[(0.0, -INF, INF)]),
    unary("log1p", lambda x: np.log(1 + x), ufuncs=(np.log1p,), kinks=[(1e-20, 1e-20, 1.0)]),
    unary("sin", np.sin, ufuncs=(np.sin,), kinks=[(0.0, 0.0, 1.0)]),
    unary("cos", np.cos, ufuncs=(np.cos,), kinks=[(0.0, 1.0, -0.0)]),
    unary("tan", lambda x: np.sin(x) / np.cos(x), ufuncs=(np.tan,)),
    unary("arctan", np.arctan, ufuncs=(np.arctan,), kinks=[(0.0, 0.0, 1.0)]),
    unary("sinh", np.sinh, ufuncs=(np.sinh,), kinks=[(0.0, 0.0, 1.0)]),
    unary("cosh", np.cosh, ufuncs=(np.cosh,), kinks=[(0.0, 1.0, 0.0)]),
    unary("tanh", np.tanh, ufuncs=(np.tanh,), kinks=[(0.0, 0.0, 1.0), (INF, 1.0, 0.0), (-INF, -1.0, 0.0)]),
    unary("sigmoid", lambda x: 1 / (1 + np.exp(-x)), kinks=[(0.0, 0.5, 0.25), (1e4, 1.0, 0.0), (-1e4, 0.0, 0.0)]),
    unary(
        "relu",
        lambda x: choose(x.real > 0, x, 0),
        kinks=[(0.0, 0.0, 0.0), (-0.0, 0.0, 0.0), (INF, INF, 1.0), (-INF, 0.0, 0.0)],
    ),
    unary("erf", erf_reference, kinks=[(0.0, 0.0, 2 / math.sqrt(math.pi)), (40.0, 1.0, 0.0), (-40.0, -1.0, 0.0)]),
    unary(
        "gelu",
        lambda x: 0.5 * x * (1 + erf_reference(x * math.sqrt(0.5))),
        kinks=[(0.0, 0.0, 0.5), (100.0, 100.0, 1.0), (-100.0, -0.0, 0.0)],
        refusals=(Refusal(lambda: Tensor(1.0).gelu("erf"), ValueError, "'none' or 'tanh'"),),
    ),
    unary(
        "gelu_tanh",
        gelu_tanh_reference,
        method=False,
        extra={"Tensor.gelu(approximate='tanh')": methodcaller("gelu", approximate="tanh")},
        kinks=[(0.0, 0.0, 0.5)],
    ),
    unary("silu", lambda x: x / (1 + np.exp(-x)), kinks=[(0.0, 0.0, 0.5), (1e4, 1e4, 1.0), (-1e4, -0.0, 0.0)]),
    unary("softplus", lambda x: np.log(1 + np.exp(x)), kinks=[(1e4, 1e4, 1.0), (-1e4, 0.0, 0.0)]),
)

TIED = (0.5, 0.5)
BINARY = (
    binary(
        "add",
        operator.add,
        spellings={
            "Tensor.__add__": operator.add,
            "Tensor.__radd__": lambda x, y: type(y).__radd__(y, x),
            "np.add": np.add,
        },
        refusals=(
            Refusal(lambda: Tensor([1.0]) + "1", TypeError, "real numbers"),
            Refusal(lambda: Tensor([1.0]) + 1j, TypeError, "real numbers"),
            Refusal(lambda: Tensor([1.0]) + None, TypeError, "real numbers"),
            Refusal(lambda: Tensor([1.0]) + Value(1.0), TypeError, "two engines"),
            Refusal(lambda: Value(1.0) + Tensor(1.0), TypeError),
            Refusal(lambda: Value(1.0) + "1", TypeError, "real numbers"),
            Refusal(lambda: Value(1.0) + 1j, TypeError, "real numbers"),
            Refusal(lambda: Tensor(np.ones(2)) + np.ones(3), ValueError, "(2,)"),
            Refusal(lambda: Tensor(1.0) + np.array([1j]), TypeError, "real numbers"),
            Refusal(lambda: Tensor(1.0) + np.array([object()]), TypeError, "object"),
        ),
    ),
    binary(
        "sub",
        operator.sub,
        spellings={
            "Tensor.__sub__": operator.sub,
            "Tensor.__rsub__": lambda x, y: type(y).__rsub__(y, x),
            "np.subtract": np.subtract,
        },
    ),
    binary(
        "mul",
        operator.mul,
        spellings={
            "Tensor.__mul__": operator.mul,
            "Tensor.__rmul__": lambda x, y: type(y).__rmul__(y, x),
            "np.multiply": np.multiply,
        },
    ),
    binary(
        "div",
        operator.truediv,
        spellings={
            "Tensor.__truediv__": operator.truediv,
            "Tensor.__rtruediv__": lambda x, y: type(y).__rtruediv__(y, x),
            "np.divide": np.divide,
        },
        kinks=[(1.0, 0.0, INF, (INF, -INF)), (-1.0, 0.0, -INF, (INF, INF))],
    ),
    binary(
        "pow",
        operator.pow,
        spellings={
            "Tensor.__pow__": operator.pow,
            "Tensor.__rpow__": lambda x, y: type(y).__rpow__(y, x),
            "np.power": np.power,
            "np.float_power": np.float_power,
        },
        kinks=[
            (0.0, 0.0, 1.0, (0.0, 0.0)),
            (3.0, 0.0, 1.0, (0.0, math.log(3.0))),
            (0.0, 2.0, 0.0, (0.0, 0.0)),
            (0.0, 1.0, 0.0, (1.0, 0.0)),
            (0.0, 0.5, 0.0, (INF, 0.0)),
            (0.0, -1.0, INF, (-INF, -INF)),
            (-2.0, 0.5, NAN, (NAN, NAN)),
            (-2.0, 3.0, -8.0, (12.0, NAN)),
        ],
    ),
    binary(
        "logaddexp",
        lambda x, y: np.log(np.exp(x) + np.exp(y)),
        spellings={"np.logaddexp": np.logaddexp},
        kinks=[(1e3, 1e3, 1e3 + math.log(2), TIED), (-INF, 0.0, 0.0, (0.0, 1.0)), (-INF, -INF, -INF, (0.0, 0.0))],
    ),
    binary(
        "maximum",
        lambda x, y: choose(x.real > y.real, x, y),
        spellings={"Tensor.maximum": lambda x, y: x.maximum(y), "np.maximum": np.maximum},
        kinks=[(1.5, 1.5, 1.5, TIED), (0.0, -0.0, 0.0, TIED), (INF, INF, INF, TIED)],
    ),
    binary(
        "minimum",
        lambda x, y: choose(x.real < y.real, x, y),
        spellings={"Tensor.minimum": lambda x, y: x.minimum(y), "np.minimum": np.minimum},
        kinks=[(1.5, 1.5, 1.5, TIED), (-INF, -INF, -INF, TIED)],
    ),
)

OTHERS = (
    Row(
        name="clip",
        spellings={"rules.clip": TABLE["clip"], "Tensor.clip": lambda x, low, high: x.clip(low, high)},
        reference=clip_reference,
        cases=elementwise_cases(*domains_of("clip")),
        operations=(TABLE["clip"],),
        scalar=True,
        kinks=(
            Kink((1.0, 1.0, 2.0), 1.0, (1.0, 0.0, 0.0)),
            Kink((2.0, 1.0, 2.0), 2.0, (1.0, 0.0, 0.0)),
            Kink((1.0, 1.0, 1.0), 1.0, (1.0, 0.0, 0.0)),
            Kink((0.5, 1.0, 1.0), 1.0, (0.0, 1.0, 0.0)),
            Kink((5.0, 2.0, 1.0), 1.0, (0.0, 0.0, 1.0)),
            Kink((0.0, 2.0, 1.0), 1.0, (0.0, 0.0, 1.0)),
        ),
    ),
    Row(
        name="clip to numbers",
        spellings={
            "Tensor.clip": lambda x, min=None, max=None: x.clip(min, max),
            # By position: NumPy 2.0 knows the bounds as a_min and a_max alone.
            "np.clip": lambda x, min=None, max=None: np.clip(x, min, max),
        },
        reference=clip_to_numbers,
        cases=bounds(),
        operations=(TABLE["clip"],),
        kinks=(
            Kink((1.0,), 1.0, (1.0,), {"min": 1.0, "max": None}),
            Kink((1.0,), 1.0, (1.0,), {"min": None, "max": 1.0}),
            Kink((0.0,), 0.0, (1.0,), {"min": 0.0, "max": None}),
        ),
    ),
    Row(
        name="pow by a number",
        spellings={"Tensor.__pow__": lambda x, y: x**y, "np.power": lambda x, y: np.power(x, y)},
        reference=lambda x, y: x**y if y >= 0 else 1 / x**-y,
        cases=powers(),
        operations=(TABLE["pow"],),
        scalar=True,
        kinks=(
            Kink((0.0,), 1.0, (0.0,), {"y": 0}),
            Kink((0.0,), 1.0, (0.0,), {"y": 0.0}),
            Kink((0.0,), 0.0, (1.0,), {"y": 1}),
            Kink((0.0,), 0.0, (0.0,), {"y": 2}),
            Kink((0.0,), 0.0, (0.0,), {"y": 3}),
            Kink((0.0,), 0.0, (INF,), {"y": 0.5}),
            Kink((0.0,), INF, (-INF,), {"y": -1}),
            Kink((-2.0,), NAN, (NAN,), {"y": 0.5}),
            Kink((-2.0,), 4.0, (-4.0,), {"y": 2}),
        ),
    ),
    Row(
        name="a number to a power",
        spellings={"Tensor.__rpow__": lambda x, base: base**x},
        reference=lambda x, base: np.exp(x * math.log(base)),
        cases=st.builds(
            lambda case, base: Case(case.inputs, {"base": base}),
            elementwise_cases(anywhere),
            st.sampled_from([2, 0.5, 3.0]),
        ),
        operations=(TABLE["pow"],),
        scalar=True,
    ),
    Row(
        name="pos",
        spellings={"Tensor.__pos__": operator.pos},
        reference=lambda x: x,
        cases=elementwise_cases(anywhere),
        scalar=True,
    ),
)

ROWS = (*UNARY, *BINARY, *OTHERS)
