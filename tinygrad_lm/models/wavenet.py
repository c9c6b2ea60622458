"""The hierarchical family: the last characters fused two by two, then pairs of pairs, as WaveNet does in time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tinygrad_lm import nn
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.models.config import Config, setting
from tinygrad_lm.models.mlp import ACTIVATIONS, NORMS
from tinygrad_lm.models.trainable import WindowModel
from tinygrad_lm.random import as_generator
from tinygrad_lm.text import Tokenizer
from tinygrad_lm.text.vocabulary import vocabulary_or_letters

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


@dataclass(frozen=True)
class WaveNetConfig(Config):
    """What a ``WaveNet`` is configured by."""

    levels: int = setting(3, "how often two neighbours are fused: 3 levels see 8 characters", low=1, high=10)
    embedding: int = setting(24, "numbers for each character", low=1, high=1 << 16)
    hidden: int = setting(96, "numbers for each pair", low=1, high=1 << 16)
    activation: str = setting("gelu", "after each fusion", choices=ACTIVATIONS)
    norm: str = setting("layer", "BatchNorm or LayerNorm before each activation", choices=NORMS)
    dropout: float = setting(0.4, "share of each level that is set to 0 in training", high=0.95)


class WaveNet(nn.Module, WindowModel):
    """Embedding -> levels of (two neighbours concatenated -> Linear -> norm -> activation) -> Linear to logits.

    Contexts (n, 2^levels) of ids give logits (n, len(vocabulary)). Each level halves the length: nothing is squashed
    into one layer at once. This is makemore's hierarchical model, whose tree is that of WaveNet's dilated
    convolutions at one place; its own sizes, with 76,579 parameters, are the preset ``makemore-wavenet``. It is made as
    an ``MLP`` is: ``WaveNet(vocabulary, levels=2, rng=0)``.

    References
    ----------
    van den Oord et al., "WaveNet: A Generative Model for Raw Audio", 2016.
    """

    kind: ClassVar[str] = "wavenet"
    Config = WaveNetConfig
    plan_defaults: ClassVar[Mapping[str, object]] = {
        "steps": 4000,
        "batch_size": 128,
        "weight_decay": 0.1,
        "ema_decay": 0.998,
    }
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "makemore-wavenet": {"levels": 3, "embedding": 24, "hidden": 128, "activation": "tanh", "norm": "batch"},
    }

    def __init__(
        self,
        vocabulary: Tokenizer | None = None,
        configuration: WaveNetConfig | None = None,
        *,
        rng: np.random.Generator | int | None = None,
        dtype: DTypeLike = np.float32,
        **settings: object,
    ) -> None:
        self.vocabulary = vocabulary_or_letters(vocabulary)
        self.configuration = sizes = WaveNetConfig.merged(type(self), configuration, settings)
        generator = as_generator(rng)
        self.context = 2**sizes.levels
        self.embedding = nn.Embedding(len(self.vocabulary), sizes.embedding, rng=generator, dtype=dtype)
        widths = [sizes.embedding, *[sizes.hidden] * (sizes.levels - 1)]
        self.levels = nn.ModuleList([_Level(sizes, width, generator, dtype) for width in widths])
        self.output = nn.Linear(sizes.hidden, len(self.vocabulary), rng=generator, dtype=dtype)
        self.output.weight.data = self.output.weight.data * 0.1

    def forward(self, contexts: Array) -> Tensor:
        """Logits (n, len(vocabulary)) of the token after each context (n, 2^levels) of ids."""
        self.check_contexts(contexts)
        x = self.embedding(contexts)
        for level in self.levels:
            x = level(x)
        return self.output(x[:, 0])


class _Level(nn.Module):
    """Neighbours fused: (n, length, width) to (n, length / 2, hidden)."""

    def __init__(self, sizes: WaveNetConfig, width: int, rng: np.random.Generator, dtype: DTypeLike) -> None:
        self.fuse = nn.Linear(2 * width, sizes.hidden, bias=sizes.norm == "none", rng=rng, dtype=dtype)
        nn.init.kaiming_normal_(self.fuse.weight, sizes.activation, rng=rng)
        norms = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
        self.norm = norms[sizes.norm](sizes.hidden, dtype=dtype) if sizes.norm in norms else nn.Sequential()
        self.activation = ACTIVATIONS[sizes.activation]()
        self.dropout = nn.Dropout(sizes.dropout, rng=rng)

    def forward(self, x: Any) -> Tensor:
        n, length, width = x.shape
        rows = self.norm(self.fuse(x.reshape(n * length // 2, 2 * width)))
        return self.dropout(self.activation(rows)).reshape(n, length // 2, rows.shape[1])
