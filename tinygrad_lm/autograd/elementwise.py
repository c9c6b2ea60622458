"""The machinery of the derivative table: how an elementwise operation runs on arrays, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_lm.autograd.graph import Call, Node, Operation, detach
from tinygrad_lm.autograd.types import Array

_One = Callable[[Array], Array | float]
_Two = Callable[[Array, Array], Array | float]
_Three = Callable[[Array, Array, Array], Array | float]
_Four = Callable[[Array, Array, Array, Array], Array | float]

Function = _One | _Two | _Three
"""What an operation computes of its operands, of which there are one to three."""

Formula = _Two | _Three | _Four
"""A local derivative in terms of the operands and the result."""

ScalarFunction = Callable[[float], float] | Callable[[float, float], float] | Callable[[float, float, float], float]
"""The same as ``Function`` on floats."""


Intervals = tuple[tuple[float, float], ...]

ANYWHERE: Intervals = ((-3.0, 3.0),)
AWAY_FROM_0: Intervals = ((-3.0, -0.1), (0.1, 3.0))
POSITIVE: Intervals = ((0.3, 3.0),)


class Elementwise(Operation):
    """An operation that acts on each element alone, with one local derivative an operand.

    Parameters
    ----------
    name
        What it is called in the table, in errors and in pictures.
    forward
        Computes it on arrays, by NumPy's rules of broadcasting and dtype: NumPy's function itself, say.
    derivatives
        One formula an operand, or the number where the derivative is exactly 0, 1 or -1.
    symbol
        What a picture shows; the name by default.
    scalar
        Computes it on Python floats, faster than NumPy does; NumPy's own function by default.
    domain, others
        Where it is smooth, for checks at random points: the intervals of its first operand, and of every other one.
    """

    __slots__ = ("domain", "forward", "others")

    def __init__(
        self,
        name: str,
        forward: Function,
        derivatives: tuple[Formula | int, ...],
        symbol: str = "",
        *,
        scalar: ScalarFunction | None = None,
        domain: Intervals = ANYWHERE,
        others: Intervals = ANYWHERE,
    ) -> None:
        super().__init__(name, symbol, scalar or _on_numpy(forward), derivatives)
        self.forward = forward
        self.domain = domain
        self.others = others

    def evaluate(self, operands: tuple[Any, ...], attributes: Mapping[str, Any]) -> Any:
        """On an array of objects (of ``Value``s, say) the operation is called on each element; floats give a float."""
        if all(type(operand) is float for operand in operands):
            return self.on_floats(operands)
        if has_objects(operands):
            return self.on_elements(operands)
        return self.forward(*operands, **attributes)

    def on_elements(self, operands: tuple[Any, ...]) -> Any:
        """The operation called on each element of broadcast operands: an array of objects."""
        arrays = [np.asarray(operand, dtype=object) for operand in operands]
        return np.frompyfunc(self, len(arrays), 1)(*arrays)

    def vjp(self, gradient: Array, call: Call) -> list[Array | None]:
        """Multiply by each local derivative and sum over what was broadcast."""
        contributions: list[Array | None] = []
        inputs, out, shape = call.inputs, call.out, gradient.shape
        operands: Sequence[Array] | None = inputs if len(inputs) == 1 else None
        for i, need in enumerate(call.needed):
            if not need:
                contributions.append(None)
                continue
            derivative = self.derivatives[i]
            if isinstance(derivative, int):
                contribution = gradient if derivative == 1 else gradient * derivative
            else:
                if operands is None:
                    # In the result's dtype: 1 / y of an int8 array, say, would be a float16.
                    operands = [_promoted(x, out.dtype) for x in inputs]
                contribution = annihilate(gradient * derivative(*operands, out), gradient)
            if contribution.shape != shape:
                raise ValueError(
                    f"a derivative of {self.name!r} has too large a shape: it made {contribution.shape} of a gradient "
                    f"of shape {shape}; it must broadcast to the result's shape"
                )
            contributions.append(
                contribution if inputs[i].shape == shape else unbroadcast(contribution, inputs[i].shape)
            )
        return contributions


def annihilate(product: Any, gradient: Any) -> Any:
    """A gradient times a local derivative, with 0 times inf or nan made zero: what was not reached has no gradient.

    So ``where(c, f(x), g(x))`` is right also where the branch not chosen is inf or nan.
    """
    plain: Any = product.data if isinstance(product, Node) else product
    if type(plain) is float:
        return product if plain == plain or detach(gradient) != 0 else 0.0
    flat: Array = plain.reshape(-1)
    # The sum of squares is nan just where an element is, and cheaper to look at than a mask of them all.
    total = flat.dot(flat)
    if total == total:
        return product
    silenced: Any = product
    return np.where(np.not_equal(detach(gradient), 0), silenced, 0)


def has_objects(operands: tuple[object, ...]) -> bool:
    """Whether an array of objects (of ``Value``s, say) is among the operands."""
    return any(getattr(getattr(operand, "dtype", None), "kind", "") == "O" for operand in operands)


def _on_numpy(function: Callable[..., Any]) -> Callable[..., float]:
    return lambda *inputs: float(function(*map(np.float64, inputs)))


def _promoted(x: Array, dtype: np.dtype[Any]) -> Array:
    return x if getattr(x, "dtype", dtype) == dtype else x.astype(dtype)


def unbroadcast(x: Array, shape: tuple[int, ...]) -> Array:
    """Sum ``x`` down to ``shape``: the transpose of broadcasting from ``shape``."""
    if x.shape == shape:
        return x
    leading = x.ndim - len(shape)
    stretched = tuple(leading + i for i, size in enumerate(shape) if size == 1 and x.shape[leading + i] != 1)
    return x.sum(axis=(*range(leading), *stretched), keepdims=True).reshape(shape)


def real(x: Any, what: str) -> Any:
    """``x`` itself; complex numbers are refused, since a cast would drop their imaginary part with only a warning."""
    if is_complex(x):
        raise TypeError(f"{what} gave {np.asarray(x).dtype}: only real numbers have gradients here")
    return x


def is_complex(x: Any) -> bool:
    """Whether a number or an array is complex; a node never is."""
    return not isinstance(x, Node) and np.iscomplexobj(x)
