"""What a program was given beside its nodes: the inputs of a model, and the arrays that operations read as options."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeGuard, cast

import numpy as np

from tinygrad_lm.autograd.graph import Node
from tinygrad_lm.autograd.types import Array
from visualize.graph.nodes import array_of, attributes_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def inputs_by_name(function: object, inputs: Sequence[object]) -> list[tuple[str, object]]:
    """Each input of a model or a function, with the name of the parameter that it is given for."""
    called: object = function if inspect.isroutine(function) else getattr(function, "forward", function)
    if not inputs or not callable(called):
        return []
    try:
        bound = inspect.signature(called).bind(*inputs)
    except (TypeError, ValueError):
        return [(f"input {i}" if len(inputs) > 1 else "input", x) for i, x in enumerate(inputs)]
    found: list[tuple[str, object]] = []
    for name, argument in bound.arguments.items():
        parameter = bound.signature.parameters[name]
        several = parameter.kind is parameter.VAR_POSITIONAL
        found += [(f"{name}[{i}]", x) for i, x in enumerate(argument)] if several else [(name, argument)]
    return found


def arrays_of(node: Node) -> list[tuple[str, Array]]:
    """The arrays that a node's operation was called with as options: ids, targets, a mask."""
    return [(name, x) for name, x in attributes_of(node).items() if is_array(x)]


def is_array(x: object) -> TypeGuard[Array]:
    """Whether an option is an array with axes."""
    return isinstance(x, np.ndarray) and cast("Array", x).ndim > 0


class Inputs:
    """The inputs that a model was called with, to be found again among a graph's leaves and arrays."""

    def __init__(self, named: Iterable[tuple[str, object]] = ()) -> None:
        self._arrays: list[tuple[str, Array]] = []
        self._nodes: dict[int, str] = {}
        for name, x in named:
            if isinstance(x, Node):
                self._nodes[id(x)] = name
                self._take(name, array_of(x))
            elif isinstance(x, (np.ndarray, list, tuple)):
                self._take(name, cast("ArrayLike", x))

    def _take(self, name: str, x: ArrayLike) -> None:
        try:
            array: Array = np.asarray(x)
        except ValueError:
            return
        if array.dtype.kind in "biuf" and array.ndim:
            self._arrays.append((name, array))

    def name_of(self, thing: Node | Array) -> str:
        """The name of the input that a leaf or an array is, or is a copy of; empty for another."""
        if not self._nodes and not self._arrays:
            return ""
        if isinstance(thing, Node):
            name = self._nodes.get(id(thing), "")
            if name or thing.requires_grad or thing.operation is not None:
                return name
            thing = array_of(thing)
        for name, array in self._arrays:
            if _same(array, thing):
                return name
            if array.ndim == 2 and _same(array.T, thing):
                return f"{name}ᵀ"
            # A loop over the steps of an input takes it apart; a single number is its equal by chance.
            if thing.ndim and array.size and array.shape[1:] == thing.shape:
                rows = np.flatnonzero((_as(array, thing) == thing).reshape(len(array), -1).all(axis=1)).tolist()
                if rows:
                    # Of equal steps the one whose memory it is; of a copy nobody knows.
                    own = [row for row in rows if np.may_share_memory(array[row], thing)] or rows
                    return f"{name}[{own[0] if len(own) == 1 else '…'}]"
        return ""


def _same(given: Array, taken: Array) -> bool:
    """Whether an array is an input, or a copy of it in another dtype."""
    return given.shape == taken.shape and bool(np.all(_as(given, taken) == taken))


def _as(given: Array, taken: Array) -> Array:
    """The numbers of an input in the dtype of what may be a copy of it."""
    with np.errstate(all="ignore"):
        return given.astype(taken.dtype)


def comes_from_outside(array: Array) -> bool:
    """Whether an array of whole numbers looks like data: not 0, 1, 2... as positions are."""
    length: int = array.shape[-1]
    return array.dtype.kind in "iu" and not np.array_equal(array, np.arange(length))
