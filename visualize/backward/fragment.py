"""The stepper as a piece of HTML: one picture, the texts of every frame as data, and the script that puts them in."""

from __future__ import annotations

import json
from dataclasses import asdict
from html import escape
from typing import get_args

import numpy as np

from visualize.backward.frames import BackwardSteps, Contribution, Frame
from visualize.backward.modes import MODES, Mode
from visualize.backward.wording import Wording
from visualize.formats.themes import Theme

_BUTTONS = (
    ("first", "to the start", "|◀"),
    ("back", "one step back", "◀ back"),
    ("play", "play or pause", "▶ play"),
    ("next", "one step on", "step ▶"),
    ("last", "to the end", "▶|"),
)
_COLOURS = ("background", "ink", "faint", "frame", "alert", "active", "gradient")


def fragment_of(words: Wording, picture: str, theme: Theme, mode: Mode, autofocus: bool) -> str:
    """The stepper around a picture; ``mode`` is the one it begins in.

    Keys are the stepper's while the focus is in it. A page of its own gives it the focus (``autofocus``); in a notebook
    the reader does, and the attribute ``data-lm-suppress-shortcuts`` then keeps JupyterLab's shortcuts away.
    """
    title = "the backward pass, step by step"
    buttons = "".join(
        f'<button type="button" data-part="{part}" aria-label="{label}">{sign}</button>'
        for part, label, sign in _BUTTONS
    )
    choices = "".join(
        f"<option{' selected' * (each == mode)}>{escape(MODES[each][0])}</option>" for each in get_args(Mode)
    )
    style = ";".join(f"--{name}:{getattr(theme, name)}" for name in _COLOURS)
    return f"""<section class="tglm-stepper" tabindex="0"{" autofocus" * autofocus} data-lm-suppress-shortcuts="true" \
aria-label="{title}" style="{style}">
<style>{_asset("stepper.css")}</style>
<div class="bar">{buttons}
<input type="range" data-part="slider" min="0" max="1" value="0" step="1" aria-label="step">
<span class="count" data-part="count"></span>
<label>mode <select data-part="modes">{choices}</select></label>
<label><input type="checkbox" data-part="predict"> predict, then reveal</label></div>
<p class="note" data-part="note"></p>
<figure>{picture}</figure>
<p class="queue" data-part="queue"></p>
<div class="say" data-part="say"></div>
<p class="note">Keys: → and ← step, space plays, Home and End go to the ends.</p>
<div data-part="live" role="status" aria-live="polite" style="position:absolute;left:-9999px"></div>
<script type="application/json">{_for_script(_data(words))}</script>
<script>{_asset("stepper.js")}</script>
</section>"""


def _data(words: Wording) -> dict[str, object]:
    edges = {row.edge for steps in words.steps.values() for frame in steps for row in frame.contributions}
    return {
        "names": words.names,
        "edges": sorted(edges),
        "modes": [_mode(words, steps) for steps in words.steps.values()],
        "last": [asdict(ending) for ending in words.endings],
        "end": "The pass is done. " + ", ".join(map(str, words.endings)),
    }


def _mode(words: Wording, steps: BackwardSteps) -> dict[str, object]:
    root = steps.graph.roots[0]
    return {
        "note": MODES[steps.mode][1],
        "first": f"The gradient of {words.names[root]} to itself is {words.number(steps.start[root])}. "
        f"{len(steps)} {'node waits' if len(steps) == 1 else 'nodes wait'} in the queue.",
        "start": {key: words.number(value) for key, value in steps.start.items()},
        "final": {key: words.number(value) for key, value in steps.gradients.items()},
        "frames": [_frame(words, frame, steps.mode) for frame in steps],
    }


def _frame(words: Wording, frame: Frame, mode: Mode) -> dict[str, object]:
    name, gradient = words.names[frame.node], words.number(frame.gradient)
    speech = f"{name} has gradient {gradient}. " + " ".join(
        f"To {words.names[row.source]}: {words.product(row)}; its gradient is {words.number(row.after)}."
        for row in frame.contributions
    )
    nudge = words.nudges.get(frame.node)
    return {
        "node": frame.node,
        "gradient": gradient,
        "right": gradient == words.right[frame.node],
        "nudge": f"finite difference of {name}: {nudge}" if nudge else "",
        "line": frame.line,
        "rows": [_row(words, row, mode) for row in frame.contributions],
        "speech": speech,
    }


def _row(words: Wording, row: Contribution, mode: Mode) -> dict[str, object]:
    is_single = np.size(row.amount) == 1 and bool(np.isfinite(row.amount).all())
    return {
        "edge": row.edge,
        "source": row.source,
        "upstream": words.number(row.upstream),
        "rule": words.rule(row),
        "text": words.product(row),
        "edge_text": words.on_edge(row),
        "amount": words.number(row.amount).partition(", norm")[0],
        "after": words.number(row.after),
        "sum": words.sum(row, mode),
        "value": float(np.asarray(row.amount).item()) if is_single else None,
    }


def _asset(name: str) -> str:
    from importlib.resources import files  # not above: it is slow to import

    return files("visualize.backward").joinpath("assets", name).read_text(encoding="utf-8")


def _for_script(data: object) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
