"""Who watches the engines: blocks that see every operation, and every step of the backward pass.

The engines ask at each operation whether this thread or task has an open block; where none is, that question is all
they pay.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

if TYPE_CHECKING:
    from tinygrad_lm.autograd.graph import Node, Operation

P = ParamSpec("P")
Result = TypeVar("Result")


class Observer:
    """What one open block does with what it sees."""

    closed = False
    quiet = False
    """Whether NumPy's floating-point warnings are held back while operations are watched."""

    def forward(
        self, operation: Operation, operands: tuple[object, ...], attributes: dict[str, Any], out: Node
    ) -> None:
        """An operation was computed."""

    def backward(self, node: Node, gradient: Any, contributions: Sequence[Any]) -> None:
        """A node handed its gradient on to its parents."""

    def call(self, function: Callable[..., Any], args: Sequence[Any], options: dict[str, Any]) -> Any:
        """A function that is seen ``as_one`` is called; returns what it gives."""
        return function(*args, **options)


_observers: ContextVar[tuple[Observer, ...]] = ContextVar("tinygrad_lm.observers", default=())

observing = _observers.get
"""The observers of this thread or task, those closed from elsewhere included: what the engines ask."""


def active() -> tuple[Observer, ...]:
    """The open observers of this thread or task, the newest last."""
    return tuple([observer for observer in observing() if not observer.closed])


def add(observer: Observer) -> None:
    """Let an observer see what this thread or task computes from now on."""
    _observers.set((*active(), observer))


def remove(observer: Observer) -> None:
    """End what ``add`` began: in any order, and from any thread or task."""
    # Contexts that this one cannot reach, such as a task's copy, learn of the end by this mark.
    observer.closed = True
    _observers.set(active())


def watched(function: Callable[..., Result], *args: object, **kwargs: object) -> Result:
    """What a function returns, computed as the open observers want it: with NumPy's warnings, or without."""
    quiet = any(observer.quiet for observer in active())
    with np.errstate(all="ignore") if quiet else contextlib.nullcontext():
        return function(*args, **kwargs)


def tell_forward(operation: Operation, operands: tuple[object, ...], attributes: dict[str, Any], out: Node) -> None:
    """Tell the open observers of an operation that was computed."""
    for observer in active():
        observer.forward(operation, operands, attributes, out)


def tell_backward(node: Node, hand_on: Callable[..., Sequence[Any]], gradient: Any, *rest: Any) -> Sequence[Any]:
    """Let a node hand its gradient on, and tell the open observers what that came to."""
    contributions = watched(hand_on, gradient, *rest)
    for observer in active():
        observer.backward(node, gradient, contributions)
    return contributions


def as_one(function: Callable[P, Result]) -> Callable[P, Result]:
    """A function that the observers see as one call, with nothing of what it reads and changes (a decorator).

    For what an operation is given beside its operands (ids, masks), and for what steps parameters.
    """

    @functools.wraps(function)
    def call(*args: P.args, **options: P.kwargs) -> Result:
        if not observing():
            return function(*args, **options)
        within: Callable[..., Result] = function
        for observer in active():
            within = functools.partial(_told, observer, within)
        return within(*args, **options)

    return call


def _told(observer: Observer, function: Callable[..., Any], *args: object, **options: Any) -> Any:
    return observer.call(function, args, options)
