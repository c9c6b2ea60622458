"""The scalar engine: one number that remembers how it was made, so that gradients can flow back.

Four files are the whole of backpropagation, in the order in which ``(v * v).backward()`` passes through them:
``operators.py`` ties ``*`` to ``rules.mul``; this file records the result; ``value_pass.py`` walks back through what
was recorded, as ``graph.py`` does in fewer words; ``rules.py`` says, at each step, what the derivative is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Self

from tinygrad_lm.autograd import observers, remedies, value_pass
from tinygrad_lm.autograd.context import current_scope, recording
from tinygrad_lm.autograd.copying import twin_of
from tinygrad_lm.autograd.elementwise import Elementwise, annihilate
from tinygrad_lm.autograd.graph import NOTHING, Node, Operation
from tinygrad_lm.autograd.made_from import MadeFrom, as_values
from tinygrad_lm.autograd.number import as_float
from tinygrad_lm.autograd.observers import observing

_new = object.__new__


class Value(MadeFrom):
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

    __slots__ = ()

    grad: float | None

    def __init__(self, data: Any, label: str = "", requires_grad: bool = True) -> None:
        self.data = data if type(data) is float else as_float(data)
        if not isinstance(label, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                f"a Value's label is text, not {label!r:.60}: Value(data, label, requires_grad). What it is computed "
                "from is noted by the operators, as in a * b + 1"
            )
        self.grad = self.scope = self.operation = self._right = None
        self.label, self.requires_grad = label, requires_grad
        self._left = self._x = ()
        self._y = self._total = 0.0

    @staticmethod
    def _record(operation: Operation, operands: tuple[Any, ...], attributes: dict[str, Any] = NOTHING) -> Any:
        """Compute an operation on numbers and values, and link the result to its operands."""
        pair: Any = operands if len(operands) == 2 else (operands, None)
        left, right = pair
        observed = observing()
        ordinary = type(operation) is Elementwise and not observed
        # Values by two or alone, of which a graph is full, without a call; where Python raises, ``on_floats`` answers.
        if ordinary and type(left) is type(right) is Value:
            x, y = left.data, right.data
            needed = left.requires_grad or right.requires_grad
            try:
                result: Any = operation.scalar(x, y)  # pyright: ignore[reportOptionalCall]
            except (ArithmeticError, ValueError):
                result = operation.on_floats((x, y))
        elif ordinary and right is None and len(left) == 1 and type(left[0]) is Value:
            x, y = (left[0].data,), 0.0
            needed, result = left[0].requires_grad, operation.on_floats(x)
        elif ordinary and type(right) is float:
            return Value._record(operation, (left, Value(right, "", False)))
        elif ordinary and type(left) is float:
            return Value._record(operation, (Value(left, "", False), right))
        else:
            parents = as_values(operands, operation, Value)
            if parents is None:
                return operation.on_elements(operands)
            inputs = tuple([parent.data for parent in parents])
            needed = True in [parent.requires_grad for parent in parents]
            (left, right), (x, y) = (parents, inputs) if len(parents) == 2 else ((parents, None), (inputs, 0.0))
            result = observers.watched(operation.on_floats, inputs) if observed else operation.on_floats(inputs)
        if needed and recording():
            out = _new(Value)
            out.data = result if type(result) is float else as_float(result)
            out.grad = None
            out.label = ""
            out.scope = current_scope()
            out.requires_grad = True
            out.operation = operation
            out._left, out._right = left, right
            # The backward pass uses the numbers of the forward pass, also if data is changed later.
            out._x, out._y = x, y
            out._total = 0.0
        else:
            out = Value(result, requires_grad=False)
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
        value_pass.backward(self, 1.0 if gradient is None else as_float(gradient), retain_graph)

    def _hand_on(self, gradient: Any, create_graph: bool, wanted: set[Node] | None) -> Sequence[Any]:
        """The chain rule: this node's gradient times the local derivative, one product a parent."""
        derivatives = self.local_derivatives(create_graph, wanted)
        if not create_graph:
            try:
                products = [gradient * derivative for derivative in derivatives]
            except TypeError:  # a derivative that is not needed
                products = [math.nan]
            total = sum(products)
            if total == total:  # not nan, and so none of them is
                return products
        shares: list[Any] = []
        for derivative in derivatives:
            if derivative is None:
                shares.append(None)
            elif isinstance(derivative, int):  # exactly 0, 1 or -1
                shares.append(gradient if derivative == 1 else gradient * derivative)
            else:
                product = gradient * derivative
                shares.append(product if product == product else annihilate(product, gradient))
        return shares

    def _store(self, gradient: float, owned: bool) -> None:
        earlier = self.grad if self.operation is None else None
        self.grad = gradient if earlier is None else earlier + gradient

    def detach(self) -> Value:
        """The same number as a new leaf that needs no gradient."""
        return Value(self.data, label=self.label, requires_grad=False)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = twin_of(self, Value, memo)
        Value.__init__(twin, self.data, self.label, self.requires_grad)
        twin.grad = self.grad
        return twin


remedies.refuse(Value, remedies.VALUE)
