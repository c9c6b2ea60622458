"""Compare the backward pass of a problem with numeric slopes, element by element or along random directions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_lm.testing.checker.differences import Slope, complex_slope, slope, step_at
from tinygrad_lm.testing.checker.problem import Problem

Array = np.ndarray[Any, Any]
COMPLEX_RTOL, COMPLEX_ATOL = 1e-9, 1e-11
"""What a complex step is held to unless the caller says otherwise."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far the analytic gradient may be from the numeric one: ``atol + rtol * |numeric|``."""

    rtol: float
    atol: float
    given: bool
    """Whether the caller chose it; the complex step is then held to the same."""

    def of(self, numeric: float) -> float:
        """For a number that is exact."""
        return self.atol + self.rtol * abs(numeric)

    def of_slope(self, measured: Slope) -> float:
        """For a central difference, with what it says of its own error added.

        An error that shrinks with the step, or with its square, is at most 8/7 of how much a step of an eighth changes.
        """
        return self.of(measured.central) + measured.noise + 1.25 * measured.drift

    def of_complex(self, exact: float, scale: float) -> float:
        """For a complex step; ``scale`` is the largest slope of the same input, which carries the round-off."""
        if self.given:
            return self.of(exact)
        return COMPLEX_ATOL + COMPLEX_RTOL * max(abs(exact), scale)

    def __str__(self) -> str:
        return f"{self.atol:g} + {self.rtol:g} * |numeric|"


@dataclass(slots=True)
class Measurement:
    """The slopes of one input: along each of its elements, or along directions."""

    slopes: list[Slope]
    analytic: Array
    numeric: Array
    tolerance: Array
    directions: list[Array]
    """The directions of a sample; empty where every element was measured."""
    exact: bool = False
    """Whether ``numeric`` is by complex step."""

    @property
    def kinks(self) -> Array:
        """Which slopes are not those of a smooth function."""
        return np.array([measured.verdict != "smooth" for measured in self.slopes], dtype=bool)

    @property
    def errors(self) -> Array:
        """|analytic - numeric|, not a number where there is no derivative."""
        return np.abs(self.analytic - self.numeric)


def along_element(problem: Problem, points: Sequence[Array], position: int, k: int) -> Callable[[float], Array]:
    """The results as a function of one element."""

    def along(t: float) -> Array:
        moved = points[position].copy()
        moved.flat[k] = t
        return problem.evaluate([*points[:position], moved, *points[position + 1 :]])

    return along


def along_direction(problem: Problem, points: Sequence[Array], position: int, u: Array) -> Callable[[float], Array]:
    """The results as a function of how far one input goes in a direction."""

    def along(t: float) -> Array:
        return problem.evaluate([*points[:position], points[position] + t * u, *points[position + 1 :]])

    return along


def in_full(
    problem: Problem,
    points: Sequence[Array],
    position: int,
    weights: Array,
    base: Array,
    analytic: Array,
    tol: Tolerance,
) -> Measurement:
    """The slope along every element of one input."""
    slopes = [
        slope(along_element(problem, points, position, k), float(x), step_at(float(x)), weights, base)
        for k, x in enumerate(points[position].flat)
    ]
    return Measurement(
        slopes,
        analytic.reshape(-1),
        np.array([measured.central for measured in slopes]),
        np.array([tol.of_slope(measured) for measured in slopes]),
        [],
    )


def in_sample(
    problem: Problem,
    points: Sequence[Array],
    position: int,
    weights: Array,
    base: Array,
    analytic: Array,
    tol: Tolerance,
    directions: Sequence[Array],
) -> Measurement:
    """The slope along directions; the tolerance grows as the length of a direction does."""
    point = points[position]
    step = step_at(float(np.abs(point).max(initial=0.0)))
    slopes = [slope(along_direction(problem, points, position, u), 0.0, step, weights, base) for u in directions]
    length = float(np.sqrt(point.size))
    return Measurement(
        slopes,
        np.array([float(np.sum(analytic * u)) for u in directions]),
        np.array([measured.central for measured in slopes]),
        np.array([tol.of_slope(measured) + tol.atol * (length - 1) for measured in slopes]),
        list(directions),
    )


def by_complex_step(
    evaluate: Callable[[Sequence[Any]], Array],
    points: Sequence[Array],
    weights: Array,
    base: Array,
    measurements: Sequence[Measurement],
    tol: Tolerance,
) -> str:
    """Replace the differences by complex steps if the function can run on complex numbers; else say why not.

    A function that cannot is told by an error, by other values, or by slopes unlike the differences'.
    """
    shifted: list[Array] = [point.astype(np.complex128) for point in points]
    exact: list[Array] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            plain = evaluate(shifted)
            if plain.shape != base.shape or not np.allclose(plain, base, rtol=1e-9, atol=1e-12):
                return "its values on complex numbers are others"
            for position, measurement in enumerate(measurements):
                exact.append(_complex_slopes(evaluate, shifted, position, weights, measurement))
    except Exception as error:
        return f"on complex numbers it raises {type(error).__name__}: {_short(error)}"
    for measurement, slopes in zip(measurements, exact, strict=True):
        smooth = ~measurement.kinks
        if not (np.abs(slopes - measurement.numeric) <= measurement.tolerance)[smooth].all():
            return "on complex numbers its slopes are others, so it is not analytic as written"
    for measurement, slopes in zip(measurements, exact, strict=True):
        smooth = ~measurement.kinks
        scale = float(np.abs(slopes[smooth]).max(initial=0.0))
        measurement.numeric = np.where(smooth, slopes, measurement.numeric)
        bounds = np.array([tol.of_complex(float(x), scale) for x in slopes])
        # The complex step may make the check stricter, never looser.
        measurement.tolerance = np.where(smooth, np.minimum(bounds, measurement.tolerance), measurement.tolerance)
        measurement.exact = True
    return ""


def _complex_slopes(
    evaluate: Callable[[Sequence[Any]], Array],
    points: list[Array],
    position: int,
    weights: Array,
    measurement: Measurement,
) -> Array:
    point = points[position]
    slopes: list[float] = []
    for k, measured in enumerate(measurement.slopes):

        def along(t: complex, k: int = k) -> Array:
            moved = point.copy()
            if measurement.directions:
                moved += t * measurement.directions[k]
            else:
                moved.flat[k] = t
            return evaluate([*points[:position], moved, *points[position + 1 :]])

        at = 0.0 if measurement.directions else float(point.flat[k].real)
        slopes.append(complex_slope(along, at, weights) if measured.verdict == "smooth" else np.nan)
    return np.array(slopes)


def locate(
    problem: Problem, points: Sequence[Array], position: int, weights: Array, base: Array, analytic: Array, u: Array
) -> tuple[int, Slope]:
    """The element that a wrong slope along ``u`` comes from, by halving, and the slope along it alone."""
    chosen = np.arange(analytic.size)
    step = step_at(float(np.abs(points[position]).max(initial=0.0)))
    while len(chosen) > 1:
        halves = np.array_split(chosen, 2)
        errors: list[float] = []
        for half in halves:
            part: Array = np.zeros(analytic.size)
            part[half] = u.reshape(-1)[half]
            along = along_direction(problem, points, position, part.reshape(u.shape))
            errors.append(abs(slope(along, 0.0, step, weights, base).central - float(analytic.reshape(-1) @ part)))
        chosen = halves[int(np.argmax(np.nan_to_num(errors, nan=np.inf)))]
    k = int(chosen[0])
    x = float(points[position].flat[k])
    return k, slope(along_element(problem, points, position, k), x, step_at(x), weights, base)


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 100 else text[:97] + "..."
