"""The recurrent layers: cells of one step, and layers over whole sequences, with PyTorch's names, shapes and equations.

A cell reads (n, input_size) and its state (n, hidden_size). A layer reads (length, n, input_size), or with
``batch_first`` (n, length, input_size), in one fused operation a layer; its states are (num_layers, n, hidden_size).
Without the axis n both take a single sequence. A layer also reads a ``PackedSequence``, sequences of several lengths
without what fills them up, and gives one. All weights start uniform within 1 / sqrt(hidden_size).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast, overload

import numpy as np

from tinygrad_lm.autograd import cells, no_grad, recurrent
from tinygrad_lm.autograd.cells import GRUGates, LSTMGates
from tinygrad_lm.autograd.graph import detach
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.checks import whole_number
from tinygrad_lm.nn import functional as F
from tinygrad_lm.nn.module import Module
from tinygrad_lm.nn.packing import PackedSequence, ends_of
from tinygrad_lm.nn.parameter import Parameter
from tinygrad_lm.random import as_generator

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

State = Tensor | Array
"""A hidden state."""
Pair = tuple[State, State]
"""The hidden state and the cell of an LSTM."""

NONLINEARITIES = ("tanh", "relu")


class _Recurrent(Module):
    """What cells and layers have in common: their sizes, and weights of so many blocks of rows."""

    _blocks: ClassVar[int]

    def _start(self, input_size: int, hidden_size: int, bias: bool) -> None:
        self.input_size = whole_number(input_size, 1, "input_size must be a whole number from 1, not")
        self.hidden_size = whole_number(hidden_size, 1, "hidden_size must be a whole number from 1, not")
        self.bias = bool(bias)

    def _add_weights(self, width: int, suffix: str, rng: np.random.Generator, dtype: DTypeLike) -> None:
        rows, bound = self._blocks * self.hidden_size, 1 / math.sqrt(self.hidden_size)
        shapes = {"weight_ih": (rows, width), "weight_hh": (rows, self.hidden_size)}
        if self.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        for name, shape in shapes.items():
            setattr(self, name + suffix, Parameter(rng.uniform(-bound, bound, shape), dtype=dtype))

    def _weights(self, suffix: str = "") -> list[Any]:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")[: 4 if self.bias else 2]
        return [getattr(self, name + suffix) for name in names]

    def _state(self, given: State | None, shape: tuple[int, ...], what: str) -> State:
        """A state that was given, checked, or one of zeros."""
        if given is None:
            return np.zeros(shape, self._weights("" if hasattr(self, "weight_ih") else "_l0")[0].dtype)
        found: object = getattr(given, "shape", type(given).__name__)  # a pair has none
        if found != shape:
            raise ValueError(f"{type(self).__name__}: {what} must have shape {shape}, not {found}")
        return given

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.input_size} -> {self.hidden_size}" + ("" if self.bias else ", no bias")


class _Cell(_Recurrent):
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        rng: np.random.Generator | int | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self._start(input_size, hidden_size, bias)
        self._add_weights(self.input_size, "", as_generator(rng), dtype)

    def _inputs(self, x: State, states: Sequence[State | None]) -> tuple[list[Any], bool]:
        """The input and the states, each with an axis n; and whether that was missing."""
        name, single = type(self).__name__, x.ndim == 1
        if x.ndim not in (1, 2) or x.shape[-1] != self.input_size:
            raise ValueError(
                f"{name} takes an input (n, {self.input_size}), or ({self.input_size},) of one, not {x.shape}"
            )
        shape = (*x.shape[:-1], self.hidden_size)
        found = [x, *(self._state(state, shape, "the state") for state in states)]
        return [part[None] for part in found] if single else found, single


class RNNCell(_Cell):
    """h' = tanh(w_ih x + b_ih + w_hh h + b_hh), or relu: one step of a recurrent network (Elman 1990).

    ``weight_ih`` is (hidden_size, input_size), ``weight_hh`` (hidden_size, hidden_size); ``bias_ih`` and ``bias_hh``
    are (hidden_size,), or absent with ``bias=False``.
    """

    _blocks = cells.RNN

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        *,
        rng: np.random.Generator | int | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.nonlinearity = _checked_nonlinearity(nonlinearity)
        super().__init__(input_size, hidden_size, bias, rng=rng, dtype=dtype)

    def forward(self, x: State, hx: State | None = None) -> Tensor:
        """The state (n, hidden_size) after x (n, input_size); without ``hx`` the state before is 0."""
        inputs, single = self._inputs(x, [hx])
        state = cells.rnn_cell(*inputs, *self._weights(), nonlinearity=self.nonlinearity)
        return cast(Tensor, state[0] if single else state)


class LSTMCell(_Cell):
    """One step of an LSTM: c' = f c + i g, h' = o tanh(c') (Hochreiter & Schmidhuber 1997; Gers et al. 2000).

    The weights hold the rows of the input, forget, cell and output gate, in this order: ``weight_ih`` is
    (4 * hidden_size, input_size), ``weight_hh`` (4 * hidden_size, hidden_size), each bias (4 * hidden_size,).
    """

    _blocks = cells.LSTM

    def forward(self, x: State, hx: Pair | None = None) -> tuple[Tensor, Tensor]:
        """The state and the cell (n, hidden_size) after x (n, input_size); without ``hx`` both were 0."""
        inputs, single = self._inputs(x, _both(hx, type(self).__name__))
        state, cell = cells.lstm_cell(*inputs, *self._weights())
        return cast("tuple[Tensor, Tensor]", (state[0], cell[0]) if single else (state, cell))

    def gates(self, x: State, hx: Pair | None = None) -> LSTMGates:
        """What the gates ``input``, ``forget``, ``cell`` and ``output`` are in this step, each (n, hidden_size)."""
        (*inputs, _), single = self._inputs(x, _both(hx, type(self).__name__))
        found = cells.lstm_gates(*inputs, *self._weights())
        return LSTMGates(*(gate[0] for gate in found)) if single else found


class GRUCell(_Cell):
    """One step of a GRU: n = tanh(w x + b + r (u h + c)), h' = (1 - z) n + z h (Cho et al. 2014).

    The weights hold the rows of the reset gate, the update gate and the new content, in this order: ``weight_ih`` is
    (3 * hidden_size, input_size), ``weight_hh`` (3 * hidden_size, hidden_size), each bias (3 * hidden_size,).
    """

    _blocks = cells.GRU

    def forward(self, x: State, hx: State | None = None) -> Tensor:
        """The state (n, hidden_size) after x (n, input_size); without ``hx`` the state before is 0."""
        inputs, single = self._inputs(x, [hx])
        state = cells.gru_cell(*inputs, *self._weights())
        return cast(Tensor, state[0] if single else state)

    def gates(self, x: State, hx: State | None = None) -> GRUGates:
        """What the gates ``reset`` and ``update`` and the ``new`` content are in this step, each (n, hidden_size)."""
        inputs, single = self._inputs(x, [hx])
        found = cells.gru_gates(*inputs, *self._weights())
        return GRUGates(*(gate[0] for gate in found)) if single else found


class _Layers(_Recurrent):
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        *,
        weight_dropout: float = 0.0,
        rng: np.random.Generator | int | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        for name, p in (("dropout", dropout), ("weight_dropout", weight_dropout)):
            if not 0 <= p < 1:
                raise ValueError(f"{name} is a probability from 0 to below 1, not {p!r}")
        self._start(input_size, hidden_size, bias)
        self.num_layers = whole_number(num_layers, 1, "num_layers must be a whole number from 1, not")
        if dropout and self.num_layers == 1:
            raise ValueError(
                f"dropout={dropout} lies between layers, and there is one: give num_layers=2 or more, or put an "
                "nn.Dropout behind the layer"
            )
        self.batch_first, self.dropout, self.weight_dropout = bool(batch_first), dropout, weight_dropout
        self.rng = None if rng is None else as_generator(rng)
        generator = as_generator(rng) if self.rng is None else self.rng
        for layer in range(self.num_layers):
            self._add_weights(self.hidden_size if layer else self.input_size, f"_l{layer}", generator, dtype)

    def extra_repr(self) -> str:
        """The sizes, and what was chosen."""
        layers = "" if self.num_layers == 1 else f", {self.num_layers} layers"
        first = ", batch_first=True" if self.batch_first else ""
        given = {name: getattr(self, name) for name in ("dropout", "weight_dropout")}
        dropped = "".join(f", {name}={p}" for name, p in given.items() if p)
        return super().extra_repr() + layers + first + dropped

    def _sequence(self, x: State | PackedSequence, given: Iterable[State | None]) -> tuple[Any, list[Any], bool]:
        """The input (length, n, input_size), the states (num_layers, n, hidden_size), and whether n was missing."""
        if isinstance(x, PackedSequence):
            shape = self.num_layers, x.batch_sizes[0], self.hidden_size
            return x.data, [self._state(state, shape, "a state") for state in given], False
        name, single = type(self).__name__, x.ndim == 2
        if x.ndim not in (2, 3) or x.shape[-1] != self.input_size:
            shape = f"(n, length, {self.input_size})" if self.batch_first else f"(length, n, {self.input_size})"
            raise ValueError(f"{name} takes an input {shape}, or (length, {self.input_size}) of one, not {x.shape}")
        if single:
            x = x[:, None]
        elif self.batch_first:
            x = x.swapaxes(0, 1)
        n = () if single else (x.shape[1],)
        shape = self.num_layers, *n, self.hidden_size
        states = [self._state(state, shape, "a state") for state in given]
        return x, [state[:, None] for state in states] if single else states, single

    def _output(self, x: Any, single: bool) -> Any:
        """What a layer gave at each step, laid out as the input was."""
        return x[:, 0] if single else x.swapaxes(0, 1) if self.batch_first else x

    def _read(self, x: State | PackedSequence, given: Iterable[State | None]) -> tuple[Any, list[Tensor]]:
        """All states of the last layer, and of each kind of state the last of all layers."""
        rows, states, single = self._sequence(x, given)
        sizes = x.batch_sizes if isinstance(x, PackedSequence) else None
        last = [list[Any]() for _ in states]
        for layer in range(self.num_layers):
            weights = self._weights(f"_l{layer}")
            weights[1] = F.dropout(weights[1], self.weight_dropout, self.training, rng=self.rng)
            rows, ends = self._layer(rows, [state[layer] for state in states], weights, sizes)
            for so_far, end in zip(last, ends, strict=True):
                so_far.append(end)
            rows = F.dropout(rows, self.dropout, self.training and layer < self.num_layers - 1, rng=self.rng)
        joined = [cast(Any, np.stack(ends)) for ends in last]
        output = self._output(rows, single) if sizes is None else PackedSequence(rows, sizes)
        return output, [ends[:, 0] if single else ends for ends in joined]

    def _layer(
        self, x: Any, states: Sequence[Any], weights: Sequence[Any], sizes: tuple[int, ...] | None = None
    ) -> tuple[Any, Sequence[Any]]:
        """All hidden states of one layer over x (length, n, width), or over packed rows, and its last of each kind."""
        raise NotImplementedError

    def _gates(self, x: State, given: Iterable[State | None], of: Callable[..., Sequence[Array]]) -> list[list[Array]]:
        """The gates of each layer at every step, by the function that gives those of one step."""
        found = list[list[Array]]()
        with no_grad():
            rows, states, single = self._sequence(detach(x), map(detach, given))
            for layer in range(self.num_layers):
                weights = [weight.data for weight in self._weights(f"_l{layer}")]
                after, _ = self._layer(rows, [state[layer] for state in states], weights)
                before = np.concatenate([states[0][layer][None], after[:-1]])
                steps = [of(row, h, *weights) for row, h in zip(rows, before, strict=True)]
                found.append([self._output(np.stack(gate), single) for gate in zip(*steps, strict=True)])
                rows = after
        return found


class RNN(_Layers):
    """A recurrent network over whole sequences: ``RNNCell`` repeated, in one layer or several (Elman 1990).

    Parameters
    ----------
    input_size, hidden_size
        How many numbers a step reads, and how many the state has.
    num_layers
        How many layers there are, each of which reads the states of the one below.
    nonlinearity
        ``"tanh"`` or ``"relu"``.
    bias
        Whether the maps have biases.
    batch_first
        Whether sequences are (n, length, input_size) in place of (length, n, input_size); states stay as they are.
    dropout
        The probability with which what one layer hands to the next is 0 in training.
    weight_dropout
        The probability with which a weight from state to state is 0 in training, drawn anew at each call and the same
        at all its steps (Merity et al., "Regularizing and Optimizing LSTM Language Models", 2018). Not in PyTorch.
    rng
        Draws the weights, and what is dropped; without it the default generator does.
    """

    _blocks = cells.RNN

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        *,
        weight_dropout: float = 0.0,
        rng: np.random.Generator | int | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.nonlinearity = _checked_nonlinearity(nonlinearity)
        sizes = (input_size, hidden_size, num_layers)
        super().__init__(*sizes, bias, batch_first, dropout, weight_dropout=weight_dropout, rng=rng, dtype=dtype)

    @overload
    def forward(self, x: State, hx: State | None = None) -> tuple[Tensor, Tensor]: ...
    @overload
    def forward(self, x: PackedSequence, hx: State | None = None) -> tuple[PackedSequence, Tensor]: ...
    def forward(self, x: Any, hx: State | None = None) -> Any:
        """All states of the last layer, (length, n, hidden_size), and the last of each layer (num_layers, n, ...)."""
        output, (last,) = self._read(x, [hx])
        return output, last

    def _layer(
        self, x: Any, states: Sequence[Any], weights: Sequence[Any], sizes: tuple[int, ...] | None = None
    ) -> tuple[Any, Sequence[Any]]:
        found = recurrent.rnn(x, *states, *weights, nonlinearity=self.nonlinearity, **_given(sizes))
        return found, [_at_ends(found, sizes)]


class GRU(_Layers):
    """A GRU over whole sequences: ``GRUCell`` repeated; the parameters are those of ``RNN`` (Cho et al. 2014)."""

    _blocks = cells.GRU

    @overload
    def forward(self, x: State, hx: State | None = None) -> tuple[Tensor, Tensor]: ...
    @overload
    def forward(self, x: PackedSequence, hx: State | None = None) -> tuple[PackedSequence, Tensor]: ...
    def forward(self, x: Any, hx: State | None = None) -> Any:
        """All states of the last layer, (length, n, hidden_size), and the last of each layer (num_layers, n, ...)."""
        output, (last,) = self._read(x, [hx])
        return output, last

    def _layer(
        self, x: Any, states: Sequence[Any], weights: Sequence[Any], sizes: tuple[int, ...] | None = None
    ) -> tuple[Any, Sequence[Any]]:
        found = recurrent.gru(x, *states, *weights, **_given(sizes))
        return found, [_at_ends(found, sizes)]

    def gates(self, x: State, hx: State | None = None) -> list[GRUGates]:
        """For each layer the arrays ``reset``, ``update`` and ``new`` of all steps, laid out as the output is.

        Without a graph, and without dropout between the layers.
        """
        return [GRUGates(*gates) for gates in self._gates(x, [hx], cells.gru_gates)]


class LSTM(_Layers):
    """An LSTM over whole sequences: ``LSTMCell`` repeated; the parameters are those of ``RNN`` (Gers et al. 2000)."""

    _blocks = cells.LSTM

    @overload
    def forward(self, x: State, hx: Pair | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]: ...
    @overload
    def forward(self, x: PackedSequence, hx: Pair | None = None) -> tuple[PackedSequence, tuple[Tensor, Tensor]]: ...
    def forward(self, x: Any, hx: Pair | None = None) -> Any:
        """All states of the last layer, (length, n, hidden_size), and the last states and cells of all layers.

        The latter are a pair of (num_layers, n, hidden_size).
        """
        output, (last, kept) = self._read(x, _both(hx, type(self).__name__))
        return output, (last, kept)

    def _layer(
        self, x: Any, states: Sequence[Any], weights: Sequence[Any], sizes: tuple[int, ...] | None = None
    ) -> tuple[Any, Sequence[Any]]:
        found = recurrent.lstm(x, *states, *weights, **_given(sizes))
        steps = len(x)
        hidden, cell = found[:steps], found[-1] if sizes is None else found[steps:]
        return hidden, [_at_ends(hidden, sizes), cell]

    def gates(self, x: State, hx: Pair | None = None) -> list[LSTMGates]:
        """For each layer the arrays ``input``, ``forget``, ``cell`` and ``output`` of all steps, as the output is.

        Without a graph, and without dropout between the layers.
        """
        return [LSTMGates(*gates) for gates in self._gates(x, _both(hx, type(self).__name__), cells.lstm_gates)]


def _given(sizes: tuple[int, ...] | None) -> dict[str, Any]:
    return {} if sizes is None else {"sizes": sizes}


def _at_ends(states: Any, sizes: tuple[int, ...] | None) -> Any:
    """The last state of each sequence."""
    return states[-1] if sizes is None else states[ends_of(sizes)]


def _both(given: Pair | None, name: str) -> tuple[State | None, State | None]:
    """The state and the cell of an LSTM, where they are given."""
    if given is None:
        return None, None
    if not isinstance(cast(object, given), (tuple, list)) or len(given) != 2:
        raise ValueError(f"{name}: what was before is a pair, the state and the cell, not one {type(given).__name__}")
    return given


def _checked_nonlinearity(nonlinearity: str) -> str:
    if nonlinearity not in NONLINEARITIES:
        raise ValueError(f"nonlinearity is one of {', '.join(NONLINEARITIES)}, not {nonlinearity!r:.60}")
    return nonlinearity
