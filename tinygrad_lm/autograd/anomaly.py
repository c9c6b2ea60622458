"""``detect_anomaly``: name the first operation that makes a NaN or an infinity, forward or backward.

A block is an observer of the engines: it looks at every result while it is open, and nothing is paid outside.
Only the thread or task that entered the block is checked.
"""

from __future__ import annotations

import inspect
import linecache
import os
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Any

import numpy as np

from tinygrad_lm.autograd import observers, refilled
from tinygrad_lm.autograd.graph import Node, Operation, Scope, detach
from tinygrad_lm.autograd.tensor import Tensor

_OWN = (os.path.dirname(os.path.dirname(__file__)), os.path.dirname(np.__file__))  # noqa: PTH120 (pathlib is slow to import)


class detect_anomaly:
    """Inside, the first operation that produces NaN or infinity is an error.

    >>> from tinygrad_lm import Tensor
    >>> x = Tensor([4.0, 0.0], requires_grad=True)
    >>> with detect_anomaly():  # doctest: +ELLIPSIS
    ...     np.sqrt(x).sum().backward()
    Traceback (most recent call last):
    FloatingPointError: the backward pass of 'sqrt' gave inf at index (1,) ...

    The message names the operation, your own file and line that called it, the first bad index, how many elements
    are bad, and the range of every operand. An infinity that an operand holds already (a mask of ``-inf``, say) may
    be passed on; a NaN may not. Operations made before the block are checked in the backward pass too, but their
    line is not known. Inside, a step of a small model takes up to three times as long, one of a large model a fifth
    longer; outside nothing is paid.

    Raises
    ------
    FloatingPointError
        Inside the block, from the operation or from ``backward``.
    """

    def __init__(self) -> None:
        self._watches: list[_Watch] = []

    def __enter__(self) -> None:
        watch = _Watch()
        self._watches.append(watch)
        observers.add(watch)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Entered more than once, the block that this thread or task entered last is left.
        here = [watch for watch in self._watches if watch in observers.active()]
        watch = (here or self._watches)[-1]
        self._watches.remove(watch)
        observers.remove(watch)


class _Watch(observers.Observer):
    """What one block knows: the line that made each living node, and the plain arrays it was made of."""

    # NumPy's own warnings say less than the error that follows.
    quiet = True

    def __init__(self) -> None:
        self._lines: dict[int, tuple[weakref.ref[Node] | None, str, refilled.Copies]] = {}

    def forward(self, operation: Operation, operands: tuple[Any, ...], attributes: dict[str, Any], out: Node) -> None:
        """Remember the line, and check the result."""
        line = users_line()
        key, lines = id(out), self._lines
        # Of a Value the numbers themselves are recorded.
        kept = refilled.copies(operands, out.attributes) if isinstance(out, Tensor) and out.operation else {}
        lines[key] = (weakref.ref(out, lambda _: lines.pop(key, None)), line, kept)
        _check(
            detach(out),
            [detach(operand) for operand in operands],
            lambda bad: f"{operation.name!r} gave {bad}\n{line}{_scope(out)}",
            _operand_rows(operation, operands),
        )

    def backward(self, node: Node, gradient: Any, contributions: Sequence[Any]) -> None:
        """Check what a node hands on to its parents."""
        operation = node.operation
        name = operation.name if operation else "?"
        line, kept = "  made outside detect_anomaly(): its line is not known\n", refilled.Copies()
        if id(node) in self._lines:
            _, line, kept = self._lines[id(node)]
        if kept and isinstance(node, Tensor):
            refilled.check(node, gradient, kept, line)
        rows = [("its own gradient", detach(gradient)), *_operand_rows(operation, node.parents)]
        for position, contribution in enumerate(contributions):
            if contribution is None:
                continue
            _check(
                detach(contribution),
                [detach(gradient)],
                partial(_told, f"the backward pass of {name!r}", f" of the gradient to operand {position}", line, node),
                rows,
            )


def _told(what: str, of: str, line: str, node: Node, bad: str) -> str:
    return f"{what} gave {bad}{of}\n{line}{_scope(node)}"


def _check(result: Any, given: Sequence[Any], describe: Callable[[str], str], rows: Sequence[tuple[str, Any]]) -> None:
    array = np.asarray(result)
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return
    bad = np.isnan(array)
    if not bad.any():
        if any(_holds_infinity(x) for x in given):
            return
        bad = np.isinf(array)
    index = tuple(int(i) for i in np.argwhere(bad)[0])
    where = f" at index {index}" if index else ""
    number = f" ({int(bad.sum())} of {array.size} elements are)" if array.size > 1 else ""
    table = "".join(f"  {name}: {_range(x)}\n" for name, x in rows)
    raise FloatingPointError(f"{describe(f'{array[index]}{where}{number}')}{table}".rstrip())


def _holds_infinity(x: Any) -> bool:
    array = np.asarray(x)
    return array.dtype.kind == "f" and bool(np.isinf(array).any())


def _operand_rows(operation: Operation | None, operands: Sequence[Any]) -> list[tuple[str, Any]]:
    names = [f" {operand.label!r}" if isinstance(operand, Node) and operand.label else "" for operand in operands]
    return [(f"operand {i}{name}", detach(x)) for i, (name, x) in enumerate(zip(names, operands, strict=True))]


def _range(x: Any) -> str:
    array = np.asarray(x)
    shape = f"shape {array.shape}, " if array.ndim else ""
    if array.dtype.kind not in "biuf" or not array.size:
        return f"{shape}{array.dtype}"
    finite = array[np.isfinite(array)]
    if not array.ndim:
        return f"{array.item()}"
    spread = f"from {finite.min():.6g} to {finite.max():.6g}" if finite.size else "no finite element"
    odd = {"nan": np.isnan(array), "inf": np.isposinf(array), "-inf": np.isneginf(array)}
    counts = [f"{int(mask.sum())} {name}" for name, mask in odd.items() if mask.any()]
    return f"{shape}{spread}{', and ' if counts else ''}{', '.join(counts)}"


def _scope(node: Node) -> str:
    names: list[str] = []
    scope: Scope | None = node.scope
    while scope is not None:
        names.append(scope.name)
        scope = scope.parent
    return f"  in module {'.'.join(reversed(names))}\n" if names else ""


def users_line() -> str:
    """The innermost line on the stack that is neither this package's nor NumPy's."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_back is not None and frame.f_code.co_filename.startswith(_OWN):
        frame = frame.f_back
    if frame is None:
        return ""
    file, number = frame.f_code.co_filename, frame.f_lineno
    source = linecache.getline(file, number).strip()
    return f'  File "{file}", line {number}, in {frame.f_code.co_name}\n' + (f"    {source}\n" if source else "")
