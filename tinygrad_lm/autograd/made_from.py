"""What a ``Value`` keeps of the operation that made it: the operands, and the numbers that they were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tinygrad_lm.autograd.context import current_scope, recording
from tinygrad_lm.autograd.graph import RELEASED, Node, Operation, refuse_released
from tinygrad_lm.autograd.nary import Sums
from tinygrad_lm.autograd.number import as_operand, is_array
from tinygrad_lm.autograd.value_products import Product

if TYPE_CHECKING:
    from tinygrad_lm.autograd.value import Value


class MadeFrom(Sums):
    """A number with its operands.

    Two operands, by far the most common, stand in slots of their own: a tuple of them would be one more object for
    Python's garbage collector to go through, and a graph of numbers is made of little else.
    """

    __slots__ = ("_left", "_right", "_total", "_x", "_y")

    _left: Any
    """The first of two operands, ``_right`` being the second; else the tuple of them all, or a ``Product`` of them."""
    _right: Value | None
    _x: Any
    """What ``data`` was when the operation used it, of the one or all in ``_left``; ``_y`` is that of ``_right``.

    Of a number of a ``Product``, which then is in ``_left``: its place in that.
    """
    _y: float
    _total: float
    """What has come to the node in the running pass."""

    @property
    def parents(self) -> tuple[Value, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The operands in their order; the same node twice for ``x * x``; empty for a leaf."""
        left: Any = self._left
        right = self._right
        return (left, right) if right is not None else left.parents(self._x) if type(left) is Product else left

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
        x, left = self._x, self._left
        inputs = (x, self._y) if self._right is not None else left.inputs(x) if type(left) is Product else x
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
    if [*map(type, operands)].count(kind) == len(operands):
        return operands
    values: list[Value] = []
    for operand in operands:
        if isinstance(operand, kind):
            values.append(operand)
        elif isinstance(operand, (float, int)):
            values.append(kind(operand, "", False))
        elif is_array(operand):
            return None
        else:
            values.append(kind(as_operand(operand, operation), requires_grad=False))
    return tuple(values)


def numbers_of(product: Product, numbers: Sequence[float], kind: type[Value]) -> list[Value]:
    """A node for each number of a product, as ``Value._record`` makes it."""
    scope, recorded = current_scope(), recording()
    found: list[Value] = []
    for index, (number, learns) in enumerate(zip(numbers, product.learns(), strict=True)):
        if learns and recorded:
            out: Any = object.__new__(kind)
            out.data = number
            out.grad = None
            out.label = ""
            out.scope = scope
            out.requires_grad = True
            out.operation = product.operation
            out._left, out._right = product, None
            out._x, out._y = index, 0.0
            out._total = 0.0
        else:
            out = kind(number, requires_grad=False)
        found.append(out)
    return found
