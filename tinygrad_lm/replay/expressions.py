"""How a call of NumPy's is written: the expressions of a program that is to be read."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_lm.autograd.types import Array
from tinygrad_lm.replay.constants import attribute, known, number, numpy, of_function
from tinygrad_lm.replay.letters import Letter
from tinygrad_lm.replay.memory import mentioned
from tinygrad_lm.replay.traced import Compute, Traced
from tinygrad_lm.replay.views import permutation, place_of, steps

LITERAL = 16
"""A constant of more elements that has no other form is written before the functions."""

LARGEST = 1_000
"""One of more elements still has to be given to the program."""

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
    constants
        Constants that have a name, since they are long.
    shared
        What uses each view, calls and views of it, by ``place_of``.
    """

    def __init__(self, name_view: Callable[[Traced, ast.expr], str]) -> None:
        self.names: dict[int, str] = {}
        self.shared: dict[tuple[Any, ...], set[Any]] = {}
        self._name_view = name_view
        self._views: dict[tuple[Any, ...], str] = {}
        self.pending: dict[int, tuple[Traced, ast.expr, set[int], int]] = {}
        self.aliases: dict[int, Traced] = {}
        self.constants: list[Traced] = []

    def write(self, x: Any) -> ast.expr:
        """Anything that a call is given."""
        held = x  # of any type, also where that of x is known in part
        if isinstance(x, Traced):
            return self._array(x)
        if isinstance(x, ast.expr):
            return x
        if isinstance(x, Letter):
            return x.node
        if isinstance(x, (tuple, list)):
            parts = [self.write(part) for part in held]
            return ast.Tuple(parts, ast.Load()) if isinstance(x, tuple) else ast.List(parts, ast.Load())
        if isinstance(x, slice):
            bounds = held.start or None, held.stop, None if held.step == 1 else held.step
            return ast.Slice(*(None if part is None else self.write(part) for part in bounds))
        if isinstance(x, np.dtype) or (isinstance(x, type) and issubclass(x, np.generic)):
            name = np.dtype(held).name
            return ast.Name(name, ast.Load()) if name == "bool" else numpy(name)
        if isinstance(x, np.generic):
            return self.call(numpy(held.dtype.name), [held.item()], {})
        if isinstance(x, float):
            return number(x)
        return self.write(held.tolist()) if isinstance(x, np.ndarray) else ast.Constant(held)

    def size(self, x: Any) -> int:
        """How many calls the expressions come to that would be written within this one."""
        owners = {id(traced.owner) for traced in mentioned(x)}
        return sum(self.pending[key][3] for key in owners if key in self.pending)

    def depends(self, x: Any) -> set[int]:
        """The arrays that an expression reads, by their identity."""
        found: set[int] = set()
        for traced in mentioned(x):
            key = id(self.aliases.get(id(traced.owner), traced.owner).owner)
            found |= {key} | (self.pending[key][2] if key in self.pending else set())
        return found

    def call(self, function: ast.expr, args: Sequence[Any], options: Mapping[str, Any]) -> ast.expr:
        """A function's call."""
        return ast.Call(
            function,
            [x if isinstance(x, ast.expr) else self.write(_spelled(x)) for x in args],
            [ast.keyword(key, self.write(value)) for key, value in options.items()],
        )

    def _array(self, traced: Traced) -> ast.expr:
        if traced.base is not None:
            return self._view(traced, traced.base)
        key = id(traced)
        if key in self.aliases:
            return self._array(self.aliases[key])
        if key in self.pending:
            made, expression, *_ = self.pending.pop(key)
            expression.called = made.name  # pyright: ignore[reportAttributeAccessIssue]
            return expression
        if key not in self.names:
            return self._constant(traced)
        return ast.Name(self.names[key], ast.Load())

    def use(self, traced: Traced, by: Any) -> None:
        """Note that a view is looked at, and with it what it is a view of."""
        while traced.base is not None:
            place = place_of(traced)
            self.shared.setdefault(place, set()).add(by)
            by, traced = place, traced.base

    def rename(self, traced: Traced, name: str) -> None:
        """Call an array by a name, and its views no longer by theirs."""
        self.names[id(traced)] = name
        self._views = {place: name for place, name in self._views.items() if place[0] != id(traced)}

    def _view(self, view: Traced, base: Traced) -> ast.expr:
        place = place_of(view)
        earlier = base
        while earlier.base is not None and place_of(earlier) != place:
            earlier = earlier.base
        if place_of(earlier) == place:
            return self._array(earlier)  # there and back
        if place in self._views:
            return ast.Name(self._views[place], ast.Load())
        known = id(view.owner) in self.names
        written = self._view_of(view, base)
        if known and len(self.shared.get(place, ())) > 1 and steps(written) > 1:
            self._views[place] = name = self._name_view(view, written)
            return ast.Name(name, ast.Load())
        return written

    def _view_of(self, view: Traced, base: Traced) -> ast.expr:
        how, args, options = view.how or ("reshape", (), {})
        axes = permutation(view)
        while axes is not None and base.base is not None and (earlier := permutation(base)) is not None:
            axes, base = tuple(earlier[axis] for axis in axes), base.base
        if axes is not None and [axis for axis in axes if base.shape[axis] != 1] == sorted(
            axis for axis in axes if base.shape[axis] != 1
        ):
            how, axes = "reshape", None  # of which only axes of length 1 change places
        if axes is not None:
            return self._permuted(base, axes)
        if how == "reshape":
            while base.base is not None and (base.how or ("reshape",))[0] == "reshape":
                base = base.base
            return self._reshaped(base, view.shape)
        if args is None:
            return attribute(self._array(base), how)
        if how == "__getitem__":
            return self.subscript(base, args[0])
        if isinstance(how, str):
            return self.call(attribute(self._array(base), how), args, options)
        given = {key: value for key, value in options.items() if key != "part"}
        if how is np.broadcast_to and args[0].size == 1 and args[0].base is not None and args[0].base.size == 1:
            args = (args[0].base, *args[1:])
        called = self.call(of_function(how), args, given)
        return ast.Subscript(called, ast.Constant(options["part"]), ast.Load()) if "part" in options else called

    def _permuted(self, base: Traced, axes: Sequence[int]) -> ast.expr:
        array, last = self._array(base), len(axes) - 1
        if len(axes) == 2:
            return attribute(array, "T")
        if [*axes] == [*range(last - 1), last, last - 1]:
            return attribute(array, "mT")
        return self.call(attribute(array, "transpose"), axes, {})

    def _reshaped(self, base: Traced, shape: Sequence[int]) -> ast.expr:
        array = self._array(base)
        if tuple(shape) == base.shape:
            return array
        reduced = _reduction(array)
        if reduced is not None:
            axis, keeps = reduced
            if (
                keeps
                and axis is not None
                and [*shape] == [n for i, n in enumerate(base.shape) if i != axis % base.ndim]
            ):
                return _without_keepdims(array)
            if not keeps and tuple(shape) == (*base.shape, 1) and axis in (-1, base.ndim):
                return _with_keepdims(array)
        return self.call(attribute(array, "reshape"), [-1] if len(shape) == 1 else shape or [()], {})

    def subscript(self, base: Any, index: Any) -> ast.expr:
        """base[index]."""
        return ast.Subscript(self.write(base), self.write(_plain(index)), ast.Load())

    def _constant(self, traced: Traced) -> ast.expr:
        if traced.role == "work":
            raise LookupError(f"{traced.name or 'an array'} is used before it is written")
        array = traced.array
        if (short := known(array)) is not None:
            return self.call(*short)
        if array.dtype == np.bool and (opposite := known(~array)) is not None:
            return ast.UnaryOp(ast.Invert(), self.call(*opposite))
        if array.size <= LITERAL:
            return self.literal(array)
        self.constants.append(traced)
        self.names[id(traced)] = name = f"constant_{len(self.constants)}"
        return ast.Name(name, ast.Load())

    def literal(self, array: Array) -> ast.expr:
        """An array with all its elements."""
        usual = array.dtype.name in ("float64", "int64", "bool")
        return self.call(numpy("array"), [array.tolist()], {} if usual and array.size else {"dtype": array.dtype})

    def made(self, compute: Compute) -> ast.expr:
        """What a call gives, as an expression."""
        function, method, args = compute.function, compute.method, compute.args
        options = {key: value for key, value in compute.options.items() if key != "order"}
        if method == "call" and (isinstance(function, np.ufunc) or function in (np.where, np.clip)):
            args = self._plain_numbers(function, args)
        if isinstance(function, np.ufunc):
            if not options and method == "call" and function is not np.matmul:
                args = self._narrower(args, compute.result)
            return self._of_ufunc(function, method, args, options)
        if method == "call" and function in _METHODS and isinstance(args[0], Traced):
            return self.call(attribute(self.write(args[0]), function.__name__), args[1:], _told(options))
        if method == "call" and function is not np.take:
            return self.call(of_function(function), args, options)
        source, *rest = args
        if method == "reshape":
            return self.call(attribute(self.write(source), "reshape"), compute.result.shape or [()], {})
        if method == "__getitem__":
            return self.subscript(source, rest[0])
        flat = not options and isinstance(source, Traced) and source.ndim == 1
        if method in ("take", "call") and rest and (flat or options == {"axis": 0}):
            return self.subscript(source, rest[0])
        called = attribute(self.write(source), "take" if method == "call" else method)
        return self.call(called, rest, _told(options))

    def _plain_numbers(self, function: Any, args: Sequence[Any]) -> list[Any]:
        """The arguments, with numbers of Python's for arrays of no axis where they come to the same dtype."""
        known: list[Any] = [x for x in args[function is np.where :] if hasattr(x, "dtype")]
        if not known:
            return [*args]
        dtype: Any = np.result_type(*(x.dtype for x in known))
        found = [*args]
        for i, x in enumerate(args):
            others = [y.dtype for j, y in enumerate(found) if j != i and any(y is z for z in known)]
            alike = i > 0 and any(_shape(y) == _shape(x) for y in args if y is not x)
            if function is np.where and alike and self._is_filled(x) and dtype in others:
                found[i] = int(ast.unparse(self.pending.pop(id(x))[1]).startswith("np.ones"))
            elif (
                any(x is z for z in known)
                and dtype in others
                and self._is_number(x)
                and x.dtype.kind == dtype.kind == "f"
            ):
                found[i] = x.item() if isinstance(x, np.generic) else x.array.item()
        return found

    def _is_filled(self, x: Any) -> bool:
        """Whether it is zeros or ones, to be written where it is used."""
        _, written, *_ = self.pending.get(id(x), (None, None))
        return isinstance(written, ast.Call) and ast.unparse(written.func) in ("np.zeros", "np.ones")

    def _is_number(self, x: Any) -> bool:
        if isinstance(x, np.generic):
            return True
        return x.ndim == 0 and x.base is None and x.role != "work" and id(x) not in self.names

    def _narrower(self, args: Sequence[Any], result: Traced) -> list[Any]:
        """The operands, without what broadcasts them where they come to the shape of the result anyway."""
        found = [*args]
        for i, x in enumerate(args):
            while isinstance(x, Traced) and x.base is not None and x.how and x.how[0] in (np.broadcast_to, "reshape"):
                shapes = [_shape(y) for y in (*found[:i], x.base, *found[i + 1 :])]
                if (x.how[0] == "reshape" and x.size > 1) or not _come_to(result.shape, shapes):
                    break
                found[i] = x = x.base
        return found

    def _of_ufunc(self, ufunc: np.ufunc, method: str, args: Sequence[Any], options: dict[str, Any]) -> ast.expr:
        name = ufunc.__name__
        if method == "reduce" and name in _REDUCED and isinstance(args[0], Traced):
            named = {**dict(zip(("axis",), args[1:], strict=False)), **options}
            if args[0].ndim > 1:
                named.setdefault("axis", 0)
            array = self.write(args[0])
            if name in ("maximum", "minimum") and named.get("axis") == 0 and (rows := _columns_of(array)) is not None:
                array, named["axis"] = rows, 1
            return self.call(attribute(array, _REDUCED[name]), (), _told(named))
        if method != "call":
            return self.call(attribute(numpy(name), method), args, options)
        if not options and name in INFIX:
            left, right = map(self.write, _powers(args) if name == "power" else args)
            return ast.BinOp(left, INFIX[name](), right)
        if not options and name in _COMPARED:
            left, right = map(self.write, args)
            return ast.Compare(left, [_COMPARED[name]()], [right])
        if not options and name in _UNARY:
            return ast.UnaryOp(_UNARY[name](), self.write(args[0]))
        return self.call(numpy("abs" if name == "absolute" else name), args, options)


def _powers(args: Sequence[Any]) -> Sequence[Any]:
    """x ** 2 for x ** 2.0, which is the same of floats."""
    base, exponent = args
    whole = type(exponent) is float and abs(exponent) < 100 and exponent.is_integer()
    return (base, int(exponent)) if whole and isinstance(base, Traced) and base.dtype.kind == "f" else args


def _shape(x: Any) -> tuple[int, ...]:
    return getattr(x, "shape", ())


def _come_to(wanted: tuple[int, ...], shapes: Sequence[tuple[int, ...]]) -> bool:
    try:
        return np.broadcast_shapes(*shapes) == wanted
    except ValueError:
        return False


def _plain(index: Any) -> Any:
    """An index with Python's own integers."""
    held = index
    if isinstance(index, tuple):
        return tuple(map(_plain, held))
    return int(held) if isinstance(index, np.integer) else index


def _spelled(x: Any) -> Any:
    """An argument in which slices stand as calls."""
    held = x
    if isinstance(x, slice):
        bounds = held.start, held.stop, held.step
        return ast.Call(ast.Name("slice", ast.Load()), [*map(ast.Constant, bounds)], [])
    return tuple(map(_spelled, held)) if isinstance(x, tuple) else x


def _told(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options without those that say what holds anyway; one axis as a number."""
    found = {key: value for key, value in options.items() if value is not None and value is not False}
    axis = found.get("axis")
    if isinstance(axis, tuple) and len(axis) == 1:  # pyright: ignore[reportUnknownArgumentType]
        found["axis"] = axis[0]
    return found


def _reduction(written: ast.expr) -> tuple[int | None, bool] | None:
    """The axis of a sum or a maximum, and whether it keeps it."""
    if not (isinstance(written, ast.Call) and isinstance(written.func, ast.Attribute)) or written.args:
        return None
    if written.func.attr not in {*_REDUCED.values(), "mean"}:
        return None
    said = {word.arg: ast.unparse(word.value) for word in written.keywords}
    if not said.keys() <= {"axis", "keepdims"}:
        return None
    axis = said.get("axis", "")
    return int(axis) if axis.lstrip("-").isdigit() else None, "keepdims" in said


def _without_keepdims(written: Any) -> ast.expr:
    return ast.Call(written.func, [], [word for word in written.keywords if word.arg != "keepdims"])


def _with_keepdims(written: Any) -> ast.expr:
    return ast.Call(written.func, [], [*written.keywords, ast.keyword("keepdims", ast.Constant(True))])


def _columns_of(written: ast.expr) -> ast.expr | None:
    """x of x.T.copy(): which of several numbers is the largest does not depend on how they lie."""
    match written:
        case ast.Call(ast.Attribute(ast.Attribute(rows, "T"), "copy"), []):
            return rows
        case _:
            return None
