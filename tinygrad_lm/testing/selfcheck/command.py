"""What ``tinygrad-lm gradcheck`` does: check a function in a user's file, or every operation of this package."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

import numpy as np

from tinygrad_lm import user_file
from tinygrad_lm.autograd import Value
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.testing.checker.gradients import Kinks, Mode, check_gradients
from tinygrad_lm.testing.checker.report import GradientError, table
from tinygrad_lm.testing.selfcheck.cases import cases, operations

WORST_ALLOWED = 1e-7
"""The largest error that an operation of the package may have."""


def check_file(
    target: str, inputs: Sequence[str], *, order: int = 1, kinks: Kinks = "raise", mode: Mode = "auto", seed: int = 0
) -> str:
    """Check a function in a user's file, which is run as ``import`` would run it; the report as text.

    Parameters
    ----------
    target
        Which function: ``path/to/file.py:name``.
    inputs
        What to draw for each argument, in their order: ``3x4`` a tensor of that shape with standard normal elements,
        ``scalar`` one of shape (), ``value`` a ``Value``, and ``3x4:0.5:2`` elements from 0.5 to 2.
    order, kinks, mode, seed
        As in ``check_gradients``; the inputs are drawn from the seed, too.

    Raises
    ------
    GradientError
        For a wrong gradient.
    FileNotFoundError
        Where there is no such file.
    ValueError
        For everything else: a file that cannot be run, a function that is not in it, inputs that do not fit.
    """
    function, drawn = called(target, inputs, seed)
    return str(check_gradients(function, *drawn, order=order, kinks=kinks, mode=mode, seed=seed))


def called(target: str, inputs: Sequence[str], seed: int) -> tuple[Callable[..., object], list[Array | Value]]:
    """A function in a user's file, and what is drawn for its arguments from a seed.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        Where the file cannot be run, has no such function, or the inputs do not fit.
    """
    function = user_file.load(target, "function")
    if not inputs:
        name = target.rpartition(":")[2]
        raise ValueError(
            f"say what {name}{_signature(function)} is to be called with: an --input for each argument, such as "
            "--input 3x4 for a tensor of that shape, --input scalar, or --input value for a Value"
        )
    rng = np.random.default_rng(seed)
    drawn = [draw(text, rng) for text in inputs]
    try:
        inspect.signature(function).bind(*drawn)
    except TypeError as error:
        name = target.rpartition(":")[2]
        raise ValueError(
            f"{name}{_signature(function)} cannot be called with {len(drawn)} "
            f"input{'' if len(drawn) == 1 else 's'}: {error}; give one --input for each argument"
        ) from None
    except ValueError:
        # A function written in C may have no signature.
        pass
    return function, drawn


def check_package(seed: int = 0) -> str:
    """Check every operation of both engines to second order; a table of operations, cases and worst errors.

    Raises
    ------
    GradientError
        With the table, where an operation is wrong, was not checked, or is off by more than 1e-7.
    """
    counts = dict.fromkeys(sorted(operations()), 0)
    worst = dict.fromkeys(counts, 0.0)
    failures: list[str] = []
    for case in cases(seed):
        counts[case.operation] = counts.get(case.operation, 0) + 1
        try:
            error = check_gradients(case.function, *case.inputs, order=2, seed=seed).worst_error
        except GradientError as wrong:
            failures.append(f"{case.operation}: {wrong}")
            error = np.inf
        worst[case.operation] = max(worst.get(case.operation, 0.0), error)
    rows = [(name, str(count), f"{worst[name]:.1e}" if count else "not checked") for name, count in counts.items()]
    text = "\n".join(table([("operation", "cases", "worst error"), *rows]))
    failures += [f"{name} has no case" for name, count in counts.items() if not count]
    failures += [f"{name} is off by {error:.1e}" for name, error in worst.items() if WORST_ALLOWED < error < np.inf]
    if failures:
        raise GradientError("\n\n".join([text, *failures]))
    total = sum(counts.values())
    most = max(worst.values())
    return (
        f"{text}\n\n{len(counts)} operations agree with numeric derivatives, first and second order,\n"
        f"in {total} cases (seed {seed}); the worst error is {most:.1e}"
    )


def draw(text: str, rng: np.random.Generator) -> Array | Value:
    """A random input from its description: ``3x4``, ``scalar`` or ``value``, each perhaps with ``:low:high``.

    Raises
    ------
    ValueError
        For any other description.
    """
    what, *limits = text.split(":")
    try:
        low, high = map(float, limits) if limits else (0.0, 0.0)
        shape = () if what in ("scalar", "value") else tuple(int(size) for size in what.split("x"))
        if any(size < 1 for size in shape) or not np.isfinite([low, high]).all() or low > high:
            raise ValueError(text)
    except ValueError:
        raise ValueError(
            f"{text!r} does not describe an input: write a shape such as 3x4 or 5 (each from 1 up), or scalar, or "
            "value, and if need be the range of its elements, as in 3x4:0.5:2"
        ) from None
    numbers = np.asarray(rng.uniform(low, high, shape) if limits else rng.normal(size=shape))
    return Value(numbers.item()) if what == "value" else numbers


def _signature(function: Callable[..., object]) -> str:
    try:
        return str(inspect.signature(function))
    except (TypeError, ValueError):
        return "(...)"
