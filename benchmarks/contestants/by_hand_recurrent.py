"""The step of a GRU and an LSTM as one writes it in NumPy when nothing but its speed counts: every array is made once.

What pays: gates apart, (gates, rows, hidden), so that every step works on contiguous blocks; one product for the inputs
of all steps, and one for the gradient of each weight; a contiguous copy of the recurrent weight's transpose; a sigmoid
as (1 + tanh(x / 2)) / 2 with the half in the copied weights; what pays in ``by_hand``; and, where the longest names
of a batch come first, to read at each step only those that go on.

The rows are those of all steps, one after the other: at step t the names from ``starts[t]`` to ``starts[t + 1]``.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.contestants.flat import flattened, optimizer
from benchmarks.contestants.problems import Array, Problem

NAMES = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
ORDERS = {"lstm": [0, 1, 3, 2], "gru": [0, 1, 2]}
"""The gates as they lie here: those by sigmoid side by side, then the one by tanh."""


def step_of(kind: str, problem: Problem, packed: bool = False) -> Callable[[], float]:
    """A function that does a step and gives its loss; ``packed`` where the longest names come first."""
    order, w = ORDERS[kind], problem.weights

    def by_gate(array: Array) -> Array:
        return array.reshape(len(order), -1, *array.shape[1:])[order]

    recurrent = [by_gate(w[f"recurrent.{name}"]) for name in NAMES]
    flat, grad, parts, grads = flattened([w["embedding.weight"], *recurrent, w["output.weight"], w["output.bias"]])
    change = optimizer(problem.optimizer, flat, grad, problem.lr)
    batches = problem.data.batches()
    inputs, _ = next(problem.data.batches())
    run = _whole({"lstm": _lstm, "gru": _gru}[kind], parts, grads, *inputs.shape)

    def step() -> float:
        inputs, targets = (part.T for part in next(batches))
        read = targets >= 0 if packed else np.ones(targets.shape, bool)
        starts = [0, *np.cumsum(read.sum(axis=1)).tolist()]
        loss = run(inputs[read], targets[read], starts)
        change()
        return loss

    return step


def _whole(layer: Callable[..., Any], parts: list[Array], grads: list[Array], n: int, length: int) -> Any:
    """Embedding, recurrent layer, Linear and loss of the rows of at most so many steps of n names, and the way back."""
    table, w_ih, _, _, _, w_out, b_out = parts
    d_table, d_ih, d_hh, d_bias_ih, d_bias_hh, d_w_out, d_b_out = grads
    (count, width), hidden, gates, most = table.shape, w_out.shape[1], len(w_ih), n * length
    new = partial(np.zeros, dtype=table.dtype)
    forward, backward = layer(parts, n, length)
    all_x, all_d_x, all_d_states = new((most, width)), new((most, width)), new((most, hidden))
    by_gate, all_onehot, eye = new(gates * most * width), new((most, count)), np.eye(count, dtype=table.dtype)
    all_logits, all_counts, all_right, all_sums = new(count * most), new(most), new(most), new(most)
    ones, ones_of_characters = new(most) + 1, new(count) + 1
    columns, b_out_column = np.arange(most), b_out[:, None]

    def run(ids: Array, wanted: Array, starts: list[int]) -> float:
        rows = len(ids)
        x, d_x, d_states, onehot = all_x[:rows], all_d_x[:rows], all_d_states[:rows], all_onehot[:rows]
        counts, right, sums, one = all_counts[:rows], all_right[:rows], all_sums[:rows], ones[:rows]
        flat_logits = all_logits[: count * rows]
        logits = flat_logits.reshape(count, rows)
        np.greater_equal(wanted, 0, counts, casting="unsafe")
        share = 1 / np.dot(counts, one)
        table.take(ids, 0, x, "clip")
        states, before = forward(x, starts)
        np.matmul(w_out, states.T, logits)
        np.add(logits, b_out_column, logits)
        np.maximum.reduce(logits, 0, None, sums)
        np.subtract(logits, sums, logits)
        places = np.maximum(wanted, 0) * rows + columns[:rows]
        flat_logits.take(places, None, right, "clip")
        np.exp(logits, logits)
        np.matmul(ones_of_characters, logits, sums)
        loss = -np.dot(right, counts)
        np.divide(counts, sums, right)
        np.log(sums, sums)
        loss += np.dot(sums, counts)
        np.multiply(right, share, right)
        np.multiply(logits, right, logits)
        flat_logits[places] -= counts * share
        np.matmul(logits, states, d_w_out)
        np.matmul(logits, one, d_b_out)
        np.matmul(logits.T, w_out, d_states)
        by_input, by_state = backward(d_states, starts)
        np.matmul(by_input.swapaxes(1, 2), x, d_ih)
        np.matmul(by_state.swapaxes(1, 2), before, d_hh)
        np.matmul(one, by_input, d_bias_ih)
        np.matmul(one, by_state, d_bias_hh)
        product = _cut(by_gate, gates, rows, width)
        np.matmul(by_input, w_ih, product)
        np.add.reduce(product, 0, None, d_x)
        eye.take(ids, 0, onehot, "clip")
        np.matmul(onehot.T, d_x, d_table)
        return float(loss * share)

    return run


def _lstm(parts: list[Array], n: int, length: int) -> Any:
    """Forward, to the states and those before them, and backward, to the gradients of the gates, of an LSTM."""
    _, w_ih, w_hh, b_ih, b_hh, *_ = parts
    gates, hidden, most = len(w_ih), w_hh.shape[2], n * length
    new = partial(np.zeros, dtype=w_ih.dtype)
    halves = np.array([0.5, 0.5, 0.5, 1.0], w_ih.dtype)[:, None, None]
    own, onward, bias = new((gates, w_ih.shape[2], hidden)), new((gates, hidden, hidden)), new((gates, 1, hidden))
    all_found, all_d, all_products, all_slopes = (new(gates * size * hidden) for size in (most, most, n, n))
    states, before, kept, kept_before, shown = (new((most, hidden)) for _ in range(5))
    all_small, all_onto, all_onto_cell = (new((n, hidden)) for _ in range(3))

    def forward(x: Array, starts: list[int]) -> tuple[Array, Array]:
        np.multiply(w_ih.swapaxes(1, 2), halves, own)
        np.multiply(w_hh.swapaxes(1, 2), halves, onward)
        np.add(b_ih[:, None], b_hh[:, None], bias)
        np.multiply(bias, halves, bias)
        found = _cut(all_found, gates, len(x), hidden)
        np.matmul(x, own, found)
        np.add(found, bias, found)
        before[:n] = kept_before[:n] = 0
        for start, end, after in zip(starts, starts[1:], [*starts[2:], starts[-1]], strict=False):
            now, small = found[:, start:end], all_small[: end - start]
            product = _cut(all_products, gates, end - start, hidden)
            np.matmul(before[start:end], onward, product)
            np.add(now, product, now)
            np.tanh(now, now)
            np.multiply(now[:3], 0.5, now[:3])
            np.add(now[:3], 0.5, now[:3])
            cell = np.multiply(now[1], kept_before[start:end], kept[start:end])
            np.multiply(now[0], now[3], small)
            np.add(cell, small, cell)
            np.tanh(cell, shown[start:end])
            state = np.multiply(now[2], shown[start:end], states[start:end])
            kept_before[end:after] = cell[: after - end]
            before[end:after] = state[: after - end]
        return states[: len(x)], before[: len(x)]

    def backward(d_states: Array, starts: list[int]) -> tuple[Array, Array]:
        rows = len(d_states)
        found, d_gates = _cut(all_found, gates, rows, hidden), _cut(all_d, gates, rows, hidden)
        all_onto.fill(0)
        all_onto_cell.fill(0)
        for start, end in zip(starts[-2::-1], starts[:0:-1], strict=True):
            now, back, seen, size = found[:, start:end], d_gates[:, start:end], shown[start:end], end - start
            onto, onto_cell, small = all_onto[:size], all_onto_cell[:size], all_small[:size]
            slopes, product = _cut(all_slopes, gates, size, hidden), _cut(all_products, gates, size, hidden)
            np.add(onto, d_states[start:end], onto)
            np.multiply(seen, seen, small)
            np.subtract(1, small, small)
            np.multiply(small, now[2], small)
            np.multiply(small, onto, small)
            np.add(onto_cell, small, onto_cell)
            np.multiply(now, now, slopes)
            np.subtract(now[:3], slopes[:3], slopes[:3])
            np.subtract(1, slopes[3], slopes[3])
            np.multiply(onto_cell, now[3], back[0])
            np.multiply(onto_cell, kept_before[start:end], back[1])
            np.multiply(onto, seen, back[2])
            np.multiply(onto_cell, now[0], back[3])
            np.multiply(back, slopes, back)
            np.multiply(onto_cell, now[1], onto_cell)
            np.matmul(back, w_hh, product)
            np.add.reduce(product, 0, None, onto)
        return d_gates, d_gates

    return forward, backward


def _gru(parts: list[Array], n: int, length: int) -> Any:
    """The same of a GRU, whose new content has another gradient by the state than by the input."""
    _, w_ih, w_hh, b_ih, b_hh, *_ = parts
    gates, hidden, most = len(w_ih), w_hh.shape[2], n * length
    new = partial(np.zeros, dtype=w_ih.dtype)
    halves = np.array([0.5, 0.5, 1.0], w_ih.dtype)[:, None, None]
    own, onward, bias = new((gates, w_ih.shape[2], hidden)), new((gates, hidden, hidden)), new((gates, 1, hidden))
    all_found, all_by_input, all_by_state = (new(gates * most * hidden) for _ in range(3))
    all_products, all_slopes = (new(gates * n * hidden) for _ in range(2))
    states, before, remembered = (new((most, hidden)) for _ in range(3))
    all_small, all_onto = (new((n, hidden)) for _ in range(2))

    def forward(x: Array, starts: list[int]) -> tuple[Array, Array]:
        np.multiply(w_ih.swapaxes(1, 2), halves, own)
        np.multiply(w_hh.swapaxes(1, 2), halves, onward)
        np.copyto(bias, b_ih[:, None])
        np.add(bias[:2], b_hh[:2, None], bias[:2])
        np.multiply(bias, halves, bias)
        found = _cut(all_found, gates, len(x), hidden)
        np.matmul(x, own, found)
        np.add(found, bias, found)
        before[:n] = 0
        for start, end, after in zip(starts, starts[1:], [*starts[2:], starts[-1]], strict=False):
            now, switches, small = found[:, start:end], found[:2, start:end], all_small[: end - start]
            product = _cut(all_products, gates, end - start, hidden)
            np.matmul(before[start:end], onward, product)
            np.add(product[2], b_hh[2], remembered[start:end])
            np.add(switches, product[:2], switches)
            np.tanh(switches, switches)
            np.multiply(switches, 0.5, switches)
            np.add(switches, 0.5, switches)
            np.multiply(now[0], remembered[start:end], small)
            np.add(now[2], small, now[2])
            np.tanh(now[2], now[2])
            np.subtract(before[start:end], now[2], small)
            np.multiply(small, now[1], small)
            state = np.add(small, now[2], states[start:end])
            before[end:after] = state[: after - end]
        return states[: len(x)], before[: len(x)]

    def backward(d_states: Array, starts: list[int]) -> tuple[Array, Array]:
        rows = len(d_states)
        found = _cut(all_found, gates, rows, hidden)
        by_input, by_state = _cut(all_by_input, gates, rows, hidden), _cut(all_by_state, gates, rows, hidden)
        all_onto.fill(0)
        for start, end in zip(starts[-2::-1], starts[:0:-1], strict=True):
            now, back, side, size = found[:, start:end], by_input[:, start:end], by_state[:, start:end], end - start
            onto, small = all_onto[:size], all_small[:size]
            slopes, product = _cut(all_slopes, gates, size, hidden), _cut(all_products, gates, size, hidden)
            np.add(onto, d_states[start:end], onto)
            np.multiply(now, now, slopes)
            np.subtract(now[:2], slopes[:2], slopes[:2])
            np.subtract(1, slopes[2], slopes[2])
            np.subtract(1, now[1], small)
            np.multiply(small, onto, small)
            np.multiply(small, slopes[2], back[2])
            np.multiply(back[2], remembered[start:end], back[0])
            np.subtract(before[start:end], now[2], back[1])
            np.multiply(back[1], onto, back[1])
            np.multiply(back[:2], slopes[:2], back[:2])
            np.copyto(side[:2], back[:2])
            np.multiply(back[2], now[0], side[2])
            np.multiply(onto, now[1], onto)
            np.matmul(side, w_hh, product)
            np.add.reduce(product, 0, None, small)
            np.add(onto, small, onto)
        return by_input, by_state

    return forward, backward


def _cut(flat: Array, blocks: int, rows: int, width: int) -> Array:
    """An array of fewer rows from the front of a flat one, contiguous."""
    return flat[: blocks * rows * width].reshape(blocks, rows, width)
