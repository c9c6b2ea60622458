"""Python's operators and NumPy's functions of one element, written once for both engines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np

from tinygrad_lm.autograd import context, rules
from tinygrad_lm.autograd.graph import Node, Operation
from tinygrad_lm.autograd.types import Operand, is_ndarray

WITHOUT_GRADIENT = frozenset(
    {
        *(np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal),
        *(np.isnan, np.isinf, np.isfinite, np.signbit),
        *(np.logical_and, np.logical_or, np.logical_xor, np.logical_not),
        *(np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert),
        *(np.floor, np.ceil, np.trunc, np.rint),
    }
)
"""NumPy ufuncs that are flat almost everywhere: they give plain results."""


class Operators(Node):
    """Arithmetic for a node, each operator naming its rule in the derivative table."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __add__(self, other: Operand) -> Self:
        return self._record(rules.add, (self, other))

    def __radd__(self, other: Operand) -> Self:
        return self._record(rules.add, (other, self))

    def __sub__(self, other: Operand) -> Self:
        return self._record(rules.sub, (self, other))

    def __rsub__(self, other: Operand) -> Self:
        return self._record(rules.sub, (other, self))

    def __mul__(self, other: Operand) -> Self:
        return self._record(rules.mul, (self, other))

    def __rmul__(self, other: Operand) -> Self:
        return self._record(rules.mul, (other, self))

    def __truediv__(self, other: Operand) -> Self:
        return self._record(rules.div, (self, other))

    def __rtruediv__(self, other: Operand) -> Self:
        return self._record(rules.div, (other, self))

    def __pow__(self, other: Operand) -> Self:
        return self._record(rules.pow, (self, other))

    def __rpow__(self, other: Operand) -> Self:
        return self._record(rules.pow, (other, self))

    def __iadd__(self, other: Operand) -> Self:
        return self._in_place(rules.add, other)

    def __isub__(self, other: Operand) -> Self:
        return self._in_place(rules.sub, other)

    def __imul__(self, other: Operand) -> Self:
        return self._in_place(rules.mul, other)

    def __itruediv__(self, other: Operand) -> Self:
        return self._in_place(rules.div, other)

    def __ipow__(self, other: Operand) -> Self:
        return self._in_place(rules.pow, other)

    def _in_place(self, operation: Operation, other: Operand) -> Self:
        """What ``x += y`` and its like do: within ``no_grad`` a learning leaf is stepped; else a new node is made."""
        result: Self = self._record(operation, (self, other))
        if self.requires_grad and self.is_leaf and not context.recording():
            self.data = result.data
            return self
        return result

    def __neg__(self) -> Self:
        return self._record(rules.neg, (self,))

    def __pos__(self) -> Self:
        return self

    def __abs__(self) -> Self:
        return self._record(rules.abs, (self,))

    def abs(self) -> Self:
        """The absolute value; gradient 0 at 0."""
        return self._record(rules.abs, (self,))

    def sign(self) -> Self:
        """-1, 0 or 1; gradient 0."""
        return self._record(rules.sign, (self,))

    def square(self) -> Self:
        """x²."""
        return self._record(rules.square, (self,))

    def reciprocal(self) -> Self:
        """1 / x."""
        return self._record(rules.reciprocal, (self,))

    def sqrt(self) -> Self:
        """The square root; gradient inf at 0."""
        return self._record(rules.sqrt, (self,))

    def exp(self) -> Self:
        """E to the power of x."""
        return self._record(rules.exp, (self,))

    def exp2(self) -> Self:
        """2 to the power of x."""
        return self._record(rules.exp2, (self,))

    def expm1(self) -> Self:
        """exp(x) - 1, exact for small x."""
        return self._record(rules.expm1, (self,))

    def log(self) -> Self:
        """The natural logarithm; -inf at 0."""
        return self._record(rules.log, (self,))

    def log2(self) -> Self:
        """The logarithm to base 2."""
        return self._record(rules.log2, (self,))

    def log10(self) -> Self:
        """The logarithm to base 10."""
        return self._record(rules.log10, (self,))

    def log1p(self) -> Self:
        """log(1 + x), exact for small x."""
        return self._record(rules.log1p, (self,))

    def sin(self) -> Self:
        """The sine (radians)."""
        return self._record(rules.sin, (self,))

    def cos(self) -> Self:
        """The cosine (radians)."""
        return self._record(rules.cos, (self,))

    def tan(self) -> Self:
        """The tangent (radians)."""
        return self._record(rules.tan, (self,))

    def arctan(self) -> Self:
        """The inverse tangent (radians)."""
        return self._record(rules.arctan, (self,))

    def sinh(self) -> Self:
        """The hyperbolic sine."""
        return self._record(rules.sinh, (self,))

    def cosh(self) -> Self:
        """The hyperbolic cosine."""
        return self._record(rules.cosh, (self,))

    def tanh(self) -> Self:
        """The hyperbolic tangent."""
        return self._record(rules.tanh, (self,))

    def sigmoid(self) -> Self:
        """1 / (1 + exp(-x)), without overflow."""
        return self._record(rules.sigmoid, (self,))

    def relu(self) -> Self:
        """max(x, 0); gradient 0 at 0."""
        return self._record(rules.relu, (self,))

    def erf(self) -> Self:
        """The error function."""
        return self._record(rules.erf, (self,))

    def gelu(self, approximate: str = "none") -> Self:
        """X times the normal distribution function at x (Hendrycks & Gimpel 2016).

        ``approximate="tanh"`` is the cheaper form that GPT-2 uses.
        """
        if approximate not in ("none", "tanh"):
            raise ValueError(f"gelu: approximate is 'none' or 'tanh', not {approximate!r}")
        return self._record(rules.gelu if approximate == "none" else rules.gelu_tanh, (self,))

    def silu(self) -> Self:
        """X times sigmoid(x), also called swish."""
        return self._record(rules.silu, (self,))

    def softplus(self) -> Self:
        """log(1 + exp(x)), without overflow."""
        return self._record(rules.softplus, (self,))

    def maximum(self, other: Operand) -> Self:
        """The larger of the two; at a tie half the gradient goes to each, and all of it to a NaN."""
        return self._record(rules.maximum, (self, other))

    def minimum(self, other: Operand) -> Self:
        """The smaller of the two; at a tie half the gradient goes to each, and all of it to a NaN."""
        return self._record(rules.minimum, (self, other))

    def clip(self, min: Operand | None = None, max: Operand | None = None) -> Self:
        """X limited to [min, max], either of which may be ``None``; gradient 1 at a bound and of a NaN."""
        return self._record(rules.clip, (self, *bounds(min, max)))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if "out" in options:
            raise TypeError(
                f"np.{ufunc.__name__} cannot write its result into an array where a {type(self).__name__} "
                "takes part: the gradient would be lost. Write 'a = a + t' in place of 'a += t' or out=a"
            )
        if method != "__call__" or options:
            raise unsupported(f"np.{ufunc.__name__}.{method}" if method != "__call__" else f"np.{ufunc.__name__}", self)
        rule = rules.UFUNCS.get(ufunc)
        if rule is not None:
            return rule(*inputs)
        if ufunc in WITHOUT_GRADIENT:
            return self._without_graph(ufunc, inputs)
        raise unsupported(f"np.{ufunc.__name__}", self)

    @classmethod
    def _without_graph(cls, function: Callable[..., Any], inputs: tuple[Any, ...]) -> Any:
        """The result of a function without gradient, on the operands' data."""
        raise NotImplementedError


def bounds(low: Operand | None, high: Operand | None) -> list[Operand]:
    """The bounds of a clip as its operands: a plain array is copied, so that it stays as it was."""
    ends = (-np.inf if low is None else low, np.inf if high is None else high)
    return [end.copy() if is_ndarray(end) else end for end in ends]


def unsupported(name: str, node: Node) -> TypeError:
    """The error for a NumPy function, or an option of one, that has no derivative here."""
    kind = type(node).__name__
    return TypeError(
        f"{name} with these arguments has no derivative for a {kind}: compute it on x.data where no gradient is "
        "needed, or write it in functions that have one"
    )
