"""What is written down otherwise than it is computed, with the same bits: as one would write it by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_lm.autograd.graph import Call, Operation
from tinygrad_lm.autograd.rules import pow
from tinygrad_lm.autograd.shaping import getitem, scatter_add
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.replay.traced import Traced


def _added(x: Array, index: Any, shape: tuple[int, ...]) -> Array:
    """Zeros of a shape, to which elements are added at an index: the engine finds flat positions first."""
    out = np.zeros_like(x, shape=shape, order="C")
    np.add.at(out, index, x)
    return out


def _parts(index: Any) -> tuple[Any, ...]:
    return index if isinstance(index, tuple) else (index,)  # pyright: ignore[reportUnknownVariableType]


def _padded(gradient: Any, index: Any, shape: Sequence[int]) -> Any:
    """A gradient with the zeros around it that a slice left out; None where the index is more than slices."""
    parts = _parts(index)
    if not parts or not gradient.flags.c_contiguous or not all(isinstance(part, slice) for part in parts):
        return None
    bounds = [part.indices(size) for part, size in zip(parts, shape, strict=False)]
    if any(step != 1 or stop <= start for start, stop, step in bounds):
        return None
    around = [(start, size - stop) for (start, stop, _), size in zip(bounds, shape, strict=False)]
    return np.pad(gradient, [*around, *([(0, 0)] * (len(shape) - len(around)))])


def _as_number(x: Any) -> Any:
    """An exponent without a name as the number that it is to the engine, whose rule asks whether it is 0."""
    unnamed = isinstance(x, Traced) and x.role in ("constant", "leaf") and not x.name
    return np.float64(x.array) if unnamed and x.ndim == 0 and x.dtype == np.float64 else x


def _is_array(index: Any) -> bool:
    parts = _parts(index)
    return any(hasattr(part, "dtype") and not isinstance(part, np.generic) for part in parts)


def forward_of(operation: Operation, attributes: Mapping[str, Any]) -> Callable[..., Any]:
    """The formula of an operation's result."""
    by_array = operation is scatter_add and _is_array(attributes["index"])
    return _added if by_array else operation.forward


def vjp_of(operation: Operation, gradient: Any, call: Any) -> Sequence[Any]:
    """The contributions of an operation's derivative."""
    if operation is getitem and _is_array(call.attributes["index"]):
        return [_added(gradient, call.attributes["index"], call.inputs[0].shape)]
    if (
        operation is getitem
        and (padded := _padded(gradient, call.attributes["index"], call.inputs[0].shape)) is not None
    ):
        return [padded]
    if operation is pow:
        inputs = [x if need else _as_number(x) for x, need in zip(call.inputs, call.needed, strict=True)]
        call = Call(call.out, inputs, call.needed, call.attributes, call.saved)
    return operation.vjp(gradient, call)
