"""What a training says of itself: a ``Report`` at each evaluation, and the error that ends it."""

from __future__ import annotations

from dataclasses import dataclass


class TrainingError(ArithmeticError):
    """The training cannot go on: the loss is no longer a number. The best weights so far are kept."""


@dataclass(frozen=True)
class Report:
    """Where the training stands after an evaluation."""

    step: int
    train_loss: float
    """The mean loss of the batches since the last report, in nats a character."""
    validation_loss: float
    lr: float
    seconds: float
    """Time spent training so far."""
