"""A plan as plain data, between ``replay`` and its picture: calls, arrays in shared memory, what is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ArrayKind = Literal["forward", "backward", "parameter", "moment", "input", "constant"]

ARRAY_KINDS: dict[ArrayKind, str] = {
    "forward": "made on the way forward",
    "backward": "made on the way back, gradients",
    "input": "inputs",
    "parameter": "parameters",
    "moment": "moments",
    "constant": "constants",
}
"""What each kind of array is called in a legend."""


@dataclass(frozen=True, slots=True)
class PlanArray:
    """An array, and what it holds."""

    name: str
    kind: ArrayKind
    shape: tuple[int, ...]
    dtype: str
    size: int
    """How many bytes it takes."""


@dataclass(frozen=True, slots=True)
class Buffer(PlanArray):
    """An array in the memory that arrays share which are needed at different times."""

    start: int
    """Its first byte."""
    first: int
    """The call that writes it first, by its number."""
    last: int
    """The call that needs it last."""


@dataclass(frozen=True, slots=True)
class PlanCall:
    """One line of a plan: mostly one call of NumPy's."""

    text: str
    """What is computed, as ``h = tanh(z)``."""
    part: str
    """``forward``, ``backward`` or ``update``."""
    title: str
    """The operation that it is a part of, as ``linear of hidden.0``; empty where that is not known."""
    kind: ArrayKind | None
    """The kind of array that it writes; ``None`` where it writes none."""
    numbers: int
    """How many numbers it reads and writes."""


@dataclass(frozen=True, slots=True)
class Row:
    """Arrays that are kept from step to step, side by side."""

    title: str
    arrays: tuple[PlanArray, ...]
    joined: bool
    """Whether they are one vector, of which they are parts."""

    @property
    def size(self) -> int:
        """How many bytes they take together."""
        return sum(array.size for array in self.arrays)


@dataclass(frozen=True, slots=True)
class PlanData:
    """A plan as data: what its picture is drawn from."""

    calls: tuple[PlanCall, ...]
    """In their order."""
    buffers: tuple[Buffer, ...]
    """The arrays that share memory, in the order in which they are first needed."""
    kept: tuple[Row, ...]
    """The arrays that are kept from step to step."""
    shared: int
    """How many bytes the shared memory has."""
    unshared: int
    """How many bytes the arrays in it would need with memory of their own."""

    def __repr__(self) -> str:
        return f"PlanData({len(self.calls)} calls, {len(self.buffers)} arrays in {self.shared:,} bytes)"

    @property
    def caption(self) -> str:
        """What the picture shows, in a sentence."""
        more = f"in place of {self.unshared:,} with memory of their own" if self.unshared else ""
        return f"{len(self.calls)} calls; {len(self.buffers)} arrays share {self.shared:,} bytes, {more}".rstrip(", ")
