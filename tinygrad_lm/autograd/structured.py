"""The base of operations that move or combine elements: a forward with a vector-Jacobian product an operand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tinygrad_lm.autograd.elementwise import has_objects
from tinygrad_lm.autograd.graph import Call, Operation
from tinygrad_lm.autograd.types import Array

Vjp = Callable[..., Array]

OF_NODES: list[Callable[[Operation, tuple[Any, ...], Mapping[str, Any]], Any]] = []
"""What is made of arrays of nodes (``Value``s, say): a result, or ``NotImplemented``, and NumPy takes each element.
"""


class Structured(Operation):
    """An operation written as a NumPy function, with a vector-Jacobian product (VJP) for each operand.

    A VJP is called as ``vjp(g, out, *inputs, **attributes)`` with the gradient ``g`` of the result and gives
    the gradient of its operand. Like the formulas of the table it is written in operations and NumPy's
    functions, so that it runs on arrays and, to be differentiated again, on tensors.
    """

    __slots__ = ("every", "forward", "vjps")

    def __init__(self, name: str, forward: Callable[..., Array], symbol: str = "") -> None:
        super().__init__(name, symbol)
        self.forward = forward
        self.vjps: dict[int, Vjp] = {}
        self.every: Vjp | None = None

    def evaluate(self, operands: tuple[Any, ...], attributes: Mapping[str, Any]) -> Any:
        """On plain operands; arrays of nodes are first offered to ``OF_NODES``."""
        if has_objects(operands):
            for make in OF_NODES:
                found = make(self, operands, attributes)
                if found is not NotImplemented:
                    return found
        return super().evaluate(operands, attributes)

    def defvjp(self, *vjps: Vjp) -> None:
        """Give each operand its VJP, in their order."""
        self.vjps = dict(enumerate(vjps))

    def defvjp_of_each(self, vjp: Vjp) -> None:
        """Give any number of operands one VJP, which takes the operand's position first."""
        self.every = vjp

    def vjp(self, gradient: Array, call: Call) -> list[Array | None]:
        """The VJPs of the operands that need a gradient, applied."""
        contributions: list[Array | None] = []
        for position, need in enumerate(call.needed):
            if not need:
                contributions.append(None)
            elif self.every is not None:
                contributions.append(self.every(position, gradient, call.out, *call.inputs, **call.attributes))
            else:
                contributions.append(self.vjps[position](gradient, call.out, *call.inputs, **call.attributes))
        return contributions


def structured(name: str, symbol: str = "") -> Callable[[Callable[..., Array]], Structured]:
    """Make an operation of a NumPy function (a decorator)."""

    def make(function: Callable[..., Array]) -> Structured:
        return Structured(name, function, symbol)

    return make
