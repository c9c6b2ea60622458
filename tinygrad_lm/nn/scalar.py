"""micrograd's neural networks, one number at a time: ``Neuron``, ``Layer`` and ``MLP`` on the scalar engine."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from tinygrad_lm.autograd.types import Array
from tinygrad_lm.autograd.value import Value
from tinygrad_lm.random import as_generator

Inputs = Sequence[Value | float] | Array
"""What a neuron is called on: floats and ``Value``s in a list, a tuple or an array."""

NONLINEARITIES = {"relu": "ReLU", "tanh": "Tanh", "sigmoid": "Sigmoid", "linear": "Linear"}
"""What may follow the weighted sum, by the name of ``Value``'s method, and how a neuron is then printed."""


class Module:
    """What the three share: parameters, and forgetting their gradients."""

    def parameters(self) -> list[Value]:
        """Every number that is learned."""
        return []

    def zero_grad(self) -> None:
        """Forget the gradients, so that the next backward pass starts afresh (gradients add up otherwise)."""
        for p in self.parameters():
            p.grad = None


class Neuron(Module):
    """f(w·x + b) of ``nin`` inputs; the weights start even in [-1, 1), the bias at 0.

    ``nonlinearity`` f is "relu", "tanh", "sigmoid" or "linear". ``rng`` is a generator, an integer seed, or ``None``
    for the default generator. Called on ``nin`` floats or ``Value``s it returns a ``Value``.
    """

    def __init__(self, nin: int, nonlinearity: str = "relu", *, rng: np.random.Generator | int | None = None) -> None:
        if nonlinearity not in NONLINEARITIES:
            raise ValueError(f"nonlinearity is one of {', '.join(NONLINEARITIES)}, not {nonlinearity!r}")
        self.w = [Value(w) for w in as_generator(rng).uniform(-1, 1, nin)]
        self.b = Value(0.0)
        self.nonlinearity = nonlinearity

    def __call__(self, x: Inputs) -> Value:
        """The nonlinearity of w·x + b."""
        act = Value.dot(self.w, x) + self.b
        return act if self.nonlinearity == "linear" else getattr(act, self.nonlinearity)()

    def parameters(self) -> list[Value]:
        """The weights, then the bias."""
        return [*self.w, self.b]

    def __repr__(self) -> str:
        return f"{NONLINEARITIES[self.nonlinearity]}Neuron({len(self.w)})"


class Layer(Module):
    """``nout`` neurons on the same ``nin`` inputs: a list of their results, or the result itself where it is one."""

    def __init__(
        self, nin: int, nout: int, nonlinearity: str = "relu", *, rng: np.random.Generator | int | None = None
    ) -> None:
        generator = as_generator(rng)
        self.neurons = [Neuron(nin, nonlinearity, rng=generator) for _ in range(nout)]

    def __call__(self, x: Inputs) -> Any:
        """The list of results, or the one."""
        out = [neuron(x) for neuron in self.neurons]
        return out[0] if len(out) == 1 else out

    def parameters(self) -> list[Value]:
        """Those of each neuron in turn."""
        return [p for neuron in self.neurons for p in neuron.parameters()]

    def __repr__(self) -> str:
        return f"Layer of [{', '.join(map(str, self.neurons))}]"


class MLP(Module):
    """Layers one after the other, of ``nouts`` neurons each; the last is linear: ``MLP(3, [4, 4, 1])([1, 2, 3])``."""

    def __init__(
        self,
        nin: int,
        nouts: Sequence[int],
        nonlinearity: str = "relu",
        *,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        generator = as_generator(rng)
        kinds = [*[nonlinearity] * (len(nouts) - 1), "linear"]
        sizes = zip(pairwise([nin, *nouts]), kinds, strict=False)
        self.layers = [Layer(before, after, kind, rng=generator) for (before, after), kind in sizes]

    def __call__(self, x: Inputs) -> Any:
        """What the last layer makes of it."""
        out: Any = x
        for layer in self.layers:
            out = layer([out] if isinstance(out, Value) else out)
        return out

    def parameters(self) -> list[Value]:
        """Those of each layer in turn."""
        return [p for layer in self.layers for p in layer.parameters()]

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(map(str, self.layers))}]"
