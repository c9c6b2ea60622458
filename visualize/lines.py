"""Which line of the user's code made a node: recorded while ``tracing()`` is on, and free when it is off."""

from __future__ import annotations

import inspect
import linecache
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import PurePath
from threading import Lock
from typing import Any

from tinygrad_lm.autograd import Tensor, Value
from tinygrad_lm.autograd.graph import Node

_ROOMS = ("tinygrad_lm", "visualize", "numpy")
"""Packages whose own lines are not the user's."""

_recording: ContextVar[bool] = ContextVar("visualize.recording", default=False)
_places: dict[int, tuple[weakref.ref[Node], str, int]] = {}
_lock = Lock()
_users = 0
_originals: dict[type[Node], Any] = {}


@contextmanager
def tracing() -> Generator[None]:
    """Inside, every new node remembers the line of code that made it.

    >>> from tinygrad_lm import Value
    >>> with tracing():
    ...     y = Value(3.0) * 2

    While no one is tracing the engines run as they are. Other threads and tasks are not recorded.
    """
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            for kind in (Value, Tensor):
                _watch(kind)
    token = _recording.set(True)
    try:
        yield
    finally:
        _recording.reset(token)
        with _lock:
            _users -= 1
            if _users == 0:
                for kind, original in _originals.items():
                    setattr(kind, "apply", original)  # noqa: B010
                _originals.clear()


def _watch(kind: type[Node]) -> None:
    """Let an engine's ``apply`` note the line it was called from."""
    original = vars(kind)["apply"]
    function: Callable[..., Any] = original.__func__

    def apply(cls: type[Node], operation: Any, operands: tuple[Any, ...], attributes: dict[str, Any]) -> Any:
        out = function(cls, operation, operands, attributes)
        if _recording.get() and isinstance(out, Node):
            _remember(out)
        return out

    _originals[kind] = original
    setattr(kind, "apply", classmethod(apply))  # noqa: B010


def _remember(node: Node) -> None:
    frame = inspect.currentframe()
    while frame is not None and str(frame.f_globals.get("__name__", "")).partition(".")[0] in _ROOMS:
        frame = frame.f_back
    if frame is not None:
        key = id(node)

        def forget(_: object, key: int = key) -> None:
            _places.pop(key, None)

        _places[key] = (weakref.ref(node, forget), frame.f_code.co_filename, frame.f_lineno)


def place_of(node: Node) -> tuple[str, int, str] | None:
    """The file, the line's number and its text, where they were recorded."""
    place = _places.get(id(node))
    if place is None or place[0]() is not node:
        return None
    _, file, line = place
    return file, line, linecache.getline(file, line).strip()


def line_of(node: Node) -> str:
    """The line of code that made a node, or where it is if its text cannot be read; empty if not recorded."""
    place = place_of(node)
    if place is None:
        return ""
    file, line, text = place
    return text or f"{PurePath(file).name}:{line}"
