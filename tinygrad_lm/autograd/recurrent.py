"""The fused recurrent kernels: a whole sequence through an RNN, an LSTM or a GRU, and back, in one operation.

Each is the cell of ``cells`` repeated, which is its reference. Here a sequence is a column, and a number of it a row.
What a step reads is [h; 1; x], the state before it, a one for the biases and the input, so that one product with all
weights side by side, (gates * hidden, hidden + 1 + in), is both of the cell's maps, and one after the last step gives
the gradients of all weights. The gates of a step lie one after the other, whole, and what is computed of several of
them is one call. A sigmoid is computed as (1 + tanh(x / 2)) / 2, one tanh for all gates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinygrad_lm.autograd import cells
from tinygrad_lm.autograd.kernels import Gradients, Kernel
from tinygrad_lm.autograd.types import Array

Blocks = tuple[tuple[int | None, int | None], ...]
"""For each block of rows of a product its gate in the map of the state, and in that of the input."""

RNN: Blocks = ((0, 0),)
LSTM: Blocks = ((2, 2), (0, 0), (1, 1), (3, 3))
"""g, i, f, o: the gates by sigmoid side by side, and those that make the cell."""
GRU: Blocks = ((2, None), (0, 0), (1, 1), (None, 2))
"""r, z, and the new content in two: first what it has of the state, which r multiplies, and last what of the input."""


def _side_by_side(blocks: Blocks, x: Array, h0: Array, w_ih: Array, w_hh: Array, *biases: Array) -> Array:
    """All weights in the order of what they are multiplied by: (blocks, hidden, hidden + 1 + in)."""
    hidden, dtype = w_hh.shape[1], np.result_type(x, h0, w_ih, w_hh, *biases)
    from_input, from_state, *both = (part.reshape(-1, hidden, *part.shape[1:]) for part in (w_ih, w_hh, *biases))
    weights = np.empty_like(w_hh, dtype, shape=(len(blocks), hidden, hidden + 1 + x.shape[-1]))
    for block, (state, own) in zip(weights, blocks, strict=True):
        block[:, hidden] = 0
        if state is not None:
            block[:, :hidden] = from_state[state]
        if own is not None:
            block[:, hidden + 1 :] = from_input[own]
        for gate, bias in zip((own, state), both, strict=False):
            if gate is not None:
                block[:, hidden] += bias[gate]
    return weights


def _halved(weights: Array, by_sigmoid: slice) -> Array:
    """The weights with which a tanh gives what a sigmoid is made of."""
    found = weights.copy()
    found[by_sigmoid] *= 0.5
    return found


def _to_read(x: Array, h0: Array, weights: Array) -> Array:
    """What the steps read, side by side: (hidden + 1 + in, length * n). As yet only the first has its state."""
    (n, hidden), width = h0.shape, x.shape[-1]
    read = np.empty_like(weights, shape=(weights.shape[-1], x.shape[0] * n))
    read[:hidden, :n] = h0.T
    read[hidden] = 1
    read[hidden + 1 :] = x.reshape(-1, width).T
    return read


def _rows(blocks: Array) -> Array:
    """Blocks as one matrix, whose rows are those of all."""
    return blocks.reshape(-1, blocks.shape[-1])


def _hand_on(h: Array, t: int, read: Array, result: Array) -> None:
    """Write a state (hidden, n) into the result, and to where the next step reads it."""
    hidden, n = h.shape
    result[t] = h.T
    if (t + 1) * n < read.shape[1]:
        read[:hidden, (t + 1) * n : (t + 2) * n] = h


def _handed_back(grads: Array, weights: Array, t: int, d_x: Array | None) -> Array:
    """The gradient of the state before a step from those of its maps; that of its input is written into ``d_x``."""
    hidden, whole = weights.shape[1], _rows(weights)
    if d_x is None:
        return np.matmul(whole[:, :hidden].T, grads)
    found = np.matmul(whole.T, grads)
    d_x[t] = found[hidden + 1 :].T
    return found[:hidden]


def _of_weights(blocks: Blocks, of_state: Array, of_input: Array, needed: Sequence[bool]) -> Gradients:
    """The gradients of the weights from those of the maps of [h; 1] and of [1; x], each in the blocks' order."""
    states, inputs = [s for s, _ in blocks if s is not None], [i for _, i in blocks if i is not None]
    parts = (
        (inputs, of_input[:, :, 1:]),
        (states, of_state[:, :, :-1]),
        (inputs, of_input[:, :, 0]),
        (states, of_state[:, :, -1]),
    )
    return [_by_gate(*part) if need else None for need, part in zip(needed, parts, strict=False)]


def _by_gate(gates: Sequence[int], blocks: Array) -> Array:
    """Blocks as the rows of one array, in the order of the gates that they are of."""
    found = np.empty_like(blocks, order="C")
    for gate, block in zip(gates, blocks, strict=True):
        found[gate] = block
    return found.reshape(-1, *blocks.shape[2:])


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
    weights = _side_by_side(RNN, x, h0, w_ih, w_hh, *biases)
    read, (n, hidden) = _to_read(x, h0, weights), h0.shape
    states = np.empty_like(weights, shape=(len(x), hidden, n))
    result = np.empty_like(weights, shape=(len(x), n, hidden))
    for t, h in enumerate(states):
        np.matmul(weights[0], read[:, t * n : (t + 1) * n], out=h)
        h = np.tanh(h, out=h) if nonlinearity == "tanh" else np.maximum(h, 0, out=h)
        _hand_on(h, t, read, result)
    return result, (weights, read, states)


def _rnn_backward(
    g: Array,
    saved: tuple[Array, Array, Array],
    needed: Sequence[bool],
    x: Array,
    h0: Array,
    w_ih: Array,
    w_hh: Array,
    *biases: Array,
    nonlinearity: str = "tanh",
) -> Gradients:
    weights, read, states = saved
    (n, hidden), onto = h0.shape, np.zeros_like(states[0])
    grads = np.empty_like(read, shape=(hidden, read.shape[1]))
    d_x = np.empty_like(weights, shape=x.shape) if needed[0] else None
    for t in range(len(x) - 1, -1, -1):
        onto += g[t].T
        onto *= 1 - states[t] * states[t] if nonlinearity == "tanh" else np.greater(states[t], 0)
        grads[:, t * n : (t + 1) * n] = onto
        onto = _handed_back(onto, weights, t, d_x)
    product = np.matmul(grads, read.T)[None]
    found = _of_weights(RNN, product[:, :, : hidden + 1], product[:, :, hidden:], needed[2:])
    return [d_x, onto.T if needed[1] else None, *found]


rnn = Kernel("rnn", _rnn_reference, _rnn_forward, _rnn_backward)
"""The states (length, n, hidden) of an RNN over x (length, n, in) from h0 (n, hidden): ``cells.rnn_cell`` repeated."""


def _lstm_reference(x: Array, h0: Array, c0: Array, *weights: Array) -> Array:
    found, h, c = list[Array](), h0, c0
    cells.check_sequence("lstm", cells.LSTM, x, (h0, c0), weights)
    for row in x:
        h, c = cells.lstm_cell(row, h, c, *weights)
        found.append(h)
    return np.stack([*found, c])


def _lstm_forward(x: Array, h0: Array, c0: Array, w_ih: Array, w_hh: Array, *biases: Array) -> tuple[Array, object]:
    cells.check_sequence("lstm", cells.LSTM, x, (h0, c0), (w_ih, w_hh, *biases))
    weights = _side_by_side(LSTM, x, h0, w_ih, w_hh, *biases)
    halved, read = _rows(_halved(weights, slice(1, 4))), _to_read(x, h0, weights)
    length, (n, hidden) = len(x), h0.shape
    gates, terms, shown = (np.empty_like(read, shape=(length, k, hidden, n)) for k in (4, 3, 1))
    result = np.empty_like(read, shape=(length + 1, n, hidden))
    cell = c0.T.astype(read.dtype)
    for t in range(length):
        now, (written, kept, h) = gates[t], terms[t]
        np.matmul(halved, read[:, t * n : (t + 1) * n], out=_rows(now))
        np.tanh(now, out=now)
        switches = now[1:]
        switches *= 0.5
        switches += 0.5
        content, i, f, o = now
        np.multiply(i, content, out=written)
        np.multiply(f, cell, out=kept)
        np.add(kept, written, out=cell)
        np.multiply(o, np.tanh(cell, out=shown[t, 0]), out=h)
        _hand_on(h, t, read, result)
    result[length] = cell.T
    return result, (weights, read, gates, terms, shown)


def _lstm_backward(
    g: Array,
    saved: tuple[Array, Array, Array, Array, Array],
    needed: Sequence[bool],
    x: Array,
    h0: Array,
    c0: Array,
    w_ih: Array,
    w_hh: Array,
    *biases: Array,
) -> Gradients:
    weights, read, gates, terms, shown = saved
    (n, hidden), length = h0.shape, len(x)
    grads = np.empty_like(read, shape=(4 * hidden, read.shape[1]))
    d_x = np.empty_like(weights, shape=x.shape) if needed[0] else None
    onto, onto_cell = np.zeros_like(shown[0, 0]), np.empty_like(shown[0, 0])
    onto_cell[...] = g[length].T
    for t in range(length - 1, -1, -1):
        (content, i, f, o), (written, _, h) = gates[t], terms[t]
        onto += g[t].T
        # h = o s with s = tanh(cell): o (1 - s^2) is o - h s.
        slope = np.multiply(h, shown[t, 0])
        np.subtract(o, slope, out=slope)
        slope *= onto
        onto_cell += slope
        # A term, i g say, times 1 - i is the slope of i times what i is multiplied by; and i (1 - g^2) is i - (i g) g.
        now = np.empty_like(gates[t])
        np.subtract(1, gates[t, 1:], out=now[1:])
        now[1:] *= terms[t]
        np.multiply(written, content, out=now[0])
        np.subtract(i, now[0], out=now[0])
        now[:3] *= onto_cell
        now[3] *= onto
        onto_cell *= f
        grads[:, t * n : (t + 1) * n] = _rows(now)
        onto = _handed_back(_rows(now), weights, t, d_x)
    product = np.matmul(grads, read.T).reshape(4, hidden, -1)
    found = _of_weights(LSTM, product[:, :, : hidden + 1], product[:, :, hidden:], needed[3:])
    return [d_x, onto.T if needed[1] else None, onto_cell.T if needed[2] else None, *found]


lstm = Kernel("lstm", _lstm_reference, _lstm_forward, _lstm_backward)
"""The states of an LSTM over x (length, n, in), and its last cell: (length + 1, n, hidden), ``cells.lstm_cell``s."""


def _gru_reference(x: Array, h0: Array, *weights: Array) -> Array:
    states, h = list[Array](), h0
    cells.check_sequence("gru", cells.GRU, x, (h0,), weights)
    for row in x:
        h = cells.gru_cell(row, h, *weights)
        states.append(h)
    return np.stack(states)


def _gru_forward(x: Array, h0: Array, w_ih: Array, w_hh: Array, *biases: Array) -> tuple[Array, object]:
    cells.check_sequence("gru", cells.GRU, x, (h0,), (w_ih, w_hh, *biases))
    weights = _side_by_side(GRU, x, h0, w_ih, w_hh, *biases)
    halved, read = _halved(weights, slice(1, 3)), _to_read(x, h0, weights)
    length, (n, hidden) = len(x), h0.shape
    gates, terms = (np.empty_like(read, shape=(length, k, hidden, n)) for k in (4, 2))
    result = np.empty_like(read, shape=(length, n, hidden))
    h = h0.T
    for t in range(length):
        (remembered, reset, update, new), switches, (part, kept) = gates[t], gates[t, 1:3], terms[t]
        column = read[:, t * n : (t + 1) * n]
        np.matmul(halved[0, :, : hidden + 1], column[: hidden + 1], out=remembered)
        np.matmul(_rows(halved[1:3]), column, out=_rows(switches))
        np.matmul(halved[3, :, hidden:], column[hidden:], out=new)
        np.tanh(switches, out=switches)
        switches *= 0.5
        switches += 0.5
        new += np.multiply(reset, remembered, out=part)
        np.tanh(new, out=new)
        np.subtract(h, new, out=kept)
        kept *= update
        h = new + kept
        _hand_on(h, t, read, result)
    return result, (weights, read, gates, terms)


def _gru_backward(
    g: Array,
    saved: tuple[Array, Array, Array, Array],
    needed: Sequence[bool],
    x: Array,
    h0: Array,
    w_ih: Array,
    w_hh: Array,
    *biases: Array,
) -> Gradients:
    weights, read, gates, terms = saved
    (n, hidden), onto = h0.shape, np.zeros_like(gates[0, 0])
    grads = np.empty_like(read, shape=(4 * hidden, read.shape[1]))
    back = _rows(weights[:3])[:, :hidden].T
    for t in range(len(x) - 1, -1, -1):
        onto += g[t].T
        _, reset, update, new = gates[t]
        now = np.empty_like(gates[t])
        # A term times 1 - z is the slope of z times what z is multiplied by.
        np.subtract(1, gates[t, 1:3], out=now[1:3])
        np.multiply(new, new, out=now[3])
        np.subtract(1, now[3], out=now[3])
        now[3] *= now[2]
        now[3] *= onto
        now[1:3] *= terms[t]
        now[1] *= now[3]
        now[2] *= onto
        np.multiply(now[3], reset, out=now[0])
        grads[:, t * n : (t + 1) * n] = _rows(now)
        onto *= update
        onto += np.matmul(back, _rows(now[:3]))
    by_state, by_input = grads[: 3 * hidden], grads[hidden:]
    found = _of_weights(
        GRU,
        np.matmul(by_state, read[: hidden + 1].T).reshape(3, hidden, -1),
        np.matmul(by_input, read[hidden:].T).reshape(3, hidden, -1),
        needed[2:],
    )
    d_x = np.matmul(by_input.T, _rows(weights[1:])[:, hidden + 1 :]).reshape(x.shape) if needed[0] else None
    return [d_x, onto.T if needed[1] else None, *found]


gru = Kernel("gru", _gru_reference, _gru_forward, _gru_backward)
"""The states (length, n, hidden) of a GRU over x (length, n, in) from h0 (n, hidden): ``cells.gru_cell`` repeated."""
