"""The formula on an edge, taken from the derivative table itself by running its rule on symbols that print."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from tinygrad_lm.autograd.graph import Node, Operation

_ADD, _MUL, _POWER, _ATOM = 1, 2, 4, 5

_OPERATORS: dict[str, tuple[str, int]] = {
    "add": (" + ", _ADD),
    "subtract": (" - ", _ADD),
    "multiply": (" · ", _MUL),
    "divide": (" / ", _MUL),
    "matmul": (" @ ", _MUL),
    "power": ("**", _POWER),
    "greater": (" > ", 0),
    "greater_equal": (" ≥ ", 0),
    "less": (" < ", 0),
    "less_equal": (" ≤ ", 0),
    "equal": (" = ", 0),
    "not_equal": (" ≠ ", 0),
    "bitwise_and": (" and ", -1),
    "bitwise_or": (" or ", -2),
}


class Symbol(Node):
    """Something that prints the arithmetic done with it.

    It is a node to the engine's operations, so that rules which call other rules print those by name, and an
    operand to NumPy's functions. ``like`` answers questions about shape and dtype.
    """

    __slots__ = ("like", "strength", "text")

    def __init__(self, text: str, strength: int = _ATOM, like: Any = None) -> None:
        self.text = text
        self.strength = strength
        self.like = like
        self.grad, self.label, self.requires_grad, self.scope = None, "", False, None
        self.operation, self.parents = None, ()

    __hash__ = object.__hash__

    @property
    def data(self) -> Symbol:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The symbol itself: what a rule does with plain data is printed too."""
        return self

    @classmethod
    def apply(cls, operation: Operation, operands: tuple[Any, ...], attributes: dict[str, Any]) -> Any:
        """An engine's operation, by its name."""
        return _call(operation.name, operands)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array it stands for."""
        return tuple(np.shape(self.like))

    @property
    def ndim(self) -> int:
        """The number of axes of the array it stands for."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements of the array it stands for."""
        return int(np.size(self.like))

    @property
    def dtype(self) -> Any:
        """The dtype of the array it stands for."""
        return np.asarray(self.like).dtype

    @property
    def T(self) -> Symbol:
        """The transpose."""
        return Symbol(f"{_wrapped(self, _ATOM)}ᵀ", _ATOM, np.asarray(self.like).T)

    def swapaxes(self, first: int, second: int) -> Symbol:
        """Two axes exchanged; of a matrix, the transpose."""
        return Symbol(f"{_wrapped(self, _ATOM)}ᵀ", _ATOM, np.asarray(self.like).swapaxes(first, second))

    def reshape(self, *shape: Any) -> Symbol:
        """Another shape; the same shape does not show."""
        like = np.asarray(self.like).reshape(*shape)
        return self if like.shape == self.shape else Symbol(f"reshape({self.text})", _ATOM, like)

    def astype(self, dtype: Any, copy: bool = True) -> Symbol:
        """The dtype does not show in a formula."""
        return self

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__" or options:
            return NotImplemented
        name = ufunc.__name__
        if name in _OPERATORS and len(inputs) == 2:
            return _binary(name, *inputs)
        if name == "negative":
            return -inputs[0]
        return _call("abs" if name == "absolute" else name, inputs)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        if function is np.shape:
            return self.shape
        if function is np.result_type:
            return np.dtype(float)
        if options:
            return NotImplemented
        return _call(function.__name__, args)

    def __add__(self, other: Any) -> Symbol:
        return _binary("add", self, other)

    def __radd__(self, other: Any) -> Symbol:
        return _binary("add", other, self)

    def __sub__(self, other: Any) -> Symbol:
        return _binary("subtract", self, other)

    def __rsub__(self, other: Any) -> Symbol:
        return _binary("subtract", other, self)

    def __mul__(self, other: Any) -> Symbol:
        return _binary("multiply", self, other)

    def __rmul__(self, other: Any) -> Symbol:
        return _binary("multiply", other, self)

    def __truediv__(self, other: Any) -> Symbol:
        return _binary("divide", self, other)

    def __rtruediv__(self, other: Any) -> Symbol:
        return _binary("divide", other, self)

    def __matmul__(self, other: Any) -> Symbol:
        return _binary("matmul", self, other)

    def __pow__(self, other: Any) -> Symbol:
        return _binary("power", self, other)

    def __rpow__(self, other: Any) -> Symbol:
        return _binary("power", other, self)

    def __neg__(self) -> Symbol:
        return Symbol(f"-{_wrapped(self, _MUL)}", _MUL)

    def __gt__(self, other: Any) -> Symbol:
        return _binary("greater", self, other)

    def __ge__(self, other: Any) -> Symbol:
        return _binary("greater_equal", self, other)

    def __lt__(self, other: Any) -> Symbol:
        return _binary("less", self, other)

    def __le__(self, other: Any) -> Symbol:
        return _binary("less_equal", self, other)

    def __eq__(self, other: object) -> Any:
        return _binary("equal", self, other)

    def __ne__(self, other: object) -> Any:
        return _binary("not_equal", self, other)

    def __and__(self, other: Any) -> Symbol:
        return _binary("bitwise_and", self, other)

    def __or__(self, other: Any) -> Symbol:
        return _binary("bitwise_or", self, other)

    def __bool__(self) -> bool:
        raise TypeError(f"whether {self.text} depends on the numbers: there is no one formula")

    def __repr__(self) -> str:
        return self.text


def _text(x: Any) -> tuple[str, int]:
    if isinstance(x, Symbol):
        return x.text, x.strength
    text = f"{x:.6g}" if isinstance(x, float) else str(x)
    return text, _ADD if text.startswith("-") else _ATOM


def _wrapped(x: Any, least: int) -> str:
    text, strength = _text(x)
    return text if strength >= least else f"({text})"


def _binary(name: str, left: Any, right: Any) -> Symbol:
    sign, strength = _OPERATORS[name]
    # The right operand of - and / needs brackets also where it binds equally, and so do comparisons.
    stricter = name in ("subtract", "divide", "power", "matmul") or strength == 0
    first = strength + 1 if name == "power" or strength == 0 else strength
    text = f"{_wrapped(left, first)}{sign}{_wrapped(right, strength + 1 if stricter else strength)}"
    return Symbol(text, strength)


def _call(name: str, operands: Sequence[Any]) -> Symbol:
    return Symbol(f"{name}({', '.join(_text(x)[0] for x in operands)})")


@lru_cache(maxsize=1024)
def local_formula(operation: Any, position: int, names: tuple[str | float, ...], out: str = "out") -> str:
    """The local derivative to one argument of an elementwise operation; empty where there is no formula.

    A number in place of a name is a constant argument: its formula is simpler (``2 · x``, say).
    """
    derivatives: tuple[Any, ...] | None = getattr(operation, "derivatives", None)
    if derivatives is None:
        return _of_scalars(operation, position, names)
    formula = derivatives[position] if position < len(derivatives) else None
    if isinstance(formula, int):
        return str(formula)
    return "" if formula is None else _printed(formula, [*map(_operand, names), Symbol(out)])


def _operand(name: str | float) -> Any:
    return Symbol(name) if isinstance(name, str) else name


def _of_scalars(operation: Any, position: int, names: tuple[str | float, ...]) -> str:
    """The formula of an operation that gives local derivatives on scalars without a table of them."""
    rule: Callable[..., Any] | None = getattr(operation, "local_derivatives", None)
    if rule is None:
        return ""
    try:
        found = rule(Symbol("out"), [*map(_operand, names)], [True] * len(names))[position]
    except (TypeError, ValueError, AttributeError, IndexError):
        return ""
    return _text(found)[0]


def vjp_formula(
    operation: Any, position: int, names: tuple[str, ...], inputs: Sequence[Any], out: Any, attributes: dict[str, Any]
) -> str:
    """What a structured operation hands to one argument, in terms of the gradient ``g`` of its result."""
    vjps: dict[int, Any] = getattr(operation, "vjps", {})
    vjp = vjps.get(position)
    if vjp is None:
        return f"vjp of {operation.name}"
    symbols = [Symbol(name, like=x) for name, x in zip(names, inputs, strict=True)]
    printed = _printed(vjp, [Symbol("g", like=out), Symbol("out", like=out), *symbols], attributes)
    return printed or f"vjp of {operation.name}"


def _printed(formula: Callable[..., Any], symbols: Sequence[Any], attributes: dict[str, Any] | None = None) -> str:
    try:
        return _text(formula(*symbols, **(attributes or {})))[0]
    except (TypeError, ValueError, AttributeError, IndexError):
        return ""
