"""Random generators in a checkpoint: those that a model owns, and their states as plain data for JSON and back."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import suppress
from typing import cast

import numpy as np

from tinygrad_lm.autograd.types import Array, is_ndarray
from tinygrad_lm.checks import whole_number
from tinygrad_lm.nn import Module

State = Mapping[str, object]
"""What a bit generator says of itself, or the same as plain data."""

PLACES = {"pos": "key", "buffer_pos": "buffer"}
"""Where MT19937 and Philox stand in which array: NumPy takes any number, and would read what is beside the array."""


def modules_of(model: object) -> dict[str, Module]:
    """The outermost modules of a model, by what comes before the names in them: itself, or those in its attributes."""
    if isinstance(model, Module):
        return {"": model}
    attributes: dict[str, object] = getattr(model, "__dict__", {})
    return {f"{name}.": held for name, held in attributes.items() if isinstance(held, Module)}


def generators_of(model: object) -> dict[str, np.random.Generator]:
    """Every random generator that a model's modules own, or that is an attribute of a model which is none, by name."""
    found = {
        f"{before}{name}": g for before, module in modules_of(model).items() for name, g in module.named_generators()
    }
    if not isinstance(model, Module):
        attributes: dict[str, object] = getattr(model, "__dict__", {})
        found |= {name: held for name, held in attributes.items() if isinstance(held, np.random.Generator)}
    return found


def state_of(name: str, generator: np.random.Generator) -> dict[str, object]:
    """The state of a generator as plain data.

    NumPy's bit generators all have one: PCG64's is of integers, those of others hold arrays, which become lists.

    Raises
    ------
    TypeError
        For one of somebody else's whose state holds more than that.
    """
    try:
        return {key: _plain(part) for key, part in generator.bit_generator.state.items()}
    except TypeError:
        kind = type(generator.bit_generator).__name__
        raise TypeError(
            f"the state of the generator {name!r}, a {kind}, cannot be written down; use one of NumPy's, such as "
            "np.random.default_rng(0)"
        ) from None


def read_state(name: str, generator: np.random.Generator, state: object) -> State:
    """The state that ``state_of`` gave, as the generator takes it.

    Raises
    ------
    ValueError
        For what it cannot have.
    """
    now = generator.bit_generator.state
    kind = cast(State, state).get("bit_generator") if isinstance(state, Mapping) else None
    if isinstance(kind, str) and kind != now["bit_generator"]:
        raise ValueError(
            f"the generator {name!r} was a {kind:.60} when it was saved and is a {now['bit_generator']} now"
        )
    scratch = copy.deepcopy(generator)
    with suppress(ValueError, KeyError, TypeError, OverflowError):
        scratch.bit_generator.state = cast(State, _like(now, cast(object, state)))
        if state_of(name, scratch) == state:
            return scratch.bit_generator.state
    raise ValueError(f"the state of the generator {name!r} is none that it can have")


def read_states(
    generators: Mapping[str, np.random.Generator], states: object
) -> list[tuple[np.random.Generator, State]]:
    """Generators, each with its state of that name.

    Raises
    ------
    ValueError
        For a name too many or too few.
    """
    if not isinstance(states, dict):
        raise ValueError(f"the states of the model's generators are no table but {states!r:.60}")
    given = cast(dict[str, object], states)
    for name in generators:
        if name not in given:
            raise ValueError(f"the state of the model's generator {name!r} was not saved; train anew")
    for name in given:
        if name not in generators:
            raise ValueError(f"the model has no generator {name!r:.60}, of which a state was saved")
    return [(generator, read_state(name, generator, given[name])) for name, generator in generators.items()]


def _plain(part: object) -> object:
    if isinstance(part, Mapping):
        return {key: _plain(inner) for key, inner in cast(State, part).items()}
    if is_ndarray(part) and part.dtype.kind in "iu":
        return part.tolist()
    if isinstance(part, int | str):
        return part
    raise TypeError


def _like(now: object, saved: object) -> object:
    """Plain data with arrays where the state of now has them. Raises an error for what is quite another thing."""
    if isinstance(now, Mapping):
        inner = cast(State, saved)
        found = {key: _like(part, inner[key]) for key, part in cast(State, now).items()}
        for place, array in PLACES.items():
            if place in found:
                whole_number(found[place], 0, f"{place} is a place in {array}, not", np.size(cast(Array, found[array])))
        return found
    return np.array(saved, now.dtype).reshape(now.shape) if is_ndarray(now) else saved
