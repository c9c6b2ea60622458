"""``replay``: a step that is recorded, planned, and from then on run as a plan."""

from __future__ import annotations

import functools
import inspect
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, ParamSpec, TypeVar

import numpy as np

from tinygrad_lm.autograd.context import recording
from tinygrad_lm.autograd.observers import observing
from tinygrad_lm.autograd.tensor import Tensor, from_array
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.nn.module import Module, buffer_places
from tinygrad_lm.random import existing_default_generator
from tinygrad_lm.replay.calls import Broken
from tinygrad_lm.replay.comparing import Summary
from tinygrad_lm.replay.lowering import Lowering, NeedsWhole, Unplannable
from tinygrad_lm.replay.plan import Plan
from tinygrad_lm.replay.reach import Reached
from tinygrad_lm.replay.recording import Forward, Recorder

P = ParamSpec("P")
R = TypeVar("R")

WAYS = 4
"""How many ways through a step, by the branches that it takes, are planned for inputs of one shape."""


@dataclass
class Recording:
    """What one recorded call did."""

    recorder: Recorder
    inputs: list[tuple[Tensor, Array, str]]
    buffers: dict[int, tuple[Array, Module, str]]
    result: Any


@dataclass
class Shape:
    """What is known of the calls with inputs of one shape."""

    plans: list[Plan] = field(default_factory=list[Plan])
    summaries: list[Summary] = field(default_factory=list[Summary])
    """What the recorded calls did that have no plan yet."""
    reason: str = ""
    """Why these calls are never replayed; empty where they are, or may be."""
    calls: int = 0
    replayed: int = 0


class Replayed(Generic[P, R]):
    """A step that is recorded, planned and replayed; made by ``replay``."""

    def __init__(self, step: Callable[P, R]) -> None:
        functools.update_wrapper(self, step)
        self.step = step
        self._names = list(inspect.signature(step).parameters)
        self._reached = Reached(step)
        self._shapes: dict[Any, Shape] = {}

    @property
    def plan(self) -> Plan | None:
        """The plan that was made last, if there is one."""
        plans = [plan for shape in self._shapes.values() for plan in shape.plans]
        return plans[-1] if plans else None

    def __call__(self, *args: P.args, **options: P.kwargs) -> R:
        """The step: replayed where there is a plan for it, else as it is."""
        if options or observing() or not recording():
            return self.step(*args, **options)
        key = tuple([(x.shape, x.dtype) if type(x) is np.ndarray else _key(x) for x in args])
        shape = self._shapes.get(key)
        if shape is None:
            shape = self._shapes[key] = Shape()
        shape.calls += 1
        if shape.reason:
            return self.step(*args)
        arrays = [x if type(x) is np.ndarray else x.data for x in args if isinstance(x, (np.ndarray, Tensor))]
        if not (self._reached.unchanged() or self._reached.same()):
            self._start_again()
        for plan in shape.plans:
            if plan.ready():
                try:
                    result = plan.run(arrays)
                except Broken:
                    continue
                shape.replayed += 1
                return result
        return self._record(shape, args)

    def _start_again(self) -> None:
        """Forget the plans: something that they rest on is another now."""
        self._reached = Reached(self.step)
        for shape in self._shapes.values():
            shape.plans.clear()
            shape.summaries.clear()

    def _record(self, shape: Shape, args: Any) -> Any:
        inputs: list[tuple[Tensor, Array, str]] = []
        given: list[Any] = []
        for name, x in zip(self._names, args, strict=False):
            if isinstance(x, (np.ndarray, Tensor)):
                array = np.array(x.data if isinstance(x, Tensor) else x)
                tensor = from_array(array)
                inputs.append((tensor, array, name))
                given.append(tensor)
            else:
                given.append(x)
        buffers = {
            id(array): (array, owner, name)
            for module in self._reached.modules
            for owner, name in buffer_places(module)
            if (array := vars(owner)[name]) is not None
        }
        draws = Draws(self._reached.generators)
        with Recorder(draws.before, draws.after) as recorder:
            recorder.watch([*(tensor for tensor, _, _ in inputs), *self._reached.tensors])
            result: Any = self.step(*given)
        if draws.unexplained():
            recorder.reasons.append("random numbers were drawn that no layer of the package draws")
        recording = Recording(recorder, inputs, buffers, result)
        if not self._reached.same():
            recorder.reasons.append("the step changes what it can see: a global, an attribute, a list")
        if recorder.reasons:
            shape.reason = recorder.reasons[0]
            return _unwatched(result)
        self._plan(shape, recording)
        return _unwatched(result)

    def _plan(self, shape: Shape, recording: Recording) -> None:
        reasons: list[str] = []
        summary = Summary(recording.recorder.events, [tensor for tensor, _, _ in recording.inputs], recording.buffers)
        for earlier in shape.summaries:
            found = earlier.difference(summary)
            if not found:
                try:
                    shape.plans.append(_planned(recording))
                except Unplannable as error:
                    shape.reason = str(error)
                return
            reasons.append(found)
        shape.summaries.append(summary)
        if len(shape.summaries) > WAYS:
            shape.reason = f"no two calls do the same: {reasons[-1]}"
            shape.summaries.clear()


def _planned(recording: Recording) -> Plan:
    whole: list[Forward] = []
    while True:
        lowering = Lowering(recording.inputs, recording.buffers, whole)
        try:
            lowering.run(recording.recorder.events)
        except NeedsWhole as needed:
            whole.append(needed.event)
            continue
        return Plan(lowering, lowering.returned(recording.result))


def _unwatched(result: Any) -> Any:
    return result


def _key(x: Any) -> Any:
    if isinstance(x, Tensor):
        return x.shape, x.dtype, "tensor"
    try:
        hash(x)
    except TypeError:
        return id(x)
    return type(x), x


class Draws:
    """What random generators there are, and whether each draw was one that is recorded."""

    def __init__(self, generators: Sequence[np.random.Generator]) -> None:
        self._generators = {id(generator): generator for generator in generators}
        if (default := existing_default_generator()) is not None:
            self._generators[id(default)] = default
        self._states = {key: generator.bit_generator.state for key, generator in self._generators.items()}
        self._globals = self._global_states()
        self._odd = False

    def before(self, args: Sequence[Any]) -> None:
        """Look, before a recorded draw, whether there was another."""
        for x in args:
            if isinstance(x, np.random.Generator):
                state = self._states.setdefault(id(x), x.bit_generator.state)
                self._generators[id(x)] = x
                self._odd |= not _equal(state, x.bit_generator.state)

    def after(self, args: Sequence[Any]) -> None:
        """Take in a recorded draw."""
        for x in args:
            if isinstance(x, np.random.Generator):
                self._states[id(x)] = x.bit_generator.state

    def unexplained(self) -> bool:
        """Whether one of them is elsewhere than the recorded draws have brought it."""
        now = {key: generator.bit_generator.state for key, generator in self._generators.items()}
        moved = any(not _equal(state, now[key]) for key, state in self._states.items())
        return self._odd or moved or self._globals != self._global_states()

    def _global_states(self) -> Any:
        legacy: Any = np.random.get_state(legacy=False)  # noqa: NPY002 (to see that it does not move)
        return random.getstate(), legacy["state"]["pos"], legacy["state"]["key"].tobytes()


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(_equal(value, other[key]) for key, value in one.items())
    return bool(np.array_equal(one, other))


def replay(step: Callable[P, R]) -> Replayed[P, R]:
    """A function that does what ``step`` does, several times as fast from its third call on.

    ``step`` takes arrays and computes, with parameters that it can see, what it gives: a loss, say; it may call
    ``backward`` and an optimizer's ``step``. Two calls are run and recorded, and where both did the same, what they did
    becomes a plan: a flat list of NumPy's calls into memory that is there, with the same bits. Later calls with arrays
    of the same shapes run the plan.
    """
    return Replayed(step)
