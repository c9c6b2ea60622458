"""This package: the step as one writes it, and the same recorded once and replayed."""

from collections.abc import Callable
from typing import Any

from benchmarks.contestants.problems import BLOCK, Array, Problem
from benchmarks.entries import EAGER, REPLAYED
from tinygrad_lm import Tensor, optim
from tinygrad_lm.replay import replay

OPTIMIZERS = {"sgd": optim.SGD, "adam": optim.Adam, "adamw": optim.AdamW}

Step = Callable[[Array, Array], Tensor]
LossOf = Callable[[Any, Array, Array], Tensor]


def as_written(step: Step) -> Step:
    """The step itself."""
    return step


def in_blocks(step: Step) -> Step:
    """The step replayed by blocks of rows, as the step by hand takes them."""
    return replay(step, block=BLOCK)


WAYS: dict[str, Callable[[Step], Step]] = {EAGER: as_written, REPLAYED: replay}
"""What is called of a step, by what the table calls it."""


def mean_loss(model: Any, inputs: Array, targets: Array) -> Tensor:
    """The loss of a model of this package."""
    return model.loss(inputs, targets)


def step_of(model: Any, optimizer: optim.Optimizer, loss_of: LossOf = mean_loss) -> Step:
    """The training step as one writes it."""

    def step(inputs: Array, targets: Array) -> Tensor:
        optimizer.zero_grad()
        loss = loss_of(model, inputs, targets)
        loss.backward(retain_graph=False)
        optimizer.step()
        return loss

    return step


def drawing(
    make: Callable[[], Any],
    problem: Problem,
    way: Callable[[Step], Step] = as_written,
    loss_of: LossOf = mean_loss,
) -> Callable[[], float]:
    """A function that does a step and gives its loss, with a model of its own."""
    model = make()
    model.load_state_dict(problem.copies())
    optimizer = OPTIMIZERS[problem.optimizer](model.parameters(), lr=problem.lr)
    step = way(step_of(model, optimizer, loss_of))
    batches = problem.data.batches()
    return lambda: step(*next(batches)).item()
