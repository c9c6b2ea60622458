"""Symbols that print the arithmetic done with them, and the formulas that derivative rules print when run on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from tinygrad_lm.autograd.graph import NOTHING, Node, Operation

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

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
    operand to NumPy's functions. ``like``, an array (by default a float), answers questions about shape and dtype.
    """

    __slots__ = ("data", "like", "parents", "strength", "text")

    data: Symbol
    """The symbol itself: what a rule does with plain data is printed too."""

    def __init__(self, text: str, strength: int = _ATOM, like: ArrayLike = 0.0) -> None:
        self.data = self
        self.text = text
        self.strength = strength
        self.like = np.asarray(like)
        self.grad, self.label, self.requires_grad, self.scope = None, "", False, None
        self.operation, self.parents = None, ()

    __hash__ = object.__hash__

    @staticmethod
    def _record(
        operation: Operation, operands: tuple[object, ...], attributes: Mapping[str, object] = NOTHING
    ) -> Symbol:
        """An engine's operation, by its name."""
        return call(operation.name, operands)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array it stands for."""
        return self.like.shape

    @property
    def ndim(self) -> int:
        """The number of axes of the array it stands for."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements of the array it stands for."""
        return self.like.size

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The dtype of the array it stands for."""
        return self.like.dtype

    @property
    def T(self) -> Symbol:
        """The transpose."""
        return Symbol(f"{_wrapped(self, _ATOM)}ᵀ", _ATOM, self.like.T)

    def swapaxes(self, first: int, second: int) -> Symbol:
        """Two axes exchanged; of a matrix, the transpose."""
        return Symbol(f"{_wrapped(self, _ATOM)}ᵀ", _ATOM, self.like.swapaxes(first, second))

    def reshape(self, *shape: SupportsIndex | Sequence[SupportsIndex]) -> Symbol:
        """Another shape; the same shape does not show."""
        sizes = [size for part in shape for size in (part if isinstance(part, Sequence) else (part,))]
        like = self.like.reshape(sizes)
        return self if like.shape == self.shape else Symbol(f"reshape({self.text})", _ATOM, like)

    def astype(self, dtype: object, copy: bool = True) -> Symbol:
        """The dtype does not show in a formula."""
        return self

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: object, **options: object) -> Symbol:
        if method != "__call__" or options:
            return NotImplemented
        name = ufunc.__name__
        if name in _OPERATORS and len(inputs) == 2:
            return _binary(name, *inputs)
        if name == "negative":
            return _negative(inputs[0])
        return call("abs" if name == "absolute" else name, inputs)

    def __array_function__(
        self,
        function: Callable[..., object],
        types: Iterable[type],
        args: Sequence[object],
        options: Mapping[str, object],
    ) -> object:
        if function is np.shape:
            return self.shape
        if function is np.result_type:
            return np.dtype(float)
        if options:
            return NotImplemented
        return call(function.__name__, args)

    def __add__(self, other: object) -> Symbol:
        return _binary("add", self, other)

    def __radd__(self, other: object) -> Symbol:
        return _binary("add", other, self)

    def __sub__(self, other: object) -> Symbol:
        return _binary("subtract", self, other)

    def __rsub__(self, other: object) -> Symbol:
        return _binary("subtract", other, self)

    def __mul__(self, other: object) -> Symbol:
        return _binary("multiply", self, other)

    def __rmul__(self, other: object) -> Symbol:
        return _binary("multiply", other, self)

    def __truediv__(self, other: object) -> Symbol:
        return _binary("divide", self, other)

    def __rtruediv__(self, other: object) -> Symbol:
        return _binary("divide", other, self)

    def __matmul__(self, other: object) -> Symbol:
        return _binary("matmul", self, other)

    def __pow__(self, other: object) -> Symbol:
        return _binary("power", self, other)

    def __rpow__(self, other: object) -> Symbol:
        return _binary("power", other, self)

    def __neg__(self) -> Symbol:
        return _negative(self)

    def __gt__(self, other: object) -> Symbol:
        return _binary("greater", self, other)

    def __ge__(self, other: object) -> Symbol:
        return _binary("greater_equal", self, other)

    def __lt__(self, other: object) -> Symbol:
        return _binary("less", self, other)

    def __le__(self, other: object) -> Symbol:
        return _binary("less_equal", self, other)

    def __eq__(self, other: object) -> Any:
        return _binary("equal", self, other)

    def __ne__(self, other: object) -> Any:
        return _binary("not_equal", self, other)

    def __and__(self, other: object) -> Symbol:
        return _binary("bitwise_and", self, other)

    def __or__(self, other: object) -> Symbol:
        return _binary("bitwise_or", self, other)

    def __bool__(self) -> bool:
        raise TypeError(f"whether {self.text} depends on the numbers: there is no one formula")

    def __repr__(self) -> str:
        return self.text


def _text(x: object) -> tuple[str, int]:
    if isinstance(x, Symbol):
        return x.text, x.strength
    text = f"{x:.6g}" if isinstance(x, float) else str(x)
    return text, _ADD if text.startswith("-") else _ATOM


def _wrapped(x: object, least: int) -> str:
    text, strength = _text(x)
    return text if strength >= least else f"({text})"


def _negative(x: object) -> Symbol:
    return Symbol(f"-{_wrapped(x, _MUL)}", _MUL)


def _binary(name: str, left: object, right: object) -> Symbol:
    sign, strength = _OPERATORS[name]
    # The right operand of - and / needs brackets also where it binds equally, and so do comparisons.
    stricter = name in ("subtract", "divide", "power", "matmul") or strength == 0
    first = strength + 1 if name == "power" or strength == 0 else strength
    text = f"{_wrapped(left, first)}{sign}{_wrapped(right, strength + 1 if stricter else strength)}"
    return Symbol(text, strength)


def call(name: str, operands: Iterable[object]) -> Symbol:
    """A function of operands, by its name."""
    return Symbol(f"{name}({', '.join(_text(x)[0] for x in operands)})")


@lru_cache(maxsize=1024)
def local_formula(operation: Operation, position: int, names: tuple[str | float, ...], out: str = "out") -> str:
    """The local derivative to one argument of an elementwise operation; empty where there is no formula.

    A number in place of a name is a constant argument: its formula is simpler (``2 · x``, say).

    >>> from tinygrad_lm.autograd import rules
    >>> local_formula(rules.tanh, 0, ("x",)), local_formula(rules.pow, 0, ("x", 2.0))
    ('1 - out · out', '2 · x')
    """
    operands = [Symbol(name) if isinstance(name, str) else name for name in names]
    derivatives = operation.derivatives
    if not derivatives:
        return _of_scalars(operation, position, operands)
    formula = derivatives[position] if position < len(derivatives) else None
    if isinstance(formula, int):
        return str(formula)
    return "" if formula is None else printed(formula, [*operands, Symbol(out)])


def _of_scalars(operation: Operation, position: int, operands: Sequence[Symbol | float]) -> str:
    """The formula of an operation that gives local derivatives on scalars without a table of them."""

    def at_position(out: Symbol) -> object:
        return operation.local_derivatives(out, operands, [True] * len(operands))[position]

    return printed(at_position, [Symbol("out")])


def printed(
    rule: Callable[..., object], symbols: Sequence[object], attributes: Mapping[str, object] | None = None
) -> str:
    """What a rule makes of symbols; empty where it asks for more than symbols can tell."""
    try:
        return _text(rule(*symbols, **(attributes or {})))[0]
    except (TypeError, ValueError, AttributeError, IndexError):
        return ""
