"""The neural bigram: one logit for each pair of tokens, learned by gradient descent, which ends at the counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tinygrad_lm import nn
from tinygrad_lm.autograd import no_grad
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.models.limits import MAX_NUMBERS
from tinygrad_lm.models.trainable import WindowModel
from tinygrad_lm.nn import functional as F
from tinygrad_lm.text import Tokenizer
from tinygrad_lm.text.vocabulary import vocabulary_or_letters

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


class NeuralBigram(nn.Module, WindowModel):
    """P(next | current) = softmax of a row of logits, one row for each token: the simplest model that learns.

    Contexts (n, 1) of integer ids give logits (n, len(vocabulary)). It starts with zeros: every token equally likely.

    It ends where counting does. With f the relative frequencies of what followed a token, the mean cross-entropy of
    its row is -sum f log p, which is the entropy of f plus the Kullback-Leibler divergence from p to f; the latter is
    0 for p = f and positive else. So the best row is f, which ``NGram(2, smoothing=0)`` finds by dividing, and as the
    loss is convex in the logits, gradient descent has nowhere else to go. Two things remain: a pair that never
    occurred gets a small probability, not 0, as its logit would have to fall for ever; and weight decay draws the
    logits back to 0, as smoothing draws the frequencies to the uniform distribution.

    Source: A. Karpathy, "The spelled-out intro to language modeling: building makemore" (2022), where the logits are
    the product of a one-hot row and a matrix of weights, which is the row that is looked up here.
    """

    kind: ClassVar[str] = "neural-bigram"

    def __init__(self, vocabulary: Tokenizer | None = None, *, dtype: DTypeLike = np.float32) -> None:
        self.vocabulary = vocabulary_or_letters(vocabulary)
        if (size := len(self.vocabulary) ** 2) > MAX_NUMBERS:
            raise ValueError(
                f"this model has {size:,} parameters, more than {MAX_NUMBERS:,}; choose a smaller vocabulary"
            )
        self.context = 1
        self.logits = nn.Parameter(np.zeros((len(self.vocabulary), len(self.vocabulary))), dtype=dtype)

    def forward(self, contexts: Array) -> Tensor:
        """Logits (n, len(vocabulary)) of the token after each context (n, 1) of ids."""
        return F.embedding(contexts[:, 0], self.logits)

    def table(self) -> Array:
        """The table P(next | current): (len(vocabulary), len(vocabulary)), as ``NGram.table`` gives it for counts."""
        with no_grad():
            return F.softmax(self.logits, dim=-1).data

    @classmethod
    def size_of(cls, config: Mapping[str, object], vocabulary: Tokenizer) -> int:
        """The number of parameters."""
        return len(vocabulary) ** 2
