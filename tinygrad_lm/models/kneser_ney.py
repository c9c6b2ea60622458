"""``KneserNey``: counts of n tokens in a row, interpolated with those of fewer by modified Kneser-Ney smoothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from tinygrad_lm.autograd.types import Array
from tinygrad_lm.models.config import Config, setting
from tinygrad_lm.models.counting import MAX_ORDER, CountingModel, added_up, find
from tinygrad_lm.text import Tokenizer


@dataclass(frozen=True)
class KneserNeyConfig(Config):
    """What a ``KneserNey`` is configured by, and how much it has counted."""

    order: int = setting(6, "how many characters in a row are counted", low=1, high=MAX_ORDER)
    contexts: int = setting(0, high=1 << 32)
    pairs: int = setting(0, high=1 << 32)


class KneserNey(CountingModel):
    """An n-gram model with interpolated modified Kneser-Ney smoothing: the strongest of those that only count.

    With h' the context h without its first token, c the count of an n-gram and c(h) the sum over all tokens after h,

        P(token | h) = (c(h, token) - D(c(h, token))) / c(h) + backoff(h) * P(token | h')
        backoff(h) = (D1 * N1(h) + D2 * N2(h) + D3 * N3+(h)) / c(h)

    where N1, N2, N3+ are how many tokens followed h once, twice, and more often, and D is D1, D2 or D3 accordingly:
    what is taken off the counts goes to the shorter context. After the empty context comes the uniform distribution,
    so that every token is possible, and each row sums to 1. A context that never occurred says what its shorter one
    says.

    - For n-grams of the full order c is how often they occurred. For shorter ones it is their *continuation count*,
      how many different tokens preceded them: a shorter context is asked where the longer one knows nothing, and what
      follows only one context is no news there.
    - Before the start of a name stands one boundary, and nothing precedes that. An n-gram that begins with it keeps
      its count, and a context that reaches past it is shorter: "--a" of the lectures' padding says what "-a" says.
      Counted like any other token, each boundary of the padding would be the one and only token before the next, and
      would smooth the starts of names once more.
    - Each order has discounts of its own, from how many of its n-grams have the count 1, 2, 3 and 4 (n1 ... n4):
      Y = n1 / (n1 + 2 n2), D1 = 1 - 2 Y n2 / n1, D2 = 2 - 3 Y n3 / n2, D3 = 3 - 4 Y n4 / n3. Where n1 or
      n2 is 0, and where one of them is not between 0 and its count, as of few names or of 27 single letters, it is half
      the count.

    Source: S. F. Chen and J. Goodman, "An empirical study of smoothing techniques for language modeling", Computer
    Speech and Language 13 (1999); the starts as in K. Heafield et al., "Scalable modified Kneser-Ney language model
    estimation", ACL 2013.

    Attributes
    ----------
    discounts
        D1, D2, D3 of each order from 1 up: float64, (order, 3).
    """

    kind: ClassVar[str] = "kneser-ney"
    Config = KneserNeyConfig

    def __init__(self, order: int = KneserNeyConfig.order, vocabulary: Tokenizer | None = None) -> None:
        super().__init__(KneserNeyConfig(order).order, vocabulary)

    def summary(self) -> str:
        """How much was counted, and what is taken off the counts."""
        one, two, more = self.discounts[-1]
        return f"{super().summary()}; {one:.2f}, {two:.2f}, {more:.2f} are taken off counts of 1, 2, and more"

    def brief(self) -> str:
        """The order."""
        return f"order {self.order}"

    def _prepare(self) -> None:
        size, boundary = len(self.vocabulary), self.vocabulary.boundary_id
        self.discounts = np.tile(_HALVES, (self.order, 1))
        self._levels: list[_Level] = []
        codes, tokens, counts = self.contexts[self.pairs // size], self.pairs % size, self.counts
        for length in range(self.order - 1, -1, -1):
            # A context that begins with two boundaries is left to the shorter one without the first of them.
            past = np.zeros(len(codes), bool) if length < 2 else codes // size ** (length - 2) == boundary * (size + 1)
            within = ~past
            if within.any():
                self.discounts[length] = found = _discounts(counts[within])
                self._levels.insert(0, _level(length, size, (codes[within], tokens[within], counts[within]), found))
            if length:
                # One for each different token in front of what is left; there is none in front of a start.
                counts = np.where(past, counts, 1)
                codes, tokens, counts = added_up([(codes % size ** (length - 1), tokens, counts)], size)

    def _probabilities(self, codes: Array, tokens: Array) -> Array:
        size = len(self.vocabulary)
        chances = np.full(np.broadcast_shapes(codes.shape, tokens.shape), 1 / size)
        for level in self._levels:
            rows, seen = find(level.contexts, codes % size**level.length)
            places, followed = find(level.pairs, rows * size + tokens)
            lower = level.backoff[rows] * chances
            chances = np.where(seen, lower + np.where(followed, level.shares[places], 0), chances)
        return chances

    def config(self) -> dict[str, object]:
        """Order, and how many contexts and how many pairs of context and next token occurred."""
        return KneserNeyConfig(self.order, len(self.contexts), len(self.pairs)).to_json()


_HALVES = np.array([0.5, 1.0, 1.5])
"""The discounts where the counts give none."""


class _Level(NamedTuple):
    """What the contexts of one length say."""

    length: int
    contexts: Array
    """Those that occurred, as codes, rising."""
    pairs: Array
    """(index of the context) * len(vocabulary) + next id of what followed them, rising."""
    shares: Array
    """(c - D(c)) / c(context) of each pair."""
    backoff: Array
    """What is left of each context for the shorter one."""


def _level(length: int, size: int, counted: tuple[Array, Array, Array], discounts: Array) -> _Level:
    codes, tokens, counts = counted
    contexts, rows = np.unique(codes, return_inverse=True)
    totals = np.bincount(rows, counts)
    taken = discounts[np.minimum(counts, 3) - 1]
    shares = (counts - taken) / totals[rows]
    return _Level(length, contexts, rows * size + tokens, shares, np.bincount(rows, taken) / totals)


def _discounts(counts: Array) -> Array:
    """D1, D2, D3 by how many of the counts are 1, 2, 3 and 4; half the count where these give none."""
    one, two, three, four = (float(np.count_nonzero(counts == n)) for n in range(1, 5))
    ratios = [after / before if before else np.nan for before, after in ((one, two), (two, three), (three, four))]
    share = one / (one + 2 * two) if one and two else np.nan
    found = np.array([n - (n + 1) * share * ratio for n, ratio in enumerate(ratios, 1)])
    return np.where((found > 0) & (found < [1, 2, 3]), found, _HALVES)
