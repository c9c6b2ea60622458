"""Who watches the engines: blocks that see every operation and every step of the backward pass.

While any block is open anywhere, ``apply`` and ``pull`` of both engines are replaced by versions that tell the open
blocks of this thread or task; otherwise the engines' own methods are in place, and nothing is paid.
"""

# Operands may be floats, arrays or nodes: their types are not inferred here.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np

from tinygrad_lm.autograd.graph import Node, Operation
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.value import Value


class Observer:
    """What one open block does with what it sees."""

    closed = False
    quiet = False
    """Whether NumPy's floating-point warnings are held back while operations are watched."""

    def forward(self, operation: Operation, operands: tuple[Any, ...], out: Node) -> None:
        """An operation was computed."""

    def backward(self, node: Node, gradient: Any, contributions: Sequence[Any]) -> None:
        """A node handed its gradient on to its parents."""


_observers: ContextVar[tuple[Observer, ...]] = ContextVar("tinygrad_lm.observers", default=())
_lock = threading.Lock()
_open = 0
_plain: dict[tuple[type[Node], str], Any] = {}


def active() -> tuple[Observer, ...]:
    """The open observers of this thread or task, the newest last."""
    return tuple([observer for observer in _observers.get() if not observer.closed])


def add(observer: Observer) -> None:
    """Let an observer see what this thread or task computes from now on."""
    global _open
    _observers.set((*active(), observer))
    with _lock:
        _open += 1
        if _open == 1:
            _replace_methods()


def remove(observer: Observer) -> None:
    """End what ``add`` began: in any order, and from any thread or task."""
    global _open
    with _lock:
        if observer.closed:
            return
        # Contexts that this one cannot reach, such as a task's copy, learn of the end by this mark.
        observer.closed = True
        _open -= 1
        if not _open:
            for (engine, method), plain in _plain.items():
                setattr(engine, method, plain)
            _plain.clear()
    _observers.set(active())


def _replace_methods() -> None:
    for engine in (Tensor, Value):
        methods = vars(engine)
        for method, watched in (
            ("apply", classmethod(_watched_apply(methods["apply"].__func__))),
            ("pull", _watched_pull(methods["pull"])),
        ):
            _plain[engine, method] = methods[method]
            setattr(engine, method, watched)


def _numpy_warnings(observers: Sequence[Observer]) -> contextlib.AbstractContextManager[Any]:
    quiet = any(observer.quiet for observer in observers)
    return np.errstate(all="ignore") if quiet else contextlib.nullcontext()


def _watched_apply(plain: Any) -> Any:
    def apply(cls: type[Node], operation: Operation, operands: tuple[Any, ...], attributes: dict[str, Any]) -> Any:
        observers = active()
        with _numpy_warnings(observers):
            out = plain(cls, operation, operands, attributes)
        if isinstance(out, Node):
            for observer in observers:
                observer.forward(operation, operands, out)
        return out

    return apply


def _watched_pull(plain: Any) -> Any:
    def pull(node: Node, gradient: Any, create_graph: bool, wanted: set[Node] | None) -> Any:
        observers = active()
        with _numpy_warnings(observers):
            contributions = plain(node, gradient, create_graph, wanted)
        for observer in observers:
            observer.backward(node, gradient, contributions)
        return contributions

    return pull
