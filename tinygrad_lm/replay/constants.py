"""How a function of NumPy's and a constant are written."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_lm.autograd.types import Array


def numpy(name: str) -> ast.expr:
    """np.name."""
    return attribute(ast.Name("np", ast.Load()), name)


def attribute(of: ast.expr, name: str) -> ast.expr:
    """of.name."""
    return ast.Attribute(of, name, ast.Load())


def of_function(function: Callable[..., Any]) -> ast.expr:
    """A function of NumPy's."""
    module = getattr(function, "__module__", "numpy") or "numpy"
    found: ast.expr = ast.Name("np", ast.Load())
    for part in (*module.split(".")[1:], function.__name__):
        found = attribute(found, part)
    return found if module.startswith("numpy.linalg") else numpy(function.__name__)


def number(x: float) -> ast.expr:
    """A float: one part in n as such, which says more than its digits."""
    if math.isinf(x) or math.isnan(x):
        found = numpy("nan" if math.isnan(x) else "inf")
        return ast.UnaryOp(ast.USub(), found) if x < 0 else found
    n = round(1 / x) if 1e-9 < abs(x) < 0.5 else 0
    if 2 < n < 1e9 and 1 / n == x and len(repr(x)) > 4 and "e" not in repr(x):
        return ast.BinOp(ast.Constant(1), ast.Div(), ast.Constant(n))
    return ast.Constant(x)


def filled(shape: Sequence[int], number: Any, dtype: Any) -> tuple[ast.expr, Sequence[Any], Mapping[str, Any]]:
    """An array of one number, as a call that makes it."""
    function = numpy({0: "zeros", 1: "ones"}.get(number, "full"))
    like = {} if dtype == np.float64 else {"dtype": dtype}
    size = shape[0] if len(shape) == 1 else tuple(shape)
    return function, [size, *([] if number in (0, 1) else [number])], like


def known(array: Array) -> tuple[ast.expr, Sequence[Any], Mapping[str, Any]] | None:
    """A constant as a call that makes it: a number, a range, ones, an identity, a triangle."""
    dtype = array.dtype
    if array.ndim == 0:
        return numpy(dtype.name if dtype != np.bool else "bool_"), [array.item()], {}
    if not array.size:
        return numpy("empty"), [array.shape], {"dtype": dtype}
    first = array.flat[0]
    if (array == first).all():
        if first in (0, 1):
            return filled(array.shape, first, dtype)
        return filled(array.shape, first.item(), dtype)
    if array.ndim == 1 and dtype == np.intp and len(set(np.diff(array).tolist())) == 1:
        start, step = int(array[0]), int(array[1] - array[0])
        bounds = [start, start + step * len(array)] if start or step != 1 else [len(array)]
        return numpy("arange"), [*bounds, *([step] if step != 1 else [])], {}
    if array.ndim == 2 and array.shape[0] == array.shape[1]:
        if np.array_equal(array, np.eye(len(array), dtype=dtype)):
            return numpy("eye"), [len(array)], {"dtype": dtype}
        if np.array_equal(array, np.tri(len(array), dtype=dtype)):
            return numpy("tri"), [len(array)], {"dtype": dtype}
    return None
