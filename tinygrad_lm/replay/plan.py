"""``Plan``: the flat list of NumPy's calls that a tape comes to, with memory for every array, and how it is run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from tinygrad_lm import optim
from tinygrad_lm.autograd.graph import RELEASED
from tinygrad_lm.autograd.tensor import Tensor, changes, from_array, were_stepped
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.nn.module import Module
from tinygrad_lm.random import existing_default_generator
from tinygrad_lm.replay.calls import Broken, calls_of
from tinygrad_lm.replay.events import Event, Forward
from tinygrad_lm.replay.generators import Draw
from tinygrad_lm.replay.instructions import Clip, Given, Store, StoreBuffer, Update
from tinygrad_lm.replay.joined import Joined, are_alike, is_alone, is_elementwise, joined
from tinygrad_lm.replay.lending import Gradients
from tinygrad_lm.replay.lowering import Lowering, Unplannable
from tinygrad_lm.replay.memory import Layout
from tinygrad_lm.replay.mirrors import NeedsWhole
from tinygrad_lm.replay.nested import deep, within
from tinygrad_lm.replay.optimising import optimised
from tinygrad_lm.replay.traced import Traced


class Plan:
    """One way through a step, for inputs of one shape.

    Attributes
    ----------
    instructions
        What is computed, in its order.
    layout
        Where the arrays lie.
    gradients
        Of each leaf, by its identity, where its gradient is written.
    """

    changing: tuple[type[Any], ...] = (Update, StoreBuffer)
    """The instructions of which the first is where the step begins to change what was there before."""

    def __init__(self, lowering: Lowering, result: Any) -> None:
        self.instructions = optimised(lowering.instructions, [*_outputs(result)])
        self.inputs, self.states = lowering.inputs, lowering.states
        self.leaves = lowering.leaves
        self.traced = {key: lowering.nodes[key].data for key in lowering.leaves}
        self.result = result
        self._without = list(lowering.without.values())
        self._cleared = list(lowering.cleared.values())
        self._left = set(lowering.gradients)
        default = existing_default_generator()
        self._default = default if id(default) in lowering.generators else None
        """The default generator, where it is drawn from."""
        self._joined: list[Joined] = []
        self._brought: dict[int, Array] = {}
        """Memory for leaves that are given other data from time to time, by their identities."""
        self._runs = 0
        self._look_again = 1
        self.link()

    def __str__(self) -> str:
        """How it goes about the step, where it is otherwise than the step itself."""
        return ""

    def link(self) -> None:
        """Give every array its memory, and make the calls."""
        self._joined = [one for x in self.instructions if isinstance(x, Update) for one in self._join(x)]
        self._waiting = any(one.alone for one in self._joined)
        stored = {x.leaf: x.value.array for x in self.instructions if isinstance(x, Store)}
        stepped = {id(parameter) for one in self._joined for parameter in one.parameters}
        others: dict[Any, list[int]] = {}
        for key, array in stored.items():
            if key not in stepped:
                others.setdefault(array.dtype, []).append(key)
        alone = [Gradients([self.leaves[k] for k in keys], [stored[k] for k in keys]) for keys in others.values()]
        self._lending = [*(one.gradients for one in self._joined), *alone]
        self._lay_out()

    def _lay_out(self) -> None:
        placed = self._places()
        outputs = list(_outputs(self.result))
        pinned = [*outputs, *(x.value for x in self.instructions if isinstance(x, StoreBuffer))]
        self.layout = Layout(self.instructions, placed, pinned)
        self._make_calls()

    @property
    def stepped(self) -> list[Joined]:
        """The parameters that optimizers step, with their gradients: each list of them is stepped as one vector."""
        return list(self._joined)

    def _join(self, update: Update) -> list[Joined]:
        """The parameters that are stepped together: of a group, of one dtype, that have been stepped as often."""
        found: list[Joined] = []
        optimizer = update.optimizer
        known = {id(one): one for one in [*self._joined, *optimizer.kept_by.values()] if isinstance(one, Joined)}
        for members, options in optimizer.groups:
            together: dict[Any, list[Tensor]] = {}
            for parameter in members:
                key = id(parameter)
                if key not in update.leaves or not isinstance(parameter, Tensor):
                    continue
                references = sum(one.references(parameter) for one in known.values())
                alone = not is_elementwise(optimizer) or not is_alone(parameter, references)
                kind = key if alone else (parameter.dtype, optimizer.counts.get(key, 0))
                together.setdefault(kind, []).append(parameter)
            for kind, parameters in together.items():
                alone = is_elementwise(optimizer) and isinstance(kind, int)
                found.append(joined(optimizer, options, parameters, alone))
        return found

    def _places(self) -> dict[int, Array]:
        """The memory of leaves and gradients, side by side where an optimizer steps them, by the traced arrays' ids."""
        stored = {x.leaf: x.value for x in self.instructions if isinstance(x, Store)}
        placed = {id(self.traced[key]): leaf.data.view() for key, leaf in self.leaves.items()}
        placed |= {id(self.traced[key]): place for key, place in self._brought.items()}
        for one in self._joined:
            for parameter, place in zip(one.parameters, one.places, strict=True):
                placed[id(self.traced[id(parameter)])] = place
        self._times = [one.times for one in self._lending]
        self.gradients = {
            id(leaf): place for one in self._lending for leaf, place in zip(one.leaves, one.places, strict=True)
        }
        stores = [id(x.value.owner) for x in self.instructions if isinstance(x, Store)]
        for key, value in stored.items():
            place = self.gradients[key]
            # Written where it belongs in the first place.
            if value.role == "work" and stores.count(id(value)) == 1 and value.array.strides == place.strides:
                placed[id(value)] = place
        return placed

    def _make_calls(self) -> None:
        at = self.layout.array
        self.buffers: list[Array] = [at(traced) for traced in self.inputs]
        self._loads = [(vars(module), name, at(traced)) for module, name, traced in self.states]
        self.calls: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
        updates = None
        for instruction in self.instructions:
            if updates is None and isinstance(instruction, self.changing):
                updates = len(self.calls)
            if isinstance(instruction, Store):
                place, value = self.gradients[instruction.leaf], at(instruction.value)
                if place is not value:
                    self.calls.append((np.copyto, (place, value)))
            elif isinstance(instruction, Update):
                mine = [one for one in self._joined if one.optimizer is instruction.optimizer]
                self.calls += [(one.step, ()) for one in mine]
            elif isinstance(instruction, Clip):
                arrays = [self.gradients[key] for key in instruction.leaves]
                self.calls.append((_clip, (arrays, instruction.max_norm)))
            elif isinstance(instruction, StoreBuffer):
                self.calls.append((_store_buffer, (instruction.module, instruction.name, at(instruction.value))))
            else:
                self.calls += calls_of(instruction, at)
        self._computing, self._changing = self.calls[:updates], self.calls[len(self.calls[:updates]) :]
        drawn = {id(x.generator): x.generator for x in self.instructions if isinstance(x, Draw)}
        self._generators = list(drawn.values())
        whole = [all(id(leaf) in self._left for leaf in one.leaves) for one in self._lending]
        self._after: list[Callable[[], None]] = [
            one.show_all for one, has in zip(self._lending, whole, strict=True) if has
        ]
        self._after += [
            partial(one.show, i)
            for one, has in zip(self._lending, whole, strict=True)
            for i, leaf in enumerate(one.leaves)
            if not has and id(leaf) in self._left
        ]
        self._stepped = [parameter for one in self._joined for parameter in one.parameters]
        moved = {id(parameter) for parameter in self._stepped}
        fixed = [(key, leaf) for key, leaf in self.leaves.items() if key not in moved]
        self._fixed = [(leaf, leaf.data) for key, leaf in fixed if key not in self._brought]
        self._bringing = [(leaf, self._brought[key]) for key, leaf in fixed if key in self._brought]
        self._give = _giver(self.result, at)
        self._leaves = list(self.leaves.values())
        self._stamp = -1

    def ready(self) -> bool:
        """Bring in what an earlier call replaced; false where something is not as the plan needs it."""
        if self._default is not None and self._default is not existing_default_generator():
            return False
        if self._without and any(leaf.grad is not None for leaf in self._without):
            return False
        if not all(one.is_in_step() for one in self._joined):
            return False
        moved = changes(self._leaves) != self._stamp
        if moved:
            replaced = [(leaf, array) for leaf, array in self._fixed if leaf.data is not array]
            if not all(are_alike(leaf.data, array) for leaf, array in [*replaced, *self._bringing]):
                return False
            if not all(one.is_alike() for one in self._joined):
                return False
            # They will come again: a step written by hand gives new data each time.
            self._brought |= {id(leaf): np.empty_like(array) for leaf, array in replaced}
            if any(one.is_left() or one.is_held() for one in self._joined):
                self.link()
            elif replaced:
                self._lay_out()
        if [one.leave() for one in self._lending] != self._times:
            self._lay_out()
        elif not moved:
            return True
        for one in self._joined:
            one.take()
        self._stamp = changes(self._leaves)
        return True

    def run(self, arrays: Sequence[Array]) -> Any:
        """The step on other inputs.

        Raises
        ------
        Broken
            Where a condition does not hold, or NumPy raised an error, before anything was changed: the step itself
            comes to the same error, if it is one.
        """
        states = [generator.bit_generator.state for generator in self._generators] if self._generators else []
        try:
            self._compute(arrays)
        except BaseException as error:
            for generator, state in zip(self._generators, states, strict=True):
                generator.bit_generator.state = state
            if isinstance(error, Exception):
                raise Broken from error
            raise
        for function, args in self._changing:
            function(*args)
        for show in self._after:
            show()
        for leaf in self._cleared:
            leaf.grad = None
        were_stepped(self._stepped)
        self._stamp += len(self._stepped)
        result = self._give()
        if self._waiting:
            self._join_later()
        return result

    def _compute(self, arrays: Sequence[Array]) -> None:
        """Bring in the inputs, and run the calls that change nothing outside."""
        for buffer, array in zip(self.buffers, arrays, strict=True):
            np.copyto(buffer, array)
        for leaf, place in self._bringing:
            np.copyto(place, leaf.data)
        for held, name, array in self._loads:
            np.copyto(array, held[name])
        for function, args in self._computing:
            function(*args)

    def _join_later(self) -> None:
        """Put parameters side by side that could not be moved, since something else held their arrays."""
        self._runs += 1
        if self._runs == self._look_again:
            self._look_again *= 2
            if all(is_alone(p, one.references(p)) for one in self._joined if one.alone for p in one.parameters):
                self.link()


def lowered(
    events: Sequence[Event],
    inputs: Sequence[tuple[Tensor, Array, str]],
    buffers: Mapping[int, tuple[Array, Module, str]],
) -> Lowering:
    """The tape of a recording; an operation whose formulas ask for numbers stays whole on it.

    Raises
    ------
    Unplannable
        Where the step does what a plan cannot.
    """
    whole: list[Forward] = []
    while True:
        lowering = Lowering(inputs, buffers, whole)
        try:
            lowering.run(events)
        except NeedsWhole as needed:
            whole.append(needed.event)
        else:
            break
    updates = [x for x in lowering.instructions if isinstance(x, Update)]
    stepped = [key for update in updates for key in update.leaves]
    if len(set(stepped)) < len(stepped) or len({id(update.optimizer) for update in updates}) < len(updates):
        # Their gradients, or their data, would have to be in two places.
        raise Unplannable("a parameter is stepped twice, or an optimizer steps twice, in one step")
    return lowering


def _clip(gradients: Sequence[Array], max_norm: float) -> None:
    total = optim.total_norm(gradients)
    if max_norm < total < np.inf:
        for gradient in gradients:
            gradient *= max_norm / (total + 1e-6)


def _store_buffer(module: Module, name: str, array: Array) -> None:
    setattr(module, name, array.copy())


def _used_up(tensor: Tensor) -> Tensor:
    """A tensor as ``backward(retain_graph=False)`` leaves it: who goes on computing with it is told by the next one."""
    tensor.requires_grad, tensor.operation = True, RELEASED
    return tensor


def _outputs(result: Any) -> Iterator[Traced]:
    return (part.value for part in within(result) if isinstance(part, Given))


def _giver(result: Any, at: Callable[[Any], Any]) -> Callable[[], Any]:
    """What makes the result of a call: tensors of their own."""
    makers = deep(lambda x: _maker(x, at), result)
    return makers if callable(makers) else lambda: deep(lambda make: make(), makers)


def _maker(x: Any, at: Callable[[Any], Any]) -> Callable[[], Any]:
    if not isinstance(x, Given):
        return lambda: x
    array = at(x.value)
    return (lambda: _used_up(from_array(array.copy()))) if x.learned else lambda: from_array(array.copy())
