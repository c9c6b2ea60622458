"""What a view of an array is, and when two are the same."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from tinygrad_lm.replay.traced import Traced


def place_of(view: Traced) -> tuple[Any, ...]:
    """What two views have in common that are the same."""
    return id(view.owner), view.offset, view.shape, view.array.strides


def permutation(view: Traced) -> tuple[int, ...] | None:
    """The order of a base's axes in a view that only exchanges them."""
    if not view.how or view.base is None:
        return None
    how, args, _ = view.how
    axes = [*range(view.ndim)]
    if how == "T":
        return tuple(axes[::-1])
    if how in ("swapaxes", np.swapaxes):
        first, second = args[-2:]
        axes[first], axes[second] = axes[second], axes[first]
        return tuple(axes)
    if how not in ("transpose", np.transpose):
        return None
    given = args[1:] if how is np.transpose else args
    given = view.how[2].get("axes", given[0] if len(given) == 1 else given)
    order = axes[::-1] if given is None or not len(given) else given
    return tuple(int(axis) % view.ndim for axis in order)


def steps(written: ast.expr) -> int:
    """How many methods and indices stand behind a name."""
    if isinstance(written, ast.Subscript):
        return 1 + steps(written.value)
    if isinstance(written, ast.Call) and isinstance(written.func, ast.Attribute):
        return 1 + (ast.unparse(written.func.value) == "np" or steps(written.func.value))
    return 0
