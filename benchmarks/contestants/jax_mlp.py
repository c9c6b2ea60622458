"""The MLP's step in JAX: one compiled function from the numbers of the examples to the new weights and the loss."""

from collections.abc import Callable
from functools import partial

import jax
import numpy as np
from jax import numpy as jnp

from benchmarks.contestants.problems import Problem

BETA1, BETA2, EPS, DECAY = 0.9, 0.999, 1e-8, 0.01


def step_of(problem: Problem) -> Callable[[], float]:
    """A function that does a step and gives its loss."""
    data = problem.data
    contexts, targets = (jnp.asarray(part.astype(np.int32)) for part in (data.contexts, data.targets))

    def loss_of(weights, chosen):
        x = weights["embedding.weight"][contexts[chosen]].reshape(len(chosen), -1)
        h = jnp.tanh(x @ weights["hidden.0.weight"].T + weights["hidden.0.bias"])
        logits = h @ weights["output.weight"].T + weights["output.bias"]
        right = jnp.take_along_axis(logits, targets[chosen][:, None], axis=1)[:, 0]
        return (jax.nn.logsumexp(logits, axis=1) - right).mean()

    def sgd(weights, moments, gradients):
        return jax.tree.map(lambda w, g: w - problem.lr * g, weights, gradients), moments

    def adamw(weights, moments, gradients):
        means, squares, count = moments
        count = count + 1
        means = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, means, gradients)
        squares = jax.tree.map(lambda s, g: BETA2 * s + (1 - BETA2) * g * g, squares, gradients)
        rate, root = problem.lr / (1 - BETA1**count), jnp.sqrt(1 - BETA2**count)

        def changed(w, m, s):
            return w * (1 - problem.lr * DECAY) - rate * m / (jnp.sqrt(s) / root + EPS)

        return jax.tree.map(changed, weights, means, squares), (means, squares, count)

    update = {"sgd": sgd, "adamw": adamw}[problem.optimizer]

    @partial(jax.jit, donate_argnums=(0, 1))
    def step(weights, moments, chosen):
        loss, gradients = jax.value_and_grad(loss_of)(weights, chosen)
        return *update(weights, moments, gradients), loss

    weights = {name: jnp.array(array) for name, array in problem.weights.items()}
    zeros = [jax.tree.map(jnp.zeros_like, weights) for _ in range(2)]
    moments = (*zeros, jnp.zeros((), jnp.float32)) if problem.optimizer == "adamw" else ()
    numbers = data.chosen()

    def run() -> float:
        nonlocal weights, moments
        weights, moments, loss = step(weights, moments, next(numbers).astype(np.int32))
        return float(loss)

    return run
