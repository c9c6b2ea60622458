"""A module's state as arrays by name: copying it out, and loading it whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeGuard

import numpy as np

from tinygrad_lm.autograd.graph import constant
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.autograd.value import Value
from tinygrad_lm.nn.parameter import Parameter


class Slot(NamedTuple):
    """A place in a module, or in one within it, that holds a parameter."""

    name: str
    """The dotted name that leads there."""
    owner: object
    """The module itself that has the attribute."""
    key: str
    """The attribute, of which ``held`` may be a part: ``w`` of ``w[0]``."""
    held: Parameter | Value


def copies(slots: Iterable[Slot]) -> dict[str, Array]:
    """A copy of every array by name; a ``Value`` gives a float64 array of shape ()."""
    return {slot.name: np.array(slot.held.data, order="C") for slot in slots}


def load(slots: Iterable[Slot], state: Mapping[str, object], kind: str) -> None:
    """What ``Module.load_state_dict`` does with the slots of a module of this kind; see there."""
    places = {slot.name: slot.held for slot in slots}
    own = {name: np.asarray(parameter.data) for name, parameter in places.items()}
    problems = [f"missing: {name!r} of shape {own[name].shape}" for name in own if name not in state]
    problems += [f"unknown: {name!r}" for name in state if name not in places]
    arrays: dict[str, Array] = {name: np.asarray(constant(value)) for name, value in state.items() if name in places}
    tied: dict[int, Array] = {}
    for name, array in arrays.items():
        if array.shape != own[name].shape:
            problems.append(f"shape of {name!r}: {array.shape} was given, {own[name].shape} is needed")
        elif array.dtype.kind != "f":
            problems.append(f"dtype of {name!r}: {array.dtype} was given, a floating-point type is needed")
        elif not same(tied.setdefault(id(places[name]), array), array):
            problems.append(f"tied: {name!r} is one parameter under several names, but other numbers were given")
    if problems:
        raise ValueError(f"the state does not fit this {kind}:\n  " + "\n  ".join(problems))
    ready = [(places[name], array.astype(own[name].dtype)) for name, array in arrays.items()]
    for parameter, array in ready:
        if isinstance(parameter, Value):
            parameter.data = array.item()
        else:
            parameter.data = array


def is_array(thing: object) -> TypeGuard[Array]:
    """Whether this is a plain array."""
    return isinstance(thing, np.ndarray)


def same(a: object, b: object) -> bool:
    """Whether two values for one tied parameter are one object, or equal plain arrays."""
    if not is_array(a) or not is_array(b) or a is b:
        return a is b
    return np.result_type(a, b).kind == "f" and np.array_equal(a, b, equal_nan=True)
