"""From logits to text: temperature, top-k, top-p, a draw, each a pure function, and the loop that writes many names."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from tinygrad_lm import defaults
from tinygrad_lm.autograd import no_grad
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.checks import whole_number
from tinygrad_lm.models.interface import LanguageModel
from tinygrad_lm.models.ways import pair, step_logits
from tinygrad_lm.nn import evaluating
from tinygrad_lm.random import as_generator
from tinygrad_lm.text import DataError

MAX_LENGTH = defaults.MAX_LENGTH
"""How many tokens a sample has at most, its prefix included."""
BATCH_SIZE = 256
"""How many texts are written side by side."""


def with_temperature(logits: Array, temperature: float) -> Array:
    """logits / temperature: below 1 sharper, above 1 flatter; 0 leaves only the first of the largest (greedy)."""
    if not 0 <= temperature < math.inf:
        raise ValueError(f"temperature is a finite number from 0 (greedy), not {temperature!r}")
    scores, largest = _scores(logits)
    if temperature == 0:
        kept = np.zeros(scores.shape, bool)
        np.put_along_axis(kept, scores.argmax(axis=-1, keepdims=True), True, axis=-1)
        return _keep(scores, kept)
    # Shifted first, so that a tiny temperature overflows only to -inf.
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


@overload
def choose(chances: Array, roll: float) -> int: ...
@overload
def choose(chances: Array, roll: Array) -> Array: ...
def choose(chances: Array, roll: float | Array) -> int | Array:
    """The index whose share of the unit interval the roll (from 0 to below 1) falls into; never one of chance 0.

    Chances (n, options), or of one distribution (options,), and rolls (n,) give n indices.
    """
    ends = np.cumsum(chances, axis=-1)
    reached = ends <= np.asarray(roll)[..., None] * ends[..., -1:]
    last = chances.shape[-1] - 1 - np.argmax(chances[..., ::-1] > 0, axis=-1)
    index = np.minimum(reached.sum(axis=-1), last)
    return index if index.ndim else int(index)


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
    steps: tuple[Step, ...] = ()
    """What each token was drawn from, if a trace was asked for."""

    def __repr__(self) -> str:
        traced = f", {len(self.steps)} steps" if self.steps else ""
        return f"Sample(text={self.text!r}, complete={self.complete}{traced})"


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
    """The ids of a prefix.

    Raises
    ------
    DataError
        Where it is too long or has characters the model does not know.
    """
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
    *,
    trace: bool = False,
) -> Sample:
    """One text: draw a token, append it, repeat until the model draws the end or the text is full; see ``samples``."""
    return next(samples(model, settings, rng, prefix, 1, trace=trace))


def samples(
    model: LanguageModel,
    settings: Settings = AS_LEARNED,
    rng: np.random.Generator | int | None = None,
    prefix: str = "",
    count: int = defaults.SAMPLES,
    *,
    trace: bool = False,
    batch_size: int = BATCH_SIZE,
) -> Iterator[Sample]:
    """That many texts, written side by side: the model reads a token of every text of a batch in one step.

    Each text has random numbers of its own, from a seed that ``rng`` draws. So it is the same in a batch of any size
    (but where rounding decides), and the first texts are the same however many are asked for. The model is in
    evaluation mode while it writes.

    Parameters
    ----------
    model
        What writes; its ``start`` and ``step`` are asked.
    settings
        Temperature, top-k, top-p, and the greatest length.
    rng
        A generator or a seed; without it the default generator draws, which ``tinygrad_lm.manual_seed`` seeds.
    prefix
        How each text begins.
    count
        How many.
    trace
        Whether each sample has its ``steps``: what each token was drawn from.
    batch_size
        How many are written side by side at most, which bounds the memory.

    Raises
    ------
    DataError
        For a prefix that is too long or has characters the model does not know, and logits that are no numbers.
    ValueError
        For a count or a batch size that is none.
    """
    ids = check_prefix(model, prefix, settings.max_length)
    total = whole_number(count, 0, "count is a whole number from 0, not")
    size = whole_number(batch_size, 1, "batch_size is a whole number from 1, not")
    generator = as_generator(rng)

    def batches() -> Iterator[Sample]:
        for first in range(0, total, size):
            seeds = generator.integers(1 << 63, size=min(size, total - first))
            yield from _write(model, settings, [as_generator(seed) for seed in seeds.tolist()], ids, trace)

    return batches()


def _write(
    model: LanguageModel,
    settings: Settings,
    generators: Sequence[np.random.Generator],
    ids: Sequence[int],
    trace: bool,
) -> list[Sample]:
    """A text for each generator."""
    vocabulary, n = model.vocabulary, len(generators)
    begins = vocabulary.decode(ids)
    texts, steps = [begins] * n, [list[Step]() for _ in range(n)]
    writing = np.arange(n)
    with evaluating(model), no_grad(), np.errstate(over="ignore", invalid="ignore"):  # the distribution looks
        state = model.start(n)
        for token in (vocabulary.boundary_id, *ids[:-1]) if ids else ():
            _, state = pair(model, model.step(np.full(n, token), state))
        tokens = np.full(n, ids[-1] if ids else vocabulary.boundary_id)
        for _ in range(settings.max_length - len(ids)):
            logits, state = pair(model, model.step(tokens, state))
            chances = settings.distribution(step_logits(model, logits, n)[writing])
            rolls = np.array([generators[i].random() for i in writing.tolist()])
            # The likeliest first, so that a trace shows where the roll fell.
            order = np.argsort(-chances, axis=-1, kind="stable")
            ranked = np.take_along_axis(chances, order, axis=-1)
            places = choose(ranked, rolls)
            drawn = np.take_along_axis(order, places[:, None], axis=-1)[:, 0]
            if trace:
                for i, *told in zip(writing.tolist(), order, ranked, rolls.tolist(), drawn.tolist(), strict=True):
                    steps[i].append(_step(vocabulary.tokens, texts[i], *told))
            tokens = np.full(n, vocabulary.boundary_id)
            tokens[writing] = drawn
            writing = writing[drawn != vocabulary.boundary_id]
            if not len(writing):
                break
            for i in writing.tolist():
                texts[i] += vocabulary.tokens[tokens[i]]
    cut = set(writing.tolist())
    return [Sample(texts[i], i not in cut, tuple(steps[i])) for i in range(n)]


def _step(tokens: Sequence[str], context: str, order: Array, ranked: Array, roll: float, drawn: int) -> Step:
    """A line of a trace, from the ids by falling probability."""
    listed: list[tuple[int, float]] = list(zip(order.tolist(), ranked.tolist(), strict=True))
    return Step(context, tuple((tokens[i], chance) for i, chance in listed if chance > 0), roll, tokens[drawn])
