"""What a step can see, the tensors, modules, optimizers and plain values that it names, and whether they changed.

A plan has baked in all of them that is no input: a module that is in training mode, a number that is a global, a list
of layers. ``Reached`` knows their places, and says in some microseconds whether each still holds the same object.
"""

from __future__ import annotations

import array
import functools
import operator
import random
import sys
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, groupby
from typing import Any, cast

import numpy as np

from tinygrad_lm.autograd.graph import Node
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.types import Array, is_ndarray
from tinygrad_lm.nn.module import Module, buffer_places
from tinygrad_lm.optim import Optimizer

LIMIT = 100_000
"""How many objects are looked at, at most."""

MOST_BYTES = 1 << 20
"""How large all arrays together are, at most, whose numbers are compared at each call."""

_OPAQUE = (types.BuiltinFunctionType, np.generic, np.dtype, Node, str, bytes, int, float, complex, type(None))
"""What never changes, or is looked at elsewhere."""

_CHANGING = (list, set, deque, bytearray, array.array)
"""What holds others in a row, and can hold others later."""

_HOLDING = (dict, types.MappingProxyType, tuple, frozenset, *_CHANGING)
"""What holds others, and is looked at as what it holds."""

_OWN = ("scale", "groups", "state", "counts", "kept_by")
"""The attributes of an optimizer that a plan knows: what steps with them looks at them at each call."""

_IN_FUNCTIONS = ("__code__", "__defaults__", "__kwdefaults__")

_CALL = cast("Callable[[Callable[[Any], tuple[Any, ...]], Any], tuple[Any, ...]]", operator.call)
_REQUIRES_GRAD = operator.attrgetter("requires_grad")

Reader = tuple[Callable[[Any], tuple[Any, ...]], Any]
"""What reads places of an object, and the object."""


class Wrapper:
    """What wraps a step: all of it that another step may depend on, or this one by its own name, is ``step``."""

    step: Callable[..., Any]


class Reached:
    """The places that a function can read, with what they hold now.

    Attributes
    ----------
    tensors, values, modules, optimizers, generators, old_generators
        What was found in them, each once.
    reason
        Why nothing can be planned that sees all this; empty where it can.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.tensors: list[Tensor] = []
        self.values: list[Any] = []
        self.modules: list[Module] = []
        self.optimizers: list[Optimizer] = []
        self.generators: list[np.random.Generator] = []
        self.old_generators: list[random.Random | np.random.RandomState] = []
        self.reason = ""
        self._dicts: list[Mapping[Any, Any]] = []
        self._entries: list[tuple[Mapping[str, Any], str]] = []
        """Single places of dictionaries."""
        self._attributes: list[tuple[object, str]] = []
        """Places that are no dictionary's: slots, what a function consists of, and its variables."""
        self._sequences: list[Any] = []
        self._classes: list[Mapping[str, Any]] = []
        """What classes hold: their places are watched singly, and no others may be added."""
        self._arrays: list[Array] = []
        self._files: list[types.ModuleType] = []
        self.names: set[str] = set()
        """The names that the functions read, attributes included: what of a user's files may matter."""
        self._held: dict[int, Any] = {}
        """Everything that was found, by its identity, which is nobody else's as long as it is held."""
        self._look_at([function])
        self.remember()

    def buffers(self) -> dict[int, tuple[Array, Module, str]]:
        """The buffers of the modules, by the identities of their arrays, with who has them and their names."""
        return {
            id(array): (array, owner, name)
            for module in self.modules
            for owner, name in buffer_places(module)
            if is_ndarray(array := vars(owner)[name])
        }

    def remember(self) -> None:
        """Take what the places hold now for what they are to hold."""
        self._read_at_once()
        self._values = list(self._contents())
        self._lengths = list(map(len, self._sized))
        self._sizes = list(map(len, self._classes))
        self._in_classes = list(map(_own_names, self._classes))
        self._numbers = [one.tobytes() for one in self._arrays]

    def unchanged(self) -> bool:
        """Whether every place holds the very object that it held."""
        return self._compares(operator.is_)

    def same(self) -> bool:
        """Whether every place holds what it held, numbers and text by their values; then remembered as it is now."""
        alike = self._compares(_alike)
        if alike:
            self.remember()
        return alike

    def let_go(self, module: Module, names: Iterable[str]) -> None:
        """Buffers may be others from now on: the plans bring them in, and give them new arrays, themselves."""
        held = vars(module)
        gone = {i for i, (place, name) in enumerate(self._entries) if place is held and name in names}
        arrays = {id(self._values[i]) for i in gone}
        self._arrays = [one for one in self._arrays if id(one) not in arrays]
        self._numbers = [one.tobytes() for one in self._arrays]
        self._values = [value for i, value in enumerate(self._values) if i not in gone]
        self._entries = [entry for i, entry in enumerate(self._entries) if i not in gone]
        self._read_at_once()

    def _compares(self, like: Callable[[Any, Any], bool]) -> bool:
        # Asked at every call: as few calls of Python's as can be.
        if (sizes := list(map(len, self._classes))) != self._sizes:
            if list(map(_own_names, self._classes)) != self._in_classes:
                return False
            self._sizes = sizes  # Python puts notes of its own there: where an object is copied, say
        try:
            if list(map(len, self._sized)) != self._lengths or not all(map(like, self._contents(), self._values)):
                return False
        except (KeyError, AttributeError, ValueError):
            return False  # a place is gone, or a function's variable has no value any more
        if self._absent and any(_has(*place) for place in self._absent):
            return False
        return not self._arrays or [one.tobytes() for one in self._arrays] == self._numbers

    def _read_at_once(self) -> None:
        """Make what reads the places: those of one object together."""
        present = [place for place in self._attributes if _has(*place)]
        self._absent = [place for place in self._attributes if not _has(*place)]
        readers = [*_readers(operator.itemgetter, self._entries), *_readers(operator.attrgetter, present)]
        self._reads, self._read = [read for read, _ in readers], [held for _, held in readers]
        self._sized = [*self._dicts, *self._sequences]
        self._views = [*(held.values() for held in self._dicts), *self._sized]

    def _contents(self) -> Iterator[Any]:
        # What single places of dictionaries hold comes first, as ``let_go`` takes it to.
        single = map(_CALL, self._reads, self._read)
        return chain(*single, *self._views, map(_REQUIRES_GRAD, chain(self.tensors, self.values)))

    def _look_at(self, found: list[Any]) -> None:
        """Find everything that some objects lead to."""
        while found:
            if len(self._held) > LIMIT:
                self.reason = f"the step can see more than {LIMIT:,} objects: hand it what it needs as arguments"
                return
            one = found.pop()
            if id(one) not in self._held:
                self._held[id(one)] = one
                found.extend(self._visit(one))
            if not found:
                found.extend(self._in_files())
        total = sum(one.nbytes for one in self._arrays)
        if total > MOST_BYTES:
            largest = max(self._arrays, key=lambda one: one.nbytes)
            self.reason = (
                f"the step can see arrays of {total:,} bytes, the largest of shape {largest.shape}, and whether they "
                "change would take long to tell: hand them to it as arguments, or make them Tensors"
            )

    def _visit(self, found: Any) -> Iterable[Any]:
        """Note an object, and give what it refers to."""
        if isinstance(found, Tensor):
            self.tensors.append(found)
            return []
        if isinstance(found, Node):  # a Value: the other engine is not imported for its name
            self.values.append(found)
            return []
        if isinstance(found, _OPAQUE):
            return []
        if isinstance(found, np.random.Generator):
            self.generators.append(found)
            return []
        if isinstance(found, (random.Random, np.random.RandomState)):
            self.old_generators.append(found)
            return []
        if isinstance(found, np.ndarray):
            array = cast("Array", found)
            self._arrays.append(array)
            return array.flat if array.dtype.hasobject else []
        return self._of_code(found) if isinstance(found, _CODE) else self._of_holder(found)

    def _of_holder(self, found: Any) -> Iterable[Any]:
        kind = cast("Any", type(found))
        if isinstance(found, Wrapper):
            return self._of_places(vars(found), ["step"])
        if issubclass(kind, _HOLDING):
            # A user's own list or dictionary may have attributes, and methods, besides.
            return [*self._of_contents(found), *([] if _of_library(kind.__module__) else self._of_object(found)), kind]
        if isinstance(found, Optimizer):
            self.optimizers.append(found)
            self._sequences.append(found.groups)
            inner = [members for members, _ in found.groups]
            return [*inner, *self._of_places(vars(found), [name for name in vars(found) if not _is_own(name)])]
        if isinstance(found, Module):
            self.modules.append(found)
        return [*self._of_object(found), kind]

    def _of_contents(self, found: Any) -> Iterable[Any]:
        if isinstance(found, (dict, types.MappingProxyType)):
            held = cast("Mapping[Any, Any]", found)
            self._dicts.append(held)
            return [*held, *held.values()]
        if isinstance(found, _CHANGING):
            self._sequences.append(found)
        return cast("Iterable[Any]", found)

    def _of_code(self, found: Any) -> list[Any]:
        if isinstance(found, types.FunctionType):
            return self._of_function(found)
        if isinstance(found, types.MethodType):
            return [found.__self__, found.__func__]
        if isinstance(found, (staticmethod, classmethod)):
            return [vars(found).get("__wrapped__")]
        if isinstance(found, property):
            return [found.fget, found.fset]
        if isinstance(found, functools.partial):
            return [found.func, found.args, found.keywords]
        if isinstance(found, types.ModuleType):
            if not _of_library(found.__name__):
                self._files.append(found)
            return []
        return self._of_class(found)

    def _of_places(self, held: Mapping[str, Any], names: Iterable[str]) -> list[Any]:
        """Watch some places of a dictionary."""
        places = [(held, name) for name in names]
        self._entries += places
        return [held.get(name) for _, name in places]

    def _of_object(self, found: Any) -> list[Any]:
        if _is_fixed(found):
            return []
        held: list[Any] = []
        inner = cast("dict[str, Any]", getattr(found, "__dict__", {}))
        if type(inner) is dict:
            if isinstance(found, Module) and inner.get("_buffers"):
                held += self._of_places(inner, list(inner))
            else:
                self._dicts.append(inner)
                held += inner.values()
            self._held[id(inner)] = inner
        for base in type(found).__mro__:
            names = vars(base).get("__slots__", ())
            for name in (names,) if isinstance(names, str) else names:
                private = name.startswith("__") and not name.endswith("__")
                place = f"_{base.__name__.lstrip('_')}{name}" if private else name
                if place not in ("__dict__", "__weakref__"):
                    self._attributes.append((found, place))
                    held.append(getattr(found, place, None))
        return held

    def _of_class(self, found: type) -> list[Any]:
        """What a user's class, and those that it is made of, hold for all of their objects."""
        held: list[Any] = []
        for base in found.__mro__:
            if _of_library(base.__module__) or (id(base) in self._held and base is not found):
                continue
            self._held[id(base)] = base
            self._classes.append(vars(base))
            held += self._of_places(vars(base), _own_names(vars(base)))
        return held

    def _of_function(self, function: types.FunctionType) -> list[Any]:
        if _of_library(function.__module__):
            return [cell.cell_contents for cell in function.__closure__ or () if _has(cell, "cell_contents")]
        cells = list(function.__closure__ or ())
        self._attributes += [(cell, "cell_contents") for cell in cells]
        self._dicts.append(vars(function))
        self._attributes += [(function, name) for name in _IN_FUNCTIONS]
        names = _names(function.__code__)
        self.names |= names
        space = function.__globals__
        return [
            *(cell.cell_contents for cell in cells if _has(cell, "cell_contents")),
            *vars(function).values(),
            *(function.__defaults__ or ()),
            *([function.__kwdefaults__] if function.__kwdefaults__ else ()),
            *self._of_places(space, sorted(name for name in names if name in space)),
        ]

    def _in_files(self) -> list[Any]:
        """The places of the user's other files that some function may read, and that are not watched yet."""
        known = {(id(held), name) for held, name in self._entries}
        held: list[Any] = []
        for file in self._files:
            space = vars(file)
            names = [name for name in self.names if name in space and (id(space), name) not in known]
            held += self._of_places(space, sorted(names))
        return held


_CODE = (
    *(types.FunctionType, types.MethodType, types.ModuleType, type),
    *(staticmethod, classmethod, property, functools.partial),
)


def _readers(getter: Callable[..., Any], places: list[tuple[Any, str]]) -> Iterator[Reader]:
    """What reads the places of each object at once; those of one object stand in a row."""
    for _, group in groupby(places, lambda place: id(place[0])):
        row = list(group)
        # Of a single name a getter gives what is there, and of several a tuple.
        yield (getter(*(name for _, name in row)) if len(row) > 1 else _in_a_tuple(getter(row[0][1]))), row[0][0]


def _in_a_tuple(read: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    return lambda held: (read(held),)


def _has(found: object, name: str) -> bool:
    """Whether a place holds something: a slot may be empty, and so may a function's variable."""
    try:
        getattr(found, name)
    except (AttributeError, ValueError):
        return False
    return True


def _names(code: types.CodeType) -> set[str]:
    """The names that a function's code reads, those of functions within it included."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _names(constant)
    return found


@functools.cache
def _of_library(module: str | None) -> bool:
    """Whether it is Python's, this package's, or installed: such code is what it is, and its objects what they hold."""
    package = (module or "").partition(".")[0]
    if package == "__main__":  # a user's, also where an installed program was started that runs it
        return False
    if package in ("numpy", "tinygrad_lm", *sys.stdlib_module_names):
        return True
    file = getattr(sys.modules.get(package), "__file__", None) or ""
    return "site-packages" in file or "dist-packages" in file


def _is_fixed(found: object) -> bool:
    """Whether an object never changes: a frozen dataclass of the package's, a vocabulary, a data set."""
    kind = type(found)
    frozen = getattr(getattr(kind, "__dataclass_params__", None), "frozen", False)
    return kind.__module__.startswith("tinygrad_lm.text") or (frozen and _of_library(kind.__module__))


def _is_own(name: str) -> bool:
    return name in _OWN or name.startswith("_")


def _is_told_by_python(name: str) -> bool:
    """Whether it is one of the entries of a class that Python makes, some of them later."""
    return name.startswith("__") and name.endswith("__") and name not in ("__call__", "__getattr__", "__getattribute__")


def _own_names(held: Mapping[str, Any]) -> list[str]:
    """The names in a class that are its author's."""
    return [name for name in held if not _is_told_by_python(name)]


def _alike(now: Any, then: Any) -> bool:
    """Whether two contents of a place mean the same to a step."""
    if now is then:
        return True
    if type(now) is not type(then):
        return False
    if isinstance(now, float):
        return now.hex() == then.hex()
    if isinstance(now, np.generic):
        return now.tobytes() == then.tobytes()
    return isinstance(now, (int, str, bytes)) and bool(now == then)
