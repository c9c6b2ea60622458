"""Whether two recordings did the same, so that what they have in common may be a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.nn.module import Module
from tinygrad_lm.replay.events import Backward, Branch, Cleared, Event, Forward, Plain
from tinygrad_lm.replay.watched import Unread


class Summary:
    """What a recording did, without the tensors that it made: they are known by their numbers."""

    def __init__(
        self, events: Sequence[Event], inputs: Sequence[Tensor], buffers: Mapping[int, tuple[Array, Module, str]]
    ) -> None:
        self._numbers: dict[int, object] = {key: (id(owner), name) for key, (_, owner, name) in buffers.items()}
        self._next = 0
        for tensor in inputs:
            self._number(tensor)
        self.lines = [(_named(event), self._line(event)) for event in events]
        self._numbers = {}  # identities mean nothing once the objects are gone

    def difference(self, other: Summary) -> str:
        """What differs between two recordings, in words; empty where they did the same."""
        if len(self.lines) != len(other.lines):
            return f"one makes {len(self.lines)} operations, another {len(other.lines)}"
        for (name, one), (name_of_other, another) in zip(self.lines, other.lines, strict=True):
            if name != name_of_other:
                return f"{name} in one, {name_of_other} in another"
            if not _same(one, another):
                return f"what {name} is given is another from call to call"
        return ""

    def _line(self, event: Event) -> object:
        if isinstance(event, Forward):
            given = self._of((event.operation, event.operands, event.attributes, event.learns))
            self._number(event.out)
            return given
        if isinstance(event, Plain):
            given = self._of((event.function, event.args, event.options))
            self._number(event.result)
            return given
        if isinstance(event, Branch):
            return self._of((event.tensor, event.outcome))
        if isinstance(event, Cleared):
            return self._of((event.leaf,))
        return self._of((event.root, event.gradient, tuple(event.kept.values())))

    def _number(self, made: object) -> None:
        parts = cast("Sequence[object]", made if isinstance(made, tuple) else (made,))
        for part in parts:
            if issubclass(type(part), (Tensor, np.ndarray, Unread)):
                self._numbers[id(part)] = self._next
                self._next += 1

    def _of(self, x: Any) -> Any:
        kind = cast("Any", type(x))
        if id(x) in self._numbers:
            return _Made(self._numbers[id(x)])
        if issubclass(kind, tuple):
            return tuple(map(self._of, x))
        if issubclass(kind, list):
            return [*map(self._of, x)]
        if issubclass(kind, Mapping):
            return {key: self._of(value) for key, value in x.items()}
        return x


class _Made:
    """A result by its number."""

    def __init__(self, number: object) -> None:
        self.number = number


def _same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    kind = cast("Any", type(one))
    if kind is not type(other) or issubclass(kind, Tensor):
        return False
    if issubclass(kind, _Made):
        return one.number == other.number
    if issubclass(kind, (tuple, list)):
        return len(one) == len(other) and all(map(_same, one, other))
    if issubclass(kind, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if issubclass(kind, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if issubclass(kind, (float, complex, np.generic)):
        # Bit for bit: 0.0 is not -0.0 here, and nan is itself.
        return np.asarray(one).tobytes() == np.asarray(other).tobytes()
    try:
        return bool(one == other)
    except (TypeError, ValueError):
        return False


def _named(event: Event) -> str:
    if isinstance(event, Forward):
        return repr(event.operation.name)
    if isinstance(event, Plain):
        return repr(getattr(event.function, "__name__", "a function"))
    if isinstance(event, Backward):
        return "backward()"
    if isinstance(event, Cleared):
        return "zero_grad()"
    return "a branch one way" if event.outcome else "a branch the other way"
