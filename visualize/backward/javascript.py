"""A graph of ``Value``s as a program in JavaScript, with which a page computes it anew for other numbers.

No formula is written here: the derivative table's own functions are run on expressions (``expressions.py``).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tinygrad_lm.autograd import Value
from tinygrad_lm.autograd.elementwise import Elementwise
from tinygrad_lm.autograd.graph import RELEASED, Node, Operation
from tinygrad_lm.autograd.nary import Dot, Sum
from visualize.backward.expressions import Expression, Run, text_of

_SUM = """const sum=(...x)=>{let s=0,lost=0;for(const y of x){const t=s+y;\
lost+=Math.abs(s)>=Math.abs(y)?s-t+y:y-t+s;s=t}return lost&&Math.abs(lost)<Infinity?s+lost:s};"""
"""Python's sum of floats, which from 3.12 on keeps what rounding loses."""

_SHORT = 12
"""A formula stands where it is used if that makes the program longer by no more characters than these, at each use."""


def javascript(nodes: Sequence[Node]) -> str:
    """An expression of JavaScript for an object with two functions of an array ``v``: a number for each node.

    ``forward(v)`` fills in the numbers of all nodes that are made by an operation, from those of the leaves.
    ``local(v)`` gives for each node the list of its derivatives to its operands, with ``null`` for those that need no
    gradient, and ``null`` for a leaf. Numbers are what the engine computes, but for the last bits of a function that
    JavaScript has of its own; infinite ones and nan come in the same places. Nothing that a user wrote, such as a
    label or the name of an operation, is in the text.

    Parameters
    ----------
    nodes
        All nodes of the graph, each after its operands.

    Raises
    ------
    ValueError
        Saying which operation cannot be computed in a page, and why.
    """
    return str(_Program(nodes))


class _Program:
    def __init__(self, nodes: Sequence[Node]) -> None:
        self._written: dict[tuple[Operation, int, int | None], _Function] = {}
        self._head: list[str] = []
        places = {id(node): f"v[{i}]" for i, node in enumerate(nodes)}
        self._forward: list[str] = []
        self._local: list[str] = []
        for node in nodes:
            if not isinstance(node, Value):
                raise ValueError(f"{node!r:.60} is not of the scalar engine: a page computes with single numbers alone")
            operation = node.operation
            if operation is None:
                self._local.append("null")
                continue
            if operation is RELEASED:
                raise ValueError("a part of the graph was released by backward(retain_graph=False)")
            place, operands = places[id(node)], [places[id(parent)] for parent in node.parents]
            self._forward.append(f"{place}={self._text(operation, None, operands, place)};")
            slopes = [
                self._text(operation, i, operands, place) if parent.requires_grad else "null"
                for i, parent in enumerate(node.parents)
            ]
            self._local.append(f"[{','.join(slopes)}]")

    def __str__(self) -> str:
        forward, local = "\n".join(self._forward), ",\n".join(self._local)
        head = [_SUM] * any(function.sums for function in self._written.values()) + self._head
        return "\n".join(["(()=>{", *head, f"return{{forward:v=>{{\n{forward}\n}},local:v=>[\n{local}\n]}}", "})()"])

    def _text(self, operation: Operation, position: int | None, operands: Sequence[str], out: str) -> str:
        """What an operation gives, or its derivative to the operand at a position, where both have names."""
        key = (operation, len(operands), position)
        if key not in self._written:
            self._written[key] = _Function(*key)
        function = self._written[key]
        arguments = [*operands] if position is None else [*operands, out]
        if function.is_short:
            return function.formula(arguments)
        if not function.name:
            function.name = f"f{len(self._head)}"
            self._head.append(function.definition())
        return function.call(arguments)


class _Function:
    """What an operation computes of a number of operands, or its derivative to one of them and of its result too."""

    def __init__(self, operation: Operation, count: int, position: int | None) -> None:
        self._names = [*("xyz"[:count] if count <= 3 else (f"x{i}" for i in range(count)))]
        self._names += ["out"] * (position is not None)
        self._run = _run(operation, count, position, self._names)
        within = self._run.within()
        self._shared = self._run.shared()
        self._used = [i for i, operand in enumerate(self._run.operands) if operand.serial in within]
        self.sums = any(x.kind == "sum" for x in within.values())
        self.name = ""
        """Its name in the program, if it has one there."""
        usual = ["v[0]"] * len(self._names)
        self.is_short = not self._shared and len(self.formula(usual)) <= len(self.call(usual)) + _SHORT

    def formula(self, arguments: Sequence[str]) -> str:
        """The formula with arguments in the place of its operands."""
        return text_of(self._run.result, dict(zip(self._serials(), arguments, strict=True)))

    def call(self, arguments: Sequence[str]) -> str:
        """A call of the function."""
        return f"{self.name or 'f0'}({','.join(arguments[i] for i in self._used)})"

    def definition(self) -> str:
        """The function with its name; what is used in it more than once is computed once."""
        names = dict(zip(self._serials(), self._names, strict=True))
        head = f"const {self.name}=({','.join(self._names[i] for i in self._used)})=>"
        constants: list[str] = []
        for i, x in enumerate(self._shared):
            constants.append(f"t{i}={text_of(x, names)}")
            names[x.serial] = f"t{i}"
        body = text_of(self._run.result, names)
        return f"{head}{{const {','.join(constants)};return {body}}};" if constants else f"{head}{body};"

    def _serials(self) -> Iterator[int]:
        return (operand.serial for operand in self._run.operands)


def _run(operation: Operation, count: int, position: int | None, names: Sequence[str]) -> Run:
    """The operation's own function, or its own derivative, run on expressions."""
    first: ValueError | None = None
    functions = _forwards(operation) if position is None else [_derivative(operation, count, position)]
    for function in functions:
        try:
            return Run(function, names)
        except ValueError as error:
            first = first or error
    what = "result" if position is None else f"derivative to operand {position}"
    raise ValueError(f"{operation.name!r} cannot be computed in a page: of its {what}, {first}") from first


def _forwards(operation: Operation) -> list[Callable[..., Any]]:
    """What computes an operation; the second where the first cannot be followed, as functions of math cannot."""
    if isinstance(operation, Sum):
        return [_total]
    if isinstance(operation, Dot):
        return [lambda *xs: _total(*map(operator.mul, xs[: len(xs) // 2], xs[len(xs) // 2 :]))]
    if isinstance(operation, Elementwise) and operation.scalar is not None:
        return [operation.scalar, operation.forward]
    return [lambda *xs: operation.on_floats(xs)]


def _total(*terms: Expression) -> Expression:
    return terms[0].run.make("sum", *terms)


def _derivative(operation: Operation, count: int, position: int) -> Callable[..., Any]:
    if operation.derivatives:
        derivative = operation.derivatives[position]
        return derivative if callable(derivative) else lambda *xs: derivative
    needed = [i == position for i in range(count)]

    def at_position(*xs: Expression) -> Any:
        slope = operation.local_derivatives(xs[-1], xs[:-1], needed)[position]
        return xs[-1].run.make("null") if slope is None else slope

    return at_position
