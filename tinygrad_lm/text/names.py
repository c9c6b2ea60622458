"""From raw lines to names to learn from: cleaning, with a reason for each line dropped, and splitting."""

import math
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tinygrad_lm.checks import quoted, whole_number
from tinygrad_lm.text.errors import DataError
from tinygrad_lm.text.segmentation import composed, grapheme_count
from tinygrad_lm.text.tokenizer import Tokenizer

EMPTY = "empty"
OUTSIDE = "characters outside the vocabulary"
DUPLICATE = "duplicate"
LONGEST = 10_000
"""A line of more code points is not a name: it is dropped before anything looks into it."""


@dataclass(frozen=True)
class CleanedNames:
    """What ``clean_names`` kept and what it dropped."""

    kept: tuple[str, ...]
    """The names, each once, in first-seen order."""
    dropped: dict[str, tuple[str, ...]]
    """The raw lines that were dropped, by reason."""

    def __repr__(self) -> str:
        dropped = ", ".join(f"{len(lines):,} {reason}" for reason, lines in self.dropped.items())
        return f"CleanedNames(kept: {_some(self.kept)}; dropped: {dropped or 'none'})"


class Split(NamedTuple):
    """Three lists of names without a name in common."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Split(train: {_some(self.train)}; validation: {_some(self.validation)}; test: {_some(self.test)})"


def _some(names: tuple[str, ...]) -> str:
    """How many names, and the first of them."""
    shown = [quoted(name, limit=20) for name in names[:3]] + ["..."] * (len(names) > 3)
    return ", ".join([f"{len(names):,} names", *shown])


def clean_names(
    lines: Iterable[str], vocabulary: Tokenizer, min_length: int = 1, max_length: int | None = None
) -> CleanedNames:
    """The usable names of ``lines``, each once, and why every other line was dropped.

    A line loses its surrounding white space, is brought to Unicode's composed form NFC, and to lower case
    where the vocabulary holds no upper-case letter. Lengths count graphemes. The reasons, in the order in
    which they are looked for: "longer than 10,000 code points", "empty", "characters outside the vocabulary",
    "shorter than N", "longer than N", "duplicate".

    Raises
    ------
    DataError
        Where no name is left (with the count of each reason and the remedy), and where the lengths make no range of
        integers from 1 up.
    """
    whole_number(min_length, 1, "min_length is an integer from 1 up; got", error=DataError)
    if max_length is not None:
        whole_number(max_length, min_length, f"max_length is an integer from {min_length} up; got", error=DataError)
    lower = in_lower_case(vocabulary)
    kept: dict[str, None] = {}
    dropped: dict[str, list[str]] = {}
    for line in lines:
        name = "" if len(line) > LONGEST else _tidy(line, lower)
        reason = _reason_to_drop(line, name, vocabulary, min_length, max_length)
        if reason is None and name in kept:
            reason = DUPLICATE
        if reason is None:
            kept[line if name == line else name] = None  # not a second copy of it
        else:
            dropped.setdefault(reason, []).append(line)
    if not kept:
        raise DataError(_nothing_left(dropped, vocabulary, lower))
    return CleanedNames(tuple(kept), {reason: tuple(group) for reason, group in dropped.items()})


def in_lower_case(vocabulary: Tokenizer) -> bool:
    """Whether the vocabulary holds no upper-case letter, so that names and prefixes are brought to lower case."""
    others = (token for index, token in enumerate(vocabulary.tokens) if index != vocabulary.boundary_id)
    return all(token == token.lower() for token in others)


def split_names(
    names: Collection[str], seed: int = 0, fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)
) -> Split:
    """Three lists of different names, shuffled by ``seed``, about as large as ``fractions`` of the whole say.

    Repeated names are dropped first and whole names are dealt out, so no name stands in two lists. The same
    set of names and the same seed give the same split, whatever the order of ``names``. Validation and test
    have ``round(fraction * count)`` names but at least one, training has the rest.

    Raises
    ------
    DataError
        For fewer than three different names or none left for training, for fractions that are not three positive
        numbers of sum 1, and for a seed that is not an integer from 0 up.
    """
    _check_split_settings(names, seed, fractions)
    different = sorted(set(names))
    validation, test = (max(1, round(fraction * len(different))) for fraction in fractions[1:])
    train = len(different) - validation - test
    if len(different) < 3 or train < 1:
        repeats = f" ({len(names)} with the repeated ones)" if len(names) > len(different) else ""
        raise DataError(
            f"{len(different)} different name(s){repeats} cannot be split by {tuple(fractions)} "
            "into training, validation and test with at least one name each. "
            "Give more names, at least three, or a larger first fraction."
        )
    np.random.Generator(np.random.PCG64(seed)).shuffle(different)
    return Split(tuple(different[:train]), tuple(different[train:-test]), tuple(different[-test:]))


def _tidy(line: str, lower: bool) -> str:
    return composed(line.strip().lower() if lower else line.strip())


def _reason_to_drop(line: str, name: str, vocabulary: Tokenizer, min_length: int, max_length: int | None) -> str | None:
    if len(line) > LONGEST:
        return f"longer than {LONGEST:,} code points"
    if not name:
        return EMPTY
    if vocabulary.unknown(name):
        return OUTSIDE
    length = grapheme_count(name)
    if length < min_length:
        return f"shorter than {min_length}"
    if max_length is not None and length > max_length:
        return f"longer than {max_length}"
    return None


def _nothing_left(dropped: dict[str, list[str]], vocabulary: Tokenizer, lower: bool) -> str:
    if not dropped:
        return "no name is left, for no line was given. Give at least one name"
    counts = ", ".join(f"{reason} ({len(group)})" for reason, group in dropped.items())
    message = f"no name is left of {sum(map(len, dropped.values()))} line(s): {counts}."
    if OUTSIDE in dropped:
        unknown = Counter(token for line in dropped[OUTSIDE] for token in vocabulary.unknown(_tidy(line, lower)))
        seen = ", ".join(quoted(token) for token, _ in unknown.most_common(5))
        return (
            f"{message} Not in the vocabulary are, for example, {seen}. "
            "For names in another alphabet build the vocabulary from them: Vocabulary.from_names(names)."
        )
    return f"{message} Give one name a line, or other lengths (min_length, max_length)."


def _check_split_settings(names: Collection[str], seed: int, fractions: tuple[float, ...]) -> None:
    if isinstance(names, str):
        raise DataError(f"a split needs a list of names; got the string {quoted(names)}")
    whole_number(seed, 0, "the seed is an integer from 0 up; got", error=DataError)
    usable = len(fractions) == 3 and all(math.isfinite(fraction) and fraction > 0 for fraction in fractions)
    if not usable or abs(sum(fractions) - 1) > 1e-9:
        raise DataError(
            "the fractions for training, validation and test are three positive numbers whose sum is 1, "
            f"such as (0.8, 0.1, 0.1); got {quoted(fractions)}"
        )
