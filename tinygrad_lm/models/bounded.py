"""A generator of initial weights that stops a model from being built larger than it may be."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Any, cast

import numpy as np

from tinygrad_lm.models.limits import TooLarge
from tinygrad_lm.random import drawing_from

REDRAWN = 4
"""How many numbers are drawn at most for each that a model has: layers draw, and some are then drawn anew."""
FREE = 1 << 20
"""So many numbers (8 MiB) may be drawn by any model, however small."""


class _Left:
    """How many numbers may still be drawn, by a generator and by those that it spawned."""

    def __init__(self, numbers: float) -> None:
        self.numbers = numbers

    def take(self, size: object) -> None:
        try:
            self.numbers -= 1 if size is None else operator.index(cast(int, size))
        except TypeError:
            self.numbers -= math.prod(operator.index(side) for side in cast(Iterable[int], size))
        if self.numbers < 0:
            raise TooLarge("the model has more numbers than it may")


class _Bounded(np.random.Generator):
    """NumPy's generator, which counts what it draws."""

    left: _Left

    def spawn(self, n_children: int) -> list[np.random.Generator]:
        """As NumPy's; what they draw counts too."""
        self.left.take(n_children)
        children = [_Bounded(cast(Any, bits)) for bits in self.bit_generator.spawn(n_children)]
        for child in children:
            child.left = self.left
        return [*children]


SIZES = {
    **dict.fromkeys(["random", "standard_cauchy", "standard_exponential", "standard_normal"], 0),
    **dict.fromkeys(["exponential", "poisson", "rayleigh", "standard_gamma", "standard_t", "weibull"], 1),
    **dict.fromkeys(["beta", "binomial", "gamma", "gumbel", "integers", "laplace", "logistic", "lognormal"], 2),
    **dict.fromkeys(["normal", "uniform", "vonmises"], 2),
    **dict.fromkeys(["triangular"], 3),
}
"""Where the size stands among the arguments of a generator's methods; others, such as ``choice``, draw by these."""


def _counted(name: str, place: int) -> Callable[..., Any]:
    draw = getattr(np.random.Generator, name)

    def counted(self: _Bounded, *args: Any, **options: Any) -> Any:
        self.left.take(args[place] if len(args) > place else options.get("size"))
        return draw(self, *args, **options)

    return counted


for _name, _place in SIZES.items():
    setattr(_Bounded, _name, _counted(_name, _place))


@contextmanager
def bounded(
    numbers: int, free: int | None = None, rng: np.random.Generator | None = None
) -> Generator[np.random.Generator, None, None]:
    """A generator to build a model of at most so many numbers with.

    It draws as any generator does, but in the block not many more numbers than those: so what a file asks for is not
    built where the file itself could not hold it. Layers that are given no generator draw from it too. After the block
    it is an ordinary generator, for a layer that keeps it. It goes on with the stream of ``rng``, where that is given.

    Raises
    ------
    TooLarge
        Before it would draw more.
    """
    generator = _Bounded(np.random.PCG64(0) if rng is None else cast(Any, rng.bit_generator))
    generator.left = _Left(max(FREE if free is None else free, REDRAWN * numbers))
    try:
        with drawing_from(generator):
            yield generator
    finally:
        generator.left.numbers = math.inf
