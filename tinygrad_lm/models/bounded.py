"""A generator of initial weights that stops a model from being built larger than it may be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_lm.models.limits import TooLarge

REDRAWN = 4
"""How many numbers are drawn at most for each that a model has: layers draw, and some are then drawn anew."""


class Bounded(np.random.Generator):
    """A generator of initial weights for a model of at most so many numbers.

    It draws as any generator does, but not many more numbers than those: so what a file asks for is not built where the
    file itself could not hold it.

    Raises
    ------
    TooLarge
        Before it would draw more.
    """

    def __init__(self, numbers: int) -> None:
        super().__init__(np.random.PCG64(0))
        self._left = REDRAWN * numbers

    def _take(self, size: int | Sequence[int] | None) -> None:
        self._left -= 1 if size is None else size if isinstance(size, int) else math.prod(size)
        if self._left < 0:
            raise TooLarge("the model has more numbers than it may")

    def random(self, size: Any = None, *args: Any, **options: Any) -> Any:
        """As NumPy's."""
        self._take(size)
        draw: Any = super().random
        return draw(size, *args, **options)

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        """As NumPy's."""
        self._take(size)
        draw: Any = super().uniform
        return draw(low, high, size)

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        """As NumPy's."""
        self._take(size)
        draw: Any = super().normal
        return draw(loc, scale, size)

    def standard_normal(self, size: Any = None, *args: Any, **options: Any) -> Any:
        """As NumPy's."""
        self._take(size)
        draw: Any = super().standard_normal
        return draw(size, *args, **options)
