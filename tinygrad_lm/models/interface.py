"""``LanguageModel``: what evaluation and sampling ask of every model, and what follows from what it writes."""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from inspect import Signature
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.models.config import Config, signature
from tinygrad_lm.models.limits import MAX_NUMBERS
from tinygrad_lm.models.ways import (
    prefixes_by_steps,
    read,
    select_rows,
    start_of_prefixes,
    step_by_prefixes,
    take,
    written_in,
)
from tinygrad_lm.nn import Module, evaluating
from tinygrad_lm.random import as_generator
from tinygrad_lm.text import SequenceDataset, Tokenizer
from tinygrad_lm.text.segmentation import grapheme_count
from tinygrad_lm.text.targets import IGNORE

NAMES_AT_ONCE = 256
"""How many names are read side by side, a token at a time, where a model has no quicker way."""


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

    @property
    def bits(self) -> float:
        """loss / ln 2: how many bits a character takes where the model compresses the names."""
        return self.loss / math.log(2)


class LanguageModel(ABC):
    """A distribution over the next token of a name, given the tokens before it.

    A model has a ``vocabulary`` and writes one of these, from which the others follow, and samples and losses too:

    - ``start`` and ``step``: many names side by side, a token at a time, with a state that is handed on; with
      ``select`` beside them names that have ended are read no further;
    - ``next_logits``: what comes after whole prefixes;
    - ``forward``, if it is a ``TrainableModel``.

    What a derived class writes counts, whichever of them its base wrote. To be saved a model needs a ``kind`` of its
    own, ``state_dict`` and ``load_state_dict`` (which an ``nn.Module`` has) and, where models of its family differ, a
    ``Config``: it is then built as ``Family(vocabulary, configuration, rng=rng)``, and keeps what it was given as
    ``self.configuration``.
    """

    kind: ClassVar[str]
    """The family's name in files and on the command line."""

    Config: ClassVar[type[Config]] = Config
    """What models of the family are configured by."""

    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    """Names for some settings, which ``--model`` takes too: ``{"bigram": {"order": 2}}``."""

    configuration: Config
    """What this model was built from, where the family has a ``Config``."""

    __signature__: ClassVar[Signature]
    """What its constructor takes, setting by setting, as ``help`` and notebooks show it."""

    vocabulary: Tokenizer
    """What its ids mean: characters, or longer pieces of text."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        mro = cls.__mro__
        if Module in mro and mro.index(Module) > mro.index(LanguageModel):
            bases = ", ".join(base.__name__ for base in cls.__bases__)
            raise TypeError(
                f"class {cls.__name__}({bases}): its bases are in the wrong order, so that the nn.Module's state_dict "
                f"would be hidden; write nn.Module first: class {cls.__name__}(nn.Module, TrainableModel)"
            )
        if vars(cls).keys() & {"__init__", "Config"}:
            cls.__signature__ = signature(cls.__init__, cls.Config)
        written = written_in(cls)
        if "next_logits" in written and "step" not in written:
            take(cls, start=start_of_prefixes, step=step_by_prefixes, select=select_rows)
        elif "step" in written and "next_logits" not in written:
            take(cls, next_logits=prefixes_by_steps)

    def start(self, n: int) -> Any:
        """The state of ``n`` names of which nothing was read: what ``step`` takes. Its first token is the boundary."""
        return start_of_prefixes(self, LanguageModel, n)

    def step(self, tokens: Array, state: Any) -> tuple[Tensor | Array, Any]:
        """Read one more token of each name.

        Parameters
        ----------
        tokens
            The next id of each name, int64 (n,): first the boundary of each, then what comes in them.
        state
            What ``start(n)`` or the step before gave. It is not changed, so that one may go on from it again.

        Returns
        -------
        tuple
            The unnormalised log-probabilities of the token that follows, (n, len(vocabulary)), an array or a tensor;
            and the state to go on from.
        """
        return step_by_prefixes(self, LanguageModel, tokens, state)

    def select(self, state: Any, rows: Array) -> Any:
        """The state of some of the names.

        Parameters
        ----------
        state
            What ``start`` or ``step`` gave. It is not changed.
        rows
            Which names, int64, in the order in which the new state has them; one may stand there several times.

        Raises
        ------
        NotImplementedError
            Where a family writes its own ``step`` and no ``select``: its samples are written without, only slower. A
            class whose models can select only in part says which, by a method ``selects_if``.
        """
        return select_rows(self, LanguageModel, state, rows)

    def next_logits(self, prefixes: Sequence[Sequence[int]]) -> Array:
        """Unnormalised log-probabilities of the token after each prefix of ids: (len(prefixes), len(vocabulary)).

        A prefix holds the name so far; the boundary before its start is understood. The model is in evaluation mode
        meanwhile.
        """
        if type(self).step is LanguageModel.step:
            raise NotImplementedError(
                f"{type(self).__name__} predicts nothing: write start and step, or next_logits, or forward in a "
                "TrainableModel"
            )
        return prefixes_by_steps(self, LanguageModel, prefixes)

    def log_likelihoods(self, names: Sequence[str]) -> Array:
        """The log-probability of every token of every name and of its end, in order, as one flat array.

        The model is in evaluation mode meanwhile.
        """
        sequences = SequenceDataset(names, self.vocabulary)
        found: list[Array] = []
        for first in range(0, len(sequences), NAMES_AT_ONCE):
            tokens, targets = sequences.take(np.arange(first, min(first + NAMES_AT_ONCE, len(sequences))))
            rows = np.stack(
                [
                    chosen(logits, wanted)
                    for logits, wanted in zip(read(self, type(self), tokens), targets.T, strict=True)
                ]
            )
            found.append(rows.T[targets != IGNORE])
        return np.concatenate(found)

    def evaluate(self, names: Sequence[str]) -> Evaluation:
        """The mean loss over all characters of the names; nan or inf where the model's numbers overflow.

        Characters are graphemes of the names, whatever tokens the model cuts them into: so the losses of models with
        different vocabularies can be compared. The model is in evaluation mode meanwhile.
        """
        with evaluating(self), np.errstate(over="ignore", invalid="ignore"):  # the loss says it
            likelihoods = self.log_likelihoods(names)
        characters = sum(grapheme_count(name) + 1 for name in names)
        return Evaluation(float(-np.sum(likelihoods, dtype=np.float64) / characters), characters)

    def config(self) -> dict[str, object]:
        """The plain numbers and words that ``from_config`` builds the same model from (untrained)."""
        if type(self).Config is Config:
            return {}
        if not isinstance(getattr(self, "configuration", None), type(self).Config):
            raise TypeError(
                f"a {type(self).__name__} must keep the {type(self).Config.__name__} that it was built from: "
                "self.configuration = configuration"
            )
        return self.configuration.to_json()

    @classmethod
    def from_config(cls, config: Mapping[str, object], vocabulary: Tokenizer) -> Self:
        """An untrained model of a configuration.

        Raises
        ------
        ValueError, TypeError
            For a bad one.
        """
        return cls.build(cls.Config.from_json(config), vocabulary, as_generator(0))

    @classmethod
    def build(cls, configuration: Config, vocabulary: Tokenizer, rng: np.random.Generator) -> Self:
        """An untrained model: ``cls(vocabulary, configuration, rng=rng)``, or ``cls(vocabulary)`` without a ``Config``.

        A family whose constructor takes other arguments writes its own.
        """
        make: Any = cls
        return make(vocabulary) if cls.Config is Config else make(vocabulary, configuration, rng=rng)

    @classmethod
    def size_of(cls, config: Mapping[str, object], vocabulary: Tokenizer) -> int:
        """How many numbers a model of this configuration holds; a family that can tell without building one does."""
        from tinygrad_lm.models.bounded import bounded

        with bounded(MAX_NUMBERS) as rng:
            model = cls.build(cls.Config.from_json(config), vocabulary, rng)
        return sum(array.size for array in model.state_dict().values())

    def state_dict(self) -> dict[str, Array]:
        """A copy of the learned arrays by name."""
        raise NotImplementedError(f"{type(self).__name__} has no state_dict and load_state_dict, so it is not saved")

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over learned arrays.

        Raises
        ------
        ValueError
            Naming what does not fit.
        """
        raise NotImplementedError(f"{type(self).__name__} has no state_dict and load_state_dict, so it is not loaded")

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the model into one file, which ``models.load`` reads; returns its path.

        The file has just the name given, and holds the family, the configuration, the vocabulary and the weights, as
        safetensors. It is written whole or not at all; equal models give equal bytes. An older model is overwritten.

        Raises
        ------
        FileExistsError
            Where the file is no model, or that of a run.
        IsADirectoryError, FileNotFoundError
            Where there is a folder of that name, and where there is none to write in.
        ModelFileError
            For weights that are not finite.
        TypeError
            For a class that did not give itself a ``kind`` of its own.
        """
        from tinygrad_lm.models import saving

        return saving.save(self, path)


class FittedModel(LanguageModel):
    """A model that learns from a list of names in one go, as counting does."""

    @abstractmethod
    def fit(self, names: Sequence[str], validation: Sequence[str] | None = None) -> Self:
        """Learn from the names, forgetting what was learned before; returns the model.

        The validation names may decide what the configuration left open.
        """

    def summary(self) -> str:
        """What it learned, in a sentence without a full stop, for ``train`` to show."""
        return f"Learned from the names in one go: {type(self).__name__}"

    def brief(self) -> str:
        """What tells this model from others of its family, in a word or two."""
        return ""


def chosen(logits: Array, targets: Array) -> Array:
    """The log-probability of each target after its row of logits (n, tokens); where it is ``IGNORE``, any number."""
    wanted = np.where(targets == IGNORE, 0, targets)
    rows = log_softmax(logits)
    return rows[np.arange(len(rows)), wanted]


def log_softmax(logits: Array) -> Array:
    """The log-probabilities of rows of logits, of their dtype; -inf stays -inf."""
    largest = logits.max(axis=-1, keepdims=True)
    shifted = logits - np.where(np.isfinite(largest), largest, 0)
    with np.errstate(divide="ignore"):
        return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
