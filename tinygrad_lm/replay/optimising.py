"""What a plan need not compute: the same twice, copies of what nobody changes, constants, and what is not used."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from tinygrad_lm.replay.instructions import Store, StoreBuffer, Update, WholeBackward, WholeForward
from tinygrad_lm.replay.memory import mentioned
from tinygrad_lm.replay.traced import Check, Compute, Traced

SMALL = 1 << 12
"""Constants of up to so many bytes are compared by what they hold."""


def optimised(instructions: Sequence[object], outputs: Sequence[Traced]) -> list[Any]:
    """The instructions that are left, which give the same bits."""
    return _compared(_used(_once(instructions), outputs))


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two numbers are compared, and that has to come out as it did."""

    compute: Compute
    outcome: bool


COMPARE: dict[object, Callable[..., bool]] = {
    np.less: operator.lt,
    np.less_equal: operator.le,
    np.greater: operator.gt,
    np.greater_equal: operator.ge,
    np.equal: operator.eq,
    np.not_equal: operator.ne,
}
"""Comparisons as Python makes them of numbers, several times as fast as NumPy of arrays of one element."""


def _compared(instructions: Sequence[object]) -> list[object]:
    """A comparison of numbers that only a condition looks at, as one with it."""
    uses: dict[int, int] = {}
    for instruction in instructions:
        for traced in mentioned(instruction):
            uses[id(traced.owner)] = uses.get(id(traced.owner), 0) + 1
    left: list[object] = []
    for instruction in instructions:
        earlier = left[-1] if left else None
        if (
            isinstance(instruction, Check)
            and isinstance(earlier, Compute)
            and earlier.result is instruction.condition
            and uses[id(earlier.result.owner)] == 2
            and earlier.function in COMPARE
            and not earlier.options
            and all(not isinstance(x, Traced) or x.ndim == 0 for x in earlier.args)
        ):
            left[-1] = Comparison(earlier, instruction.outcome)
        else:
            left.append(instruction)
    return left


def _once(instructions: Sequence[object]) -> list[object]:
    """Without what was computed before, copies that nobody needs, and what can be computed beforehand."""
    changed = {id(x.result.owner) for x in instructions if isinstance(x, Compute) and x.in_place}
    known: dict[object, Traced] = {}
    versions: dict[int, int] = {}
    updates = 0
    left: list[object] = []
    for instruction in instructions:
        if isinstance(instruction, Update):
            updates += 1
        if isinstance(instruction, Compute) and instruction.in_place:
            owner = id(instruction.result.owner)
            versions[owner] = versions.get(owner, 0) + 1
        if isinstance(instruction, Compute) and not instruction.in_place and id(instruction.result) not in changed:
            result = instruction.result
            if _is_constant(instruction):
                result.role = "constant"
                continue
            source = instruction.args[0] if instruction.method == "copy" else None
            if isinstance(source, Traced) and id(source.owner) in changed:
                source = None
            call = instruction.function, instruction.method, instruction.args, instruction.options
            key = _key(call, updates, versions)
            same = source if isinstance(source, Traced) and source.owner.role in ("input", "work") else known.get(key)
            if same is not None and same.array.strides == result.array.strides:
                result.become(same)
                continue
            known[key] = result
        left.append(instruction)
    return left


def _is_constant(compute: Compute) -> bool:
    given = [*mentioned((compute.args, compute.options))]
    return bool(given) and all(traced.owner.role == "constant" for traced in given)


def _key(x: object, updates: int, versions: Mapping[int, int]) -> object:
    """What two arguments have in common that have the same numbers at a time: arrays, changed as often until then."""
    if isinstance(x, Traced):
        owner = x.owner
        place = x.offset, x.shape, x.array.strides, x.dtype
        if owner.role == "constant" and owner.array.nbytes <= SMALL:
            return owner.array.tobytes(), owner.dtype, *place
        return id(owner), updates if owner.role == "leaf" else versions.get(id(owner), 0), *place
    if isinstance(x, (tuple, list)):
        parts = cast("list[Any]", x)
        return type(cast("object", x)), tuple([_key(part, updates, versions) for part in parts])
    if isinstance(x, dict):
        named = cast("dict[str, Any]", x)
        return tuple([(name, _key(value, updates, versions)) for name, value in sorted(named.items())])
    if isinstance(x, slice):
        bounds = cast("slice[Any, Any, Any]", x)
        return slice, _key((bounds.start, bounds.stop, bounds.step), updates, versions)
    if isinstance(x, np.generic):
        number = cast("Any", x)
        return number.dtype, number.tobytes()  # the two zeros are equal, and no NaN is
    try:
        hash(x)
    except TypeError:
        return id(x)
    return type(x), repr(x) if isinstance(x, float) else x


def _used(instructions: Sequence[object], outputs: Sequence[Traced]) -> list[object]:
    """Without what nothing depends on that the step leaves behind."""
    live = {id(traced.owner) for traced in outputs}
    left: list[object] = []
    for instruction in reversed(instructions):
        if isinstance(instruction, Compute) and id(instruction.result.owner) not in live:
            continue
        if isinstance(instruction, (Compute, Check, Store, StoreBuffer, WholeForward, WholeBackward)):
            live |= {id(traced.owner) for traced in mentioned(instruction)}
        left.append(instruction)
    return left[::-1]
