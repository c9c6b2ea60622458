"""The colours and borders of pictures: what each kind of node looks like in each theme."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from visualize.graph.data import Kind

Outline = Literal["box", "double", "dashed", "round", "octagon", "stack"]

OUTLINES: Mapping[Kind, Outline] = {
    "input": "box",
    "parameter": "double",
    "constant": "dashed",
    "operation": "round",
    "loss": "octagon",
    "group": "stack",
}
"""The shape of each kind, the same in every theme, so that colour is never needed to tell kinds apart."""


@dataclass(frozen=True, slots=True)
class Paint:
    """The colours of one kind of node."""

    fill: str
    stroke: str
    text: str


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of a picture, as ``#rrggbb``."""

    name: str
    background: str
    ink: str
    """Text outside of nodes."""
    faint: str
    """Frames, and text that matters less."""
    edge: str
    frame: str
    """The inside of a cluster's frame."""
    alert: str
    """Nan and inf."""
    active: str
    """What the stepper looks at."""
    gradient: str
    """Gradients on their way."""
    paints: Mapping[Kind, Paint]


_Rest = tuple[str, str, str, str, str, str, str, str]


def _theme(name: str, rest: _Rest, paints: tuple[str, ...]) -> Theme:
    triples = [Paint(*paint.split()) for paint in paints]
    return Theme(name, *rest, dict(zip(OUTLINES, triples, strict=True)))


THEMES: Mapping[str, Theme] = {
    theme.name: theme
    for theme in (
        _theme(
            "light",
            ("#ffffff", "#1d2733", "#5b6875", "#4a5663", "#f4f6f8", "#b3001b", "#ffd166", "#b35c00"),
            (
                "#a9d6e5 #2a6f97 #10222e",
                "#b7e4c7 #2d6a4f #10261b",
                "#eceff1 #6c757d #343a40",
                "#fffdf5 #4a5663 #1d2733",
                "#fde2e4 #9d0208 #370617",
                "#e6e0f8 #5a4a9c #221a45",
            ),
        ),
        _theme(
            "dark",
            ("#14181f", "#e8edf2", "#9aa7b4", "#a7b4c0", "#1c222b", "#ff6b6b", "#ffd166", "#ffb35c"),
            (
                "#17435a #6fc3e8 #eaf6fc",
                "#1d4a35 #74d3a0 #eafbf1",
                "#2a3038 #8b97a3 #d5dce3",
                "#232a34 #a7b4c0 #e8edf2",
                "#5a1f2a #ff9aa8 #fff0f2",
                "#372f5e #b3a4f0 #f0edff",
            ),
        ),
        # Okabe and Ito's palette: told apart also by people who see red and green alike.
        _theme(
            "colorblind",
            ("#ffffff", "#000000", "#555555", "#333333", "#f5f5f5", "#b34700", "#f0e442", "#0072b2"),
            (
                "#b3dcf2 #0072b2 #000000",
                "#fbe3a8 #9a6a00 #000000",
                "#eeeeee #666666 #222222",
                "#ffffff #333333 #000000",
                "#f3cfe0 #a6417c #000000",
                "#cdeee2 #00735a #000000",
            ),
        ),
        _theme(
            "print",
            ("#ffffff", "#000000", "#444444", "#000000", "#ffffff", "#000000", "#dddddd", "#000000"),
            (
                "#ffffff #000000 #000000",
                "#ededed #000000 #000000",
                "#ffffff #555555 #333333",
                "#ffffff #000000 #000000",
                "#d9d9d9 #000000 #000000",
                "#f5f5f5 #000000 #000000",
            ),
        ),
    )
}
"""Every theme by its name."""


def theme_of(name: str) -> Theme:
    """The theme of that name."""
    theme = THEMES.get(name)
    if theme is None:
        raise ValueError(f"theme must be one of {', '.join(map(repr, THEMES))}, not {name!r}")
    return theme
