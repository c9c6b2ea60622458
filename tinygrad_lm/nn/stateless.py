"""``functional_call``: a module called with other values in place of its parameters and buffers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tinygrad_lm.nn.module import HasForward, Module, P, R, slots_of
from tinygrad_lm.nn.state import same


def functional_call(module: HasForward[P, R], parameters: Mapping[str, object], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a module with other values in place of the named parameters and buffers, which are put back afterwards.

    The values may be tensors, arrays, or arrays of ``Value``s (the module then runs on the scalar engine). A
    tied parameter is replaced wherever it stands. Not for two threads on one module at a time.
    """
    if not isinstance(module, Module):
        raise TypeError(f"functional_call takes a module first, not {type(module).__name__}")
    slots = list(slots_of(module))
    names = {slot.name: slot.held for slot in slots}
    unknown = [name for name in parameters if name not in names]
    if unknown:
        raise ValueError(f"{type(module).__name__} has no parameter {unknown[0]!r}; it has {', '.join(names)}")
    for slot in slots:
        if slot.name in parameters and vars(slot.owner)[slot.key] is not slot.held:
            raise ValueError(
                f"{type(slot.owner).__name__}.{slot.key} is a container, in which functional_call replaces nothing: "
                "make each Value an attribute of its own, or change its data"
            )
    replacement: dict[int, object] = {}
    for name, value in parameters.items():
        if not same(replacement.setdefault(id(names[name]), value), value):
            raise ValueError(f"{name!r} is a tied parameter: give one value, under any of its names")
    # A buffer that is not replaced may be renewed by the call, as a running mean is.
    changed = [slot for slot in slots if id(slot.held) in replacement or not isinstance(slot.held, np.ndarray)]
    kept = [(slot, vars(slot.owner)[slot.key]) for slot in changed]
    try:
        for slot in slots:
            if id(slot.held) in replacement:
                object.__setattr__(slot.owner, slot.key, replacement[id(slot.held)])
        return module(*args, **kwargs)
    finally:
        for slot, attribute in kept:
            object.__setattr__(slot.owner, slot.key, attribute)
