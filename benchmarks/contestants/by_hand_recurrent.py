"""The step of a GRU and an LSTM as one writes it in NumPy when nothing but its speed counts: every array is made once.

What pays: gates apart, (gates, length, n, hidden), so that every step works on contiguous blocks; one product for the
inputs of all steps, and one for the gradient of each weight; a contiguous copy of the recurrent weight's transpose; a
sigmoid as (1 + tanh(x / 2)) / 2 with the half in the copied weights; and what pays in ``by_hand``.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.contestants.flat import flattened, optimizer
from benchmarks.contestants.problems import Array, Problem

NAMES = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
ORDERS = {"lstm": [0, 1, 3, 2], "gru": [0, 1, 2]}
"""The gates as they lie here: those by sigmoid side by side, then the one by tanh."""


def step_of(kind: str, problem: Problem) -> Callable[[], float]:
    """A function that does a step and gives its loss."""
    order, w = ORDERS[kind], problem.weights
    gates = len(order)

    def by_gate(array: Array) -> Array:
        return array.reshape(gates, -1, *array.shape[1:])[order]

    recurrent = [by_gate(w[f"recurrent.{name}"]) for name in NAMES]
    flat, grad, parts, grads = flattened([w["embedding.weight"], *recurrent, w["output.weight"], w["output.bias"]])
    change = optimizer(problem.optimizer, flat, grad, problem.lr)
    batches = problem.data.batches()
    inputs, _ = next(problem.data.batches())
    run = _whole({"lstm": _lstm, "gru": _gru}[kind], parts, grads, *inputs.shape)

    def step() -> float:
        loss = run(*next(batches))
        change()
        return loss

    return step


def _whole(
    layer: Callable[..., Any], parts: list[Array], grads: list[Array], n: int, length: int
) -> Callable[[Array, Array], float]:
    """Embedding, recurrent layer, Linear and loss of a batch (n, length), and all the way back."""
    table, w_ih, _, _, _, w_out, b_out = parts
    d_table, d_ih, d_hh, d_bias_ih, d_bias_hh, d_w_out, d_b_out = grads
    (count, width), hidden = table.shape, w_out.shape[1]
    rows, dtype = n * length, table.dtype
    forward, backward, states, by_input, by_state = layer(parts, n, length)
    x, d_x, by_gate = (
        np.empty((rows, width), dtype),
        np.empty((rows, width), dtype),
        np.empty((len(w_ih), rows, width), dtype),
    )
    ids, onehot, eye = np.empty(rows, np.int64), np.empty((rows, count), dtype), np.eye(count, dtype=dtype)
    logits, row, ones, ones_of_characters = (
        np.empty((count, rows), dtype),
        np.empty(rows, dtype),
        np.ones(rows, dtype),
        np.ones(count, dtype),
    )
    d_states, before = np.empty((length, n, hidden), dtype), states[:-1].reshape(rows, hidden)
    after, flat_d = states[1:].reshape(rows, hidden), d_states.reshape(rows, hidden)
    columns, counts, right = np.arange(rows), np.empty(rows, dtype), np.empty(rows, dtype)
    flat_input, flat_state = (a.reshape(len(w_ih), rows, hidden) for a in (by_input, by_state))
    flat_logits, shape = logits.reshape(-1), (length, n)

    def run(inputs: Array, targets: Array) -> float:
        np.copyto(ids.reshape(shape), inputs.T)
        wanted = targets.T.reshape(rows)
        np.greater_equal(wanted, 0, counts, casting="unsafe")
        share = 1 / np.dot(counts, ones)
        table.take(ids, 0, x, "clip")
        forward(x)
        np.matmul(w_out, after.T, logits)
        np.add(logits, b_out[:, None], logits)
        np.maximum.reduce(logits, 0, None, row)
        np.subtract(logits, row, logits)
        places = np.maximum(wanted, 0) * rows + columns
        flat_logits.take(places, None, right, "clip")
        np.exp(logits, logits)
        np.matmul(ones_of_characters, logits, row)
        loss = -np.dot(right, counts)
        np.divide(counts, row, right)
        np.log(row, row)
        loss += np.dot(row, counts)
        np.multiply(right, share, right)
        np.multiply(logits, right, logits)
        flat_logits[places] -= counts * share
        np.matmul(logits, after, d_w_out)
        np.matmul(logits, ones, d_b_out)
        np.matmul(logits.T, w_out, flat_d)
        backward(d_states)
        np.matmul(flat_input.swapaxes(1, 2), x, d_ih)
        np.matmul(flat_state.swapaxes(1, 2), before, d_hh)
        np.matmul(ones, flat_input, d_bias_ih)
        np.matmul(ones, flat_state, d_bias_hh)
        np.matmul(flat_input, w_ih, by_gate)
        np.add.reduce(by_gate, 0, None, d_x)
        eye.take(ids, 0, onehot, "clip")
        np.matmul(onehot.T, d_x, d_table)
        return float(loss * share)

    return run


def _lstm(parts: list[Array], n: int, length: int) -> Any:
    """Forward and backward of an LSTM, its states with the first before them, and the gradients of its gates."""
    _, w_ih, w_hh, b_ih, b_hh, *_ = parts
    gates, hidden, dtype = len(w_ih), w_hh.shape[2], w_ih.dtype

    def new(*shape: int) -> Array:
        return np.zeros(shape, dtype)

    halves = np.array([0.5, 0.5, 0.5, 1.0], dtype)[:, None, None]
    own, onward, bias = new(gates, w_ih.shape[2], hidden), new(gates, hidden, hidden), new(gates, 1, hidden)
    found, d_gates = new(gates, length, n, hidden), new(gates, length, n, hidden)
    flat = found.reshape(gates, length * n, hidden)
    states, kept, shown = new(length + 1, n, hidden), new(length + 1, n, hidden), new(length, n, hidden)
    product, slopes, small = new(gates, n, hidden), new(gates, n, hidden), new(n, hidden)
    onto, onto_cell = new(n, hidden), new(n, hidden)

    def forward(x: Array) -> None:
        np.multiply(w_ih.swapaxes(1, 2), halves, own)
        np.multiply(w_hh.swapaxes(1, 2), halves, onward)
        np.add(b_ih[:, None], b_hh[:, None], bias)
        np.multiply(bias, halves, bias)
        np.matmul(x, own, flat)
        np.add(flat, bias, flat)
        for t in range(length):
            now = found[:, t]
            np.matmul(states[t], onward, product)
            np.add(now, product, now)
            np.tanh(now, now)
            np.multiply(now[:3], 0.5, now[:3])
            np.add(now[:3], 0.5, now[:3])
            np.multiply(now[1], kept[t], kept[t + 1])
            np.multiply(now[0], now[3], small)
            np.add(kept[t + 1], small, kept[t + 1])
            np.tanh(kept[t + 1], shown[t])
            np.multiply(now[2], shown[t], states[t + 1])

    def backward(d_states: Array) -> None:
        onto.fill(0)
        onto_cell.fill(0)
        for t in range(length - 1, -1, -1):
            now, back = found[:, t], d_gates[:, t]
            np.add(onto, d_states[t], onto)
            np.multiply(shown[t], shown[t], small)
            np.subtract(1, small, small)
            np.multiply(small, now[2], small)
            np.multiply(small, onto, small)
            np.add(onto_cell, small, onto_cell)
            np.multiply(now, now, slopes)
            np.subtract(now[:3], slopes[:3], slopes[:3])
            np.subtract(1, slopes[3], slopes[3])
            np.multiply(onto_cell, now[3], back[0])
            np.multiply(onto_cell, kept[t], back[1])
            np.multiply(onto, shown[t], back[2])
            np.multiply(onto_cell, now[0], back[3])
            np.multiply(back, slopes, back)
            np.multiply(onto_cell, now[1], onto_cell)
            np.matmul(back, w_hh, product)
            np.add.reduce(product, 0, None, onto)

    return forward, backward, states, d_gates, d_gates


def _gru(parts: list[Array], n: int, length: int) -> Any:
    """The same of a GRU, whose new content has another gradient by the state than by the input."""
    _, w_ih, w_hh, b_ih, b_hh, *_ = parts
    gates, hidden, dtype = len(w_ih), w_hh.shape[2], w_ih.dtype

    def new(*shape: int) -> Array:
        return np.zeros(shape, dtype)

    halves = np.array([0.5, 0.5, 1.0], dtype)[:, None, None]
    own, onward = new(gates, w_ih.shape[2], hidden), new(gates, hidden, hidden)
    bias, bias_of_new = new(gates, 1, hidden), b_hh[2]
    found, by_input, by_state = (new(gates, length, n, hidden) for _ in range(3))
    flat = found.reshape(gates, length * n, hidden)
    states, remembered = new(length + 1, n, hidden), new(length, n, hidden)
    product, slopes, small, onto = new(gates, n, hidden), new(gates, n, hidden), new(n, hidden), new(n, hidden)

    def forward(x: Array) -> None:
        np.multiply(w_ih.swapaxes(1, 2), halves, own)
        np.multiply(w_hh.swapaxes(1, 2), halves, onward)
        np.copyto(bias, b_ih[:, None])
        np.add(bias[:2], b_hh[:2, None], bias[:2])
        np.multiply(bias, halves, bias)
        np.matmul(x, own, flat)
        np.add(flat, bias, flat)
        for t in range(length):
            now, switches = found[:, t], found[:2, t]
            np.matmul(states[t], onward, product)
            np.add(product[2], bias_of_new, remembered[t])
            np.add(switches, product[:2], switches)
            np.tanh(switches, switches)
            np.multiply(switches, 0.5, switches)
            np.add(switches, 0.5, switches)
            np.multiply(now[0], remembered[t], small)
            np.add(now[2], small, now[2])
            np.tanh(now[2], now[2])
            np.subtract(states[t], now[2], small)
            np.multiply(small, now[1], small)
            np.add(small, now[2], states[t + 1])

    def backward(d_states: Array) -> None:
        onto.fill(0)
        for t in range(length - 1, -1, -1):
            now, back, side = found[:, t], by_input[:, t], by_state[:, t]
            np.add(onto, d_states[t], onto)
            np.multiply(now, now, slopes)
            np.subtract(now[:2], slopes[:2], slopes[:2])
            np.subtract(1, slopes[2], slopes[2])
            np.subtract(1, now[1], small)
            np.multiply(small, onto, small)
            np.multiply(small, slopes[2], back[2])
            np.multiply(back[2], remembered[t], back[0])
            np.subtract(states[t], now[2], back[1])
            np.multiply(back[1], onto, back[1])
            np.multiply(back[:2], slopes[:2], back[:2])
            np.copyto(side[:2], back[:2])
            np.multiply(back[2], now[0], side[2])
            np.multiply(onto, now[1], onto)
            np.matmul(side, w_hh, product)
            np.add.reduce(product, 0, None, small)
            np.add(onto, small, onto)

    return forward, backward, states, by_input, by_state
