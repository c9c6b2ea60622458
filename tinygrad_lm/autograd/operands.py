"""What a Tensor and its operations are given: checked, and made ready for NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from tinygrad_lm.autograd.graph import Node, Operation, detach
from tinygrad_lm.autograd.number import Number
from tinygrad_lm.autograd.two_readings import ValuesAndIndices
from tinygrad_lm.autograd.types import Array

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


def as_array(data: object, dtype: DTypeLike | None) -> Array:
    """A copy of the data as an array of numbers in the machine's byte order."""
    if isinstance(data, ValuesAndIndices):
        raise TypeError("this is PyTorch's pair of values and indices, not a Tensor: write x.max(dim=1).values, say")
    if isinstance(data, (list, tuple)) and any(isinstance(part, Node) for part in cast("Sequence[object]", data)):
        raise TypeError(
            "Tensor(...) of a list of Tensors would lose their graph: join them with np.stack or np.concatenate"
        )
    if isinstance(data, Number):
        raise TypeError("a Value is of the scalar engine; make a Tensor of its number: Tensor(v.data)")
    array = np.array(detach(data), dtype=dtype)
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"a Tensor holds real numbers or booleans, not {array.dtype} ({data!r:.60}); "
            "ragged lists and text have no gradient"
        )
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def plain_operand(x: object, operation: Operation) -> Any:
    """A plain operand, ready for NumPy: Python numbers stay as they are, so that they adapt to the dtype."""
    if isinstance(x, (float, int)) and not isinstance(x, np.generic):
        return x
    if isinstance(x, Number):
        raise TypeError(
            f"{operation.name!r} joins a Tensor and a Value: they are two engines; use one of them, or x.data"
        )
    if not isinstance(x, (np.ndarray, np.generic)):
        return as_array(x, None)
    x = cast(Array, x)
    if x.dtype.kind not in "biuf":
        raise TypeError(
            f"{operation.name!r} joins a Tensor and an array of {x.dtype}; only real numbers have gradients"
        )
    return x
