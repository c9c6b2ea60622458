"""Recording a step: it runs as ever, and every operation is written down, with whatever a plan could not know of it.

A ``Recorder`` observes the engine. What the tensors of the step hold may be read into Python meanwhile, by ``item``,
``float`` or ``data``: then what follows may depend on the numbers, and the recorder notes it as a reason against a
plan. A comparison that decides a branch is no such reason, but a ``Branch``, which each replay takes again.

The step's arguments that are arrays are tensors meanwhile, so that what is computed of them alone is seen, too. Where
an array would do something else than a tensor does, the recording is ``Abandoned``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

from tinygrad_lm.autograd.graph import RELEASED, Node, Operation
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.optim import Optimizer
from tinygrad_lm.replay.events import CLIP, SET_BUFFERS, STEP, Backward, Forward, Plain
from tinygrad_lm.replay.notes import Notes
from tinygrad_lm.replay.watched import Unread, watch, watch_optimizers


class Recorder(Notes):
    """The notes of one run of a step, which are written while it runs."""

    def __init__(self, before: Callable[..., None], after: Callable[..., None]) -> None:
        super().__init__()
        self._before, self._after = before, after
        self.of_values = False

    def forward(
        self, operation: Operation, operands: tuple[object, ...], attributes: dict[str, Any], out: Node
    ) -> None:
        """Write an operation down, and watch its operands and its result from now on."""
        if self.within:
            return
        if not isinstance(out, Tensor):
            self.note("a Value takes part: it is replayed by levels, if at all, which the next calls are recorded for")
            self.of_values = True
            return
        self.watch(operand for operand in operands if isinstance(operand, Tensor))
        self.watch((out,))
        self.mark(operands, out)
        self.events.append(Forward(operation, operands, attributes, out, out.requires_grad))

    def backward(self, node: Node, gradient: object, contributions: Sequence[object]) -> None:
        """A gradient that no ``backward()`` of the step asked for is none that a plan would compute."""
        if not self.swept:
            self.note("grad() and what is built on it are not recorded, only backward()")

    def call(self, function: Callable[..., Any], args: Sequence[Any], options: dict[str, Any]) -> Any:
        """Note a function that is seen as one call."""
        if self.within:
            return function(*args, **options)
        self._before(args)
        self.changed |= function in (STEP, CLIP, SET_BUFFERS)
        # Read out, it would be empty when it is looked at.
        args = [list(cast("Iterator[Any]", x)) if isinstance(x, Iterator) else x for x in args]
        with self.whole():
            result = function(*args, **options)
        self._after(args)
        self.events.append(Plain(function, args, options, result))
        return Unread(result, self) if isinstance(result, (int, float)) else result

    def watch(self, tensors: Iterable[Tensor]) -> None:
        """From now on notice what is read of tensors."""
        watch(self, tensors)

    def watch_optimizers(self, optimizers: Iterable[Optimizer]) -> None:
        """From now on notice what is read of optimizers, or changed: what they step with is no part of a plan."""
        watch_optimizers(self, optimizers)

    def has_graph(self, tensor: Tensor) -> bool:
        """Whether somebody may still want to call backward on what the step returned."""
        swept = any(isinstance(event, Backward) for event in self.events)
        return not tensor.is_leaf and tensor.operation is not RELEASED and not swept


def result_of(x: Any, recorder: Recorder) -> Any:
    """What a recorded step returned as it is at other times: plain numbers, and arrays of what is made of arrays alone.

    A reason against a plan is noted for each.
    """
    if isinstance(x, Unread):
        recorder.reasons.append("the step returns a number that was computed from arrays")
        return x.plain()
    if isinstance(x, Tensor):
        if recorder.has_graph(x):
            recorder.reasons.append(
                "the step returns a tensor with its graph: call backward within the step, or return x.detach()"
            )
        if id(x) in recorder.arrays:
            recorder.reasons.append("the step returns an argument, or an array that is made of arguments alone")
            return x.data[()]
        return x
    kind = cast("Any", type(x))
    if kind is tuple or kind is list:
        return cast("Any", kind)([result_of(part, recorder) for part in cast("Iterable[Any]", x)])
    if kind is dict:
        return {key: result_of(part, recorder) for key, part in x.items()}
    return x
