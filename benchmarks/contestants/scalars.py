"""A step of micrograd's demo (a net of 2, 16, 16 and 1 on two moons) on an engine of scalars: its time and its memory.

The net and the loss are micrograd's own code, word for word but for the start of the weights, with either ``Value``.
"""

import gc
import math
import random
import time
import tracemalloc
from collections.abc import Callable
from importlib import import_module
from statistics import median
from typing import Any

import numpy as np

HOMES = {"tinygrad_lm": "tinygrad_lm", "replayed": "tinygrad_lm", "micrograd": "micrograd.engine"}
"""Where each engine has its ``Value``; a step that is replayed is the same code on ours."""
BEFORE = 3
"""After so many calls a step is replayed."""
ALPHA = 1e-4


class Neuron:
    def __init__(self, Value: Any, nin: int, nonlin: bool) -> None:
        self.w = [Value(random.uniform(-1, 1)) for _ in range(nin)]
        self.b = Value(0)
        self.nonlin = nonlin

    def __call__(self, x: Any) -> Any:
        act = sum((wi * xi for wi, xi in zip(self.w, x)), self.b)  # noqa: B905
        return act.relu() if self.nonlin else act


class Net:
    """micrograd's MLP."""

    def __init__(self, Value: Any, nin: int, nouts: list[int]) -> None:
        sz = [nin, *nouts]
        self.layers = [[Neuron(Value, sz[i], i != len(nouts) - 1) for _ in range(sz[i + 1])] for i in range(len(nouts))]

    def __call__(self, x: Any) -> Any:
        for layer in self.layers:
            out = [n(x) for n in layer]
            x = out[0] if len(out) == 1 else out
        return x

    def parameters(self) -> list[Any]:
        return [p for layer in self.layers for n in layer for p in [*n.w, n.b]]


def moons(n: int) -> tuple[list[list[float]], list[int]]:
    """Points on two half circles, and on which of them each is: 1 or -1."""
    rng = np.random.default_rng(0)
    angles = np.linspace(0, math.pi, n // 2)
    upper = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points = np.concatenate([upper, [1.0, 0.5] - upper]) + rng.normal(scale=0.1, size=(2 * len(angles), 2))
    return points.tolist(), [-1] * len(angles) + [1] * len(angles)


def demo(engine: str, samples: int, hidden: int) -> tuple[Callable[[], Any], list[Any]]:
    """What computes the demo's loss, and the parameters."""
    Value = import_module(HOMES[engine]).Value
    random.seed(1337)
    model = Net(Value, 2, [hidden, hidden, 1])
    X, y = moons(samples)

    def loss() -> Any:
        inputs = [list(map(Value, xrow)) for xrow in X]
        scores = list(map(model, inputs))
        losses = [(1 + -yi * scorei).relu() for yi, scorei in zip(y, scores)]  # noqa: B905
        data_loss = sum(losses) * (1.0 / len(losses))
        reg_loss = ALPHA * sum(p * p for p in model.parameters())
        return data_loss + reg_loss

    return loss, model.parameters()


def timed(engine: str, collecting: bool, samples: int, hidden: int, steps: int) -> dict[str, Any]:
    """The median time of a step, and the losses; the first step, which warms up, counts for neither."""
    loss_of, parameters = demo(engine, samples, hidden)
    seconds, losses = list[float](), list[float]()

    def gradients() -> Any:
        loss = loss_of()
        for p in parameters:
            p.grad = 0
        loss.backward()
        return loss

    step = gradients
    if engine == "replayed":
        step = import_module("tinygrad_lm.replay").replay(gradients)
        for _ in range(BEFORE):
            step()
    if not collecting:
        gc.disable()
    for _ in range(steps + 1):
        started = time.perf_counter()
        loss = step()
        for p in parameters:
            p.data -= 0.05 * p.grad
        seconds.append(time.perf_counter() - started)
        losses.append(loss.data)
    return {"seconds": median(seconds[1:]), "losses": losses[1:]}


def memory(engine: str, samples: int, hidden: int) -> dict[str, int]:
    """The bytes that the graph of a step holds, and those at the worst of its way back.

    Measured on a second step, when what is kept from one to the next is there already.
    """
    loss_of, _ = demo(engine, samples, hidden)
    loss_of().backward()
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    loss = loss_of()
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    loss.backward()
    _, peak = tracemalloc.get_traced_memory()
    return {"held": held - before, "peak": peak - before}
