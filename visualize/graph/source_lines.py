"""Which line of the user's code made a node: recorded while ``tracing()`` is on, and free when it is off."""

from __future__ import annotations

import inspect
import linecache
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import PurePath

from tinygrad_lm.autograd import observers
from tinygrad_lm.autograd.graph import Node, Operation

_OWN = ("tinygrad_lm", "visualize", "numpy")
"""Packages whose own lines are not the user's."""

_places: dict[int, tuple[weakref.ref[Node], str, int]] = {}


class _Recorder(observers.Observer):
    """Notes the line that each new node was made on."""

    def forward(
        self, operation: Operation, operands: tuple[object, ...], attributes: dict[str, object], out: Node
    ) -> None:
        """Remember the innermost line that is the user's."""
        if place_of(out) is None:
            _remember(out)


@contextmanager
def tracing() -> Generator[None]:
    """A context in which every new node remembers the line of code that made it.

    Outside of it the engines run as fast as ever. Other threads and tasks are not recorded.

    Examples
    --------
    >>> from tinygrad_lm import Value
    >>> with tracing():
    ...     y = Value(3.0) * 2
    """
    recorder = _Recorder()
    observers.add(recorder)
    try:
        yield
    finally:
        observers.remove(recorder)


def _remember(node: Node) -> None:
    frame = inspect.currentframe()
    while frame is not None and str(frame.f_globals.get("__name__", "")).partition(".")[0] in _OWN:
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
