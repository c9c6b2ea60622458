"""The Transformer family: blocks of attention and a small network for each place, pre-norm or post-norm."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

import numpy as np

from tinygrad_lm import nn
from tinygrad_lm.autograd import no_grad
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.models.config import Config, setting
from tinygrad_lm.models.trainable import TrainableModel
from tinygrad_lm.models.ways import plain
from tinygrad_lm.nn import functional as F
from tinygrad_lm.random import as_generator
from tinygrad_lm.text import Tokenizer
from tinygrad_lm.text.vocabulary import vocabulary_or_letters

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

ACTIVATIONS = ("gelu", "relu", "swiglu")
POSITIONS = ("learned", "sinusoidal", "rotary", "none")


@dataclass(frozen=True)
class TransformerConfig(Config):
    """What a ``Transformer`` is configured by."""

    context: int = setting(16, "how many characters it sees", low=1, high=1 << 12)
    width: int = setting(64, "numbers for each character", low=1, high=1 << 14)
    heads: int = setting(4, "heads of attention, which divide the width", low=1, high=1 << 10)
    layers: int = setting(2, "blocks", low=1, high=256)
    feed_forward: int | None = setting(
        None, "units of each block's small network", low=1, high=1 << 16, unset="4 times the width"
    )
    activation: str = setting("gelu", "in that network", choices=ACTIVATIONS)
    norm: str = setting("layer", "LayerNorm or RMSNorm", choices=("layer", "rms"))
    pre_norm: bool = setting(True, "normalise before each part of a block, not after adding it")
    positions: str = setting("learned", "what tells places apart", choices=POSITIONS)
    affine: bool = setting(True, "norms learn a scale, and LayerNorm a shift")
    bias: bool = setting(True, "biases in the linear maps of the blocks")
    tie: bool = setting(False, "the output's weights are those of the embedding")
    dropout: float = setting(0.3, "share of what each part gives that is set to 0 in training", high=0.95)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not divided by heads {self.heads}: each head has a share of it")
        if self.positions == "rotary" and self.width // self.heads % 2:
            raise ValueError(
                f"rotary positions turn pairs of numbers, but each of the {self.heads} heads has "
                f"{self.width // self.heads} of width {self.width}: choose an even share"
            )


MAKEMORE = TransformerConfig(layers=4)
"""As A. Karpathy's makemore: the same function of the weights, which start otherwise. How much is dropped is open."""
MICROGPT = TransformerConfig(width=16, layers=1, activation="relu", norm="rms", affine=False, bias=False, dropout=0.0)
"""As A. Karpathy's microgpt, but for a norm: that has one after the embedding in place of the one before the output."""


class Cache(NamedTuple):
    """The state of names that are being written."""

    seen: Array
    """The ids read so far (n, length), as far as the context reaches."""
    keys: tuple[Any, ...]
    """The keys of every block (n, heads, length, share); none once names are longer than the context."""
    values: tuple[Any, ...]


class Block(nn.Module):
    """Masked attention, then a small network for each place, each added to what came in (Vaswani et al. 2017).

    Pre-norm: x + attention(norm(x)), as in GPT-2; post-norm: norm(x + attention(x)), "add and normalise", as on the
    slide.
    """

    def __init__(self, sizes: TransformerConfig, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> None:
        self.sizes = sizes
        width, units = sizes.width, sizes.feed_forward or 4 * sizes.width
        self.attention_norm, self.network_norm = _norm(sizes, dtype), _norm(sizes, dtype)
        self.project = nn.Linear(width, 3 * width, sizes.bias, rng=rng, dtype=dtype)
        self.mix = nn.Linear(width, width, sizes.bias, rng=rng, dtype=dtype)
        self.up = nn.Linear(width, units, sizes.bias, rng=rng, dtype=dtype)
        if sizes.activation == "swiglu":
            self.gate = nn.Linear(width, units, sizes.bias, rng=rng, dtype=dtype)
        self.down = nn.Linear(units, width, sizes.bias, rng=rng, dtype=dtype)
        self.dropout = nn.Dropout(sizes.dropout, rng=rng)

    def forward(self, x: Tensor, past: tuple[Any, Any] | None = None) -> tuple[Tensor, tuple[Any, Any]]:
        """X (n, length, width) after this block, and the keys and values of all places so far.

        ``past`` are those of the places before x, each (n, heads, length, share).
        """
        if self.sizes.pre_norm:
            mixed, memory = self._attend(self.attention_norm(x), past)
            x = x + self.dropout(mixed)
            return x + self.dropout(self._network(self.network_norm(x))), memory
        mixed, memory = self._attend(x, past)
        x = self.attention_norm(x + self.dropout(mixed))
        return self.network_norm(x + self.dropout(self._network(x))), memory

    def _attend(self, x: Tensor, past: tuple[Any, Any] | None) -> tuple[Tensor, tuple[Any, Any]]:
        query, key, value = self._heads(x, 0 if past is None else past[0].shape[2])
        if past is not None:
            key, value = (
                cast(Tensor, np.concatenate([old, new], axis=2)) for old, new in zip(past, (key, value), strict=True)
            )
        p, rng = self.dropout.p if self.training else 0.0, self.dropout.rng
        mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=p, is_causal=past is None, rng=rng)
        n, heads, length, share = mixed.shape
        return self.mix(mixed.swapaxes(1, 2).reshape(n, length, heads * share)), (key, value)

    def _heads(self, x: Tensor, first: int) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values (n, heads, length, share); the first of the places has the number ``first``."""
        n, length, width = x.shape
        heads = self.sizes.heads
        parts: Any = self.project(x).reshape(n, length, 3, heads, width // heads).transpose(2, 0, 3, 1, 4)
        query, key, value = cast(Tensor, parts[0]), cast(Tensor, parts[1]), cast(Tensor, parts[2])
        if self.sizes.positions == "rotary":
            query, key = nn.rotary(query, first), nn.rotary(key, first)
        return query, key, value

    def _network(self, x: Tensor) -> Tensor:
        up = self.up(x)
        if self.sizes.activation == "swiglu":
            return self.down(F.silu(self.gate(x)) * up)
        return self.down(F.relu(up) if self.sizes.activation == "relu" else F.gelu(up, "tanh"))

    def weights(self, x: Tensor) -> Tensor:
        """The weights of attention of x (n, length, width): (n, heads, length, length), rows sum to 1."""
        query, key, _ = self._heads(self.attention_norm(x) if self.sizes.pre_norm else x, 0)
        return F.attention_weights(query, key, is_causal=True)


class Transformer(nn.Module, TrainableModel):
    """Embedding and place -> blocks of masked attention -> Linear to logits, after each character of a name.

    Ids (n, length), the boundary first, give logits (n, length, len(vocabulary)), each from its place and those before.
    Where names are written the keys and values of what was read are kept, so that a step reads one token. It is made as
    an ``MLP`` is: ``Transformer(vocabulary, width=32, layers=4, rng=0)``. The presets have the sizes of A. Karpathy's
    programs makemore and microgpt, with the plan of this family; the first has its dropout too.

    References
    ----------
    Vaswani et al., "Attention Is All You Need", 2017. Radford et al., "Language Models are Unsupervised Multitask
    Learners" (GPT-2), 2019.
    """

    kind: ClassVar[str] = "transformer"
    Config = TransformerConfig
    plan_defaults: ClassVar[Mapping[str, object]] = {
        "steps": 3000,
        "weight_decay": 0.1,
        "clip_grad_norm": 1.0,
        "warmup_steps": 100,
        "ema_decay": 0.998,
    }
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "makemore-transformer": {name: value for name, value in vars(MAKEMORE).items() if name != "dropout"},
        "microgpt": vars(MICROGPT),
    }

    def __init__(
        self,
        vocabulary: Tokenizer | None = None,
        configuration: TransformerConfig | None = None,
        *,
        rng: np.random.Generator | int | None = None,
        dtype: DTypeLike = np.float32,
        **settings: object,
    ) -> None:
        self.vocabulary = vocabulary_or_letters(vocabulary)
        sizes = TransformerConfig.merged(type(self), configuration, settings)
        self.configuration = self._sizes = sizes
        generator = as_generator(rng)
        self.context = sizes.context
        self.tokens = nn.Embedding(len(self.vocabulary), sizes.width, rng=generator, dtype=dtype)
        nn.init.normal_(self.tokens.weight, std=sizes.width**-0.5, rng=generator)
        if sizes.positions == "learned":
            self.places = nn.Embedding(sizes.context, sizes.width, rng=generator, dtype=dtype)
            nn.init.normal_(self.places.weight, std=sizes.width**-0.5, rng=generator)
        self.dropout = nn.Dropout(sizes.dropout, rng=generator)
        self.blocks = nn.ModuleList([Block(sizes, generator, dtype) for _ in range(sizes.layers)])
        for block in self.blocks:
            _start(block, sizes.layers, generator)
        if sizes.pre_norm:
            self.norm = _norm(sizes, dtype)
        if not sizes.tie:
            self.output = nn.Linear(sizes.width, len(self.vocabulary), bias=False, rng=generator, dtype=dtype)
        # After all that is drawn, by which a damaged file's width is refused before it takes a gigabyte here.
        if sizes.positions == "sinusoidal":
            table = nn.sinusoidal_positions(sizes.context, sizes.width, dtype)
            self.register_buffer("sinusoids", table, persistent=False)

    def forward(self, tokens: Array) -> Tensor:
        """Logits (n, length, len(vocabulary)) of the token after each of the ids (n, length)."""
        if tokens.ndim != 2 or tokens.shape[1] > self.context:
            raise ValueError(f"Transformer reads ids (n, length), at most {self.context} of each, not {tokens.shape}")
        x = self._embedded(tokens, 0)
        for block in self.blocks:
            x, _ = block(x)
        return self._logits(x)

    def _embedded(self, tokens: Array, first: int) -> Tensor:
        x = self.tokens(tokens)
        places: Array = np.arange(first, first + len(tokens.T))
        if self._sizes.positions == "learned":
            x = x + self.places(places)
        elif self._sizes.positions == "sinusoidal":
            x = x * math.sqrt(self._sizes.width) + vars(self)["sinusoids"][places]
        return self.dropout(x)

    def _logits(self, x: Tensor) -> Tensor:
        x = self.norm(x) if self._sizes.pre_norm else x
        return F.linear(x, self.tokens.weight) if self._sizes.tie else self.output(x)

    def attention(self, tokens: Array) -> list[Array]:
        """The weights of attention of each block over ids (n, length): (n, heads, length, length), rows sum to 1."""
        found = list[Array]()
        with nn.evaluating(self), no_grad():
            x = self._embedded(np.asarray(tokens), 0)
            for block in self.blocks:
                found.append(plain(block.weights(x)))
                x, _ = block(x)
        return found

    def start(self, n: int) -> Cache:
        """Nothing read, and no keys."""
        sizes = self._sizes
        nothing = np.zeros((n, sizes.heads, 0, sizes.width // sizes.heads), self.tokens.weight.dtype)
        return Cache(np.empty((n, 0), np.int64), (nothing,) * sizes.layers, (nothing,) * sizes.layers)

    def step(self, tokens: Array, state: Cache) -> tuple[Tensor, Cache]:
        """Read one more token of each name, beside the keys and values of those before; see ``LanguageModel.step``.

        Names longer than the context are read anew at every step, as far as it reaches.
        """
        seen = np.concatenate([state.seen, tokens[:, None]], axis=1)[:, -self.context :]
        if state.seen.shape[1] == self.context:
            return self.forward(seen)[:, -1], Cache(seen, (), ())
        x = self._embedded(tokens[:, None], state.seen.shape[1])
        keys, values = list[Any](), list[Any]()
        for block, *past in zip(self.blocks, state.keys, state.values, strict=True):
            x, (key, value) = block(x, tuple(past))
            keys.append(key)
            values.append(value)
        return self._logits(x)[:, 0], Cache(seen, tuple(keys), tuple(values))

    def select(self, state: Cache, rows: Array) -> Cache:
        """The states of some of the names; see ``LanguageModel.select``."""
        kept = [tuple(plain(part)[rows] for part in parts) for parts in (state.keys, state.values)]
        return Cache(state.seen[rows], *kept)


def _norm(sizes: TransformerConfig, dtype: DTypeLike) -> nn.Module:
    if sizes.norm == "rms":
        return nn.RMSNorm(sizes.width, 1e-5, sizes.affine, dtype=dtype)
    return nn.LayerNorm(sizes.width, 1e-5, sizes.affine, dtype=dtype)


def _start(block: Block, layers: int, rng: np.random.Generator) -> None:
    """GPT-2's start: small weights, smaller still where a block adds to what came in."""
    for name, parameter in block.named_parameters():
        if not isinstance(parameter, Tensor):
            continue
        if parameter.ndim == 2:
            shrunk = math.sqrt(2 * layers) if name in ("mix.weight", "down.weight") else 1.0
            nn.init.normal_(parameter, std=1 / math.sqrt(3 * parameter.shape[1]) / shrunk, rng=rng)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)
