"""How a token is drawn and how long a text may be: the settings, and the order in which they are applied."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinygrad_lm import defaults
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.checks import whole_number
from tinygrad_lm.models.interface import LanguageModel
from tinygrad_lm.sampling.logits import min_p, probabilities, softmax_in_place, top_k, top_p, with_temperature
from tinygrad_lm.text import DataError

MAX_LENGTH = defaults.MAX_LENGTH
"""How many tokens a sample has at most, its prefix included."""


@dataclass(frozen=True)
class Settings:
    """How to draw. ``ValueError`` names a setting that is out of range.

    Attributes
    ----------
    temperature
        0 is greedy, 1 as learned, above 1 bolder.
    top_k
        Draw only from so many of the likeliest tokens.
    top_p
        Draw only from the likeliest that together reach this probability.
    max_length
        A text is cut at so many tokens, its prefix included.
    min_p
        Draw only from the tokens whose probability is at least this share of the largest.
    min_length
        The end is not drawn before the text has so many tokens, its prefix included: its probability goes to the
        other tokens in proportion, before anything else is done.
    """

    temperature: float = defaults.TEMPERATURE
    top_k: int | None = None
    top_p: float | None = None
    max_length: int = MAX_LENGTH
    min_p: float | None = None
    min_length: int = defaults.MIN_LENGTH

    def __post_init__(self) -> None:
        whole_number(self.max_length, 1, "max_length is a whole number from 1, not")
        what = f"min_length is a whole number from 0 to max_length ({self.max_length}), not"
        whole_number(self.min_length, 0, what, self.max_length)
        self.distribution(np.zeros(1))

    def distribution(self, logits: Array) -> Array:
        """The probabilities that are drawn from: temperature, then top-k, then top-p, then min-p.

        Each works on what the one before left, renormalised.
        """
        scores = with_temperature(logits, self.temperature)
        if self.top_k is not None:
            scores = top_k(scores, self.top_k)
        if self.top_p is not None:
            scores = top_p(scores, self.top_p)
        if self.min_p is not None:
            scores = min_p(scores, self.min_p)
        # A temperature has left 0 as the largest of each row, which is never taken away.
        return softmax_in_place(scores) if self.temperature else probabilities(scores)


AS_LEARNED = Settings()
"""Temperature 1, and no token left out."""


def next_chances(settings: Settings, logits: Array, end: int, length: int) -> tuple[Array, Array]:
    """What the next token of texts of that many tokens is drawn from, and which of them may not go on.

    Parameters
    ----------
    settings
        Those that hold.
    logits
        The model's, (n, tokens).
    end
        The id of the boundary, which has no chance before the least length.
    length
        How many tokens each text has.

    Returns
    -------
    tuple
        Probabilities (n, tokens), float64; and booleans (n,): whether a text can do nothing but end, and is too short
        to. Its row then says that it ends.
    """
    stuck: Array = np.zeros(len(logits), bool)
    if length < settings.min_length:
        going_on: Array = logits.copy()
        going_on[:, end] = -np.inf
        stuck = np.logical_and(np.isneginf(going_on).all(axis=1), np.isfinite(logits[:, end]))
        logits = np.where(stuck[:, None], logits, going_on)
    return settings.distribution(logits), stuck


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
