"""The controls of the stepper as HTML: the bar above the picture with its fields, and what is written below."""

from __future__ import annotations

import math
from html import escape
from typing import get_args

import numpy as np

from visualize.backward.modes import MODES, Mode
from visualize.backward.wording import Wording

_PHASES = ("forward", "backward", "update")
_BUTTONS = (
    ("first", "to the start", "|◀"),
    ("back", "one step back", "◀ back"),
    ("play", "play or pause", "▶ play"),
    ("next", "one step on", "step ▶"),
    ("last", "to the end", "▶|"),
)
_SPEEDS = (("½×", 0.5), ("1×", 1), ("2×", 2), ("4×", 4))


def bar(words: Wording, mode: Mode, why: str) -> str:
    """What steps, plays and chooses, and a field for each number that can be edited, or ``why`` there is none."""
    phases = "".join(_button(each, f"{each}: key {i}", each) for i, each in enumerate(_PHASES, 1))
    modes = "".join(_option(MODES[each][0], MODES[each][0], each == mode) for each in get_args(Mode))
    speeds = "".join(_option(sign, f"{factor:g}", factor == 1) for sign, factor in _SPEEDS)
    return f"""<div class="bar"><span class="phases">{phases}</span>{"".join(_button(*each) for each in _BUTTONS)}
<input type="range" data-part="slider" min="0" value="0" aria-label="step">
<span class="count" data-part="count"></span>
<label>speed <select data-part="speed">{speeds}</select></label>
<label>mode <select data-part="modes">{modes}</select></label>
<label><input type="checkbox" data-part="predict"> predict, then reveal</label></div>
<p class="note" data-part="note"></p>
{f'<p class="note" data-part="why">{escape(why)}</p>' if why else _fields(words)}"""


def below(words: Wording) -> str:
    """The queue, the words of a frame, and the program's lines where they were recorded."""
    lines = "".join(
        f'<li value="{number}"><button type="button">{escape(text)}</button></li>' for number, text in words.lines
    )
    return f"""<p class="queue" data-part="queue"></p>
<div class="both"><div class="say" data-part="say"></div>
<ol class="code" data-part="code" aria-label="the program's lines"{" hidden" * (not lines)}>{lines}</ol></div>
<p class="note">Keys: → and ← step, space plays, Home and End go to the ends, 1 2 3 to the phases.</p>
<div class="live" data-part="live" role="status" aria-live="polite"></div>"""


def plain(x: object) -> float | str:
    """A number as JSON has it; one that JSON has not, as JavaScript reads it."""
    number = float(np.asarray(x).item())  # pyright: ignore[reportUnknownMemberType]
    return number if math.isfinite(number) else str(number).replace("inf", "Infinity").replace("nan", "NaN")


def _fields(words: Wording) -> str:
    nodes = words.steps["correct"].nodes
    fields = [(key, words.names[key], plain(nodes[key].data)) for key in words.fields]
    inputs = "".join(
        f'<label>{escape(name)} <input type="number" step="any" data-field="{key}" {_shown(number)}></label>'
        for key, name, number in (*fields, ("lr", "lr", float(words.rate)))
    )
    return f'<div class="bar fields">{inputs}{_button("reset", "the original numbers", "reset")}</div>'


def _shown(number: float | str) -> str:
    """A field holds finite numbers; others stand in it until one is given."""
    return f'placeholder="{number}"' if isinstance(number, str) else f'value="{repr(number).removesuffix(".0")}"'


def _button(part: str, label: str, sign: str) -> str:
    return f'<button type="button" data-part="{part}" aria-label="{label}">{sign}</button>'


def _option(text: str, value: str, chosen: bool) -> str:
    return f'<option value="{value}"{" selected" * chosen}>{escape(text)}</option>'
