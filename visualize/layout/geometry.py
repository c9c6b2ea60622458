"""What a layout is made of: points, boxes, and the whole of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Point = tuple[float, float]
Size = tuple[float, float]
"""Width and height."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle by its centre."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything in a picture is."""

    nodes: Mapping[str, Box]
    clusters: Mapping[str, Box]
    titles: Mapping[str, Box]
    """The room of each cluster's title, inside its frame."""
    edges: Sequence[Sequence[Point]]
    """For each edge the points it passes, from its source's border to its target's."""
    texts: Sequence[Box | None]
    """The room of each edge's text, beside its edge; ``None`` for an edge without text."""
    width: float
    height: float
