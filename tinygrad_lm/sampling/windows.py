"""What follows a window of the last tokens, computed once for all texts that come to it."""

from __future__ import annotations

import numpy as np

from tinygrad_lm.autograd.sums import running_sums
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.models.counting import CountingModel
from tinygrad_lm.models.interface import LanguageModel
from tinygrad_lm.models.trainable import WindowModel
from tinygrad_lm.models.ways import follows, pair, step_logits
from tinygrad_lm.sampling.settings import Settings, next_chances

MOST = 1 << 20
"""How many windows there may be."""


def width_of(model: LanguageModel) -> int | None:
    """How many of the last tokens decide what follows, of a model whose step says so and has few windows."""
    kind = type(model)
    if "step" in getattr(model, "__dict__", {}):
        return None
    if isinstance(model, WindowModel) and follows(kind, "step"):
        width = model.context
    elif isinstance(model, CountingModel) and kind.step is CountingModel.step:
        width = model.order - 1
    else:
        return None
    return width if width and len(model.vocabulary) ** width <= MOST else None


class Windows:
    """The chances of what follows windows that came before, a row for each; windows are numbers of that many digits."""

    def __init__(self, model: LanguageModel, width: int, settings: Settings, end: int) -> None:
        self.model, self.width, self.settings, self.end = model, width, settings, end
        self.size = len(model.vocabulary)
        self.powers = self.size ** np.arange(width - 1, -1, -1)
        self.count = self.size**width
        self.bounded: bool | None = None

    def start(self, n: int) -> Array:
        """Windows of nothing but boundaries."""
        return np.full(n, self.count - 1 if self.end == self.size - 1 else int(self.powers.sum()) * self.end)

    def moved(self, windows: Array, tokens: Array) -> Array:
        """The windows after one more token."""
        return (windows * self.size + tokens) % self.count

    def rows(self, windows: Array, length: int) -> Array:
        """The row of each window in ``ends``, ``options`` and ``stuck``, which are of texts of that many tokens."""
        bounded = length < self.settings.min_length
        if bounded != self.bounded:  # before the least length other chances hold
            self.bounded, self.slots, self.filled = bounded, np.full(self.count, -1), 0
            self.options = self.ends = np.empty((0, self.size))
            self.stuck = np.empty(0, bool)
        rows = self.slots[windows]
        if (rows < 0).any():
            self._compute(np.unique(windows[rows < 0]), length)
            rows = self.slots[windows]
        return rows

    def _compute(self, windows: Array, length: int) -> None:
        digits = windows[:, None] // self.powers % self.size
        state = np.concatenate([digits[:, :1], digits[:, :-1]], axis=1)
        logits, _ = pair(self.model, self.model.step(digits[:, -1], state))
        logits = step_logits(self.model, logits, len(windows))
        options, stuck = next_chances(self.settings, logits, self.end, length)
        after = self.filled + len(windows)
        if after > len(self.options):
            self.options, self.ends = (_grown(each, 2 * after) for each in (self.options, self.ends))
            self.stuck = _grown(self.stuck, 2 * after)
        self.options[self.filled : after] = options
        self.ends[self.filled : after] = running_sums(options).T
        self.stuck[self.filled : after] = stuck
        self.slots[windows] = np.arange(self.filled, after)
        self.filled = after

    def choose(self, rows: Array, rolls: Array) -> Array:
        """The token of each roll, as ``logits.choose`` finds it."""
        ends = self.ends.take(rows, axis=0)
        reached = ends <= (rolls * ends[:, -1])[:, None]
        index = reached.argmin(axis=1)  # the first that is not
        if reached[:, -1].any():
            whole, last = reached[:, -1], self.size - 1 - np.argmax(self.options[rows][:, ::-1] > 0, axis=1)
            index[whole] = last[whole]
        return index


def _grown(rows: Array, n: int) -> Array:
    grown = np.empty((n, *rows.shape[1:]), rows.dtype)
    grown[: len(rows)] = rows
    return grown
