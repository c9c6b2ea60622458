"""``LanguageModel``: what training, evaluation and sampling ask of every model family."""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol, Self

import numpy as np

from tinygrad_lm.autograd import Value
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.checks import whole_number
from tinygrad_lm.models import saving
from tinygrad_lm.nn import Parameter, evaluating
from tinygrad_lm.text import Tokenizer
from tinygrad_lm.text.graphemes import grapheme_count

MAX_NUMBERS = 1 << 25
"""How many numbers a trainable model has at most: its checkpoint, of four arrays for each, stays below 1 GiB."""


class Evaluation(NamedTuple):
    """How well a model predicts a list of names."""

    loss: float
    """The mean negative log-likelihood of a character, the end of a name included, in nats."""
    characters: int
    """How many characters, ends included, were predicted."""

    @property
    def perplexity(self) -> float:
        """exp(loss): among how many equally likely characters the model seems to choose."""
        return math.exp(self.loss) if self.loss < 700 else math.inf


class Examples(Protocol):
    """Training examples that batches are drawn from."""

    def __len__(self) -> int:
        """How many examples there are."""
        ...

    def sample(self, batch_size: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Inputs and targets of a batch drawn with replacement."""
        ...


class LanguageModel(ABC):
    """A distribution over the next token of a name, given the tokens before it."""

    kind: ClassVar[str]
    """The family's name in files and on the command line."""

    vocabulary: Tokenizer
    """What its ids mean: characters, or longer pieces of text."""

    @abstractmethod
    def next_logits(self, prefixes: Sequence[Sequence[int]]) -> Array:
        """Unnormalised log-probabilities of the token after each prefix of ids: (len(prefixes), len(vocabulary)).

        A prefix holds the name so far; the boundary before its start is understood.
        """

    @abstractmethod
    def log_likelihoods(self, names: Sequence[str]) -> Array:
        """The log-probability of every token of every name and of its end, in order, as one flat array."""

    @abstractmethod
    def config(self) -> dict[str, object]:
        """The plain numbers and words that ``from_config`` builds the same model from (untrained)."""

    @classmethod
    @abstractmethod
    def from_config(cls, config: Mapping[str, object], vocabulary: Tokenizer) -> Self:
        """An untrained model of a configuration. Raises ``ValueError`` or ``TypeError`` for a bad one."""

    @classmethod
    @abstractmethod
    def size_of(cls, config: Mapping[str, object], vocabulary: Tokenizer) -> int:
        """How many numbers a model of this configuration holds, computed without building it."""

    @abstractmethod
    def state_dict(self) -> dict[str, Array]:
        """A copy of the learned arrays by name."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over learned arrays. Raises ``ValueError`` naming what does not fit."""

    def evaluate(self, names: Sequence[str]) -> Evaluation:
        """The mean loss over all characters of the names; nan or inf where the model's numbers overflow.

        Characters are graphemes of the names, whatever tokens the model cuts them into: so the losses of models with
        different vocabularies can be compared. The model is in evaluation mode meanwhile.
        """
        with evaluating(self), np.errstate(over="ignore", invalid="ignore"):  # the loss says it
            likelihoods = self.log_likelihoods(names)
        characters = sum(grapheme_count(name) + 1 for name in names)
        return Evaluation(float(-np.sum(likelihoods, dtype=np.float64) / characters), characters)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the model into one file, which ``models.load`` reads; returns its path.

        The file has just the name given, and holds the family, the configuration, the vocabulary and the weights, as
        safetensors. It is written whole or not at all; equal models give equal bytes. An older model is overwritten,
        anything else, that of a run included, is not: ``FileExistsError``. Raises ``IsADirectoryError``,
        ``FileNotFoundError`` where there is no folder to write in, ``ModelFileError`` for weights that are not
        finite, and ``TypeError`` for a class that did not give itself a ``kind`` of its own.
        """
        return saving.save(self, path)


class TrainableModel(LanguageModel):
    """A model that learns by gradient descent on batches.

    The quickest of one's own is a subclass of ``models.MLP`` with another ``forward``. One that shares nothing with it
    derives from ``nn.Module`` and this class, in this order, and writes what is abstract here and in
    ``LanguageModel``.
    """

    @abstractmethod
    def examples(self, names: Sequence[str]) -> Examples:
        """The training examples of a list of names."""

    @abstractmethod
    def loss(self, inputs: Array, targets: Array) -> Tensor:
        """The mean cross-entropy of a batch of examples, in nats, as a node to differentiate."""

    @abstractmethod
    def named_parameters(self) -> Iterator[tuple[str, Parameter | Value]]:
        """Every parameter once, with its name; a model that is an ``nn.Module`` has this already."""


def whole_entry(config: Mapping[str, object], key: str, low: int, high: int) -> int:
    """A whole number of a configuration, in its range. Raises ``ValueError`` naming the key."""
    return whole_number(config.get(key), low, f"{key} must be a whole number from {low} to {high}, not", high)
