"""What is noted while a step is recorded: its events, and whatever a plan could not know of it."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any, Self

from tinygrad_lm.autograd import observers
from tinygrad_lm.autograd.anomaly import users_line
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.replay.events import Event


class Abandoned(BaseException):
    """The step asks an argument for what an array and a tensor answer differently: it has to run as it is."""


class Notes(observers.Observer):
    """What one run of a step did, in its order, and the reasons against a plan."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.reasons: list[str] = []
        """Why there can be no plan; empty where there can."""
        self.within = False
        """Whether what happens now is a part of an event that is noted as a whole."""
        self.changed = False
        """Whether parameters, their gradients or buffers were changed, so that the step cannot run once more."""
        self.arrays: set[int] = set()
        """The identities of the tensors that are arrays at other times: arguments and what is made of them alone."""
        self.clearing = False
        """Whether an optimizer forgets gradients right now."""
        self.swept = False
        """Whether a backward pass is made right now that the step asked for."""
        self.classes: list[tuple[Any, type[Any]]] = []
        """What is watched, each with the class that it has at other times."""

    def __enter__(self) -> Self:
        observers.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        observers.remove(self)
        for found, cls in self.classes:
            found.__class__ = cls

    def note(self, what: str) -> None:
        """Note a reason against a plan, with the line of the user's code."""
        reason = f"{what}\n{users_line()}".rstrip()
        if reason not in self.reasons:
            self.reasons.append(reason)

    def mark(self, operands: Iterable[object], out: Tensor) -> None:
        """Note what would be an array, too, since it is made of arrays alone."""
        tensors = [operand for operand in operands if isinstance(operand, Tensor)]
        if tensors and all(id(tensor) in self.arrays for tensor in tensors):
            self.arrays.add(id(out))

    def otherwise(self, tensor: Tensor, what: str) -> None:
        """Give up where a tensor is an array at other times, which would do something else now."""
        if id(tensor) in self.arrays:
            self.note(f"an array that is an argument of the step, or is made of one, {what}")
            raise Abandoned

    @contextmanager
    def whole(self) -> Generator[None]:
        """What happens in the block is a part of one event."""
        before, self.within = self.within, True
        try:
            yield
        finally:
            self.within = before


def here() -> Notes | None:
    """The notes of this thread or task that are to be told of what is read, if there are any."""
    for observer in observers.active():
        if isinstance(observer, Notes) and not observer.within:
            return observer
    return None
