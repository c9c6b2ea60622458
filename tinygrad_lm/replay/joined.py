"""``Joined``: parameters side by side in one array, with their gradients and moments, so that one step serves all."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import chain, repeat
from typing import Any, cast

import numpy as np

from tinygrad_lm.autograd.tensor import Tensor, share_data
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.loans import is_view, lent
from tinygrad_lm.optim import Optimizer
from tinygrad_lm.replay.lending import LISTED, Gradients, references_to, side_by_side

_NONE: dict[str, Array] = {}
"""The moments of a parameter that has none."""

_VALUES = cast("Any", dict).values


class Joined:
    """Some parameters of one group of an optimizer, all of one dtype, that have been stepped equally often.

    Attributes
    ----------
    places
        Where each parameter's numbers are, to compute with.
    gradients
        Where their gradients are.
    alone
        Whether it is one parameter only because something else holds its array, which has to stay where it is.
    """

    def __init__(
        self, optimizer: Optimizer, options: dict[str, float], parameters: Sequence[Tensor], alone: bool
    ) -> None:
        self.optimizer, self.options, self.parameters, self.alone = optimizer, options, list(parameters), alone
        arrays: list[Array] = [parameter.data for parameter in parameters]
        self._stays = len(arrays) == 1 and arrays[0].flags.writeable and not is_view(arrays[0])
        self.places: list[Array]
        if self._stays:
            self.places, self._lent = list(map(lent, arrays)), arrays
            (self._data,) = self.places
        else:
            self._data, self.places = side_by_side(arrays)
            self._lent = list(map(lent, self.places))
            if len(arrays) == 1:
                (self._data,) = self.places
        self.gradients = Gradients(parameters, arrays)
        self._scratch = np.empty_like(self._data)
        self._keys = tuple(id(parameter) for parameter in parameters)
        self._moments: dict[str, list[Array]] = {}
        self._flat: dict[str, Array] = {}
        self._identities: list[int] = []

    def take(self) -> None:
        """Bring in the parameters, which have to be alike, where their data are elsewhere."""
        for parameter, place, shown in zip(self.parameters, self.places, self._lent, strict=True):
            if (data := parameter.data) is not shown:
                np.copyto(place, data)
                share_data(parameter, shown)

    def is_in_step(self) -> bool:
        """Whether the parameters have been stepped equally often, which somebody may have set otherwise."""
        return len({*map(self.optimizer.counts.get, self._keys, repeat(0))}) == 1

    def serves(self, options: dict[str, float], alone: bool) -> bool:
        """Whether another plan can use it as it is, with the options of its own."""
        left = self.is_left() or (alone and self.is_held())
        return self.options is options and self.alone == alone and self.is_alike() and not left

    def is_alike(self) -> bool:
        """Whether the parameters have the dtypes and the layouts that they have here."""
        return all(are_alike(p.data, place) for p, place in zip(self.parameters, self.places, strict=True))

    def is_left(self) -> bool:
        """Whether a parameter has other data, and somebody keeps those that it had, which must stay what they are."""
        held = [count > LISTED + self._stays for count in references_to(self._lent)]
        return any(
            kept and parameter.data is not shown
            for kept, parameter, shown in zip(held, self.parameters, self._lent, strict=True)
        )

    def is_held(self) -> bool:
        """Whether somebody holds the data of a parameter that are to be moved: the optimizer goes on in that array."""
        pairs = zip(self.parameters, self._lent, strict=True)
        elsewhere = [p for p, shown in pairs if p.data is not shown]
        return any(p.data.flags.writeable and not is_view(p.data) and holders(p) > 0 for p in elsewhere)

    def references(self, parameter: Tensor) -> int:
        """How often it refers to a parameter's array."""
        holds = any(parameter.data is shown for shown in self._lent)
        return holds * (1 + self._stays)

    def _has_moments(self) -> bool:
        """Whether the optimizer's moments are those here, and no other arrays, which anybody may put there."""
        if self.optimizer.kept_by.get(self._keys) is not self:
            return False
        if not self._identities:
            return True
        states = map(self.optimizer.state.get, self._keys, repeat(_NONE))
        return list(map(id, chain.from_iterable(map(_VALUES, states)))) == self._identities

    def _take_moments(self) -> None:
        """Bring in the moments, which are zeros at first, from whatever has kept them until now."""
        optimizer = self.optimizer
        state, keepers = optimizer.state, optimizer.kept_by
        for others in [others for others in keepers if not set(others).isdisjoint(self._keys)]:
            del keepers[others]
        keepers[self._keys] = self
        for name in self.optimizer.moments:
            # In new memory: who holds the arrays that were there keeps what they held.
            self._flat[name], self._moments[name] = side_by_side(self.places)
            if len(self.places) == 1:
                (self._flat[name],) = self._moments[name]
        for i, key in enumerate(self._keys):
            held = state.get(key, {})
            for name, places in self._moments.items():
                places[i][...] = held.get(name, 0)
            optimizer.put(key, {name: places[i] for name, places in self._moments.items()}, self.places[i].dtype)
        self._identities = [id(array) for key in self._keys for array in state[key].values()]

    def step(self) -> None:
        """One step of all parameters."""
        optimizer = self.optimizer
        if not self._has_moments():
            self._take_moments()
        counts = optimizer.counts
        count = counts.get(self._keys[0], 0) + 1
        for key in self._keys:
            counts[key] = count
        optimizer.update(self._data, self.gradients.flat, self._flat, self._scratch, count, self.options)


def are_alike(one: Array, other: Array) -> bool:
    """Whether two arrays have the same dtype and shape, and the same layout in memory, if they have elements at all."""
    same = one.dtype == other.dtype and one.shape == other.shape
    return same and (one.strides == other.strides or not one.size)


def joined(optimizer: Optimizer, options: dict[str, float], parameters: Sequence[Tensor], alone: bool) -> Joined:
    """Parameters side by side: as they are already, where another plan has put them so."""
    found = optimizer.kept_by.get(tuple(map(id, parameters)))
    if isinstance(found, Joined) and found.serves(options, alone):
        return found
    return Joined(optimizer, options, parameters, alone)


def is_elementwise(optimizer: Optimizer) -> bool:
    """Whether several parameters can be stepped as one, by what the class says that wrote the ``update``."""
    classes = type(optimizer).__mro__
    says = next(i for i, cls in enumerate(classes) if "elementwise" in vars(cls))
    writes = next(i for i, cls in enumerate(classes) if "update" in vars(cls))
    return optimizer.elementwise and says <= writes and "update" not in vars(optimizer)


def _references_to(parameter: Tensor) -> int:
    data = parameter.data
    return sys.getrefcount(data)


_OWN = _references_to(Tensor(np.zeros(1)))
"""What it says of an array that nobody but its parameter has: Python 3.14 no longer counts the name in the call."""


def holders(parameter: Tensor) -> int:
    """How many references there are to a parameter's array beside its own."""
    return _references_to(parameter) - _OWN


def is_alone(parameter: Tensor, known: int = 0) -> bool:
    """Whether nobody holds a parameter's array, or looks into its memory, but the parameter and so many known ones."""
    alone, data = holders(parameter) <= known, parameter.data
    return alone and not is_view(data) and data.flags.c_contiguous and data.flags.writeable
