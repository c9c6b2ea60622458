"""Forward, backward and update to step through: in a page (one layout, texts that change) and in a terminal."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import get_args

from visualize.backward.fragment import fragment_of
from visualize.backward.frames import BackwardSteps, backward_steps
from visualize.backward.heads import to_be_stepped
from visualize.backward.modes import MODES, Mode
from visualize.backward.phases import Optimizer
from visualize.backward.recorded import wrong
from visualize.backward.wording import Wording
from visualize.formats.page import page
from visualize.formats.style import check_direction
from visualize.formats.text import table
from visualize.formats.themes import Theme, theme_of
from visualize.formats.view import GraphView
from visualize.formats.viewer import viewer
from visualize.graph.data import Graph, GraphNode
from visualize.graph.naming import Names
from visualize.graph.quantities import check_format
from visualize.graph.roots import direction_of

MOST = 150
"""Larger graphs are not stepped through."""

HINT = "A click on a node goes to its step. + − 0 and Ctrl with the wheel zoom, dragging moves."

SHOW = ("label", "shape", "data", "grad", "local")


class Stepper:
    """Forward, backward and update to step through. Shows itself in a notebook; ``html()`` is a page of its own."""

    def __init__(self, words: Wording, theme: Theme, direction: str, engine: str) -> None:
        self.steps = words.steps
        """The frames of the backward pass in every mode."""
        self.theme = theme
        """The colours of the page."""
        self._words = words
        self._direction = direction
        self._engine = engine

    @property
    def graph(self) -> Graph:
        """What is stepped through, as data."""
        return self.steps["correct"].graph

    def __repr__(self) -> str:
        nodes, steps = len(self.graph.nodes), len(self.steps["correct"])
        size = f"{nodes} node{'s'[: nodes != 1]}, {steps} step{'s'[: steps != 1]}"
        return f"Stepper({size}, modes {', '.join(self.steps)}: print(it.text()), or it.save('steps.html'))"

    def text(self, mode: Mode = "correct") -> str:
        """The frames of one mode for a terminal: the forward pass, the backward pass and the update."""
        words, updates = self._words, self._words.updates[mode]
        lines = ["forward pass", ""]
        for each in words.computed:
            first, *rest = words.told(each)
            lines.append(f"step {each.index + 1} of {len(words.computed)}: {first}")
            lines += [f"    {line}" for line in [each.line, *rest] if line]
        lines += ["", *self._backward(mode), "", "update", ""]
        for each in updates:
            first, *rest = words.update(each)
            lines += [f"step {each.index + 1} of {len(updates)}: {first}", *(f"    {line}" for line in rest)]
        root = self.graph.roots[0]
        after = words.number(words.results[mode])
        lines.append(f"{words.names[root]}: {words.values[root]} → {after} with the updated numbers")
        right, steps = words.right, self.steps[mode]
        rows = [("", "gradient", "right", "finite difference")]
        rows += [(end.name, words.number(steps.gradients[end.id]), right[end.id], end.nudged) for end in words.endings]
        return "\n".join([*lines, "", *table(rows)]) + "\n"

    def _backward(self, mode: Mode) -> list[str]:
        steps, words = self.steps[mode], self._words
        title, note = MODES[mode]
        root = steps.graph.roots[0]
        if mode != "correct" and not wrong(words, steps):
            note += words.same(mode)
        lines = [f"backward pass, {title}: {note}", ""]
        lines.append(f"start: grad {words.names[root]} = {words.number(steps.start[root])}")
        for frame in steps:
            nudge = words.nudges.get(frame.node)
            lines += [
                "",
                f"step {frame.index + 1} of {len(steps)}: {words.names[frame.node]}, "
                f"grad {words.number(frame.gradient)}{f' (finite difference {nudge})' if nudge else ''}",
            ]
            if frame.line:
                lines.append(f"    {frame.line}")
            rows = [
                (
                    f"    to {words.names[row.source]}:",
                    words.product(row) + ",",
                    f"by {words.rule(row)},",
                    f"grad {words.sum(row, mode)}",
                )
                for row in frame.contributions
            ]
            lines += table(rows) if rows else []
            for row in frame.contributions:
                found = words.element(row)
                if found is not None and found.place:
                    lines.append(f"    {words.names[row.source]}, {found}")
            if frame.queue:
                lines.append("    queue: " + ", ".join(words.names[key] for key in frame.queue))
        return lines

    def fragment(self, mode: Mode = "correct", autofocus: bool = False) -> str:
        """The stepper as a piece of HTML, for a page or a notebook.

        Parameters
        ----------
        mode
            The mode that it begins in.
        autofocus
            Whether a page that is opened gives it the focus, and so the keys.
        """
        return fragment_of(self._words, self._picture, self.theme, mode, autofocus)

    def html(self) -> str:
        """A self-contained page."""
        return page("Forward, backward and update, step by step", self.fragment(autofocus=True), self.theme)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page (.html) or the text of the correct pass (.txt).

        Raises
        ------
        ValueError
            For another suffix.
        """
        file = Path(path)
        if file.suffix.lower() not in (".html", ".txt"):
            raise ValueError(
                f"save: {str(file)!r} must end in .html or .txt; a picture is saved by draw(...).save(path)"
            )
        content = self.html() if file.suffix.lower() == ".html" else self.text()
        file.write_bytes(content.encode("utf-8"))
        return file

    def _repr_html_(self) -> str:
        return self.fragment()

    @cached_property
    def _picture(self) -> str:
        """The one layout, in a viewer: every text as wide as the widest that will stand there."""
        words = self._words
        edges: dict[int, str] = {}
        widest = {"data": dict[str, str](), "grad": dict[str, str]()}

        def reserve(what: str, key: str, text: str) -> None:
            widest[what][key] = max(widest[what].get(key, ""), text, key=len)

        for mode, steps in self.steps.items():
            for key, value in (*steps.start.items(), *steps.gradients.items()):
                reserve("grad", key, words.number(value))
            for key in wrong(words, steps):
                right = self.steps["correct"].gradients[key]
                reserve("grad", key, f"{words.short(steps.gradients[key])}, not {words.short(right)}")
            for each in words.updates[mode]:
                reserve("data", each.node, words.number(each.after))
            for frame in steps:
                for row in frame.contributions:
                    edges[row.edge] = max(edges.get(row.edge, ""), words.on_edge(row), key=len)
                    reserve("grad", row.source, words.number(row.after))
        nodes: list[GraphNode] = []
        for node in self.graph.nodes:
            reserve("data", node.id, node.data)
            grad = widest["grad"].get(node.id, "")
            nodes.append(replace(node, data=widest["data"][node.id], grad=grad, quiet=False))
        graph = replace(
            self.graph,
            nodes=tuple(nodes),
            edges=tuple(
                replace(edge, argument=edges.get(i, ""), derivative="", formula="", local="")
                for i, edge in enumerate(self.graph.edges)
            ),
        )
        svg = GraphView(graph, self.theme, SHOW, self._direction, True, self._engine).svg()
        what = f"computation graph of {len(graph.nodes)} nodes and {len(graph.edges)} edges"
        return viewer(to_be_stepped(svg), graph.edges, self.theme, what, hint=HINT)


def stepper(
    root: object,
    *inputs: object,
    optimizer: Optimizer | None = None,
    lr: float = 0.1,
    names: Names = None,
    theme: str | Theme = "light",
    fmt: str = ".4g",
    direction: str = "auto",
    engine: str = "auto",
) -> Stepper:
    """Forward, backward and update of one number to step through, with the modes in which the pass goes wrong.

    Parameters
    ----------
    root : Value, Tensor of one element, or callable
        Where the pass begins. A function (a model) is called with ``inputs``, and each frame shows its line of code.
    *inputs
        The inputs of a model or a function.
    optimizer : optimizer, optional
        Whose next step is shown, without taking it; by default plain gradient descent.
    lr : float
        The learning rate of gradient descent.
    names, theme, fmt, direction, engine
        As in ``draw``.

    Returns
    -------
    Stepper
        To be shown in a notebook, saved as a page, or printed: ``text()``.

    Raises
    ------
    TypeError
        For a root that cannot be drawn.
    ValueError
        For a root that is not one number or needs no gradient, for a graph of more than 150 nodes, and for an option
        that does not exist.
    """
    look = theme_of(theme)
    check_format(fmt)
    check_direction(direction)
    correct = backward_steps(root, *inputs, names=names)
    flow = direction_of(direction, correct.nodes.values())
    return stepper_of(correct, look, fmt, flow, engine, lr, optimizer)


def stepper_of(
    correct: BackwardSteps,
    theme: Theme,
    fmt: str,
    direction: str,
    engine: str,
    lr: float = 0.1,
    optimizer: Optimizer | None = None,
) -> Stepper:
    """The stepper around a pass that has been taken apart already.

    Raises
    ------
    ValueError
        For a graph of more than 150 nodes.
    """
    if len(correct.graph.nodes) > MOST:
        raise ValueError(
            f"a graph of {len(correct.graph.nodes):,} nodes is too large to step through (the limit is {MOST}): take a "
            "smaller model or batch, or draw(root) for a picture that folds and collapses"
        )
    steps = {mode: correct if mode == "correct" else correct.in_mode(mode) for mode in get_args(Mode)}
    return Stepper(Wording(steps, fmt, lr, optimizer), theme, direction, engine)
