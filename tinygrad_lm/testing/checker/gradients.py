"""``check_gradients``: is the gradient of this function right? A table where it is, the wrong element where not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, cast

import numpy as np

from tinygrad_lm.autograd.types import Array
from tinygrad_lm.testing.checker import failure, measure
from tinygrad_lm.testing.checker.measure import Measurement, Subject, Tolerance
from tinygrad_lm.testing.checker.preconditions import consistent_backward, deterministic, usable_gradients
from tinygrad_lm.testing.checker.problem import GradientFunction, Problem
from tinygrad_lm.testing.checker.report import GradientReport, InputReport
from tinygrad_lm.testing.checker.user_function import UserFunction

Kinks = Literal["raise", "skip", "subgradient"]
Mode = Literal["auto", "full", "sample"]

FULL_UP_TO = 4096
"""Up to this many input elements mode ``auto`` checks every one; above, it samples directions."""
DIRECTIONS = 3
"""How many directions a sample takes for each input."""
_TRIES = 10


def check_gradients(
    fn: Callable[..., object],
    *inputs: object,
    order: int = 1,
    cotangent: object = None,
    kinks: Kinks = "raise",
    rtol: float | None = None,
    atol: float | None = None,
    mode: Mode = "auto",
    seed: int = 0,
) -> GradientReport:
    """Compare the gradient of ``fn(*inputs)`` with numeric derivatives; raise ``GradientError`` where they differ.

    Numeric derivatives are central differences over a step of 6e-6 * max(1, |x|), four evaluations an element, and
    complex steps where ``fn`` runs on complex arrays (as functions in NumPy's words do). Also checked: that ``fn``
    is not random, keeps its inputs as they are and gives finite results, and that its backward pass is linear, gives
    the same twice and changes nothing.

    Parameters
    ----------
    fn
        A function of ``Tensor``s or ``Value``s that returns a node, or a tuple, list or dictionary of them; or a
        module. A module, as ``fn`` or among the inputs, brings its parameters in, by name.
    inputs
        Arrays or ``Tensor``s (``fn`` is given ``Tensor``s), ``Value``s, or arrays of ``Value``s. All that hold floats
        are checked, in float64 whatever they were; everything else is handed on as it is.
    order
        2 checks the gradient's gradient too.
    cotangent
        The weights of the results: an array of the result's shape, or one for each result. By default a single number
        has weight 1, so that the gradient is the one ``backward()`` gives; several have random signs times U(0.5, 1.5)
        from ``seed``, since weights of one make some checks vacuous (softmax's is then 0), and so has the gradient
        that ``order=2`` differentiates.
    kinks
        Where one-sided slopes show that there is no derivative, ``"raise"`` says so, ``"skip"`` leaves the element out
        and ``"subgradient"`` wants the analytic value to lie between the slopes.
    rtol, atol
        |analytic - numeric| may be ``atol + rtol * |numeric|``, by default 1e-7 + 1e-5 * |numeric|; where a complex
        step is possible, it is held to 1e-11 + 1e-9 * the largest slope.
    mode
        ``"full"`` measures every element, ``"sample"`` three random directions an input (not a proof); ``"auto"`` is
        full up to 4,096 elements in all.
    seed
        What the weights and the directions are drawn from.

    Returns
    -------
    GradientReport
        What was checked of each input, and the worst error; ``print`` it for a table.

    Raises
    ------
    GradientError
        Where a gradient is wrong, or the function or its backward pass cannot be trusted.
    TypeError, ValueError
        For arguments that cannot be checked.
    """
    tol = _tolerance(rtol, atol)
    _check_options(order, kinks, mode, seed)
    user = UserFunction(fn, inputs)
    # A step can leave the domain: what is not finite is looked for here, and warnings about it would only repeat it.
    with np.errstate(all="ignore"):
        check = _Check(user, kinks, tol, mode, seed, cotangent is not None)
        base = deterministic(user)
        weights = _cotangent(user, base, cotangent, seed)
        rows = check.run(user, weights, base)
        if order == 2:
            slopes = GradientFunction(user, weights)
            second = np.random.default_rng((seed, 2)).uniform(0.5, 1.5, sum(point.size for point in user.points))
            rows += check.run(slopes, _signs(seed, 2, second), slopes.evaluate(user.points))
    return GradientReport(user.function, tuple(rows), seed, user.evaluations, (*user.notes, *check.notes))


class _Check:
    """One call of ``check_gradients``: its options, and what it has noted on the way."""

    def __init__(self, user: UserFunction, kinks: Kinks, tol: Tolerance, mode: Mode, seed: int, weighted: bool) -> None:
        size = sum(point.size for point in user.points)
        self.user = user
        self.kinks: Kinks = kinks
        self.tol = tol
        self.full = mode == "full" or (mode == "auto" and size <= FULL_UP_TO)
        self.seed = seed
        self.weighted = weighted
        self.notes: list[str] = []
        if not self.full:
            self.notes.append(
                f"{size:,} elements were checked along {DIRECTIONS} random directions an input: a sample, not a proof"
            )

    def run(self, problem: Problem, cotangent: Array, base: Array) -> list[InputReport]:
        """Check every input of a problem; the failure that is worst is raised."""
        points = self.user.points
        gradients = usable_gradients(problem, points, cotangent)
        consistent_backward(problem, points, cotangent, gradients, self.seed)
        subjects = [Subject(problem, points, i, cotangent, base, found) for i, found in enumerate(gradients)]
        measured = [self._measure(subject) for subject in subjects]
        self._second_oracle(problem, cotangent, base, measured)
        failures: list[failure.Failure] = []
        rows: list[InputReport] = []
        for subject, measurement in zip(subjects, measured, strict=True):
            wrong, checked = self._judge(measurement)
            if wrong.any():
                failures.append(failure.Failure(subject, measurement, wrong, checked))
            rows.append(self._row(subject, measurement, checked))
        if failures:
            raise failure.wrong_gradient(failures, self._options(problem))
        for subject, measurement in zip(subjects, measured, strict=True):
            self._refuse_kinks(subject, measurement)
        return rows

    def _measure(self, subject: Subject) -> Measurement:
        if self.full:
            return measure.in_full(subject, self.tol)
        shape = subject.point.shape
        rng = np.random.default_rng((self.seed, 3, subject.problem.order, subject.position))
        directions = [_direction(rng, shape) for _ in range(DIRECTIONS)]
        sample = measure.in_sample(subject, self.tol, directions)
        tries = 1
        while self.kinks == "skip" and sample.kinks.any() and tries < _TRIES:
            # Directions that met a kink are replaced by others.
            directions = [
                _direction(rng, shape) if kink else u for kink, u in zip(sample.kinks, directions, strict=True)
            ]
            sample = measure.in_sample(subject, self.tol, directions)
            tries += 1
        return sample

    def _second_oracle(self, problem: Problem, cotangent: Array, base: Array, measured: Sequence[Measurement]) -> None:
        if problem.order != 1:
            return
        user = self.user
        reason = measure.by_complex_step(user.evaluate_complex, user.points, cotangent, base, measured, self.tol)
        if reason:
            self.notes.append(f"no complex step: {reason}")

    def _judge(self, measurement: Measurement) -> tuple[Array, Array]:
        """Which slopes are wrong, and which were checked at all."""
        kinks = measurement.kinks
        wrong = ~(measurement.errors <= measurement.tolerance) & ~kinks
        if self.kinks != "subgradient":
            return wrong, ~kinks
        checked = ~kinks
        for k in np.flatnonzero(kinks):
            s = measurement.slopes[k]
            if s.verdict == "kink":
                slack = self.tol.atol + self.tol.rtol * max(abs(s.low), abs(s.high)) + s.noise
                checked[k] = True
                wrong[k] = not s.low - slack <= measurement.analytic[k] <= s.high + slack
        return wrong, checked

    def _refuse_kinks(self, subject: Subject, measurement: Measurement) -> None:
        refused = [
            int(k)
            for k in np.flatnonzero(measurement.kinks)
            if self.kinks == "raise" or (self.kinks == "subgradient" and measurement.slopes[k].verdict != "kink")
        ]
        if refused:
            raise failure.no_derivative(subject, measurement, refused, self._options(subject.problem))

    def _row(self, subject: Subject, measurement: Measurement, checked: Array) -> InputReport:
        compared = checked & ~measurement.kinks
        relative = np.where(compared, measurement.errors / np.maximum(1, np.abs(measurement.numeric)), 0.0)
        shape, order = subject.point.shape, subject.problem.order
        worst = int(np.argmax(relative)) if relative.size else None
        index = None
        if self.full and worst is not None:
            index = tuple(int(n) for n in np.unravel_index(worst, shape))
        if not measurement.exact and any(s.noise > 10 * self.tol.of(s.central) for s in measurement.slopes):
            noise = max(s.noise for s in measurement.slopes)
            self.notes.append(
                f"{subject.name}: the results are so large that round-off hides errors up to {noise:.1e} "
                f"(order {order}); scale them down for a sharper check"
            )
        if checked.size and not checked.any():
            self.notes.append(f"{subject.name}: every slope was at a kink, so nothing was checked")
        return InputReport(
            name=subject.name,
            shape=shape,
            order=order,
            method="full" if self.full else "sample",
            oracle="differences, complex step" if measurement.exact else "differences",
            probes=len(measurement.slopes),
            skipped=int((~checked).sum()),
            worst_error=0.0 if worst is None else float(relative[worst]),
            worst_index=index,
        )

    def _options(self, problem: Problem) -> failure.Options:
        mode = "full" if self.full else "sample"
        return failure.Options(self.user, problem.order, self.kinks, mode, self.seed, self.tol, self.weighted)


def _tolerance(rtol: float | None, atol: float | None) -> Tolerance:
    for name, x in (("rtol", rtol), ("atol", atol)):
        if x is not None and not (np.isfinite(x) and x >= 0):
            raise ValueError(f"{name} is a number from 0, not {x!r}")
    given = rtol is not None or atol is not None
    return Tolerance(1e-5 if rtol is None else rtol, 1e-7 if atol is None else atol, given)


def _check_options(order: int, kinks: str, mode: str, seed: object) -> None:
    if order not in (1, 2):
        raise ValueError(f"order is 1 (the gradient) or 2 (the gradient's gradient), not {order!r}")
    if kinks not in ("raise", "skip", "subgradient"):
        raise ValueError(f"kinks is 'raise', 'skip' or 'subgradient', not {kinks!r}")
    if mode not in ("auto", "full", "sample"):
        raise ValueError(f"mode is 'auto', 'full' or 'sample', not {mode!r}")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed is a whole number from 0, not {seed!r}")


def _cotangent(user: UserFunction, base: Array, given: object, seed: int) -> Array:
    """The weights of all results in one array: those given, or drawn."""
    if given is None and base.size == 1:
        return np.ones(1)
    if given is None:
        return _signs(seed, 1, np.random.default_rng((seed, 1)).uniform(0.5, 1.5, base.size))
    weights = [given] if len(user.shapes) == 1 else cast("Sequence[object]", given)
    parts = [np.asarray(getattr(part, "data", part), dtype=np.float64) for part in weights]
    if [part.shape for part in parts] != user.shapes:
        raise ValueError(
            f"the cotangent has shapes {[part.shape for part in parts]}, but {user.function} returns {user.shapes}; "
            "it holds one weight for each element of the result"
        )
    cotangent = np.concatenate([np.ravel(part) for part in parts])
    if not np.isfinite(cotangent).all():
        raise ValueError("the cotangent holds numbers that are not finite")
    if base.size and not cotangent.any():
        raise ValueError("the cotangent is all zero, which makes every gradient zero and the check vacuous")
    return cotangent


def _signs(seed: int, stream: int, sizes: Array) -> Array:
    return sizes * np.random.default_rng((seed, stream, 1)).choice([-1.0, 1.0], sizes.shape)


def _direction(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return np.asarray(rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape))
