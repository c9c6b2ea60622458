"""The loop that writes many texts side by side, and that draws again what is not wanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import NamedTuple

import numpy as np

from tinygrad_lm import defaults
from tinygrad_lm.autograd import no_grad
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.checks import whole_number
from tinygrad_lm.memory import keep_what_is_freed
from tinygrad_lm.models.interface import LanguageModel
from tinygrad_lm.models.ways import pair, selects, step_logits
from tinygrad_lm.nn import evaluating
from tinygrad_lm.random import as_generator
from tinygrad_lm.sampling.logits import choose
from tinygrad_lm.sampling.settings import AS_LEARNED, Settings, check_prefix, next_chances
from tinygrad_lm.sampling.wanted import ANYTHING, IncompleteError, Wanted
from tinygrad_lm.sampling.windows import Windows, width_of
from tinygrad_lm.threads import on_one_thread

BATCH_SIZE = 1024
"""How many texts are written side by side."""
BATCH_OF_WINDOWS = 16_384
"""How many of a model that sees the last tokens alone: of these, which are few, each is read once for all texts."""
ENOUGH = 1 - 1e-6
"""Once the different texts that were drawn have this probability together, the others are not waited for."""
PATIENCE = 20_000
"""So many draws in a row without a text that is wanted, and no more are made."""


@dataclass(frozen=True)
class Step:
    """One token drawn: what it was drawn from."""

    context: str
    """The text before."""
    options: tuple[tuple[str, float], ...]
    """The tokens that could be drawn with their probabilities, the likeliest first."""
    roll: float
    """The random number from 0 to below 1: where it falls on the options in this order."""
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


def generate(
    model: LanguageModel,
    settings: Settings = AS_LEARNED,
    rng: np.random.Generator | int | None = None,
    prefix: str = "",
    *,
    wanted: Wanted = ANYTHING,
    trace: bool = False,
) -> Sample:
    """One text: draw a token, append it, repeat until the model draws the end or the text is full; see ``samples``."""
    return next(samples(model, settings, rng, prefix, 1, wanted=wanted, trace=trace))


def samples(
    model: LanguageModel,
    settings: Settings = AS_LEARNED,
    rng: np.random.Generator | int | None = None,
    prefix: str = "",
    count: int = defaults.SAMPLES,
    *,
    wanted: Wanted = ANYTHING,
    trace: bool = False,
    batch_size: int | None = None,
) -> Iterator[Sample]:
    """Just that many texts, written side by side: the model reads a token of every text of a batch in one step.

    Each text that is drawn has random numbers of its own, one a token, from a seed that ``rng`` draws. So it is the
    same in a batch of any size (but where rounding decides); the first texts are the same however many are asked for,
    and, up to where they are cut, whatever the greatest length. What is ``wanted`` of them comes in the order drawn,
    and ``rng`` has then drawn a whole number of batches. The model is in evaluation mode while it writes.

    Parameters
    ----------
    model
        What writes; its ``start``, ``step`` and ``select`` are asked.
    settings
        Temperature, top-k, top-p, min-p, and the least and greatest length.
    rng
        A generator or a seed; without it the default generator draws, which ``tinygrad_lm.manual_seed`` seeds.
    prefix
        How each text begins.
    count
        How many.
    wanted
        Which texts are kept; any other is drawn again.
    trace
        Whether each sample has its ``steps``: what each token was drawn from.
    batch_size
        How many are written side by side at most, which bounds the memory: by default 1,024, and 16,384 of a model that
        sees no more than a few tokens, such as an MLP or an n-gram.

    Raises
    ------
    DataError
        For a prefix that is too long or has characters the model does not know, letters it does not know in what is
        wanted, and logits that are no numbers.
    IncompleteError
        After those that there are, where they are fewer: all else that the model writes is improbable (1e-6 together),
        or 20,000 draws in a row gave none. What has a probability of 2e-4 is then missed in 2 of 100 times.
    ValueError
        For a count or a batch size that is none.
    """
    ids = check_prefix(model, prefix, settings.max_length)
    wanted.check(model.vocabulary, prefix)
    total = whole_number(count, 0, "count is a whole number from 0, not")
    batch = _Batch(model, settings, ids, wanted, trace)
    usual = BATCH_SIZE if batch.width is None else BATCH_OF_WINDOWS
    size = usual if batch_size is None else whole_number(batch_size, 1, "batch_size is a whole number from 1, not")
    generator = as_generator(rng)
    if wanted.anything and len(ids) >= settings.min_length:
        return _as_drawn(batch, generator, total, size)
    return _as_wanted(batch, generator, total, size)


def _as_drawn(batch: _Batch, rng: np.random.Generator, total: int, size: int) -> Iterator[Sample]:
    for first in range(0, total, size):
        yield from batch.write(_seeds(rng, min(size, total - first))).samples


def _as_wanted(batch: _Batch, rng: np.random.Generator, total: int, size: int) -> Iterator[Sample]:
    """Of what is drawn, in order, what is wanted; stops where there is not enough of it."""
    wanted, found, texts, seen = batch.wanted, list[Sample](), set[str](), set[bytes]()
    mass, idle, n = 0.0, 0, min(size, 2 * total)
    while len(found) < total:
        draws, n = batch.write(_seeds(rng, n)), min(size, 2 * n)
        for sample, ids, chance, may_be in zip(*draws, strict=True):
            idle += 1
            tokens, text = ids.tobytes(), sample.text
            if tokens not in seen:
                seen.add(tokens)
                mass += chance
            if may_be and not (wanted.unique and text in texts) and wanted.accepts(text):
                idle = 0
                found.append(sample)
                texts.add(text)
                yield sample
                if len(found) == total:
                    return
            if mass >= ENOUGH and (wanted.unique or not found):
                why = f"the model writes no others; what was drawn has {mass:.4%} of the probability"
            elif idle >= PATIENCE:
                why = f"{PATIENCE:,} draws in a row gave no other; what was drawn has {mass:.2%} of the probability"
            else:
                continue
            raise IncompleteError(
                f"only {len(found):,} of {total:,} texts are as wanted: {why}. Ask for fewer, or less of them",
                found,
                why,
            )


class _Draws(NamedTuple):
    """Texts that were drawn."""

    samples: list[Sample]
    drawn: Array
    """The ids that were drawn, a row for each text: (n, room), the end from where it ends on."""
    chances: list[float]
    """The probability of drawing these."""
    may_be: list[bool]
    """Whether it was written to its end: else it came to a letter that must not occur, or could only end too early."""


def _seeds(rng: np.random.Generator, n: int) -> Array:
    return rng.integers(1 << 64, size=n, dtype=np.uint64)


def _rolls(seeds: Array, place: int) -> Array:
    """The random number from 0 to below 1 of each text at a place: SplitMix64 (Steele, Lea and Flood 2014)."""
    mixed = seeds + np.uint64((place + 1) * 0x9E3779B97F4A7C15 % (1 << 64))
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


def _code_points(tokens: Sequence[str], end: int) -> Array | None:
    """The code point of each token, 0 for the end; nothing where another token has several, or this one."""
    letters = [token for i, token in enumerate(tokens) if i != end]
    if any(len(letter) != 1 or letter == "\0" for letter in letters):
        return None
    return np.array([0 if i == end else ord(token) for i, token in enumerate(tokens)], np.uint32)


class _Batch:
    """Writes texts side by side, all of one prefix."""

    def __init__(
        self, model: LanguageModel, settings: Settings, ids: Sequence[int], wanted: Wanted, trace: bool
    ) -> None:
        self.model, self.settings, self.ids, self.wanted, self.trace = model, settings, ids, wanted, trace
        self.end, self.tokens = model.vocabulary.boundary_id, model.vocabulary.tokens
        self.begins = model.vocabulary.decode(ids)
        self.forbidden = wanted.forbidden(model.vocabulary)
        self.code_points = _code_points(self.tokens, self.end)
        self.width = None if trace else width_of(model)
        """How many tokens the model sees, where each window of them is to be read once."""

    def write(self, seeds: Array) -> _Draws:
        """A text for each seed."""
        keep_what_is_freed()
        with evaluating(self.model), no_grad(), on_one_thread(), np.errstate(over="ignore", invalid="ignore"):
            return self._write(seeds) if self.width is None else self._write_by_windows(seeds, self.width)

    def _write(self, seeds: Array) -> _Draws:
        model, n, room = self.model, len(seeds), self.settings.max_length - len(self.ids)
        selecting = selects(model)
        drawn = np.full((n, room), self.end)
        chances, complete, may_be = np.ones(n), np.zeros(n, bool), np.ones(n, bool)
        steps = [list[Step]() for _ in range(n)] if self.trace else []
        rows = np.arange(n)  # of the texts that are still written
        state, tokens = self._begin(n)
        for place in range(room):
            logits, state = pair(model, model.step(tokens, state))
            logits = step_logits(model, logits, len(tokens))
            options, stuck = next_chances(
                self.settings, logits if selecting else logits[rows], self.end, len(self.ids) + place
            )
            rolls = _rolls(seeds[rows], place)
            chosen = choose(options, rolls)
            chances[rows] *= np.where(stuck, 1, options[np.arange(len(rows)), chosen])
            if self.trace:
                for i, *told in zip(rows.tolist(), options, rolls.tolist(), chosen.tolist(), strict=True):
                    steps[i].append(self._step(drawn[i, :place], *told))
            drawn[rows, place] = chosen
            complete[rows] = chosen == self.end
            may_be[rows] = ~stuck & ~self.forbidden[chosen]
            going = may_be[rows] & ~complete[rows]
            if not going.all():
                rows = rows[going]
                state = model.select(state, np.flatnonzero(going)) if selecting else state
            if not len(rows):
                break
            tokens = drawn[rows if selecting else slice(None), place]
        traces = map(tuple, steps) if self.trace else repeat(())
        found = list(map(Sample, self._texts(drawn), complete.tolist(), traces))
        return _Draws(found, drawn, chances.tolist(), may_be.tolist())

    def _write_by_windows(self, seeds: Array, width: int) -> _Draws:
        """The same for a model that sees no more than the last tokens: each window is read once."""
        windows = Windows(self.model, width, self.settings, self.end)
        n, room = len(seeds), self.settings.max_length - len(self.ids)
        drawn = np.full((n, room), self.end)
        chances, complete, may_be = np.ones(n), np.zeros(n, bool), np.ones(n, bool)
        rows, codes = np.arange(n), windows.start(n)
        for token in self.ids:
            codes = windows.moved(codes, np.full(n, token))
        for place in range(room):
            found = windows.rows(codes, len(self.ids) + place)
            chosen = windows.choose(found, _rolls(seeds, place))
            stuck = windows.stuck[found]
            chances[rows] *= np.where(stuck, 1, windows.options[found, chosen])
            drawn[rows, place] = chosen
            ended, lost = chosen == self.end, stuck | self.forbidden[chosen]
            complete[rows], may_be[rows] = ended, ~lost
            going = ~(ended | lost)
            rows, seeds, codes = rows[going], seeds[going], windows.moved(codes[going], chosen[going])
            if not len(rows):
                break
        samples = list(map(Sample, self._texts(drawn), complete.tolist()))
        return _Draws(samples, drawn, chances.tolist(), may_be.tolist())

    def _begin(self, n: int) -> tuple[object, Array]:
        """The state of that many texts after all of the prefix but its last token, and that token of each."""
        state, before = self.model.start(n), [self.end, *self.ids]
        for token in before[:-1]:
            _, state = pair(self.model, self.model.step(np.full(n, token), state))
        return state, np.full(n, before[-1])

    def _texts(self, drawn: Array) -> list[str]:
        """The texts of the ids that were drawn, each up to its end."""
        ends = (drawn != self.end).sum(axis=1)
        if self.code_points is None:
            return [self._text(row[:end]) for row, end in zip(drawn, ends.tolist(), strict=True)]
        longest = max(1, ends.max())
        # What begins at a 0 is no part of a string in NumPy: so is the end.
        written: list[str] = self.code_points.take(drawn[:, :longest]).view(f"U{longest}")[:, 0].tolist()
        return [self.begins + text for text in written] if self.begins else written

    def _text(self, ids: Array) -> str:
        listed: list[int] = ids.tolist()
        return self.begins + "".join([self.tokens[i] for i in listed])

    def _step(self, ids: Array, options: Array, roll: float, chosen: int) -> Step:
        """A line of a trace; the roll is told where it falls once the likeliest come first."""
        order = np.argsort(-options, kind="stable")
        ranked = options[order]
        place, ends, before = int(np.flatnonzero(order == chosen)[0]), np.cumsum(ranked), np.cumsum(options)
        share = (roll * before[-1] - (before[chosen] - options[chosen])) / options[chosen]
        low, high = ends[place - 1] if place else 0.0, np.nextafter(ends[place], 0)
        told = float(np.clip(low + share * ranked[place], low, high))
        listed: list[tuple[int, float]] = list(zip(order.tolist(), ranked.tolist(), strict=True))
        likeliest_first = tuple((self.tokens[i], chance) for i, chance in listed if chance > 0)
        return Step(self._text(ids), likeliest_first, told, self.tokens[chosen])
