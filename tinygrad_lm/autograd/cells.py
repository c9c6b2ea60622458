"""The recurrent cells in primitives: what one step of an RNN, an LSTM and a GRU computes, in PyTorch's equations.

They run on tensors, on arrays and on arrays of ``Value``s. The fused kernels of ``recurrent`` repeat them over a whole
sequence, and are compared with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tinygrad_lm.autograd import kernels, rules
from tinygrad_lm.autograd.types import Array

RNN, GRU, LSTM = 1, 3, 4
"""How many blocks of rows the weights of each cell have: the LSTM's are its input, forget, cell and output gate."""


class LSTMGates(NamedTuple):
    """What an LSTM cell decided in a step, each (n, hidden)."""

    input: Array
    """How much of the new content is written, from 0 to 1."""
    forget: Array
    """How much of the old cell is kept, from 0 to 1."""
    cell: Array
    """The new content, from -1 to 1."""
    output: Array
    """How much of the cell is shown, from 0 to 1."""


class GRUGates(NamedTuple):
    """What a GRU cell decided in a step, each (n, hidden)."""

    reset: Array
    """How much of the old state the new content is made from, from 0 to 1."""
    update: Array
    """How much of the old state is kept, from 0 to 1."""
    new: Array
    """The new content, from -1 to 1."""


def check_cell(what: str, blocks: int, x: Array, states: Sequence[Array], weights: Sequence[Array]) -> None:
    """Raise ``ValueError`` naming the shapes that do not fit together: x (..., n, in), states (n, hidden)."""
    (w_ih, w_hh, *biases), hidden = weights, weights[1].shape[-1]
    if w_ih.shape != (blocks * hidden, x.shape[-1]) or w_hh.shape != (blocks * hidden, hidden):
        wanted = "hidden" if blocks == 1 else f"{blocks} * hidden"
        raise ValueError(
            f"{what}: an input (..., in) takes weights ({wanted}, in) and ({wanted}, hidden), but the shapes are "
            f"{x.shape}, {w_ih.shape} and {w_hh.shape}"
        )
    for bias in biases:
        if bias.shape != (blocks * hidden,):
            raise ValueError(f"{what}: a bias must have shape {(blocks * hidden,)}, not {bias.shape}")
    for state in states:
        if state.shape != (x.shape[-2], hidden):
            raise ValueError(
                f"{what}: the state of {x.shape[-2]} sequences must have shape {(x.shape[-2], hidden)}, not "
                f"{state.shape}"
            )


def check_sequence(
    what: str,
    blocks: int,
    x: Array,
    states: Sequence[Array],
    weights: Sequence[Array],
    sizes: Sequence[int] | None = None,
) -> None:
    """Raise ``ValueError`` unless x is (length, n, in), of a length from 1, and all shapes fit together.

    Of sequences that end one after the other x is (sum(sizes), in), the rows of all steps.
    """
    if sizes is not None:
        if x.ndim != 2 or not sizes or list(sizes) != sorted(sizes, reverse=True) or sizes[-1] < 1:
            raise ValueError(f"{what}: sizes {sizes} of an input (sum, in) are from 1, none larger than before")
        if x.shape[0] != sum(sizes):
            raise ValueError(f"{what}: the steps read {sum(sizes)} rows, and the input has {x.shape[0]}")
        x = x[: sizes[0]]
    elif x.ndim != 3 or not len(x):
        raise ValueError(f"{what}: the input must be (length, n, in) with a length from 1, not {x.shape}")
    check_cell(what, blocks, x, states, weights)


def _blocks(x: Array, weight: Array, bias: Sequence[Array], blocks: int) -> list[Array]:
    """An affine map, cut into blocks (n, hidden)."""
    whole, size = kernels.linear(x, weight, *bias), weight.shape[0] // blocks
    return [whole[:, i * size : (i + 1) * size] for i in range(blocks)]


def rnn_cell(x: Array, h: Array, w_ih: Array, w_hh: Array, *biases: Array, nonlinearity: str = "tanh") -> Array:
    """h' = tanh(w_ih x + b_ih + w_hh h + b_hh), or relu (Elman 1990): (n, in) and (n, hidden) give (n, hidden)."""
    total = kernels.linear(x, w_ih, *biases[:1]) + kernels.linear(h, w_hh, *biases[1:])
    return np.tanh(total) if nonlinearity == "tanh" else rules.relu(total)


def lstm_gates(x: Array, h: Array, w_ih: Array, w_hh: Array, *biases: Array) -> LSTMGates:
    """sigmoid(w_i x + b_i + u_i h + c_i), and f, o alike; g by tanh. The weights have the rows of i, f, g, o."""
    own, before = _blocks(x, w_ih, biases[:1], LSTM), _blocks(h, w_hh, biases[1:], LSTM)
    i, f, g, o = (a + b for a, b in zip(own, before, strict=True))
    return LSTMGates(rules.sigmoid(i), rules.sigmoid(f), np.tanh(g), rules.sigmoid(o))


def lstm_cell(x: Array, h: Array, c: Array, w_ih: Array, w_hh: Array, *biases: Array) -> tuple[Array, Array]:
    """c' = f c + i g and h' = o tanh(c') (Hochreiter & Schmidhuber 1997; Gers et al. 2000): both (n, hidden)."""
    i, f, g, o = lstm_gates(x, h, w_ih, w_hh, *biases)
    cell = f * c + i * g
    return o * np.tanh(cell), cell


def gru_gates(x: Array, h: Array, w_ih: Array, w_hh: Array, *biases: Array) -> GRUGates:
    """r and z by sigmoid, n = tanh(w_n x + b_n + r (u_n h + c_n)). The weights have the rows of r, z, n."""
    own, before = _blocks(x, w_ih, biases[:1], GRU), _blocks(h, w_hh, biases[1:], GRU)
    r, z = rules.sigmoid(own[0] + before[0]), rules.sigmoid(own[1] + before[1])
    return GRUGates(r, z, np.tanh(own[2] + r * before[2]))


def gru_cell(x: Array, h: Array, w_ih: Array, w_hh: Array, *biases: Array) -> Array:
    """h' = (1 - z) n + z h (Cho et al. 2014, with PyTorch's place of the reset gate): (n, hidden)."""
    _, z, n = gru_gates(x, h, w_ih, w_hh, *biases)
    return n + z * (h - n)
