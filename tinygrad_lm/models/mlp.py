"""The neural window model: embed the last few tokens, concatenate, a hidden layer or more, 27 logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from tinygrad_lm import nn
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.models.config import Config, setting
from tinygrad_lm.models.limits import MAX_NUMBERS
from tinygrad_lm.models.trainable import WindowModel
from tinygrad_lm.random import as_generator
from tinygrad_lm.text import Tokenizer
from tinygrad_lm.text.vocabulary import vocabulary_or_letters

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

NORMS = ("none", "batch", "layer")


ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "gelu": partial(nn.GELU, "tanh"),
}
"""What may follow each hidden layer; GELU in GPT-2's form, which takes a third of the time."""


@dataclass(frozen=True)
class MLPConfig(Config):
    """What an ``MLP`` is configured by."""

    context: int = setting(3, "how many characters it sees", low=1, high=1 << 10)
    embedding: int = setting(10, "numbers for each character", low=1, high=1 << 16)
    hidden: tuple[int, ...] = setting((200,), "hidden layer sizes: 300 100, or 300,100", low=1, high=1 << 20)
    activation: str = setting("tanh", "after each hidden layer", choices=ACTIVATIONS)
    norm: str = setting("none", "BatchNorm or LayerNorm before each activation", choices=NORMS, added=True)
    residual: bool = setting(False, "add a hidden layer's input to its output, where both have one size", added=True)
    dropout: float = setting(0.0, "share of each hidden layer that is set to 0 in training", high=0.95, added=True)


class MLP(nn.Module, WindowModel):
    """Embedding -> concatenate -> (Linear -> activation) per hidden size -> Linear to logits (Bengio et al. 2003).

    Contexts (n, context) of integer ids give logits (n, len(vocabulary)). The lectures draw context 3, embedding
    2, hidden 100, which is the preset ``deck-mlp``; their lab's is ``lab4-mlp``. Between a layer and its activation may
    stand a norm, behind it dropout, and a layer of the size of the one before may be added to what came in.

    Settings are given by name, or as an ``MLP.Config``, which says what each means: ``MLP(vocabulary, context=8,
    hidden=(300,), rng=0)``. Without a vocabulary it knows a to z. ``rng`` draws the weights, of ``dtype``.

    Weights start by Kaiming's rule for the nonlinearity, the last layer small, so that the first loss is close to
    log(len(vocabulary)): no character is favoured before anything was learned.
    """

    kind: ClassVar[str] = "mlp"
    Config = MLPConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "deck-mlp": {"context": 3, "embedding": 2, "hidden": (100,), "activation": "relu"},
        "lab4-mlp": {"context": 3, "embedding": 10, "hidden": (100,), "activation": "tanh"},
    }

    def __init__(
        self,
        vocabulary: Tokenizer | None = None,
        configuration: MLPConfig | None = None,
        *,
        rng: np.random.Generator | int | None = None,
        dtype: DTypeLike = np.float32,
        **settings: object,
    ) -> None:
        self.vocabulary = vocabulary_or_letters(vocabulary)
        self.configuration = sizes = MLPConfig.merged(type(self), configuration, settings)
        generator = as_generator(rng)
        if (size := _size(sizes, self.vocabulary)) > MAX_NUMBERS:
            raise ValueError(f"this model has {size:,} parameters, more than {MAX_NUMBERS:,}; choose smaller layers")
        self.context = sizes.context
        self.embedding = nn.Embedding(len(self.vocabulary), sizes.embedding, rng=generator, dtype=dtype)
        layers: list[nn.Module] = []
        width = self._width = sizes.context * sizes.embedding
        for size in sizes.hidden:
            parts = _layer(sizes, width, size, generator, dtype)
            layers += [Residual(*parts)] if sizes.residual and size == width else parts
            width = size
        self.hidden = nn.Sequential(*layers)
        self.output = nn.Linear(width, len(self.vocabulary), rng=generator, dtype=dtype)
        self.output.weight.data = self.output.weight.data * 0.1
        if self.output.bias is not None:
            nn.init.zeros_(self.output.bias)

    def forward(self, contexts: Array) -> Tensor:
        """Logits (n, len(vocabulary)) of the token after each context (n, context) of ids."""
        self.check_contexts(contexts)
        embedded = self.embedding(contexts)
        return self.output(self.hidden(embedded.reshape((len(contexts), self._width))))

    @classmethod
    def size_of(cls, config: Mapping[str, object], vocabulary: Tokenizer) -> int:
        """The number of parameters."""
        return _size(cast(MLPConfig, cls.Config.from_json(config)), vocabulary)


class Residual(nn.Sequential):
    """Modules in turn, and what came in added to what the last one gives: x + f(x) (He et al. 2016)."""

    def forward(self, x: Any, *more: Any) -> Any:
        """The sum."""
        return x + super().forward(x, *more)


def _layer(sizes: MLPConfig, width: int, size: int, rng: np.random.Generator, dtype: DTypeLike) -> list[nn.Module]:
    """A hidden layer with its norm, its activation and its dropout, where it has these."""
    linear = nn.Linear(width, size, rng=rng, dtype=dtype)
    nn.init.kaiming_normal_(linear.weight, sizes.activation, rng=rng)
    parts: list[nn.Module] = [linear]
    if sizes.norm != "none":
        parts.append(nn.BatchNorm1d(size, dtype=dtype) if sizes.norm == "batch" else nn.LayerNorm(size, dtype=dtype))
    parts.append(ACTIVATIONS[sizes.activation]())
    if sizes.dropout:
        parts.append(nn.Dropout(sizes.dropout, rng=rng))
    return parts


def _size(config: MLPConfig, vocabulary: Tokenizer) -> int:
    widths = [config.context * config.embedding, *config.hidden, len(vocabulary)]
    of_norms = {"none": 0, "layer": 2, "batch": 4}[config.norm] * sum(config.hidden)
    weights = sum((before + 1) * after for before, after in pairwise(widths))
    return len(vocabulary) * config.embedding + weights + of_norms
