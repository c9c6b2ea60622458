"""The forward and the backward pass of a graph of ``Value``s as the plain assignments of a blackboard.

No formula is written here: the derivative table's own functions are run on text (``scalar_text.py``).
"""

from __future__ import annotations

import builtins
import inspect
import keyword
import operator
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, count
from typing import Any, cast

import numpy as np

from tinygrad_lm.autograd import rules
from tinygrad_lm.autograd.elementwise import Elementwise
from tinygrad_lm.autograd.graph import RELEASED, Operation, refuse_released, topological_order
from tinygrad_lm.autograd.nary import Dot, Sum, dot_of_scalars, sum_of_scalars
from tinygrad_lm.autograd.value import Value
from tinygrad_lm.replay.scalar_text import Printer, Text, as_text

_WIDTH = 100

_ARITHMETIC = frozenset(
    (rules.add, rules.sub, rules.mul, rules.div, rules.neg, rules.pow, sum_of_scalars, dot_of_scalars)
)
"""The operations whose derivatives everybody knows: no comment says which they are."""

_RESERVED = frozenset((*dir(builtins), *keyword.kwlist, "math", "np"))


def _identifier(label: str) -> str:
    """A label as a name of Python's, or nothing; Python reads names in the normal form NFKC."""
    letters = (c if f"_{c}".isidentifier() else "_" for c in unicodedata.normalize("NFKC", label))
    name = re.sub("_+", "_", "".join(letters)).strip("_")
    if name and not name.isidentifier():
        name = f"x{name}"
    return f"{name}_" if name in _RESERVED else name


def _names(order: Sequence[Value], reserved: Iterable[str]) -> dict[Value, str]:
    """A name for each node that is one in the program: its label, or x1, x2, ... for leaves and t1, t2, ... for others.

    No name is that of another one's derivative. The last node is ``out`` where it has no label.
    """
    taken, streams = set(reserved), dict[str, Iterator[str]]()
    names: dict[Value, str] = {}

    def name(node: Value, base: str, stream: Iterable[str]) -> None:
        for candidate in streams.setdefault(base, iter(stream)):
            if not taken.intersection((candidate, f"d_{candidate}")):
                taken.update((candidate, f"d_{candidate}"))
                names[node] = candidate
                return

    unlabelled: list[Value] = []
    for node in order:
        label = _identifier(node.label)
        if label:
            name(node, label, chain([label], (f"{label}_{i}" for i in count(2))))
        elif node.requires_grad:
            unlabelled.append(node)
    for node in unlabelled:
        base = "out" if node is order[-1] else "x" if node.is_leaf else "t"
        numbered = (f"{base}{i}" for i in count(1))
        name(node, f"{base} ", chain([base], numbered) if base == "out" else numbered)
    return names


def _plainly(what: str, function: Callable[..., Any], operands: Iterable[float]) -> float:
    """What Python's own arithmetic gives."""
    try:
        return float(inspect.unwrap(function)(*operands))
    except (ArithmeticError, ValueError, TypeError) as error:
        raise ValueError(f"scalar_source: {what} cannot be written in plain Python, which raises: {error}") from error


def _same(what: str, plain: float, engines: float) -> None:
    """Refuse what the program would not give as the engine does: a nan, and a number that was changed."""
    if plain != plain:
        raise ValueError(f"scalar_source: {what} is nan, for which the engine has rules of its own")
    if repr(plain) != repr(engines):
        raise ValueError(
            f"scalar_source: {what} is {plain!r}, but was {engines!r} when the graph was made: a number was changed; "
            "run the forward computation again"
        )


def _check(node: Value) -> None:
    """``ValueError`` where plain Python would compute another number of this node."""
    operation, inputs = cast(Operation, node.operation), [parent.data for parent in node.parents]
    if operation is RELEASED:
        refuse_released()
    what = f"{operation.name} of {', '.join(map(repr, inputs))}"
    if isinstance(operation, (Sum, Dot)):
        _same(what, operation.on_floats(inputs), node.data)
    elif isinstance(operation, Elementwise) and operation.scalar is not None:
        _same(what, _plainly(what, operation.scalar, inputs), node.data)
    else:
        raise ValueError(f"scalar_source: {operation.name!r} is not an operation of the derivative table")


def _slopes(node: Value, gradient: float) -> list[float | None]:
    """The local derivatives in numbers; ``ValueError`` where plain Python would hand on something else."""
    operation, inputs = cast(Operation, node.operation), [parent.data for parent in node.parents]
    needed = [parent.requires_grad for parent in node.parents]
    what = f"the derivative of {operation.name} at {', '.join(map(repr, inputs))}"
    plain: Sequence[Any] = operation.derivatives or operation.local_derivatives(node.data, inputs, needed)
    slopes: list[float | None] = node.local_derivatives()
    for formula, slope in zip(plain, slopes, strict=True):
        if slope is None or isinstance(slope, int):
            continue
        _same(what, _plainly(what, formula, (*inputs, node.data)) if callable(formula) else formula, slope)
        if gradient * slope != gradient * slope:
            raise ValueError(
                f"scalar_source: {what} is {slope!r}, and {gradient!r} times that is nan in plain Python; "
                "the engine counts 0 times inf or nan as 0"
            )
    return slopes


class _Program:
    """The lines of a program: the leaves' numbers, the forward pass, the backward pass."""

    def __init__(self, order: Sequence[Value], reserved: Iterable[str]) -> None:
        self.order, self.printer = order, Printer()
        self.names = _names(order, reserved)
        self.texts: dict[Value, Any] = {
            node: Text(self.names[node]) if node in self.names else node.data for node in order
        }
        self.leaves = [
            f"{self.names[node]} = {as_text(node.data).text}{'' if node.requires_grad else '  # a constant'}"
            for node in order
            if node.is_leaf and node in self.names
        ]
        self.forward = {node: self._forward(node) for node in order if not node.is_leaf}
        self.backward = list(self._backward())

    def clashes(self) -> set[str]:
        """What is a name of a helper and of a node's number or derivative."""
        names = self.names.values()
        return self.printer.head.keys() & {*names, *(f"d_{name}" for name in names)}

    def __str__(self) -> str:
        root = self.names[self.order[-1]]
        code = "\n\n".join(
            [
                "\n".join(self.leaves),
                *(["\n".join(["# forward", *self.forward.values()])] if self.forward else []),
                "\n".join([f"# backward: d_x is the derivative of {root} with respect to x", *self.backward]),
            ]
        )
        blocks = [*self.printer.head.values(), code]
        used = "\n".join(blocks)
        imports = [line for name, line in _IMPORTS.items() if re.search(rf"\b{name}\.", used)]
        gap = "\n\n\n" if self.printer.head else "\n\n"
        return gap.join(["\n\n".join([_DOCSTRING.format(root=root), *imports]), *blocks]) + "\n"

    def _forward(self, node: Value) -> str:
        operation, operands = cast(Operation, node.operation), [self.texts[parent] for parent in node.parents]
        start = f"{self.names[node]} = "
        if not isinstance(operation, (Sum, Dot)):
            return start + self.printer.run(cast("Callable[..., float]", operation.scalar), operands).text
        half = len(operands) // 2
        terms = operands if isinstance(operation, Sum) else map(operator.mul, operands[:half], operands[half:])
        texts = [as_text(term).text for term in terms]
        line = f"{start}sum([{', '.join(texts)}])"
        return line if len(line) <= _WIDTH else "\n".join([f"{start}sum([", *(f"    {x}," for x in texts), "])"])

    def _derivatives(self, operation: Operation, node: Value) -> list[Any]:
        operands = [self.texts[parent] for parent in node.parents]
        needed = [parent.requires_grad for parent in node.parents]
        out = self.texts[node]
        if not operation.derivatives:
            return operation.local_derivatives(out, operands, needed)
        return [
            d if isinstance(d, int) or not need else self.printer.run(d, [*operands, out])
            for d, need in zip(operation.derivatives, needed, strict=True)
        ]

    def _backward(self) -> Iterator[str]:
        """A line for each derivative as soon as all its parts have arrived, which are added in the engine's order."""
        root = self.order[-1]
        yield f"d_{self.names[root]} = 1.0"
        gradients = {root: 1.0}
        parts: dict[Value, list[tuple[Text, str]]] = {}
        awaited = Counter(parent for node in self.order for parent in node.parents if parent.requires_grad)
        for node in reversed(self.order):
            operation = node.operation
            if operation is None:
                continue
            gradient, d = gradients.pop(node), Text(f"d_{self.names[node]}")
            comment = "" if operation in _ARITHMETIC else self.forward[node]
            slopes = _slopes(node, gradient)
            for parent, slope, written in zip(node.parents, slopes, self._derivatives(operation, node), strict=True):
                if slope is None:
                    continue
                product = gradient * slope
                gradients[parent] = gradients[parent] + product if parent in gradients else product
                part = {1: d, -1: -d}.get(written) if type(written) is int else None
                parts.setdefault(parent, []).append((d * written if part is None else part, comment))
                awaited[parent] -= 1
                if not awaited[parent]:
                    yield _sum(f"d_{self.names[parent]}", parts.pop(parent))


def _sum(name: str, parts: Sequence[tuple[Text, str]]) -> str:
    """A derivative as the sum of its parts: one line, or one for each part where that would be too long."""
    signed = [("-", x.text[1:]) if x.text.startswith("-") else ("+", x.text) for x, _ in parts]
    line = f"{name} = {parts[0][0].text}"
    whole = line + "".join(f" {sign} {text}" for sign, text in signed[1:])
    comments = dict.fromkeys(comment for _, comment in parts if comment)
    if len(parts) == 1 or len(whole) + len("; ".join(comments)) + 4 <= _WIDTH:
        return _commented(whole, "; ".join(comments))
    lines = [line, *(f"{name} {sign}= {text}" for sign, text in signed[1:])]
    return "\n".join(_commented(each, comment) for each, (_, comment) in zip(lines, parts, strict=True))


def _commented(line: str, comment: str) -> str:
    """A line with what it goes back through, which stands above it where there is no room beside it."""
    if not comment:
        return line
    beside = f"{line}  # {comment}"
    return beside if len(beside) <= _WIDTH else f"# {comment}\n{line}"


_IMPORTS = {"math": "import math", "np": "import numpy as np"}

_DOCSTRING = '''"""The forward and the backward pass of {root}, in plain assignments.

Nothing guards against 0 times inf or nan, which counts as 0 in a gradient: it does not occur with these numbers.
"""'''


def scalar_source(root: Value) -> str:
    """The forward and the backward pass of a graph of ``Value``s, as a Python program that one would write by hand.

    It needs nothing of this package and gives ``d_x``, the derivative of the root with respect to ``x``, for every
    ``x``, with the bits that ``root.backward()`` gives; but for rounding where that goes back through a matrix product
    of arrays of ``Value``s as a whole. Names are labels; numbers without label and gradient are written as they are.
    NumPy is called only where the engine's derivative calls a function of it on floats.

    >>> a = Value(2.0, label="a")
    >>> print(scalar_source(a * a))
    \"\"\"The forward and the backward pass of out, in plain assignments.
    <BLANKLINE>
    Nothing guards against 0 times inf or nan, which counts as 0 in a gradient: it does not occur with these numbers.
    \"\"\"
    <BLANKLINE>
    a = 2.0
    <BLANKLINE>
    # forward
    out = a * a
    <BLANKLINE>
    # backward: d_x is the derivative of out with respect to x
    d_out = 1.0
    d_a = d_out * a + d_out * a
    <BLANKLINE>

    Raises
    ------
    TypeError
        For anything but a ``Value``.
    ValueError
        Where the root needs no gradient; where plain arithmetic does something else with the numbers than the engine,
        which silences 0 times inf or nan, knows what log(0) is and which of 1 and nan is larger; where a number
        was changed since it was used; and for an operation whose functions cannot be run on text.
    RuntimeError
        Where the graph was released.
    """
    if not isinstance(root, Value):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"scalar_source takes a Value, not {type(root).__name__}")
    if not root.requires_grad:
        raise ValueError("scalar_source: this Value depends on nothing that requires a gradient")
    order = cast("list[Value]", topological_order(root, constants=True))
    reserved: set[str] = set()
    with np.errstate(all="ignore"):  # the engine has warned already
        for node in order:
            if not node.is_leaf:
                _check(node)
        while clashes := (program := _Program(order, reserved)).clashes():
            reserved |= clashes
    return str(program)
