"""All weights of a net in one array, beside one of their gradients, so that an optimizer is a handful of calls."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.contestants.problems import Array

BETA1, BETA2, EPS, DECAY = 0.9, 0.999, 1e-8, 0.01


def flattened(weights: Sequence[Array]) -> tuple[Array, Array, list[Array], list[Array]]:
    """All weights in one array, and as many gradients; and the views of each that are matrices and vectors."""
    flat = np.concatenate([array.ravel() for array in weights])
    grad = np.zeros_like(flat)
    shapes = [array.shape for array in weights]
    ends = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
    parts, grads = (
        [part.reshape(shape) for part, shape in zip(np.split(array, ends), shapes, strict=True)]
        for array in (flat, grad)
    )
    return flat, grad, parts, grads


def optimizer(name: str, flat: Array, grad: Array, lr: float) -> Callable[[], None]:
    """What changes the weights by their gradients, which SGD uses up."""
    return {"sgd": _sgd, "adamw": _adamw}[name](flat, grad, lr)


def _sgd(flat: Array, grad: Array, lr: float) -> Callable[[], None]:
    rate = flat.dtype.type(lr)

    def change() -> None:
        np.multiply(grad, rate, grad)
        np.subtract(flat, grad, flat)

    return change


def _adamw(flat: Array, grad: Array, lr: float) -> Callable[[], None]:
    """AdamW whose moments are kept divided by 1 - beta, and all whose factors are numbers that go into two of them."""
    mean, square, scratch = (np.zeros_like(flat) for _ in range(3))
    kept = 1 - lr * DECAY
    count = 0

    def change() -> None:
        nonlocal count
        count += 1
        rate = lr * (1 - BETA1) / (1 - BETA1**count)
        np.multiply(mean, BETA1, mean)
        np.add(mean, grad, mean)
        np.multiply(grad, grad, scratch)
        np.multiply(square, BETA2, square)
        np.add(square, scratch, square)
        np.sqrt(square, scratch)
        np.multiply(scratch, math.sqrt((1 - BETA2) / (1 - BETA2**count)) / rate, scratch)
        np.add(scratch, EPS / rate, scratch)
        np.divide(mean, scratch, scratch)
        np.multiply(flat, kept, flat)
        np.subtract(flat, scratch, flat)

    return change
