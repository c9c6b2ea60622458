"""The counting model: how often each token followed each context of a fixed length."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from tinygrad_lm.models.interface import Array, LanguageModel, whole_number
from tinygrad_lm.text import NameDataset, Vocabulary

MAX_ORDER = 12
SMOOTHINGS = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)


class NGram(LanguageModel):
    """An n-gram model: counts of n tokens in a row, with add-k smoothing (the lectures' bigram has n = 2, k = 1).

    P(next | context) = (count(context, next) + k) / (count(context) + k * len(vocabulary)). Only contexts that
    occurred are stored, so the order may be large; after one that never occurred all tokens are equally likely.
    """

    kind: ClassVar[str] = "ngram"

    def __init__(self, order: int = 2, smoothing: float = 1.0, vocabulary: Vocabulary | None = None) -> None:
        self.order = whole_number({"order": order}, "order", 1, MAX_ORDER)
        if not 0 <= smoothing < math.inf:
            raise ValueError(f"smoothing is a finite number from 0, added to every count, not {smoothing!r}")
        self.smoothing = float(smoothing)
        self.vocabulary = Vocabulary() if vocabulary is None else vocabulary
        if len(self.vocabulary) ** (self.order - 1) > np.iinfo(np.int64).max:
            raise ValueError(f"order {order} is too long for a vocabulary of {len(self.vocabulary)}; take a lower one")
        self.contexts: Array = np.zeros(0, np.int64)
        self.counts: Array = np.zeros((0, len(self.vocabulary)), np.int64)

    def fit(self, names: Sequence[str]) -> Self:
        """Count the names, forgetting what was counted before."""
        codes, targets = self._windows(names)
        self.contexts, rows = np.unique(codes, return_inverse=True)
        self.counts = np.zeros((len(self.contexts), len(self.vocabulary)), np.int64)
        np.add.at(self.counts, (rows, targets), 1)
        return self

    @classmethod
    def fitted(cls, order: int, names: Sequence[str], validation: Sequence[str], vocabulary: Vocabulary) -> NGram:
        """Counts of ``names`` with the smoothing, of a few, that predicts the validation names best."""
        model = cls(order, vocabulary=vocabulary).fit(names)
        losses: dict[float, float] = {}
        for smoothing in SMOOTHINGS:
            model.smoothing = smoothing
            losses[smoothing] = model.evaluate(validation).loss
        model.smoothing = min(losses, key=losses.__getitem__)
        return model

    def _code(self, contexts: Array) -> Array:
        """Each row of ids as one number, read as digits to the base of the vocabulary's size."""
        codes = np.zeros(len(contexts), np.int64)
        for column in contexts.T:
            codes = codes * len(self.vocabulary) + column
        return codes

    def _windows(self, names: Sequence[str]) -> tuple[Array, Array]:
        windows = NameDataset(names, self.vocabulary, max(self.order - 1, 1))
        return self._code(windows.contexts[:, : self.order - 1]), windows.targets

    def _probabilities(self, codes: Array) -> Array:
        size = len(self.vocabulary)
        if not len(self.contexts):
            return np.full((len(codes), size), 1 / size)
        rows = np.minimum(np.searchsorted(self.contexts, codes), len(self.contexts) - 1)
        seen = self.contexts[rows] == codes
        counts = np.where(seen[:, None], self.counts[rows], 0) + self.smoothing
        totals = counts.sum(axis=1, keepdims=True)
        return np.divide(counts, totals, out=np.full(counts.shape, 1 / size), where=totals > 0)

    def probabilities(self, prefixes: Sequence[Sequence[int]]) -> Array:
        """P(next token) after each prefix of ids: (len(prefixes), len(vocabulary)), float64, rows sum to 1."""
        width = self.order - 1
        padded = [[self.vocabulary.boundary_id] * width + list(prefix) for prefix in prefixes]
        contexts = np.array([row[len(row) - width :] for row in padded], np.int64).reshape(len(padded), width)
        return self._probabilities(self._code(contexts))

    def next_logits(self, prefixes: Sequence[Sequence[int]]) -> Array:
        """The logarithm of ``probabilities``; -inf for a token that cannot follow."""
        with np.errstate(divide="ignore"):
            return np.log(self.probabilities(prefixes))

    def log_likelihoods(self, names: Sequence[str]) -> Array:
        """The log-probability of every token of every name and of its end."""
        codes, targets = self._windows(names)
        found: list[Array] = []
        for start in range(0, len(codes), 1 << 16):
            part = slice(start, start + (1 << 16))
            rows = self._probabilities(codes[part])
            with np.errstate(divide="ignore"):
                found.append(np.log(rows[np.arange(len(rows)), targets[part]]))
        return np.concatenate(found)

    def table(self) -> Array:
        """The bigram table P(next | current): (len(vocabulary), len(vocabulary)); for order 2 it *is* the model."""
        if self.order != 2:
            raise ValueError(f"only a bigram (order 2) is one table; this model has order {self.order}")
        return self.probabilities([[i] for i in range(len(self.vocabulary))])

    def config(self) -> dict[str, Any]:
        """Order, smoothing, and how many contexts occurred."""
        return {"order": self.order, "smoothing": self.smoothing, "contexts": len(self.contexts)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], vocabulary: Vocabulary) -> NGram:
        """A model with room for the counts."""
        smoothing = config.get("smoothing")
        if isinstance(smoothing, bool) or not isinstance(smoothing, (int, float)):
            raise ValueError(f"smoothing must be a number, not {smoothing!r}")
        model = cls(whole_number(config, "order", 1, MAX_ORDER), smoothing, vocabulary)
        rows = whole_number(config, "contexts", 0, 1 << 32)
        model.contexts = np.zeros(rows, np.int64)
        model.counts = np.zeros((rows, len(vocabulary)), np.int64)
        return model

    @classmethod
    def size_of(cls, config: Mapping[str, Any], vocabulary: Vocabulary) -> int:
        """Contexts and their counts."""
        return whole_number(config, "contexts", 0, 1 << 32) * (1 + len(vocabulary))

    def state_dict(self) -> dict[str, Array]:
        """The contexts that occurred, as numbers, and a row of counts for each."""
        return {"contexts": self.contexts.copy(), "counts": self.counts.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over counts of the same shape."""
        for name, own in (("contexts", self.contexts), ("counts", self.counts)):
            if name not in state:
                raise ValueError(f"the state of an n-gram model needs {name!r}")
            if state[name].shape != own.shape or state[name].dtype != np.int64:
                raise ValueError(
                    f"{name!r} has shape {state[name].shape} and dtype {state[name].dtype}; {own.shape} int64 is needed"
                )
        unknown = set(state) - {"contexts", "counts"}
        if unknown:
            raise ValueError(f"the state of an n-gram model has no {sorted(unknown)[0]!r}")
        contexts, counts = state["contexts"], state["counts"]
        if (np.diff(contexts) <= 0).any() or (counts < 0).any():
            raise ValueError("the counts are damaged: contexts must rise and no count may be negative")
        self.contexts, self.counts = contexts.copy(), counts.copy()
