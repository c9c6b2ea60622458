"""What is in place of numbers and ``Value``s while a step over them is recorded, and tells what is done with them.

A number that is an argument is a ``Given``: it computes like a number, and what is made of it is noted. A ``Value``
that takes part is a ``WatchedValue``: whoever reads its ``data`` gets a ``Given``, and whoever compares it leaves a
check, which each replay takes again. A number that goes where nothing is noted, such as into ``math.exp``, is a reason
against a plan.
"""

from __future__ import annotations

import inspect
import operator
import os
from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_lm import autograd
from tinygrad_lm.autograd import rules
from tinygrad_lm.autograd.graph import Node, Operation
from tinygrad_lm.autograd.number import Number, as_float
from tinygrad_lm.autograd.value import Value
from tinygrad_lm.replay.notes import Notes, here

_ENGINE = os.path.dirname(autograd.__file__)  # noqa: PTH120 (pathlib is slow to import)
_DATA: Any = vars(Number)["data"]
_GRAD: Any = vars(Node)["grad"]
_REQUIRES_GRAD: Any = vars(Node)["requires_grad"]
number_in: Callable[[Any], float] = _DATA.__get__
"""The number of a ``Value``, which nobody notices."""


class ValueNotes(Notes):
    """Notes that are told of numbers and ``Value``s."""

    whole_numbers_read = False
    """Whether a number was used as an index, or said how often."""

    def same(self, value: Value, given: Given) -> None:
        """A ``Value`` is made of a number right now."""
        raise NotImplementedError

    def number_of(self, value: Value) -> Given:
        """What stands for the number of a value, through which no gradient goes."""
        raise NotImplementedError

    def combined(self, operation: Operation, operands: Sequence[Any], number: Any) -> Any:
        """A number that was computed of given ones."""
        raise NotImplementedError

    def compared(self, compare: Callable[[Any, Any], bool], one: Any, other: Any) -> bool:
        """How a comparison comes out, which is noted."""
        raise NotImplementedError

    def set_grad(self, leaf: Any, new: object) -> None:
        """Note that a gradient is set."""
        raise NotImplementedError

    def sweep(self, root: Any, gradient: Any, retain_graph: bool) -> None:
        """Note a backward pass, and make it."""
        raise NotImplementedError


def plain(x: Any) -> Any:
    """A number itself."""
    return x.number if type(x) is Given else _DATA.__get__(x) if isinstance(x, Value) else x


def _frame(up: int) -> Any:
    """The frame so many calls above the code that asks."""
    frame: Any = inspect.currentframe()
    for _ in range(up + 1):
        frame = frame.f_back
    return frame


def _recorder() -> ValueNotes | None:
    """The recorder to be told of what the code that called the caller does, unless that is the engine itself."""
    if _frame(2).f_code.co_filename.startswith(_ENGINE):
        return None
    notes = here()
    return notes if isinstance(notes, ValueNotes) else None


def _comparison(name: str) -> Any:
    compare: Callable[[Any, Any], Any] = getattr(operator, name.strip("_"))

    def method(self: Any, other: Any) -> Any:
        notes = here()
        if not isinstance(notes, ValueNotes) or not isinstance(other, (Value, Given, int, float)):
            return compare(plain(self), plain(other))
        return notes.compared(compare, self, other)

    method.__name__ = name
    return method


def _read(name: str, word: str) -> Any:
    def method(self: Any, *args: Any, **options: Any) -> Any:
        notes = _recorder()
        if notes is None:
            return getattr(Value, name)(self, *args, **options)
        notes.note(f"a number was read into Python by {word}: what follows may depend on it")
        with notes.whole():
            return getattr(Value, name)(self, *args, **options)

    method.__name__ = name
    return method


class WatchedValue(Value):
    """A ``Value`` while a step is recorded."""

    __slots__ = ()
    __hash__ = Value.__hash__

    __lt__, __le__, __gt__ = _comparison("__lt__"), _comparison("__le__"), _comparison("__gt__")
    __ge__, __eq__, __ne__ = _comparison("__ge__"), _comparison("__eq__"), _comparison("__ne__")
    __float__, __int__ = _read("__float__", "float()"), _read("__int__", "int()")
    __format__, __repr__ = _read("__format__", "a text"), _read("__repr__", "a text")
    __deepcopy__, local_derivatives = _read("__deepcopy__", "a copy"), _read("local_derivatives", "local_derivatives()")

    def __bool__(self) -> bool:
        return bool(self != 0.0)

    @property
    def data(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The number, which can still be computed with."""
        notes = _recorder()
        number = _DATA.__get__(self)
        return number if notes is None else notes.number_of(self)

    @data.setter
    def data(self, new: Any) -> None:
        # Value.__init__ sets it of a Value that is made of a given number, which is watched already.
        if _frame(1).f_code is not _INIT:
            notes = here()
            if notes is not None:
                notes.changed = True
                notes.note("a Value's data was set: only an optimizer's step is recorded")
        _DATA.__set__(self, plain(new))

    @property
    def grad(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The gradient, which is noticed."""
        notes = _recorder()
        if notes is not None:
            notes.note("a gradient was read within the step: look at it afterwards")
        return _GRAD.__get__(self)

    @grad.setter
    def grad(self, new: object) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        notes = here()
        if isinstance(notes, ValueNotes) and _frame(1).f_code is not _INIT:
            notes.set_grad(self, new)
        _GRAD.__set__(self, plain(new))

    @property
    def requires_grad(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether it has a gradient."""
        return _REQUIRES_GRAD.__get__(self)

    @requires_grad.setter
    def requires_grad(self, new: bool) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        notes = here()
        if notes is not None and _frame(1).f_code is not _INIT:
            notes.changed = True
            notes.note("requires_grad was set within the step")
        _REQUIRES_GRAD.__set__(self, new)

    def item(self) -> Any:
        """The number, which can still be computed with."""
        notes = here()
        return notes.number_of(self) if isinstance(notes, ValueNotes) else _DATA.__get__(self)

    def detach(self) -> Value:
        """The same number as a new leaf that needs no gradient."""
        found = Value(_DATA.__get__(self), label=self.label, requires_grad=False)
        notes = here()
        if isinstance(notes, ValueNotes):
            notes.same(found, notes.number_of(self))
        return found

    @classmethod
    def _without_graph(cls, function: Callable[..., Any], inputs: tuple[Any, ...]) -> Any:
        notes = here()
        if notes is not None:
            notes.note(f"a number was read into Python by np.{function.__name__}: what follows may depend on it")
        return function(*map(plain, inputs))

    def backward(self, gradient: float | None = None, retain_graph: bool = True) -> None:
        """The backward pass, noted."""
        notes = here()
        if isinstance(notes, ValueNotes):
            notes.sweep(self, gradient, retain_graph)
        else:
            Value.backward(self, gradient, retain_graph)


WatchedValue.__name__ = "Value"  # as its texts have it
_INIT = Value.__init__.__code__
_AS_FLOAT = as_float.__code__


def _computed(name: str, operation: Operation, swapped: bool = False) -> Any:
    compute: Callable[..., Any] = getattr(operator, name)

    def method(self: Given, *others: Any) -> Any:
        if others and type(others[0]) not in (Given, int, float, bool):
            return NotImplemented
        operands = (*others, self) if swapped else (self, *others)
        number = compute(*map(plain, operands))
        return self.notes.combined(operation, operands, number) if self.told() else number

    method.__name__ = name
    return method


class Given:
    """A number while a step is recorded: an argument, or what is computed of arguments and of numbers of ``Value``s."""

    __slots__ = ("notes", "number", "place")

    def __init__(self, notes: ValueNotes, place: int, number: float) -> None:
        self.notes, self.place, self.number = notes, place, number

    def told(self) -> bool:
        """Whether the step that it was made for still runs, and is to be noted."""
        return here() is self.notes

    def read(self, word: str) -> Any:
        """The number itself, which is noticed."""
        if self.told():
            self.notes.note(f"a number was read into Python by {word}: what follows may depend on it")
        return self.number

    # What asks whether it is a float, or an int, asks this.
    @property
    def __class__(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return type(self.number)

    def __float__(self) -> float:
        frame: Any = _frame(1)
        if frame.f_code is _AS_FLOAT and frame.f_back.f_code is _INIT and self.told():
            self.notes.same(frame.f_back.f_locals["self"], self)
            return float(self.number)
        return float(self.read("float()"))

    def __index__(self) -> int:
        if self.told():
            self.notes.whole_numbers_read = True
        return operator.index(self.read("an index"))

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # what NumPy looks for in an array
            raise AttributeError(name)
        return getattr(self.read(f".{name}"), name)

    def __bool__(self) -> bool:
        return bool(self != 0)

    __lt__, __le__, __gt__ = _comparison("__lt__"), _comparison("__le__"), _comparison("__gt__")
    __ge__, __eq__, __ne__ = _comparison("__ge__"), _comparison("__eq__"), _comparison("__ne__")

    __add__, __radd__ = _computed("add", rules.add), _computed("add", rules.add, True)
    __sub__, __rsub__ = _computed("sub", rules.sub), _computed("sub", rules.sub, True)
    __mul__, __rmul__ = _computed("mul", rules.mul), _computed("mul", rules.mul, True)
    __truediv__, __rtruediv__ = _computed("truediv", rules.div), _computed("truediv", rules.div, True)
    __pow__, __rpow__ = _computed("pow", rules.pow), _computed("pow", rules.pow, True)
    __neg__, __abs__ = _computed("neg", rules.neg), _computed("abs", rules.abs)

    def __pos__(self) -> Given:
        return self


def _forwarded(name: str) -> Callable[..., object]:
    def method(self: Given, *args: Any) -> object:
        return getattr(self.read(f"{name.strip('_')}()"), name)(*map(plain, args))

    method.__name__ = name
    return method


for _name in (
    *("__int__", "__str__", "__repr__", "__format__", "__hash__", "__round__", "__trunc__", "__floor__", "__ceil__"),
    *("__mod__", "__rmod__", "__floordiv__", "__rfloordiv__", "__divmod__", "__rdivmod__", "__reduce_ex__"),
    *("__and__", "__rand__", "__or__", "__ror__", "__xor__", "__rxor__", "__lshift__", "__rshift__", "__invert__"),
):
    setattr(Given, _name, _forwarded(_name))
