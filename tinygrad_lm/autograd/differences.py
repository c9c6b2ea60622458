"""Finite differences along a line: how far to step from a point, and the slope between the points on either side."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

STEP = 6e-6
"""About eps**(1/3), the step at which truncation and round-off of a central difference balance (float64)."""


def step_at(x: float) -> float:
    """The power of two next to 6e-6 * max(1, |x|): added to ``x`` it is (almost) exact."""
    return 2.0 ** round(math.log2(STEP * max(1.0, abs(x))))


def both_sides(along: Callable[[float], T], at: float, step: float) -> tuple[T, T, float]:
    """A function a step ahead of a point and a step behind it, and how far apart these two points are.

    Rounding moves the points, so this is not always twice the step.
    """
    ahead, behind = at + step, at - step
    return along(ahead), along(behind), ahead - behind


def central_difference(along: Callable[[float], float], at: float, step: float) -> float:
    """The derivative of ``along`` at a point, measured from both sides.

    Of a smooth function the error falls with the square of the step, until round-off outweighs it.

    >>> central_difference(lambda x: x**2, 3.0, step_at(3.0))
    6.0
    """
    ahead, behind, distance = both_sides(along, at, step)
    return (ahead - behind) / distance
