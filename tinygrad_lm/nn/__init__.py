"""Layers with parameters, the functions behind them, and their initialisation."""

from typing import TYPE_CHECKING

from tinygrad_lm.autograd import remedies
from tinygrad_lm.lazy import found as _found
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
    from tinygrad_lm.nn.stateless import functional_call

_HOMES = {"scalar": "scalar", "functional_call": "stateless"}
"""What is imported when it is first asked for."""

__all__ = [
    "CrossEntropyLoss",
    "Dropout",
    "Embedding",
    "Flatten",
    "GELU",
    "LayerNorm",
    "Linear",
    "Module",
    "ModuleDict",
    "ModuleList",
    "Parameter",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Tanh",
    "evaluating",
    "functional",
    "functional_call",
    "init",
    "learning",
    "scalar",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """What is imported late, or an error that says what to write for a layer of PyTorch's that is not here."""
        if name in _HOMES:
            return _found(__name__, _HOMES, name)
        raise remedies.unknown(__name__, name, remedies.NN)

    def __dir__() -> list[str]:
        """What there is to use."""
        return __all__
