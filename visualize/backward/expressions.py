"""Numbers that note what is done with them, so that a function that is run on them can be written in JavaScript.

``autograd/symbols.py`` prints mathematics; this prints programs, whose every bracket decides a bit. Where a function
decides by a number, it is run both ways, and the program decides.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, cast

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from tinygrad_lm.autograd.types import Array
from visualize.backward.numpy_formulas import FORMULAS, FUNCTIONS

# How tightly JavaScript binds, from a conditional to a name.
_IF, _OR, _AND, _COMPARISON, _ADD, _MUL, _UNARY, _ATOM = range(8)

_COMPARISONS = {
    "greater": ">",
    "greater_equal": ">=",
    "less": "<",
    "less_equal": "<=",
    "equal": "==",
    "not_equal": "!=",
}
_INFIX: dict[str, tuple[str, int]] = {
    **{name: (sign, _COMPARISON) for name, sign in _COMPARISONS.items()},
    "logical_or": ("||", _OR),
    "logical_and": ("&&", _AND),
    "add": ("+", _ADD),
    "subtract": ("-", _ADD),
    "multiply": ("*", _MUL),
    "divide": ("/", _MUL),
}
_PREFIX = {"negative": "-", "logical_not": "!", "number": "+"}
_LOGICAL = ("logical_or", "logical_and", "logical_not", "logical_xor")

_OF_MATH = {
    **{name: name for name in ("exp", "expm1", "log", "log2", "log10", "log1p", "sqrt", "cbrt", "hypot")},
    **{name: name for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "floor", "ceil", "trunc")},
    **{f"arc{name}": f"a{name}" for name in ("sin", "cos", "tan", "tan2", "sinh", "cosh", "tanh")},
    "absolute": "abs",
}
"""The functions of JavaScript's Math, by NumPy's names of them."""

_ALIASES = {
    "fabs": "absolute",
    "float_power": "power",
    **{f"bitwise_{name}": f"logical_{name}" for name in ("or", "and", "xor")},
    "invert": "logical_not",
}

_RUNS, _DEPTH = 64, 200
"""In so many ways may a function decide by numbers, and so many operations may take each other's results."""


class Expression(NDArrayOperatorsMixin):
    """A float of JavaScript: NumPy's functions and Python's operators make further ones of it.

    Attributes
    ----------
    kind, parts
        What made it, and of what: a function, an operator, or a name or a literal, which are made of nothing.
    serial
        Its number in its ``Run``, higher than those of its parts.
    depth
        How many operations take each other's results in it.
    is_boolean
        Whether it is true or false, which count as 1 and 0.
    """

    __slots__ = ("depth", "is_boolean", "kind", "parts", "run", "serial")

    def __init__(self, run: Run, serial: int, kind: str, parts: tuple[Expression, ...], is_boolean: bool) -> None:
        self.run, self.serial = run, serial
        self.kind, self.parts, self.is_boolean = kind, parts, is_boolean
        self.depth: int = 1 + max([part.depth for part in parts], default=0)
        if self.depth > _DEPTH:
            raise TypeError(f"more than {_DEPTH} operations take each other's results")

    @property
    def __class__(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """A float: functions that ask go the way that they go with numbers."""
        return float

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        name = _ALIASES.get(ufunc.__name__, ufunc.__name__)
        if method == "__call__" and not options:
            if name in FORMULAS:
                return FORMULAS[name](*inputs)
            if name == "power":
                return self.run.power(*inputs)
            if name in _LOGICAL:
                return self.run.logical(name, *inputs)
            if name in _INFIX:
                return self.run.infix(name, *inputs)
            if name in _OF_MATH or name == "negative":
                return self.run.make(f"Math.{_OF_MATH[name]}" if name in _OF_MATH else name, *inputs)
        raise TypeError(f"np.{ufunc.__name__}, called in this way, has no counterpart in JavaScript")

    def __array_function__(self, function: Callable[..., Any], types: object, args: Any, options: Any) -> Any:
        if not options and function is np.where and len(args) == 3:
            return self.run.where(*args)
        if not options and function in FUNCTIONS:
            return FUNCTIONS[function](*args)
        raise TypeError(f"np.{function.__name__}, called in this way, has no counterpart in JavaScript")

    def __bool__(self) -> bool:
        return self.run.decide(self)

    def __float__(self) -> NoReturn:
        raise TypeError("a function that takes plain numbers, as those of math do, cannot be followed")

    def any(self) -> Any:
        """Whether a number is not 0."""
        return self.run.truth(self)

    all = any

    def astype(self, dtype: Any, copy: bool = True) -> Expression:
        """The same number, of a type that loses nothing of it."""
        if np.dtype(dtype) == np.float64:
            return self
        raise TypeError(f"{np.dtype(dtype)} has no counterpart in JavaScript")


class _Undecided(BaseException):
    """A function decides by a number. No function that is run catches this by accident."""

    def __init__(self, condition: Expression) -> None:
        self.condition = condition


class Run:
    """A function that is run on expressions: ``result`` is what it gives.

    Raises
    ------
    ValueError
        Saying why it cannot be written in JavaScript.
    """

    def __init__(self, function: Callable[..., Any], names: Sequence[str]) -> None:
        self._made: dict[tuple[object, ...], Expression] = {}
        self._known: dict[int, bool] = {}
        self._runs = 0
        self.operands = tuple(self.make(name) for name in names)
        try:
            result = self._follow(function)
        except Exception as error:  # whatever a user's function raises that was made for numbers
            raise ValueError(str(error) or type(error).__name__) from error
        self.result = self._number(result)

    def _follow(self, function: Callable[..., Any]) -> Expression:
        """What a function gives; where it decides by a number, it is run again with either answer."""
        self._runs += 1
        if self._runs > _RUNS:
            raise TypeError("it decides by numbers again and again, as a loop does")
        try:
            return self.part(function(*self.operands))
        except _Undecided as question:
            condition = question.condition
        ways: list[Expression] = []
        for answer in (True, False):
            self._known[condition.serial] = answer
            ways.append(self._follow(function))
        del self._known[condition.serial]
        return self.part(self.where(condition, *ways))

    def make(self, kind: str, *parts: Any, is_boolean: bool = False) -> Expression:
        """An expression; the same one of the same parts."""
        inner = tuple(map(self.part, parts))
        key = (kind, *(part.serial for part in inner))
        if key not in self._made:
            self._made[key] = Expression(self, len(self._made), kind, inner, is_boolean)
        return self._made[key]

    def part(self, x: Any) -> Expression:
        """A number as a literal; an expression as it is."""
        if type(x) is Expression:
            return x
        if isinstance(x, (bool, np.bool_)):
            return self.make("true" if x else "false", is_boolean=True)
        if isinstance(x, (int, float)):
            return self.make(_literal(float(x)))
        if np.ndim(x) == 0 and isinstance(x, (np.generic, np.ndarray)):
            return self.part(cast(Array, x).item())
        raise TypeError(f"it has to do with {type(cast(object, x)).__name__}, not with single numbers alone")

    def _number(self, x: Expression) -> Expression:
        """1 for what is true, 0 for what is false; a number as it is."""
        if x.kind in ("true", "false"):
            return self.part(int(x.kind == "true"))
        return self.make("number", x) if x.is_boolean else x

    def truth(self, x: Any) -> Any:
        """Whether a number is not 0, as Python and NumPy see it: nan is not."""
        if type(x) is not Expression:
            return bool(x)
        return x if x.is_boolean else self.make("not_equal", x, 0, is_boolean=True)

    def decide(self, x: Expression) -> bool:
        """Whether a number is not 0 on this way through the function."""
        condition = self.truth(x)
        if condition.serial not in self._known:
            raise _Undecided(condition)
        return self._known[condition.serial]

    def where(self, condition: Any, yes: Any, no: Any) -> Any:
        """``condition ? yes : no``, in its shortest form."""
        condition = self.truth(condition)
        if type(condition) is bool:
            return yes if condition else no
        yes, no = self.part(yes), self.part(no)
        if yes.is_boolean != no.is_boolean:
            yes, no = self._number(yes), self._number(no)
        if yes is no:
            return yes
        if no.kind == "where" and no.parts[1] is yes:
            return self.where(self.logical("logical_or", condition, no.parts[0]), yes, no.parts[2])
        return self.make("where", condition, yes, no, is_boolean=yes.is_boolean)

    def logical(self, name: str, *operands: Any) -> Any:
        """What a logical function makes of truths; of one that is known, nothing is written."""
        truths = [self.truth(x) for x in operands]
        if name == "logical_xor":
            return self.make("not_equal", *truths, is_boolean=True)
        if len(truths) == 2:
            for one, other in (truths, truths[::-1]):
                if type(one) is bool:
                    return other if one == (name == "logical_and") else one
        return self.make(name, *truths, is_boolean=True)

    def infix(self, name: str, x: Any, y: Any) -> Any:
        """What an operator makes of two numbers; of two truths NumPy's sum and product are truths again."""
        if self.part(x).is_boolean and self.part(y).is_boolean and name in ("add", "subtract", "multiply"):
            if name == "subtract":
                raise TypeError("NumPy takes no truth away from another one")
            return self.logical("logical_or" if name == "add" else "logical_and", x, y)
        return self.make(name, x, y, is_boolean=name in _COMPARISONS)

    def power(self, x: Any, y: Any) -> Any:
        """x**y; JavaScript's own does not know that 1 to any power is 1."""
        plain = self.make("Math.pow", x, y)
        if type(y) is not Expression and math.isfinite(y):
            return plain
        return self.where((x == 1) | (x == -1) & (np.abs(y) == math.inf), 1.0, plain)

    def within(self) -> dict[int, Expression]:
        """By their serials the result and all that it is made of, each after its parts."""
        found: dict[int, Expression] = {}
        left = [self.result]
        while left:
            x = left.pop()
            if x.serial not in found:
                found[x.serial] = x
                left += x.parts
        return dict(sorted(found.items()))

    def shared(self) -> list[Expression]:
        """What is used more than once within the result, names and literals aside, each after its parts."""
        within = self.within().values()
        used = Counter(part.serial for x in within for part in x.parts)
        return [x for x in within if used[x.serial] > 1 and x.parts]


def text_of(x: Expression, names: Mapping[int, str], least: int = 0) -> str:
    """An expression in JavaScript, for where something stands that binds at least so tightly; some have names."""
    text, strength = (names[x.serial], _ATOM) if x.serial in names else _written(x, names)
    return text if strength >= least else f"({text})"


def _written(x: Expression, names: Mapping[int, str]) -> tuple[str, int]:
    kind, parts = x.kind, x.parts
    if kind in _INFIX:
        # Rounding knows no associative law: what is on the right keeps its brackets where it binds equally.
        sign, strength = _INFIX[kind]
        left = text_of(parts[0], names, strength + (strength == _COMPARISON))
        right = text_of(parts[1], names, strength + (strength >= _COMPARISON))
        return f"{left}{sign}{_apart(sign, right)}", strength
    if kind in _PREFIX:
        return f"{_PREFIX[kind]}{_apart(_PREFIX[kind], text_of(parts[0], names, _UNARY))}", _UNARY
    if kind == "where":
        condition = text_of(parts[0], names, _OR)
        return f"{condition}?{text_of(parts[1], names)}:{text_of(parts[2], names)}", _IF
    if parts:
        return f"{kind}({','.join(text_of(part, names) for part in parts)})", _ATOM
    return kind, _UNARY if kind.startswith("-") else _ATOM


def _apart(sign: str, text: str) -> str:
    """In brackets where two signs would become another one, as - and - do."""
    return f"({text})" if text.startswith(sign) else text


def _literal(x: float) -> str:
    if not math.isfinite(x):
        return "NaN" if x != x else "Infinity" if x > 0 else "-Infinity"
    return repr(x).removesuffix(".0")
