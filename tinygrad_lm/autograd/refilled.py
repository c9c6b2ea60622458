"""Plain arrays that were refilled between the forward and the backward pass, found within ``detect_anomaly``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_lm.autograd.graph import Call, detach
from tinygrad_lm.autograd.tensor import Tensor, call_of
from tinygrad_lm.autograd.types import Array

Copies = dict[int | str, Array]


def copies(operands: Sequence[Any], attributes: dict[str, Any]) -> Copies:
    """A copy of each plain array that an operation was given, by its position or its name."""
    given = {**dict(enumerate(operands)), **attributes}
    return {key: x.copy() for key, x in given.items() if isinstance(x, np.ndarray)}


def check(node: Tensor, gradient: Any, kept: Copies, line: str) -> None:
    """Raise ``RuntimeError`` if an array is not what was kept of it, and a gradient of the node is another for that.

    What no gradient depends on, such as a summand, may be refilled.
    """
    call = call_of(node)
    now = {**dict(enumerate(call.inputs)), **call.attributes}
    changed = [key for key, then in kept.items() if then.tobytes() != now[key].tobytes()]
    operation = node.operation
    if not changed or operation is None:
        return
    found: list[Sequence[Array | None]] = []
    for given in (now, now | kept):
        inputs = [given[i] for i in range(len(call.inputs))]
        attributes = {name: given[name] for name in call.attributes}
        found.append(operation.vjp(detach(gradient), Call(call.out, inputs, call.needed, attributes, call.saved)))
    if all(one is None or np.array_equal(one, other, equal_nan=True) for one, other in zip(*found, strict=True)):
        return
    what = f"operand {changed[0]}" if isinstance(changed[0], int) else repr(changed[0])
    raise RuntimeError(
        f"the array given to {operation.name!r} as {what} was refilled after the forward pass used it, so the gradient "
        f"would be wrong: give the operation a copy of it, or run the backward pass first\n{line}".rstrip()
    )
