"""Nodes that stand in for the engine's own while its backward pass is traced: the derivatives run on traced arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from tinygrad_lm.autograd.graph import Call, Node, Operation
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.replay.events import Forward
from tinygrad_lm.replay.instructions import WholeBackward, WholeForward
from tinygrad_lm.replay.naming import Section
from tinygrad_lm.replay.readable import vjp_of
from tinygrad_lm.replay.traced import Tape, Traced, Untraceable, plain


class NeedsWhole(Exception):
    """The derivative of an operation cannot be traced: the operation of this event has to stay whole."""

    def __init__(self, event: Forward) -> None:
        super().__init__(event.operation.name)
        self.event = event


class Mirror(Node):
    """A node of the recorded graph, with traced arrays for its numbers."""

    __slots__ = ("attributes", "data", "event", "inputs", "parents", "place", "saved", "tape", "whole")

    def __init__(self, data: Traced, learns: bool, tape: Tape) -> None:
        self.data, self.requires_grad, self.tape = data, learns, tape
        self.event: Forward | None = None
        self.place = ""
        """Which module's call made it, for whoever reads it."""
        self.operation, self.parents = None, ()
        self.grad, self.label, self.scope = None, "", None
        self.inputs: tuple[Any, ...] = ()
        self.attributes: Mapping[str, object] = {}
        self.saved: object = None
        self.whole: WholeForward | None = None

    def _hand_on(self, gradient: Traced, create_graph: bool, wanted: set[Node] | None) -> Sequence[Traced | None]:
        operation = cast(Operation, self.operation)
        needed = [parent.requires_grad for parent in self.parents]
        if self.whole is not None:
            return _whole_backward(self.tape, self.whole, gradient, needed)
        call = Call(self.data, self.inputs, needed, self.attributes, self.saved)
        self.tape.section = Section("backward", f"back through {operation.name}{self.place}")
        try:
            vjp = vjp_of if self.tape.readable else type(operation).vjp
            contributions = vjp(operation, gradient, call)
        except Untraceable:
            event: Any = self.event
            raise NeedsWhole(event) from None
        return [
            None if c is None else handed_on(self.tape, c, parent.data.dtype)
            for c, parent in zip(contributions, self.parents, strict=True)
        ]


def handed_on(tape: Tape, contribution: object, dtype: np.dtype[Any]) -> Traced:
    """A contribution in the dtype of the operand, as the engine hands it on."""
    if not isinstance(contribution, Traced):
        return tape.given(np.asarray(contribution, dtype), "constant")
    return contribution if contribution.dtype == dtype else contribution.astype(dtype)


def _whole_backward(tape: Tape, forward: WholeForward, gradient: Traced, needed: Sequence[bool]) -> list[Traced | None]:
    """The derivative of an operation that stayed whole."""
    contributions = call_backward(forward, gradient.array, needed)
    results = tuple(None if c is None else tape.made(c) for c in contributions)
    tape.instructions.append(WholeBackward(forward, gradient, tuple(needed), results))
    return list(results)


def call_backward(
    forward: WholeForward, gradient: Array, needed: Sequence[bool], at: Callable[[Any], Any] = plain
) -> list[Array | None]:
    """The contributions of an operation that stayed whole, each an array of its own."""
    inputs = [np.asarray(at(x)) for x in forward.inputs]
    out, saved = forward.cell
    call = Call(np.asarray(out), inputs, needed, at(dict(forward.attributes)), saved)
    contributions = forward.operation.vjp(gradient, call)
    return [None if c is None else np.array(c, dtype=x.dtype) for c, x in zip(contributions, inputs, strict=True)]
