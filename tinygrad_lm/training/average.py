"""``WeightAverage``: the exponential moving average of a model's weights, evaluated and kept in their place."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from tinygrad_lm.autograd import Value
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.nn import Parameter


class WeightAverage:
    """The exponential moving average of parameters over the steps of a training.

    After step t it is the weighted mean of the parameters after the steps i = 1 to t, which weigh decay^(t - i): what
    they were before the first step counts for nothing, as in Adam's averages, divided by 1 - decay^t. Before the first
    step it is the parameters as they are. It is computed in their dtypes.

    References
    ----------
    Kingma & Ba, "Adam: A Method for Stochastic Optimization", 2015, section 7.2.
    """

    def __init__(self, named_parameters: Iterator[tuple[str, Parameter | Value]], decay: float) -> None:
        self.decay = decay
        self._parameters = dict(named_parameters)
        self._arrays = {name: np.array(parameter.data) for name, parameter in self._parameters.items()}

    def update(self, step: int) -> None:
        """Take in the parameters as they are after a step, the first of which is step 1."""
        weight = (1 - self.decay) / (1 - self.decay**step)
        for name, parameter in self._parameters.items():
            average = self._arrays[name]
            # From the nearer end, as torch.lerp does: a weight of 1, and parameters that stay, are exact.
            if weight < 0.5:
                average += weight * (parameter.data - average)
            else:
                average[...] = parameter.data - (1 - weight) * (parameter.data - average)

    @contextmanager
    def applied(self) -> Generator[None]:
        """Within, the parameters have the averages for their data."""
        own = [np.asarray(parameter.data) for parameter in self._parameters.values()]
        try:
            for name, parameter in self._parameters.items():
                _put(parameter, self._arrays[name])
            yield
        finally:
            for parameter, data in zip(self._parameters.values(), own, strict=True):
                _put(parameter, data)

    def state_arrays(self) -> dict[str, Array]:
        """A copy of the averages by the names of the parameters."""
        return {name: array.copy() for name, array in self._arrays.items()}

    def load_state_arrays(self, arrays: Mapping[str, Array]) -> None:
        """Take up where ``state_arrays`` left off.

        Raises
        ------
        ValueError
            Where names or shapes do not fit.
        """
        if wrong := sorted(arrays.keys() ^ self._arrays.keys()):
            raise ValueError(f"the average {wrong[0]!r} is missing, or has no place")
        for name, array in arrays.items():
            if array.shape != self._arrays[name].shape:
                raise ValueError(f"the average of {name!r} has shape {array.shape}, not {self._arrays[name].shape}")
        self._arrays = {name: np.array(arrays[name], array.dtype) for name, array in self._arrays.items()}


def _put(parameter: Parameter | Value, array: Array) -> None:
    if isinstance(parameter, Value):
        parameter.data = array.item()
    else:
        parameter.data = array
