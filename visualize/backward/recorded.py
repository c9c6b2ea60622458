"""What the frames of a page show where it cannot compute it itself, as of arrays: every number as a text."""

from __future__ import annotations

import numpy as np

from visualize.backward.elements import Element
from visualize.backward.frames import BackwardSteps, Contribution, Frame
from visualize.backward.modes import Mode
from visualize.backward.phases import Updated
from visualize.backward.wording import Wording
from visualize.graph.nodes import Number


def recorded(words: Wording) -> dict[str, object]:
    """The values, what nudging measured, and every mode: as ``passes.js`` has them, with texts in place of numbers."""
    results = words.results_by_element
    return {
        "values": words.values,
        "nudges": words.nudges,
        "computed": {each.node: words.told(each) for each in words.computed},
        "asks": {key: _question(f"What is {words.names[key]}", found) for key, found in results.items()},
        "modes": [_mode(words, steps) for steps in words.steps.values()],
    }


def _mode(words: Wording, steps: BackwardSteps) -> dict[str, object]:
    last = {row.source: frame.index for frame in steps for row in frame.contributions}
    return {
        "start": {key: words.number(value) for key, value in steps.start.items()},
        "final": {key: words.number(value) for key, value in steps.gradients.items()},
        "frames": [_frame(words, frame, steps.mode) for frame in steps],
        "last": last,
        "wrong": {key: words.short(words.steps["correct"].gradients[key]) for key in wrong(words, steps)},
        "updates": [_update(words, each) for each in words.updates[steps.mode]],
        "result": words.number(words.results[steps.mode]),
    }


def wrong(words: Wording, steps: BackwardSteps) -> list[str]:
    """The nodes whose gradient ends as another one than that of the correct pass."""
    right = words.steps["correct"].gradients
    return [key for key, value in steps.gradients.items() if not _agree(value, right[key])]


def _agree(x: Number, y: Number) -> bool:
    size = np.max(np.abs(y), initial=0.0)
    with np.errstate(all="ignore"):
        return bool(np.allclose(x, y, rtol=1e-6, atol=1e-9 * size if np.isfinite(size) else 0.0, equal_nan=True))


def _frame(words: Wording, frame: Frame, mode: Mode) -> dict[str, object]:
    elements = [words.element(row) for row in frame.contributions]
    rows = [_row(words, row, found, mode) for row, found in zip(frame.contributions, elements, strict=True)]
    made: dict[str, object] = {"node": frame.node, "gradient": words.number(frame.gradient), "rows": rows}
    if elements and elements[0] is not None:
        receiver = words.names[frame.contributions[0].source]
        made["ask"] = _question(f"What does the gradient of {receiver} receive", elements[0], "Σ upstream × local = ")
    return made


def _question(what: str, found: Element, formula: str = "") -> dict[str, object]:
    """What is asked of one element, with all that it takes to find it."""
    place = f" at {found.place}" if found.place else ""
    return {"text": f"{what}{place}? {formula}{found.sum}", "value": found.value}


def _row(words: Wording, row: Contribution, found: Element | None, mode: Mode) -> dict[str, object]:
    with np.errstate(all="ignore"):
        size = float(np.linalg.norm(np.asarray(row.amount, np.float64)))
    rule = words.rule(row)
    return {
        "edge": row.edge,
        "source": row.source,
        "amount": words.number(row.amount),
        "after": words.number(row.after),
        "product": words.product(row),
        "rule": rule if row.local is None or not row.derivative else f"{row.derivative} = {rule}",
        "sum": words.sum(row, mode),
        "size": size if np.isfinite(size) else None,
        "example": f"{words.names[row.source]}, {found}" if found is not None and found.place else "",
    }


def _update(words: Wording, each: Updated) -> dict[str, object]:
    return {"node": each.node, "after": words.number(each.after), "lines": words.update(each)}
