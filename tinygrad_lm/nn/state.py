"""A module's state as arrays by name: copying it out, and loading it whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from tinygrad_lm.autograd.graph import detach
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.types import Array, is_ndarray
from tinygrad_lm.autograd.value import Value
from tinygrad_lm.nn.parameter import Parameter


class Slot:
    """A place in a module, or in one within it, that holds a parameter or (a plain array) a buffer."""

    __slots__ = ("held", "key", "name", "owner", "saved")

    def __init__(self, name: str, owner: object, key: str, held: Parameter | Value | Array, saved: bool = True) -> None:
        self.name = name
        """The dotted name that leads there."""
        self.owner = owner
        """The module itself that has the attribute."""
        self.key = key
        """The attribute, of which ``held`` may be a part: ``w`` of ``w[0]``."""
        self.held = held
        self.saved = saved
        """Whether it is a part of the state."""

    def below(self, path: str) -> Slot:
        """The same place as a module names it that reaches the owner by a path."""
        return Slot(f"{path}.{self.name}", self.owner, self.key, self.held, self.saved)


def numbers(held: Parameter | Value | Array) -> Array:
    """The array that a slot holds, not copied; a ``Value`` gives a float64 array of shape ()."""
    return held if isinstance(held, np.ndarray) else np.asarray(held.data)


def copies(slots: Iterable[Slot]) -> dict[str, Array]:
    """A copy of every array of the state by name."""
    return {slot.name: np.array(numbers(slot.held), order="C") for slot in slots if slot.saved}


def load(slots: Sequence[Slot], state: Mapping[str, object], kind: str) -> None:
    """What ``Module.load_state_dict`` does with the slots of a module of this kind; see there."""
    places = {slot.name: slot.held for slot in slots if slot.saved}
    own = {name: numbers(held) for name, held in places.items()}
    problems = [f"missing: {name!r} of shape {own[name].shape}" for name in own if name not in state]
    spare = _spare(slots)
    problems += [f"unknown: {name!r}" for name in state if name not in places and name not in spare]
    arrays: dict[str, Array] = {name: np.asarray(detach(value)) for name, value in state.items() if name in places}
    tied: dict[int, Array] = {}
    for name, array in arrays.items():
        if array.shape != own[name].shape:
            problems.append(f"shape of {name!r}: {array.shape} was given, {own[name].shape} is needed")
        elif (needed := _needed(array.dtype, own[name].dtype)) is not None:
            problems.append(f"dtype of {name!r}: {array.dtype} was given, {needed} is needed")
        elif not same(tied.setdefault(id(places[name]), array), array):
            what = "buffer" if isinstance(places[name], np.ndarray) else "parameter"
            problems.append(f"tied: {name!r} is one {what} under several names, but other numbers were given")
    if problems:
        raise ValueError(f"the state does not fit this {kind}:\n  " + "\n  ".join(problems))
    ready = {id(places[name]): np.array(array, own[name].dtype) for name, array in arrays.items()}
    for slot in slots:
        if id(slot.held) in ready:
            _put(slot, ready[id(slot.held)])


def _spare(slots: Iterable[Slot]) -> set[str]:
    """The names that a state may have without a place for them here, as the modules say themselves."""
    beside = [(slot.name.rpartition("."), getattr(slot.owner, "_spare", ())) for slot in slots]
    return {f"{path}{dot}{name}" for (path, dot, _), names in beside for name in names}


def _needed(given: np.dtype[Any], own: np.dtype[Any]) -> str | None:
    """What is needed where a dtype does not fit: a float is rounded to another, else none stands for another."""
    if own.kind == "f":
        return None if given.kind == "f" else "a floating-point type"
    return None if given.newbyteorder("=") == own.newbyteorder("=") else str(own)


def _put(slot: Slot, array: Array) -> None:
    """Into a parameter; but in a buffer's place, since a graph may have used the earlier array, or others hold it."""
    if isinstance(slot.held, np.ndarray):
        object.__setattr__(slot.owner, slot.key, array)
    elif isinstance(slot.held, Value):
        slot.held.data = array.item()
    else:
        slot.held.data = array


def checked_buffer(place: str, value: object) -> Array | None:
    """What a buffer may be, as it is kept: an array itself, a copy of a tensor's, or ``None``. Else ``TypeError``."""
    if value is None:
        return None
    if isinstance(value, Tensor):
        if value.requires_grad:
            raise TypeError(
                f"{place}: a buffer is a plain array, and this {type(value).__name__} needs a gradient: give its .data "
                "or .detach(), or make it an nn.Parameter under another name"
            )
        return np.array(value.data)
    array = np.array(cast(object, value)) if isinstance(value, np.generic) else value
    if not is_ndarray(array):
        raise TypeError(f"{place}: a buffer is an array, not {type(array).__name__}: write np.array(...)")
    if array.dtype.kind not in "biufc":
        raise TypeError(
            f"{place}: a buffer is an array of numbers, not of {array.dtype}; assign an array of Values, which learn, "
            "to another name"
        )
    return array


def in_place_of(earlier: Array | None, array: Array | None) -> Array | None:
    """A buffer's new array, as it is assigned: where both are of floating-point numbers, in the earlier one's dtype."""
    if earlier is None or array is None or earlier.dtype.kind != "f" or array.dtype.kind != "f":
        return array
    return array.astype(earlier.dtype, copy=False)


def same(a: object, b: object) -> bool:
    """Whether two values for one tied parameter or buffer are one object, or equal arrays of plain numbers."""
    if not is_ndarray(a) or not is_ndarray(b) or a is b:
        return a is b
    return np.result_type(a, b).kind in "biufc" and np.array_equal(a, b, equal_nan=True)
