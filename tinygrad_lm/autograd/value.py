"""The scalar engine: one number that remembers how it was made, so that gradients can flow back.

Four files are the whole of backpropagation, in the order in which ``(v * v).backward()`` passes through them:
``operators.py`` ties ``*`` to ``rules.mul``; this file records the result; ``graph.py`` walks back through what was
recorded; ``rules.py`` says, at each step, what the derivative is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from tinygrad_lm.autograd import graph, observers, remedies
from tinygrad_lm.autograd.context import current_scope, recording
from tinygrad_lm.autograd.copying import twin_of
from tinygrad_lm.autograd.graph import RELEASED, Node, Operation, annihilate, refuse_released
from tinygrad_lm.autograd.nary import Sums
from tinygrad_lm.autograd.number import as_float, as_operand, is_array
from tinygrad_lm.autograd.observers import observing


class Value(Sums):
    """A number in a computation graph.

    >>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    >>> c = a * b + a**2
    >>> c.backward()
    >>> (c.data, a.grad, b.grad)
    (-2.0, 1.0, 2.0)

    ``data`` is a float. ``grad`` is ``None`` until ``backward`` reaches the node and a float after that.
    ``parents`` are the operands in their order and ``op`` is the operation's name; both are empty for a leaf.
    Plain numbers that take part become nodes that need no gradient. Comparisons look at ``data``.
    ``total += x``, like all operators in place, goes on with a new node; within ``no_grad`` it steps a leaf.
    """

    __slots__ = ("_inputs",)

    grad: float | None
    parents: tuple[Value, ...]

    def __init__(self, data: Any, label: str = "", requires_grad: bool = True) -> None:
        self.data = data if type(data) is float else as_float(data)
        if not isinstance(label, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                f"a Value's label is text, not {label!r:.60}: Value(data, label, requires_grad). What it is computed "
                "from is noted by the operators, as in a * b + 1"
            )
        self.grad = None
        self.label = label
        self.scope = None
        self.requires_grad = requires_grad
        self.operation = None
        self.parents = ()
        self._inputs: tuple[float, ...] = ()

    @classmethod
    def _record(cls, operation: Operation, operands: tuple[Any, ...], attributes: dict[str, Any]) -> Any:
        """Compute an operation on numbers and values, and link the result to its operands."""
        parents: list[Value] = []
        for operand in operands:
            if isinstance(operand, Value):
                parents.append(operand)
            elif isinstance(operand, (float, int)):
                parents.append(Value(operand, requires_grad=False))
            elif is_array(operand):
                return operation.on_elements(operands)
            else:
                parents.append(Value(as_operand(operand, operation), requires_grad=False))
        inputs = tuple([parent.data for parent in parents])
        observed = observing()
        result = observers.watched(operation.on_floats, inputs) if observed else operation.on_floats(inputs)
        out = Value(result, requires_grad=False)
        if recording():
            for parent in parents:
                if parent.requires_grad:
                    out.requires_grad = True
                    out.scope = current_scope()
                    out.operation = operation
                    out.parents = tuple(parents)
                    # The backward pass uses the numbers of the forward pass, also if data is changed later.
                    out._inputs = inputs
                    break
        if observed:
            observers.tell_forward(operation, operands, attributes, out)
        return out

    def backward(self, gradient: float | None = None, retain_graph: bool = True) -> None:
        """Compute the derivative of this value with respect to every leaf it depends on; add it to their ``grad``.

        ``gradient`` (1 by default) is what this value's own derivative is taken to be. A second call adds up
        in the leaves, while inner nodes show the last pass. ``retain_graph=False`` frees the graph on the way.
        """
        if not self.requires_grad:
            raise RuntimeError(
                "backward: this Value depends on nothing that requires a gradient; make the inputs Value(...) with "
                "requires_grad=True, outside no_grad (math.exp(v) gives a plain number: write v.exp() or np.exp(v))"
            )
        seed = 1.0 if gradient is None else as_float(gradient)
        graph.backward(self, seed, retain_graph=retain_graph)

    def _hand_on(self, gradient: Any, create_graph: bool, wanted: set[Node] | None) -> Sequence[Any]:
        """The chain rule: this node's gradient times the local derivative, one product a parent."""
        contributions: list[Any] = []
        for derivative in self.local_derivatives(create_graph, wanted):
            if derivative is None:
                contributions.append(None)
            elif type(derivative) is int:  # exactly 0, 1 or -1
                contributions.append(gradient if derivative == 1 else gradient * derivative)
            else:
                product = gradient * derivative
                contributions.append(product if product == product else annihilate(product, gradient))
        return contributions

    def local_derivatives(self, create_graph: bool = False, wanted: set[Node] | None = None) -> list[Any]:
        """The derivative of this node with respect to each parent, by the rule; ``None`` where none is needed.

        Numbers where it is constant; else floats, or ``Value``s under ``create_graph``, to be differentiated again.
        """
        operation = self.operation
        if operation is None:
            return []
        if operation is RELEASED:
            refuse_released()
        needed = [parent.requires_grad and (wanted is None or parent in wanted) for parent in self.parents]
        if not create_graph:
            return operation.local_derivatives(self.data, self._inputs, needed)
        for parent, used in zip(self.parents, self._inputs, strict=True):
            if parent.data is not used:
                raise RuntimeError(
                    f"grad: {parent!r} was {used!r} when {operation.name!r} used it; run the forward computation again"
                )
        return operation.local_derivatives(self, self.parents, needed)

    def _store(self, gradient: float, owned: bool) -> None:
        earlier = self.grad if self.operation is None else None
        self.grad = gradient if earlier is None else earlier + gradient

    def _release(self) -> None:
        self.operation, self.parents, self._inputs = RELEASED, (), ()

    def detach(self) -> Value:
        """The same number as a new leaf that needs no gradient."""
        return Value(self.data, label=self.label, requires_grad=False)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = twin_of(self, Value, memo)
        Value.__init__(twin, self.data, self.label, self.requires_grad)
        twin.grad = self.grad
        return twin


remedies.refuse(Value, remedies.VALUE)
