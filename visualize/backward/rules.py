"""The rule of an optimizer as formulas: its own ``update``, run on symbols that may be changed in place."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from tinygrad_lm.autograd.symbols import Symbol

_BARE = re.compile(r"(?<!\w)\((\w+′)\)")
"""A name alone in brackets, which are not those of a call."""


class _Place(NDArrayOperatorsMixin):
    """An array of one number that holds the formula of what it was given last."""

    size, shape, ndim, dtype = 1, (), 0, np.dtype(float)

    def __init__(self, symbol: Symbol) -> None:
        self.symbol = symbol

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        out = options.pop("out", None)
        if method != "__call__" or options:
            return NotImplemented
        result = ufunc(*(x.symbol if isinstance(x, _Place) else x for x in inputs))
        if out is None:
            return _Place(result)
        out[0].symbol = result
        return out[0]


def rule_of(
    update: Callable[..., None], moments: Sequence[str], count: int, options: Mapping[str, float]
) -> tuple[str, ...]:
    """A line for each moment and one for ``w``, the parameter, whose gradient is ``g``; empty where there is none.

    A moment that has been updated is written with a prime.
    """
    data, gradient, scratch = (_Place(Symbol(name)) for name in ("w", "g", "scratch"))
    state = {name: _Place(Symbol(name)) for name in moments}
    try:
        update(data, gradient, state, scratch, count, dict(options))
    except Exception:  # whatever a user's rule asks for that only numbers know
        return ()
    lines: list[str] = []
    formula = data.symbol.text
    for name, moment in state.items():
        text = moment.symbol.text
        lines.append(f"{name}′ = {text}")
        formula = formula.replace(text, f"{name}′")
    return (*lines, "w ← " + _BARE.sub(r"\1", formula))
