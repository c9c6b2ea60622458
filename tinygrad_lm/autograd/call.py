"""What an operation on arrays is told of one call of it when its derivatives are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

NOTHING: dict[str, Any] = {}
"""The attributes of a call without any; never changed."""


class Call:
    """One call of an operation, as its derivatives see it.

    ``inputs`` and ``out`` are numbers or arrays, or the nodes themselves where the backward pass is to be
    differentiated again: formulas are written for the former and run on the latter all the same.
    """

    __slots__ = ("attributes", "inputs", "needed", "out", "saved")

    def __init__(
        self, out: Any, inputs: Sequence[Any], needed: Sequence[bool], attributes: Mapping[str, Any], saved: Any
    ) -> None:
        self.out = out
        self.inputs = inputs
        self.needed = needed
        """Which of the inputs need a gradient."""
        self.attributes = attributes
        """What else the operation was called with: axes, shapes, indices."""
        self.saved = saved
        """What ``forward`` kept for the backward pass, of an operation that ``saves``."""
