"""What must hold before a gradient can be compared: a function that repeats itself, a linear backward pass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinygrad_lm.autograd.types import Array
from tinygrad_lm.testing.checker.problem import GradientFunction, Problem
from tinygrad_lm.testing.checker.report import GradientError
from tinygrad_lm.testing.checker.user_function import UserFunction


def deterministic(user: UserFunction) -> Array:
    """The results at the inputs.

    Raises
    ------
    GradientError
        Where they differ from one call to the next, or are not finite.
    """
    base = user.evaluate(user.points)
    if not np.array_equal(base, user.evaluate(user.points), equal_nan=True):
        raise GradientError(
            f"{user.function} gave two different results for the same inputs, so it is random: draw from a generator "
            "that is seeded inside the function, or switch dropout off (module.eval())"
        )
    if not np.isfinite(base).all():
        k = int(np.argwhere(~np.isfinite(base))[0, 0])
        which, index = _place(k, user.shapes)
        raise GradientError(
            f"{user.function} gave {base[k]} at index {index}{which} of its result: there is no derivative to check. "
            "tinygrad_lm.testing.detect_anomaly() names the operation that it comes from",
            index=index,
        )
    return base


def usable_gradients(problem: Problem, points: Sequence[Array], cotangent: Array) -> list[Array | None]:
    """The gradients by the backward pass.

    Raises
    ------
    GradientError
        Where one is not finite, or not of its input's shape.
    """
    (gradients,) = _vjp(problem, points, [cotangent])
    for name, point, gradient in zip(problem.names, points, gradients, strict=True):
        if gradient is None:
            continue
        if gradient.shape != point.shape:
            raise GradientError(
                f"the gradient of {problem.function} with respect to {name} has shape {gradient.shape}, but {name} has "
                f"shape {point.shape}: an operation's backward pass does not sum over what it broadcast",
                name=name,
            )
        if not np.isfinite(gradient).all():
            index = tuple(int(i) for i in np.argwhere(~np.isfinite(gradient))[0])
            count = int((~np.isfinite(gradient)).sum())
            raise GradientError(
                f"the gradient of {problem.function} with respect to {name}{_order(problem)} is "
                f"{gradient[index]} at index {index}, where {name} = {point[index]} ({count} of {gradient.size} "
                "elements are not finite). tinygrad_lm.testing.detect_anomaly() names the operation that it comes from",
                name=name,
                index=index,
                analytic=float(gradient[index]),
            )
    if isinstance(problem, GradientFunction):
        _same_recorded(problem, points)
    return gradients


def consistent_backward(
    problem: Problem, points: Sequence[Array], cotangent: Array, gradients: Sequence[Array | None], seed: int
) -> None:
    """Check that the backward pass gives the same twice, zero for zero, and is linear in the cotangent.

    Raises
    ------
    GradientError
        Where it does not.
    """
    others = np.random.default_rng((seed, 4)).uniform(-1.5, 1.5, cotangent.size)
    first, again, nothing, one, both = _vjp(
        problem, points, [cotangent, cotangent, 0 * cotangent, others, others - 2.5 * cotangent]
    )
    for i, name in enumerate(problem.names):
        v, v_again, zero, w, mixed, given = (
            np.zeros(points[i].shape) if g is None else g
            for g in (first[i], again[i], nothing[i], one[i], both[i], gradients[i])
        )
        what = f"the backward pass of {problem.function} to {name}"
        if not (np.array_equal(v, v_again) and np.array_equal(v, given)):
            raise GradientError(
                f"{what} gave two different gradients for the same cotangent: it is random, or it changes what it "
                "saved in the forward pass",
                name=name,
            )
        if zero.any():
            raise _from_nothing(what, name, zero)
        # Of a single number v is 1 and w between -1.5 and 1.5: this also tells |v|, its sign or its powers from v, and,
        # since 2.5 is not a whole number, what is linear only in whole numbers.
        wanted = w - 2.5 * v
        # The last term is round-off where a gradient is zero but for what cancels.
        largest = np.abs(v).max(initial=0.0) + np.abs(w).max(initial=0.0)
        off = np.abs(mixed - wanted) > 1e-10 * largest + 1e-13 * np.abs(cotangent).max(initial=0.0)
        if off.any():
            raise _not_linear(what, name, off, mixed, wanted)


def _from_nothing(what: str, name: str, zero: Array) -> GradientError:
    index = tuple(int(k) for k in np.argwhere(zero != 0)[0])
    return GradientError(
        f"{what} gave {zero[index]} at index {index} for a cotangent of zeros: it adds something that is not "
        "multiplied by the gradient of the result",
        name=name,
        index=index,
        analytic=float(zero[index]),
    )


def _not_linear(what: str, name: str, off: Array, mixed: Array, wanted: Array) -> GradientError:
    index = tuple(int(k) for k in np.argwhere(off)[0])
    return GradientError(
        f"{what} is not linear: for w - 2.5v it gave {mixed[index]} at index {index}, but the gradient for w "
        f"less 2.5 times that for v is {wanted[index]}. A vjp multiplies the gradient of the result and "
        "nothing else",
        name=name,
        index=index,
        analytic=float(mixed[index]),
        numeric=float(wanted[index]),
    )


def _same_recorded(problem: GradientFunction, points: Sequence[Array]) -> None:
    """The gradient that is recorded to be differentiated again is the plain one."""
    plain = problem.evaluate(points)
    off = np.abs(problem.recorded - plain) > 1e-9 * (1 + np.abs(plain).max(initial=0.0))
    if off.any():
        k = int(np.argwhere(off)[0, 0])
        which, index = _place(k, problem.shapes)
        name = problem.names[which_input(k, problem.shapes)]
        raise GradientError(
            f"with create_graph=True the gradient of {problem.function} with respect to {name} is "
            f"{problem.recorded[k]} at index {index}{which}, without it {plain[k]}: an operation's backward pass does "
            "one thing on arrays and another on tensors",
            name=name,
            index=index,
            analytic=float(problem.recorded[k]),
            numeric=float(plain[k]),
        )


def _vjp(problem: Problem, points: Sequence[Array], cotangents: Sequence[Array]) -> list[list[Array | None]]:
    try:
        return problem.vjp(points, cotangents)
    except GradientError:
        raise
    except Exception as error:
        raise GradientError(
            f"the backward pass of {problem.function}{_order(problem)} raised {type(error).__name__}: {error}"
        ) from error


def _order(problem: Problem) -> str:
    return " (second order)" if problem.order == 2 else ""


def which_input(k: int, shapes: Sequence[tuple[int, ...]]) -> int:
    """Which of several arrays holds the k-th of all elements.

    Raises
    ------
    IndexError
        Where there are not that many elements.
    """
    for position, shape in enumerate(shapes):
        k -= int(np.prod(shape, dtype=int))
        if k < 0:
            return position
    raise IndexError(f"there are no more than {len(shapes)} arrays")


def _place(k: int, shapes: Sequence[tuple[int, ...]]) -> tuple[str, tuple[int, ...]]:
    position = which_input(k, shapes)
    before = sum(int(np.prod(shape, dtype=int)) for shape in shapes[:position])
    index = tuple(int(i) for i in np.unravel_index(k - before, shapes[position]))
    return f" of part {position}" if len(shapes) > 1 else "", index
