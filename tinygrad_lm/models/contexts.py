"""The curse of dimensionality in numbers: how many contexts of each length there could be, and how many occur."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinygrad_lm.autograd.types import Array

WORDS = 50_000
"""How many words the lectures give a language."""


class ContextSize(NamedTuple):
    """How many contexts of one length there are."""

    length: int
    """How many tokens a context has."""
    possible: int
    """How many different ones there could be: (tokens in the vocabulary) ** length."""
    seen: int
    """How many of them ever occurred."""
    words: int
    """How many there could be if the tokens were ``WORDS`` words: 2.5 billion pairs, 125 trillion triples."""

    @property
    def share(self) -> float:
        """What part of the possible ones occurred."""
        return self.seen / self.possible


def context_sizes(contexts: Array, length: int, size: int) -> list[ContextSize]:
    """A row for each length from 1 to that of the contexts.

    Parameters
    ----------
    contexts
        int64 array of the different contexts that occurred, each read as a number of ``length`` digits to the base
        ``size``, the boundary before the start of a name included. The shorter contexts are their last digits.
    length
        How many tokens each of them has.
    size
        How many tokens there are.
    """
    return [
        ContextSize(shorter, size**shorter, len(np.unique(contexts % size**shorter)), WORDS**shorter)
        for shorter in range(1, length + 1)
    ]
