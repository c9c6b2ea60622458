"""Arrays of ``Value``s: array code on the scalar engine, and the way back to numbers."""

# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_lm.autograd.graph import detach
from tinygrad_lm.autograd.value import Value

Array = np.ndarray[Any, Any]


def to_values(array: Any, label: str = "", requires_grad: bool = True) -> Array:
    """An array of the same shape whose elements are ``Value``s, labelled ``label[i, j]``.

    NumPy calls an element's own methods on such an array, so code written in NumPy's words runs on it.
    """
    numbers = np.asarray(detach(array))
    values = np.empty(numbers.shape, dtype=object)
    for index in np.ndindex(numbers.shape):
        name = f"{label}[{', '.join(map(str, index))}]" if label and index else label
        values[index] = Value(numbers[index].item(), label=name, requires_grad=requires_grad)
    return values


def data_of(values: Any) -> Array:
    """The numbers of an array of ``Value``s."""
    return np.vectorize(lambda value: float(detach(value)), otypes=[np.float64])(values)


def grad_of(values: Any) -> Array:
    """The gradients of an array of ``Value``s; 0 where none arrived."""
    return np.vectorize(lambda value: value.grad or 0.0, otypes=[np.float64])(values)
