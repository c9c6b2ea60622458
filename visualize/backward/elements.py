"""One element of an array written out: the few products that it is the sum of, in a gradient and in a result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from tinygrad_lm.autograd import Value
from tinygrad_lm.autograd.graph import Node
from tinygrad_lm.autograd.types import Array
from visualize.backward.frames import Contribution
from visualize.backward.templates import filled
from visualize.graph.nodes import array_of, contributions_of
from visualize.graph.quantities import number

TERMS = 6
"""An element that is the sum of more products than these is not written out."""
RESULTS, WORK = 256, 400_000
"""Larger results, and operations with more derivatives from one number to another, are not taken apart."""
TRIED = 64
"""So many elements are looked at, those of the fewest terms first."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element: where it stands, how it comes about, and what it is."""

    place: str
    """``[0, 2]``; empty for a single number."""
    sum: str
    """``0.3 × 1.2 + (-0.1) × 0.5``."""
    value: float
    shown: str
    """The value, as a text."""

    def __str__(self) -> str:
        return f"e.g. {self.place}: {self.sum} = {self.shown}"


class Elements:
    """Elements of the results and of the gradients of one program.

    What an operation hands back is linear in the gradient of its result: from gradients that are 1 at one place and 0
    elsewhere the derivative of every element to every element is known.
    """

    def __init__(self, fmt: str) -> None:
        self.fmt = fmt
        self._known: dict[Node, list[Array | None]] = {}

    def of_gradient(self, node: Node, position: int, row: Contribution) -> Element | None:
        """An element of what a node hands to an operand; nothing where each is the sum of too much."""
        slopes = self._slopes(node)
        slope = slopes[position] if position < len(slopes) else None
        if slope is None:
            return None
        upstream, amount = _flat(row.upstream), _flat(row.amount)
        shape = np.shape(row.amount)
        for j in _of_few_terms((slope != 0) & (upstream != 0)[:, None]):
            terms = [(upstream[i], slope[i, j]) for i in range(len(upstream)) if upstream[i] * slope[i, j]]
            found = self._element(terms, float(amount[j]), j, shape, True)
            if found is not None:
                return found
        return None

    def of_result(self, node: Node, template: str) -> Element | None:
        """An element of a node's result; nothing where it is not written by its operands' elements."""
        operation, out = node.operation, array_of(node)
        if operation is None or out.dtype.kind != "f" or not out.size:
            return None
        if isinstance(node, Value) or operation.derivatives:
            return self._elementwise(node, template, out)
        slopes = self._slopes(node)
        operands = [_flat(parent.data) for parent in node.parents]
        positions = [i for i, slope in enumerate(slopes) if slope is not None]
        for chosen in (*((i,) for i in positions), *combinations(positions, 2)):
            weights = np.concatenate([slope for i in chosen if (slope := slopes[i]) is not None], axis=1)
            numbers = np.concatenate([operands[i] for i in chosen])
            with np.errstate(all="ignore"):
                is_sum = np.allclose(weights @ numbers, _flat(out), rtol=1e-4, atol=1e-6)
            if not is_sum:
                continue
            for i in _of_few_terms(((weights != 0) & (numbers != 0)).T):
                terms = [(numbers[j], weights[i, j]) for j in range(len(numbers)) if numbers[j] * weights[i, j]]
                found = self._element(terms, float(_flat(out)[i]), i, out.shape, False)
                if found is not None:
                    return found
        return None

    def _elementwise(self, node: Node, template: str, out: Array) -> Element | None:
        operands = [np.broadcast_to(np.asarray(parent.data), out.shape) for parent in node.parents]
        for index in list(np.ndindex(out.shape))[:TRIED]:
            value = float(out[index])
            numbers = [float(operand[index]) for operand in operands]
            if value and all(map(np.isfinite, (value, *numbers))):
                text = filled(template, [number(x, self.fmt) for x in numbers])
                return Element(_place(index), text, value, number(value, self.fmt))
        return None

    def _element(
        self, terms: Sequence[tuple[float, float]], value: float, at: int, shape: tuple[int, ...], by_one: bool
    ) -> Element | None:
        """The element if the numbers, as they are shown, come to what is shown of their sum.

        ``by_one`` says whether factors are written also where all of them are 1.
        """
        pairs = [(number(x, self.fmt), number(y, self.fmt)) for x, y in terms]
        total = sum(float(x) * float(y) for x, y in pairs)
        if not terms or not np.isfinite(value) or abs(total - value) > 0.005 * abs(value):
            return None
        products = [_bracketed(x) if i else x for i, (x, _) in enumerate(pairs)]
        if by_one or any(float(y) != 1 for _, y in terms):
            products = [f"{x} × {_bracketed(y)}" for x, (_, y) in zip(products, pairs, strict=True)]
        index = tuple(int(i) for i in np.unravel_index(at, shape)) if shape else ()
        return Element(_place(index), " + ".join(products), value, number(value, self.fmt))

    def _slopes(self, node: Node) -> list[Array | None]:
        """For each operand the derivative of every element of the result to every element of the operand."""
        if node not in self._known:
            self._known[node] = self._measured(node)
        return self._known[node]

    def _measured(self, node: Node) -> list[Array | None]:
        out = array_of(node)
        if not 0 < out.size <= RESULTS or out.size * max(int(np.size(x.data)) for x in node.parents) > WORK:
            return []
        found: list[list[Array]] = [[] for _ in node.parents]
        for i in range(out.size):
            one: Array = np.zeros(out.size, out.dtype)
            one[i] = 1
            gradient = 1.0 if isinstance(node, Value) else one.reshape(out.shape)
            with np.errstate(all="ignore"):
                handed = contributions_of(node, gradient)
            for rows, part in zip(found, handed, strict=True):
                rows += [] if part is None else [_flat(part)]
        return [np.stack(rows) if rows else None for rows in found]


def _of_few_terms(is_term: Array) -> Iterator[int]:
    """The columns with at least one term and at most so many, those with the fewest first."""
    counts = is_term.sum(axis=0)
    order = np.argsort(counts, kind="stable")
    return (int(j) for j in order[(counts[order] > 0) & (counts[order] <= TERMS)][:TRIED])


def _flat(x: object) -> Array:
    return np.asarray(x, np.float64).reshape(-1)


def _place(index: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, index))}]" if index else ""


def _bracketed(text: str) -> str:
    return f"({text})" if text.startswith("-") else text
