"""Which texts are wanted: letters that must or must not occur, none twice, none of a list; and the error of too few."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from tinygrad_lm.autograd.types import Array
from tinygrad_lm.checks import quoted
from tinygrad_lm.text import DataError, Tokenizer, graphemes


class IncompleteError(DataError):
    """There are fewer texts than were asked for; the message says how many, and why no more were found.

    Attributes
    ----------
    found
        Those that there are.
    reason
        Why no more were found, in words.
    """

    def __init__(self, message: str, found: Sequence[object], reason: str = "") -> None:
        super().__init__(message)
        self.found, self.reason = tuple(found), reason


@dataclass(frozen=True)
class Wanted:
    """Which texts to keep; the others are drawn again.

    What is kept has the distribution of what is drawn, given that it is wanted: no letter is made likelier than it was
    by what it may not stand beside, as would be if the others were never drawn. Letters are graphemes, whatever tokens
    the model writes.

    Attributes
    ----------
    must_contain
        Every letter of this occurs in the text, in any order, its prefix included.
    must_not_contain
        No letter of this does.
    unique
        No text comes twice.
    not_in
        Texts that do not come, such as the names of the training.

    Raises
    ------
    DataError
        For a letter that must and must not occur.
    TypeError
        For a ``not_in`` that is one text.
    """

    must_contain: str = ""
    must_not_contain: str = ""
    unique: bool = False
    not_in: Collection[str] = field(default=frozenset(), repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.not_in, str):
            raise TypeError(f"not_in is a collection of texts, not the text {quoted(self.not_in)}: write [text]")
        object.__setattr__(self, "not_in", frozenset(self.not_in))
        if both := set(graphemes(self.must_contain)) & set(graphemes(self.must_not_contain)):
            raise DataError(f"{min(both)!r} must occur and must not occur: leave it out of one of the two")

    @property
    def anything(self) -> bool:
        """Whether every text will do."""
        return not (self.must_contain or self.must_not_contain or self.unique or self.not_in)

    def check(self, vocabulary: Tokenizer, prefix: str) -> None:
        """Look whether a model can write what is wanted after a prefix.

        Raises
        ------
        DataError
            For a letter that the model does not know, and for one in the prefix that must not occur.
        """
        for name, letters in (("must_contain", self.must_contain), ("must_not_contain", self.must_not_contain)):
            if unknown := vocabulary.unknown(letters):
                whole = [each for each in vocabulary.tokens if unknown[0] in each and each != vocabulary.boundary]
                never = f"writes only as a part of others: give these, such as {whole[0]!r}" if whole else ""
                raise DataError(f"{name} has {unknown[0]!r}, which the model {never or 'never writes: leave it out'}")
        if wrong := set(graphemes(prefix)) & set(graphemes(self.must_not_contain)):
            raise DataError(f"the prefix has {min(wrong)!r}, which must not occur: change one of the two")

    def forbidden(self, vocabulary: Tokenizer) -> Array:
        """Which tokens hold a letter that must not occur: a boolean for each id."""
        letters = set(graphemes(self.must_not_contain))
        found = np.array([not letters.isdisjoint(graphemes(token)) for token in vocabulary.tokens])
        found[vocabulary.boundary_id] = False
        return found

    def accepts(self, text: str) -> bool:
        """Whether a text is wanted, apart from its being new among those that were found."""
        if text in self.not_in:
            return False
        letters = graphemes(text)
        return set(graphemes(self.must_contain)).issubset(letters) and set(graphemes(self.must_not_contain)).isdisjoint(
            letters
        )


ANYTHING = Wanted()
"""Every text will do."""
