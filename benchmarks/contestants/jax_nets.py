"""The networks in JAX, as functions of this package's weights by their names."""

import itertools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp

from benchmarks.contestants.jax_steps import cross_entropy, step_of
from benchmarks.contestants.problems import Problem

Weights = dict[str, jax.Array]


def mlp(problem: Problem) -> Callable[[], float]:
    """The MLP's step; the examples are kept by JAX, and a batch is their numbers."""
    data = problem.data
    contexts, targets = (jnp.asarray(part.astype(np.int32)) for part in (data.contexts, data.targets))

    def loss_of(w: Weights, chosen: jax.Array) -> jax.Array:
        x = w["embedding.weight"][contexts[chosen]].reshape(len(chosen), -1)
        h = jnp.tanh(_linear(w, "hidden.0", x))
        return cross_entropy(_linear(w, "output", h), targets[chosen])

    return step_of(loss_of, problem, ((chosen.astype(np.int32),) for chosen in data.chosen()))


def recurrent(kind: str, problem: Problem) -> Callable[[], float]:
    """The step of a GRU or an LSTM."""
    cell = {"gru": _gru_cell, "lstm": _lstm_cell}[kind]

    def loss_of(w: Weights, inputs: jax.Array, targets: jax.Array) -> jax.Array:
        hidden = w["recurrent.weight_hh_l0"].shape[1]
        rows = w["embedding.weight"][inputs.T] @ w["recurrent.weight_ih_l0"].T + w["recurrent.bias_ih_l0"]
        zeros = jnp.zeros((len(inputs), hidden))
        first = (zeros, zeros) if kind == "lstm" else zeros
        _, states = jax.lax.scan(lambda state, row: cell(w, state, row), first, rows)
        return cross_entropy(_linear(w, "output", states), targets.T)

    return step_of(loss_of, problem, _kept(problem))


def transformer(heads: int, layers: int, problem: Problem) -> Callable[[], float]:
    """The step of makemore's Transformer."""

    def attention(w: Weights, block: str, x: jax.Array) -> jax.Array:
        n, length, width = x.shape
        parts = _linear(w, f"{block}.project", x).reshape(n, length, 3, heads, width // heads)
        query, key, value = parts.transpose(2, 0, 3, 1, 4)
        scores = query @ key.swapaxes(2, 3) / np.sqrt(width // heads)
        seen = jnp.tril(jnp.ones((length, length), bool))
        mixed = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf)) @ value
        return _linear(w, f"{block}.mix", mixed.swapaxes(1, 2).reshape(n, length, width))

    def loss_of(w: Weights, inputs: jax.Array, targets: jax.Array) -> jax.Array:
        x = w["tokens.weight"][inputs] + w["places.weight"][: inputs.shape[1]]
        for block in (f"blocks.{i}" for i in range(layers)):
            x = x + attention(w, block, _norm(w, f"{block}.attention_norm", x))
            up = _linear(w, f"{block}.up", _norm(w, f"{block}.network_norm", x))
            x = x + _linear(w, f"{block}.down", jax.nn.gelu(up, approximate=True))
        return cross_entropy(_norm(w, "norm", x) @ w["output.weight"].T, targets)

    return step_of(loss_of, problem, _kept(problem))


def _lstm_cell(w: Weights, state: tuple[jax.Array, jax.Array], row: jax.Array) -> Any:
    h, c = state
    i, f, g, o = jnp.split(row + h @ w["recurrent.weight_hh_l0"].T + w["recurrent.bias_hh_l0"], 4, axis=1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return (h, c), h


def _gru_cell(w: Weights, h: jax.Array, row: jax.Array) -> Any:
    by_state = h @ w["recurrent.weight_hh_l0"].T + w["recurrent.bias_hh_l0"]
    (r, z, n), (r_h, z_h, n_h) = jnp.split(row, 3, axis=1), jnp.split(by_state, 3, axis=1)
    z = jax.nn.sigmoid(z + z_h)
    h = (1 - z) * jnp.tanh(n + jax.nn.sigmoid(r + r_h) * n_h) + z * h
    return h, h


def _linear(w: Weights, name: str, x: jax.Array) -> jax.Array:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def _norm(w: Weights, name: str, x: jax.Array) -> jax.Array:
    x = x - x.mean(axis=-1, keepdims=True)
    return x / jnp.sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]


def _kept(problem: Problem) -> Any:
    """The batches, over and over, as arrays of JAX."""
    return itertools.cycle([tuple(jnp.asarray(part.astype(np.int32)) for part in pair) for pair in problem.data.kept])
