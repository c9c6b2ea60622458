"""Operations on any number of scalars at once, each of them one node: a sum, and a sum of products."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from tinygrad_lm.autograd.graph import Operation


class Sum(Operation):
    """x₁ + x₂ + ... + xₙ."""

    __slots__ = ()

    def on_floats(self, inputs: Sequence[float]) -> float:
        """From the left, as ``+`` adds them."""
        return float(sum(inputs))

    def local_derivatives(self, out: Any, inputs: Sequence[Any], needed: Sequence[bool]) -> list[Any]:
        """1 for each."""
        return [1 if need else None for need in needed]


class Dot(Operation):
    """w₁x₁ + ... + wₙxₙ of the inputs w₁, ..., wₙ, x₁, ..., xₙ."""

    __slots__ = ()

    def on_floats(self, inputs: Sequence[float]) -> float:
        """From the left, as ``+`` adds the products."""
        half = len(inputs) // 2
        return float(sum(map(operator.mul, inputs[:half], inputs[half:])))

    def local_derivatives(self, out: Any, inputs: Sequence[Any], needed: Sequence[bool]) -> list[Any]:
        """Of each factor the other one."""
        half = len(inputs) // 2
        partners = (*inputs[half:], *inputs[:half])
        return [partner if need else None for partner, need in zip(partners, needed, strict=True)]


sum_of_scalars = Sum("sum", "Σ")
dot_of_scalars = Dot("dot", "w·x")
