"""The words of the stepper in a terminal, and what a page is told: names, products, sums, rules, updates, lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath

import numpy as np

from visualize.backward.elements import Element, Elements
from visualize.backward.frames import BackwardSteps, Contribution, Frame
from visualize.backward.modes import Mode
from visualize.backward.phases import Computed, Optimizer, Updated, computed, result_after, updated
from visualize.backward.templates import filled, template_of
from visualize.formats.labels import clean, cut, derivative_text
from visualize.graph.data import Graph, GraphNode
from visualize.graph.nodes import Number
from visualize.graph.quantities import number, summary
from visualize.graph.source_lines import Place, place_of


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
    """What is said of the passes and the update, its numbers in one format."""

    def __init__(
        self, steps: Mapping[Mode, BackwardSteps], fmt: str, rate: float, optimizer: Optimizer | None = None
    ) -> None:
        self.steps = steps
        self.fmt = fmt
        self.rate = rate
        self.optimizer = optimizer
        self._summaries: dict[int, tuple[np.ndarray, str]] = {}

    @property
    def graph(self) -> Graph:
        """What is stepped through, as data."""
        return self.steps["correct"].graph

    @cached_property
    def labels(self) -> dict[str, str]:
        """What the user calls each node; empty for those without a name."""
        return {node.id: cut(clean(node.label)) for node in self.graph.nodes}

    @cached_property
    def anonymous(self) -> set[str]:
        """The constants of one number and no name: they are called by their numbers."""
        return {
            node.id
            for node in self.graph.nodes
            if node.kind == "constant" and not node.label and node.shape in ((), None)
        }

    @cached_property
    def names(self) -> dict[str, str]:
        """What each node is called: its label, or as formulas call it."""
        return {node.id: self._name(node) for node in self.graph.nodes}

    def _name(self, node: GraphNode) -> str:
        if node.id in self.anonymous:
            return node.data
        return self.labels[node.id] or node.name or node.op or node.kind

    @cached_property
    def computed(self) -> tuple[Computed, ...]:
        """The forward pass."""
        return computed(self.steps["correct"])

    @cached_property
    def templates(self) -> dict[str, str]:
        """How each node is computed, with a gap for each operand."""
        entries = {node.id: node for node in self.graph.nodes}
        return {each.node: template_of(entries[each.node], len(each.operands)) for each in self.computed}

    @cached_property
    def shapes(self) -> dict[str, str]:
        """Shape and dtype of the nodes that hold more than one number."""
        return {
            node.id: f"{'×'.join(map(str, node.shape))} {node.dtype}"
            for node in self.graph.nodes
            if node.shape and node.id in self.steps["correct"].nodes
        }

    @cached_property
    def values(self) -> dict[str, str]:
        """What each node holds."""
        return {node.id: node.data for node in self.graph.nodes} | {
            key: self.number(node.data) for key, node in self.steps["correct"].nodes.items()
        }

    @cached_property
    def _elements(self) -> Elements:
        return Elements(self.fmt)

    @cached_property
    def results_by_element(self) -> dict[str, Element]:
        """For each node that is computed an element of it, where one can be written out."""
        nodes = self.steps["correct"].nodes
        found = {
            each.node: self._elements.of_result(nodes[each.node], self.templates[each.node]) for each in self.computed
        }
        return {key: element for key, element in found.items() if element is not None}

    def element(self, row: Contribution) -> Element | None:
        """An element of what a node hands to an operand, where one can be written out."""
        node = self.steps["correct"].nodes[row.target]
        return self._elements.of_gradient(node, self.graph.edges[row.edge].position, row)

    @cached_property
    def updates(self) -> dict[Mode, tuple[Updated, ...]]:
        """The update after the pass of each mode."""
        return {mode: updated(steps, self.rate, self.optimizer) for mode, steps in self.steps.items()}

    @cached_property
    def results(self) -> dict[Mode, float]:
        """What the result becomes by each update."""
        return {mode: result_after(steps, self.updates[mode]) for mode, steps in self.steps.items()}

    @cached_property
    def _places(self) -> dict[str, Place]:
        """Where in the user's code each node was made."""
        found = ((each.node, place_of(self.steps["correct"].nodes[each.node])) for each in self.computed)
        return {key: place for key, place in found if place}

    @cached_property
    def _sorted_places(self) -> dict[tuple[str, int], Place]:
        """The recorded lines in the order of the files, and in them."""
        files = list(dict.fromkeys(place.file for place in self._places.values()))
        places = {(place.file, place.line): place for place in self._places.values()}
        return dict(sorted(places.items(), key=lambda pair: (files.index(pair[0][0]), pair[0][1])))

    @property
    def lines(self) -> list[tuple[int, str]]:
        """The recorded lines with their numbers; of one that cannot be read, where it is."""
        places = self._sorted_places.values()
        return [(place.line, place.text or f"{PurePath(place.file).name}:{place.line}") for place in places]

    @property
    def line_of(self) -> dict[str, int]:
        """Which of the lines made each node."""
        order = {place: i for i, place in enumerate(self._sorted_places)}
        return {key: order[place.file, place.line] for key, place in self._places.items()}

    @property
    def fields(self) -> list[str]:
        """The leaves that have a name, whose numbers can be edited."""
        return [key for key, node in self.steps["correct"].nodes.items() if node.operation is None and self.labels[key]]

    def told(self, each: Computed) -> list[str]:
        """How a node is computed, in names and in numbers; of an array its summary and one of its elements."""
        template, names, values = self.templates[each.node], self.names, self.values
        parts = [names[each.node], filled(template, [names[key] for key in each.operands])]
        found = self.results_by_element.get(each.node)
        example = [str(found)] if found is not None and found.place else []
        if each.node in self.shapes:
            return [" = ".join(parts), f"{self.shapes[each.node]}: {values[each.node]}", *example]
        if not any(key in self.shapes for key in each.operands):
            parts.append(filled(template, [values[key] for key in each.operands]))
        parts.append(values[each.node])
        return [" = ".join(text for i, text in enumerate(parts) if not i or text != parts[i - 1]), *example]

    def update(self, each: Updated) -> list[str]:
        """What becomes of a leaf, in as many lines as it takes."""
        leaf = self.names[each.node]
        before, gradient, after = map(self.number, (each.before, each.gradient, each.after))
        if self.optimizer is not None:
            options = ", ".join(f"{name} {self.number(x)}" for name, x in each.options.items())
            moments = [f"{name}: {self.number(old)} → {self.number(new)}" for name, (old, new) in each.moments.items()]
            return [f"{leaf}: {before} → {after}", *each.rule, f"with g {gradient}; {options}", *moments]
        step = f"{leaf} ← {leaf} - lr · grad"
        if np.size(each.after) == 1:
            return [f"{step} = {before} - {self.number(self.rate)} × {_bracketed(gradient)} = {after}"]
        return [step, f"{before} → {after}", f"lr {self.number(self.rate)}, grad {gradient}"]

    def same(self, mode: Mode) -> str:
        """What is said of a wrong mode that changes nothing in this program, and why if its structure says so."""
        why = _unchanged(mode, self.steps["correct"], self.steps[mode])
        return f" Here it changes nothing: {why}the gradients are right all the same."

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
        if row.local is None or np.size(row.amount) != 1 or np.size(row.upstream) != 1:
            return amount
        return f"{self.number(row.upstream)} × {_bracketed(self.number(row.local))} = {amount}"

    def on_edge(self, row: Contribution) -> str:
        """The product, short enough for an edge: a large array is only its range."""
        text = self.product(row)
        return text if np.size(row.amount) <= 1 else text.partition(", norm")[0]

    def short(self, x: Number) -> str:
        """A number, or the range of a large array alone."""
        return self.number(x).partition(", norm")[0]

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


def _unchanged(mode: Mode, correct: Iterable[Frame], other: Iterable[Frame]) -> str:
    if mode == "overwrite":
        handed = [row.source for frame in correct for row in frame.contributions]
        return "no value is used twice: " if len(handed) == len(set(handed)) else ""
    if mode == "order":
        same = [frame.node for frame in correct] == [frame.node for frame in other]
        return "there is only one order: " if same else ""
    return ""


def _bracketed(text: str) -> str:
    return f"({text})" if text.startswith("-") else text
