"""How a call of NumPy's is written: the expressions of a program that is to be read."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_lm.autograd.types import Array
from tinygrad_lm.replay.letters import Letter
from tinygrad_lm.replay.memory import mentioned
from tinygrad_lm.replay.traced import Compute, Traced

LITERAL = 16
"""A constant of more elements that has no other form is given to the program."""

INFIX: Mapping[str, type[ast.operator]] = {
    "add": ast.Add,
    "subtract": ast.Sub,
    "multiply": ast.Mult,
    "divide": ast.Div,
    "matmul": ast.MatMult,
    "power": ast.Pow,
    "bitwise_and": ast.BitAnd,
    "bitwise_or": ast.BitOr,
}
"""The operator of a ufunc of two operands."""

_COMPARED: Mapping[str, type[ast.cmpop]] = {
    "greater": ast.Gt,
    "greater_equal": ast.GtE,
    "less": ast.Lt,
    "less_equal": ast.LtE,
    "equal": ast.Eq,
    "not_equal": ast.NotEq,
}
_UNARY: Mapping[str, type[ast.unaryop]] = {"negative": ast.USub, "invert": ast.Invert}
_METHODS = frozenset({np.sum, np.mean, np.max, np.min, np.prod, np.cumsum, np.var, np.std})
_REDUCED = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min", "logical_and": "all"}


class Writer:
    """Writes expressions, of arrays that have names or are written where they are used.

    Attributes
    ----------
    names
        Of each array that has one, by its identity.
    pending
        What is not written yet, by the identity of the array that is made: the array, the expression, what that depends
        on, and how many operations it is.
    given
        Constants that have no literal form, and have to be given to the program.
    """

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.pending: dict[int, tuple[Traced, ast.expr, set[int], int]] = {}
        self.aliases: dict[int, Traced] = {}
        self.given: list[Traced] = []

    def write(self, x: Any) -> ast.expr:
        """Anything that a call is given."""
        if isinstance(x, Traced):
            return self._array(x)
        if isinstance(x, Letter):
            return x.node
        if isinstance(x, (tuple, list)):
            parts = [self.write(part) for part in x]
            return ast.Tuple(parts, ast.Load()) if isinstance(x, tuple) else ast.List(parts, ast.Load())
        if isinstance(x, slice):
            return ast.Slice(*(None if part is None else self.write(part) for part in (x.start, x.stop, x.step)))
        if isinstance(x, np.dtype) or (isinstance(x, type) and issubclass(x, np.generic)):
            return numpy(np.dtype(x).name if np.dtype(x) != bool else "bool_")
        if isinstance(x, np.generic):
            return self.call(numpy(x.dtype.name), [x.item()], {})
        if isinstance(x, float):
            return _number(x)
        return ast.Constant(x)

    def size(self, x: Any) -> int:
        """How many calls the expressions come to that would be written within this one."""
        owners = {id(traced.owner) for traced in mentioned(x)}
        return sum(self.pending[key][3] for key in owners if key in self.pending)

    def depends(self, x: Any) -> set[int]:
        """The arrays that an expression reads, by their identity."""
        found: set[int] = set()
        for traced in mentioned(x):
            key = id(self.aliases.get(id(traced.owner), traced.owner))
            found |= {key} | (self.pending[key][2] if key in self.pending else set())
        return found

    def call(self, function: ast.expr, args: Sequence[Any], options: Mapping[str, Any]) -> ast.expr:
        """A function's call."""
        return ast.Call(
            function,
            [x if isinstance(x, ast.expr) else self.write(x) for x in args],
            [ast.keyword(key, self.write(value)) for key, value in options.items()],
        )

    def _array(self, traced: Traced) -> ast.expr:
        if traced.base is not None:
            return self._view(traced, traced.base)
        key = id(traced)
        if key in self.aliases:
            return self._array(self.aliases[key])
        if key in self.pending:
            return self.pending.pop(key)[1]
        if key not in self.names:
            return self._constant(traced)
        return ast.Name(self.names[key], ast.Load())

    def _view(self, view: Traced, base: Traced) -> ast.expr:
        how, args, options = view.how
        if how == "reshape" and view.shape == base.shape:
            return self._array(base)
        if how == "reshape" and base.base is not None and base.how[0] == "reshape":
            return self._view_of(view, base.base)
        return self._view_of(view, base)

    def _view_of(self, view: Traced, base: Traced) -> ast.expr:
        how, args, options = view.how
        if args is None:
            return attribute(self._array(base), how)
        if how == "__getitem__":
            return self.subscript(base, args[0])
        if how in (np.transpose, "transpose") and view.ndim == base.ndim == 2:
            return attribute(self._array(base), "T")
        if isinstance(how, str):
            return self.call(attribute(self._array(base), how), args, options)
        given = {key: value for key, value in options.items() if key != "part"}
        called = self.call(of_function(how), args, given)
        return ast.Subscript(called, ast.Constant(options["part"]), ast.Load()) if "part" in options else called

    def subscript(self, base: Any, index: Any) -> ast.expr:
        """base[index]."""
        return ast.Subscript(self.write(base), self.write(index), ast.Load())

    def _constant(self, traced: Traced) -> ast.expr:
        if traced.role == "work":
            raise LookupError(f"{traced.name or 'an array'} is used before it is written")
        array = traced.array
        known = _known(array)
        if known is not None:
            return self.call(*known)
        if array.dtype == np.bool and (opposite := _known(~array)) is not None:
            return ast.UnaryOp(ast.Invert(), self.call(*opposite))
        if array.size <= LITERAL:
            return self.call(numpy("array"), [array.tolist()], {"dtype": array.dtype})
        self.given.append(traced)
        self.names[id(traced)] = name = f"constant_{len(self.given)}"
        return ast.Name(name, ast.Load())

    def made(self, compute: Compute) -> ast.expr:
        """What a call gives, as an expression."""
        function, method, args = compute.function, compute.method, compute.args
        options = {key: value for key, value in compute.options.items() if key != "order"}
        if isinstance(function, np.ufunc):
            return self._of_ufunc(function, method, args, options)
        if method == "call" and function in _METHODS and isinstance(args[0], Traced):
            named = {key: value for key, value in options.items() if value is not None and value is not False}
            return self.call(attribute(self.write(args[0]), function.__name__), args[1:], named)
        if method == "call" and function is not np.take:
            return self.call(of_function(function), args, options)
        source, *rest = args
        if method == "__getitem__":
            return self.subscript(source, rest[0])
        if method in ("take", "call") and rest and (options == {"axis": 0} or (not options and source.ndim == 1)):
            return self.subscript(source, rest[0])
        return self.call(attribute(self.write(source), "take" if method == "call" else method), rest, options)

    def _of_ufunc(self, ufunc: np.ufunc, method: str, args: Sequence[Any], options: dict[str, Any]) -> ast.expr:
        name = ufunc.__name__
        if method == "reduce" and name in _REDUCED and isinstance(args[0], Traced):
            named = {**dict(zip(("axis",), args[1:], strict=False)), **options}
            if args[0].ndim > 1:
                named.setdefault("axis", 0)
            named = {key: value for key, value in named.items() if value is not None and value is not False}
            return self.call(attribute(self.write(args[0]), _REDUCED[name]), (), named)
        if method != "call":
            return self.call(attribute(numpy(name), method), args, options)
        if not options and name in INFIX:
            left, right = map(self.write, args)
            return ast.BinOp(left, INFIX[name](), right)
        if not options and name in _COMPARED:
            left, right = map(self.write, args)
            return ast.Compare(left, [_COMPARED[name]()], [right])
        if not options and name in _UNARY:
            return ast.UnaryOp(_UNARY[name](), self.write(args[0]))
        return self.call(numpy("abs" if name == "absolute" else name), args, options)


def numpy(name: str) -> ast.expr:
    """np.name."""
    return attribute(ast.Name("np", ast.Load()), name)


def attribute(of: ast.expr, name: str) -> ast.expr:
    """of.name."""
    return ast.Attribute(of, name, ast.Load())


def of_function(function: Callable[..., Any]) -> ast.expr:
    """A function of NumPy's."""
    module = getattr(function, "__module__", "numpy") or "numpy"
    found: ast.expr = ast.Name("np", ast.Load())
    for part in (*module.split(".")[1:], function.__name__):
        found = attribute(found, part)
    return found if module.startswith("numpy.linalg") else numpy(function.__name__)


def _number(x: float) -> ast.expr:
    """A float: one part in n as such, which says more than its digits."""
    if math.isinf(x) or math.isnan(x):
        found = numpy("nan" if math.isnan(x) else "inf")
        return ast.UnaryOp(ast.USub(), found) if x < 0 else found
    n = round(1 / x) if 1e-9 < abs(x) < 0.5 else 0
    if 2 < n < 1e9 and 1 / n == x and len(repr(x)) > 4 and "e" not in repr(x):
        return ast.BinOp(ast.Constant(1), ast.Div(), ast.Constant(n))
    return ast.Constant(x)


def _known(array: Array) -> tuple[ast.expr, Sequence[Any], Mapping[str, Any]] | None:
    """A constant as a call that makes it: a number, a range, ones, an identity, a triangle."""
    dtype = array.dtype
    if array.ndim == 0:
        return numpy(dtype.name if dtype != bool else "bool_"), [array.item()], {}
    if not array.size:
        return numpy("empty"), [array.shape], {"dtype": dtype}
    first = array.flat[0]
    if (array == first).all():
        if first in (0, 1):
            return numpy("ones" if first else "zeros"), [array.shape], {"dtype": dtype}
        return numpy("full"), [array.shape, first.item()], {"dtype": dtype}
    if array.ndim == 1 and dtype == np.intp and len(set(np.diff(array).tolist())) == 1:
        start, step = int(array[0]), int(array[1] - array[0])
        bounds = [start, start + step * len(array)] if start or step != 1 else [len(array)]
        return numpy("arange"), [*bounds, *([step] if step != 1 else [])], {}
    if array.ndim == 2 and array.shape[0] == array.shape[1]:
        if np.array_equal(array, np.eye(len(array), dtype=dtype)):
            return numpy("eye"), [len(array)], {"dtype": dtype}
        if np.array_equal(array, np.tri(len(array), dtype=dtype)):
            return numpy("tri"), [len(array)], {"dtype": dtype}
    return None
