"""Each instruction of a tape as calls that write into memory that is there: what a plan runs."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from tinygrad_lm.autograd.types import Array
from tinygrad_lm.replay.generators import Draw
from tinygrad_lm.replay.instructions import WholeBackward, WholeForward
from tinygrad_lm.replay.mirrors import call_backward
from tinygrad_lm.replay.optimising import COMPARE, Comparison
from tinygrad_lm.replay.traced import Check, Compute, Traced

Calls = list[tuple[Callable[..., Any], tuple[Any, ...]]]
At = Callable[[Any], Any]
"""The array in the plan's memory for each traced one, also within tuples and lists."""


class Broken(Exception):
    """A condition does not hold that the plan was made under."""


def calls_of(instruction: Compute | Check | Draw | WholeForward | WholeBackward, at: At) -> Calls:
    """The calls of one instruction."""
    if isinstance(instruction, Check):
        return [(_holds if instruction.outcome else _fails, (at(instruction.condition),))]
    if isinstance(instruction, Comparison):
        return [_compared(instruction, at)]
    if isinstance(instruction, Draw):
        draw = getattr(instruction.generator, instruction.method)
        return [(draw, (None, instruction.options["dtype"], at(instruction.result)))]
    if isinstance(instruction, WholeForward):
        return [(_forward, (instruction, at, at(instruction.result)))]
    if isinstance(instruction, WholeBackward):
        results = [None if result is None else at(result) for result in instruction.results]
        return [(_backward, (instruction, at, at(instruction.gradient), results))]
    return _changing(instruction, at) if instruction.in_place else _making(instruction, at)


def _compared(comparison: Comparison, at: At) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """A comparison of two numbers that has to come out as it did."""
    compare = COMPARE[comparison.compute.function]
    left, right = map(at, comparison.compute.args)
    run = _agrees if comparison.outcome else _disagrees
    return run, (compare, getattr(left, "item", lambda: left), getattr(right, "item", lambda: right))


def _agrees(compare: Callable[..., bool], left: Callable[[], Any], right: Callable[[], Any]) -> None:
    if not compare(left(), right()):
        raise Broken


def _disagrees(compare: Callable[..., bool], left: Callable[[], Any], right: Callable[[], Any]) -> None:
    if compare(left(), right()):
        raise Broken


def _holds(condition: Array) -> None:
    if not condition:
        raise Broken


def _fails(condition: Array) -> None:
    if condition:
        raise Broken


def _forward(whole: WholeForward, at: At, out: Array) -> None:
    given = whole.operation.forward(*at(whole.inputs), **at(dict(whole.attributes)))
    whole.cell[:] = given if whole.operation.saves else (given, None)
    _settle(out, whole.cell[0])


def _settle(out: Array, found: Any) -> None:
    """Put a result where it belongs; one of another shape, as a mask may select, belongs nowhere."""
    array = np.asarray(found)
    if array.shape != out.shape or array.dtype != out.dtype:
        raise Broken
    np.copyto(out, array)


def _backward(whole: WholeBackward, at: At, gradient: Array, results: list[Array | None]) -> None:
    for out, found in zip(results, call_backward(whole.forward, gradient, whole.needed, at), strict=True):
        if out is not None and found is not None:
            np.copyto(out, found)


def _changing(instruction: Compute, at: At) -> Calls:
    function, out, args, options = (
        instruction.function,
        at(instruction.result),
        at(instruction.args),
        at(dict(instruction.options)),
    )
    if instruction.method == "fill":
        return [(out.fill, args[1:])]
    if instruction.method == "__setitem__":
        return [(out.__setitem__, args[1:])]
    if instruction.method == "at":
        return [(function.at, args)]  # pyright: ignore[reportFunctionMemberAccess]
    if function is np.copyto:
        return [(partial(np.copyto, **options) if options else np.copyto, args)]
    run = function if instruction.method == "call" else getattr(function, instruction.method)
    if isinstance(run, np.ufunc) and run not in BY_NAME and not options:
        return [(run, (*args, out))]
    return [(partial(run, out=out, **options), args)]


def _making(instruction: Compute, at: At) -> Calls:
    function, method = instruction.function, instruction.method
    out, args, options = at(instruction.result), at(instruction.args), at(dict(instruction.options))
    if isinstance(function, np.ufunc):
        return _of_ufunc(function, method, out, args, options)
    if method in ("copy", "astype", "reshape", "ravel"):
        (source, *_) = args
        return [(np.copyto, (out.reshape(source.shape), source, "unsafe"))]
    if method == "dot" or function is np.dot:
        return [(np.dot, (*args, out))]
    if method == "take" or function is np.take:
        return [_take(out, *args, **options)]
    if method == "sum" or function is np.sum:
        return [_reduced(np.add.reduce, out, *args, **options)]
    if out.dtype == np.float16 and (method in IN_FLOAT32 or getattr(function, "__name__", "") in IN_FLOAT32):
        return [(_into, (out, function, args, options))]
    if method in METHODS:
        return [(partial(getattr(args[0], method), out=out, **options), args[1:])]
    if method == "__getitem__":
        source, index = args
        if getattr(index, "dtype", None) == np.intp:
            return [(source.take, (index, 0, out))]
        return [(_into, (out, operator.getitem, args, options))]
    if function is np.where:
        condition, x, y = args
        return [(np.copyto, (out, y, "unsafe")), (np.copyto, (out, x, "unsafe", condition))]
    if function in WITH_OUT:
        return [(partial(function, out=out, **options), args)]
    return [(_into, (out, function, args, options))]


BY_NAME = frozenset({np.maximum, np.minimum})
"""Functions that are to be given the array for the result by its name: NumPy warns otherwise."""

METHODS = ("mean", "max", "min", "any", "all", "var")
"""Methods of arrays that write into an array that they are given."""

IN_FLOAT32 = ("mean", "var", "std")
"""What NumPy computes of float16 in float32, unless it is given an array of float16 to write into."""

WITH_OUT = frozenset(
    {
        *(np.mean, np.max, np.min, np.prod, np.any, np.all, np.var, np.std, np.cumsum, np.cumprod, np.clip),
        *(np.concatenate, np.stack, np.einsum, np.dot),
    }
)
"""Functions that write into an array that they are given."""


def _of_ufunc(function: np.ufunc, method: str, out: Array, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    options.pop("order", None)  # the array that it was first made in has that order
    if method == "call" and function in BY_NAME:
        return [(partial(function, out=out, **options), args)]
    if method == "call":
        if not options and out.dtype.char in "fd" and len(args) == 2:
            args = tuple(_as_array(x, out.dtype) for x in args)
        return [(partial(function, out=out, **options), args) if options else (function, (*args, out))]
    if method == "reduce":
        return [_reduced(function.reduce, out, *args, **{"axis": 0, **options} if len(args) == 1 else options)]
    return [(partial(getattr(function, method), out=out, **options), args)]


def _as_array(x: Any, dtype: np.dtype[Any]) -> Any:
    """A Python number beside arrays of floats as one of them, which it becomes at each call otherwise."""
    return np.array(x, dtype) if type(x) in (int, float) else x


def _reduced(
    reduce: Callable[..., Any], out: Array, x: Array, axis: Any = None, keepdims: bool = False, **options: Any
) -> Any:
    if options:
        return partial(reduce, axis=axis, keepdims=keepdims, out=out, **options), (x,)
    return reduce, (x, axis, None, out, keepdims)


def _take(out: Array, source: Array, ids: Any, axis: Any = None, mode: str = "raise") -> Any:
    return source.take, (ids, axis, out, mode)


def _into(out: Array, function: Callable[..., Any], args: Any, options: Mapping[str, Any]) -> None:
    _settle(out, function(*args, **options))


__all__ = ["At", "Broken", "Calls", "Traced", "calls_of"]
