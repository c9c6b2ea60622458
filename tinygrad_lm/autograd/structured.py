"""The base of operations that move or combine elements: a forward with a vector-Jacobian product an operand."""

# Operands may be floats, arrays or nodes: their types are not inferred here.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false, reportUnusedFunction=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_lm.autograd.graph import Operation

Vjp = Callable[..., Any]


class Structured(Operation):
    """An operation written as a NumPy function, with a vector-Jacobian product (VJP) for each operand.

    A VJP is called as ``vjp(g, out, *inputs, **attributes)`` with the gradient ``g`` of the result and gives
    the gradient of its operand. Like the formulas of the table it is written in operations and NumPy's
    functions, so that it runs on arrays and, to be differentiated again, on tensors.
    """

    __slots__ = ("every", "function", "vjps")

    def __init__(self, name: str, function: Callable[..., Any], symbol: str = "") -> None:
        super().__init__(name, symbol)
        self.function = function
        self.vjps: dict[int, Vjp] = {}
        self.every: Vjp | None = None

    def forward(self, *inputs: Any, **attributes: Any) -> Any:
        """The NumPy function."""
        return self.function(*inputs, **attributes)

    def vjp(self, operand: int) -> Callable[[Vjp], Vjp]:
        """Register the VJP of one operand (a decorator)."""

        def register(function: Vjp) -> Vjp:
            self.vjps[operand] = function
            return function

        return register

    def vjp_of_each(self, function: Vjp) -> Vjp:
        """Register one VJP for any number of operands; it takes the operand's position first."""
        self.every = function
        return function

    def pull(
        self,
        gradient: Any,
        out: Any,
        inputs: Sequence[Any],
        needed: Sequence[bool],
        attributes: dict[str, Any],
        saved: Any,
    ) -> list[Any]:
        """Apply the VJPs of the operands that need a gradient."""
        contributions: list[Any] = []
        for position, need in enumerate(needed):
            if not need:
                contributions.append(None)
            elif self.every is not None:
                contributions.append(self.every(position, gradient, out, *inputs, **attributes))
            else:
                contributions.append(self.vjps[position](gradient, out, *inputs, **attributes))
        return contributions


def structured(name: str, symbol: str = "") -> Callable[[Callable[..., Any]], Structured]:
    """Make an operation of a NumPy function (a decorator)."""

    def make(function: Callable[..., Any]) -> Structured:
        return Structured(name, function, symbol)

    return make
