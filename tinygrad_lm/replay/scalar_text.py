"""Numbers that are written down: Python text that prints the arithmetic done with it, and functions run on it.

``autograd/symbols.py`` prints mathematics; this prints programs, whose every bracket decides a bit.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import math
import operator
import re
import textwrap
from collections.abc import Callable, Iterable, Sequence
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, cast

import numpy as np

from tinygrad_lm.autograd.elementwise import Elementwise

# How tightly Python binds, from a conditional to a name.
_IF, _COMPARISON, _OR, _AND, _ADD, _MUL, _MINUS, _POWER, _ATOM = range(9)

_COMPARISONS = {
    "greater": ">",
    "greater_equal": ">=",
    "less": "<",
    "less_equal": "<=",
    "equal": "==",
    "not_equal": "!=",
}


_LARGEST = 200
"""How many operations a formula has at most: a loop that goes on with its results twice would make billions."""


class _Unwritten(Exception):
    """A function asks whether something is so that only a number can tell, or makes too long a formula."""


class Text:
    """A float that is written down: it prints the arithmetic done with it, also by NumPy's functions."""

    __slots__ = ("parts", "size", "strength", "text")

    def __init__(self, text: str, strength: int = _ATOM, parts: tuple[Text, ...] = ()) -> None:
        self.text = text
        self.strength = strength
        self.parts = parts
        """What it was made of."""
        self.size = 1 + sum(part.size for part in parts)
        if self.size > _LARGEST:
            raise _Unwritten(f"a formula of more than {_LARGEST} operations")

    __hash__ = object.__hash__

    def within(self, least: int) -> str:
        """The text where something stands that binds at least so tightly."""
        return self.text if self.strength >= least else f"({self.text})"

    def astype(self, dtype: object, copy: bool = True) -> Text:
        """All numbers here are floats."""
        return self

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: object, **options: object) -> Any:
        if method != "__call__" or options:
            return NotImplemented
        name = ufunc.__name__
        if name == "isnan":
            return np.False_  # a graph with nan is refused
        if name in _COMPARISONS:
            return _binary(inputs[0], f" {_COMPARISONS[name]} ", inputs[1], _COMPARISON)
        if name in ("negative", "absolute"):
            return getattr(operator, "neg" if name == "negative" else "abs")(inputs[0])
        return _numpy_call(name, inputs)

    def __array_function__(self, function: Callable[..., Any], types: object, args: Any, options: object) -> Any:
        if function is np.result_type:
            return np.dtype(float)
        if options:
            return NotImplemented
        if function is np.where:
            where, yes, no = map(as_text, args)
            text = f"{yes.within(_COMPARISON)} if {where.within(_COMPARISON)} else {no.text}"
            return Text(text, _IF, (where, yes, no))
        return _numpy_call(function.__name__, args)

    def __add__(self, other: object) -> Text:
        return _binary(self, " + ", other, _ADD)

    def __radd__(self, other: object) -> Text:
        return _binary(other, " + ", self, _ADD)

    def __sub__(self, other: object) -> Text:
        return _binary(self, " - ", other, _ADD)

    def __rsub__(self, other: object) -> Text:
        return _binary(other, " - ", self, _ADD)

    def __mul__(self, other: object) -> Text:
        return _binary(self, " * ", other, _MUL)

    def __rmul__(self, other: object) -> Text:
        return _binary(other, " * ", self, _MUL)

    def __truediv__(self, other: object) -> Text:
        return _binary(self, " / ", other, _MUL)

    def __rtruediv__(self, other: object) -> Text:
        return _binary(other, " / ", self, _MUL)

    def __pow__(self, other: object) -> Text:
        return _binary(self, "**", other, _POWER)

    def __rpow__(self, other: object) -> Text:
        return _binary(other, "**", self, _POWER)

    def __neg__(self) -> Text:
        return Text(f"-{self.within(_MINUS)}", _MINUS, (self,))

    def __abs__(self) -> Text:
        return _call("abs", (self,))

    def __gt__(self, other: object) -> Text:
        return _binary(self, " > ", other, _COMPARISON)

    def __ge__(self, other: object) -> Text:
        return _binary(self, " >= ", other, _COMPARISON)

    def __lt__(self, other: object) -> Text:
        return _binary(self, " < ", other, _COMPARISON)

    def __le__(self, other: object) -> Text:
        return _binary(self, " <= ", other, _COMPARISON)

    def __eq__(self, other: object) -> Any:
        return _binary(self, " == ", other, _COMPARISON)

    def __ne__(self, other: object) -> Any:
        return _binary(self, " != ", other, _COMPARISON)

    def __and__(self, other: object) -> Text | bool:
        if isinstance(other, (bool, np.bool_)):
            return self if other else False
        return _binary(self, " & ", other, _AND)

    def __or__(self, other: object) -> Text | bool:
        if isinstance(other, (bool, np.bool_)):
            return True if other else self
        return _binary(self, " | ", other, _OR)

    __rand__, __ror__ = __and__, __or__

    def __bool__(self) -> bool:
        raise _Unwritten(f"whether {self.text}, only a number can tell")


def as_text(x: Any) -> Text:
    """A number as a literal; text as it is."""
    if isinstance(x, Text):
        return x
    plain = cast(Any, x).item() if isinstance(x, np.generic) else x
    literal = repr(plain) if math.isfinite(plain) else repr(plain).replace("inf", "math.inf").replace("nan", "math.nan")
    return Text(literal, _MINUS if literal.startswith("-") else _ATOM)


def _binary(left: object, sign: str, right: object, strength: int) -> Text:
    """Rounding knows no associative law: what is on the right keeps its brackets where it binds equally."""
    x, y = as_text(left), as_text(right)
    first = strength + 1 if strength in (_COMPARISON, _POWER) else strength
    second = _MINUS if strength == _POWER else strength + 1
    return Text(f"{x.within(first)}{sign}{y.within(second)}", strength, (x, y))


def _call(name: str, operands: Iterable[object]) -> Text:
    texts = tuple(map(as_text, operands))
    return Text(f"{name}({', '.join(x.text for x in texts)})", _ATOM, texts)


def _numpy_call(name: str, operands: Iterable[object]) -> Text:
    """NumPy's function, whose result is made Python's float again."""
    return _call("float", (_call(f"np.{name}", operands),))


def _has_text(operands: Iterable[object]) -> bool:
    return any(isinstance(x, Text) for x in operands)


def _repeats(x: Text) -> bool:
    """Whether the same result, and not only a name, stands in a text twice."""
    seen: set[Text] = set()
    left = [x]
    while left:
        part = left.pop()
        if part.parts and part in seen:
            return True
        seen.add(part)
        left.extend(part.parts)
    return False


class Printer:
    """Runs the table's functions on text, and collects what the program needs at its head."""

    def __init__(self) -> None:
        self.head: dict[str, str] = {}
        """The source of each helper and constant by its name, in the order in which they are to stand."""
        self._callers: dict[object, Any] = {}
        self._helpers: dict[str, tuple[FunctionType, bool]] = {}

    def run(self, function: Callable[..., Any], operands: Sequence[Any]) -> Text:
        """What a function makes of texts and floats."""
        try:
            return as_text(self._printing(inspect.unwrap(function))(*operands))
        except (_Unwritten, TypeError, AttributeError) as error:
            name = getattr(function, "__name__", "a function")
            raise ValueError(f"scalar_source: {name} cannot be run on text: {error}") from error

    def _printing(self, x: Any) -> Any:
        """What stands for a name in a function that is run on text: the same, but that calls are printed."""
        if isinstance(x, ModuleType):
            return _Names(self, x)
        if not callable(x):
            return x
        if x not in self._callers:
            self._callers[x] = self._caller(x)
        return self._callers[x]

    def _caller(self, x: Any) -> Any:
        if x in _ANSWERS:
            return _ANSWERS[x]
        if isinstance(x, Elementwise):
            return self._on_text(x, self._printing(x.scalar))
        if isinstance(x, FunctionType):
            return self._on_text(x, self._function(x))
        if isinstance(x, BuiltinFunctionType) and x.__module__ == "math":
            return self._on_text(x, lambda *operands: _call(f"math.{x.__name__}", operands))
        return x

    @staticmethod
    def _on_text(plain: Callable[..., Any], printed: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *operands: (printed if _has_text(operands) else plain)(*operands)

    def _function(self, function: FunctionType) -> Callable[..., Any]:
        """The function with printing names; as a call of itself where it cannot be run on text or repeats itself."""
        names = {**vars(builtins), **function.__globals__}
        printing = {name: self._printing(names[name]) for name in function.__code__.co_names if name in names}
        parts = (function.__name__, function.__defaults__, function.__closure__)
        traced = FunctionType(function.__code__, {"__builtins__": builtins, **printing}, *parts)
        traced.__kwdefaults__ = function.__kwdefaults__
        if function.__name__ == "<lambda>":
            return traced

        def run(*operands: Any) -> Any:
            try:
                result = traced(*operands)
            except _Unwritten:
                return self._helper(function, operands)
            return self._helper(function, operands) if isinstance(result, Text) and _repeats(result) else result

        return run

    def _helper(self, function: FunctionType, operands: Sequence[object]) -> Text:
        """A call of a function, whose source goes to the head of the program."""
        name = function.__name__
        if name not in self._helpers:
            self._helpers[name] = (function, self._define(function))
        known, uses_numpy = self._helpers[name]
        if known is not function:
            raise ValueError(f"scalar_source: two functions of these operations are called {name}; rename one")
        call = _call(name, operands)
        return _call("float", (call,)) if uses_numpy else call

    def _define(self, function: FunctionType) -> bool:
        """Write the source of a function to the head; whether it uses NumPy."""
        name, code, tree = function.__name__, function.__code__, _plain(function)
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        for each in sorted(used.intersection((*code.co_names, *code.co_freevars))):
            x: Any = function.__globals__.get(each)
            if isinstance(x, (float, tuple)):
                self.head[each] = _constant(each, cast("float | tuple[float, ...]", x))
            elif not (x is math or x is np or (x is None and hasattr(builtins, each))):
                raise ValueError(f"scalar_source: {name} uses {each}, which a program of its own does not have")
        self.head[name] = ast.unparse(tree)
        return "np" in used


class _Names:
    """A module whose functions print their calls."""

    def __init__(self, printer: Printer, module: ModuleType) -> None:
        self._printer, self._module = printer, module

    def __getattr__(self, name: str) -> Any:
        return self._printer._printing(getattr(self._module, name))


def _as_float(x: Any) -> Any:
    return x if isinstance(x, Text) else float(x)


def _is_instance(x: Any, kinds: Any) -> bool:
    """Every text is a float; and a function that is run on text names ``_as_float`` where it says ``float``."""
    several = cast("tuple[Any, ...]", kinds if isinstance(kinds, tuple) else (kinds,))
    return isinstance(0.0 if isinstance(x, Text) else x, tuple(float if k is _as_float else k for k in several))


def _power(x: Any, y: Any) -> Any:
    return x**y if _has_text((x, y)) else math.pow(x, y)


_ANSWERS: dict[object, Callable[..., Any]] = {
    float: _as_float,
    np.float64: _as_float,
    isinstance: _is_instance,
    max: lambda *xs: _call("max", xs) if _has_text(xs) else max(xs),
    math.pow: _power,
    math.fabs: abs,
}
"""What is printed otherwise than as a call of its name."""


def _plain(function: FunctionType) -> ast.FunctionDef:
    """The source of a function as one writes it for floats alone: no annotations, no branch for anything else."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    except (OSError, SyntaxError):
        tree = None
    if not isinstance(tree, ast.FunctionDef):
        raise ValueError(f"scalar_source: {function.__name__} decides by a number, and its source cannot be had")
    tree.returns, tree.decorator_list = None, []
    for argument in (*tree.args.posonlyargs, *tree.args.args, *tree.args.kwonlyargs):
        argument.annotation = None
    for i, statement in enumerate(tree.body):
        if isinstance(statement, ast.If) and re.fullmatch(r"isinstance\(.*\bfloat\b.*\)", ast.unparse(statement.test)):
            tree.body[i:] = statement.body  # which returns
            break
    return tree


def _constant(name: str, x: float | tuple[float, ...]) -> str:
    if not isinstance(x, tuple):
        return f"{name} = {as_text(x).text}"
    return "\n".join([f"{name} = (", *(f"    {as_text(each).text}," for each in x), ")"])
