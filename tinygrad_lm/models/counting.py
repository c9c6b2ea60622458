"""``CountingModel``: how often each token followed each context of a fixed length, counted, looked up, and in files."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np

from tinygrad_lm.autograd.types import Array
from tinygrad_lm.models.config import Config
from tinygrad_lm.models.contexts import ContextSize, context_sizes
from tinygrad_lm.models.interface import FittedModel
from tinygrad_lm.models.registry import NGRAMS
from tinygrad_lm.models.ways import select_rows
from tinygrad_lm.text import NameDataset, Tokenizer
from tinygrad_lm.text.vocabulary import vocabulary_or_letters

MAX_ORDER = 12
CHUNK = 1 << 17
"""How many windows are looked at in one go."""

Counted = tuple[Array, Array, Array]
"""Contexts as codes, the ids that followed them, and counts: int64 arrays of one length."""


class CountingModel(FittedModel):
    """A model that counts n tokens in a row. What it makes of the counts, a derived class writes.

    That is ``_prepare``, called when there are new counts, and ``_probabilities``; its ``Config`` has what its
    constructor takes, and ``contexts`` and ``pairs``, which say how much was counted. Only what occurred is stored, so
    order and vocabulary may be large.

    Attributes
    ----------
    order
        How many tokens in a row are counted, n: the context has n - 1.
    contexts
        int64 array of the contexts that occurred, rising, each read as a number to the base of the vocabulary's size.
    pairs
        int64 array of what followed them, rising: (index of the context) * len(vocabulary) + next id.
    counts
        int64 array: how often each of the pairs occurred.
    """

    def __init__(self, order: int, vocabulary: Tokenizer | None) -> None:
        self.order = order
        self.vocabulary = vocabulary_or_letters(vocabulary)
        if order > highest_order(self.vocabulary):
            raise ValueError(f"order {order} is too long for a vocabulary of {len(self.vocabulary)}; take a lower one")
        self._take(*np.zeros((3, 0), np.int64))

    def __repr__(self) -> str:
        seen = f"{len(self.contexts):,} contexts and {len(self.pairs):,} pairs counted"
        return f"{type(self).__name__}({self._settings()}): {len(self.vocabulary):,} tokens, {seen}"

    def _settings(self) -> str:
        """What it was made with, as ``repr`` shows it."""
        return f"order={self.order}"

    @abstractmethod
    def _prepare(self) -> None:
        """Work out what ``_probabilities`` needs of the counts, of which there may be none."""

    @abstractmethod
    def _probabilities(self, codes: Array, tokens: Array) -> Array:
        """P(token | context) of contexts as codes and tokens of matching shapes, float64."""

    def _take(self, contexts: Array, pairs: Array, counts: Array) -> None:
        self.contexts, self.pairs, self.counts = contexts, pairs, counts
        self._prepare()

    def fit(self, names: Sequence[str], validation: Sequence[str] | None = None) -> Self:
        """Count the names, forgetting what was counted before; the validation names decide nothing."""
        size = len(self.vocabulary)
        counted: list[Counted] = []
        for codes, targets in self._windows(names):
            counted.append(added_up([(codes, targets, np.ones(len(codes), np.int64))], size))
            # Put together when as much is new as there was: each window is sorted a few times only.
            if sum(len(counts) for _, _, counts in counted[1:]) > len(counted[0][2]):
                counted = [added_up(counted, size)]
        codes, targets, counts = added_up(counted, size)
        contexts, rows = np.unique(codes, return_inverse=True)
        self._take(contexts, rows * size + targets, counts)
        return self

    def summary(self) -> str:
        """How much was counted, and of how many contexts that there could be."""
        name = NGRAMS[self.order - 1] if self.order <= len(NGRAMS) else f"{self.order}gram"
        possible = len(self.vocabulary) ** (self.order - 1)
        share = f"{100 * len(self.contexts) / possible:.3g}%"
        return f"Counted {self.counts.sum():,} {name}s: {len(self.contexts):,} of {possible:,} contexts ({share}) occur"

    def sizes(self) -> list[ContextSize]:
        """How many contexts of 1, 2, ... order - 1 tokens there could be, and how many of them were counted."""
        return context_sizes(self.contexts, self.order - 1, len(self.vocabulary))

    def _code(self, contexts: Array) -> Array:
        """Each row of ids as one number, read as digits to the base of the vocabulary's size."""
        codes = np.zeros(len(contexts), np.int64)
        for column in contexts.T:
            codes = codes * len(self.vocabulary) + column
        return codes

    def _windows(self, names: Sequence[str]) -> Iterator[tuple[Array, Array]]:
        """The contexts, as codes, and the targets of all windows, a chunk at a time."""
        windows = NameDataset(names, self.vocabulary, max(self.order - 1, 1))
        for start in range(0, len(windows), CHUNK):
            contexts, targets = windows.take(np.arange(start, min(start + CHUNK, len(windows))))
            yield self._code(contexts[:, : self.order - 1]), targets

    def probabilities(self, prefixes: Sequence[Sequence[int]]) -> Array:
        """P(next token) after each prefix of ids: (len(prefixes), len(vocabulary)), float64, rows sum to 1."""
        width, size = self.order - 1, len(self.vocabulary)
        padded = [[self.vocabulary.boundary_id] * width + list(prefix) for prefix in prefixes]
        contexts = np.array([row[len(row) - width :] for row in padded], np.int64).reshape(len(padded), width)
        if contexts.size and not 0 <= contexts.min() <= contexts.max() < size:
            raise IndexError(f"ids go from 0 to {size - 1}, not from {contexts.min()} to {contexts.max()}")
        return self._probabilities(self._code(contexts)[:, None], np.arange(size))

    def next_logits(self, prefixes: Sequence[Sequence[int]]) -> Array:
        """The logarithm of ``probabilities``; -inf for a token that cannot follow."""
        with np.errstate(divide="ignore"):
            return np.log(self.probabilities(prefixes))

    def start(self, n: int) -> Array:
        """Contexts of nothing but boundaries."""
        return np.full((n, self.order - 1), self.vocabulary.boundary_id)

    def step(self, tokens: Array, state: Array) -> tuple[Array, Array]:
        """Move each context on by one token; see ``LanguageModel.step``."""
        contexts = np.concatenate([state, tokens[:, None]], axis=1)[:, 1:]
        with np.errstate(divide="ignore"):
            rows = np.log(self._probabilities(self._code(contexts)[:, None], np.arange(len(self.vocabulary))))
        return rows, contexts

    def select(self, state: Array, rows: Array) -> Array:
        """The contexts of some of the names; see ``LanguageModel.select``."""
        return select_rows(self, CountingModel, state, rows)

    def log_likelihoods(self, names: Sequence[str]) -> Array:
        """The log-probability of every token of every name and of its end."""
        with np.errstate(divide="ignore"):
            found = [np.log(self._probabilities(codes, targets)) for codes, targets in self._windows(names)]
        return np.concatenate(found)

    @classmethod
    def build(cls, configuration: Config, vocabulary: Tokenizer, rng: np.random.Generator) -> Self:
        """A model with room for so many counts, for ``load_state_dict`` to fill."""
        settings = dict(vars(configuration))
        contexts, pairs = settings.pop("contexts"), settings.pop("pairs")
        make: Any = cls
        model = make(**settings, vocabulary=vocabulary)
        model.contexts, model.pairs, model.counts = (np.zeros(n, np.int64) for n in (contexts, pairs, pairs))
        return model

    @classmethod
    def size_of(cls, config: Mapping[str, object], vocabulary: Tokenizer) -> int:
        """Contexts, pairs and their counts."""
        sizes = vars(cls.Config.from_json(config))
        return sizes["contexts"] + 2 * sizes["pairs"]

    def state_dict(self) -> dict[str, Array]:
        """Copies of the contexts that occurred, of what followed them, and of how often."""
        return {"contexts": self.contexts.copy(), "pairs": self.pairs.copy(), "counts": self.counts.copy()}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over counts of the same shape."""
        own = self.state_dict()
        for name, array in own.items():
            if name not in state:
                raise ValueError(f"the state of an n-gram model needs {name!r}")
            found = state[name]
            if found.shape != array.shape or found.dtype != np.int64:
                raise ValueError(
                    f"{name!r} has shape {found.shape} and dtype {found.dtype}; {array.shape} int64 is needed"
                )
        unknown = set(state) - set(own)
        if unknown:
            raise ValueError(f"the state of an n-gram model has no {sorted(unknown)[0]!r}")
        size = len(self.vocabulary)
        contexts, pairs, counts = (state[name].copy() for name in own)
        if not _rising(contexts, size ** (self.order - 1)) or not _rising(pairs, len(contexts) * size):
            raise ValueError("the counts are damaged: contexts and pairs must rise within the vocabulary's range")
        if (counts < 1).any() or counts.sum(dtype=np.float64) > 1 << 53:
            raise ValueError("the counts are damaged: each is at least 1, and their sum at most 2**53")
        self._take(contexts, pairs, counts)


def highest_order(vocabulary: Tokenizer) -> int:
    """The highest order whose contexts are numbers of 64 bits, and at most ``MAX_ORDER``."""
    largest = int(np.iinfo(np.int64).max)
    return max(order for order in range(1, MAX_ORDER + 1) if len(vocabulary) ** (order - 1) <= largest)


def added_up(parts: Sequence[Counted], size: int) -> Counted:
    """Counts of several parts as one: contexts as codes, what followed, how often; each pair once, rising."""
    codes, targets, counts = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    contexts, rows = np.unique(codes, return_inverse=True)
    pairs, places = np.unique(rows * size + targets, return_inverse=True)
    totals = np.zeros(len(pairs), np.int64)
    np.add.at(totals, places, counts)
    return contexts[pairs // size], pairs % size, totals


def find(rising: Array, wanted: Array) -> tuple[Array, Array]:
    """An index into a rising array for each wanted number, and whether the number stands there."""
    places = np.minimum(np.searchsorted(rising, wanted), len(rising) - 1)
    return places, rising[places] == wanted


def _rising(array: Array, end: int) -> bool:
    """Whether the numbers rise strictly from 0 or more to below ``end``."""
    return not len(array) or bool(array[0] >= 0 and (array[1:] > array[:-1]).all() and int(array[-1]) < end)
