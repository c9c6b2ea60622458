"""What a step can see: the tensors, modules, optimizers and plain values that its function names, and whether they changed.

A plan has baked in all of them that is no input: a module that is in training mode, a number that is a global, a list
of layers. ``Reached`` knows their places, and says in about a microsecond whether each still holds the same object.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import numpy as np

from tinygrad_lm.autograd.graph import Node
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.nn.module import Module, buffer_places
from tinygrad_lm.optim import Optimizer

LIMIT = 100_000
"""How many objects are looked at, at most."""

_OPAQUE = (type, types.ModuleType, types.BuiltinFunctionType, np.ndarray, np.generic, np.dtype, np.random.Generator)
"""What is looked at from outside alone: by its identity."""

_LIBRARIES = ("numpy", "tinygrad_lm")
"""Packages whose functions are what they are; of their objects the attributes count."""


class Reached:
    """The places that a function can read, with what they hold now.

    Attributes
    ----------
    tensors, modules, optimizers, generators
        What was found in them, each once.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.tensors: list[Tensor] = []
        self.modules: list[Module] = []
        self.optimizers: list[Optimizer] = []
        self.generators: list[np.random.Generator] = []
        self._dicts: list[dict[str, Any]] = []
        self._attributes: list[tuple[dict[str, Any], list[str]]] = []
        self._sequences: list[Any] = []
        self._cells: list[types.CellType] = []
        self._globals: list[tuple[dict[str, Any], str]] = []
        self._seen: set[int] = set()
        self._held: list[Any] = []
        stack: list[Any] = [function]
        while stack and len(self._held) < LIMIT:
            found = stack.pop()
            if id(found) not in self._seen:
                self._seen.add(id(found))
                self._held.append(found)
                stack.extend(self._visit(found))
        self.remember()

    def remember(self) -> None:
        """Take what the places hold now for what they are to hold."""
        self._values = list(self._contents())
        self._identities = list(map(id, self._values))

    def unchanged(self) -> bool:
        """Whether every place holds the very object that it held."""
        return list(map(id, self._contents())) == self._identities

    def same(self) -> bool:
        """Whether every place holds what it held, numbers and text by their values; then remembered as it is now."""
        now = list(self._contents())
        if len(now) != len(self._values) or not all(map(_alike, now, self._values)):
            return False
        self.remember()
        return True

    def _contents(self) -> Iterator[Any]:
        return chain(
            chain.from_iterable([held.values() for held in self._dicts]),
            chain.from_iterable(self._sequences),
            [held.get(name) for held, names in self._attributes for name in names],
            [cell.cell_contents for cell in self._cells],
            [space.get(name) for space, name in self._globals],
        )

    def _visit(self, found: Any) -> list[Any]:
        """Note an object, and give what it refers to."""
        if isinstance(found, Tensor):
            self.tensors.append(found)
            return []
        if isinstance(found, np.random.Generator):
            self.generators.append(found)
            return []
        if isinstance(found, Optimizer):
            self.optimizers.append(found)
            return [*found.parameters, *(members for members, _ in found.groups)]
        if isinstance(found, types.FunctionType):
            return self._of_function(found)
        if isinstance(found, types.MethodType):
            return [found.__self__, found.__func__]
        if isinstance(found, (list, tuple, set, frozenset)):
            if not isinstance(found, (tuple, frozenset)):
                self._sequences.append(found)
            return list(found)
        if isinstance(found, dict):
            self._dicts.append(found)
            return list(found.values())
        if isinstance(found, (*_OPAQUE, Node, str, bytes, int, float, type(None))):
            return []
        if isinstance(found, Module):
            return self._of_module(found)
        return self._of_object(found)

    def _of_module(self, module: Module) -> list[Any]:
        self.modules.append(module)
        buffers = {name for owner, name in buffer_places(module) if owner is module}
        if not buffers:
            return self._of_object(module)
        # A buffer may be another array after each step: it is brought in where a plan starts.
        others = [name for name in vars(module) if name not in buffers]
        self._attributes.append((vars(module), others))
        return [vars(module)[name] for name in others]

    def _of_object(self, found: Any) -> list[Any]:
        inner = getattr(found, "__dict__", None)
        if not isinstance(inner, dict) or _is_fixed(found):
            return []
        self._dicts.append(inner)
        self._seen.add(id(inner))
        self._held.append(inner)
        return list(inner.values())

    def _of_function(self, function: types.FunctionType) -> list[Any]:
        if (function.__module__ or "").partition(".")[0] in _LIBRARIES:
            return [cell.cell_contents for cell in function.__closure__ or () if _filled(cell)]
        found: list[Any] = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
        for cell in function.__closure__ or ():
            if _filled(cell):
                self._cells.append(cell)
                found.append(cell.cell_contents)
        space = function.__globals__
        for name in sorted(_names(function.__code__)):
            if name in space:
                self._globals.append((space, name))
                found.append(space[name])
        return found


def _names(code: types.CodeType) -> set[str]:
    """The names that a function's code reads, those of functions within it included."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _names(constant)
    return found


def _is_fixed(found: object) -> bool:
    """Whether an object never changes: a frozen dataclass, a vocabulary, a data set."""
    dataclass = getattr(type(found), "__dataclass_params__", None)
    return getattr(dataclass, "frozen", False) or type(found).__module__.startswith("tinygrad_lm.text")


def _filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _alike(now: Any, then: Any) -> bool:
    """Whether two contents of a place mean the same to a step."""
    if now is then:
        return True
    plain = (int, float, str, bytes, bool, type(None), np.generic)
    return type(now) is type(then) and isinstance(now, plain) and bool(now == then)
