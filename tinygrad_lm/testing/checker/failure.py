"""The messages of failed checks: which element, both numbers, what the mistake looks like, how to repeat it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tinygrad_lm.autograd.types import Array
from tinygrad_lm.testing.checker import diagnosis, measure
from tinygrad_lm.testing.checker.differences import Slope
from tinygrad_lm.testing.checker.measure import Measurement, Subject, Tolerance
from tinygrad_lm.testing.checker.report import GradientError, Index, lines, number, show_index
from tinygrad_lm.testing.checker.user_function import UserFunction

_PRINTED_ELEMENTS = 40


class Options(NamedTuple):
    """How the check was called, for the line that repeats it."""

    user: UserFunction
    order: int
    kinks: str
    mode: str
    seed: int
    tol: Tolerance
    weighted: bool
    """Whether the caller gave the cotangent."""

    def cotangent(self) -> str:
        """What the results were weighted by, and to second order the gradient."""
        drawn = f"random signs times U(0.5, 1.5), seed {self.seed}"
        single = sum(int(np.prod(shape, dtype=int)) for shape in self.user.shapes) == 1
        first = "given" if self.weighted else "1" if single else drawn
        if self.order == 2:
            return f"{first} for the result; for its gradient {drawn}"
        return "1, as backward() has it for a single number" if first == "1" else first

    def reproducer(self) -> str:
        """Lines to paste: the inputs, where they are few, and the call."""
        options = {"order": self.order, "kinks": self.kinks, "mode": self.mode, "seed": self.seed}
        if self.tol.given:
            options |= {"rtol": self.tol.rtol, "atol": self.tol.atol}
        named = [f"{key}={value!r}" for key, value in options.items()]
        if self.weighted:
            named.append("cotangent=cotangent")
        set_up = [f"{line}\n    " for line in self.user.assignments(_PRINTED_ELEMENTS)]
        return f"{''.join(set_up)}check_gradients({', '.join([self.user.call_line(), *named])})"


class Failure(NamedTuple):
    """One input whose gradient is wrong."""

    subject: Subject
    measurement: Measurement
    wrong: Array
    checked: Array

    @property
    def excess(self) -> float:
        """How many times the tolerance the worst error is."""
        ratios = self.measurement.errors / np.maximum(self.measurement.tolerance, 1e-300)
        return float(np.nanmax(np.where(self.wrong, ratios, 0.0)))


def wrong_gradient(failures: Sequence[Failure], options: Options) -> GradientError:
    """The error for the worst input, with the names of the others that are wrong too."""
    worst = max(failures, key=lambda failed: failed.excess)
    subject = worst.subject
    index, analytic, numeric, facts, hints = (_in_sample if worst.measurement.directions else _in_full)(worst)
    point = subject.point
    order = "" if options.order == 1 else " (second order: the gradient of the gradient)"
    head = f"the gradient of {subject.problem.function} with respect to {subject.name} is wrong{order}"
    error = abs(analytic - numeric)
    others = [failed.subject.name for failed in failures if failed is not worst]
    rows = [
        ("input", f"{subject.name}, number {subject.position}, shape {point.shape}"),
        ("wrong", facts["wrong"]),
        ("at", f"index {index}, where {subject.name}{show_index(index)} = {number(float(point[index]))}"),
        ("analytic", number(analytic) + ("  (no path)" if subject.found is None else "")),
        ("numeric", f"{number(numeric)}  ({facts['method']})"),
        ("slopes", facts["slopes"]),
        ("error", f"{error:.3g} absolute, {error / max(abs(numeric), 1e-300):.3g} relative"),
        ("tolerance", facts.get("tolerance", str(options.tol))),
        ("ratio", f"analytic / numeric = {analytic / numeric + 0.0:.6g}" if numeric else "numeric is 0"),
        *(("hint", hint) for hint in hints),
        *([("jacobian", facts["jacobian"])] if "jacobian" in facts else []),
        ("cotangent", options.cotangent()),
        *([("also wrong", ", ".join(others))] if others else []),
        ("reproduce", options.reproducer()),
    ]
    return GradientError(
        f"{head}\n{lines(rows)}",
        name=subject.name,
        index=index,
        analytic=analytic,
        numeric=numeric,
        hints=hints,
        inputs=dict(zip(options.user.names, subject.points, strict=True)),
    )


def no_derivative(
    subject: Subject, measurement: Measurement, refused: Sequence[int], options: Options
) -> GradientError:
    """The error for a point where the function has a kink, a jump, or the edge of its domain."""
    k = int(refused[0])
    name, point, s = subject.name, subject.point, measurement.slopes[k]
    index: Index | None = None
    at = "along a direction"
    if not measurement.directions:
        index = tuple(int(i) for i in np.unravel_index(k, point.shape))
        at = f"at index {index}, where {name}{show_index(index)} = {number(float(point[index]))}"
    if s.verdict == "edge":
        what = "is not finite within a step of"
        remedy = "move the input away from the edge of the domain"
    else:
        what = f"has a {s.verdict} within a step of"
        remedy = "move the input away from it"
    fact = (
        f"the slope is {number(s.left, 5)} on the left and {number(s.right, 5)} on the right"
        if np.isfinite(s.left)
        else "there are no slopes"
    )
    function = subject.problem.function
    differentiated = function if subject.problem.order == 1 else f"the gradient of {function}"
    probes = "directions" if measurement.directions else "elements"
    many = f" ({len(refused)} of {len(measurement.slopes)} {probes} are like this)" if len(refused) > 1 else ""
    options_left = "leave such elements out with kinks='skip'"
    if s.verdict == "kink" and options.kinks == "raise":
        options_left += ", or accept any value between the slopes with kinks='subgradient'"
    return GradientError(
        f"{differentiated} {what} {name} {at}{many}: {fact} (step {s.step:.3g}), so there is no derivative to "
        f"compare with; {remedy}, {options_left}\n{lines([('reproduce', options.reproducer())])}",
        name=name,
        index=index,
        analytic=float(measurement.analytic[k]),
        inputs=dict(zip(options.user.names, subject.points, strict=True)),
    )


_Parts = tuple[Index, float, float, dict[str, str], list[str]]


def _in_full(failed: Failure) -> _Parts:
    subject, measurement, point = failed.subject, failed.measurement, failed.subject.point
    worst = int(np.nanargmax(np.where(failed.wrong, measurement.errors / measurement.tolerance, -1.0)))
    index = tuple(int(i) for i in np.unravel_index(worst, point.shape))
    s = measurement.slopes[worst]
    at_kink = s.verdict != "smooth"
    count = int(failed.wrong.sum())
    facts = {
        "wrong": f"{count} of {int(failed.checked.sum())} elements checked; the worst at index {index}",
        "method": "complex step" if measurement.exact and not at_kink else "central difference",
        "slopes": _slopes(s),
    }
    if at_kink:
        facts["tolerance"] = "at a kink the analytic value must lie between the slopes"
    elif measurement.exact:
        facts["tolerance"] = f"{float(measurement.tolerance[worst]):.3g}"
    comparable = ~measurement.kinks
    numeric = np.where(comparable, measurement.numeric, measurement.analytic).reshape(point.shape)
    wrong = (failed.wrong & comparable).reshape(point.shape)
    hints: list[str] = []
    if wrong.any():
        hints = diagnosis.hints(subject.name, subject.found, numeric, wrong, _sizes(subject))
        pair = diagnosis.jacobians(subject)
        if pair is not None:
            if subject.found is not None:
                hints = [*diagnosis.jacobian_hints(subject.name, *pair), *hints]
            facts["jacobian"] = diagnosis.worst_entry(*pair, subject.problem.shapes, point.shape, subject.name)
    return index, float(measurement.analytic[worst]), float(measurement.numeric[worst]), facts, hints


def _in_sample(failed: Failure) -> _Parts:
    """Halve the direction until the element is found that the error comes from."""
    subject, measurement = failed.subject, failed.measurement
    worst = int(np.nanargmax(np.where(failed.wrong, measurement.errors, -1.0)))
    k, s = measure.locate(subject, measurement.directions[worst])
    index = tuple(int(i) for i in np.unravel_index(k, subject.point.shape))
    analytic = float(subject.analytic[index])
    facts = {
        "wrong": f"{int(failed.wrong.sum())} of {int(failed.checked.sum())} random directions; one element behind it",
        "method": "central difference",
        "slopes": _slopes(s),
    }
    single = np.ones((), dtype=bool)
    given = None if subject.found is None else np.asarray(analytic)
    hints = diagnosis.hints(subject.name, given, np.asarray(s.central), single, _sizes(subject))
    return index, analytic, s.central, facts, hints


def _slopes(s: Slope) -> str:
    kind = "smooth there" if s.verdict == "smooth" else f"a {s.verdict} there"
    return f"{number(s.left, 5)} on the left, {number(s.right, 5)} on the right (step {s.step:.3g}): {kind}"


def _sizes(subject: Subject) -> dict[int, str]:
    """Numbers that a mean may have divided by, with what they count."""
    point, shapes = subject.point, subject.problem.shapes
    sizes: dict[int, str] = {}
    for axis, length in enumerate(point.shape):
        sizes.setdefault(length, f"the length of axis {axis} of {subject.name}")
    sizes.setdefault(point.size, f"the number of elements of {subject.name}")
    for other, shape in enumerate(shapes):
        what = "the result" if len(shapes) == 1 else f"result {other}"
        for axis, length in enumerate(shape):
            sizes.setdefault(length, f"the length of axis {axis} of {what}")
        sizes.setdefault(int(np.prod(shape, dtype=int)), f"the number of elements of {what}")
    return sizes
