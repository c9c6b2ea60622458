"""The colours and borders of pictures: what each kind of node looks like in each theme."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Literal

from visualize.graph.data import Kind

Outline = Literal["note", "box", "double", "dashed", "round", "octagon", "stack"]

OUTLINES: Mapping[Kind, Outline] = {
    "data": "note",
    "input": "box",
    "parameter": "double",
    "constant": "dashed",
    "operation": "round",
    "module": "box",
    "loss": "octagon",
    "group": "stack",
}
"""The shape of each kind, the same in every theme, so that colour is never needed to tell kinds apart."""


_COLOUR = re.compile("#[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True)
class Paint:
    """The colours of one kind of node, as ``#rrggbb``.

    Raises
    ------
    ValueError
        For a colour that is not written like this.
    """

    fill: str
    stroke: str
    text: str

    def __post_init__(self) -> None:
        for part in ("fill", "stroke", "text"):
            _check_colour(f"the {part} of a Paint", getattr(self, part))


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of a picture, as ``#rrggbb``.

    The easiest way to one of your own is from another, by ``replace``.

    Raises
    ------
    ValueError
        For a colour that is not written like this, and where a kind of node has no ``Paint``.

    Examples
    --------
    >>> night = THEMES["dark"].replace(name="night", background="#000020", paints={"loss": Paint(*["#ff0000"] * 3)})
    >>> night.background, night.ink == THEMES["dark"].ink
    ('#000020', True)
    """

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
    """What each kind of node looks like: ``"data"`` (what was given), ``"input"``, ``"parameter"``, ``"constant"``,
    ``"operation"``, ``"module"``, ``"loss"`` (a result) and ``"group"`` (several nodes)."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "paints", dict(self.paints))
        for name in self.colours():
            _check_colour(f"theme {self.name!r}: {name}", getattr(self, name))
        kinds = ", ".join(map(repr, OUTLINES))
        lacking = [kind for kind in OUTLINES if not isinstance(self.paints.get(kind), Paint)]
        unknown = [kind for kind in self.paints if kind not in OUTLINES]
        if lacking:
            raise ValueError(
                f"theme {self.name!r} lacks a Paint for {', '.join(map(repr, lacking))}: paints holds a "
                f"Paint(fill, stroke, text) for each of {kinds}; THEMES['light'].replace(paints=...) takes the rest "
                "from there"
            )
        if unknown:
            raise ValueError(f"theme {self.name!r} has a Paint for {unknown[0]!r}, but the kinds of nodes are {kinds}")

    @classmethod
    def colours(cls) -> tuple[str, ...]:
        """The names of the colours that a theme has beside those of its ``paints``."""
        return tuple(field.name for field in fields(cls) if field.name not in ("name", "paints"))

    def replace(self, *, name: str = "", paints: Mapping[Kind, Paint] | None = None, **colours: str) -> Theme:
        """A theme like this one with other colours, or another name; of ``paints`` those not given stay as they are.

        Raises
        ------
        TypeError
            For a colour that themes do not have.
        ValueError
            As the constructor does.
        """
        for colour in colours:
            if colour not in self.colours():
                known = ", ".join(self.colours())
                raise TypeError(f"a theme has no {colour!r}; its colours are {known}, and those in paints")
        return replace(self, name=name or self.name, paints={**self.paints, **(paints or {})}, **colours)


def _check_colour(what: str, colour: object) -> None:
    if not isinstance(colour, str) or not _COLOUR.fullmatch(colour):
        raise ValueError(f"{what} is {colour!r:.60}, but a colour is written as '#rrggbb', such as '#2a6f97'")


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
                "#d7e8f0 #3d7ea6 #10222e",
                "#a9d6e5 #2a6f97 #10222e",
                "#b7e4c7 #2d6a4f #10261b",
                "#eceff1 #6c757d #343a40",
                "#fffdf5 #4a5663 #1d2733",
                "#eaf7ee #2d6a4f #10261b",
                "#fde2e4 #9d0208 #370617",
                "#e6e0f8 #5a4a9c #221a45",
            ),
        ),
        _theme(
            "dark",
            ("#14181f", "#e8edf2", "#9aa7b4", "#a7b4c0", "#1c222b", "#ff6b6b", "#ffd166", "#ffb35c"),
            (
                "#12303f #4f9fc4 #d8edf6",
                "#17435a #6fc3e8 #eaf6fc",
                "#1d4a35 #74d3a0 #eafbf1",
                "#2a3038 #8b97a3 #d5dce3",
                "#232a34 #a7b4c0 #e8edf2",
                "#17302a #74d3a0 #eafbf1",
                "#5a1f2a #ff9aa8 #fff0f2",
                "#372f5e #b3a4f0 #f0edff",
            ),
        ),
        # Okabe and Ito's palette: told apart also by people who see red and green alike.
        _theme(
            "colorblind",
            ("#ffffff", "#000000", "#555555", "#333333", "#f5f5f5", "#b34700", "#f0e442", "#0072b2"),
            (
                "#e3f1f9 #0072b2 #000000",
                "#b3dcf2 #0072b2 #000000",
                "#fbe3a8 #9a6a00 #000000",
                "#eeeeee #666666 #222222",
                "#ffffff #333333 #000000",
                "#fff6dc #9a6a00 #000000",
                "#f3cfe0 #a6417c #000000",
                "#cdeee2 #00735a #000000",
            ),
        ),
        _theme(
            "print",
            ("#ffffff", "#000000", "#444444", "#000000", "#ffffff", "#000000", "#dddddd", "#000000"),
            (
                "#ffffff #000000 #000000",
                "#ffffff #000000 #000000",
                "#ededed #000000 #000000",
                "#ffffff #555555 #333333",
                "#ffffff #000000 #000000",
                "#ffffff #000000 #000000",
                "#d9d9d9 #000000 #000000",
                "#f5f5f5 #000000 #000000",
            ),
        ),
    )
}
"""Every theme by its name."""


def theme_of(theme: object) -> Theme:
    """The theme of that name, or the user's own.

    Raises
    ------
    ValueError
        For a name that no theme has.
    TypeError
        For anything but a name or a theme.
    """
    if isinstance(theme, Theme):
        return theme
    choices = f"theme must be one of {', '.join(map(repr, THEMES))} or a visualize.Theme"
    if not isinstance(theme, str):
        raise TypeError(f"{choices}, not {type(theme).__name__}: {theme!r:.60}")
    if theme not in THEMES:
        raise ValueError(f"{choices}, not {theme!r}")
    return THEMES[theme]
