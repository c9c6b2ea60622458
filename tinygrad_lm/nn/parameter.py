"""``Parameter``: a tensor that a module learns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np

from tinygrad_lm.autograd.tensor import Tensor

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike


class Parameter(Tensor):
    """A tensor that a module learns: found by ``parameters()``, stepped by an optimizer."""

    __slots__ = ()

    is_parameter = True
    """What tells a parameter from any other node, also where this class is not known."""

    def __init__(
        self, data: ArrayLike, requires_grad: bool = True, dtype: DTypeLike | None = None, label: str = ""
    ) -> None:
        super().__init__(data, requires_grad=requires_grad, dtype=dtype, label=label)

    def astype_(self, dtype: DTypeLike) -> Self:
        """Turn data and gradient, in place, into a dtype; graphs that used the earlier data are stale."""
        wanted = np.dtype(dtype)
        if wanted != self._data.dtype:
            self._data = self._data.astype(wanted)
            self._version += 1
            self.grad = None if self.grad is None else self.grad.astype(wanted)
        return self
