"""``WeightAverage``: the exponential moving average of a model's weights, evaluated and kept in their place."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from tinygrad_lm.autograd import Value
from tinygrad_lm.autograd.types import Array, is_ndarray
from tinygrad_lm.nn import Parameter
from tinygrad_lm.nn.module import slots_of
from tinygrad_lm.training.generators import modules_of

Place = tuple[object, str]
"""The module that has a buffer, and the attribute."""


class WeightAverage:
    """The exponential moving average of parameters, and of buffers, over the steps of a training.

    After step t it is the weighted mean of the parameters after the steps i = 1 to t, which weigh decay^(t - i): what
    they were before the first step counts for nothing, as in Adam's averages, divided by 1 - decay^t. Before the first
    step it is the parameters as they are. It is computed in their dtypes.

    Buffers are averaged by the same decay, as by PyTorch's ``AveragedModel(use_buffers=True)``: the running statistics
    of ``BatchNorm1d`` belong to the weights that they were measured with. Where there is no mean to take, since a
    buffer was given another shape, or a number in it is infinite, the average is what the buffer holds.

    References
    ----------
    Kingma & Ba, "Adam: A Method for Stochastic Optimization", 2015, section 7.2.
    """

    def __init__(
        self,
        named_parameters: Iterator[tuple[str, Parameter | Value]],
        decay: float,
        buffers: Mapping[str, Place] | None = None,
    ) -> None:
        self.decay = decay
        self._parameters = dict(named_parameters)
        self._arrays = {name: np.array(parameter.data) for name, parameter in self._parameters.items()}
        self._places = dict(buffers or {})
        self._buffers = _copies(self._held())

    def update(self, step: int) -> None:
        """Take in the parameters and the buffers as they are after a step, the first of which is step 1."""
        weight = (1 - self.decay) / (1 - self.decay**step)
        for name, parameter in self._parameters.items():
            average = self._arrays[name]
            # From the nearer end, as torch.lerp does: a weight of 1, and parameters that stay, are exact.
            if weight < 0.5:
                average += weight * (parameter.data - average)
            else:
                average[...] = parameter.data - (1 - weight) * (parameter.data - average)
        earlier = self._buffers
        self._buffers = {name: _moved(earlier.get(name), now, weight) for name, now in self._held().items()}

    @contextmanager
    def applied(self) -> Generator[None]:
        """Within, the parameters have the averages for their data, and the modules have them for buffers."""
        own = [np.asarray(parameter.data) for parameter in self._parameters.values()]
        buffers = {name: getattr(*self._places[name]) for name in self._buffers}
        try:
            for name, parameter in self._parameters.items():
                _put(parameter, self._arrays[name])
            for name, average in self._buffers.items():
                setattr(*self._places[name], average.copy())  # which a module may change in place
            yield
        finally:
            for parameter, data in zip(self._parameters.values(), own, strict=True):
                _put(parameter, data)
            for name, array in buffers.items():
                setattr(*self._places[name], array)

    def state_arrays(self) -> dict[str, Array]:
        """A copy of the averages by the names of the parameters and buffers."""
        return _copies({**self._arrays, **self._buffers})

    def load_state_arrays(self, arrays: Mapping[str, Array]) -> None:
        """Take up where ``state_arrays`` left off.

        Earlier versions averaged no buffers: without any, their averages begin with the buffers as they are.

        Raises
        ------
        ValueError
            Where names or shapes do not fit.
        """
        buffers = self._held()
        own = self._arrays if arrays.keys().isdisjoint(buffers) else {**self._arrays, **buffers}
        if wrong := sorted(arrays.keys() ^ own.keys()):
            raise ValueError(f"the average {wrong[0]!r} is missing, or has no place")
        for name, array in arrays.items():
            if array.shape != own[name].shape:
                raise ValueError(f"the average of {name!r} has shape {array.shape}, not {own[name].shape}")
        loaded = {name: np.array(arrays[name], array.dtype) for name, array in own.items()}
        self._arrays = {name: loaded[name] for name in self._arrays}
        self._buffers = {name: loaded[name] if name in loaded else array.copy() for name, array in buffers.items()}

    def _held(self) -> dict[str, Array]:
        """Every buffer of floating-point numbers as it is now."""
        held = {name: getattr(*place, None) for name, place in self._places.items()}
        return {name: array for name, array in held.items() if is_ndarray(array) and array.dtype.kind == "f"}


def buffers_of(model: object) -> dict[str, Place]:
    """Where a model's modules have the buffers that are a part of their state, by name."""
    return {
        f"{before}{slot.name}": (slot.owner, slot.key)
        for before, module in modules_of(model).items()
        for slot in slots_of(module)
        if slot.saved and is_ndarray(slot.held)
    }


def _copies(arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {name: array.copy() for name, array in arrays.items()}


def _moved(average: Array | None, now: Array, weight: float) -> Array:
    """The average of a buffer moved towards what is now, which stands where there is no number between the two."""
    if average is None or average.shape != now.shape:
        return now.copy()
    with np.errstate(over="ignore", invalid="ignore"):
        difference = now - average
        moved = average + weight * difference if weight < 0.5 else now - (1 - weight) * difference
    return np.where(np.isfinite(difference), moved, now).astype(now.dtype, copy=False)


def _put(parameter: Parameter | Value, array: Array) -> None:
    if isinstance(parameter, Value):
        parameter.data = array.item()
    else:
        parameter.data = array
