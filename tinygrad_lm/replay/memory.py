"""Where the arrays of a plan lie: what is needed at different times shares memory, which then stays in the cache."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, cast

import numpy as np

from tinygrad_lm.autograd.types import Array
from tinygrad_lm.replay.lending import ALIGNED
from tinygrad_lm.replay.nested import deep
from tinygrad_lm.replay.traced import Traced


@dataclass(frozen=True, eq=False)
class Place:
    """Where an array lies in the memory that is shared, and when it is needed there."""

    array: Traced
    start: int
    """The first byte of it."""
    size: int
    """How many bytes it takes."""
    first: int
    """The instruction that mentions it first."""
    last: int
    """The instruction that mentions it last."""


class Layout:
    """The memory of every traced array.

    Attributes
    ----------
    places
        Of the arrays that share memory, where each lies and when.
    bytes
        How much the arrays that share it need.
    unshared
        How much they would need with memory of their own.
    """

    def __init__(self, instructions: Sequence[object], placed: Mapping[int, Array], pinned: Iterable[Traced]) -> None:
        self._placed = dict(placed)
        self._views: dict[int, Array] = {}
        # Traced arrays are known by their identity: == would compute.
        kept = {id(traced.owner) for traced in pinned}
        owners, first, last = dict[int, Traced](), dict[int, int](), dict[int, int]()
        for i, instruction in enumerate(instructions):
            for traced in mentioned(instruction):
                key = id(traced.owner)
                owners[key] = traced.owner
                first.setdefault(key, i)
                last[key] = i
        work = [
            owner
            for key, owner in owners.items()
            if owner.role == "work" and key not in self._placed and key not in kept
        ]
        room = _Room()
        ending: dict[int, list[Traced]] = {}
        starts: dict[int, int] = {}
        for owner in work:  # in the order in which they are first mentioned
            for moment in [moment for moment in ending if moment < first[id(owner)]]:
                for done in ending.pop(moment):
                    room.free(starts[id(done)], _extent(done.array))
            starts[id(owner)] = room.take(_extent(owner.array))
            ending.setdefault(last[id(owner)], []).append(owner)
        self.places = [
            Place(owner, starts[id(owner)], _extent(owner.array), first[id(owner)], last[id(owner)]) for owner in work
        ]
        self.bytes, self.unshared = room.size, sum(_extent(owner.array) for owner in work)
        memory = np.zeros(room.size + ALIGNED, np.uint8)
        begin = -memory.ctypes.data % ALIGNED
        for key, start in starts.items():
            owner = owners[key]
            at = memory[begin + start : begin + start + _extent(owner.array)]
            self._placed[key] = np.ndarray(owner.shape, owner.dtype, at, 0, owner.array.strides)

    def array(self, x: Any) -> Any:
        """The array in the plan's memory for a traced one, also within tuples, lists and dictionaries."""
        return deep(lambda part: self._of(part) if isinstance(part, Traced) else part, x)

    def _of(self, traced: Traced) -> Array:
        owner = traced.owner
        root = self._placed.get(id(owner), owner.array)
        if traced is owner:
            return root
        if not traced.array.size:  # it lies nowhere, and may still be told to run backwards
            return traced.array
        found = self._views.get(id(traced))
        if found is None:
            found = np.ndarray(traced.shape, traced.dtype, _bytes(root), traced.offset, traced.array.strides)
            self._views[id(traced)] = found
        return found


class _Room:
    """Free places in memory that grows where none is large enough."""

    def __init__(self) -> None:
        self.size = 0
        self._free: list[tuple[int, int]] = []

    def take(self, n: int) -> int:
        """The smallest free place of at least n bytes."""
        n = _rounded(n)
        fitting = [(size, start) for start, size in self._free if size >= n]
        if not fitting:
            start = self.size
            if self._free and sum(self._free[-1]) == self.size:
                start = self._free.pop()[0]
            self.size = start + n
            return start
        size, start = min(fitting)
        self._free.remove((start, size))
        if size > n:
            self._free.append((start + n, size - n))
            self._free.sort()
        return start

    def free(self, start: int, n: int) -> None:
        """Give a place back; free neighbours become one."""
        self._free.append((start, _rounded(n)))
        self._free.sort()
        joined: list[tuple[int, int]] = []
        for place in self._free:
            if joined and sum(joined[-1]) == place[0]:
                joined[-1] = joined[-1][0], joined[-1][1] + place[1]
            else:
                joined.append(place)
        self._free = joined


def mentioned(x: object) -> list[Traced]:
    """Every traced array in an instruction."""
    found: list[Traced] = []
    _collect(x, found.append)
    return found


def _collect(x: object, note: Callable[[Traced], None]) -> None:
    kind = type(x)
    if kind in _PLAIN:
        return
    if isinstance(x, Traced):
        note(x)
    elif isinstance(x, (tuple, list)):
        for part in cast("list[object]", x):
            _collect(part, note)
    elif isinstance(x, dict):
        for part in cast("dict[object, object]", x).values():
            _collect(part, note)
    elif isinstance(x, slice):
        bounds = cast("slice[object, object, object]", x)
        _collect((bounds.start, bounds.stop, bounds.step), note)
    else:
        for name in _field_names(kind):
            _collect(getattr(x, name), note)


_PLAIN = frozenset({str, int, bool, float, type(None)})


@functools.cache
def _field_names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()


def _rounded(n: int) -> int:
    # One byte more: older versions of NumPy take arrays that touch for one that overlaps, and compute other last bits.
    return -(-(n + 1) // ALIGNED) * ALIGNED


def _extent(array: Array) -> int:
    """The bytes from the first element to the last."""
    if not array.size:
        return 0
    return sum((size - 1) * abs(step) for size, step in zip(array.shape, array.strides, strict=True)) + array.itemsize


def _bytes(root: Array) -> Any:
    """What ``np.ndarray`` takes for the memory that a root has."""
    order = sorted(range(root.ndim), key=lambda axis: -root.strides[axis])
    return np.ndarray((_extent(root),), np.uint8, root.transpose(order), 0)
