"""The backward pass to step through: in a page (one layout, texts that change) and as text in a terminal."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

import numpy as np

from visualize.backward.frames import MODES, BackwardSteps, Contribution, Frame, Mode, backward_steps
from visualize.formats.labels import clean, cut, derivative_text
from visualize.formats.page import page
from visualize.formats.text import table
from visualize.formats.themes import Theme, theme_of
from visualize.formats.view import GraphView
from visualize.graph.data import Graph, GraphNode
from visualize.graph.quantities import check_format, number, summary

MOST = 150
"""Larger graphs are not stepped through."""

SHOW = ("label", "shape", "data", "grad", "local")


class Stepper:
    """A backward pass to step through. Shows itself in a notebook; ``html()`` is a page of its own."""

    def __init__(
        self, steps: Mapping[Mode, BackwardSteps], theme: Theme, fmt: str, direction: str, engine: str
    ) -> None:
        self.steps = steps
        """The frames of every mode."""
        self.theme = theme
        self._fmt = fmt
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
        """The frames of one mode for a terminal."""
        steps = self.steps[mode]
        title, note = MODES[mode]
        names = self._names
        lines = [f"backward pass, {title}: {note}", ""]
        root = steps.graph.roots[0]
        lines.append(f"start: grad {names[root]} = {self._number(steps.start[root])}")
        for frame in steps:
            lines += [
                "",
                f"step {frame.index + 1} of {len(steps)}: {names[frame.node]}, "
                f"grad {self._number(frame.gradient)}{self._nudged(steps, frame.node)}",
            ]
            if frame.line:
                lines.append(f"    {frame.line}")
            rows = [
                (
                    f"    to {names[row.source]}:",
                    self._product(row) + ",",
                    f"by {self._rule(row)},",
                    f"grad {self._sum(row, mode)}",
                )
                for row in frame.contributions
            ]
            lines += table(rows) if rows else []
            if frame.queue:
                lines.append("    queue: " + ", ".join(names[key] for key in frame.queue))
        lines.append("")
        rows = [("", "gradient", "right", "finite difference")]
        rows += [
            (row["name"], self._number(steps.gradients[row["id"]]), row["right"], row["nudged"]) for row in self._last
        ]
        return "\n".join([*lines, *table(rows)]) + "\n"

    def fragment(self, mode: Mode = "correct") -> str:
        """The stepper as a piece of HTML, for a page or a notebook; ``mode`` is the one it begins in."""
        title = "the backward pass, step by step"
        buttons = "".join(
            f'<button type="button" data-part="{part}" aria-label="{label}">{sign}</button>'
            for part, label, sign in (
                ("first", "to the start", "|◀"),
                ("back", "one step back", "◀ back"),
                ("play", "play or pause", "▶ play"),
                ("next", "one step on", "step ▶"),
                ("last", "to the end", "▶|"),
            )
        )
        choices = "".join(
            f"<option{' selected' * (each == mode)}>{escape(MODES[each][0])}</option>" for each in get_args(Mode)
        )
        colours = {
            name: getattr(self.theme, name)
            for name in ("background", "ink", "faint", "frame", "alert", "active", "gradient")
        }
        style = ";".join(f"--{name}:{colour}" for name, colour in colours.items())
        return f"""<section class="tglm-stepper" tabindex="0" aria-label="{title}" style="{style}">
<style>{_asset("stepper.css")}</style>
<div class="bar">{buttons}
<input type="range" data-part="slider" min="0" max="1" value="0" step="1" aria-label="step">
<span class="count" data-part="count"></span>
<label>mode <select data-part="modes">{choices}</select></label>
<label><input type="checkbox" data-part="predict"> predict, then reveal</label></div>
<p class="note" data-part="note"></p>
<figure>{self._picture}</figure>
<p class="queue" data-part="queue"></p>
<div class="say" data-part="say"></div>
<p class="note">Keys: → and ← step, space plays, Home and End go to the ends.</p>
<div data-part="live" role="status" aria-live="polite" style="position:absolute;left:-9999px"></div>
<script type="application/json">{_for_script(self._data())}</script>
<script>{_asset("stepper.js")}</script>
</section>"""

    def html(self) -> str:
        """A self-contained page."""
        return page("The backward pass, step by step", self.fragment(), self.theme)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page (.html) or the text of the correct pass (.txt)."""
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

    def _number(self, x: Any) -> str:
        return summary(x, self._fmt)[0]

    @cached_property
    def _names(self) -> dict[str, str]:
        return {node.id: _name(node) for node in self.graph.nodes}

    @cached_property
    def _picture(self) -> str:
        """The one layout: every text as wide as the widest that will stand there."""
        edges: dict[int, str] = {}
        grads: dict[str, str] = {}
        for steps in self.steps.values():
            for key, value in (*steps.start.items(), *steps.gradients.items()):
                grads[key] = max(grads.get(key, ""), self._number(value), key=len)
            for frame in steps:
                for row in frame.contributions:
                    edges[row.edge] = max(edges.get(row.edge, ""), self._on_edge(row), key=len)
                    grads[row.source] = max(grads[row.source], self._number(row.after), key=len)
        graph = replace(
            self.graph,
            nodes=tuple(replace(node, grad=grads.get(node.id, "")) for node in self.graph.nodes),
            edges=tuple(
                replace(edge, argument=edges.get(i, ""), formula="", local="")
                for i, edge in enumerate(self.graph.edges)
            ),
        )
        return GraphView(graph, self.theme, SHOW, self._direction, True, self._engine).svg()

    def _data(self) -> dict[str, Any]:
        edges = {row.edge for steps in self.steps.values() for frame in steps for row in frame.contributions}
        return {
            "names": self._names,
            "edges": sorted(edges),
            "modes": [self._mode(steps) for steps in self.steps.values()],
            "last": self._last,
            "end": "The pass is done. " + ", ".join(_ending(row) for row in self._last),
        }

    def _mode(self, steps: BackwardSteps) -> dict[str, Any]:
        root = steps.graph.roots[0]
        return {
            "note": MODES[steps.mode][1],
            "first": f"The gradient of {self._names[root]} to itself is {self._number(steps.start[root])}. "
            f"{len(steps)} {'node waits' if len(steps) == 1 else 'nodes wait'} in the queue.",
            "start": {key: self._number(value) for key, value in steps.start.items()},
            "final": {key: self._number(value) for key, value in steps.gradients.items()},
            "frames": [self._frame(steps, frame) for frame in steps],
        }

    def _frame(self, steps: BackwardSteps, frame: Frame) -> dict[str, Any]:
        names = self._names
        rows = [self._row(row, steps.mode) for row in frame.contributions]
        speech = f"{names[frame.node]} has gradient {self._number(frame.gradient)}. " + " ".join(
            f"To {names[row['source']]}: {row['text']}; its gradient is {row['after']}." for row in rows
        )
        right = self._right[frame.node]
        nudge = self._nudges.get(frame.node)
        return {
            "node": frame.node,
            "gradient": self._number(frame.gradient),
            "right": self._number(frame.gradient) == right,
            "nudge": f"finite difference of {names[frame.node]}: {nudge}" if nudge else "",
            "line": frame.line,
            "rows": rows,
            "speech": speech,
        }

    def _row(self, row: Contribution, mode: Mode) -> dict[str, Any]:
        single = np.size(row.amount) == 1
        return {
            "edge": row.edge,
            "source": row.source,
            "upstream": self._number(row.upstream),
            "rule": self._rule(row),
            "text": self._product(row),
            "edge_text": self._on_edge(row),
            "amount": self._number(row.amount).partition(", mean")[0],
            "after": self._number(row.after),
            "sum": self._sum(row, mode),
            "value": float(row.amount) if single and np.isfinite(row.amount).all() else None,
        }

    def _product(self, row: Contribution) -> str:
        """``upstream × local = contribution`` with the numbers put in."""
        amount = self._number(row.amount)
        if row.local is None or np.size(row.amount) != 1:
            return amount
        return f"{self._number(row.upstream)} × {_bracketed(self._number(row.local))} = {amount}"

    def _on_edge(self, row: Contribution) -> str:
        """The same, short enough for an edge: of a large array the range alone."""
        text = self._product(row)
        return text if np.size(row.amount) <= 1 else text.partition(", mean")[0]

    def _rule(self, row: Contribution) -> str:
        """The formula of the derivative table, and its number."""
        if row.local is None:
            return row.formula
        return derivative_text(row.formula, self._number(row.local))

    def _sum(self, row: Contribution, mode: Mode) -> str:
        """How the operand's gradient changes."""
        after = self._number(row.after)
        if np.size(row.after) != 1:
            return after if row.first else f"added: {after}"
        if mode == "overwrite":
            return after if row.first else f"{self._number(row.before)} is replaced by {after}"
        if not np.any(row.before):
            return after if row.first else f"{self._number(row.before)} + {self._number(row.amount)} = {after}"
        return f"{self._number(row.before)} + {_bracketed(self._number(row.amount))} = {after}"

    @cached_property
    def _right(self) -> dict[str, str]:
        return {key: self._number(value) for key, value in self.steps["correct"].gradients.items()}

    @cached_property
    def _nudges(self) -> dict[str, str]:
        """The finite differences as text, of the nodes that were nudged."""
        found: dict[str, str] = {}
        for key, (index, value) in self.steps["correct"].finite_differences.items():
            place = f" at [{', '.join(map(str, index))}]" if np.size(self.steps["correct"].gradients[key]) > 1 else ""
            found[key] = number(value, self._fmt) + place
        return found

    def _nudged(self, steps: BackwardSteps, key: str) -> str:
        return f" (finite difference {self._nudges[key]})" if key in self._nudges else ""

    @cached_property
    def _last(self) -> list[dict[str, str]]:
        return [
            {
                "id": node.id,
                "name": self._names[node.id],
                "right": self._right[node.id],
                "nudged": self._nudges.get(node.id, ""),
            }
            for node in self.graph.nodes
            if node.id in self._right and not node.op
        ]


def stepper(
    root: Any,
    *inputs: Any,
    names: Any = None,
    theme: str = "light",
    fmt: str = ".4g",
    direction: str = "LR",
    engine: str = "auto",
) -> Stepper:
    """The backward pass of one number to step through, with the modes in which it goes wrong.

    ``root`` is a ``Value``, a ``Tensor`` of one element, or a function (a model) followed by its inputs: then each
    frame also shows the line of code. The other options are those of ``draw``. Raises ``ValueError`` for a graph of
    more than 150 nodes.
    """
    look = theme_of(theme)
    check_format(fmt)
    correct = backward_steps(root, *inputs, names=names)
    return stepper_of(correct, look, fmt, direction, engine)


def stepper_of(correct: BackwardSteps, theme: Theme, fmt: str, direction: str, engine: str) -> Stepper:
    """The stepper around a pass that has been taken apart already."""
    if len(correct.graph.nodes) > MOST:
        raise ValueError(
            f"a graph of {len(correct.graph.nodes):,} nodes is too large to step through (the limit is {MOST}): take a "
            "smaller model or batch, or draw(root) for a picture that folds and collapses"
        )
    steps = {mode: correct if mode == "correct" else correct.in_mode(mode) for mode in get_args(Mode)}
    return Stepper(steps, theme, fmt, direction, engine)


def _name(node: GraphNode) -> str:
    size = node.data if not node.shape else "×".join(map(str, node.shape))
    return cut(clean(node.label)) or f"{node.symbol or node.op or node.kind} {size}".strip()


def _ending(row: Mapping[str, str]) -> str:
    """Where a leaf's gradient ends, in words."""
    measured = f", by finite difference {row['nudged']}" if row["nudged"] else ""
    return f"{row['name']}: {row['right']}{measured}"


def _bracketed(text: str) -> str:
    return f"({text})" if text.startswith("-") else text


def _asset(name: str) -> str:
    return files("visualize.backward").joinpath("assets", name).read_text(encoding="utf-8")


def _for_script(data: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
