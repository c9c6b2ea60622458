"""A step that is run without consequences, to see what it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.nn.module import buffer_places
from tinygrad_lm.replay.events import STEP, Plain
from tinygrad_lm.replay.reach import Reached
from tinygrad_lm.replay.recording import Recorder


class Rehearsal(Recorder):
    """Records a step whose optimizers step nothing."""

    def __init__(self) -> None:
        super().__init__(_ignore, _ignore)

    def call(self, function: Callable[..., Any], args: Any, options: dict[str, Any]) -> Any:
        """Note a call, and make it unless it would step parameters."""
        if function is not STEP:
            return super().call(function, args, options)
        self.events.append(Plain(function, args, options, None))
        return None


def _ignore(args: Any) -> None:
    """Nothing is to be told of draws that are undone."""


class Undone:
    """Within, a step may draw, change buffers and set gradients; afterwards all of it is as it was."""

    def __init__(self, reached: Reached, gradients: Sequence[tuple[Tensor, Any]] = ()) -> None:
        self.reached = reached
        self._first = gradients
        """Gradients as the step is to find them, where they are others by now."""

    def __enter__(self) -> None:
        self._gradients = [(tensor, tensor.grad) for tensor in self.reached.tensors]
        self._states = [(found, found.bit_generator.state) for found in self.reached.generators]
        places = [place for module in self.reached.modules for place in buffer_places(module)]
        self._buffers = [(vars(owner), name, vars(owner)[name]) for owner, name in places]
        for tensor, gradient in self._first:
            tensor.grad = gradient

    def __exit__(self, *_: object) -> None:
        for tensor, gradient in self._gradients:
            tensor.grad = gradient
        for generator, state in self._states:
            generator.bit_generator.state = state
        for held, name, array in self._buffers:
            held[name] = array
