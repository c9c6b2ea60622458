"""Lines that are not too long: part of a long statement gets a name of its own, in a line before it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any

ROOM = 96
"""So many characters has a statement within a function."""

SHORTEST = 20
"""A part of fewer characters gets no name."""

_WORDS = {
    "Add": "total",
    "Sub": "shifted",
    "Mult": "scaled",
    "Div": "ratio",
    "MatMult": "product",
    "Pow": "power",
    "Compare": "mask",
    "Subscript": "part",
    "absolute": "size",
    "all": "every",
    "any": "some",
    "concatenate": "joined",
    "divide": "ratio",
    "dot": "sums",
    "empty": "buffer",
    "exp": "e",
    "max": "largest",
    "mean": "means",
    "min": "smallest",
    "minimum": "bounded",
    "pad": "padded",
    "sqrt": "root",
    "stack": "joined",
    "sum": "sums",
    "where": "chosen",
}
"""What an array is called that nobody else has named, by what makes it."""

_SAME = frozenset({"reshape", "transpose", "copy", "astype", "swapaxes"})


def word(written: ast.expr) -> str:
    """What an array is called that has no other name."""
    if isinstance(written, ast.BinOp):
        return _WORDS.get(type(written.op).__name__, "mask")
    if isinstance(written, ast.UnaryOp):
        return word(written.operand)
    if isinstance(written, ast.Attribute):
        return word(written.value)
    if isinstance(written, ast.Call) and isinstance(written.func, ast.Attribute):
        name = written.func.attr
        inner = isinstance(written.func.value, ast.Name) or name not in _SAME
        return _WORDS.get(name, "rows" if name in _SAME else name) if inner else word(written.func.value)
    return _WORDS.get(type(written).__name__, "x")


def split(statement: ast.stmt, unique: Callable[[str], str]) -> Iterator[ast.stmt]:
    """The statement, after others that compute part of it where it would be too long."""
    holder: Any = statement
    while len(ast.unparse(ast.fix_missing_locations(statement))) > ROOM:
        part = _part(holder.value)
        if part is None:
            break
        called = getattr(part, "called", "")
        name = unique(called if 0 < len(called) < SHORTEST else word(part))
        text = ast.dump(part)
        yield ast.Assign([ast.Name(name, ast.Store())], part, lineno=0)
        holder.value = _Replacing(text, name).visit(holder.value)
    yield statement


def _part(whole: ast.expr) -> ast.expr | None:
    """The longest part that fits into a line and leaves something over."""
    best, most = None, SHORTEST
    for part in ast.walk(whole):
        if part is whole or not isinstance(part, (ast.BinOp, ast.Call, ast.Subscript, ast.Compare)):
            continue
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and part.func.attr in _DTYPES:
            continue
        length = len(ast.unparse(part))
        if most < length <= ROOM - 20:
            best, most = part, length
    return best


_DTYPES = frozenset({"float32", "float64", "int64"})


class _Replacing(ast.NodeTransformer):
    def __init__(self, text: str, name: str) -> None:
        self._text, self._name = text, name

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.expr) and ast.dump(node) == self._text:
            return ast.Name(self._name, ast.Load())
        return super().generic_visit(node)
