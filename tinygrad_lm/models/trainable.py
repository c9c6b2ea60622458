"""Models that learn by gradient descent: over whole names, or over windows of their last tokens."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, cast

import numpy as np

from tinygrad_lm.autograd import Value, no_grad
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.models.interface import LanguageModel, take, written_in
from tinygrad_lm.nn import Module, Parameter, evaluating
from tinygrad_lm.nn import functional as F
from tinygrad_lm.text import NameDataset, SequenceDataset
from tinygrad_lm.text.targets import IGNORE

CHUNK = 1 << 14
"""How many tokens are predicted in one go at most."""
CHUNK_NUMBERS = 1 << 24
"""How many numbers one layer then holds at most."""


class Examples(Protocol):
    """Training examples that batches are drawn from."""

    def __len__(self) -> int:
        """How many examples there are."""
        ...

    def sample(self, batch_size: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Inputs and targets of a batch drawn with replacement."""
        ...


class TrainableModel(LanguageModel):
    """A model that learns by gradient descent, over whole names: each of its tokens from those before it.

    Derive from ``nn.Module`` and this class, in this order, and write

    - ``forward(tokens)``: ids (n, length), the boundary first, give logits (n, length, len(vocabulary)) of the token
      after each, which see no token behind it. A model that sees no more than the last so many tokens says so as its
      ``context``;
    - or ``start(n)`` and ``step(tokens, state)`` with tensors, as of a recurrent network, which ``forward`` then
      repeats. Write ``step`` besides ``forward`` where it need not read the whole name again (with keys and values).

    ``loss`` is the mean cross-entropy of the next token unless you write another. Models of windows derive from
    ``WindowModel``. A model that is no ``nn.Module``, but holds one or ``Value``s, writes ``loss`` and
    ``named_parameters``.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        written = written_in(cls)
        super().__init_subclass__(**options)
        if not issubclass(cls, Module):
            return
        if written == {"forward"}:
            base = WindowModel if issubclass(cls, WindowModel) else TrainableModel
            take(cls, base, "start", "step", "next_logits")
        elif "step" in written and cls.forward is Module.forward:
            setattr(cls, "forward", _steps)  # noqa: B010 - nn.Module's stands before what this class could inherit

    def step(self, tokens: Array, state: Any) -> tuple[Tensor | Array, Any]:
        """Read one more token of each name, and all before it again; see ``LanguageModel.step``."""
        seen = np.concatenate([state, tokens[:, None]], axis=1)
        if (most := self._most()) is not None:
            seen = seen[:, -most:]
        return self._logits(seen)[:, -1], seen

    def examples(self, names: Sequence[str]) -> Examples:
        """The training examples of a list of names: whole names, or what of them fits the ``context``."""
        return SequenceDataset(names, self.vocabulary, self._most())

    def loss(self, inputs: Array, targets: Array) -> Tensor:
        """The mean cross-entropy of a batch of examples over the targets that count, in nats, to differentiate."""
        return F.cross_entropy(self._logits(inputs), targets, ignore_index=IGNORE)

    def log_likelihoods(self, names: Sequence[str]) -> Array:
        """The log-probability of every token of every name and of its end, in order, as one flat array."""
        sequences = SequenceDataset(names, self.vocabulary, self._most())
        chunk = max(1, self._chunk() // sequences.longest)
        found: list[Array] = []
        with evaluating(self), no_grad():
            for first in range(0, len(sequences), chunk):
                inputs, targets = sequences.take(np.arange(first, min(first + chunk, len(sequences))))
                counted = targets != IGNORE
                rows = F.log_softmax(self._logits(inputs)).data[counted]
                found.append(rows[np.arange(len(rows)), targets[counted]])
        return np.concatenate(found)

    @abstractmethod
    def named_parameters(self) -> Iterator[tuple[str, Parameter | Value]]:
        """Every parameter once, with its name; a model that is an ``nn.Module`` has this already."""

    def _most(self) -> int | None:
        """How many tokens the model sees at once: its ``context``, if it has one."""
        return getattr(self, "context", None)

    def _logits(self, inputs: Array) -> Tensor:
        """What ``forward`` computes."""
        if not isinstance(self, Module):
            raise NotImplementedError(
                f"{type(self).__name__} is no nn.Module with a forward: write class {type(self).__name__}(nn.Module, "
                "TrainableModel), or loss and next_logits"
            )
        found: Tensor = self(inputs)
        return found

    def _chunk(self) -> int:
        """How many tokens are predicted in one go."""
        widest = max(
            (side for _, parameter in self.named_parameters() for side in np.shape(parameter.data)),
            default=1,
        )
        return max(1, min(CHUNK, CHUNK_NUMBERS // max(widest, len(self.vocabulary))))


class WindowModel(TrainableModel):
    """A model that predicts from the last ``context`` tokens, and from nothing else.

    Derive from ``nn.Module`` and this class, in this order; set ``context``, and write ``forward(contexts)``: ids
    (n, context) give logits (n, len(vocabulary)) of the token after them. The boundary fills a context that would
    reach past the start of a name.
    """

    context: int
    """How many tokens it sees."""

    def start(self, n: int) -> Array:
        """Windows of nothing but boundaries."""
        return np.full((n, self.context), self.vocabulary.boundary_id)

    def step(self, tokens: Array, state: Array) -> tuple[Tensor | Array, Array]:
        """Move each window on by one token; see ``LanguageModel.step``."""
        windows = np.concatenate([state[:, 1:], tokens[:, None]], axis=1)
        return self._logits(windows), windows

    def examples(self, names: Sequence[str]) -> NameDataset:
        """The sliding windows of the names."""
        return NameDataset(names, self.vocabulary, self.context)

    def next_logits(self, prefixes: Sequence[Sequence[int]]) -> Array:
        """Logits of the token after each prefix of ids, of which the last ``context`` count."""
        padded = [[self.vocabulary.boundary_id] * self.context + list(prefix) for prefix in prefixes]
        contexts = np.array([row[-self.context :] for row in padded], np.int64).reshape(-1, self.context)
        with evaluating(self), no_grad():
            return self._logits(contexts).data

    def log_likelihoods(self, names: Sequence[str]) -> Array:
        """The log-probability of every token of every name and of its end, in order, as one flat array."""
        windows = self.examples(names)
        chunk = self._chunk()
        found: list[Array] = []
        with evaluating(self), no_grad():
            for first in range(0, len(windows), chunk):
                contexts, targets = windows.take(np.arange(first, min(first + chunk, len(windows))))
                rows = F.log_softmax(self._logits(contexts)).data
                found.append(rows[np.arange(len(rows)), targets])
        return np.concatenate(found)


def _steps(model: TrainableModel, tokens: Array) -> Tensor:
    """Logits (n, length, tokens) after each of the ids (n, length): a step for each column."""
    state = model.start(len(tokens))
    found: list[Tensor | Array] = []
    for column in np.asarray(tokens).T:
        logits, state = model.step(column, state)
        found.append(logits)
    return cast(Tensor, np.stack(found, axis=1))  # pyright: ignore[reportArgumentType, reportCallIssue]
