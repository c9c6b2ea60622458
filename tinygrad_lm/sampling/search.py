"""What can be said of a model's texts without a draw: the exact probability of one, and which are the most probable."""

from __future__ import annotations

import heapq
import math
from bisect import insort
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tinygrad_lm.autograd import no_grad
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.checks import whole_number
from tinygrad_lm.models.interface import LanguageModel
from tinygrad_lm.models.ways import read
from tinygrad_lm.nn import evaluating
from tinygrad_lm.sampling.logits import probabilities
from tinygrad_lm.sampling.settings import MAX_LENGTH
from tinygrad_lm.sampling.wanted import IncompleteError
from tinygrad_lm.threads import on_one_thread

AT_ONCE = 256
"""How many prefixes are gone on from at a time."""
MOST_PREFIXES = 500_000
"""So many prefixes are kept to go on from, about 150 MB of them, and no more are looked at."""


class Probable(NamedTuple):
    """A text and the probability that a model writes it."""

    text: str
    probability: float


def log_probability(model: LanguageModel, text: str) -> float:
    """The logarithm of ``probability``, which is far from underflow: -inf for what the model never writes."""
    ids = model.vocabulary.encode(text)
    tokens = np.array([[model.vocabulary.boundary_id, *ids]])
    total = 0.0
    with on_one_thread(), np.errstate(divide="ignore"):
        for logits, wanted in zip(read(model, type(model), tokens), [*ids, model.vocabulary.boundary_id], strict=True):
            total += float(np.log(probabilities(logits)[0, wanted]))
    return total


def probability(model: LanguageModel, text: str) -> float:
    """The probability that the model writes just this text and ends it: P(x1) P(x2 | x1) ... P(end | x1 ... xn).

    At temperature 1, no token left out, the text cut into tokens as the model's vocabulary cuts it.

    Raises
    ------
    DataError
        For a character that the model does not know, and logits that are no numbers.
    """
    return math.exp(log_probability(model, text))


def most_probable(model: LanguageModel, count: int, prefix: str = "", max_length: int = MAX_LENGTH) -> list[Probable]:
    """The texts that the model writes with the largest probabilities, exactly, the most probable first.

    Best first: no text is more probable than its beginning, so once as many texts are found as are asked for, whatever
    begins less probably than the last of them is left out. Prefixes are gone on from many at a time. Of equally
    probable texts the one whose ids come first is first.

    Parameters
    ----------
    model
        Whose ``next_logits`` are asked; probabilities are those of ``probability``.
    count
        How many.
    prefix
        How each begins.
    max_length
        How many tokens a text has at most, its prefix included.

    Returns
    -------
    list
        Texts with their probabilities, the prefix's among the factors.

    Raises
    ------
    DataError
        For a prefix that the model does not know.
    IncompleteError
        With those that are certain, where there are fewer texts, and where more than 500,000 prefixes would have to be
        kept, as in models that spread their probability evenly.
    ValueError
        For a count or a length that is none.
    """
    wanted = whole_number(count, 1, "count is a whole number from 1, not")
    length = whole_number(max_length, 1, "max_length is a whole number from 1, not")
    search = _Search(model, wanted, length)
    with evaluating(model), no_grad(), on_one_thread():
        search.begin(model.vocabulary.encode(prefix))
        while search.goes_on():
            search.expand()
    if len(search.best) < wanted:
        raise IncompleteError(
            f"the model writes only {len(search.best):,} texts of at most {length:,} tokens that begin with "
            f"{prefix!r:.60}, not {wanted:,}. Ask for fewer, or for longer ones",
            search.certain(),
        )
    return search.certain()


class _Search:
    """The texts found so far, and the prefixes to go on from."""

    def __init__(self, model: LanguageModel, count: int, length: int) -> None:
        self.model, self.count, self.length = model, count, length
        self.best: list[tuple[float, tuple[int, ...], str]] = []
        """Negative log-probability, ids and text of the most probable texts found, the most probable first."""
        self.open: list[tuple[float, tuple[int, ...]]] = []
        """The same of the prefixes to go on from, as a heap."""
        self.looked_at = 0

    def begin(self, ids: Sequence[int]) -> None:
        """Start at a prefix."""
        cost = 0.0
        for i, token in enumerate(ids):
            cost += float(self._costs([ids[:i]])[0, token])
        if len(ids) <= self.length and cost < math.inf:
            self.open = [(cost, tuple(ids))]

    def goes_on(self) -> bool:
        """Whether some prefix could begin a text that belongs to the best."""
        return bool(self.open) and self.open[0][0] <= self._worst()

    def expand(self) -> None:
        """Go on from the best prefixes: end each, and append each token to it."""
        taken: list[tuple[float, tuple[int, ...]]] = []
        while len(taken) < AT_ONCE and self.goes_on():
            taken.append(heapq.heappop(self.open))
        costs = self._costs([ids for _, ids in taken]) + np.array([cost for cost, _ in taken])[:, None]
        end = self.model.vocabulary.boundary_id
        for (_, ids), cost in zip(taken, costs[:, end].tolist(), strict=True):
            self._found(cost, ids)
        costs[:, end] = math.inf
        costs[[len(ids) >= self.length for _, ids in taken]] = math.inf
        rows, tokens = np.nonzero((costs <= self._worst()) & (costs < math.inf))
        self.looked_at += len(rows)
        if self.looked_at > MOST_PREFIXES:
            raise self._too_large(taken)
        for row, token, cost in zip(rows.tolist(), tokens.tolist(), costs[rows, tokens].tolist(), strict=True):
            heapq.heappush(self.open, (cost, (*taken[row][1], token)))

    def certain(self) -> list[Probable]:
        """The texts found, the most probable first."""
        return [Probable(text, math.exp(-cost)) for cost, _, text in self.best]

    def _worst(self) -> float:
        """What a text may cost to belong to the best."""
        return self.best[-1][0] if len(self.best) == self.count else math.inf

    def _found(self, cost: float, ids: tuple[int, ...]) -> None:
        if cost == math.inf or cost > self._worst():
            return
        text = self.model.vocabulary.decode(ids)
        if tuple(self.model.vocabulary.encode(text)) == ids:  # of several ways to cut a text, that of ``probability``
            insort(self.best, (cost, ids, text))
            del self.best[self.count :]

    def _costs(self, prefixes: Sequence[Sequence[int]]) -> Array:
        """The negative log-probability of each token after each prefix."""
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            return -np.log(probabilities(self.model.next_logits(prefixes)))

    def _too_large(self, taken: Sequence[tuple[float, tuple[int, ...]]]) -> IncompleteError:
        bound = min(cost for cost, _ in taken)
        sure = [each for each, (cost, _, _) in zip(self.certain(), self.best, strict=True) if cost < bound]
        return IncompleteError(
            f"only {len(sure):,} of {self.count:,} most probable texts are certain after {MOST_PREFIXES:,} prefixes, "
            "and more would take too much memory: the probability is spread widely. Ask for fewer, or give a prefix",
            sure,
        )
