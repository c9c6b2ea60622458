"""A step of training, or its gradients, as one function of its batch, which can be recorded and replayed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tinygrad_lm import optim
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.autograd.value import Value

AFTER = 20
"""Where batches come in several shapes, as whole names do, so many of each are computed as they are before one is
recorded: a plan takes as long to make as 50 to 100 steps save."""


def whole_step(
    loss_of: Callable[[Array, Array], Tensor],
    optimizer: optim.Optimizer,
    clip_grad_norm: float | None,
) -> Callable[[Array, Array], Tensor]:
    """What makes a step and gives the loss before it; where that is not finite, nothing is stepped."""

    def step(inputs: Array, targets: Array) -> Tensor:
        optimizer.zero_grad()
        loss = loss_of(inputs, targets)
        if not np.isfinite(loss):
            return loss
        loss.backward(retain_graph=False)
        if clip_grad_norm is not None:
            optim.clip_grad_norm_(optimizer.parameters, clip_grad_norm)
        optimizer.step()
        return loss

    return step


def only_gradients(
    loss_of: Callable[[Array, Array], Tensor], parameters: Sequence[Tensor | Value]
) -> Callable[[Array, Array], Tensor]:
    """What gives the loss and leaves its gradients, in the place of earlier ones; where it is not finite, none."""

    def step(inputs: Array, targets: Array) -> Tensor:
        for parameter in parameters:
            parameter.grad = None
        loss = loss_of(inputs, targets)
        if np.isfinite(loss):
            loss.backward(retain_graph=False)
        return loss

    return step
