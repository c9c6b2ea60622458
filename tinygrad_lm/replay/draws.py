"""Which random numbers a step draws while it is recorded, and whether each draw was one that a plan can make."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from tinygrad_lm.random import existing_default_generator

Old = random.Random | np.random.RandomState


class Draws:
    """What random generators there are, and whether each draw was one that is recorded."""

    def __init__(self, generators: Sequence[np.random.Generator], old: Sequence[Old]) -> None:
        self._generators = {id(generator): generator for generator in generators}
        if (default := existing_default_generator()) is not None:
            self._generators[id(default)] = default
        self._states = {key: generator.bit_generator.state for key, generator in self._generators.items()}
        self._first = dict(self._states)
        self._old = old
        self._old_states = self._states_of_old()
        self._odd = False

    def before(self, args: Sequence[Any]) -> None:
        """Look, before a recorded draw, whether there was another."""
        for x in args:
            if isinstance(x, np.random.Generator):
                state = self._states.setdefault(id(x), x.bit_generator.state)
                self._first.setdefault(id(x), state)
                self._generators[id(x)] = x
                self._odd |= not _equal(state, x.bit_generator.state)

    def after(self, args: Sequence[Any]) -> None:
        """Take in a recorded draw."""
        for x in args:
            if isinstance(x, np.random.Generator):
                self._states[id(x)] = x.bit_generator.state

    def unexplained(self) -> bool:
        """Whether one of them is elsewhere than the recorded draws have brought it."""
        now = {key: generator.bit_generator.state for key, generator in self._generators.items()}
        moved = any(not _equal(state, now[key]) for key, state in self._states.items())
        return self._odd or moved or not _equal(self._old_states, self._states_of_old())

    def put_back(self) -> bool:
        """Bring the generators back to where they were; false where one of the old kind has moved."""
        for key, state in self._first.items():
            self._generators[key].bit_generator.state = state
        return _equal(self._old_states, self._states_of_old())

    def _states_of_old(self) -> Any:
        own = [one.getstate() if isinstance(one, random.Random) else one.get_state(legacy=False) for one in self._old]
        return [random.getstate(), np.random.get_state(legacy=False), *own]  # noqa: NPY002 (to see that it does not move)


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, Mapping):
        parts = cast("Mapping[str, object]", one)
        return parts.keys() == other.keys() and all(_equal(value, other[key]) for key, value in parts.items())
    if isinstance(one, tuple):  # of Python's generators: hundreds of numbers
        return bool(one == other)
    if isinstance(one, list):
        row = cast("Sequence[object]", one)
        return len(row) == len(other) and all(map(_equal, row, other))
    return bool(np.array_equal(one, other))
