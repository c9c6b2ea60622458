"""How the commands show a name that a model wrote: one that was cut, an empty one, and whether it is new."""

from __future__ import annotations

from collections.abc import Collection

NARROWEST = 16
WIDEST = 63
"""A column of names has room for sixty letters, and the three dots of a name that was cut."""
DOTS = "..."
"""What follows a name that was cut at the greatest length."""


def shown(text: str, complete: bool = True) -> str:
    """A name as a table shows it."""
    return (text if complete else text + DOTS) or "(empty)"


def ending(text: str, limit: int) -> str:
    """The end of a text that is too long for its column, such as a folder or what a letter follows."""
    return text if len(text) <= limit else DOTS + text[len(DOTS) - limit :]


def origin(text: str, training_names: Collection[str]) -> str:
    """Whether the model has seen a name in its training."""
    return "in training data" if text in training_names else "new"


def column(longest: int) -> int:
    """How wide a column of names of so many characters is."""
    return min(max(longest, NARROWEST), WIDEST)
