"""What the pieces of a batch draw from and change: generators made for each piece, buffers that come together again."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from tinygrad_lm.autograd.types import Array
from tinygrad_lm.nn.module import buffer_places
from tinygrad_lm.random import drawing_from, existing_default_generator
from tinygrad_lm.training.generators import generators_of, modules_of

WORDS = 4
"""How many words of 32 bits each generator gives at each step, from which those of the pieces are seeded."""


class Draws:
    """The generators of a model's layers, and the default one, as each piece of a step has them.

    At each step a generator draws once, and stays there. In a piece it has a state of its own, which is seeded by what
    was drawn and the number of the piece: so the draws of a piece do not depend on who computes it, nor on what else
    they compute. Where nothing has seeded the default generator, that of the pieces is seeded by the seed of the
    training and the step.

    Parameters
    ----------
    model
        Whose layers draw.
    seed
        The seed of the training.
    has_default
        Whether the default generator is drawn from: all ranks have to say the same.
    """

    def __init__(self, model: object, seed: int, has_default: bool) -> None:
        self._held = list({id(found): found for found in generators_of(model).values()}.values())
        self._seed = seed
        self._has_default = has_default
        self._drawn: list[list[int]] = []
        self._default: list[int] = []
        self._states: list[object] = []

    def begin(self, step: int) -> None:
        """Draw for a step."""
        default = existing_default_generator() if self._has_default else None
        self._drawn = [_words(held) for held in self._held]
        self._default = [self._seed, step] if default is None else _words(default)
        self._states = [held.bit_generator.state for held in self._held]  # one may be the default

    @contextmanager
    def of_piece(self, piece: int) -> Generator[None]:
        """Within, the layers and functions draw what belongs to a piece."""
        for held, drawn in zip(self._held, self._drawn, strict=True):
            bits = type(held.bit_generator)
            held.bit_generator.state = bits(np.random.SeedSequence([*drawn, piece])).state
        default = np.random.Generator(np.random.PCG64(np.random.SeedSequence([*self._default, piece])))
        try:
            with drawing_from(default):
                yield
        finally:
            for held, state in zip(self._held, self._states, strict=True):
                held.bit_generator.state = state  # pyright: ignore[reportAttributeAccessIssue]


def _words(generator: np.random.Generator) -> list[int]:
    return generator.integers(1 << 32, size=WORDS, dtype=np.uint32).tolist()


class Place(NamedTuple):
    """A buffer of a module as it was before a step."""

    owner: object
    name: str
    array: Array
    numbers: Array


class Buffers:
    """The buffers of a model, such as running statistics, which each piece of a step finds as they were before it.

    Where no piece has changed a buffer, it stays. One of floating-point numbers becomes the mean of what the pieces
    made of it, in their order, by the weights of the pieces. Of others, such as a count of batches, all pieces have to
    make the same.
    """

    def __init__(self, model: object) -> None:
        places = [place for module in modules_of(model).values() for place in buffer_places(module)]
        found = [(owner, name, getattr(owner, name)) for owner, name in places]
        self._places = [Place(owner, name, array, array.copy()) for owner, name, array in found if array is not None]
        self.size = sum(place.array.nbytes for place in self._places)

    def begin(self) -> None:
        """Keep how they are before a step."""
        for i, (owner, name, _, numbers) in enumerate(self._places):
            array = getattr(owner, name)
            self._check(owner, name, array, numbers)
            self._places[i] = Place(owner, name, array, array.copy())

    def back(self) -> None:
        """Set all of them back, as the next piece finds them."""
        for owner, name, array, numbers in self._places:
            _put(owner, name, array, numbers)

    def write(self, into: Array) -> None:
        """Write what a piece made of them into a flat array of ``size`` bytes."""
        start = 0
        for owner, name, _, numbers in self._places:
            array = getattr(owner, name)
            self._check(owner, name, array, numbers)
            flat = np.frombuffer(array.tobytes(), np.uint8)
            into[start : start + flat.size] = flat
            start += flat.size

    def combine(self, written: Sequence[Array], weights: Sequence[float]) -> None:
        """Set them to what the pieces made of them together.

        Raises
        ------
        ValueError
            Where they cannot be combined.
        """
        start = 0
        for owner, name, array, numbers in self._places:
            end = start + numbers.nbytes
            made = [np.frombuffer(each[start:end].tobytes(), numbers.dtype) for each in written]
            start = end
            if all(each.tobytes() == made[0].tobytes() for each in made):
                _put(owner, name, array, made[0].reshape(numbers.shape))
            elif numbers.dtype.kind == "f":
                total = made[0] * weights[0]
                for each, weight in zip(made[1:], weights[1:], strict=True):
                    total += each * weight
                _put(owner, name, array, total.astype(numbers.dtype, copy=False).reshape(numbers.shape))
            else:
                raise ValueError(
                    f"the buffer {name!r} of {type(owner).__name__}, of {numbers.dtype}, came out differently for each "
                    "piece of the batch, which gives no one buffer of the whole: train without pieces"
                )

    def _check(self, owner: object, name: str, array: Array | None, numbers: Array) -> None:
        """Refuse a buffer that a step gave another shape."""
        if array is None or array.shape != numbers.shape or array.dtype != numbers.dtype:
            now = None if array is None else f"{array.dtype} {array.shape}"
            raise ValueError(
                f"the buffer {name!r} of {type(owner).__name__} was {numbers.dtype} {numbers.shape} and became {now}, "
                "which the pieces of a batch cannot agree on: train without pieces"
            )


def _put(owner: object, name: str, array: Array, numbers: Array) -> None:
    if array.flags.writeable:
        array[...] = numbers  # of the array itself: two modules may share it
        setattr(owner, name, array)
    else:
        setattr(owner, name, numbers.copy())
