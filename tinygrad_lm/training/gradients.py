"""``WholeBatch``: the loss and the gradients of a batch in one go; ``Gradients``: what else may compute them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.types import Array

if TYPE_CHECKING:
    from tinygrad_lm.training.trainer import Trainer

Loss = Callable[[Array, Array], Tensor]


class Gradients(Protocol):
    """Who computes the gradients of a batch: this process in one go, or in pieces, with or without others."""

    def begin(self, trainer: Trainer) -> None:
        """Get ready for a run of the trainer, in which all who compute start from one state."""
        ...

    def of(self, inputs: Array, targets: Array, step: int) -> float:
        """The loss of a batch, whose gradients are then those of the parameters; none where it is not finite."""
        ...

    def agree(self, stop: bool, interrupted: bool) -> tuple[bool, bool]:
        """Whether the training is to stop, and whether by Ctrl-C, by what any of them was told."""
        ...


class WholeBatch:
    """The gradients of a batch by one forward and one backward pass.

    Parameters
    ----------
    step
        What gives the loss, and leaves its gradients in the place of earlier ones.
    """

    def __init__(self, step: Loss) -> None:
        self._step = step

    def begin(self, trainer: Trainer) -> None:
        """Nothing is to be done."""

    def of(self, inputs: Array, targets: Array, step: int) -> float:
        """The loss of a batch, whose gradients are then those of the parameters."""
        return self._step(inputs, targets).item()

    def agree(self, stop: bool, interrupted: bool) -> tuple[bool, bool]:
        """What this process was told."""
        return stop, interrupted
