"""Random generators whose draws are written down, so that a plan can make them again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_lm.replay.naming import Section
from tinygrad_lm.replay.traced import Tape, Traced, Untraceable

DRAWS = ("random", "standard_normal", "standard_exponential")
"""The methods of a generator that fill an array that they are given."""


@dataclass(frozen=True, eq=False)
class Draw:
    """Random numbers from a generator."""

    generator: np.random.Generator
    method: str
    options: Mapping[str, object]
    result: Traced
    section: Section


class TracedGenerator:
    """A random generator whose draws are written down; it draws from a copy, so that the real one stays where it is."""

    def __init__(self, tape: Tape, generator: np.random.Generator) -> None:
        self._tape, self._generator = tape, generator
        self._twin = np.random.Generator(type(generator.bit_generator)())
        self._twin.bit_generator.state = generator.bit_generator.state

    def __getattr__(self, name: str) -> Callable[..., Traced]:
        if name not in DRAWS:
            raise Untraceable(f"Generator.{name} of a traced array")

        def draw(size: Any = None, dtype: Any = np.float64) -> Traced:
            result = self._tape.made(np.asarray(getattr(self._twin, name)(size, dtype)))
            options = {"size": size, "dtype": dtype}
            self._tape.instructions.append(Draw(self._generator, name, options, result, self._tape.section))
            return result

        return draw
