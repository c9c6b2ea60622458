"""What a gradient check found: a report where all agrees, a ``GradientError`` where it does not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tinygrad_lm.autograd.types import Array

Index = tuple[int, ...]


@dataclass(frozen=True)
class InputReport:
    """What was checked of one input, at one order."""

    name: str
    """The name of the argument, or of the module's parameter."""
    shape: tuple[int, ...]
    order: int
    """1 for the gradient, 2 for the gradient's gradient."""
    method: str
    """``full`` (every element) or ``sample`` (along random directions: not a proof)."""
    oracle: str
    """``differences``, or ``differences, complex step`` where both were possible."""
    probes: int
    """How many slopes were measured: elements in full, else directions."""
    skipped: int
    """How many of them were left out at a kink."""
    worst_error: float
    """The largest |analytic - numeric| / max(1, |numeric|), by the most exact oracle."""
    worst_index: Index | None
    """Where it was; ``None`` for a sample, or where nothing was measured."""

    @property
    def size(self) -> int:
        """The number of elements of the input."""
        return int(np.prod(self.shape, dtype=int))


@dataclass(frozen=True)
class GradientReport:
    """The outcome of ``check_gradients``: every gradient agreed. ``print`` it for a table."""

    function: str
    """The name of the function that was checked."""
    inputs: tuple[InputReport, ...]
    """What was checked of each input, at each order."""
    seed: int
    """What the weights and the directions were drawn from."""
    evaluations: int
    """How often the function was called."""
    notes: tuple[str, ...] = field(default=())
    """What the check could not do, in sentences."""

    @property
    def worst_error(self) -> float:
        """The largest error of all inputs and orders; see ``InputReport.worst_error``."""
        return max((row.worst_error for row in self.inputs), default=0.0)

    def __str__(self) -> str:
        rows = [("input", "shape", "order", "checked", "oracle", "worst error")]
        for row in self.inputs:
            checked = f"{row.probes:,} of {row.size:,} elements" if row.method == "full" else f"{row.probes} directions"
            if row.skipped:
                checked += f", {row.skipped} at kinks skipped"
            at = f" at {show_index(row.worst_index)}" if row.worst_index and row.worst_error else ""
            rows.append((row.name, str(row.shape), str(row.order), checked, row.oracle, f"{row.worst_error:.1e}{at}"))
        head = f"gradients of {self.function} agree (seed {self.seed}, {self.evaluations:,} evaluations)"
        return "\n".join([head, *table(rows), *(f"note: {note}" for note in self.notes)])


class GradientError(AssertionError):
    """A gradient that is wrong, or a function whose gradient cannot be trusted. The message says where and why.

    Attributes
    ----------
    name : str or None
        The name of the input whose gradient is wrong.
    index : tuple of int or None
        The worst element of it.
    analytic, numeric : float or None
        The gradient of that element by the backward pass, and as it was measured.
    hints : tuple of str
        What the mistake looks like.
    inputs : dict of str to ndarray
        The arrays, by name, at which the check was made. What does not apply is ``None`` or empty.
    """

    def __init__(
        self,
        message: str,
        *,
        name: str | None = None,
        index: Index | None = None,
        analytic: float | None = None,
        numeric: float | None = None,
        hints: Sequence[str] = (),
        inputs: Mapping[str, Array] | None = None,
    ) -> None:
        super().__init__(message)
        self.name = name
        self.index = index
        self.analytic = analytic
        self.numeric = numeric
        self.hints = tuple(hints)
        self.inputs = dict(inputs or {})


def show_index(index: Iterable[int] | None) -> str:
    """An index as one types it: ``[0, 2]``; empty for a number."""
    numbers = list(index or ())
    return f"[{', '.join(map(str, numbers))}]" if numbers else ""


def number(x: float, figures: int = 8) -> str:
    """A number in as many figures as a difference has."""
    return f"{x + 0.0:.{figures}g}"


def lines(rows: Iterable[tuple[str, str]]) -> str:
    """Facts, one a line, with their names in a column."""
    return "\n".join(f"  {name + ':':<12}{fact}" for name, fact in rows)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines with their columns aligned, the first row underlined."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [text[0], "  ".join("-" * width for width in widths), *text[1:]]
