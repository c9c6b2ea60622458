"""Operations on any number of scalars at once, each of them one node: a sum, and a sum of products."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from typing import Any, Self

from tinygrad_lm.autograd.graph import Operation
from tinygrad_lm.autograd.number import Number


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
        partners = [*inputs[half:], *inputs[:half]]
        if False not in needed:
            return partners
        return [partner if need else None for partner, need in zip(partners, needed, strict=True)]


sum_of_scalars = Sum("sum", "Σ")
dot_of_scalars = Dot("dot", "w·x")


class Sums(Number):
    """``Value.sum`` and ``Value.dot``: many values as one node."""

    __slots__ = ()

    @classmethod
    def sum(cls, values: Iterable[Any]) -> Self:
        """The sum of many values and numbers as one node (``a + b + c`` would make one for each ``+``)."""
        operands = tuple(values)
        if any(isinstance(operand, Number) for operand in operands):
            return cls._record(sum_of_scalars, operands)
        leaf: Any = cls
        return leaf(math.fsum(map(float, operands)), requires_grad=False)

    @classmethod
    def dot(cls, weights: Iterable[Any], inputs: Iterable[Any]) -> Self:
        """The sum of the products, weight by input, as one node; the parents are all weights, then all inputs.

        Raises
        ------
        ValueError
            Where there are more of one than of the other.
        """
        left, right = tuple(weights), tuple(inputs)
        if len(left) != len(right):
            raise ValueError(
                f"Value.dot pairs each weight with one input, but there are {len(left)} weights and {len(right)} inputs"
            )
        return cls._record(dot_of_scalars, left + right)
