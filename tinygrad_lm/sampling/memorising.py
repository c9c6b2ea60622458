"""How much of what a model writes it has learned by heart: copies, duplicates, and the distance to the nearest name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tinygrad_lm.autograd.types import Array
from tinygrad_lm.text import DataError, graphemes
from tinygrad_lm.text.segmentation import composed

WORD = 64
"""How many graphemes of a text are compared in one go: a bit each."""


@dataclass(frozen=True)
class Memorisation:
    """How near the texts of a model are to the names it has learned from."""

    in_training: float
    """The share of the texts that are among the training names."""
    duplicates: float
    """The share of the texts that stood among those before them."""
    distances: tuple[int, ...]
    """For each text how many graphemes to insert, leave out or replace until it is the nearest training name."""

    @property
    def mean_distance(self) -> float:
        """The mean of the distances."""
        return sum(self.distances) / len(self.distances)

    def __repr__(self) -> str:
        shares = f"in_training={self.in_training:.3f}, duplicates={self.duplicates:.3f}"
        return f"Memorisation({shares}, mean_distance={self.mean_distance:.2f}, {len(self.distances):,} texts)"


def memorisation(texts: Sequence[str], training_names: Iterable[str]) -> Memorisation:
    """Compare what a model wrote with the names that it was trained on.

    A model that draws from what it learned by heart has many copies and a small distance; one that has learned
    nothing has none and a large distance. Names that it has not seen show what is to be expected: give the validation
    names as the texts.

    Parameters
    ----------
    texts
        What the model wrote.
    training_names
        What it was trained on.

    Raises
    ------
    DataError
        For no text, or no training name.
    """
    texts = [composed(text) for text in texts]
    names = {composed(name) for name in training_names}
    found = shares(texts, names)
    return Memorisation(*found, distances=tuple(distances_to_nearest(texts, names).tolist()))


class Shares(NamedTuple):
    """How much of what a model wrote is old."""

    in_training: float
    """The share of the texts that are among the training names."""
    duplicates: float
    """The share of the texts that stood among those before them."""


def shares(texts: Sequence[str], training_names: Iterable[str]) -> Shares:
    """The shares of ``memorisation`` without its distances, which take longer.

    Raises
    ------
    DataError
        For no text, or no training name.
    """
    texts = [composed(text) for text in texts]
    names = {composed(name) for name in training_names}
    if not texts or not names:
        raise DataError("memorisation compares at least one text with at least one training name; got none")
    return Shares(sum(text in names for text in texts) / len(texts), 1 - len(set(texts)) / len(texts))


def distances_to_nearest(texts: Sequence[str], names: Iterable[str]) -> Array:
    """The Levenshtein distance over graphemes of each text to the nearest of the names: int64 (len(texts),).

    Each text is compared with all names of one length side by side, a bit for each of its graphemes (Myers 1999, in the
    form of Hyyrö 2001), those of its own length first: names whose lengths differ by more than the least distance so
    far are not looked at.

    Raises
    ------
    DataError
        For no name.
    """
    different = sorted({tuple(graphemes(name)) for name in names})
    if not different:
        raise DataError("distances are measured to at least one name; got none")
    ids = {letter: i for i, letter in enumerate(sorted({letter for name in different for letter in name}))}
    groups = {
        length: np.array([[ids[letter] for letter in name] for name in different if len(name) == length], np.int64)
        for length in {len(name) for name in different}
    }
    known, found = set(different), dict[tuple[str, ...], int]()
    for text in {tuple(graphemes(text)) for text in texts}:
        found[text] = 0 if text in known else _nearest([ids.get(letter, len(ids)) for letter in text], groups, len(ids))
    return np.array([found[tuple(graphemes(text))] for text in texts], np.int64)


def _nearest(text: Sequence[int], groups: dict[int, Array], letters: int) -> int:
    """The least distance of a text of ids to names, which stand in groups of one length each."""
    least = max(len(text), *groups)
    for length in sorted(groups, key=lambda length: abs(length - len(text))):
        if abs(length - len(text)) >= least:
            break
        distances = _by_bits if 0 < len(text) <= WORD else _by_rows
        least = min(least, int(distances(text, groups[length], letters).min()))
    return least


def _by_bits(text: Sequence[int], names: Array, letters: int) -> Array:
    """The distances of a text of at most 64 ids to names (n, length), a bit for each of its ids.

    ``plus`` and ``minus`` say where a column of the table of distances rises and falls by one from row to row.
    """
    kind = np.uint32 if len(text) <= 32 else np.uint64
    one, last = kind(1), kind(1 << (len(text) - 1))
    places = np.zeros(letters + 1, kind)
    for i, letter in enumerate(text):
        places[letter] |= kind(1 << i)
    plus, minus = np.full(len(names), ~kind(0)), np.zeros(len(names), kind)
    found = np.full(len(names), len(text))
    for column in names.T:
        same = places[column]
        diagonal = (((same & plus) + plus) ^ plus) | same | minus
        rises, falls = minus | ~(diagonal | plus), plus & diagonal
        found += (rises & last) != 0
        found -= (falls & last) != 0
        rises, falls = (rises << one) | one, falls << one
        plus, minus = falls | ~(diagonal | rises), rises & diagonal
    return found


def _by_rows(text: Sequence[int], names: Array, letters: int) -> Array:
    """The same for texts of any length, row by row of the table (Wagner and Fischer 1974)."""
    places = np.arange(len(names.T) + 1)
    row = np.tile(places, (len(names), 1))
    for letter in text:
        changed = row[:, :-1] + (names != letter)
        row += 1
        row[:, 1:] = np.minimum(row[:, 1:], changed)
        row = np.minimum.accumulate(row - places, axis=1) + places
    return row[:, -1]
