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

_STANDARD = PurePath(linecache.__file__).parent

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
    name: str
    """The variable that the node is assigned to; empty where it was only made on the way to a value."""


@dataclass(frozen=True, slots=True)
class _Role:
    """What becomes of an expression's value, and the first and the last line of the statement that it stands in."""

    name: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class _Pending:
    record: _Record
    at: int
    """The instruction that made it."""
    first: int
    last: int


_records: dict[int, _Record] = {}


class _Recorder(observers.Observer):
    """Notes the line that each new node was made on."""

    def __init__(self) -> None:
        self._pending: dict[FrameType, list[_Pending]] = {}
        """In each call of a function the nodes that are about to be assigned to variables of it."""

    def forward(
        self, operation: Operation, operands: tuple[object, ...], attributes: dict[str, object], out: Node
    ) -> None:
        """Remember the innermost line that is the user's."""
        frame = _users(inspect.currentframe())
        if frame is None or place_of(out) is not None:
            return
        self._settle_around(frame)
        key = id(out)

        def forget(_: object, key: int = key) -> None:
            _records.pop(key, None)

        record = _records[key] = _Record(weakref.ref(out, forget), frame.f_code.co_filename, frame.f_lineno, "")
        role = _role_in(frame)
        # What a function returns is what the call of it gives.
        while role is not None and role.name == _RETURNED and (caller := _users(frame.f_back)) is not None:
            frame = caller
            role = _role_in(frame)
        if role is not None and role.name != _RETURNED:
            record.name = role.name
            self._pending.setdefault(frame, []).append(_Pending(record, frame.f_lasti, role.first, role.last))

    def settle(self) -> None:
        """Take back the names of nodes that their variables do not hold."""
        for frame, waiting in self._pending.items():
            for each in waiting:
                _settle(frame, each.record)
        self._pending.clear()

    def _settle_around(self, frame: FrameType | None) -> None:
        """The same for this call and those around it, before another node is made there."""
        while frame is not None and self._pending:
            left: list[_Pending] = []
            for each in self._pending.pop(frame, ()):
                # The parts of ``q, k = f(x), g(x)`` are assigned when the last of them is there.
                if frame.f_lasti > each.at and each.first <= frame.f_lineno <= each.last:
                    left.append(each)
                else:
                    _settle(frame, each.record)
            if left:
                self._pending[frame] = left
            frame = frame.f_back


def _settle(frame: FrameType, record: _Record) -> None:
    """Take back a node's name if the variable holds something else: a list that it is in, or what came of it later."""
    own = frame.f_locals
    held = own[record.name] if record.name in own else frame.f_globals.get(record.name)
    if held is not record.node():
        record.name = ""


def _role_in(frame: FrameType) -> _Role | None:
    """What becomes of the value of the expression that a call of a function computes now."""
    spans, at = _spans_of(frame.f_code), frame.f_lasti // 2
    return _roles_in(frame.f_code.co_filename).get(spans[at]) if 0 <= at < len(spans) else None


def _users(frame: FrameType | None) -> FrameType | None:
    """The innermost call of a function of the user's; ``None`` where it is the call that asked for a picture."""
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name == _ASKING:
            return None
        if name.partition(".")[0] not in _OWN and not _is_pythons(frame.f_code.co_filename):
            return frame
        frame = frame.f_back
    return None


@lru_cache(maxsize=1024)
def _is_pythons(file: str) -> bool:
    """Whether a file belongs to the standard library, whose variables are not the user's."""
    path = PurePath(file)
    return path.is_relative_to(_STANDARD) and not {"site-packages", "dist-packages"} & {*path.parts}


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
        recorder.settle()


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
    return "" if record is None or record.node() is not node else record.name


_RETURNED = "return"


_known: dict[str, tuple[list[str], dict[Span, _Role]]] = {}


def _roles_in(file: str) -> dict[Span, _Role]:
    """What becomes of the values of a file's expressions: the name that each is assigned to, or ``return``."""
    lines = linecache.getlines(file)
    if file not in _known or _known[file][0] is not lines:
        _known[file] = lines, _roles("".join(lines))
    return _known[file][1]


def _roles(text: str) -> dict[Span, _Role]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return {}
    found: dict[Span, _Role] = {}
    for statement in ast.walk(tree):
        match statement:
            case ast.Assign(targets=[target, *_], value=value):
                _assign(target, value, statement, found)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                _assign(target, value, statement, found)
            case ast.NamedExpr(target=target, value=value):
                _assign(target, value, statement, found)
            case ast.AugAssign(target=ast.Name(id=name)):
                found[_span(statement)] = _role(name, statement)
            case ast.Return(value=ast.expr() as value):
                found[_span(value)] = _role(_RETURNED, statement)
            case _:
                pass
    return found


def _assign(target: ast.expr, value: ast.expr, statement: ast.expr | ast.stmt, found: dict[Span, _Role]) -> None:
    """Note what an assignment calls its value, or the parts of it that it takes apart."""
    match target, value:
        case _, ast.IfExp(body=body, orelse=other):
            _assign(target, body, statement, found)
            _assign(target, other, statement, found)
        case ast.Name(id=name), _:
            found[_span(value)] = _role(name, statement)
        case ((ast.Tuple(elts=names) | ast.List(elts=names)), (ast.Tuple(elts=values) | ast.List(elts=values))):
            if len(names) == len(values) and not any(isinstance(part, ast.Starred) for part in (*names, *values)):
                for name, part in zip(names, values, strict=True):
                    _assign(name, part, statement, found)
        case _:
            pass


def _role(name: str, statement: ast.expr | ast.stmt) -> _Role:
    return _Role(name, statement.lineno, statement.end_lineno or statement.lineno)


def _span(part: ast.expr | ast.stmt) -> Span:
    return part.lineno, part.end_lineno, part.col_offset, part.end_col_offset
