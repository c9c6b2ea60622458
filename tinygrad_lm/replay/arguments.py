"""What a replayed step is called with: which arguments are inputs of a plan, and which calls are of one kind."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.types import Array


class Unfit(Exception):
    """The arguments are none that a plan can be made for; the message says why."""


class Arguments:
    """The arguments that a function takes."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        try:
            self._signature = inspect.signature(function)
        except (TypeError, ValueError):
            self._signature = inspect.signature(lambda *args: None)  # pyright: ignore[reportUnknownArgumentType, reportUnknownLambdaType]
        self._names = list(self._signature.parameters)

    def name(self, i: int) -> str:
        """What the argument at a position is called."""
        return self._names[i] if i < len(self._names) else f"argument {i}"

    def in_a_row(self, args: tuple[Any, ...], options: Mapping[str, Any]) -> tuple[Any, ...]:
        """The arguments by their positions.

        Raises
        ------
        Unfit
            Where some have to be given by name, or do not fit.
        """
        try:
            bound = self._signature.bind(*args, **options)
        except TypeError as error:
            raise Unfit(str(error)) from None
        if bound.kwargs:
            raise Unfit(f"an argument has to be given by its name: {next(iter(bound.kwargs))}")
        return bound.args


def key_of(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """What calls have in common that may have the same plan.

    Raises
    ------
    Unfit
        For an argument that is no array, tensor, number or text.
    """
    return tuple([(x.shape, x.dtype) if type(x) is np.ndarray and x.flags.carray else _key(x) for x in args])


def _key(x: Any) -> Any:
    kind = cast("Any", type(x))
    if kind is np.ndarray:
        # Which rows lie side by side decides how sums and products are computed.
        if not x.flags.c_contiguous:
            raise Unfit("an array whose elements do not lie in a row: hand over np.ascontiguousarray(x)")
        if x.dtype.hasobject or x.dtype.names:
            raise Unfit(f"an array of {x.dtype}")
        return x.shape, x.dtype
    if isinstance(x, Tensor):
        if x.requires_grad or kind is not Tensor:
            raise Unfit("a tensor that learns is an argument: let the step see it by its name")
        return x.shape, x.dtype, "tensor", _key(x.data)
    if kind in (int, str, bool, bytes, type(None)):
        return kind, x
    if kind is float:
        return kind, x.hex()
    if isinstance(x, np.generic):
        return kind, x.tobytes()
    if kind is tuple:
        return tuple(map(_key, x))
    raise Unfit(f"an argument is a {kind.__name__}: hand over arrays, numbers and text, and let the step see the rest")


def arrays_of(args: Sequence[Any]) -> list[Array]:
    """The inputs of a plan."""
    return [x.data if isinstance(x, Tensor) else x for x in args if isinstance(x, (np.ndarray, Tensor))]
