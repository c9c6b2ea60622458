"""The fused recurrent kernels: a whole sequence through an RNN, an LSTM or a GRU, and back, in one operation.

Each is the cell of ``cells`` repeated, which is its reference. Gates are kept apart, (gates, length, n, hidden), so
that every step works on contiguous blocks; what does not depend on the state before (the map of the inputs, the
gradients of the weights) is one product for the whole sequence. A sigmoid is computed as (1 + tanh(x / 2)) / 2, one
tanh for all gates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinygrad_lm.autograd import cells
from tinygrad_lm.autograd.kernels import Gradients, Kernel
from tinygrad_lm.autograd.types import Array

_INNER = [0, 1, 3, 2]
"""The LSTM's gates as they are computed, i, f, o, g: the three by sigmoid side by side. Its own inverse."""


def _mapped(x: Array, blocks: Array, biases: Sequence[Array]) -> Array:
    """Inputs (length, n, in) by blocks (gates, hidden, in) of a weight, plus biases: (gates, length, n, hidden)."""
    length, n, width = x.shape
    found = np.matmul(x.reshape(length * n, width), blocks.swapaxes(1, 2))
    for bias in biases:
        found += bias[:, None]
    return found.reshape(len(blocks), length, n, blocks.shape[1])


def _by_gate(array: Array, gates: int, order: Sequence[int] | None = None) -> Array:
    """The rows of a weight or a bias as (gates, hidden, ...), the gates in another order."""
    blocks = array.reshape(gates, array.shape[0] // gates, *array.shape[1:])
    return blocks if order is None else blocks[order]


def _before(first: Array, states: Array) -> Array:
    """The state before each step, (length * n, hidden)."""
    before = np.empty_like(states)
    before[0] = first
    before[1:] = states[:-1]
    return before.reshape(-1, states.shape[-1])


def _of_map(
    by_input: Array,
    by_state: Array,
    needed: Sequence[bool],
    x: Array,
    before: Array,
    w_ih: Array,
    order: Sequence[int] | None,
) -> Gradients:
    """The gradients of x, of both weights and both biases, from those of the gates (gates, length, n, hidden)."""
    gates, length, n, hidden = by_input.shape
    flat, flat_state = (a.reshape(gates, length * n, hidden) for a in (by_input, by_state))
    places = slice(None) if order is None else order
    found: Gradients = [None] * 5
    if needed[0]:
        found[0] = np.add.reduce(np.matmul(flat, w_ih), axis=0).reshape(x.shape)
    if needed[1]:
        product = np.matmul(flat.swapaxes(1, 2), x.reshape(length * n, x.shape[-1]))
        found[1] = product[places].reshape(gates * hidden, x.shape[-1])
    if needed[2]:
        found[2] = np.matmul(flat_state.swapaxes(1, 2), before)[places].reshape(gates * hidden, hidden)
    for i, rows in ((3, flat), (4, flat_state)):
        if i < len(needed) and needed[i]:
            other = found[3] if by_state is by_input else None  # where both biases have the same gradient
            # One row of ones for every gate's block.
            sums = np.matmul(np.ones_like(rows, shape=(1, rows.shape[1])), rows) if other is None else other
            total = sums[places].reshape(gates * hidden) if other is None else other.copy()
            found[i] = total
    return found[: len(needed)]


def _rnn_reference(x: Array, h0: Array, *weights: Array, nonlinearity: str = "tanh") -> Array:
    states, h = list[Array](), h0
    cells.check_sequence("rnn", cells.RNN, x, (h0,), weights)
    for row in x:
        h = cells.rnn_cell(row, h, *weights, nonlinearity=nonlinearity)
        states.append(h)
    return np.stack(states)


def _rnn_forward(
    x: Array, h0: Array, w_ih: Array, w_hh: Array, *biases: Array, nonlinearity: str = "tanh"
) -> tuple[Array, object]:
    cells.check_sequence("rnn", cells.RNN, x, (h0,), (w_ih, w_hh, *biases))
    states = _mapped(x, w_ih[None], [bias[None] for bias in biases])[0]
    onward, h = w_hh.T.copy(), h0
    for row in states:
        row += np.matmul(h, onward)
        h = np.tanh(row, out=row) if nonlinearity == "tanh" else np.maximum(row, 0, out=row)
    return states, states


def _rnn_backward(
    g: Array,
    states: Array,
    needed: Sequence[bool],
    x: Array,
    h0: Array,
    w_ih: Array,
    w_hh: Array,
    *biases: Array,
    nonlinearity: str = "tanh",
) -> Gradients:
    slopes = 1 - states * states if nonlinearity == "tanh" else (states > 0).astype(states.dtype)
    onto = np.zeros_like(h0, g.dtype)
    for row, slope in zip(g[::-1], slopes[::-1], strict=True):
        onto += row
        slope *= onto
        onto = np.matmul(slope, w_hh)
    found = _of_map(slopes[None], slopes[None], (needed[0], *needed[2:]), x, _before(h0, states), w_ih[None], None)
    return [found[0], onto if needed[1] else None, *found[1:]]


rnn = Kernel("rnn", _rnn_reference, _rnn_forward, _rnn_backward)
"""The states (length, n, hidden) of an RNN over x (length, n, in) from h0 (n, hidden): ``cells.rnn_cell`` repeated."""


def _lstm_reference(x: Array, h0: Array, c0: Array, *weights: Array) -> Array:
    states, kept, h, c = list[Array](), list[Array](), h0, c0
    cells.check_sequence("lstm", cells.LSTM, x, (h0, c0), weights)
    for row in x:
        h, c = cells.lstm_cell(row, h, c, *weights)
        states.append(h)
        kept.append(c)
    return np.stack([np.stack(states), np.stack(kept)])


def _lstm_forward(x: Array, h0: Array, c0: Array, w_ih: Array, w_hh: Array, *biases: Array) -> tuple[Array, object]:
    cells.check_sequence("lstm", cells.LSTM, x, (h0, c0), (w_ih, w_hh, *biases))
    halves = np.array([0.5, 0.5, 0.5, 1.0], w_ih.dtype)[:, None, None]
    own, onward = (_by_gate(w, cells.LSTM, _INNER) * halves for w in (w_ih, w_hh))
    gates = _mapped(x, own, [_by_gate(bias, cells.LSTM, _INNER) * halves[:, 0] for bias in biases])
    onward = onward.swapaxes(1, 2).copy()
    result = np.empty_like(gates, shape=(2, *gates.shape[1:]))
    shown, by_state = np.empty_like(result[0]), np.empty_like(gates, shape=(cells.LSTM, *h0.shape))
    h, c = h0.astype(gates.dtype, copy=False), c0
    for t in range(len(x)):
        now = gates[:, t]
        now += np.matmul(h, onward, out=by_state)
        np.tanh(now, out=now)
        switches = now[:3]
        switches *= 0.5
        switches += 0.5
        i, f, o, content = now
        cell = np.multiply(f, c, out=result[1, t])
        cell += i * content
        h, c = np.multiply(o, np.tanh(cell, out=shown[t]), out=result[0, t]), cell
    return result, (gates, shown, result)


def _lstm_backward(
    g: Array,
    saved: tuple[Array, Array, Array],
    needed: Sequence[bool],
    x: Array,
    h0: Array,
    c0: Array,
    w_ih: Array,
    w_hh: Array,
    *biases: Array,
) -> Gradients:
    gates, shown, (states, kept) = saved
    grads = np.empty_like(gates)
    back, buffers = _by_gate(w_hh, cells.LSTM, _INNER), np.empty_like(gates, shape=(2, cells.LSTM, *h0.shape))
    onto, onto_cell = np.zeros_like(h0, g.dtype), np.zeros_like(c0, g.dtype)
    for t in range(len(x) - 1, -1, -1):
        # A step at a time, so that what is computed of the gates is still in the cache when it is used.
        i, f, o, content = found = gates[:, t]
        slopes = np.multiply(found, found, out=buffers[0])
        np.subtract(found[:3], slopes[:3], out=slopes[:3])
        np.subtract(1, slopes[3], out=slopes[3])
        onto += g[0, t]
        onto_cell += g[1, t]
        onto_cell += onto * (o * (1 - shown[t] * shown[t]))
        now = grads[:, t]
        np.multiply(onto_cell, content, out=now[0])
        np.multiply(onto_cell, kept[t - 1] if t else c0, out=now[1])
        np.multiply(onto, shown[t], out=now[2])
        np.multiply(onto_cell, i, out=now[3])
        now *= slopes
        onto_cell = onto_cell * f
        onto = np.add.reduce(np.matmul(now, back, out=buffers[1]), axis=0)
    own = _by_gate(w_ih, cells.LSTM, _INNER)
    found = _of_map(grads, grads, (needed[0], *needed[3:]), x, _before(h0, states), own, _INNER)
    return [found[0], onto if needed[1] else None, onto_cell if needed[2] else None, *found[1:]]


lstm = Kernel("lstm", _lstm_reference, _lstm_forward, _lstm_backward)
"""The states and the cells (2, length, n, hidden) of an LSTM over x (length, n, in): ``cells.lstm_cell`` repeated."""


def _gru_reference(x: Array, h0: Array, *weights: Array) -> Array:
    states, h = list[Array](), h0
    cells.check_sequence("gru", cells.GRU, x, (h0,), weights)
    for row in x:
        h = cells.gru_cell(row, h, *weights)
        states.append(h)
    return np.stack(states)


def _gru_forward(x: Array, h0: Array, w_ih: Array, w_hh: Array, *biases: Array) -> tuple[Array, object]:
    cells.check_sequence("gru", cells.GRU, x, (h0,), (w_ih, w_hh, *biases))
    halves = np.array([0.5, 0.5, 1.0], w_ih.dtype)[:, None, None]
    own, onward = (_by_gate(w, cells.GRU) * halves for w in (w_ih, w_hh))
    by_input, by_state = [_by_gate(bias, cells.GRU) * halves[:, 0] for bias in biases] or [None, None]
    gates = _mapped(x, own, [] if by_input is None else [by_input])
    onward = onward.swapaxes(1, 2).copy()
    result = np.empty_like(gates, shape=gates.shape[1:])
    remembered = np.empty_like(result)
    h = h0
    for t in range(len(x)):
        now, product = gates[:, t], np.matmul(h, onward)
        if by_state is not None:
            product += by_state[:, None]
        remembered[t] = product[2]
        switches = now[:2]
        switches += product[:2]
        np.tanh(switches, out=switches)
        switches *= 0.5
        switches += 0.5
        reset, update, new = now
        new += reset * remembered[t]
        np.tanh(new, out=new)
        state = np.subtract(h, new, out=result[t])
        state *= update
        state += new
        h = state
    return result, (gates, remembered, result)


def _gru_backward(
    g: Array,
    saved: tuple[Array, Array, Array],
    needed: Sequence[bool],
    x: Array,
    h0: Array,
    w_ih: Array,
    w_hh: Array,
    *biases: Array,
) -> Gradients:
    gates, remembered, states = saved
    by_input, by_state = np.empty_like(gates), np.empty_like(gates)
    slopes = gates * gates
    np.subtract(gates[:2], slopes[:2], out=slopes[:2])
    np.subtract(1, slopes[2], out=slopes[2])
    back = _by_gate(w_hh, cells.GRU)
    onto = np.zeros_like(h0, g.dtype)
    for t in range(len(x) - 1, -1, -1):
        onto += g[t]
        reset, update, new = gates[:, t]
        now = by_input[:, t]
        np.multiply(onto, 1 - update, out=now[2])
        now[2] *= slopes[2, t]
        np.multiply(now[2], remembered[t], out=now[0])
        np.subtract(states[t - 1] if t else h0, new, out=now[1])
        now[1] *= onto
        now[:2] *= slopes[:2, t]
        side = by_state[:, t]
        side[:2] = now[:2]
        np.multiply(now[2], reset, out=side[2])
        onto = onto * update
        onto += np.add.reduce(np.matmul(side, back), axis=0)
    own = _by_gate(w_ih, cells.GRU)
    found = _of_map(by_input, by_state, (needed[0], *needed[2:]), x, _before(h0, states), own, None)
    return [found[0], onto if needed[1] else None, *found[1:]]


gru = Kernel("gru", _gru_reference, _gru_forward, _gru_backward)
"""The states (length, n, hidden) of a GRU over x (length, n, in) from h0 (n, hidden): ``cells.gru_cell`` repeated."""
