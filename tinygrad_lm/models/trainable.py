"""Models that learn by gradient descent: over whole names, or over windows of their last tokens."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol, cast

import numpy as np

from tinygrad_lm.autograd import Value, no_grad
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.types import Array, is_ndarray
from tinygrad_lm.models.interface import LanguageModel
from tinygrad_lm.models.ways import (
    ModelError,
    fitting,
    holder,
    pair,
    prefixes_by_steps,
    select_rows,
    shape_of,
    start_of_prefixes,
    take,
    written_in,
)
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

    ``loss`` is the mean cross-entropy of the next token, by ``forward``, unless you write another; what a derived class
    writes of ``step`` or ``next_logits`` changes what is written and evaluated, not what is learned. Models of windows
    derive from ``WindowModel``. A model that is no ``nn.Module``, but holds one or ``Value``s, writes ``loss``,
    ``next_logits`` and ``named_parameters``.
    """

    plan_defaults: ClassVar[Mapping[str, object]] = {}
    """What of a ``Plan`` the command ``train`` starts with for this family: ``{"steps": 2500, "lr": 6e-3}``."""

    def __init_subclass__(cls, **options: Any) -> None:
        written = written_in(cls)
        super().__init_subclass__(**options)
        if not issubclass(cls, Module):
            return
        of_windows = issubclass(cls, WindowModel)
        if written == {"forward"}:
            if of_windows:
                take(
                    cls,
                    start=start_of_windows,
                    step=step_of_windows,
                    select=select_rows,
                    next_logits=logits_of_windows,
                )
            else:
                take(
                    cls,
                    start=start_of_prefixes,
                    step=step_by_forward,
                    select=select_rows,
                    next_logits=prefixes_by_steps,
                )
        elif "step" in written and cls.forward is Module.forward:
            take(cls, forward=forward_by_steps)  # nn.Module's stands before what this class could inherit
        # The losses that are told are of what writes the names, unless the user said how they are computed.
        ours = [base.log_likelihoods for base in (LanguageModel, TrainableModel, WindowModel)]
        if written and cls.log_likelihoods in ours:
            base = LanguageModel if "forward" not in written else WindowModel if of_windows else TrainableModel
            setattr(cls, "log_likelihoods", base.log_likelihoods)  # noqa: B010

    def step(self, tokens: Array, state: Any) -> tuple[Tensor | Array, Any]:
        """Read one more token of each name, and all before it again; see ``LanguageModel.step``."""
        return step_by_forward(self, TrainableModel, tokens, state)

    def select(self, state: Any, rows: Array) -> Any:
        """The tokens so far of some of the names; see ``LanguageModel.select``."""
        return select_rows(self, TrainableModel, state, rows)

    def examples(self, names: Sequence[str]) -> Examples:
        """The training examples of a list of names: whole names, or what of them fits the ``context``."""
        return SequenceDataset(names, self.vocabulary, self._most())

    def loss(self, inputs: Array, targets: Array, label_smoothing: float = 0.0) -> Tensor:
        """The mean cross-entropy of a batch of examples over the targets that count, in nats, to differentiate.

        ``label_smoothing`` is what a ``Plan`` says of it.
        """
        logits = logits_of(self, type(self), inputs)
        return F.cross_entropy(logits, targets, ignore_index=IGNORE, label_smoothing=label_smoothing)

    def log_likelihoods(self, names: Sequence[str]) -> Array:
        """The log-probability of every token of every name and of its end, in order, as one flat array."""
        if not isinstance(self, Module):
            return super().log_likelihoods(names)
        sequences = SequenceDataset(names, self.vocabulary, self._most())
        chunk = max(1, self._chunk() // sequences.longest)
        found: list[Array] = []
        with evaluating(self), no_grad():
            for first in range(0, len(sequences), chunk):
                inputs, targets = sequences.take(np.arange(first, min(first + chunk, len(sequences))))
                counted = targets != IGNORE
                rows = F.log_softmax(logits_of(self, type(self), inputs)).data[counted]
                found.append(rows[np.arange(len(rows)), targets[counted]])
        return np.concatenate(found)

    @abstractmethod
    def named_parameters(self) -> Iterator[tuple[str, Parameter | Value]]:
        """Every parameter once, with its name; a model that is an ``nn.Module`` has this already."""

    def _most(self) -> int | None:
        """How many tokens the model sees at once: its ``context``, if it has one."""
        return getattr(self, "context", None)

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
        return start_of_windows(self, WindowModel, n)

    def step(self, tokens: Array, state: Array) -> tuple[Tensor | Array, Array]:
        """Move each window on by one token; see ``LanguageModel.step``."""
        return step_of_windows(self, WindowModel, tokens, state)

    def select(self, state: Array, rows: Array) -> Array:
        """The windows of some of the names; see ``LanguageModel.select``."""
        return select_rows(self, WindowModel, state, rows)

    def check_contexts(self, contexts: Array) -> None:
        """Raise ``ValueError`` where these are no contexts (n, ``context``), as ``forward`` does first."""
        if contexts.ndim != 2 or contexts.shape[1] != self.context:
            raise ValueError(f"{type(self).__name__} reads contexts (n, {self.context}), not {contexts.shape}")

    def examples(self, names: Sequence[str]) -> NameDataset:
        """The sliding windows of the names."""
        return NameDataset(names, self.vocabulary, self.context)

    def next_logits(self, prefixes: Sequence[Sequence[int]]) -> Array:
        """Logits of the token after each prefix of ids, of which the last ``context`` count."""
        return logits_of_windows(self, WindowModel, prefixes)

    def log_likelihoods(self, names: Sequence[str]) -> Array:
        """The log-probability of every token of every name and of its end, in order, as one flat array."""
        if not isinstance(self, Module):
            return LanguageModel.log_likelihoods(self, names)
        windows = self.examples(names)
        chunk = self._chunk()
        found: list[Array] = []
        with evaluating(self), no_grad():
            for first in range(0, len(windows), chunk):
                contexts, targets = windows.take(np.arange(first, min(first + chunk, len(windows))))
                rows = F.log_softmax(logits_of(self, type(self), contexts)).data
                found.append(rows[np.arange(len(rows)), targets])
        return np.concatenate(found)


def logits_of(model: TrainableModel, owner: type, inputs: Array) -> Tensor:
    """What ``forward`` makes of ids: of windows a row each, of sequences a row after each token."""
    if not isinstance(model, Module):
        raise NotImplementedError(
            f"{type(model).__name__} is no nn.Module with a forward: write class {type(model).__name__}(nn.Module, "
            "TrainableModel), or loss and next_logits"
        )
    by = holder(model, owner, "forward")
    found: object = model(inputs) if by is type(model) else by.forward(model, inputs)
    rows = inputs.shape[:1] if isinstance(model, WindowModel) else inputs.shape
    if is_ndarray(found) and found.dtype != object:
        raise ModelError(
            f"{type(model).__name__}.forward gave {shape_of(found)}, from which nothing is learned: give a Tensor"
        )
    return cast(Tensor, fitting(model, "forward", found, (*rows, len(model.vocabulary))))


def step_by_forward(model: TrainableModel, owner: type, tokens: Array, state: Array) -> tuple[Tensor, Array]:
    """One more token of each name, and all before it again, as far as the model sees."""
    seen = np.concatenate([state, tokens[:, None]], axis=1)
    if (most := model._most()) is not None:
        seen = seen[:, -most:]
    return logits_of(model, owner, seen)[:, -1], seen


def forward_by_steps(model: TrainableModel, owner: type, tokens: Array) -> Tensor:
    """Logits (n, length, tokens) after each of the ids (n, length): a step for each column."""
    cls = holder(model, owner, "step")
    state, found = cls.start(model, len(tokens)), list[Tensor | Array]()
    for column in np.asarray(tokens).T:
        logits, state = pair(model, cls.step(model, column, state))
        found.append(logits)
    return cast(Tensor, np.stack(found, axis=1))  # pyright: ignore[reportArgumentType, reportCallIssue]


def start_of_windows(model: WindowModel, owner: type, n: int) -> Array:
    """Windows of nothing but boundaries."""
    return np.full((n, model.context), model.vocabulary.boundary_id)


def step_of_windows(model: WindowModel, owner: type, tokens: Array, state: Array) -> tuple[Tensor, Array]:
    """Each window moved on by one token."""
    windows = np.concatenate([state[:, 1:], tokens[:, None]], axis=1)
    return logits_of(model, owner, windows), windows


def logits_of_windows(model: WindowModel, owner: type, prefixes: Sequence[Sequence[int]]) -> Array:
    """The logits after the last tokens of each prefix."""
    padded = [[model.vocabulary.boundary_id] * model.context + list(prefix) for prefix in prefixes]
    contexts = np.array([row[-model.context :] for row in padded], np.int64).reshape(-1, model.context)
    with evaluating(model), no_grad():
        return logits_of(model, owner, contexts).data
