"""Targets: the mark of those that are not predicted, and how much text the others stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tinygrad_lm.text.segmentation import grapheme_count
from tinygrad_lm.text.stream import Ids
from tinygrad_lm.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

IGNORE = -100
"""The target where nothing is to be predicted: PyTorch's ``ignore_index``."""


def token_lengths(vocabulary: Tokenizer) -> NDArray[np.int64]:
    """How many characters (graphemes) each token stands for, by id: int64 ``(len(vocabulary),)``.

    The boundary is one: the end of a name.
    """
    lengths = np.array([grapheme_count(token) for token in vocabulary.tokens], np.int64)
    lengths[vocabulary.boundary_id] = 1
    return lengths


def count_targets(targets: Ids) -> int:
    """How many of the targets are predicted: all but those that are ``IGNORE``."""
    return int(np.count_nonzero(targets != IGNORE))


def count_characters(targets: Ids, lengths: Ids) -> int:
    """How many characters of text the targets stand for, given the lengths of the tokens.

    The mean loss of a batch is a mean over its targets. Multiplied by ``count_targets``, summed over batches, and
    divided by the sum of the characters, it is the mean over characters, which ``LanguageModel.evaluate`` gives:

        nats += loss * count_targets(targets)
        characters += count_characters(targets, lengths)
    """
    return int(lengths[targets[targets != IGNORE]].sum())
