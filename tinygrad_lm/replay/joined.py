"""``Joined``: parameters side by side in one array, with their gradients and moments, so that one step serves all."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from tinygrad_lm.autograd.tensor import Tensor, share_data
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.optim import Optimizer

ALIGNED = 64
"""Each parameter begins at a multiple of so many bytes, as BLAS and the vector units like it."""


def side_by_side(arrays: Sequence[Array]) -> tuple[Array, list[Array]]:
    """One array of zeros with room for all, and the place of each in it, of its own shape."""
    dtype = arrays[0].dtype
    step = max(1, ALIGNED // dtype.itemsize)
    starts, total = list[int](), 0
    for array in arrays:
        starts.append(total)
        total += -(-array.size // step) * step
    room = np.zeros(total * dtype.itemsize + ALIGNED, np.uint8)
    first = -room.ctypes.data % ALIGNED
    flat: Array = room[first : first + total * dtype.itemsize].view(dtype)
    return flat, [flat[at : at + array.size].reshape(array.shape) for at, array in zip(starts, arrays, strict=True)]


class Joined:
    """Some parameters of one group of an optimizer, all of one dtype, that have been stepped equally often.

    Attributes
    ----------
    places, gradients
        Where each parameter's numbers, and its gradient, are.
    gradient
        All gradients, in one array.
    alone
        Whether it is one parameter only because something else holds its array, which has to stay where it is.
    """

    def __init__(
        self, optimizer: Optimizer, options: dict[str, float], parameters: Sequence[Tensor], alone: bool
    ) -> None:
        self.optimizer, self.options, self.parameters, self.alone = optimizer, options, list(parameters), alone
        arrays: list[Array] = [parameter.data for parameter in parameters]
        if len(parameters) == 1:
            self._data = arrays[0].view()
            self.places = arrays
        else:
            self._data, self.places = side_by_side(arrays)
        self.gradient, self.gradients = side_by_side(arrays)
        if len(parameters) == 1:
            self.gradient = self.gradients[0]
        self._scratch = np.empty_like(self._data)
        self._moments = {name: side_by_side(arrays) for name in optimizer.moments}
        self._keys = tuple(id(parameter) for parameter in parameters)
        self._flat: dict[str, Array] = {}

    def take(self) -> bool:
        """Bring in the parameters, where their data are elsewhere; false where they cannot be stepped as one."""
        for parameter, place in zip(self.parameters, self.places, strict=True):
            if (data := parameter.data) is not place:
                if data.dtype != place.dtype or data.strides != place.strides:
                    return False
                np.copyto(place, data)
                share_data(parameter, place)
        if self.optimizer.kept_by.get(self._keys) is self and not self._has_moments():
            del self.optimizer.kept_by[self._keys]
        counts = self.optimizer.counts
        count = counts.get(self._keys[0], 0)
        return all(counts.get(key, 0) == count for key in self._keys)

    def fits(self) -> bool:
        """Whether the parameters have the dtypes and the layouts that they have here."""
        pairs = zip(self.parameters, self.places, strict=True)
        return all(p.data.dtype == place.dtype and p.data.strides == place.strides for p, place in pairs)

    def _has_moments(self) -> bool:
        """Whether the optimizer's moments are those here, and no other arrays."""
        state = self.optimizer.state
        return all(
            state[key][name] is places[i]
            for name, (_, places) in self._moments.items()
            for i, key in enumerate(self._keys)
        )

    def _take_moments(self) -> None:
        """Bring in the moments, which are zeros at first, from whatever has kept them until now."""
        state, keepers = self.optimizer.state, self.optimizer.kept_by
        for others in [others for others in keepers if not set(others).isdisjoint(self._keys)]:
            del keepers[others]
        keepers[self._keys] = self
        for i, key in enumerate(self._keys):
            held = state.get(key, {})
            for name, (_, places) in self._moments.items():
                places[i][...] = held.get(name, 0)
            state[key] = {name: places[i] for name, (_, places) in self._moments.items()}
        single = len(self.parameters) == 1
        self._flat = {name: places[0] if single else flat for name, (flat, places) in self._moments.items()}

    def step(self) -> None:
        """One step of all parameters."""
        optimizer = self.optimizer
        if optimizer.kept_by.get(self._keys) is not self:
            self._take_moments()
        counts = optimizer.counts
        count = counts.get(self._keys[0], 0) + 1
        for key in self._keys:
            counts[key] = count
        optimizer.update(self._data, self.gradient, self._flat, self._scratch, count, self.options)


def joined(optimizer: Optimizer, options: dict[str, float], parameters: Sequence[Tensor], alone: bool) -> Joined:
    """Parameters side by side: as they are already, where another plan has put them so."""
    found = optimizer.kept_by.get(tuple(map(id, parameters)))
    if isinstance(found, Joined) and found.options is options and found.alone == alone and found.fits():
        return found
    return Joined(optimizer, options, parameters, alone)


def is_elementwise(optimizer: Optimizer) -> bool:
    """Whether several parameters can be stepped as one, by what the class says that wrote the ``update``."""
    classes = type(optimizer).__mro__
    says = next(i for i, cls in enumerate(classes) if "elementwise" in vars(cls))
    writes = next(i for i, cls in enumerate(classes) if "update" in vars(cls))
    return optimizer.elementwise and says <= writes and "update" not in vars(optimizer)


OURS = 3
"""How often a plan refers to the array of a parameter that stays where it is: here twice, and once to compute with."""


def is_alone(parameter: Tensor, known: int = 0) -> bool:
    """Whether nobody holds a parameter's array, or looks into its memory, but the parameter and so many known ones."""
    data = parameter.data
    # The parameter, the name here, and the argument of the call.
    alone = sys.getrefcount(data) <= 3 + known
    return alone and data.base is None and data.flags.c_contiguous and data.flags.writeable
