"""The counting model: how often each token followed each context of a fixed length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from tinygrad_lm.autograd.types import Array
from tinygrad_lm.models.config import Config, setting
from tinygrad_lm.models.interface import FittedModel
from tinygrad_lm.models.registry import NGRAMS
from tinygrad_lm.models.ways import select_rows
from tinygrad_lm.text import NameDataset, Tokenizer, Vocabulary

MAX_ORDER = 12
MAX_SMOOTHING = 1e9
CHUNK = 1 << 17
"""How many windows are looked at in one go."""
SMOOTHINGS = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)

_Counted = tuple[Array, Array, Array]


@dataclass(frozen=True)
class NGramConfig(Config):
    """What an ``NGram`` is configured by, and how much it has counted."""

    order: int = setting(2, "how many characters in a row are counted", low=1, high=MAX_ORDER)
    smoothing: float | None = setting(None, "added to every count", high=MAX_SMOOTHING, unset="what validates best")
    contexts: int = setting(0, high=1 << 32)
    pairs: int = setting(0, high=1 << 32)


class NGram(FittedModel):
    """An n-gram model: counts of n tokens in a row, with add-k smoothing (the lectures' bigram has n = 2, k = 1).

    P(next | context) = (count(context, next) + k) / (count(context) + k * len(vocabulary)). Only what occurred is
    stored, so order and vocabulary may be large; after a context that never occurred all tokens are equally likely.
    With ``smoothing=None`` the names that ``fit`` is given for validation choose k.

    Attributes
    ----------
    contexts
        int64 array of the contexts that occurred, rising, each read as a number to the base of the vocabulary's size.
    pairs
        int64 array of what followed them, rising: (index of the context) * len(vocabulary) + next id.
    counts
        int64 array: how often each of the pairs occurred.
    """

    kind: ClassVar[str] = "ngram"
    Config = NGramConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        name: {"order": order} for order, name in enumerate(NGRAMS, 1)
    }

    def __init__(self, order: int = 2, smoothing: float | None = 1.0, vocabulary: Tokenizer | None = None) -> None:
        checked = NGramConfig(order, smoothing)
        self.order = checked.order
        self.smoothing = 1.0 if checked.smoothing is None else checked.smoothing
        self._chooses = checked.smoothing is None
        self.vocabulary = Vocabulary() if vocabulary is None else vocabulary
        if len(self.vocabulary) ** (self.order - 1) > np.iinfo(np.int64).max:
            raise ValueError(f"order {order} is too long for a vocabulary of {len(self.vocabulary)}; take a lower one")
        self._take(*np.zeros((3, 0), np.int64))

    def __repr__(self) -> str:
        seen = f"{len(self.contexts):,} contexts and {len(self.pairs):,} pairs counted"
        return f"NGram(order={self.order}, smoothing={self.smoothing}): {len(self.vocabulary):,} tokens, {seen}"

    def _take(self, contexts: Array, pairs: Array, counts: Array) -> None:
        self.contexts, self.pairs, self.counts = contexts, pairs, counts
        self._totals = np.zeros(len(contexts), np.int64)
        np.add.at(self._totals, pairs // len(self.vocabulary), counts)

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
        size = len(self.vocabulary)
        counted: list[_Counted] = []
        for codes, targets in self._windows(names):
            counted.append(_added_up([(codes, targets, np.ones(len(codes), np.int64))], size))
            # Put together when as much is new as there was: each window is sorted a few times only.
            if sum(len(counts) for _, _, counts in counted[1:]) > len(counted[0][2]):
                counted = [_added_up(counted, size)]
        codes, targets, counts = _added_up(counted, size)
        contexts, rows = np.unique(codes, return_inverse=True)
        self._take(contexts, rows * size + targets, counts)
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

    def found(self) -> str:
        """How much was counted, of what there could be."""
        name = NGRAMS[self.order - 1] if self.order <= len(NGRAMS) else f"{self.order}gram"
        return (
            f"Counted {self.counts.sum():,} {name}s: {len(self.contexts):,} of "
            f"{len(self.vocabulary) ** (self.order - 1):,} contexts occur; {self.smoothing:g} is added to every count"
        )

    def brief(self) -> str:
        """The smoothing."""
        return f"add {self.smoothing:g}"

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

    def _probabilities(self, codes: Array, tokens: Array) -> Array:
        """P(token | context) of contexts as codes and tokens of matching shapes."""
        size = len(self.vocabulary)
        if not len(self.pairs):
            return np.full(np.broadcast_shapes(codes.shape, tokens.shape), 1 / size)
        rows, seen = _find(self.contexts, codes)
        places, followed = _find(self.pairs, rows * size + tokens)
        counts = np.where(seen & followed, self.counts[places], 0) + self.smoothing
        totals = np.where(seen, self._totals[rows], 0) + self.smoothing * size
        return np.divide(counts, totals, out=np.full(counts.shape, 1 / size), where=totals > 0)

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
        return select_rows(self, NGram, state, rows)

    def log_likelihoods(self, names: Sequence[str]) -> Array:
        """The log-probability of every token of every name and of its end."""
        with np.errstate(divide="ignore"):
            found = [np.log(self._probabilities(codes, targets)) for codes, targets in self._windows(names)]
        return np.concatenate(found)

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

    @classmethod
    def build(cls, configuration: Config, vocabulary: Tokenizer, rng: np.random.Generator) -> Self:
        """A model with room for so many counts."""
        order, smoothing, contexts, pairs = vars(configuration).values()
        model = cls(order, smoothing, vocabulary)
        model.contexts, model.pairs, model.counts = (np.zeros(n, np.int64) for n in (contexts, pairs, pairs))
        return model

    @classmethod
    def size_of(cls, config: Mapping[str, object], vocabulary: Tokenizer) -> int:
        """Contexts, pairs and their counts."""
        sizes = NGramConfig.from_json(config)
        return sizes.contexts + 2 * sizes.pairs

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


def _added_up(parts: Sequence[_Counted], size: int) -> _Counted:
    """Counts of several parts as one: contexts as codes, what followed, how often; each pair once, rising."""
    codes, targets, counts = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    contexts, rows = np.unique(codes, return_inverse=True)
    pairs, places = np.unique(rows * size + targets, return_inverse=True)
    totals = np.zeros(len(pairs), np.int64)
    np.add.at(totals, places, counts)
    return contexts[pairs // size], pairs % size, totals


def _find(rising: Array, wanted: Array) -> tuple[Array, Array]:
    """An index into a rising array for each wanted number, and whether the number stands there."""
    places = np.minimum(np.searchsorted(rising, wanted), len(rising) - 1)
    return places, rising[places] == wanted


def _rising(array: Array, end: int) -> bool:
    """Whether the numbers rise strictly from 0 or more to below ``end``."""
    return not len(array) or bool(array[0] >= 0 and (array[1:] > array[:-1]).all() and int(array[-1]) < end)
