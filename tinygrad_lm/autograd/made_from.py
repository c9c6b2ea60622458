"""What a ``Value`` keeps of the operation that made it: the operands, and the numbers that they were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_lm.autograd.graph import RELEASED, Node, Operation, refuse_released
from tinygrad_lm.autograd.nary import Sums
from tinygrad_lm.autograd.number import as_operand, is_array

if TYPE_CHECKING:
    from tinygrad_lm.autograd.value import Value


class MadeFrom(Sums):
    """A number with its operands.

    Two operands, by far the most common, stand in slots of their own: a tuple of them would be one more object for
    Python's garbage collector to go through, and a graph of numbers is made of little else.
    """

    __slots__ = ("_left", "_right", "_x", "_y")

    _left: Any
    """The first of two operands, ``_right`` being the second; else the tuple of them all, beside no ``_right``."""
    _right: Value | None
    _x: Any
    """What ``data`` was when the operation used it, of the one or all in ``_left``; ``_y`` is that of ``_right``."""
    _y: float

    @property
    def parents(self) -> tuple[Value, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The operands in their order; the same node twice for ``x * x``; empty for a leaf."""
        return self._left if self._right is None else (self._left, self._right)

    def local_derivatives(self, create_graph: bool = False, wanted: set[Node] | None = None) -> list[Any]:
        """The derivative of this node with respect to each parent, by the rule; ``None`` where none is needed.

        Numbers where it is constant; else floats, or ``Value``s under ``create_graph``, to be differentiated again.
        """
        operation = self.operation
        if operation is None:
            return []
        if operation is RELEASED:
            refuse_released()
        parents = self.parents
        inputs = self._x if self._right is None else (self._x, self._y)
        needed = [parent.requires_grad for parent in parents]
        if wanted is not None:
            needed = [need and parent in wanted for need, parent in zip(needed, parents, strict=True)]
        if not create_graph:
            return operation.local_derivatives(self.data, inputs, needed)
        for parent, used in zip(parents, inputs, strict=True):
            if parent.data is not used:
                raise RuntimeError(
                    f"grad: {parent!r} was {used!r} when {operation.name!r} used it; run the forward computation again"
                )
        return operation.local_derivatives(self, parents, needed)

    def _release(self) -> None:
        self.operation, self._left, self._right, self._x = RELEASED, (), None, ()


def as_values(operands: tuple[Any, ...], operation: Operation, kind: type[Value]) -> Any:
    """The operands as nodes, plain numbers as new ones that need no gradient; ``None`` where one is an array."""
    if {*map(type, operands)} == {kind}:
        return operands
    values: list[Value] = []
    for operand in operands:
        if isinstance(operand, kind):
            values.append(operand)
        elif isinstance(operand, (float, int)):
            values.append(kind(operand, requires_grad=False))
        elif is_array(operand):
            return None
        else:
            values.append(kind(as_operand(operand, operation), requires_grad=False))
    return tuple(values)
