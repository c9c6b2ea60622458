"""Which line of the user's code made a node: recorded while ``tracing()`` is on, and free when it is off."""

from __future__ import annotations

import ast
import inspect
import linecache
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePath
from types import CodeType, FrameType

from tinygrad_lm.autograd import observers
from tinygrad_lm.autograd.graph import Node, Operation

_OWN = ("tinygrad_lm", "visualize", "numpy")
"""Packages whose own lines are not the user's."""

_ASKING = "visualize.graph.roots"
"""What calls a model to draw it: the lines from where that was asked for are none of the model's."""

Span = tuple[int | None, int | None, int | None, int | None]
"""Where an expression stands: its first and last line, its first and last column (in bytes of UTF-8)."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the user's code a node was made."""

    file: str
    line: int
    text: str
    """The line itself; empty if it cannot be read."""


@dataclass(slots=True)
class _Record:
    node: weakref.ref[Node]
    file: str
    line: int
    value_of: tuple[str, Span] | None
    """The file and the expression whose value the node is; ``None`` where it was only made on the way to one."""


_records: dict[int, _Record] = {}


class _Recorder(observers.Observer):
    """Notes the line that each new node was made on."""

    def __init__(self) -> None:
        self._latest: dict[tuple[CodeType, Span], tuple[FrameType, int]] = {}
        """The last node that each expression made, and in which call of the function that it stands in."""

    def forward(
        self, operation: Operation, operands: tuple[object, ...], attributes: dict[str, object], out: Node
    ) -> None:
        """Remember the innermost line that is the user's."""
        frame = _users(inspect.currentframe())
        if frame is None or place_of(out) is not None:
            return
        key = id(out)

        def forget(_: object, key: int = key) -> None:
            _records.pop(key, None)

        file, line = frame.f_code.co_filename, frame.f_lineno
        span = self._one_result_each(frame, key)
        # What a function returns is what the call of it gives.
        while _roles_in(frame.f_code.co_filename).get(span) == _RETURNED:
            caller = _users(frame.f_back)
            if caller is None:
                break
            frame = caller
            span = self._one_result_each(frame, key)
        _records[key] = _Record(weakref.ref(out, forget), file, line, (frame.f_code.co_filename, span))

    def _one_result_each(self, frame: FrameType, key: int) -> Span:
        """The expression that is computed; of all nodes that one makes, as ``y = model(x)``, the last is its value."""
        spans, at = _spans_of(frame.f_code), frame.f_lasti // 2
        span = spans[at] if 0 <= at < len(spans) else (None, None, None, None)
        before = self._latest.get((frame.f_code, span))
        self._latest[frame.f_code, span] = (frame, key)
        if before is not None and before[0] is frame and before[1] != key and before[1] in _records:
            record = _records[before[1]]
            node = record.node()
            # The expression may have run before, in a loop: what it gave then is still in the variable.
            if node is None or all(x is not node for x in frame.f_locals.values()):
                record.value_of = None
        return span


def _users(frame: FrameType | None) -> FrameType | None:
    """The innermost call of a function of the user's; ``None`` where it is the call that asked for a picture."""
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name == _ASKING:
            return None
        if name.partition(".")[0] not in _OWN:
            return frame
        frame = frame.f_back
    return None


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


@lru_cache(maxsize=64)
def _spans_of(code: CodeType) -> list[Span]:
    """The expression behind each instruction of a function."""
    return [*code.co_positions()]


def place_of(node: Node) -> Place | None:
    """Where a node was made, if that was recorded."""
    record = _records.get(id(node))
    if record is None or record.node() is not node:
        return None
    return Place(record.file, record.line, linecache.getline(record.file, record.line).strip())


def line_of(node: Node) -> str:
    """The line of code that made a node, or where it is if its text cannot be read; empty if not recorded."""
    place = place_of(node)
    if place is None:
        return ""
    return place.text or f"{PurePath(place.file).name}:{place.line}"


def assigned_name(node: Node) -> str:
    """What the recorded line calls a node: ``b`` for the sum of ``b = 2 * a + c``; empty where it gives it no name."""
    record = _records.get(id(node))
    if record is None or record.node() is not node or record.value_of is None:
        return ""
    file, span = record.value_of
    name = _roles_in(file).get(span, "")
    return "" if name == _RETURNED else name


_RETURNED = "return"


_known: dict[str, tuple[list[str], dict[Span, str]]] = {}


def _roles_in(file: str) -> dict[Span, str]:
    """What becomes of the values of a file's expressions: the name that each is assigned to, or ``return``."""
    lines = linecache.getlines(file)
    if file not in _known or _known[file][0] is not lines:
        _known[file] = lines, _roles("".join(lines))
    return _known[file][1]


def _roles(text: str) -> dict[Span, str]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return {}
    found: dict[Span, str] = {}
    for statement in ast.walk(tree):
        match statement:
            case ast.Assign(targets=[target, *_], value=value):
                _assign(target, value, found)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                _assign(target, value, found)
            case ast.NamedExpr(target=target, value=value):
                _assign(target, value, found)
            case ast.AugAssign(target=ast.Name(id=name)):
                found[_span(statement)] = name
            case ast.Return(value=ast.expr() as value):
                found[_span(value)] = _RETURNED
            case _:
                pass
    return found


def _assign(target: ast.expr, value: ast.expr, found: dict[Span, str]) -> None:
    """Note what an assignment calls its value, or the parts of it that it takes apart."""
    match target, value:
        case _, ast.IfExp(body=body, orelse=other):
            _assign(target, body, found)
            _assign(target, other, found)
        case ast.Name(id=name), _:
            found[_span(value)] = name
        case ((ast.Tuple(elts=names) | ast.List(elts=names)), (ast.Tuple(elts=values) | ast.List(elts=values))):
            if len(names) == len(values) and not any(isinstance(part, ast.Starred) for part in (*names, *values)):
                for name, part in zip(names, values, strict=True):
                    _assign(name, part, found)
        case _:
            pass


def _span(part: ast.expr | ast.stmt) -> Span:
    return part.lineno, part.end_lineno, part.col_offset, part.end_col_offset
