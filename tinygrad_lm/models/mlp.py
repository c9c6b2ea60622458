"""The neural window model: embed the last few tokens, concatenate, a hidden layer or more, 27 logits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import ClassVar, TypedDict, cast

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_lm import defaults, nn
from tinygrad_lm.autograd import no_grad
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.models.interface import MAX_NUMBERS, TrainableModel, whole_entry
from tinygrad_lm.nn import functional as F
from tinygrad_lm.random import as_generator
from tinygrad_lm.text import NameDataset, Tokenizer, Vocabulary

ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU}
MAX_LAYERS = 100
CHUNK = 1 << 14
CHUNK_NUMBERS = 1 << 24


class _Sizes(TypedDict):
    """What an ``MLP`` is configured by."""

    context: int
    embedding: int
    hidden: list[int]
    activation: str


class MLP(nn.Module, TrainableModel):
    """Embedding -> concatenate -> (Linear -> Tanh or ReLU) per hidden size -> Linear to logits (Bengio et al. 2003).

    Contexts (n, context) of integer ids give logits (n, len(vocabulary)). The lectures draw context 3, embedding
    2, hidden 100. Weights start by Kaiming's rule for the nonlinearity, the last layer small, so that the first
    loss is close to log(len(vocabulary)): no character is favoured before anything was learned.
    """

    kind: ClassVar[str] = "mlp"

    def __init__(
        self,
        vocabulary: Tokenizer | None = None,
        context: int = defaults.CONTEXT,
        embedding: int = defaults.EMBEDDING,
        hidden: Sequence[int] = defaults.HIDDEN,
        activation: str = defaults.ACTIVATION,
        *,
        rng: np.random.Generator | int | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        generator = as_generator(rng)
        self.vocabulary = Vocabulary() if vocabulary is None else vocabulary
        config = self._config = _checked(
            {"context": context, "embedding": embedding, "hidden": list(hidden), "activation": activation}
        )
        if (size := _size(config, self.vocabulary)) > MAX_NUMBERS:
            raise ValueError(f"this model has {size:,} parameters, more than {MAX_NUMBERS:,}; choose smaller layers")
        self.context = config["context"]
        self.embedding = nn.Embedding(len(self.vocabulary), config["embedding"], rng=generator, dtype=dtype)
        layers: list[nn.Module] = []
        width = self._width = self.context * config["embedding"]
        for size in config["hidden"]:
            layer = nn.Linear(width, size, rng=generator, dtype=dtype)
            nn.init.kaiming_normal_(layer.weight, activation, rng=generator)
            layers += [layer, ACTIVATIONS[activation]()]
            width = size
        self.hidden = nn.Sequential(*layers)
        self.output = nn.Linear(width, len(self.vocabulary), rng=generator, dtype=dtype)
        self.output.weight.data = self.output.weight.data * 0.1
        if self.output.bias is not None:
            nn.init.zeros_(self.output.bias)

    def forward(self, contexts: Array) -> Tensor:
        """Logits (n, len(vocabulary)) of the token after each context (n, context) of ids."""
        embedded = self.embedding(contexts)
        return self.output(self.hidden(embedded.reshape((len(contexts), self._width))))

    def loss(self, inputs: Array, targets: Array) -> Tensor:
        """The mean cross-entropy of contexts (n, context) and targets (n,), in nats."""
        return F.cross_entropy(self(inputs), targets)

    def examples(self, names: Sequence[str]) -> NameDataset:
        """The sliding windows of the names."""
        return NameDataset(names, self.vocabulary, self.context)

    def next_logits(self, prefixes: Sequence[Sequence[int]]) -> Array:
        """Logits of the token after each prefix of ids, of which the last ``context`` count."""
        padded = [[self.vocabulary.boundary_id] * self.context + list(prefix) for prefix in prefixes]
        contexts = np.array([row[-self.context :] for row in padded], np.int64).reshape(-1, self.context)
        with nn.evaluating(self), no_grad():
            return self(contexts).data

    def log_likelihoods(self, names: Sequence[str]) -> Array:
        """The log-probability of every token of every name and of its end."""
        windows = self.examples(names)
        found: list[Array] = []
        widest = max(self.context * self.embedding.weight.shape[1], *self._config["hidden"], len(self.vocabulary))
        chunk = max(1, min(CHUNK, CHUNK_NUMBERS // widest))
        with nn.evaluating(self), no_grad():
            for start in range(0, len(windows), chunk):
                contexts, targets = windows.take(np.arange(start, min(start + chunk, len(windows))))
                rows = F.log_softmax(self(contexts)).data
                found.append(rows[np.arange(len(rows)), targets])
        return np.concatenate(found)

    def config(self) -> dict[str, object]:
        """Context, embedding width, hidden sizes and activation."""
        return dict(self._config)

    @classmethod
    def from_config(cls, config: Mapping[str, object], vocabulary: Tokenizer) -> MLP:
        """An untrained model of the given sizes."""
        return cls(vocabulary, **_checked(config), rng=0)

    @classmethod
    def size_of(cls, config: Mapping[str, object], vocabulary: Tokenizer) -> int:
        """The number of parameters."""
        return _size(_checked(config), vocabulary)


def _size(config: _Sizes, vocabulary: Tokenizer) -> int:
    widths = [config["context"] * config["embedding"], *config["hidden"], len(vocabulary)]
    return len(vocabulary) * config["embedding"] + sum((before + 1) * after for before, after in pairwise(widths))


def _checked(config: Mapping[str, object]) -> _Sizes:
    """A configuration with every entry in range; raises ``ValueError`` naming the one that is not."""
    known = {"context", "embedding", "hidden", "activation"}
    if set(config) != known:
        raise ValueError(f"an MLP is configured by {', '.join(sorted(known))}, not {', '.join(sorted(config))}")
    hidden, activation = config["hidden"], config["activation"]
    sizes = cast(Sequence[object], hidden) if isinstance(hidden, (list, tuple)) else None
    if sizes is None or len(sizes) > MAX_LAYERS:
        raise ValueError(f"hidden is a list of at most {MAX_LAYERS} layer sizes, such as [200], not {hidden!r:.60}")
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        raise ValueError(f"activation is one of {', '.join(ACTIVATIONS)}, not {activation!r}")
    return {
        "context": whole_entry(config, "context", 1, 1 << 10),
        "embedding": whole_entry(config, "embedding", 1, 1 << 16),
        "hidden": [whole_entry({"hidden": size}, "hidden", 1, 1 << 20) for size in sizes],
        "activation": activation,
    }
