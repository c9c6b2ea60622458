"""The recurrent families, an RNN, a GRU and an LSTM: a state that is handed from character to character."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from tinygrad_lm import nn
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.models.config import Config, setting
from tinygrad_lm.models.trainable import TrainableModel
from tinygrad_lm.models.ways import plain
from tinygrad_lm.random import as_generator
from tinygrad_lm.text import Tokenizer
from tinygrad_lm.text.vocabulary import vocabulary_or_letters

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


@dataclass(frozen=True)
class RecurrentConfig(Config):
    """What a recurrent model is configured by."""

    embedding: int = setting(24, "numbers for each character", low=1, high=1 << 16)
    hidden: int = setting(104, "numbers in the hidden state", low=1, high=1 << 16)
    layers: int = setting(1, "recurrent layers, each of which reads the states of the one below", low=1, high=64)
    dropout: float = setting(
        0.5, "share of the states that is set to 0 in training, and half of it of embeddings", high=0.95
    )
    recurrent_dropout: float = setting(
        0.3, "share of the weights from state to state that is set to 0 in training", high=0.95
    )
    blank: float = setting(0.05, "share of the characters it reads that is blanked out in training", high=0.95)


class _Recurrent(nn.Module, TrainableModel):
    """Embedding -> recurrent layers -> Linear to logits, after each character of a name.

    Ids (n, length), the boundary first, give logits (n, length, len(vocabulary)). In training a name is read as a
    whole, by one fused operation a layer; where names are written a character at a time, with the state handed on.

    In training units are dropped the same at every step of a name (Gal & Ghahramani 2016), weights from state to state
    are dropped for a batch (Merity et al. 2018), and characters are blanked out, which smoothes what is learned of
    contexts as shorter ones do in counting (Xie et al. 2017).

    It is made as an ``MLP`` is: ``LSTM(vocabulary, hidden=64, dropout=0.4, rng=0)``.

    Attributes
    ----------
    embedding, recurrent, output
        The layers.
    """

    Config = RecurrentConfig
    plan_defaults: ClassVar[Mapping[str, object]] = {
        "steps": 4000,
        "batch_size": 128,
        "lr": 8e-3,
        "weight_decay": 0.05,
        "clip_grad_norm": 1.0,
        "ema_decay": 0.999,
    }
    _layer: ClassVar[type[nn.RNN] | type[nn.GRU] | type[nn.LSTM]]

    def __init__(
        self,
        vocabulary: Tokenizer | None = None,
        configuration: RecurrentConfig | None = None,
        *,
        rng: np.random.Generator | int | None = None,
        dtype: DTypeLike = np.float32,
        **settings: object,
    ) -> None:
        self.vocabulary = vocabulary_or_letters(vocabulary)
        sizes = RecurrentConfig.merged(type(self), configuration, settings)
        self.configuration = self._sizes = sizes
        generator, dropout = as_generator(rng), sizes.dropout
        self.embedding = nn.Embedding(len(self.vocabulary), sizes.embedding, rng=generator, dtype=dtype)
        self.blank = nn.Dropout(sizes.blank, rng=generator)
        self.embedding_dropout = nn.Dropout(dropout / 2, rng=generator)
        self.recurrent = self._layer(
            *(sizes.embedding, sizes.hidden, sizes.layers),
            dropout=dropout if sizes.layers > 1 else 0.0,
            weight_dropout=sizes.recurrent_dropout,
            rng=generator,
            dtype=dtype,
        )
        self.dropout = nn.Dropout(dropout, rng=generator)
        self.output = nn.Linear(sizes.hidden, len(self.vocabulary), rng=generator, dtype=dtype)

    def forward(self, tokens: Array) -> Tensor:
        """Logits (n, length, len(vocabulary)) of the token after each of the ids (n, length)."""
        rows = self.embedding(tokens.T)
        rows = _shared(self.embedding_dropout, _shared(self.blank, rows, axis=2), axis=0)
        states, _ = self.recurrent(rows)
        return self.output(_shared(self.dropout, states, axis=0)).swapaxes(0, 1)

    def start(self, n: int) -> Any:
        """States of zeros: (layers, n, hidden)."""
        sizes = self._sizes
        return np.zeros((sizes.layers, n, sizes.hidden), self.output.weight.dtype)

    def step(self, tokens: Array, state: Any) -> tuple[Tensor, Any]:
        """Read one more token of each name; see ``LanguageModel.step``."""
        states, state = self.recurrent(self.embedding(tokens[None]), state)
        return self.output(states[0]), state

    def select(self, state: Any, rows: Array) -> Any:
        """The states of some of the names; see ``LanguageModel.select``."""
        return plain(state)[:, rows]


def _shared(dropout: nn.Dropout, x: Tensor, axis: int) -> Tensor:
    """Dropout of x with one mask for all places along an axis: for every step, or all numbers of a character."""
    if not dropout.training or not dropout.p:
        return x
    shape = tuple(1 if i == axis else size for i, size in enumerate(x.shape))
    return x * nn.functional.dropout_mask(shape, dropout.p, x.dtype, dropout.rng)


class RNN(_Recurrent):
    """A recurrent network (Elman 1990): h' = tanh(W x + U h + b), the lectures' telephone game."""

    kind: ClassVar[str] = "rnn"
    _layer = nn.RNN


class GRU(_Recurrent):
    """A gated recurrent unit (Cho et al. 2014): two gates decide what is kept and what is made anew."""

    kind: ClassVar[str] = "gru"
    _layer = nn.GRU


class LSTM(_Recurrent):
    """A long short-term memory (Hochreiter & Schmidhuber 1997): a cell beside the state, and three gates over it."""

    kind: ClassVar[str] = "lstm"
    _layer = nn.LSTM

    def start(self, n: int) -> Any:
        """States and cells of zeros, each (layers, n, hidden)."""
        return super().start(n), super().start(n)

    def select(self, state: Any, rows: Array) -> Any:
        """The states and cells of some of the names; see ``LanguageModel.select``."""
        return tuple(plain(part)[:, rows] for part in cast("tuple[Any, Any]", state))
