"""The scalar engine: one number that remembers how it was made, so that gradients can flow back.

Read this file first, then ``rules.py`` (what each operation's derivative is) and ``graph.py`` (why the
backward pass walks a topological order). ``operators.py`` ties ``+`` to ``rules.add`` and so on.
"""

# Operands may be floats, arrays or nodes: their types are not inferred here.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false, reportUnusedFunction=false

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any, Self

from tinygrad_lm.autograd import graph, remedies
from tinygrad_lm.autograd.graph import Node, Operation, constant
from tinygrad_lm.autograd.operators import Operators


class Value(Operators):
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

    __slots__ = ("_inputs", "data")

    data: float
    grad: float | None
    parents: tuple[Value, ...]

    def __init__(self, data: Any, label: str = "", requires_grad: bool = True) -> None:
        self.data = data if type(data) is float else _number(data)
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
    def apply(cls, operation: Any, operands: tuple[Any, ...], attributes: dict[str, Any]) -> Any:
        """Compute an operation on numbers and values, and link the result to its operands."""
        parents: list[Value] = []
        for operand in operands:
            if isinstance(operand, Value):
                parents.append(operand)
            elif isinstance(operand, (float, int, Real)):
                parents.append(Value(operand, requires_grad=False))
            elif hasattr(operand, "dtype") and not isinstance(operand, Node):
                if operand.shape or operand.dtype == object:
                    return operation.on_elements(operands)
                parents.append(Value(operand, requires_grad=False))
            else:
                raise TypeError(
                    f"{operation.name!r} takes Values and real numbers, not {type(operand).__name__}: {operand!r:.60}"
                )
        inputs = tuple([parent.data for parent in parents])
        out = Value(operation.on_floats(inputs), requires_grad=False)
        if graph.is_grad_enabled():
            for parent in parents:
                if parent.requires_grad:
                    out.requires_grad = True
                    out.scope = graph.current_scope()
                    out.operation = operation
                    out.parents = tuple(parents)
                    # The backward pass uses the numbers of the forward pass, also if data is changed later.
                    out._inputs = inputs
                    break
        return out

    @staticmethod
    def sum(values: Iterable[Any]) -> Value:
        """The sum of many values and numbers as one node (``a + b + c`` would make one for each ``+``)."""
        operands = tuple(values)
        if not any(isinstance(operand, Value) for operand in operands):
            return Value(math.fsum(map(float, operands)), requires_grad=False)
        return Value.apply(_SUM, operands, {})

    @staticmethod
    def dot(weights: Iterable[Any], inputs: Iterable[Any]) -> Value:
        """The sum of the products, weight by input, as one node; the parents are all weights, then all inputs."""
        left, right = tuple(weights), tuple(inputs)
        if len(left) != len(right):
            raise ValueError(
                f"Value.dot pairs each weight with one input, but there are {len(left)} weights and {len(right)} inputs"
            )
        return Value.apply(_DOT, left + right, {})

    def backward(self, gradient: float | None = None, retain_graph: bool = True) -> None:
        """Compute the derivative of this value to every leaf it depends on, and add it to their ``grad``.

        ``gradient`` (1 by default) is what this value's own derivative is taken to be. A second call adds up
        in the leaves, while inner nodes show the last pass. ``retain_graph=False`` frees the graph on the way.
        """
        if not self.requires_grad:
            raise RuntimeError(
                "backward: this Value depends on nothing that requires a gradient; make the inputs Value(...) with "
                "requires_grad=True, outside no_grad (math.exp(v) gives a plain number: write v.exp() or np.exp(v))"
            )
        seed = 1.0 if gradient is None else _number(gradient)
        graph.backward(self, seed, retain_graph=retain_graph)

    def pull(self, gradient: Any, create_graph: bool, wanted: set[Node] | None) -> Sequence[Any]:
        """The chain rule: this node's gradient times the local derivative, one product a parent."""
        contributions: list[Any] = []
        for local in self.local_derivatives(create_graph, wanted):
            if local is None:
                contributions.append(None)
            elif type(local) is int:
                contributions.append(gradient if local == 1 else gradient * local)
            else:
                product = gradient * local
                if math.isnan(constant(product)) and constant(gradient) == 0:
                    product = 0.0
                contributions.append(product)
        return contributions

    def local_derivatives(self, create_graph: bool = False, wanted: set[Node] | None = None) -> list[Any]:
        """The derivative of this node to each parent, as in the rule's formula; ``None`` where none is needed.

        Numbers, or ``Value``s under ``create_graph`` so that they can be differentiated again.
        """
        operation: Any = self.operation
        if operation is None:
            return []
        if operation is _RELEASED:
            raise RuntimeError(
                "backward: this part of the graph was released by backward(retain_graph=False); "
                "run the forward computation again, or keep the graph with retain_graph=True"
            )
        needed = [parent.requires_grad and (wanted is None or parent in wanted) for parent in self.parents]
        if not create_graph:
            return operation.local_derivatives(self.data, self._inputs, needed)
        for parent, used in zip(self.parents, self._inputs, strict=True):
            if parent.data is not used:
                raise RuntimeError(
                    f"grad: {parent!r} was {used!r} when {operation.name!r} used it; run the forward computation again"
                )
        return operation.local_derivatives(self, self.parents, needed)

    def release(self) -> None:
        """Drop the links to the parents; a later backward pass through this node is an error."""
        self.operation, self.parents, self._inputs = _RELEASED, (), ()

    def store(self, gradient: float, owned: bool) -> None:
        """Add to the gradient of a leaf; an inner node shows the last pass."""
        earlier = self.grad if self.operation is None else None
        self.grad = gradient if earlier is None else earlier + gradient

    def detach(self) -> Value:
        """The same number as a new leaf that needs no gradient."""
        return Value(self.data, label=self.label, requires_grad=False)

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self.grad = None

    def item(self) -> float:
        """The number itself."""
        return self.data

    @classmethod
    def plain(cls, function: Any, inputs: tuple[Any, ...]) -> Any:
        """The result of a function without gradient, on the operands' data."""
        return function(*map(constant, inputs))

    def __lt__(self, other: Any) -> bool:
        return self.data < constant(other)

    def __le__(self, other: Any) -> bool:
        return self.data <= constant(other)

    def __gt__(self, other: Any) -> bool:
        return self.data > constant(other)

    def __ge__(self, other: Any) -> bool:
        return self.data >= constant(other)

    def __eq__(self, other: object) -> bool:
        return self.data == constant(other)

    def __ne__(self, other: object) -> bool:
        return self.data != constant(other)

    # Equality is of data, as in PyTorch, while sets and dictionaries tell nodes apart.
    __hash__ = object.__hash__

    def __float__(self) -> float:
        """The number alone, without a graph: ``float(v)``, and what ``math`` makes of ``v`` (write ``v.exp()``)."""
        return self.data

    def __int__(self) -> int:
        return int(self.data)

    def __bool__(self) -> bool:
        return self.data != 0

    def __format__(self, spec: str) -> str:
        return format(self.data, spec) if spec else repr(self)

    def __repr__(self) -> str:
        label = f", label={self.label!r}" if self.label else ""
        return f"Value(data={self.data!r}, grad={self.grad!r}{label})"

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        if self.operation is not None:
            raise RuntimeError("only leaf Values can be copied: this one is the result of an operation; detach() it")
        twin = type(self).__new__(type(self))
        Value.__init__(twin, self.data, self.label, self.requires_grad)
        twin.grad = self.grad
        memo[id(self)] = twin
        graph.copy_attributes(self, twin, Value, memo)
        return twin

    def __reduce__(self) -> Any:
        raise TypeError("a Value is not pickled, since its graph would be lost: keep x.data")


class _Sum(Operation):
    def on_floats(self, inputs: Sequence[float]) -> float:
        return float(sum(inputs))

    def local_derivatives(self, out: Any, inputs: Sequence[Any], needed: Sequence[bool]) -> list[Any]:
        return [1 if need else None for need in needed]


class _Dot(Operation):
    def on_floats(self, inputs: Sequence[float]) -> float:
        half = len(inputs) // 2
        return float(sum(map(operator.mul, inputs[:half], inputs[half:])))

    def local_derivatives(self, out: Any, inputs: Sequence[Any], needed: Sequence[bool]) -> list[Any]:
        half = len(inputs) // 2
        partners = (*inputs[half:], *inputs[:half])
        return [partner if need else None for partner, need in zip(partners, needed, strict=True)]


remedies.refuse(Value, remedies.VALUE)

_SUM = _Sum("sum", "Σ")
_DOT = _Dot("dot", "w·x")
_RELEASED = Operation("released")


def _number(x: Any) -> float:
    if isinstance(x, Value):
        raise TypeError("Value(x) takes a number; x is a Value already (x.detach() makes a new leaf of it)")
    if isinstance(x, Real):
        return float(x)
    if getattr(x, "shape", None) == () and getattr(getattr(x, "dtype", None), "kind", "O") != "O":
        return _number(x.item())
    raise TypeError(f"a Value holds one real number, not {type(x).__name__}: {x!r:.60}")
