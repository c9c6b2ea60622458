"""What a ``Value`` can do as a Python number: compare, convert, and print itself; and what is taken for one."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any, NoReturn

from tinygrad_lm.autograd.copying import refuse_to_pickle
from tinygrad_lm.autograd.graph import Node, Operation, detach
from tinygrad_lm.autograd.operators import Operators


class Number(Operators):
    """A node that holds one float. Equality is of data, as in PyTorch; sets and dictionaries tell nodes apart."""

    __slots__ = ("data",)

    data: float

    def item(self) -> float:
        """The number itself."""
        return self.data

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self.grad = None

    def __repr__(self) -> str:
        label = f", label={self.label!r}" if self.label else ""
        return f"{type(self).__name__}(data={self.data!r}, grad={self.grad!r}{label})"

    @classmethod
    def _without_graph(cls, function: Callable[..., Any], inputs: tuple[Any, ...]) -> Any:
        return function(*map(detach, inputs))

    def __lt__(self, other: Any) -> bool:
        return self.data < detach(other)

    def __le__(self, other: Any) -> bool:
        return self.data <= detach(other)

    def __gt__(self, other: Any) -> bool:
        return self.data > detach(other)

    def __ge__(self, other: Any) -> bool:
        return self.data >= detach(other)

    def __eq__(self, other: object) -> bool:
        return self.data == detach(other)

    def __ne__(self, other: object) -> bool:
        return self.data != detach(other)

    __hash__ = object.__hash__

    def __float__(self) -> float:
        """The number alone, without a graph: ``float(v)``, and what ``math`` makes of ``v`` (write ``v.exp()``)."""
        return self.data

    def __int__(self) -> int:
        return int(self.data)

    def __bool__(self) -> bool:
        return self.data != 0

    def __format__(self, spec: str) -> str:
        return format(self.data, spec) if spec else repr(self)

    def __reduce__(self) -> NoReturn:
        refuse_to_pickle("Value", "keep x.data")


def as_float(x: Any) -> float:
    """A real number of any kind as a Python float.

    Raises
    ------
    TypeError
        For anything else.
    """
    if isinstance(x, Number):
        raise TypeError("Value(x) takes a number; x is a Value already (x.detach() makes a new leaf of it)")
    if isinstance(x, Real):
        return float(x)
    if getattr(x, "shape", None) == () and getattr(getattr(x, "dtype", None), "kind", "O") != "O":
        return as_float(x.item())
    raise TypeError(f"a Value holds one real number, not {type(x).__name__}: {x!r:.60}")


def as_operand(x: Any, operation: Operation) -> float:
    """A plain number that an operation on Values is given, as a Python float."""
    if isinstance(x, Real) or (hasattr(x, "dtype") and not isinstance(x, Node)):
        return as_float(x)
    raise TypeError(f"{operation.name!r} takes Values and real numbers, not {type(x).__name__}: {x!r:.60}")


def is_array(x: Any) -> bool:
    """Whether an operand is an array, of numbers or of ``Value``s: the operation is then called on each element."""
    return not isinstance(x, (Real, Node)) and hasattr(x, "dtype") and (bool(x.shape) or x.dtype == object)
