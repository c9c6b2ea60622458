"""Numeric slopes along a line: scaled central differences, one-sided slopes that find kinks, and the complex step."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tinygrad_lm.autograd.differences import both_sides
from tinygrad_lm.autograd.types import Array

NEARER = 8.0
"""How many times smaller the second step is, which tells a kink from a curve."""
COMPLEX_STEP = 1e-30
_EPS = float(np.finfo(np.float64).eps)


class Slope(NamedTuple):
    """The derivative of a weighted sum of outputs along a line, as differences see it."""

    central: float
    """The central difference."""
    left: float
    """The slope on the left, over the nearer step."""
    right: float
    """The slope on the right, over the nearer step."""
    step: float
    noise: float
    """What round-off can do to ``central``."""
    drift: float
    """How much the central difference changes with the step: its own estimate of its error."""
    low: float
    """The least of the slopes seen on either side, over both steps."""
    high: float
    """The greatest of them."""
    verdict: str
    """``smooth``, ``kink``, ``jump``, or ``edge`` where the function stops being finite within the step."""


def slope(along: Callable[[float], Array], at: float, step: float, weights: Array, base: Array) -> Slope:
    """Measure the derivative of ``weights @ along(t)`` at ``t = at``; ``base`` is ``along(at)``.

    Four evaluations: at the step and at an eighth of it, on either side. A kink at ``at`` shows by one-sided slopes
    that do not come together with the step; one within the step, by central differences that do not agree.
    """
    near = step / NEARER
    ahead, behind, distance = both_sides(along, at, step)
    near_ahead, near_behind, near_distance = both_sides(along, at, near)
    if not all(np.isfinite(value).all() for value in (ahead, behind, near_ahead, near_behind)):
        return Slope(np.nan, np.nan, np.nan, step, 0.0, 0.0, np.nan, np.nan, "edge")
    right = float(weights @ (ahead - base)) / ((at + step) - at)
    left = float(weights @ (base - behind)) / (at - (at - step))
    near_right = float(weights @ (near_ahead - base)) / ((at + near) - at)
    near_left = float(weights @ (base - near_behind)) / (at - (at - near))
    central = float(weights @ (ahead - behind)) / distance
    near_central = float(weights @ (near_ahead - near_behind)) / near_distance
    # Only outputs that moved contribute to a difference, and so to its round-off.
    moved = (ahead != base) | (behind != base)
    noise = 16 * _EPS * float(np.abs(weights[moved]) @ np.abs(base[moved])) / step
    if not moved.any():
        # Less than the last digit of a large result is lost in it.
        noise = _EPS * float(np.abs(weights) @ np.abs(base)) / step
    drift = abs(central - near_central)
    scale = 1.0 + abs(central)
    gap, near_gap = abs(right - left), abs(near_right - near_left)
    is_near = drift > 1e-5 * scale + NEARER * noise
    is_at = near_gap > 0.5 * gap and near_gap > 1e-4 * scale + 2 * NEARER * noise
    if is_near and not is_at and _only_curved(along, at, near, weights, near_central, drift, noise):
        return slope(along, at, near / NEARER, weights, base)
    verdict = "smooth"
    if is_near or is_at:
        steep = max(abs(near_right), abs(near_left)) > NEARER / 2 * max(abs(right), abs(left))
        verdict = "jump" if steep else "kink"
    slopes = (left, right, near_left, near_right)
    return Slope(central, near_left, near_right, step, noise, drift, min(slopes), max(slopes), verdict)


def _only_curved(
    along: Callable[[float], Array],
    at: float,
    near: float,
    weights: Array,
    near_central: float,
    drift: float,
    noise: float,
) -> bool:
    """Whether central differences disagree because the function bends, as log does near 0, and not at a kink.

    The error of a smooth function falls with the square of the step. At a kink within the step it does not fall, or
    vanishes once the step no longer reaches it.
    """
    earlier = near_central
    for closer in (NEARER, NEARER**2):
        ahead, behind, distance = both_sides(along, at, near / closer)
        central = float(weights @ (ahead - behind)) / distance
        shrunk = abs(earlier - central) * closer**2
        if not 0.5 * drift < shrunk < 2 * drift or shrunk < NEARER**3 * closer**2 * noise:
            return False
        earlier = central
    return True


def complex_slope(along: Callable[[complex], Array], at: float, weights: Array) -> float:
    """The derivative of ``weights @ along(t)`` at ``t = at`` by a complex step: no subtraction, so no round-off.

    Right only where ``along`` is holomorphic and written for complex numbers.

    References
    ----------
    W. Squire and G. Trapp, "Using complex variables to estimate derivatives of real functions", SIAM Review 40 (1998).
    """
    return float(weights @ np.imag(along(complex(at, COMPLEX_STEP)))) / COMPLEX_STEP
