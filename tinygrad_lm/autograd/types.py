"""The types that signatures name, where NumPy's own say too little.

Formulas and operations are annotated as if they ran only on arrays. They do run on nodes as well, and on symbols that
print: both take part in NumPy's protocols and in Python's operators, and pass for arrays there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from tinygrad_lm.autograd.graph import Node

Array = np.ndarray[Any, np.dtype[Any]]
"""An array of any shape and dtype."""

Axis = int | tuple[int, ...] | None
"""One axis, several, or (``None``) all of them."""


Operand: TypeAlias = "ArrayLike | Node"
"""What an operation takes: a node, or a number or an array, or anything that NumPy makes one of."""


def is_ndarray(x: object) -> TypeGuard[Array]:
    """Whether this is an array."""
    return isinstance(x, np.ndarray)
