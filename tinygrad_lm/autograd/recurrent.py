"""The fused recurrent kernels: a whole sequence through an RNN, an LSTM or a GRU, and back, in one operation.

Each is the cell of ``cells`` repeated, which is its reference. Here a sequence is a column, and a number of it a row.
What a step reads is [h; 1; x], the state before it, a one for the biases and the input, so that one product with all
weights side by side, (gates * hidden, hidden + 1 + in), is both of the cell's maps, and one after the last step gives
the gradients of all weights. The gates of a step lie one after the other, whole, and what is computed of several of
them is one call. A sigmoid is computed as (1 + tanh(x / 2)) / 2, one tanh for all gates.

Of sequences of several lengths, the longest first, ``sizes`` says how many go on at each step. Then x has no axis for
the steps, but their rows one after the other: nothing is read or computed of what would only fill shorter ones up.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

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

Sizes = tuple[int, ...]
"""How many sequences each step reads, where they end one after the other: never more than the step before."""
Span = tuple[int, int, int]
"""The first column of a step, that behind its last, and that behind the last of the next step."""


def _spans(x: Array, sizes: Sizes | None) -> list[Span]:
    """The columns of each step."""
    ends = [0, *accumulate((x.shape[1],) * x.shape[0] if sizes is None else sizes)]
    return [(start, end, after) for (start, end), after in zip(pairwise(ends), [*ends[2:], ends[-1]], strict=True)]


def _side_by_side(blocks: Blocks, x: Array, h0: Array, w_ih: Array, w_hh: Array, *biases: Array) -> Array:
    """All weights in the order of what they are multiplied by: (blocks, hidden, hidden + 1 + in)."""
    hidden, dtype = w_hh.shape[1], np.result_type(x, h0, w_ih, w_hh, *biases)
    from_input, from_state, *both = (part.reshape(-1, hidden, *part.shape[1:]) for part in (w_ih, w_hh, *biases))
    weights = np.zeros_like(w_hh, dtype, shape=(len(blocks), hidden, hidden + 1 + x.shape[-1]))
    states, inputs = _gates(blocks)
    of_state, of_input = weights[: len(states)], weights[-len(inputs) :]
    of_state[:, :, :hidden] = from_state[states]
    of_input[:, :, hidden + 1 :] = from_input[inputs]
    for block, gates, bias in zip((of_input, of_state), (inputs, states), both, strict=False):
        of_ones = block[:, :, hidden]
        of_ones += bias[gates]
    return weights


def _gates(blocks: Blocks) -> tuple[list[int], list[int]]:
    """The gates of the map of the state, which has the first blocks, and of that of the input, which has the last."""
    return [state for state, _ in blocks if state is not None], [own for _, own in blocks if own is not None]


def _halved(weights: Array, by_sigmoid: slice) -> Array:
    """The weights with which a tanh gives what a sigmoid is made of."""
    found = weights.copy()
    gates = found[by_sigmoid]
    gates *= 0.5
    return found


def _to_read(x: Array, h0: Array, weights: Array) -> Array:
    """What the steps read, side by side: (hidden + 1 + in, columns). As yet only the first has its state."""
    (n, hidden), rows = h0.shape, x.reshape(-1, x.shape[-1])
    read = np.empty_like(weights, shape=(weights.shape[-1], len(rows)))
    read[:hidden, :n] = h0.T
    read[hidden] = 1
    read[hidden + 1 :] = rows.T
    return read


def _rows(blocks: Array) -> Array:
    """Blocks as one matrix, whose rows are those of all."""
    return blocks.reshape(blocks.shape[0] * blocks.shape[1], blocks.shape[2])


def _hand_on(h: Array, span: Span, read: Array, result: Array) -> None:
    """Write a state (hidden, n) into the result, and to where the next step reads it."""
    start, end, after = span
    result[start:end] = h.T
    if after > end:
        read[: len(h), end:after] = h[:, : after - end]


def _handed_back(grads: Array, weights: Array, d_x: Array | None, onward: bool) -> Array:
    """The gradient of the state before a step, if it is asked, from its maps'; that of its input goes into ``d_x``."""
    hidden = weights.shape[1]
    asked = slice(0 if onward else hidden + 1, hidden if d_x is None else None)
    found = np.matmul(_rows(weights)[:, asked].T, grads)
    if d_x is not None:
        d_x[...] = found[len(found) - d_x.shape[1] :].T
    return found[:hidden]


def _of_weights(blocks: Blocks, of_state: Array, of_input: Array, needed: Sequence[bool]) -> Gradients:
    """The gradients of the weights from those of the maps of [h; 1] and of [1; x], each in the blocks' order."""
    states, inputs = _gates(blocks)
    parts = (
        (inputs, of_input[:, :, 1:]),
        (states, of_state[:, :, :-1]),
        (inputs, of_input[:, :, 0]),
        (states, of_state[:, :, -1]),
    )
    return [_by_gate(*part) if need else None for need, part in zip(needed, parts, strict=False)]


def _by_gate(gates: list[int], blocks: Array) -> Array:
    """Blocks as the rows of one array, in the order of the gates that they are of."""
    found = np.empty_like(blocks, order="C")
    found[gates] = blocks
    return found.reshape(-1, *blocks.shape[2:])


def _widened(onto: Array, n: int, rest: Array | float = 0) -> Array:
    """Gradients (hidden, some) of the sequences that go on, and behind them of those that ended here: (hidden, n)."""
    some = onto.shape[1]
    if some == n:
        return onto
    found = np.empty_like(onto, shape=(onto.shape[0], n))
    found[:, :some] = onto
    found[:, some:] = rest
    return found


def _steps(x: Array, sizes: Sizes | None) -> list[Array]:
    """What each step reads, (n, in) and ever fewer."""
    return [*x] if sizes is None else [x[start:end] for start, end, _ in _spans(x, sizes)]


def _joined(steps: list[Array], sizes: Sizes | None) -> Array:
    """The states of all steps, as x is."""
    return np.stack(steps) if sizes is None else np.concatenate(steps)


def _rnn_reference(
    x: Array, h0: Array, *weights: Array, nonlinearity: str = "tanh", sizes: Sizes | None = None
) -> Array:
    states, h = list[Array](), h0
    cells.check_sequence("rnn", cells.RNN, x, (h0,), weights, sizes)
    for row in _steps(x, sizes):
        h = cells.rnn_cell(row, h[: len(row)], *weights, nonlinearity=nonlinearity)
        states.append(h)
    return _joined(states, sizes)


def _rnn_forward(
    x: Array,
    h0: Array,
    w_ih: Array,
    w_hh: Array,
    *biases: Array,
    nonlinearity: str = "tanh",
    sizes: Sizes | None = None,
) -> tuple[Array, object]:
    cells.check_sequence("rnn", cells.RNN, x, (h0,), (w_ih, w_hh, *biases), sizes)
    spans, weights = _spans(x, sizes), _side_by_side(RNN, x, h0, w_ih, w_hh, *biases)
    read, states = _to_read(x, h0, weights), list[Array]()
    result = np.empty_like(weights, shape=(read.shape[1], w_hh.shape[1]))
    for start, end, after in spans:
        h = np.matmul(weights[0], read[:, start:end])
        h = np.tanh(h, out=h) if nonlinearity == "tanh" else np.maximum(h, 0, out=h)
        _hand_on(h, (start, end, after), read, result)
        states.append(h)
    return result.reshape(*x.shape[:-1], w_hh.shape[1]), (spans, weights, read, states)


def _rnn_backward(
    g: Array,
    saved: tuple[list[Span], Array, Array, list[Array]],
    needed: Sequence[bool],
    x: Array,
    h0: Array,
    w_ih: Array,
    w_hh: Array,
    *biases: Array,
    nonlinearity: str = "tanh",
    sizes: Sizes | None = None,
) -> Gradients:
    spans, weights, read, states = saved
    rows, hidden = g.reshape(-1, g.shape[-1]), w_hh.shape[1]
    grads = np.empty_like(read, shape=(hidden, read.shape[1]))
    d_x = np.empty_like(read, shape=(read.shape[1], x.shape[-1])) if needed[0] else None
    onto = np.zeros_like(read, shape=(hidden, spans[-1][1] - spans[-1][0]))
    for (start, end, _), h in zip(reversed(spans), reversed(states), strict=True):
        onto = _widened(onto, end - start)
        onto += rows[start:end].T
        onto *= 1 - h * h if nonlinearity == "tanh" else np.greater(h, 0)
        grads[:, start:end] = onto
        onto = _handed_back(onto, weights, None if d_x is None else d_x[start:end], start > 0 or needed[1])
    product = np.matmul(grads, read.T)[None]
    return [
        None if d_x is None else d_x.reshape(x.shape),
        onto.T if needed[1] else None,
        *_of_weights(RNN, product[:, :, : hidden + 1], product[:, :, hidden:], needed[2:]),
    ]


rnn = Kernel("rnn", _rnn_reference, _rnn_forward, _rnn_backward)
"""The states (length, n, hidden) of an RNN over x (length, n, in) from h0 (n, hidden): ``cells.rnn_cell`` repeated."""


def _lstm_reference(x: Array, h0: Array, c0: Array, *weights: Array, sizes: Sizes | None = None) -> Array:
    states, ended, h, c = list[Array](), list[Array](), h0, c0
    cells.check_sequence("lstm", cells.LSTM, x, (h0, c0), weights, sizes)
    for row in _steps(x, sizes):
        ended.append(c[len(row) :])
        h, c = cells.lstm_cell(row, h[: len(row)], c[: len(row)], *weights)
        states.append(h)
    return _joined([*states, np.concatenate([c, *ended[::-1]])], sizes)


def _lstm_forward(
    x: Array, h0: Array, c0: Array, w_ih: Array, w_hh: Array, *biases: Array, sizes: Sizes | None = None
) -> tuple[Array, object]:
    cells.check_sequence("lstm", cells.LSTM, x, (h0, c0), (w_ih, w_hh, *biases), sizes)
    spans, weights = _spans(x, sizes), _side_by_side(LSTM, x, h0, w_ih, w_hh, *biases)
    halved, read = _rows(_halved(weights, slice(1, 4))), _to_read(x, h0, weights)
    (n, hidden), columns, saved = h0.shape, read.shape[1], list[tuple[Array, Array, Array]]()
    result = np.empty_like(read, shape=(columns + n, hidden))
    cell = c0.T.astype(read.dtype)
    for start, end, after in spans:
        gates = np.matmul(halved, read[:, start:end]).reshape(4, hidden, end - start)
        np.tanh(gates, out=gates)
        switches = gates[1:]
        switches *= 0.5
        switches += 0.5
        content, i, f, o = gates
        terms = np.empty_like(switches)
        written, kept, h = terms
        np.multiply(i, content, out=written)
        np.multiply(f, cell[:, : end - start], out=kept)
        cell = written + kept
        shown = np.tanh(cell)
        np.multiply(o, shown, out=h)
        _hand_on(h, (start, end, after), read, result)
        if after - end < end - start:
            result[columns + after - end : columns + end - start] = cell[:, after - end :].T
        saved.append((gates, terms, shown))
    return (result if sizes else result.reshape(len(x) + 1, n, hidden)), (spans, weights, read, saved)


def _lstm_backward(
    g: Array,
    saved: tuple[list[Span], Array, Array, list[tuple[Array, Array, Array]]],
    needed: Sequence[bool],
    x: Array,
    h0: Array,
    c0: Array,
    w_ih: Array,
    w_hh: Array,
    *biases: Array,
    sizes: Sizes | None = None,
) -> Gradients:
    spans, weights, read, of_steps = saved
    rows, hidden, columns = g.reshape(-1, g.shape[-1]), w_hh.shape[1], read.shape[1]
    grads = np.empty_like(read, shape=(4 * hidden, columns))
    d_x = np.empty_like(read, shape=(columns, x.shape[-1])) if needed[0] else None
    onto = np.zeros_like(read, shape=(hidden, spans[-1][1] - spans[-1][0]))
    onto_cell = rows[columns : columns + onto.shape[1]].T.copy()
    for (start, end, after), (gates, terms, shown) in zip(reversed(spans), reversed(of_steps), strict=True):
        (content, i, f, o), (written, _, h) = gates, terms
        onto = _widened(onto, end - start)
        onto_cell = _widened(onto_cell, end - start, rows[columns + after - end : columns + end - start].T)
        onto += rows[start:end].T
        # h is o s with s = tanh(c), so that o (1 - s^2), the slope of h to c, is o - h s.
        slope = h * shown
        np.subtract(o, slope, out=slope)
        slope *= onto
        onto_cell += slope
        # i g (1 - i) is i's slope times what i is multiplied by; f and o alike. And i (1 - g^2) is i - (i g) g.
        now = np.empty_like(gates)
        to_content, to_switches, to_made, to_shown = now[0], now[1:], now[:3], now[3]
        np.subtract(1, gates[1:], out=to_switches)
        to_switches *= terms
        np.multiply(written, content, out=to_content)
        np.subtract(i, to_content, out=to_content)
        to_made *= onto_cell
        to_shown *= onto
        onto_cell *= f
        grads[:, start:end] = _rows(now)
        onto = _handed_back(_rows(now), weights, None if d_x is None else d_x[start:end], start > 0 or needed[1])
    product = np.matmul(grads, read.T).reshape(4, hidden, read.shape[0])
    return [
        None if d_x is None else d_x.reshape(x.shape),
        onto.T if needed[1] else None,
        onto_cell.T if needed[2] else None,
        *_of_weights(LSTM, product[:, :, : hidden + 1], product[:, :, hidden:], needed[3:]),
    ]


lstm = Kernel("lstm", _lstm_reference, _lstm_forward, _lstm_backward)
"""The states of an LSTM over x (length, n, in), and its last cell: (length + 1, n, hidden), ``cells.lstm_cell``s."""


def _gru_reference(x: Array, h0: Array, *weights: Array, sizes: Sizes | None = None) -> Array:
    states, h = list[Array](), h0
    cells.check_sequence("gru", cells.GRU, x, (h0,), weights, sizes)
    for row in _steps(x, sizes):
        h = cells.gru_cell(row, h[: len(row)], *weights)
        states.append(h)
    return _joined(states, sizes)


def _gru_forward(
    x: Array, h0: Array, w_ih: Array, w_hh: Array, *biases: Array, sizes: Sizes | None = None
) -> tuple[Array, object]:
    cells.check_sequence("gru", cells.GRU, x, (h0,), (w_ih, w_hh, *biases), sizes)
    spans, weights = _spans(x, sizes), _side_by_side(GRU, x, h0, w_ih, w_hh, *biases)
    halved, read = _halved(weights, slice(1, 3)), _to_read(x, h0, weights)
    hidden, saved = w_hh.shape[1], list[tuple[Array, Array]]()
    result = np.empty_like(read, shape=(read.shape[1], hidden))
    for start, end, after in spans:
        column, gates = read[:, start:end], np.empty_like(read, shape=(4, hidden, end - start))
        (remembered, reset, update, new), switches = gates, gates[1:3]
        np.matmul(halved[0, :, : hidden + 1], column[: hidden + 1], out=remembered)
        np.matmul(_rows(halved[1:3]), column, out=_rows(switches))
        np.matmul(halved[3, :, hidden:], column[hidden:], out=new)
        np.tanh(switches, out=switches)
        switches *= 0.5
        switches += 0.5
        terms = np.empty_like(switches)
        part, kept = terms
        new += np.multiply(reset, remembered, out=part)
        np.tanh(new, out=new)
        np.subtract(column[:hidden], new, out=kept)
        kept *= update
        _hand_on(new + kept, (start, end, after), read, result)
        saved.append((gates, terms))
    return result.reshape(*x.shape[:-1], w_hh.shape[1]), (spans, weights, read, saved)


def _gru_backward(
    g: Array,
    saved: tuple[list[Span], Array, Array, list[tuple[Array, Array]]],
    needed: Sequence[bool],
    x: Array,
    h0: Array,
    w_ih: Array,
    w_hh: Array,
    *biases: Array,
    sizes: Sizes | None = None,
) -> Gradients:
    spans, weights, read, of_steps = saved
    rows, hidden = g.reshape(-1, g.shape[-1]), w_hh.shape[1]
    grads = np.empty_like(read, shape=(4 * hidden, read.shape[1]))
    back = _rows(weights[:3])[:, :hidden].T
    onto = np.zeros_like(read, shape=(hidden, spans[-1][1] - spans[-1][0]))
    for (start, end, _), (gates, terms) in zip(reversed(spans), reversed(of_steps), strict=True):
        onto = _widened(onto, end - start)
        onto += rows[start:end].T
        _, reset, update, new = gates
        now = np.empty_like(gates)
        (to_remembered, to_reset, to_update, to_new), to_switches = now, now[1:3]
        # z (h - n) (1 - z) is z's slope times what z is multiplied by; r alike.
        np.subtract(1, gates[1:3], out=to_switches)
        np.multiply(new, new, out=to_new)
        np.subtract(1, to_new, out=to_new)
        to_new *= to_update
        to_new *= onto
        to_switches *= terms
        to_reset *= to_new
        to_update *= onto
        np.multiply(to_new, reset, out=to_remembered)
        grads[:, start:end] = _rows(now)
        onto *= update
        onto += np.matmul(back, _rows(now[:3]))
    of_state, of_input = grads[: 3 * hidden], grads[hidden:]
    by_state = np.matmul(of_state, read[: hidden + 1].T).reshape(3, hidden, hidden + 1)
    by_input = np.matmul(of_input, read[hidden:].T).reshape(3, hidden, read.shape[0] - hidden)
    return [
        np.matmul(of_input.T, _rows(weights[1:])[:, hidden + 1 :]).reshape(x.shape) if needed[0] else None,
        onto.T if needed[1] else None,
        *_of_weights(GRU, by_state, by_input, needed[2:]),
    ]


gru = Kernel("gru", _gru_reference, _gru_forward, _gru_backward)
"""The states (length, n, hidden) of a GRU over x (length, n, in) from h0 (n, hidden): ``cells.gru_cell`` repeated."""
