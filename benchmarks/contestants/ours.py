"""This package: the step as one writes it, and the same recorded once and replayed."""

from collections.abc import Callable
from typing import Any

import tinygrad_lm
from benchmarks.contestants.problems import Array, Problem
from benchmarks.entries import EAGER, REPLAYED
from tinygrad_lm import Tensor, optim

REPLAY = getattr(tinygrad_lm, "replay", None)
"""What makes of a step one that runs a recorded plan; without it that is left out."""

OPTIMIZERS = {"sgd": optim.SGD, "adam": optim.Adam, "adamw": optim.AdamW}

LossOf = Callable[[Any, Array, Array], Tensor]


def mean_loss(model: Any, inputs: Array, targets: Array) -> Tensor:
    """The loss of a model of this package."""
    return model.loss(inputs, targets)


def step_of(model: Any, optimizer: optim.Optimizer, loss_of: LossOf = mean_loss) -> Callable[[Array, Array], Tensor]:
    """The training step as one writes it."""

    def step(inputs: Array, targets: Array) -> Tensor:
        optimizer.zero_grad()
        loss = loss_of(model, inputs, targets)
        loss.backward(retain_graph=False)
        optimizer.step()
        return loss

    return step


def ways() -> dict[str, bool]:
    """What the ways are called that there are, and whether each is replayed."""
    return {EAGER: False} if REPLAY is None else {EAGER: False, REPLAYED: True}


def maybe_replayed(step: Callable[[Array, Array], Tensor], replayed: bool) -> Callable[[Array, Array], Tensor]:
    """A step, or the one that replays it."""
    return REPLAY(step) if replayed and REPLAY is not None else step


def drawing(
    make: Callable[[], Any], problem: Problem, replayed: bool, loss_of: LossOf = mean_loss
) -> Callable[[], float]:
    """A function that does a step and gives its loss, with a model of its own."""
    model = make()
    model.load_state_dict(problem.copies())
    optimizer = OPTIMIZERS[problem.optimizer](model.parameters(), lr=problem.lr)
    step = maybe_replayed(step_of(model, optimizer, loss_of), replayed)
    batches = problem.data.batches()
    return lambda: step(*next(batches)).item()
