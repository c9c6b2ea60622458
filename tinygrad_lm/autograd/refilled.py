"""Plain arrays that were refilled between the forward and the backward pass, found within ``detect_anomaly``."""

# Operands may be floats, arrays or nodes: their types are not inferred here.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_lm.autograd.graph import Operation, constant

Copies = dict[int | str, np.ndarray[Any, Any]]


def copies(operands: Sequence[Any], attributes: dict[str, Any]) -> Copies:
    """A copy of each plain array that an operation was given, by its position or its name."""
    given = {**dict(enumerate(operands)), **attributes}
    return {key: x.copy() for key, x in given.items() if isinstance(x, np.ndarray)}


def check(node: Any, gradient: Any, kept: Copies, line: str) -> None:
    """Raise ``RuntimeError`` if an array is not what was kept of it, and a gradient of the node is another for that.

    What no gradient depends on, such as a summand, may be refilled.
    """
    inputs, saved = node._inputs, node._saved
    now = {**dict(enumerate(inputs)), **node.attributes}
    changed = [key for key, then in kept.items() if then.tobytes() != now[key].tobytes()]
    if not changed:
        return
    operation: Operation = node.operation
    needed = [parent.requires_grad for parent in node.parents]
    found: list[Sequence[Any]] = []
    for given in (now, now | kept):
        arrays = [given[i] for i in range(len(inputs))]
        attributes = {name: given[name] for name in node.attributes}
        found.append(operation.pull(constant(gradient), node.data, arrays, needed, attributes, saved))
    if all(one is None or np.array_equal(one, other, equal_nan=True) for one, other in zip(*found, strict=True)):
        return
    what = f"operand {changed[0]}" if isinstance(changed[0], int) else repr(changed[0])
    raise RuntimeError(
        f"the array given to {operation.name!r} as {what} was refilled after the forward pass used it, so the gradient "
        f"would be wrong: give the operation a copy of it, or run the backward pass first\n{line}".rstrip()
    )
