"""``Traced``: an array that writes down what NumPy computes with it.

The forward passes, derivatives and kernels of the engine are formulas in NumPy's words. Run on traced arrays they give
the flat list of NumPy's calls that they come to: a ``Tape``. Nothing gets out of a traced array unnoticed, since it is
no ``ndarray``: to ask it for a number is an error, ``Untraceable``, and a condition becomes a ``Check``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, cast

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from tinygrad_lm.autograd.types import Array
from tinygrad_lm.replay.functions import DATA_SHAPED, IN_PLACE, LIKE, METADATA
from tinygrad_lm.replay.letters import Letter
from tinygrad_lm.replay.naming import Section, locals_of_formula
from tinygrad_lm.replay.nested import deep, within

Function = Callable[..., Any]
Args = Sequence[object]
Options = Mapping[str, object]
"""What a call is made of."""


class Untraceable(Exception):
    """A formula asks for what a traced array cannot tell: a number, or a shape that depends on the numbers."""


@dataclass(frozen=True, eq=False)
class Compute:
    """One call of NumPy's."""

    function: Function
    method: str
    """``call``, or of a ufunc ``reduce``, ``accumulate``, ``at``; of an array the name of a method."""
    args: tuple[object, ...]
    options: Options
    result: Traced
    """What it gives, or what it changes."""
    in_place: bool
    section: Section


@dataclass(frozen=True, eq=False)
class Check:
    """A condition that held: where it does not, the calls that follow are others."""

    condition: Traced
    outcome: bool


POWERS: Mapping[object, np.ufunc] = {2: np.square, 1: np.positive, 0.5: np.sqrt, -1: np.reciprocal}
"""What the operator computes for some exponents."""


class Tape:
    """The calls in their order, and the arrays that they are about.

    Attributes
    ----------
    section
        What the calls are about that come next.
    readable
        Whether the calls are to be read and not replayed: shapes may depend on the numbers, and arrays are called as
        the formulas call them.
    """

    def __init__(self, readable: bool = False) -> None:
        self.readable = readable
        self.section = Section("forward", "")
        self.instructions: list[object] = []
        self.arrays: dict[int, Traced] = {}
        """The traced array of each plain one that a formula was given, by its identity."""

    def given(self, array: Array, role: str, name: str = "") -> Traced:
        """An array that is there before the first call: an input, a parameter, a constant."""
        found = self.arrays.get(id(array))
        if found is None:
            found = self.arrays[id(array)] = Traced(self, array, role, name)
        return found

    def made(self, array: Array) -> Traced:
        """An array that a call made."""
        return Traced(self, array, "work")

    def viewed(self, array: Array, base: Traced, how: tuple[Any, ...]) -> Traced:
        """The same memory seen otherwise."""
        view = Traced(self, array, "view")
        view.base, view.how = base, how
        view.shift = address(array) - address(base.array)
        return view

    def operand(self, x: object) -> Any:
        """An argument of a call as it is written down: plain arrays are constants."""
        return deep(lambda part: self.given(part, "constant") if type(part) is np.ndarray else part, x)

    def computed(self, function: Function, method: str, args: Args, options: Options, result: object) -> Traced:
        """Write down a call that made a new array, or a single number."""
        array = np.asarray(result)
        if array.dtype == object:
            raise Untraceable(f"{getattr(function, '__name__', function)} gives objects")
        if array.base is not None:
            array = array.copy(order="K")
        traced = self.made(array)
        written = tuple(map(self.operand, args)), {key: self.operand(x) for key, x in options.items()}
        self.instructions.append(Compute(function, method, *written, traced, False, self.section))
        self._name_locals()
        return traced

    def _name_locals(self) -> None:
        """Call arrays as the local variables of the formulas that hold them."""
        for name, value in locals_of_formula(__file__).items() if self.readable else ():
            if isinstance(value, Traced) and value.role in ("work", "view"):
                value.name = value.name or name

    def changed(self, function: Function, method: str, args: Args, options: Options, target: object) -> None:
        """Write down a call that changed an array."""
        if not isinstance(target, Traced):
            raise Untraceable(f"{getattr(function, '__name__', function)} writes into an array from outside")
        if target.owner.role not in ("work", "argument"):
            raise Untraceable(f"{getattr(function, '__name__', function)} changes {target.owner.role}")
        written = tuple(map(self.operand, args)), {key: self.operand(x) for key, x in options.items()}
        self.instructions.append(Compute(function, method, *written, target, True, self.section))
        self._name_locals()


def plain(x: object) -> Any:
    """What a call is really made with."""
    return deep(_plain, x)


def _plain(x: object) -> Any:
    if isinstance(x, Traced):
        return x.array
    return float(x) if isinstance(x, Letter) else x


def address(array: Array) -> int:
    """Where the first element lies."""
    return array.__array_interface__["data"][0]


def _root(array: Array) -> Array:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


class Traced(NDArrayOperatorsMixin):
    """An array, and where it comes from."""

    __slots__ = ("about", "array", "base", "how", "name", "role", "shift", "tape")

    def __init__(self, tape: Tape, array: Array, role: str, name: str = "") -> None:
        self.tape = tape
        self.array = array
        """The numbers while the formulas are traced; afterwards the memory may be another."""
        self.role = role
        """``work`` for what a call made, ``view``, or what kind of array was given."""
        self.name = name
        self.about: Traced | None = None
        """What it is the gradient of."""
        self.shift = 0
        """How many bytes behind the first element of its base this one begins."""
        self.base: Traced | None = None
        """What it is a view of."""
        self.how: tuple[Any, ...] = ()
        """How the view came about: a method or a function, and its arguments."""

    __hash__ = object.__hash__  # pyright: ignore[reportAssignmentType]

    @property
    def owner(self) -> Traced:
        """The array whose memory this one looks at."""
        found = self
        while found.base is not None:
            found = found.base
        return found

    def become(self, other: Traced) -> None:
        """Be the same memory as another array, which has the same numbers."""
        self.base, self.how, self.shift, self.array, self.role = other, (), 0, other.array, "view"

    @property
    def offset(self) -> int:
        """How many bytes behind the owner's first element this one begins."""
        return self.shift if self.base is None else self.shift + self.base.offset

    shape = property(lambda self: self.array.shape)
    ndim = property(lambda self: self.array.ndim)
    size = property(lambda self: self.array.size)
    dtype = property(lambda self: self.array.dtype)
    strides = property(lambda self: self.array.strides)
    flags = property(lambda self: self.array.flags)
    itemsize = property(lambda self: self.array.itemsize)
    nbytes = property(lambda self: self.array.nbytes)
    T = property(lambda self: self._seen("T"))
    flat = property(lambda self: _untraceable("flat"))

    def _result(self, name: str, result: object, args: Args, options: Options) -> Traced:
        """What a method gave: a view, or a new array."""
        if type(result) is np.ndarray and self._is_view(result):
            return self.tape.viewed(result, self, (name, args, options))
        return self.tape.computed(getattr(np.ndarray, name), name, (self, *args), options, result)

    def _is_view(self, result: Array) -> bool:
        return result.base is not None and _root(result) is _root(self.array)

    def _seen(self, name: str) -> Traced:
        return self.tape.viewed(getattr(self.array, name), self, (name, None, None))

    def _method(self, name: str, *args: object, **options: object) -> Traced:
        result = getattr(self.array, name)(*plain(args), **plain(options))
        return self._result(name, result, args, options)

    def reshape(self, *shape: object, **options: object) -> Traced:
        """Another shape."""
        return self._method("reshape", *shape, **options)

    def transpose(self, *axes: object) -> Traced:
        """The axes in another order."""
        return self._method("transpose", *axes)

    def swapaxes(self, first: int, second: int) -> Traced:
        """Two axes exchanged."""
        return self._method("swapaxes", first, second)

    def view(self, *dtype: object) -> Traced:
        """The same memory, as another dtype where one is given."""
        return self._method("view", *dtype)

    def ravel(self) -> Traced:
        """All elements in a row."""
        return self._method("ravel")

    def squeeze(self, *axis: object, **options: object) -> Traced:
        """Without axes of size 1."""
        return self._method("squeeze", *axis, **options)

    def copy(self, *order: object, **options: object) -> Traced:
        """A copy."""
        return self._method("copy", *order, **options)

    def astype(self, dtype: object, copy: bool = True) -> Traced:
        """Another dtype."""
        if not copy and self.dtype == dtype:
            return self
        return self._method("astype", dtype)

    def take(self, *args: object, **options: object) -> Traced:
        """Elements at positions."""
        return self._method("take", *args, **options)

    def rows_of(self, table: Array) -> Traced:
        """The rows of a table at these ids."""
        return self.tape.given(table, "constant").take(self, axis=0)

    def dot(self, other: object) -> Traced:
        """The product with a vector or a matrix."""
        return self._method("dot", other)

    def sum(self, *args: object, **options: object) -> Traced:
        """The sum over axes."""
        return self._method("sum", *args, **options)

    def mean(self, *args: object, **options: object) -> Traced:
        """The mean over axes."""
        return self._method("mean", *args, **options)

    def max(self, *args: object, **options: object) -> Traced:
        """The largest over axes."""
        return self._method("max", *args, **options)

    def min(self, *args: object, **options: object) -> Traced:
        """The smallest over axes."""
        return self._method("min", *args, **options)

    def any(self, *args: object, **options: object) -> Traced:
        """Whether one is true."""
        return self._method("any", *args, **options)

    def all(self, *args: object, **options: object) -> Traced:
        """Whether all are true."""
        return self._method("all", *args, **options)

    def var(self, *args: object, **options: object) -> Traced:
        """The variance over axes."""
        return self._method("var", *args, **options)

    def fill(self, value: object) -> None:
        """Set every element."""
        self.array.fill(plain(value))
        self.tape.changed(np.ndarray.fill, "fill", (self, value), {}, self)

    def __getitem__(self, index: object) -> Traced:
        if not self.tape.readable:
            _refuse_masks(index)
        return self._result("__getitem__", self.array[plain(index)], (index,), {})

    def __setitem__(self, index: object, value: object) -> None:
        _refuse_masks(index)
        self.array[plain(index)] = plain(value)
        self.tape.changed(np.ndarray.__setitem__, "__setitem__", (self, index, value), {}, self)

    def __len__(self) -> int:
        return len(self.array)

    def __iter__(self) -> Iterator[Traced]:
        return (self[i] for i in range(len(self.array)))

    def __bool__(self) -> bool:
        outcome = bool(self.array)
        self.tape.instructions.append(Check(self, outcome))
        return outcome

    def _number(self, *_: object, **__: object) -> NoReturn:
        _untraceable("a number")

    __float__ = __int__ = __index__ = __complex__ = item = tolist = __array__ = _number

    def __pow__(self, other: object) -> Any:
        # As the operator does it of an array, which in older versions of NumPy has other last bits than the function.
        by = POWERS.get(other) if type(other) in (int, float) and not self.tape.readable else None
        return super().__pow__(other) if by is None or self.dtype.kind != "f" else by(self)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        run = ufunc if method == "__call__" else getattr(ufunc, method)
        name = "call" if method == "__call__" else method
        if method == "at":
            run(*plain(inputs), **plain(options))
            self.tape.changed(ufunc, name, inputs, options, inputs[0])
            return None
        if out is not None:
            (target,) = out
            if not isinstance(target, Traced):
                raise Untraceable(f"np.{ufunc.__name__} writes into an array from outside")
            run(*plain(inputs), out=target.array, **plain(options))
            self.tape.changed(ufunc, name, inputs, options, target)
            return target
        result = run(*plain(inputs), **plain(options))
        if isinstance(result, tuple):
            _untraceable(f"several results, of np.{ufunc.__name__}")
        return self.tape.computed(ufunc, name, inputs, options, result)

    def __array_function__(self, function: Function, types: object, args: Args, options: Options) -> Any:
        if function in METADATA:
            return function(*plain(args), **plain(options))
        if function in IN_PLACE or (function in DATA_SHAPED and not self.tape.readable):
            _untraceable(f"np.{function.__name__}")
        if function in LIKE:
            return self._like(function, args, options)
        if function is np.copyto:
            np.copyto(*plain(args), **plain(options))
            self.tape.changed(function, "call", args, options, args[0])
            return None
        if (target := options.get("out")) is not None:
            rest = {key: value for key, value in options.items() if key != "out"}
            function(*plain(args), **plain(options))
            self.tape.changed(function, "call", args, rest, target)
            return target
        result = function(*plain(args), **plain(options))
        if isinstance(result, (tuple, list)):
            several = cast("list[Any]", result)
            parts = [self._seen_by(function, part, args, {**options, "part": i}) for i, part in enumerate(several)]
            return [_untraceable(f"np.{function.__name__}") if part is None else part for part in parts]
        view = self._seen_by(function, result, args, options)
        return self.tape.computed(function, "call", args, options, result) if view is None else view

    def _seen_by(self, function: Function, result: object, args: Args, options: Options) -> Traced | None:
        """A view that a function gave of one of its arguments."""
        for operand in args:
            if isinstance(operand, Traced) and type(result) is np.ndarray and operand._is_view(result):
                return self.tape.viewed(result, operand, (function, args, options))
        return None

    def _like(self, function: Function, args: Args, options: Options) -> Traced:
        new = self.tape.made(function(*plain(args), **plain(options)))
        if (number := LIKE[function]) is not None:
            self.tape.changed(np.ndarray.fill, "fill", (new, number), {}, new)
        return new


def _refuse_masks(index: object) -> None:
    """A Boolean mask selects as many elements as it likes."""
    for part in within(index):
        if getattr(part, "dtype", None) == np.bool:
            _untraceable("a Boolean index")


def _untraceable(what: str) -> NoReturn:
    raise Untraceable(f"{what} of a traced array")
