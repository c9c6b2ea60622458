"""The counting model: relative frequencies of n tokens in a row, something added to every count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from tinygrad_lm.autograd.types import Array
from tinygrad_lm.models.config import Config, setting
from tinygrad_lm.models.counting import MAX_ORDER, CountingModel, find
from tinygrad_lm.models.registry import NGRAMS
from tinygrad_lm.text import Tokenizer

MAX_SMOOTHING = 1e9
SMOOTHINGS = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)


@dataclass(frozen=True)
class NGramConfig(Config):
    """What an ``NGram`` is configured by, and how much it has counted."""

    order: int = setting(2, "how many characters in a row are counted", low=1, high=MAX_ORDER)
    smoothing: float | None = setting(None, "added to every count", high=MAX_SMOOTHING, unset="what validates best")
    contexts: int = setting(0, high=1 << 32)
    pairs: int = setting(0, high=1 << 32)


class NGram(CountingModel):
    """An n-gram model: counts of n tokens in a row, with add-k smoothing (the lectures' bigram has n = 2, k = 1).

    P(next | context) = (count(context, next) + k) / (count(context) + k * len(vocabulary)). Only what occurred is
    stored, so order and vocabulary may be large; after a context that never occurred all tokens are equally likely.
    With ``smoothing=None`` the names that ``fit`` is given for validation choose k.
    """

    kind: ClassVar[str] = "ngram"
    Config = NGramConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        name: {"order": order} for order, name in enumerate(NGRAMS, 1)
    }

    def __init__(self, order: int = 2, smoothing: float | None = 1.0, vocabulary: Tokenizer | None = None) -> None:
        checked = NGramConfig(order, smoothing)
        self.smoothing = 1.0 if checked.smoothing is None else checked.smoothing
        self._chooses = checked.smoothing is None
        super().__init__(checked.order, vocabulary)

    def _settings(self) -> str:
        return f"order={self.order}, smoothing={self.smoothing}"

    def _prepare(self) -> None:
        self._totals = np.zeros(len(self.contexts), np.int64)
        np.add.at(self._totals, self.pairs // len(self.vocabulary), self.counts)

    def fit(self, names: Sequence[str], validation: Sequence[str] | None = None) -> Self:
        """Count the names, forgetting what was counted before.

        Parameters
        ----------
        names
            What is counted.
        validation
            What the smoothing is to predict best, of a few from 0.01 to 1, where it was ``None``.

        Raises
        ------
        ValueError
            Where there is nothing to choose the smoothing by.
        """
        if self._chooses and validation is None:
            raise ValueError("smoothing=None is chosen by validation names: fit(names, validation), or give a number")
        super().fit(names)
        if self._chooses and validation is not None:
            losses: dict[float, float] = {}
            for self.smoothing in SMOOTHINGS:
                losses[self.smoothing] = self.evaluate(validation).loss
            self.smoothing = min(losses, key=losses.__getitem__)
        return self

    @classmethod
    def fitted(cls, order: int, names: Sequence[str], validation: Sequence[str], vocabulary: Tokenizer) -> NGram:
        """Counts of ``names`` with the smoothing, of a few, that predicts the validation names best."""
        return cls(order, None, vocabulary).fit(names, validation)

    def summary(self) -> str:
        """How much was counted, and the smoothing."""
        return f"{super().summary()}; {self.smoothing:g} is added to every count"

    def brief(self) -> str:
        """The smoothing."""
        return f"add {self.smoothing:g}"

    def _probabilities(self, codes: Array, tokens: Array) -> Array:
        """P(token | context) of contexts as codes and tokens of matching shapes."""
        size = len(self.vocabulary)
        if not len(self.pairs):
            return np.full(np.broadcast_shapes(codes.shape, tokens.shape), 1 / size)
        rows, seen = find(self.contexts, codes)
        places, followed = find(self.pairs, rows * size + tokens)
        counts = np.where(seen & followed, self.counts[places], 0) + self.smoothing
        totals = np.where(seen, self._totals[rows], 0) + self.smoothing * size
        return np.divide(counts, totals, out=np.full(counts.shape, 1 / size), where=totals > 0)

    def table(self) -> Array:
        """The bigram table P(next | current): (len(vocabulary), len(vocabulary)); for order 2 it *is* the model."""
        if self.order != 2:
            raise ValueError(f"only a bigram (order 2) is one table; this model has order {self.order}")
        return self.probabilities([[i] for i in range(len(self.vocabulary))])

    def count_matrix(self) -> Array:
        """How often each token followed each other in the names: (len(vocabulary), len(vocabulary)), int64.

        Row and column i belong to ``vocabulary.tokens[i]``. The boundary's row is the start of a name, and its column
        the end. With ``smoothing`` added, each row divided by its sum is ``table()``.
        """
        if self.order != 2:
            raise ValueError(
                f"only a bigram (order 2) has one matrix of counts; this model has order {self.order}, and its counts "
                "in contexts, pairs and counts"
            )
        size = len(self.vocabulary)
        matrix = np.zeros((size, size), np.int64)
        matrix[self.contexts[self.pairs // size], self.pairs % size] = self.counts
        return matrix

    def config(self) -> dict[str, object]:
        """Order, smoothing, and how many contexts and how many pairs of context and next token occurred."""
        return NGramConfig(self.order, self.smoothing, len(self.contexts), len(self.pairs)).to_json()

    @classmethod
    def from_config(cls, config: Mapping[str, object], vocabulary: Tokenizer) -> Self:
        """A model with room for the counts."""
        if config.get("smoothing") is None:
            raise ValueError("smoothing must be a number in what was counted")
        return super().from_config(config, vocabulary)
