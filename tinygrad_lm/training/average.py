"""``WeightAverage``: the exponential moving average of a model's weights, evaluated and kept in their place."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from tinygrad_lm.autograd import Value
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.models import TrainableModel
from tinygrad_lm.nn import Parameter
from tinygrad_lm.nn.module import slots_of
from tinygrad_lm.training.generators import modules_of


class _Place(NamedTuple):
    """What is averaged: an attribute of a parameter or of a module that holds a buffer."""

    owner: object
    key: str

    def get(self) -> Array:
        return np.asarray(getattr(self.owner, self.key))

    def put(self, array: Array) -> None:
        setattr(self.owner, self.key, array.item() if isinstance(self.owner, Value) else array)


class WeightAverage:
    """The exponential moving average of parameters over the steps of a training.

    After step t it is the weighted mean of the parameters after the steps i = 1 to t, which weigh decay^(t - i): what
    they were before the first step counts for nothing, as in Adam's averages, divided by 1 - decay^t. Before the first
    step it is the parameters as they are. It is computed in their dtypes.

    Buffers of floating-point numbers that are a part of the state, as a BatchNorm's means and variances, are averaged
    alike, so that they belong to the weights beside which they stand.

    References
    ----------
    Kingma & Ba, "Adam: A Method for Stochastic Optimization", 2015, section 7.2.
    """

    def __init__(
        self,
        named_parameters: Iterable[tuple[str, Parameter | Value]],
        decay: float,
        buffers: Mapping[str, tuple[object, str]] = {},
    ) -> None:
        self.decay = decay
        self._buffers = frozenset(buffers)
        self._places = {name: _Place(parameter, "data") for name, parameter in named_parameters}
        self._places |= {name: _Place(*place) for name, place in buffers.items()}
        self._arrays = {name: place.get().copy() for name, place in self._places.items()}

    @classmethod
    def of(cls, model: TrainableModel, decay: float) -> WeightAverage:
        """That of a model: of its parameters and, where it is or holds an ``nn.Module``, of its buffers."""
        slots = [(before, slot) for before, module in modules_of(model).items() for slot in slots_of(module)]
        averaged = {
            before + slot.name: (slot.owner, slot.key)
            for before, slot in slots
            if slot.saved and isinstance(slot.held, np.ndarray) and slot.held.dtype.kind == "f"
        }
        return cls(model.named_parameters(), decay, averaged)

    def update(self, step: int) -> None:
        """Take in the parameters as they are after a step, the first of which is step 1."""
        weight = (1 - self.decay) / (1 - self.decay**step)
        for name, place in self._places.items():
            average, now = self._arrays[name], place.get()
            # From the nearer end, as torch.lerp does: a weight of 1, and parameters that stay, are exact.
            if now.shape != average.shape:  # a buffer that was given another
                self._arrays[name] = now.copy()
            elif weight < 0.5:
                average += weight * (now - average)
            else:
                average[...] = now - (1 - weight) * (now - average)

    @contextmanager
    def applied(self) -> Generator[None]:
        """Within, the parameters have the averages for their data."""
        own = [place.get() for place in self._places.values()]
        try:
            for name, place in self._places.items():
                place.put(self._arrays[name])
            yield
        finally:
            for place, data in zip(self._places.values(), own, strict=True):
                place.put(data)

    def state_arrays(self) -> dict[str, Array]:
        """A copy of the averages by the names of the parameters and buffers."""
        return {name: array.copy() for name, array in self._arrays.items()}

    def load_state_arrays(self, arrays: Mapping[str, Array]) -> None:
        """Take up where ``state_arrays`` left off; a buffer of which there is no average, as it is.

        Raises
        ------
        ValueError
            Where names or shapes do not fit.
        """
        # The checkpoints of earlier versions have averages of parameters alone.
        given = {**{name: self._places[name].get() for name in self._buffers}, **arrays}
        if wrong := sorted(given.keys() ^ self._arrays.keys()):
            raise ValueError(f"the average {wrong[0]!r} is missing, or has no place")
        for name, array in given.items():
            if array.shape != self._arrays[name].shape:
                raise ValueError(f"the average of {name!r} has shape {array.shape}, not {self._arrays[name].shape}")
        self._arrays = {name: np.array(given[name], array.dtype) for name, array in self._arrays.items()}
