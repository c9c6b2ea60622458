"""The derivative table: every elementwise operation with its local derivatives, each a NumPy formula.

A formula takes the operands and the result ``out`` and is written in operators and NumPy functions, so the
same line serves the scalar engine (on floats), the tensor engine (on arrays) and higher derivatives (on the
nodes themselves, which makes the backward pass a graph of its own). A derivative of exactly 0, 1 or -1 is
written as that number and costs no multiplication.
"""

# Operands may be floats, arrays or nodes: their types are not inferred here.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false, reportUnusedFunction=false

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_lm.autograd.erf import erf_array
from tinygrad_lm.autograd.graph import Node, Operation, constant

Formula = Callable[..., Any]


class Elementwise(Operation):
    """An operation that acts on each element alone, with one local derivative an operand.

    ``numpy`` computes it on arrays, ``scalar`` on Python floats (where Python raises, NumPy's IEEE answer
    counts: ``log(0)`` is ``-inf``).
    """

    __slots__ = ("derivatives", "numpy", "scalar")

    def __init__(
        self,
        name: str,
        numpy: Callable[..., Any],
        scalar: Callable[..., float],
        derivatives: tuple[Formula | int, ...],
        symbol: str = "",
    ) -> None:
        super().__init__(name, symbol)
        self.numpy = numpy
        self.scalar = scalar
        self.derivatives = derivatives

    def forward(self, *inputs: Any, **attributes: Any) -> Any:
        """The result for arrays and numbers, by NumPy's rules of broadcasting and dtype."""
        return self.numpy(*inputs)

    def evaluate(self, operands: tuple[Any, ...], attributes: dict[str, Any]) -> Any:
        """On an array of objects (of ``Value``s, say) the operation is called on each element."""
        if any(isinstance(operand, np.ndarray) and operand.dtype == object for operand in operands):
            return self.on_elements(operands)
        return self.numpy(*operands)

    def on_elements(self, operands: tuple[Any, ...]) -> Any:
        """The operation called on each element of broadcast operands: an array of objects."""
        arrays = [np.asarray(operand, dtype=object) for operand in operands]
        return np.frompyfunc(self, len(arrays), 1)(*arrays)

    def on_floats(self, inputs: Sequence[float]) -> float:
        """The result for Python floats."""
        try:
            return self.scalar(*inputs)
        except (ArithmeticError, ValueError):
            return float(self.numpy(*map(np.float64, inputs)))

    def local_derivatives(self, out: Any, inputs: Sequence[Any], needed: Sequence[bool]) -> list[Any]:
        """The local derivatives on floats (as floats) or on ``Value``s; ``None`` where not needed."""
        return [
            (derivative if isinstance(derivative, int) else _at(derivative, inputs, out)) if need else None
            for derivative, need in zip(self.derivatives, needed, strict=True)
        ]

    def pull(
        self,
        gradient: Any,
        out: Any,
        inputs: Sequence[Any],
        needed: Sequence[bool],
        attributes: dict[str, Any],
        saved: Any,
    ) -> list[Any]:
        """Multiply by each local derivative and sum over what was broadcast."""
        contributions: list[Any] = []
        # In the result's dtype: 1 / y of an int8 array, say, would be a float16.
        operands = inputs if len(inputs) == 1 else [_promoted(x, out.dtype) for x in inputs]
        for operand, derivative, need in zip(inputs, self.derivatives, needed, strict=True):
            if not need:
                contributions.append(None)
                continue
            if isinstance(derivative, int):
                pulled = gradient if derivative == 1 else gradient * derivative
            else:
                pulled = annihilate(gradient * derivative(*operands, out), gradient)
                if pulled.shape != gradient.shape:
                    raise ValueError(
                        f"a derivative of {self.name!r} has too large a shape: it made {pulled.shape} of a gradient of "
                        f"shape {gradient.shape}; it must broadcast to the result's shape"
                    )
            contributions.append(unbroadcast(pulled, operand.shape))
        return contributions


def _promoted(x: Any, dtype: Any) -> Any:
    return x if getattr(x, "dtype", dtype) == dtype else x.astype(dtype)


def _at(formula: Formula, inputs: Sequence[Any], out: Any) -> Any:
    if isinstance(out, Node):
        return formula(*inputs, out)
    try:
        return float(formula(*inputs, out))
    except (ArithmeticError, ValueError, TypeError):
        # Python raises, or turns complex, where IEEE arithmetic has an answer.
        return float(formula(*map(np.float64, inputs), np.float64(out)))


def unbroadcast(x: Any, shape: tuple[int, ...]) -> Any:
    """Sum ``x`` down to ``shape``: the transpose of broadcasting from ``shape``."""
    if x.shape == shape:
        return x
    leading = x.ndim - len(shape)
    stretched = tuple(leading + i for i, size in enumerate(shape) if size == 1 and x.shape[leading + i] != 1)
    return x.sum(axis=(*range(leading), *stretched), keepdims=True).reshape(shape)


def annihilate(pulled: Any, gradient: Any) -> Any:
    """Make 0 times inf or nan zero: what did not reach the output has no gradient.

    So ``where(c, f(x), g(x))`` is right also where the branch not chosen is inf or nan.
    """
    flat = constant(pulled).reshape(-1)
    # The sum of squares is nan just where an element is, and cheaper to look at than a mask of them all.
    total = flat.dot(flat)
    if total == total:
        return pulled
    reached = np.not_equal(constant(gradient), 0)
    return np.where(reached, pulled, 0)


def real(x: Any, what: str) -> Any:
    """``x`` itself; complex numbers are refused, since a cast would drop their imaginary part with a warning alone."""
    if is_complex(x):
        raise TypeError(f"{what} gave {np.asarray(x).dtype}: only real numbers have gradients here")
    return x


def is_complex(x: Any) -> bool:
    """Whether a number or an array is complex; a node never is."""
    return not isinstance(x, Node) and np.iscomplexobj(x)


def _share(x: Any, y: Any, out: Any, wins: Any) -> Any:
    """1 where x is the result, one half at a tie, 0 elsewhere, in the operands' dtype; a NaN always is the result."""
    x, y, out = constant(x), constant(y), constant(out)
    share = np.where(np.equal(x, y), 0.5, wins(x, y))
    if not isinstance(out, Node) and np.isnan(out).any():
        mine, its = np.isnan(x), np.isnan(y)
        share = np.where(mine & its, 0.5, np.where(mine | its, mine, share))
    return share.astype(np.result_type(x, y), copy=False)


def _larger(x: float, y: float) -> float:
    return x if x >= y or x != x else y


def _smaller(x: float, y: float) -> float:
    return x if x <= y or x != x else y


def _power_in_base(x: Any, y: Any, out: Any) -> Any:
    if isinstance(y, (int, float)):
        return y * x ** (y - 1) if y != 0 else 0
    slope = y * x ** (y - 1 + ((x == 0) & (y == 0)))
    return _unsettled(slope, y, (x == 0) & ((y == 0) | (y == 1)))


def _power_in_exponent(x: Any, y: Any, out: Any) -> Any:
    slope = _unsettled(out * np.log(x + ((x == 0) & (y >= 0))), x, (x == 0) & (y >= 0) & (y <= 1))
    return _unsettled(slope, y, (x == 0) & (y == 0))


def _unsettled(slope: Any, x: Any, where: Any) -> Any:
    """The slope itself, with the derivative nan to ``x`` where convention alone set it."""
    if not getattr(x, "requires_grad", False) or not np.any(constant(where)):
        return slope
    # 0, whose derivative is 0 times infinity.
    return slope + np.sqrt(x * 0) * where


def _sigmoid_array(x: Any) -> Any:
    small = np.exp(-np.abs(x))
    return np.where(np.greater_equal(x, 0), np.ones_like(small), small) / (1 + small)


def _sigmoid_float(x: float) -> float:
    small = math.exp(-abs(x))
    return (1.0 if x >= 0 else small) / (1 + small)


_SQRT_HALF = math.sqrt(0.5)
_DENSITY = 1 / math.sqrt(2 * math.pi)
_GELU = math.sqrt(2 / math.pi)


def _gelu_array(x: Any) -> Any:
    return 0.5 * x * (1 + erf_array(x * _SQRT_HALF))


def _gelu_slope(x: Any, out: Any) -> Any:
    return 0.5 * (1 + erf(x * _SQRT_HALF)) + x * np.exp(-0.5 * (x * x)) * _DENSITY


def _gelu_tanh_slope(x: Any, out: Any) -> Any:
    x = np.clip(x, -30, 30)  # beyond, tanh is 1 to the last bit, and the cube would overflow in narrow dtypes
    inner = np.tanh(_GELU * (x + 0.044715 * x**3))
    return 0.5 * (1 + inner) + 0.5 * x * (1 - inner * inner) * (_GELU * (1 + 0.134145 * (x * x)))


def _silu_slope(x: Any, out: Any) -> Any:
    gate = sigmoid(x)
    return gate + out * (1 - gate)


def _logaddexp_float(x: float, y: float) -> float:
    return x + math.log(2) if x == y else max(x, y) + math.log1p(math.exp(-math.fabs(x - y)))


def _logaddexp_slope(x: Any, y: Any, out: Any) -> Any:
    # Not exp(x - out), which loses the digits that out has lost beside a large x. Limits keep -inf from giving nan.
    low = float(np.finfo(np.result_type(constant(out))).min) / 2
    return sigmoid(np.maximum(x, low) - np.maximum(y, low)) * (out > -math.inf)


add = Elementwise("add", operator.add, operator.add, (1, 1), "+")
sub = Elementwise("sub", operator.sub, operator.sub, (1, -1), "-")
mul = Elementwise("mul", operator.mul, operator.mul, (lambda x, y, out: y, lambda x, y, out: x), "×")
div = Elementwise("div", operator.truediv, operator.truediv, (lambda x, y, out: 1 / y, lambda x, y, out: -out / y), "÷")
pow = Elementwise("pow", operator.pow, math.pow, (_power_in_base, _power_in_exponent), "**")
neg = Elementwise("neg", operator.neg, lambda x: -x, (-1,), "-")
abs = Elementwise("abs", np.abs, math.fabs, (lambda x, out: sign(x),), "|x|")
sign = Elementwise("sign", np.sign, lambda x: float((x > 0) - (x < 0)) if x == x else x, (0,))
square = Elementwise("square", np.square, lambda x: x * x, (lambda x, out: 2 * x,), "x²")
reciprocal = Elementwise("reciprocal", np.reciprocal, lambda x: 1 / x, (lambda x, out: -out * out,), "1/x")
sqrt = Elementwise("sqrt", np.sqrt, math.sqrt, (lambda x, out: 0.5 / out,), "√")
exp = Elementwise("exp", np.exp, math.exp, (lambda x, out: out,))
exp2 = Elementwise("exp2", np.exp2, lambda x: math.pow(2, x), (lambda x, out: out * math.log(2),))
expm1 = Elementwise("expm1", np.expm1, math.expm1, (lambda x, out: out + 1,))
log = Elementwise("log", np.log, math.log, (lambda x, out: 1 / x,))
log2 = Elementwise("log2", np.log2, math.log2, (lambda x, out: (1 / math.log(2)) / x,))
log10 = Elementwise("log10", np.log10, math.log10, (lambda x, out: (1 / math.log(10)) / x,))
log1p = Elementwise("log1p", np.log1p, math.log1p, (lambda x, out: 1 / (1 + x),))
sin = Elementwise("sin", np.sin, math.sin, (lambda x, out: np.cos(x),))
cos = Elementwise("cos", np.cos, math.cos, (lambda x, out: -np.sin(x),))
tan = Elementwise("tan", np.tan, math.tan, (lambda x, out: 1 + out * out,))
arctan = Elementwise("arctan", np.arctan, math.atan, (lambda x, out: 1 / (1 + x * x),))
sinh = Elementwise("sinh", np.sinh, math.sinh, (lambda x, out: np.cosh(x),))
cosh = Elementwise("cosh", np.cosh, math.cosh, (lambda x, out: np.sinh(x),))
tanh = Elementwise("tanh", np.tanh, math.tanh, (lambda x, out: 1 - out * out,))
sigmoid = Elementwise("sigmoid", _sigmoid_array, _sigmoid_float, (lambda x, out: out * (1 - out),), "σ")
relu = Elementwise(
    "relu", lambda x: np.maximum(x, 0), lambda x: x if x > 0 or x != x else 0.0, (lambda x, out: out != 0,)
)
erf = Elementwise("erf", erf_array, math.erf, (lambda x, out: 2 / math.sqrt(math.pi) * np.exp(-x * x),))
gelu = Elementwise("gelu", _gelu_array, lambda x: 0.5 * x * (1 + math.erf(x * _SQRT_HALF)), (_gelu_slope,))
gelu_tanh = Elementwise(
    "gelu_tanh",
    lambda x: 0.5 * x * (1 + np.tanh(_GELU * (x + 0.044715 * x * x * x))),
    lambda x: 0.5 * x * (1 + math.tanh(_GELU * (x + 0.044715 * x * x * x))),
    (_gelu_tanh_slope,),
)
silu = Elementwise("silu", lambda x: x * _sigmoid_array(x), lambda x: x * _sigmoid_float(x), (_silu_slope,))
softplus = Elementwise(
    "softplus",
    lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    lambda x: max(x, 0.0) + math.log1p(math.exp(-math.fabs(x))),
    (lambda x, out: sigmoid(x),),
)
logaddexp = Elementwise(
    "logaddexp",
    np.logaddexp,
    _logaddexp_float,
    (_logaddexp_slope, lambda x, y, out: _logaddexp_slope(y, x, out)),
)
maximum = Elementwise(
    "maximum",
    np.maximum,
    _larger,
    (lambda x, y, out: _share(x, y, out, np.greater), lambda x, y, out: _share(y, x, out, np.greater)),
    "max",
)
minimum = Elementwise(
    "minimum",
    np.minimum,
    _smaller,
    (lambda x, y, out: _share(x, y, out, np.less), lambda x, y, out: _share(y, x, out, np.less)),
    "min",
)
clip = Elementwise(
    "clip",
    np.clip,
    lambda x, low, high: _smaller(_larger(x, low), high),
    # A NaN is the result, and so has the gradient: x's before low's before high's.
    (
        lambda x, low, high, out: (x >= low) & (x <= high) | (x != x),
        lambda x, low, high, out: (x < low) & (low <= high) | (low != low) & (x == x),
        lambda x, low, high, out: ((x > high) | (low > high) | (high != high)) & (x == x) & (low == low),
    ),
)

TABLE: dict[str, Elementwise] = {
    rule.name: rule
    for rule in (
        *(add, sub, mul, div, pow, neg, abs, sign, square, reciprocal, sqrt),
        *(exp, exp2, expm1, log, log2, log10, log1p, sin, cos, tan, arctan, sinh, cosh, tanh),
        *(sigmoid, relu, erf, gelu, gelu_tanh, silu, softplus, logaddexp, maximum, minimum, clip),
    )
}
"""Every rule by its name."""
