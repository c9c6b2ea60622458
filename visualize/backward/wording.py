"""The words of the stepper, the same in a page and in a terminal: products, sums, rules and what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from visualize.backward.frames import BackwardSteps, Contribution
from visualize.backward.modes import Mode
from visualize.formats.labels import clean, cut, derivative_text
from visualize.graph.data import Graph, GraphNode
from visualize.graph.nodes import Number
from visualize.graph.quantities import number, summary


@dataclass(frozen=True, slots=True)
class Ending:
    """Where the gradient of a leaf ends."""

    id: str
    name: str
    right: str
    """The gradient of the correct pass."""
    nudged: str
    """The finite difference; empty if it was not measured."""

    def __str__(self) -> str:
        measured = f", by finite difference {self.nudged}" if self.nudged else ""
        return f"{self.name}: {self.right}{measured}"


class Wording:
    """What is said of a backward pass, its numbers in one format."""

    def __init__(self, steps: Mapping[Mode, BackwardSteps], fmt: str) -> None:
        self.steps = steps
        self.fmt = fmt
        self._summaries: dict[int, tuple[np.ndarray, str]] = {}

    @property
    def graph(self) -> Graph:
        """What is stepped through, as data."""
        return self.steps["correct"].graph

    @cached_property
    def names(self) -> dict[str, str]:
        """What each node is called."""
        return {node.id: _name(node) for node in self.graph.nodes}

    @cached_property
    def right(self) -> dict[str, str]:
        """The gradients of the correct pass."""
        return {key: self.number(value) for key, value in self.steps["correct"].gradients.items()}

    @cached_property
    def nudges(self) -> dict[str, str]:
        """The finite differences of the nodes that were nudged."""
        found: dict[str, str] = {}
        for key, (index, value) in self.steps["correct"].finite_differences.items():
            place = f" at [{', '.join(map(str, index))}]" if np.size(self.steps["correct"].gradients[key]) > 1 else ""
            found[key] = number(value, self.fmt) + place
        return found

    @cached_property
    def endings(self) -> list[Ending]:
        """Where the gradients of the leaves end."""
        return [
            Ending(node.id, self.names[node.id], self.right[node.id], self.nudges.get(node.id, ""))
            for node in self.graph.nodes
            if node.id in self.right and not node.op
        ]

    def number(self, x: Number) -> str:
        """A number, or a summary of an array, which is looked through once however often it is told of."""
        if not isinstance(x, np.ndarray):
            return summary(x, self.fmt)
        if id(x) not in self._summaries:
            self._summaries[id(x)] = x, summary(x, self.fmt)
        return self._summaries[id(x)][1]

    def product(self, row: Contribution) -> str:
        """``upstream × local = contribution`` with the numbers put in."""
        amount = self.number(row.amount)
        if row.local is None or np.size(row.amount) != 1:
            return amount
        return f"{self.number(row.upstream)} × {_bracketed(self.number(row.local))} = {amount}"

    def on_edge(self, row: Contribution) -> str:
        """The product, short enough for an edge: a large array is only its range."""
        text = self.product(row)
        return text if np.size(row.amount) <= 1 else text.partition(", norm")[0]

    def rule(self, row: Contribution) -> str:
        """The formula of the derivative table, and its number."""
        return row.formula if row.local is None else derivative_text(row.formula, self.number(row.local))

    def sum(self, row: Contribution, mode: Mode) -> str:
        """How the operand's gradient changes."""
        before, amount, after = map(self.number, (row.before, row.amount, row.after))
        if np.size(row.after) != 1:
            return after if row.first else f"added: {after}"
        if row.first and (mode == "overwrite" or not np.any(row.before)):
            return after
        if mode == "overwrite":
            return f"{before} is replaced by {after}"
        return f"{before} + {_bracketed(amount) if np.any(row.before) else amount} = {after}"


def _name(node: GraphNode) -> str:
    size = node.data if not node.shape else "×".join(map(str, node.shape))
    return cut(clean(node.label)) or f"{node.symbol or node.op or node.kind} {size}".strip()


def _bracketed(text: str) -> str:
    return f"({text})" if text.startswith("-") else text
