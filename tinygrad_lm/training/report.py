"""What a training says of itself: a ``Report`` at each evaluation, the mean loss in it, and the error that ends it."""

from __future__ import annotations

from dataclasses import dataclass

from tinygrad_lm.text import Tokenizer, count_characters, count_targets, token_lengths
from tinygrad_lm.text.stream import Ids


class TrainingError(ArithmeticError):
    """The training cannot go on: the loss is no longer a number. The best weights so far are kept."""


@dataclass(frozen=True)
class Report:
    """Where the training stands after an evaluation."""

    step: int
    train_loss: float
    """The mean loss of a character over the batches since the last report, in nats, as ``evaluate`` counts it."""
    validation_loss: float
    lr: float
    """The learning rate of the last step; with an optimizer of the user's own that of its first group."""
    seconds: float
    """Time spent training so far."""


class MeanLoss:
    """The mean loss of a character over batches whose own losses are means over their targets.

    Attributes
    ----------
    nats
        The sum of the losses of all targets so far.
    characters
        How many characters those targets are.
    by_target
        Whether each target is one character, so that to count the ones is to count the others.
    """

    def __init__(self, vocabulary: Tokenizer) -> None:
        lengths = token_lengths(vocabulary)
        self.by_target = bool((lengths == 1).all())
        self._lengths = lengths
        self.nats, self.characters = 0.0, 0

    def count(self, targets: Ids) -> tuple[int, int]:
        """How many targets of a batch are predicted, and how many characters those are."""
        predicted = count_targets(targets)
        return predicted, predicted if self.by_target else count_characters(targets, self._lengths)

    def add(self, loss: float, counted: tuple[int, int]) -> None:
        """Take in the mean loss of a batch whose targets were counted."""
        targets, characters = counted
        self.nats += loss * targets
        self.characters += characters

    def value(self) -> float:
        """The mean so far."""
        return self.nats / self.characters

    def reset(self) -> None:
        """Begin anew."""
        self.nats, self.characters = 0.0, 0
