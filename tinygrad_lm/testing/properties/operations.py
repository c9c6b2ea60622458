"""What random programs are made of: each operation on arrays, real or complex, on ``Tensor``s and on ``Value``s.

Most are written with NumPy's functions, which serve all of them. Where NumPy has no such function, or it drops the
imaginary part that a complex step reads, there is a formula for plain arrays and the engines' own operation beside it;
that the two agree is what a program tests. Operations with a limited domain are written so that they cannot leave it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, cast

import numpy as np

from tinygrad_lm.autograd import Tensor, data_of, rules
from tinygrad_lm.autograd.types import Array, Axis
from tinygrad_lm.testing.properties.index_data import Json, decode_index

Operand = Tensor | Array
"""A ``Tensor``, an array of ``Value``s, or an array of real or complex numbers."""


@dataclass(frozen=True)
class ProgramOperation:
    """An operation by up to three formulas, written as if all operands were arrays."""

    arrays: Callable[..., Operand]
    tensors: Callable[..., Operand] | None = None
    """On ``Tensor``s; as on arrays where it is ``None``."""
    values: Callable[..., Operand] | None = None
    """On arrays of ``Value``s; as on arrays where it is ``None``."""

    def __call__(self, *operands: Operand, **attributes: Json) -> Operand:
        """The result, by the formula that the operands ask for."""
        formula = self.arrays
        if any(isinstance(x, Tensor) for x in operands):
            formula = self.tensors or formula
        elif any(isinstance(x, np.ndarray) and x.dtype == object for x in operands):
            formula = self.values or formula
        return whole(formula(*operands, **attributes))


OperandT = TypeVar("OperandT", bound=Operand)


def whole(result: OperandT) -> OperandT:
    """A result as an array: NumPy turns those of shape () into scalars, which lack some methods of arrays."""
    return result if isinstance(result, Tensor) else cast("OperandT", np.asanyarray(result))


def numbers(result: Operand) -> Array:
    """What a result holds, of either engine or of plain NumPy, as an array of floats."""
    if isinstance(result, Tensor):
        return result.data
    return data_of(result) if result.dtype == object else result


Unary = Callable[[Array], Array]
Binary = Callable[[Array, Array], Array]
AlongAxis = Callable[[Array, int], Array]
ByNumbers = Callable[[Array, Sequence[int]], Array]


class Reduction(Protocol):
    """A function over axes, as NumPy has them."""

    def __call__(self, x: Array, /, *, axis: Axis, keepdims: bool) -> Array:
        """The result."""
        ...


# A lambda has no annotations: these functions give the types of what it takes.


def _unary(arrays: Unary, tensors: Unary | None = None, values: Unary | None = None) -> ProgramOperation:
    return ProgramOperation(arrays, tensors, values)


def _binary(arrays: Binary, tensors: Binary | None = None, values: Binary | None = None) -> ProgramOperation:
    return ProgramOperation(arrays, tensors, values)


def _joining(arrays: Callable[[Array, Array, int], Array]) -> ProgramOperation:
    return ProgramOperation(arrays)


def _along_axis(arrays: AlongAxis) -> ProgramOperation:
    return ProgramOperation(arrays)


def _by_numbers(arrays: ByNumbers) -> ProgramOperation:
    return ProgramOperation(arrays)


def _reduction(arrays: Reduction, tensors: Reduction | None = None) -> ProgramOperation:
    return ProgramOperation(_over_axes(arrays), None if tensors is None else _over_axes(tensors))


def _over_axes(reduction: Reduction) -> Callable[..., Array]:
    def reduce(x: Array, axis: list[int] | int | None, keepdims: bool) -> Array:
        # JSON knows several axes as a list.
        return reduction(x, axis=tuple(axis) if isinstance(axis, list) else axis, keepdims=keepdims)

    return reduce


def _relu(x: Array) -> Array:
    return np.where(np.real(x) > 0, x, 0)


def _abs(x: Array) -> Array:
    return x * np.sign(np.real(x))


def _softplus(x: Array) -> Array:
    sign = np.where(np.real(x) >= 0, 1, -1)
    return np.where(sign > 0, x, 0) + np.log1p(np.exp(-sign * x))


def _gelu_tanh(x: Array) -> Array:
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))


def _maximum(x: Array, y: Array) -> Array:
    return np.where(np.real(x) >= np.real(y), x, y)


def _max(x: Array, axis: int, keepdims: bool) -> Array:
    largest = np.take_along_axis(x, np.argmax(np.real(x), axis=axis, keepdims=True), axis)
    return largest if keepdims else np.squeeze(largest, axis)


def _softmax(x: Array, axis: int) -> Array:
    e = np.exp(np.tanh(x))
    return e / np.sum(e, axis=axis, keepdims=True)


def _softmax_of_tensors(x: Tensor, axis: int) -> Tensor:
    return x.tanh().softmax(axis)


def _logsumexp(x: Array, /, *, axis: Axis, keepdims: bool) -> Array:
    largest = np.max(np.real(numbers(x)), axis=axis, keepdims=True)
    total = np.log(np.sum(whole(np.exp(x - largest)), axis=axis, keepdims=keepdims))
    return total + np.reshape(largest, np.shape(total))


def _var(x: Array, /, *, axis: Axis, keepdims: bool) -> Array:
    centred = x - np.mean(x, axis=axis, keepdims=True)
    return np.mean(whole(centred * centred), axis=axis, keepdims=keepdims)


def _prod_tanh(x: Array, /, *, axis: Axis, keepdims: bool) -> Array:
    return np.prod(whole(np.tanh(x)), axis=axis, keepdims=keepdims)


def _scale(x: Array, factor: float) -> Array:
    return factor * x


def _where(x: Array, y: Array, mask: Sequence[object]) -> Array:
    return np.where(np.array(mask, dtype=bool), x, y)


def _roll(x: Array, shift: int, axis: int) -> Array:
    return np.roll(x, shift, axis)


def _getitem(x: Array, index: Json) -> Array:
    return x[decode_index(index)]


def _outer(x: Array, y: Array) -> Array:
    return np.einsum("...i,...j->...ij", x, y)


OPERATIONS: dict[str, ProgramOperation] = {
    "neg": _unary(lambda x: -x),
    "scale": ProgramOperation(_scale),
    "sin": _unary(np.sin),
    "tanh": _unary(np.tanh),
    "exp_tanh": _unary(lambda x: np.exp(np.tanh(x))),
    "log_square": _unary(lambda x: np.log(x * x + 0.5)),
    "sqrt_square": _unary(lambda x: np.sqrt(x * x + 0.1)),
    "cube_tanh": _unary(lambda x: np.tanh(x) ** 3),
    "sigmoid": _unary(lambda x: 0.5 + 0.5 * np.tanh(0.5 * x), rules.sigmoid, rules.sigmoid),
    "softplus": _unary(_softplus, rules.softplus, rules.softplus),
    "gelu_tanh": _unary(_gelu_tanh, rules.gelu_tanh, rules.gelu_tanh),
    "relu": _unary(_relu, rules.relu, rules.relu),
    "abs": _unary(_abs, np.abs, np.abs),
    "add": _binary(lambda x, y: x + y),
    "sub": _binary(lambda x, y: x - y),
    "mul": _binary(lambda x, y: x * y),
    "div_square": _binary(lambda x, y: x / (y * y + 0.5)),
    "pow_tanh": _binary(lambda x, y: (x * x + 0.5) ** np.tanh(y)),
    "maximum": _binary(_maximum, rules.maximum, rules.maximum),
    "where": ProgramOperation(_where),
    "matmul": _binary(np.matmul),
    "outer": _binary(_outer, values=lambda x, y: x[..., :, None] * y[..., None, :]),
    "sum": _reduction(np.sum),
    "mean": _reduction(np.mean),
    "var": _reduction(_var, np.var),
    "prod_tanh": _reduction(_prod_tanh),
    "logsumexp": _reduction(_logsumexp, cast("Reduction", Tensor.logsumexp)),
    "max": ProgramOperation(_max, np.max, np.max),
    "softmax": ProgramOperation(_softmax, _softmax_of_tensors),
    "cumsum": _along_axis(lambda x, axis: np.cumsum(x, axis=axis)),
    "flip": _along_axis(lambda x, axis: np.flip(x, axis)),
    "roll": ProgramOperation(_roll),
    "reshape": _by_numbers(lambda x, shape: np.reshape(x, tuple(shape))),
    "transpose": _by_numbers(lambda x, axes: np.transpose(x, tuple(axes))),
    "broadcast_to": _by_numbers(lambda x, shape: np.broadcast_to(x, tuple(shape))),
    "concatenate": _joining(lambda x, y, axis: np.concatenate([x, y], axis=axis)),
    "stack": _joining(lambda x, y, axis: np.stack([x, y], axis=axis)),
    "getitem": ProgramOperation(_getitem),
}
"""Every operation by name: a function of arrays of any kind, with its attributes by keyword."""


def _from_zero(x: Array) -> float:
    return float(np.abs(x).min(initial=np.inf))


def _apart(x: Array, y: Array) -> float:
    return _from_zero(x - y)


def _from_ties(x: Array, axis: int, keepdims: bool) -> float:
    return _from_zero(np.diff(np.sort(x, axis=axis), axis=axis))


KINKED: dict[str, Callable[..., float]] = {
    "relu": _from_zero,
    "abs": _from_zero,
    "maximum": _apart,
    "max": _from_ties,
}
"""How far an operation with kinks is from its nearest."""
