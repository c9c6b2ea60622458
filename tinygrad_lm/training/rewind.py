"""``Rewind``: what a step draws from and changes on its way, set back where the step was not made."""

from __future__ import annotations

import numpy as np

from tinygrad_lm.autograd.types import Array
from tinygrad_lm.nn.module import buffer_places
from tinygrad_lm.random import existing_default_generator
from tinygrad_lm.training.generators import State, generators_of, modules_of


class Rewind:
    """The random generators that a step may draw from, and the buffers that it may change, as they were before it.

    Those are the generator of the batches, those that the model's layers own, the default one, and all buffers, also
    those that are not persistent. Layers that come to the model later are not known to it.
    """

    def __init__(self, rng: np.random.Generator, model: object) -> None:
        self._generators = [rng, *generators_of(model).values()]
        self._places = [place for module in modules_of(model).values() for place in buffer_places(module)]
        self._states: list[tuple[np.random.Generator, State]] = []
        self._buffers: list[tuple[object, str, Array | None, Array | None]] = []

    def mark(self) -> None:
        """Keep how all of it is."""
        default = existing_default_generator()
        asked = self._generators if default is None else [*self._generators, default]
        self._states = [(generator, generator.bit_generator.state) for generator in asked]
        if self._places:
            held: list[tuple[object, str, Array | None]] = [(*place, getattr(*place)) for place in self._places]
            self._buffers = [(*found, None if found[2] is None else found[2].copy()) for found in held]

    def back(self) -> None:
        """Set all of it back to what was kept."""
        for generator, state in self._states:
            generator.bit_generator.state = state
        for owner, name, array, numbers in self._buffers:
            if array is not None and array.flags.writeable:
                array[...] = numbers  # of the array itself: two modules may share it
            setattr(owner, name, array)
