"""``Letter``: a number that is written by its name, so that what is computed with it can be read."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np


class Letter(float):
    """A float with the expression that it comes from."""

    node: ast.expr

    def __new__(cls, value: float, node: ast.expr | str) -> Letter:
        """A number, and its name or expression."""
        self = super().__new__(cls, value)
        self.node = ast.Name(node, ast.Load()) if isinstance(node, str) else node
        return self

    def item(self) -> Letter:
        """The number itself."""
        return self

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if any(not isinstance(x, (int, float)) for x in inputs) or options or method != "__call__":
            return NotImplemented
        # A float of Python's own, as the number is: NumPy's would make float64 of all that it meets.
        call = ast.Call(
            ast.Attribute(ast.Name("math", ast.Load()), ufunc.__name__, ast.Load()), [*map(_node, inputs)], []
        )
        return Letter(float(ufunc(*map(float, inputs))), call)

    def __add__(self, other: Any) -> Any:
        return _joined(self, ast.Add(), other, float.__add__)

    def __radd__(self, other: Any) -> Any:
        return _joined(other, ast.Add(), self, float.__add__)

    def __sub__(self, other: Any) -> Any:
        return _joined(self, ast.Sub(), other, float.__sub__)

    def __rsub__(self, other: Any) -> Any:
        return _joined(other, ast.Sub(), self, float.__sub__)

    def __mul__(self, other: Any) -> Any:
        return self if other == 1 and not isinstance(other, Letter) else _joined(self, ast.Mult(), other, float.__mul__)

    def __rmul__(self, other: Any) -> Any:
        return _joined(other, ast.Mult(), self, float.__mul__)

    def __truediv__(self, other: Any) -> Any:
        return _joined(self, ast.Div(), other, float.__truediv__)

    def __rtruediv__(self, other: Any) -> Any:
        return _joined(other, ast.Div(), self, float.__truediv__)

    def __pow__(self, other: Any, modulo: None = None) -> Any:
        return _joined(self, ast.Pow(), other, float.__pow__)


def _node(x: float) -> ast.expr:
    return x.node if isinstance(x, Letter) else ast.Constant(x)


def _joined(left: Any, operator: ast.operator, right: Any, compute: Any) -> Any:
    if not isinstance(left, (int, float)) or not isinstance(right, (int, float)):
        return NotImplemented
    return Letter(compute(float(left), float(right)), ast.BinOp(_node(left), operator, _node(right)))
