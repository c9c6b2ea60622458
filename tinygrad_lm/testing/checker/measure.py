"""Compare the backward pass of a problem with numeric slopes, element by element or along random directions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tinygrad_lm.autograd.differences import step_at
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.testing.checker.differences import Slope, complex_slope, slope
from tinygrad_lm.testing.checker.problem import Problem

COMPLEX_RTOL, COMPLEX_ATOL = 1e-9, 1e-11
"""What a complex step is held to unless the caller says otherwise."""


class Tolerance(NamedTuple):
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


class Subject(NamedTuple):
    """The gradient of a problem to one of its inputs, by the backward pass, and where it was taken."""

    problem: Problem
    points: Sequence[Array]
    """All inputs."""
    position: int
    """Which of them it is the gradient to."""
    cotangent: Array
    base: Array
    """The results at the inputs."""
    found: Array | None
    """``None`` where no path leads to the input."""

    @property
    def name(self) -> str:
        """The input's name."""
        return self.problem.names[self.position]

    @property
    def point(self) -> Array:
        """The input."""
        return self.points[self.position]

    @property
    def analytic(self) -> Array:
        """The gradient, zero where there is no path."""
        return np.zeros(self.point.shape) if self.found is None else self.found

    def along_element(self, k: int) -> Callable[[float], Array]:
        """The results as a function of one element."""

        def along(t: float) -> Array:
            moved = self.point.copy()
            moved.flat[k] = t
            return self._results(moved)

        return along

    def along_direction(self, u: Array) -> Callable[[float], Array]:
        """The results as a function of how far the input goes in a direction."""
        return lambda t: self._results(self.point + t * u)

    def _results(self, moved: Array) -> Array:
        return self.problem.evaluate([*self.points[: self.position], moved, *self.points[self.position + 1 :]])

    def slope_of_element(self, k: int) -> Slope:
        """The slope along one element."""
        x = float(self.point.flat[k])
        return slope(self.along_element(k), x, step_at(x), self.cotangent, self.base)

    def slope_of_direction(self, u: Array) -> Slope:
        """The slope along a direction, by a step that suits the input's largest element."""
        step = step_at(float(np.abs(self.point).max(initial=0.0)))
        return slope(self.along_direction(u), 0.0, step, self.cotangent, self.base)


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
        """|analytic - numeric|, nan where there is no derivative."""
        return np.abs(self.analytic - self.numeric)


def in_full(subject: Subject, tol: Tolerance) -> Measurement:
    """The slope along every element of the input."""
    slopes = [subject.slope_of_element(k) for k in range(subject.point.size)]
    return Measurement(
        slopes,
        subject.analytic.reshape(-1),
        np.array([measured.central for measured in slopes]),
        np.array([tol.of_slope(measured) for measured in slopes]),
        [],
    )


def in_sample(subject: Subject, tol: Tolerance, directions: Sequence[Array]) -> Measurement:
    """The slope along directions; the tolerance grows as the length of a direction does."""
    slopes = [subject.slope_of_direction(u) for u in directions]
    length = float(np.sqrt(subject.point.size))
    return Measurement(
        slopes,
        np.array([float(np.sum(subject.analytic * u)) for u in directions]),
        np.array([measured.central for measured in slopes]),
        np.array([tol.of_slope(measured) + tol.atol * (length - 1) for measured in slopes]),
        list(directions),
    )


def by_complex_step(
    evaluate: Callable[[Sequence[Array]], Array],
    points: Sequence[Array],
    cotangent: Array,
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
                exact.append(_complex_slopes(evaluate, shifted, position, cotangent, measurement))
    except Exception as error:
        return f"on complex numbers it raises {type(error).__name__}: {_short(error)}"
    for measurement, slopes in zip(measurements, exact, strict=True):
        smooth = ~measurement.kinks
        if not (np.abs(slopes - measurement.numeric) <= measurement.tolerance)[smooth].all():
            return "on complex numbers its slopes are others, so it is not holomorphic as written"
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
    evaluate: Callable[[Sequence[Array]], Array],
    points: list[Array],
    position: int,
    cotangent: Array,
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
        slopes.append(complex_slope(along, at, cotangent) if measured.verdict == "smooth" else np.nan)
    return np.array(slopes)


def locate(subject: Subject, u: Array) -> tuple[int, Slope]:
    """The element that a wrong slope along ``u`` comes from, by halving, and the slope along that element."""
    chosen = np.arange(subject.point.size)
    analytic = subject.analytic.reshape(-1)
    while len(chosen) > 1:
        halves = np.array_split(chosen, 2)
        errors: list[float] = []
        for half in halves:
            part: Array = np.zeros(analytic.size)
            part[half] = u.reshape(-1)[half]
            measured = subject.slope_of_direction(part.reshape(u.shape))
            errors.append(abs(measured.central - float(analytic @ part)))
        chosen = halves[int(np.argmax(np.nan_to_num(errors, nan=np.inf)))]
    k = int(chosen[0])
    return k, subject.slope_of_element(k)


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 100 else text[:97] + "..."
