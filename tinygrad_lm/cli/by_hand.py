"""The program of a function in a user's file: what ``tinygrad-lm source`` prints."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from tinygrad_lm.autograd import Tensor, Value
from tinygrad_lm.replay.written import source
from tinygrad_lm.testing.selfcheck.command import called


def source_of_file(target: str, inputs: Sequence[str], seed: int = 0) -> str:
    """The forward and the backward pass of a function in a user's file, with respect to each of its arguments.

    Parameters
    ----------
    target
        Which function: ``path/to/file.py:name``.
    inputs
        What to draw for each argument, as ``check_file`` does.
    seed
        What the inputs are drawn from.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        For everything else: a file that cannot be run, a function that is not in it or cannot be written, inputs that
        do not fit.
    """
    function, drawn = called(target, inputs, seed)
    leaves: list[Tensor | Value] = []
    for x, name in zip(drawn, _names(function, len(drawn)), strict=True):
        leaf = x if isinstance(x, Value) else Tensor(x, requires_grad=True)
        leaf.label = name
        leaves.append(leaf)
    result = function(*leaves)
    if not isinstance(result, Tensor | Value):
        name = target.rpartition(":")[2]
        raise ValueError(
            f"{name} gives {type(result).__name__}: to be written as a program a function gives one Tensor or Value, "
            "computed from its arguments"
        )
    return source(result)


def _names(function: object, count: int) -> list[str]:
    """What a function calls its arguments; those that it gathers by ``*`` are numbered."""
    found: list[str] = []
    try:
        parameters = [*inspect.signature(function).parameters.values()]  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError):
        parameters = []
    for parameter in parameters:
        several = parameter.kind is parameter.VAR_POSITIONAL
        found += [f"{parameter.name}_{i}" for i in range(1, count + 1)] if several else [parameter.name]
    return [*found, *(f"x_{i}" for i in range(1, count + 1))][:count]
