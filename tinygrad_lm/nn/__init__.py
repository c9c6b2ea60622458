"""Layers with parameters, the functions behind them, and their initialisation."""

from typing import TYPE_CHECKING

from tinygrad_lm.autograd import remedies
from tinygrad_lm.lazy import attribute as _attribute
from tinygrad_lm.nn import functional, init
from tinygrad_lm.nn.containers import ModuleDict, ModuleList, Sequential
from tinygrad_lm.nn.layers import (
    GELU,
    CrossEntropyLoss,
    Dropout,
    Embedding,
    Flatten,
    LayerNorm,
    Linear,
    ReLU,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from tinygrad_lm.nn.modes import evaluating, learning
from tinygrad_lm.nn.module import Module
from tinygrad_lm.nn.parameter import Parameter

if TYPE_CHECKING:
    from tinygrad_lm.nn import scalar
    from tinygrad_lm.nn.attention import MultiheadAttention, rotary, sinusoidal_positions
    from tinygrad_lm.nn.normalisation import BatchNorm1d, RMSNorm
    from tinygrad_lm.nn.packing import PackedSequence, pack_padded_sequence, pad_packed_sequence
    from tinygrad_lm.nn.recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell
    from tinygrad_lm.nn.stateless import functional_call

_HOMES = {
    "scalar": "scalar",
    "functional_call": "stateless",
    **dict.fromkeys(("MultiheadAttention", "rotary", "sinusoidal_positions"), "attention"),
    **dict.fromkeys(("BatchNorm1d", "RMSNorm"), "normalisation"),
    **dict.fromkeys(("PackedSequence", "pack_padded_sequence", "pad_packed_sequence"), "packing"),
    **dict.fromkeys(("GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "RNNCell"), "recurrent"),
}
"""What is imported when it is first asked for."""

__all__ = [
    "BatchNorm1d",
    "CrossEntropyLoss",
    "Dropout",
    "Embedding",
    "Flatten",
    "GELU",
    "GRU",
    "GRUCell",
    "LayerNorm",
    "Linear",
    "LSTM",
    "LSTMCell",
    "Module",
    "ModuleDict",
    "ModuleList",
    "MultiheadAttention",
    "PackedSequence",
    "Parameter",
    "ReLU",
    "RMSNorm",
    "RNN",
    "RNNCell",
    "Sequential",
    "Sigmoid",
    "SiLU",
    "Softplus",
    "Tanh",
    "evaluating",
    "functional",
    "functional_call",
    "init",
    "learning",
    "pack_padded_sequence",
    "pad_packed_sequence",
    "rotary",
    "scalar",
    "sinusoidal_positions",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """What is imported late, or an error that says what to write for a layer of PyTorch's that is not here."""
        if name in _HOMES:
            return _attribute(__name__, _HOMES, name)
        raise remedies.unknown(__name__, name, remedies.NN)

    def __dir__() -> list[str]:
        """What there is to use."""
        return __all__
