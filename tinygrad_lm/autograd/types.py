"""The types that signatures name, where NumPy's own say too little.

Formulas and operations are annotated as if they ran on arrays alone. They do run on nodes as well, and on symbols that
print: both take part in NumPy's protocols and in Python's operators, and pass for arrays there.
"""

from __future__ import annotations

from typing import Any, TypeGuard

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
"""An array of any shape and dtype."""

Axis = int | tuple[int, ...] | None
"""One axis, several, or (``None``) all of them."""


def is_ndarray(x: object) -> TypeGuard[Array]:
    """Whether this is an array."""
    return isinstance(x, np.ndarray)
