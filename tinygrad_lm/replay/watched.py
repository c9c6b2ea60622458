"""What notices that it is read or changed while a step is recorded: tensors, optimizers, numbers made of arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, cast

import numpy as np

from tinygrad_lm.autograd.graph import Node, Operation
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.optim import Optimizer
from tinygrad_lm.replay.events import Backward, Branch, Cleared, Plain
from tinygrad_lm.replay.notes import Notes, here

_GRAD: Any = vars(Node)["grad"]
"""Where a node keeps its gradient."""


def _noticed(name: str, what: str, own: Callable[..., object]) -> Any:
    def method(self: Tensor, *args: object, **options: object) -> object:
        notes = here()
        if notes is None:
            return own(self, *args, **options)
        notes.note(what)
        with notes.whole():
            return own(self, *args, **options)

    method.__name__ = name
    return method


def _read(name: str) -> Any:
    shown = {"__array__": "np.asarray(x)", "__format__": "a text", "__repr__": "a text", "__index__": "an index"}
    word = shown.get(name, name.strip("_") + "()")
    what = f"a tensor was read into Python by {word}: what follows may depend on its numbers"
    return _noticed(name, what, getattr(Tensor, name))


def _changed(name: str, word: str) -> Any:
    return _noticed(
        name, f"a tensor was changed by {word}: only an optimizer's step is recorded", getattr(Tensor, name)
    )


class Watched(Tensor):
    """A tensor while a step is recorded: reading it into Python is noticed."""

    __slots__ = ()

    item, tolist, numpy = _read("item"), _read("tolist"), _read("numpy")
    __array__, __float__, __int__ = _read("__array__"), _read("__float__"), _read("__int__")
    __index__, __format__, __repr__ = _read("__index__"), _read("__format__"), _read("__repr__")
    __deepcopy__ = _read("__deepcopy__")
    requires_grad_ = _changed("requires_grad_", "requires_grad_()")

    @property
    def data(self) -> Any:
        """The array itself, which is noticed."""
        notes = here()
        if notes is not None:
            notes.note("a tensor's data was read: what follows may depend on its numbers")
        return _DATA.__get__(self)

    @data.setter
    def data(self, new: object) -> None:
        notes = here()
        if notes is not None:
            notes.changed = True
            notes.note("a tensor's data was set: only an optimizer's step is recorded")
        _DATA.__set__(self, new)

    @property
    def grad(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The gradient, which is noticed."""
        notes = here()
        if notes is not None:
            notes.note("a gradient was read within the step: look at it afterwards")
        return _GRAD.__get__(self)

    @grad.setter
    def grad(self, new: object) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        notes = here()
        if notes is not None:
            if new is not None:
                notes.note("a gradient was set within the step")
            elif self.is_leaf:
                notes.events.append(Cleared(self))
        _GRAD.__set__(self, new)

    def __hash__(self) -> int:
        notes = here()
        if notes is not None and id(self) in notes.arrays:
            notes.otherwise(self, "was looked up in a set or a dictionary")
        return object.__hash__(self)

    def __setitem__(self, index: object, value: object) -> None:
        notes = here()
        if notes is None:
            Tensor.__setitem__(self, index, value)
            return
        notes.otherwise(self, "was changed in place")
        notes.changed = True
        notes.note("a tensor was changed by x[i] = ...: only an optimizer's step is recorded")
        with notes.whole():
            Tensor.__setitem__(self, index, value)

    def _in_place(self, operation: Operation, other: object) -> Any:
        notes = here()
        if notes is not None:
            notes.otherwise(self, "was changed in place")
        return super()._in_place(operation, other)

    def sort(self, *args: Any, **options: Any) -> Any:
        """PyTorch's pair, which NumPy's word does not give."""
        notes = here()
        if notes is not None:
            notes.otherwise(self, "was sorted in place")
        return super().sort(*args, **options)

    def __bool__(self) -> bool:
        notes = here()
        outcome = Tensor.__bool__(self)
        if notes is not None:
            notes.events.append(Branch(self, outcome))
        return outcome

    def detach(self) -> Tensor:
        """A copy without a graph."""
        return self._without_graph(np.copy, (self,))

    def backward(self, gradient: object = None, retain_graph: bool = True) -> None:
        """The backward pass, noted as one event."""
        notes = here()
        if notes is None:
            Tensor.backward(self, gradient, retain_graph)
        else:
            _sweep(notes, self, gradient, retain_graph)

    @classmethod
    def _without_graph(cls, function: Callable[..., Any], inputs: tuple[object, ...], **options: object) -> Tensor:
        notes = here()
        if notes is None:
            return super()._without_graph(function, inputs, **options)
        with notes.whole():
            out = Tensor._without_graph(function, inputs, **options)
        notes.events.append(Plain(function, inputs, options, out))
        watch(notes, (out,))
        notes.mark(inputs, out)
        return out


_DATA: Any = Tensor.data


@cache
def _watched(cls: type[Tensor]) -> type[Tensor]:
    """The class of a tensor of ``cls`` while it is watched."""
    return type(cls.__name__, (Watched,) if cls is Tensor else (Watched, cls), {"__slots__": ()})


def _sweep(notes: Notes, root: Tensor, gradient: object, retain_graph: bool) -> None:
    """Note a backward pass, and make it."""
    tensors = [found for found, _ in notes.classes if isinstance(found, Tensor)]
    kept = {id(leaf): _GRAD.__get__(leaf) is not None for leaf in tensors if leaf.is_leaf and leaf.requires_grad}
    notes.swept = notes.changed = True
    try:
        with notes.whole():
            Tensor.backward(root, gradient, retain_graph)
    finally:
        notes.swept = False
    notes.events.append(Backward(root, gradient, kept))


class WatchedOptimizer(Optimizer):
    """An optimizer while a step is recorded: what it steps with is noticed when it is read or changed."""

    def zero_grad(self) -> None:
        """Forget the gradients."""
        notes = here()
        if notes is None:
            super().zero_grad()
            return
        notes.clearing = True
        try:
            super().zero_grad()
        finally:
            notes.clearing = False

    @property
    def parameters(self) -> list[Any]:
        """All parameters in their order, which the step can see anyway."""
        groups = cast("list[tuple[list[Any], Any]]", vars(self)["groups"])
        return [parameter for members, _ in groups for parameter in members]


def _noticed_place(name: str) -> property:
    def tell(did: str) -> None:
        notes = here()
        if notes is not None and not notes.clearing:
            notes.note(f"an optimizer's {name} was {did} within the step: do so between two calls")

    def read(self: Optimizer) -> object:
        tell("read")
        return cast("dict[str, object]", vars(self))[name]

    def change(self: Optimizer, new: object) -> None:
        tell("set")
        vars(self)[name] = new

    return property(read, change)


@cache
def _watched_optimizer(cls: type[Optimizer]) -> type[Optimizer]:
    """The class of an optimizer of ``cls`` while it is watched."""
    places = {name: _noticed_place(name) for name in ("scale", "groups", "state", "counts")}
    return type(cls.__name__, (WatchedOptimizer, cls), places)


def watch(notes: Notes, tensors: Iterable[Tensor]) -> None:
    """From now on notice what is read of tensors."""
    for tensor in tensors:
        cls = type(tensor)
        if not issubclass(cls, Watched):
            notes.classes.append((tensor, cls))
            tensor.__class__ = _watched(cls)


def watch_optimizers(notes: Notes, optimizers: Iterable[Optimizer]) -> None:
    """From now on notice what is read of optimizers, or changed: what they step with is no part of a plan."""
    for optimizer in optimizers:
        notes.classes.append((optimizer, type(optimizer)))
        optimizer.__class__ = _watched_optimizer(type(optimizer))


class Unread:
    """A number that a function made of arrays, such as the norm that ``clip_grad_norm_`` returns: noticed when used."""

    __slots__ = ("_notes", "_number")

    def __init__(self, number: float, notes: Notes) -> None:
        self._number, self._notes = number, notes

    def _read(self) -> float:
        notes = here()
        if notes is not None and notes is self._notes:
            notes.note("a number that was computed from arrays was read within the step")
        return self._number

    def plain(self) -> float:
        """The number, which is not noticed."""
        return self._number

    def __getattr__(self, name: str) -> object:
        return getattr(self._read(), name)


def _forwarded(name: str) -> Callable[..., object]:
    def method(self: Unread, *args: object) -> object:
        return getattr(self._read(), name)(*args)

    return method


for _name in (
    *("__float__", "__int__", "__bool__", "__index__", "__format__", "__repr__", "__str__", "__hash__", "__round__"),
    *("__add__", "__radd__", "__sub__", "__rsub__", "__mul__", "__rmul__", "__truediv__", "__rtruediv__", "__pow__"),
    *("__lt__", "__le__", "__gt__", "__ge__", "__eq__", "__ne__", "__neg__", "__abs__"),
):
    setattr(Unread, _name, _forwarded(_name))
