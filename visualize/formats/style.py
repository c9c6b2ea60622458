"""How a graph is to look: what every format needs beside the graph itself."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from visualize.formats.themes import Theme

DIRECTIONS = ("LR", "RL", "TB", "BT")
"""Where the flow may go: from left to right, and so on."""


@dataclass(frozen=True, slots=True)
class Style:
    """The look of a picture, the same in every format that can show it."""

    theme: Theme
    show: Collection[str]
    """The parts of nodes and edges that are written: some of ``labels.SHOWS``."""
    direction: str = "LR"
    legend: bool = True


def check_direction(direction: str) -> str:
    """The direction as it was given.

    Raises
    ------
    ValueError
        Where it is neither ``"auto"`` nor one of ``DIRECTIONS``.
    """
    if direction not in ("auto", *DIRECTIONS):
        raise ValueError(f"direction is 'auto' or one of {', '.join(map(repr, DIRECTIONS))}, not {direction!r}")
    return direction
