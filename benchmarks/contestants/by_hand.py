"""The MLP's step as one writes it in NumPy when nothing but its speed counts: every array is made once.

What pays, measured on the way: a product with one-hot rows in place of ``np.add.at``, sums over a batch as products
with ones, logits as (characters, batch), so that maxima and sums run over rows that lie side by side, blocks of 128
examples, of which all stays in the cache from the forward to the backward pass, and all weights in one flat array, so
that an optimizer is a handful of calls.
"""

from collections.abc import Callable

import numpy as np

from benchmarks.contestants.flat import flattened, optimizer
from benchmarks.contestants.problems import BLOCK, Array, Problem, Windows

NAMES = ("embedding.weight", "hidden.0.weight", "hidden.0.bias", "output.weight", "output.bias")


def step_of(problem: Problem) -> Callable[[], float]:
    """A function that does a step and gives its loss."""
    flat, grad, parts, grads = flattened([problem.weights[name] for name in NAMES])
    change = optimizer(problem.optimizer, flat, grad, problem.lr)
    data = problem.data
    assert isinstance(data, Windows)
    size, chosen = data.batch_size, data.chosen()
    run = _block(data, parts, grads, min(BLOCK, size), size)
    if size <= BLOCK:

        def step() -> float:
            loss = run(next(chosen))
            change()
            return float(loss)

        return step

    if size % BLOCK:
        raise ValueError(f"batches beyond {BLOCK} are of whole blocks of it, not {size}")
    total = np.empty_like(grad)

    def step_in_blocks() -> float:
        loss = 0.0
        total.fill(0)
        for part in next(chosen).reshape(-1, BLOCK):
            loss += run(part)
            np.add(total, grad, total)
        np.copyto(grad, total)
        change()
        return float(loss)

    return step_in_blocks


def _block(data: Windows, parts: list[Array], grads: list[Array], n: int, batch_size: int) -> Callable[[Array], float]:
    """Forward and backward of n examples of a batch, with all arrays that it needs; gives their share of the loss."""
    table, w1, b1, w2, b2 = parts
    count, width = table.shape
    context, (hidden, wide) = data.contexts.shape[1], w1.shape
    dtype = table.dtype

    def new(*shape: int) -> Array:
        return np.empty(shape, dtype)

    ids, targets = np.empty((n, context), np.int64), np.empty(n, np.int64)
    embedded, onehot, eye = new(n, context, width), new(n * context, count), np.eye(count, dtype=dtype)
    x, flat_ids = embedded.reshape(n, wide), ids.reshape(-1)
    h, d_h, d_x = new(n, hidden), new(n, hidden), new(n, wide)
    logits, row, ones = new(count, n), new(n), np.ones(n, dtype)
    ones_of_characters = np.ones(count, dtype)
    places, columns, right = np.empty(n, np.int64), np.arange(n), new(n)
    flat_logits = logits.reshape(-1)
    w1_t, h_t, logits_t, d_h_t = w1.T, h.T, logits.T, d_h.T
    b2_column, share = b2[:, None], dtype.type(1 / batch_size)
    d_table, d_w1, d_b1, d_w2, d_b2 = grads
    d_rows, onehot_t = d_x.reshape(n * context, width), onehot.T
    matmul, add, subtract, multiply = np.matmul, np.add, np.subtract, np.multiply
    contexts_take, targets_take, table_take = data.contexts.take, data.targets.take, table.take

    def run(chosen: Array) -> float:
        contexts_take(chosen, 0, ids, "clip")
        targets_take(chosen, None, targets, "clip")
        table_take(ids, 0, embedded, "clip")
        matmul(x, w1_t, h)
        add(h, b1, h)
        np.tanh(h, h)
        matmul(w2, h_t, logits)
        add(logits, b2_column, logits)
        np.maximum.reduce(logits, 0, None, row)
        subtract(logits, row, logits)
        multiply(targets, n, places)
        add(places, columns, places)
        flat_logits.take(places, None, right, "clip")
        np.exp(logits, logits)
        matmul(ones_of_characters, logits, row)
        loss = -np.dot(right, ones)
        np.divide(share, row, right)
        np.log(row, row)
        loss += np.dot(row, ones)
        multiply(logits, right, logits)
        flat_logits[places] -= share
        matmul(logits, h, d_w2)
        matmul(logits, ones, d_b2)
        matmul(logits_t, w2, d_h)
        multiply(h, h, h)
        subtract(1, h, h)
        multiply(d_h, h, d_h)
        matmul(d_h_t, x, d_w1)
        matmul(ones, d_h, d_b1)
        matmul(d_h, w1, d_x)
        eye.take(flat_ids, 0, onehot, "clip")
        matmul(onehot_t, d_rows, d_table)
        return loss * share

    return run
