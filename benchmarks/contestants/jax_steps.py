"""Training steps in JAX: one compiled function from a batch to the new weights and the loss."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
from jax import numpy as jnp

from benchmarks.contestants.flat import BETA1, BETA2, DECAY, EPS
from benchmarks.contestants.problems import Problem

Loss = Callable[..., jax.Array]
"""The loss of weights by their names, and of what a batch is made of."""


def step_of(loss_of: Loss, problem: Problem, batches: Iterator[tuple[Any, ...]]) -> Callable[[], float]:
    """A function that does a step and gives its loss."""
    update = partial({"sgd": _sgd, "adamw": _adamw}[problem.optimizer], problem.lr)

    @partial(jax.jit, donate_argnums=(0, 1))
    def step(weights, moments, *batch):
        loss, gradients = jax.value_and_grad(loss_of)(weights, *batch)
        return *update(weights, moments, gradients), loss

    weights = {name: jnp.array(array) for name, array in problem.weights.items()}
    means, squares = (jax.tree.map(jnp.zeros_like, weights) for _ in range(2))
    moments = (means, squares, jnp.zeros((), jnp.float32)) if problem.optimizer == "adamw" else ()

    def run() -> float:
        nonlocal weights, moments
        weights, moments, loss = step(weights, moments, *next(batches))
        return float(loss)

    return run


def cross_entropy(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """The mean over the targets that count: those from 0."""
    counts = targets >= 0
    right = jnp.take_along_axis(logits, jnp.maximum(targets, 0)[..., None], axis=-1)[..., 0]
    losses = jax.nn.logsumexp(logits, axis=-1) - right
    return jnp.where(counts, losses, 0).sum() / counts.sum()


def _sgd(lr: float, weights: Any, moments: Any, gradients: Any) -> tuple[Any, Any]:
    return jax.tree.map(lambda w, g: w - lr * g, weights, gradients), moments


def _adamw(lr: float, weights: Any, moments: Any, gradients: Any) -> tuple[Any, Any]:
    means, squares, count = moments
    count = count + 1
    means = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, means, gradients)
    squares = jax.tree.map(lambda s, g: BETA2 * s + (1 - BETA2) * g * g, squares, gradients)
    rate, root = lr / (1 - BETA1**count), jnp.sqrt(1 - BETA2**count)

    def changed(w, m, s):
        return w * (1 - lr * DECAY) - rate * m / (jnp.sqrt(s) / root + EPS)

    return jax.tree.map(changed, weights, means, squares), (means, squares, count)
