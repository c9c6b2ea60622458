"""``replay``: a step that is recorded, planned, and from then on run as a plan."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, ParamSpec, TypeVar, cast

import numpy as np

from tinygrad_lm.autograd.context import recording
from tinygrad_lm.autograd.observers import observing
from tinygrad_lm.autograd.tensor import Tensor, from_array
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.checks import whole_number
from tinygrad_lm.nn.module import Module
from tinygrad_lm.replay.arguments import Arguments, Unfit, arrays_of, key_of
from tinygrad_lm.replay.blocks import in_blocks
from tinygrad_lm.replay.calls import Broken
from tinygrad_lm.replay.comparing import Summary
from tinygrad_lm.replay.draws import Draws
from tinygrad_lm.replay.events import SET_BUFFERS, Plain
from tinygrad_lm.replay.lowering import Unplannable
from tinygrad_lm.replay.notes import Abandoned
from tinygrad_lm.replay.plan import Plan, lowered
from tinygrad_lm.replay.reach import Reached, Wrapper
from tinygrad_lm.replay.recording import Recorder, result_of
from tinygrad_lm.replay.rehearsal import Undone
from tinygrad_lm.replay.rows import Mixed
from tinygrad_lm.replay.scalar_steps import ScalarSteps, may_be_of_values

P = ParamSpec("P")
R = TypeVar("R")

WAYS = 4
"""How many ways through a step, by the branches that it takes, are planned for inputs of one shape."""

MOST_PLANS = 16
"""How many plans are kept for inputs of one shape: the last ones."""

MOST_SHAPES = 256
"""For how many shapes of inputs, and numbers beside them, there are plans at most."""

PATIENCE = 50
"""How often everything is forgotten, since the step sees something else, before it is no longer recorded at all."""


@dataclass
class Recording:
    """What one recorded call did."""

    recorder: Recorder
    args: Sequence[Any]
    """What the step was called with: a tensor in place of each array."""
    inputs: list[tuple[Tensor, Array, str]]
    buffers: dict[int, tuple[Array, Module, str]]
    gradients: list[tuple[Tensor, Any]]
    """The gradients as they were before."""
    result: Any


@dataclass
class Shape:
    """What is known of the calls with inputs of one shape."""

    title: str
    of_arrays: bool = False
    """Whether all arguments are arrays."""
    plans: list[Plan] = field(default_factory=list[Plan])
    summaries: list[Summary] = field(default_factory=list[Summary])
    """What the recorded calls did that have no plan yet."""
    reason: str = ""
    """Why these calls are never replayed; empty where they are, or may be."""
    aside: str = ""
    """Why the rows are not taken in blocks, where they were to be."""
    waits: int = 0
    """How many calls are made as they are before one is recorded, if that is so."""
    made: int = 0
    """How many plans were made, those included that are forgotten."""
    calls: int = 0
    replayed: int = 0

    def __str__(self) -> str:
        plans = f"{len(self.plans)} plan{'s' * (len(self.plans) != 1)}"
        text = f"{self.title}: {self.calls} calls, {self.replayed} replayed, {plans}"
        told = [*dict.fromkeys(str(plan) for plan in self.plans), self.aside]
        told.append(f"not replayed: {self.reason}" if self.reason else "")
        told.append(f"recorded after {self.waits} calls" if self.waits else "")
        return "\n  ".join([text, *(line for line in told if line)])


class Replayed(Wrapper, Generic[P, R]):
    """A step that is recorded, planned and replayed; made by ``replay``."""

    def __init__(self, step: Callable[P, R], block: int | None = None, after: int = 0) -> None:
        functools.update_wrapper(self, step)
        self.step = step
        self.after = whole_number(after, 0, "after is a whole number of calls from 0, not")
        self.block = None if block is None else whole_number(block, 1, "block is a whole number of rows from 1, not")
        self._arguments = Arguments(step)
        self._reached: Reached | None = None
        self._shapes: dict[Any, Shape] = {}
        self._others: dict[str, Shape] = {}
        """Calls that are none of a plan's, by the reason."""
        self._of_values: ScalarSteps | None = None
        """What is known of the step where Values take part: it is replayed by levels then."""
        self._forgotten = 0
        self._busy = threading.Lock()

    @property
    def plan(self) -> Plan | None:
        """The plan that was made last, if there is one."""
        plans = [plan for shape in self._shapes.values() for plan in shape.plans]
        return plans[-1] if plans else None

    @property
    def shapes(self) -> list[Any]:
        """What is known of the calls, by the shapes of their inputs."""
        by_levels = [] if self._of_values is None else self._of_values.forms
        return [*self._shapes.values(), *by_levels, *self._others.values()]

    def report(self) -> str:
        """For each shape of inputs how many calls there were, how many were replayed, and why others were not.

        A reason comes with the line of your code, and with what to write instead, where there is such a thing.
        """
        lines = [str(shape) for shape in self.shapes]
        if self._forgotten:
            lines.append(f"What the step can see (globals, attributes, lists) changed {self._forgotten} times.")
        return "\n".join(lines) or "not called yet"

    def __call__(self, *args: P.args, **options: P.kwargs) -> R:
        """The step: replayed where there is a plan for it, else as it is."""
        # While another thread is at it, and in a step that calls itself, too.
        if observing() or not recording() or not self._busy.acquire(blocking=False):
            return self.step(*args, **options)
        try:
            return self._run(args, options)
        finally:
            self._busy.release()

    def _run(self, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        try:
            given = self._arguments.in_a_row(args, options) if options else args
            if self._of_values is not None:
                return self._by_levels(given)
            key = key_of(given)
        except Unfit as error:
            if self._of_values is None and not options and may_be_of_values(self.step, args):
                return self._by_levels(args)
            return self._as_it_is(str(error), args, options)
        shape = self._shapes.get(key)
        if shape is None:
            if len(self._shapes) >= MOST_SHAPES:
                reason = f"there are {MOST_SHAPES} other shapes of inputs, or numbers as arguments, already"
                return self._as_it_is(reason, args, options)
            of_arrays = all(type(x) is np.ndarray for x in given)
            shape = self._shapes[key] = Shape(self._title(given), of_arrays)
        shape.calls += 1
        shape.waits = self.after if shape.calls <= self.after and len(self._shapes) > 1 and not shape.plans else 0
        if shape.reason or shape.waits:
            return self.step(*args, **options)
        reached = self._reached
        if reached is None or not (reached.unchanged() or reached.same()):
            reached = self._start_again()
        for plan in shape.plans:
            if plan.ready():
                try:
                    result = plan.run(given if shape.of_arrays else arrays_of(given))
                except Broken:
                    continue
                shape.replayed += 1
                return result
        if reached.values and may_be_of_values(self.step, given):
            del self._shapes[key]
            return self._by_levels(given)
        return self._record(shape, reached, given)

    def _by_levels(self, args: tuple[Any, ...]) -> Any:
        if self._of_values is None:
            self._of_values = ScalarSteps(self.step, self._arguments.name)
        try:
            return self._of_values(args)
        except Unfit as error:
            return self._as_it_is(str(error), args, {})

    def _as_it_is(self, reason: str, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        shape = self._others.setdefault(reason, Shape("other arguments", reason=reason))
        shape.calls += 1
        return self.step(*args, **options)

    def _title(self, args: tuple[Any, ...]) -> str:
        return ", ".join(f"{self._arguments.name(i)} {_titled(x)}" for i, x in enumerate(args)) or "no arguments"

    def _start_again(self) -> Reached:
        """Forget the plans: something that they rest on is another now."""
        self._forgotten += self._reached is not None
        self._reached = Reached(self.step)
        for shape in self._shapes.values():
            shape.plans.clear()
            shape.summaries.clear()
        return self._reached

    def _record(self, shape: Shape, reached: Reached, args: tuple[Any, ...]) -> Any:
        shape.reason = reached.reason
        if self._forgotten > PATIENCE:
            shape.reason = "what the step can see (a global, an attribute, a list) is another at each call"
        if shape.reason:
            return self.step(*args)  # pyright: ignore[reportCallIssue]
        inputs: list[tuple[Tensor, Array, str]] = []
        given: list[Any] = []
        for i, x in enumerate(args):
            if isinstance(x, (np.ndarray, Tensor)):
                array = np.array(cast("Array", x.data if isinstance(x, Tensor) else x))
                inputs.append((from_array(array), array, self._arguments.name(i)))
                given.append(inputs[-1][0])
            else:
                given.append(x)
        buffers = reached.buffers()
        draws = Draws(reached.generators, reached.old_generators)
        gradients = [(tensor, tensor.grad) for tensor in reached.tensors]
        recorder = Recorder(draws.before, draws.after)
        recorder.arrays = {id(t) for t, x in zip(given, args, strict=True) if type(x) is np.ndarray}
        try:
            with recorder:
                recorder.watch([*(tensor for tensor, _, _ in inputs), *reached.tensors])
                recorder.watch_optimizers(reached.optimizers)
                result: Any = self.step(*given)  # pyright: ignore[reportCallIssue]
        except (Abandoned, AttributeError, TypeError, ValueError) as error:
            # An array may have what a tensor has not: once more, unless there is something that cannot be put back.
            if recorder.changed or not recorder.arrays or not reached.same() or not draws.put_back():
                raise
            for tensor, gradient in gradients:
                tensor.grad = gradient
            result = self.step(*args)  # pyright: ignore[reportCallIssue]
            shape.reason = recorder.reasons[-1] if isinstance(error, Abandoned) else f"where it is recorded: {error}"
            return result
        result = result_of(result, recorder)
        if draws.unexplained():
            recorder.reasons.append("random numbers were drawn that no layer of the package draws")
        for event in recorder.events:
            if isinstance(event, Plain) and event.function is SET_BUFFERS:
                reached.let_go(*event.args)
        if not reached.same():
            recorder.reasons.append("the step changes what it can see: a global, an attribute, a list")
        if recorder.of_values:
            self._of_values = ScalarSteps(self.step, self._arguments.name)
        if recorder.reasons:
            shape.reason = recorder.reasons[0]
        else:
            self._plan(shape, Recording(recorder, given, inputs, buffers, gradients, result), reached)
        return result

    def _plan(self, shape: Shape, recording: Recording, reached: Reached) -> None:
        reasons: list[str] = []
        summary = Summary(recording.recorder.events, [tensor for tensor, _, _ in recording.inputs], recording.buffers)
        for earlier in shape.summaries:
            found = earlier.difference(summary)
            if not found:
                if shape.made > shape.replayed + MOST_PLANS:
                    shape.reason = f"{shape.made} plans were made, and hardly one was still right at the next call"
                    return
                try:
                    shape.made += 1
                    shape.plans.append(self._planned(shape, recording, reached))
                    del shape.plans[:-MOST_PLANS]
                except Unplannable as error:
                    shape.reason = str(error)
                except Exception as error:  # the step itself has run: its caller has what it asked for
                    shape.reason = f"no plan could be made, which is a defect of tinygrad_lm: {error!r}"
                return
            reasons.append(found)
        shape.summaries.append(summary)
        if len(shape.summaries) > WAYS:
            shape.reason = f"no two calls do the same: {reasons[-1]}"
            shape.summaries.clear()

    def _planned(self, shape: Shape, recording: Recording, reached: Reached) -> Plan:
        events, inputs = recording.recorder.events, recording.inputs
        lowering = lowered(events, inputs, recording.buffers)
        shape.aside = ""
        if self.block is not None:
            try:
                undone = Undone(reached, recording.gradients)
                recorded = events, inputs, recording.result
                return in_blocks(self.step, recording.args, recorded, undone, self.block)
            except (Mixed, Unplannable) as error:
                shape.aside = f"not in blocks of rows: {error}"
        return Plan(lowering, lowering.returned(recording.result))


def _titled(x: Any) -> str:
    array: Any = x
    return f"{array.dtype}{list(array.shape)}" if isinstance(x, (np.ndarray, Tensor)) else f"= {x!r:.40}"


def replay(step: Callable[P, R], block: int | None = None, after: int = 0) -> Replayed[P, R]:
    """A function that does what ``step`` does, several times as fast from its third call on.

    ``step`` takes arrays and computes, with parameters that it can see, what it gives: a loss, say; it may call
    ``backward`` and an optimizer's ``step``. Two calls are run and recorded, and where both did the same, what they did
    becomes a plan: a flat list of NumPy's calls into memory that is there, with the same bits. Later calls with arrays
    of the same shapes run the plan.

    A step over ``Value``s is run by levels from its fourth call on, many numbers as one array, and agrees to rounding;
    the ``Value`` that it returns has no graph then, and needs no gradient.

    Parameters
    ----------
    step
        What is recorded.
    block
        Take large batches in blocks of at most so many rows, each forward and back while all of it is in the cache:
        with 128, a step of an MLP on 4,096 examples takes a tenth to a fifth less time. Sums over the rows are taken in
        another order then: the results agree with the step's own to rounding, and are the same from run to run. For a
        loss that is a mean, or a sum, over rows that have nothing to do with one another (no batch norm, no dropout, no
        padding); elsewhere the rows stay together, and ``report()`` says why.
    after
        For a step whose arrays come in many shapes, such as batches of whole names: once there are several, so many
        calls of each are made as they are before one is recorded. A plan takes as long to make as 50 to 100 calls save.
    """
    return Replayed(step, block, after)
