"""Arrays of ``Value``s: array code on the scalar engine, and the way back to numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tinygrad_lm.autograd.graph import detach
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.autograd.value import Value

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def to_values(array: ArrayLike | Tensor, label: str = "", requires_grad: bool = True) -> Array:
    """An array of the same shape whose elements are ``Value``s, labelled ``label[i, j]``.

    NumPy calls an element's own methods on such an array, so code written in NumPy's words runs on it.
    """
    numbers = np.asarray(detach(array))
    values = np.empty(numbers.shape, dtype=object)
    for index in np.ndindex(numbers.shape):
        name = f"{label}[{', '.join(map(str, index))}]" if label and index else label
        values[index] = Value(numbers[index].item(), label=name, requires_grad=requires_grad)
    return values


def data_of(values: ArrayLike) -> Array:
    """The numbers of an array of ``Value``s."""
    return np.vectorize(float, otypes=[np.float64])(values)


def grad_of(values: ArrayLike) -> Array:
    """The gradients of an array of ``Value``s; 0 where none arrived."""

    def gradient(value: Value) -> float:
        return value.grad or 0.0

    return np.vectorize(gradient, otypes=[np.float64])(values)
