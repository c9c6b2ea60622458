"""From logits to text: temperature, top-k, top-p, a draw, each a pure function, and the loop that writes names."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tinygrad_lm import defaults
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.checks import whole_number
from tinygrad_lm.models.interface import LanguageModel
from tinygrad_lm.nn import evaluating
from tinygrad_lm.random import as_generator
from tinygrad_lm.text import DataError

MAX_LENGTH = defaults.MAX_LENGTH
"""How many tokens a sample has at most, its prefix included."""


def with_temperature(logits: Array, temperature: float) -> Array:
    """logits / temperature: below 1 sharper, above 1 flatter; 0 leaves the first of the largest alone (greedy)."""
    if not 0 <= temperature < math.inf:
        raise ValueError(f"temperature is a finite number from 0 (greedy), not {temperature!r}")
    scores, largest = _scores(logits)
    if temperature == 0:
        kept = np.zeros(scores.shape, bool)
        np.put_along_axis(kept, scores.argmax(axis=-1, keepdims=True), True, axis=-1)
        return _keep(scores, kept)
    # Shifted first, so that a tiny temperature overflows to -inf alone.
    shifted = scores - largest
    with np.errstate(over="ignore"):
        return shifted / temperature


def top_k(logits: Array, k: int) -> Array:
    """The k largest logits, exactly (the first of ties); -inf for the others. All of them where k is larger."""
    k = whole_number(k, 1, "top_k is a whole number from 1, not")
    scores, _ = _scores(logits)
    ranks = np.argsort(np.argsort(-scores, axis=-1, kind="stable"), axis=-1, kind="stable")
    return _keep(scores, ranks < k)


def top_p(logits: Array, p: float) -> Array:
    """The smallest set of likeliest tokens whose probabilities sum to at least p, never empty; -inf for the others.

    The token that crosses p is kept (Holtzman et al. 2020); p = 1 changes nothing.
    """
    if not 0 < p <= 1:
        raise ValueError(f"top_p is a probability above 0 and at most 1, not {p!r}")
    scores, _ = _scores(logits)
    if p == 1:  # rounded sums reach 1 before the last, unlikely tokens
        return scores.copy()
    order = np.argsort(-scores, axis=-1, kind="stable")
    likeliest_first = np.take_along_axis(probabilities(scores), order, axis=-1)
    before = np.cumsum(likeliest_first, axis=-1) - likeliest_first
    kept = np.zeros(scores.shape, bool)
    np.put_along_axis(kept, order, (before < p) & (likeliest_first > 0), axis=-1)
    return _keep(scores, kept)


def _scores(logits: Array) -> tuple[Array, Array]:
    """The logits in float64, and the largest of each row; raises ``DataError`` where that is not a number."""
    scores = np.asarray(logits, np.float64)
    largest = scores.max(axis=-1, keepdims=True)
    if not np.isfinite(largest).all():
        raise DataError("the logits are nan, +inf, or all -inf: the numbers of the model that gave them overflow")
    return scores, largest


def _keep(logits: Array, kept: Array) -> Array:
    return np.where(kept, logits, -np.inf)


def probabilities(logits: Array) -> Array:
    """The softmax of the last axis, in float64: rows sum to 1, and -inf has probability 0."""
    scores, largest = _scores(logits)
    weights = np.exp(scores - largest)
    return weights / weights.sum(axis=-1, keepdims=True)


def choose(chances: Array, roll: float) -> int:
    """The index whose share of the unit interval the roll (from 0 to below 1) falls into; never one of chance 0."""
    ends = np.cumsum(chances)
    total: float = ends[-1]
    index = int(np.searchsorted(ends, roll * total, side="right"))
    return min(index, int(np.flatnonzero(chances)[-1]))


@dataclass(frozen=True)
class Step:
    """One token drawn: what it was drawn from."""

    context: str
    """The text before."""
    options: tuple[tuple[str, float], ...]
    """The tokens that could be drawn with their probabilities, the likeliest first."""
    roll: float
    """The random number from 0 to below 1."""
    choice: str
    """The token it chose."""

    def __repr__(self) -> str:
        found = f"context={self.context!r}, roll={self.roll:.4f}, choice={self.choice!r}"
        return f"Step({found}, {len(self.options)} options)"


@dataclass(frozen=True)
class Sample:
    """A text that a model wrote."""

    text: str
    complete: bool
    """Whether the model ended it; else it was cut at the greatest length."""
    steps: tuple[Step, ...]

    def __repr__(self) -> str:
        return f"Sample(text={self.text!r}, complete={self.complete}, {len(self.steps)} steps)"


@dataclass(frozen=True)
class Settings:
    """How to draw. ``ValueError`` names a setting that is out of range."""

    temperature: float = defaults.TEMPERATURE
    top_k: int | None = None
    top_p: float | None = None
    max_length: int = MAX_LENGTH

    def __post_init__(self) -> None:
        whole_number(self.max_length, 1, "max_length is a whole number from 1, not")
        self.distribution(np.zeros(1))

    def distribution(self, logits: Array) -> Array:
        """The probabilities that are drawn from: temperature, then top-k, then top-p."""
        scores = with_temperature(logits, self.temperature)
        if self.top_k is not None:
            scores = top_k(scores, self.top_k)
        if self.top_p is not None:
            scores = top_p(scores, self.top_p)
        return probabilities(scores)


AS_LEARNED = Settings()
"""Temperature 1, and no token left out."""


def check_prefix(model: LanguageModel, prefix: str, max_length: int) -> list[int]:
    """The ids of a prefix; raises ``DataError`` where it is too long or has characters the model does not know."""
    ids = model.vocabulary.encode(prefix)
    if len(ids) >= max_length:
        raise DataError(
            f"the prefix {prefix[:40]!r} has {len(ids)} characters, but a sample has at most {max_length}; shorten it"
        )
    return ids


def generate(
    model: LanguageModel,
    settings: Settings = AS_LEARNED,
    rng: np.random.Generator | int | None = None,
    prefix: str = "",
) -> Sample:
    """One text: sample a token, append it, repeat until the model draws the end or the text is full.

    Without ``rng`` the default generator draws, which ``tinygrad_lm.manual_seed`` seeds. The model is in evaluation
    mode meanwhile.
    """
    generator = as_generator(rng)
    vocabulary, tokens = model.vocabulary, model.vocabulary.tokens
    ids = check_prefix(model, prefix, settings.max_length)
    text = vocabulary.decode(ids)
    steps: list[Step] = []
    with evaluating(model):
        while len(ids) < settings.max_length:
            with np.errstate(over="ignore", invalid="ignore"):  # the next line looks
                logits = model.next_logits([ids])[0]
            chances = settings.distribution(logits)
            roll = float(generator.random())
            # The likeliest first, so that a trace shows where the roll fell.
            order = np.argsort(-chances, kind="stable")
            ranked = chances[order]
            token = int(order[choose(ranked, roll)])
            listed: list[tuple[int, float]] = list(zip(order.tolist(), ranked.tolist(), strict=True))
            options = tuple((tokens[i], p) for i, p in listed if p > 0)
            steps.append(Step(text, options, roll, tokens[token]))
            if token == vocabulary.boundary_id:
                return Sample(text, True, tuple(steps))
            ids.append(token)
            text += tokens[token]
    return Sample(text, False, tuple(steps))


def samples(
    model: LanguageModel,
    settings: Settings = AS_LEARNED,
    rng: np.random.Generator | int | None = None,
    prefix: str = "",
    count: int = defaults.SAMPLES,
) -> Iterator[Sample]:
    """That many texts, one after the other from the same generator; see ``generate``."""
    check_prefix(model, prefix, settings.max_length)
    generator = as_generator(rng)
    return (generate(model, settings, generator, prefix) for _ in range(count))
