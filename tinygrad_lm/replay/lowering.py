"""From a recording to a tape: every operation and its derivative run on traced arrays, in the step's order.

The backward pass is the engine's own ``sweep`` over mirrors of the nodes. An operation whose formulas ask for numbers
stays whole: its forward and its derivative are called as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_lm import optim
from tinygrad_lm.autograd import graph
from tinygrad_lm.autograd.custom import CustomElementwise, CustomOperation
from tinygrad_lm.autograd.graph import Node, Operation
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.nn.module import Module
from tinygrad_lm.replay.events import CLIP, SET_BUFFERS, STEP, Backward, Branch, Cleared, Event, Forward, Plain
from tinygrad_lm.replay.generators import TracedGenerator
from tinygrad_lm.replay.instructions import Clip, Given, Store, StoreBuffer, Update, WholeForward
from tinygrad_lm.replay.memory import mentioned
from tinygrad_lm.replay.mirrors import Mirror, handed_on
from tinygrad_lm.replay.naming import Section
from tinygrad_lm.replay.nested import deep, within
from tinygrad_lm.replay.readable import forward_of
from tinygrad_lm.replay.traced import Check, Tape, Traced, Untraceable, plain


class Unplannable(Exception):
    """A recording that cannot become a plan; the message says why."""


class Lowering:
    """The tape of a recording, and what the step leaves behind."""

    def __init__(
        self,
        inputs: Sequence[tuple[Tensor, Array, str]],
        buffers: Mapping[int, tuple[Array, Module, str]],
        whole: Sequence[Forward] = (),
        readable: bool = False,
    ) -> None:
        self.tape = Tape(readable)
        self._whole_events = set(map(id, whole))
        self.buffers = buffers
        """The buffers of modules as they were before, by the identity of their arrays."""
        self.states: list[tuple[Module, str, Traced]] = []
        """The buffers that are read."""
        self.inputs: list[Traced] = []
        self.nodes: dict[int, Mirror] = {}
        self.leaves: dict[int, Tensor] = {}
        self.gradients: dict[int, Traced] = {}
        """Of each leaf, by its identity, what its gradient is at this point."""
        self.cleared: dict[int, Tensor] = {}
        """The leaves whose gradient was forgotten, and not computed since."""
        self.without: dict[int, Any] = {}
        """The leaves that have to come without a gradient: the step adds to it, or steps those that have one."""
        self._known: set[int] = set()
        """The leaves of which the step itself says whether they have a gradient."""
        self.plain: dict[int, Any] = {}
        """What a function without a gradient gave, by the identity of the plain result."""
        self.generators: dict[int, TracedGenerator] = {}
        self._kept: list[object] = []
        self._unstored: dict[int, Traced] = {}
        self._stores: list[StoreBuffer] = []
        for tensor, array, name in inputs:
            self.inputs.append(self.tape.given(array, "input", name))
            self.nodes[id(tensor)] = Mirror(self.inputs[-1], False, self.tape)

    def run(self, events: Sequence[Event]) -> None:
        """Lower all events, without a word: where NumPy has something to say, it has said it to the step itself."""
        with np.errstate(all="ignore"):
            for event in events:
                self._event(event)
        self._store()
        # Last, when no condition can fail any more.
        self.instructions.extend(self._stores)
        changed = [i for i, x in enumerate(self.instructions) if isinstance(x, Update)]
        if changed and any(isinstance(x, (Check, WholeForward)) for x in self.instructions[changed[0] :]):
            raise Unplannable("a condition is looked at after the optimizer's step, when it cannot be undone")

    def _event(self, event: Event) -> None:
        if isinstance(event, Forward):
            self._forward(event)
        elif isinstance(event, Plain):
            self._plain(event)
        elif isinstance(event, Branch):
            self._branch(event)
        elif isinstance(event, Cleared):
            self._clear(event.leaf)
        else:
            self._backward(event)

    @property
    def instructions(self) -> list[object]:
        """What was written down so far."""
        return self.tape.instructions

    def node(self, tensor: Tensor) -> Mirror:
        """The mirror of a tensor: of one that no event made, a leaf with the tensor's own array."""
        found = self.nodes.get(id(tensor))
        if found is None:
            if not tensor.is_leaf:
                raise Unplannable("a tensor takes part that an earlier call made")
            # A copy: nothing here is to hold a parameter's own array.
            data = self.tape.given(tensor.data.copy(order="K"), "leaf", tensor.label)
            if data.array.strides != tensor.data.strides:
                raise Unplannable("a tensor's array has gaps")
            found = self.nodes[id(tensor)] = Mirror(data, tensor.requires_grad, self.tape)
            self.leaves[id(tensor)] = tensor
        return found

    def value(self, x: object) -> Any:
        """An argument on the tape: tensors and what was made of arrays become traced, also in tuples and lists."""
        return deep(self._value, x)

    def _value(self, x: Any) -> Any:
        if isinstance(x, Tensor):
            return self.node(x).data
        if id(x) in self.plain:
            return self.plain[id(x)]
        if id(x) in self.buffers:
            return self._state(x)
        if type(x) is np.ndarray:
            # Somebody may refill it between two calls.
            return self.tape.given(x, "extern" if x.flags.writeable else "constant")
        if isinstance(x, np.random.Generator):
            if id(x) not in self.generators:
                self.generators[id(x)] = TracedGenerator(self.tape, x)
            return self.generators[id(x)]
        return x

    def _state(self, x: Array) -> Traced:
        _, module, name = self.buffers[id(x)]
        for owner, key, traced in self.states:
            if owner is module and key == name:
                return traced
        traced = self.tape.given(x.copy(), "state", name)
        self.states.append((module, name, traced))
        return traced

    def returned(self, result: object) -> Any:
        """What the step returned, with traced arrays for its tensors.

        Raises
        ------
        Unplannable
            For what a plan cannot make anew at each call.
        """
        if isinstance(result, Tensor):
            if id(result) in self.leaves:
                return result
            return Given(self.node(result).data, result.requires_grad)
        if type(result) in (tuple, list, dict):
            return deep(self.returned, result)
        if result is None or isinstance(result, (bool, int, float, str)):
            return result
        raise Unplannable(f"the step returns {type(result).__name__}: return tensors, or nothing")

    def _forward(self, event: Forward) -> None:
        operation = event.operation
        inputs = tuple(map(self.value, event.operands))
        attributes = {key: self.value(x) for key, x in event.attributes.items()}
        saved, whole, mark = None, None, len(self.instructions)
        self.tape.section = Section("forward", _titled(event))
        try:
            if id(event) in self._whole_events or isinstance(operation, (CustomOperation, CustomElementwise)):
                raise Untraceable("a user's own formula")
            forward = forward_of(operation, attributes) if self.tape.readable else operation.forward
            data = forward(*inputs, **attributes)
            if operation.saves:
                data, saved = data
            if not isinstance(data, Traced):
                data = self.tape.given(np.asarray(data), "constant")
        except Untraceable:
            del self.instructions[mark:]
            whole = self._whole(operation, inputs, attributes)
            data = whole.result
        out = event.out
        if data.shape != out.shape or data.dtype != out.dtype:
            raise Unplannable(f"{operation.name!r} gives another shape on traced arrays")
        mirror = self.nodes[id(out)] = Mirror(data, event.learns, self.tape)
        if data.role in ("work", "view"):
            self._call(data, out.label or NAMES.get(operation.name, operation.name))
        self._kept.append(out)
        if event.learns:
            mirror.operation, mirror.event, mirror.place = operation, event, _place(event)
            mirror.parents = tuple(self._parent(x, t, data) for x, t in zip(event.operands, inputs, strict=True))
            mirror.inputs, mirror.attributes, mirror.saved, mirror.whole = inputs, attributes, saved, whole

    @staticmethod
    def _call(data: Traced, name: str) -> None:
        """Name what an operation gives, and the array that it is a view of unless that has a name."""
        data.name = name
        if data.owner.role == "work" and not data.owner.name:
            data.owner.name = name

    def _parent(self, operand: object, traced: object, data: Traced) -> Mirror:
        if isinstance(operand, Tensor):
            return self.node(operand)
        if not isinstance(traced, Traced):
            traced = self.tape.given(np.asarray(traced, None if hasattr(traced, "dtype") else data.dtype), "constant")
        return Mirror(traced, False, self.tape)

    def _whole(
        self, operation: Operation, inputs: tuple[object, ...], attributes: Mapping[str, object]
    ) -> WholeForward:
        masks = [traced.owner for traced in mentioned(attributes.get("index")) if traced.dtype == np.bool]
        if any(mask.role in ("work", "input", "state") for mask in masks):
            raise Unplannable(f"{operation.name!r} by a Boolean mask gives as many elements as are chosen")
        given = operation.forward(*plain(inputs), **plain(dict(attributes)))
        cell = list(given) if operation.saves else [given, None]
        array = np.array(cell[0])
        whole = WholeForward(operation, inputs, attributes, self.tape.made(array), cell)
        self.instructions.append(whole)
        return whole

    def _plain(self, event: Plain) -> None:
        function: Callable[..., Any] = event.function
        if function is STEP:
            self._update(*event.args)
        elif function is CLIP:
            self._clip(*event.args, **event.options)
        elif function is SET_BUFFERS:
            module, arrays = event.args
            self._stores += [StoreBuffer(module, name, self.value(array)) for name, array in arrays.items()]
        else:
            args = self.value(tuple(event.args))
            options = {key: self.value(x) for key, x in event.options.items()}
            try:
                # Nobody detaches on paper: what was computed is not changed any more there.
                detached = self.tape.readable and function is np.copy and args[0].role == "work"
                result: object = args[0] if detached else function(*args, **options)
            except Untraceable as error:
                raise Unplannable(f"{function.__name__} cannot be traced: {error}") from None
            self._kept.append(event.result)
            if isinstance(event.result, Tensor):
                if not isinstance(result, Traced):
                    result = self.tape.given(np.asarray(result), "constant")
                self.nodes[id(event.result)] = Mirror(result, False, self.tape)
            else:
                for made, traced in zip(within(event.result), within(result), strict=True):
                    if hasattr(made, "dtype"):  # other objects may be many things
                        self.plain[id(made)] = traced

    def _branch(self, event: Branch) -> None:
        condition = self.node(event.tensor).data
        if bool(condition.array) != event.outcome:
            raise Unplannable("a branch went otherwise when it was looked at again")
        self.instructions.append(Check(condition, event.outcome))

    def _backward(self, event: Backward) -> None:
        root = self.node(event.root)
        if event.gradient is None:
            seed = self.tape.given(np.ones(root.data.shape, root.data.dtype), "constant")
        else:
            seed = handed_on(self.tape, self.value(event.gradient), root.data.dtype)
        if root.data.role == "work" and not event.root.label:
            root.data.name = "loss"
        order = graph.topological_order(root)
        leaves = {id(self.nodes[key]): key for key in self.leaves}
        for node, gradient, owned in graph.sweep(order, {root: seed}):
            _about(gradient, node.data)
            key = leaves.get(id(node))
            if key is None:
                continue
            earlier = self.gradients.get(key)
            if key not in self._known and not event.kept.get(key, False):
                self.without[key] = self.leaves[key]
            self._known.add(key)
            self.cleared.pop(key, None)
            if event.kept.get(key, False) and earlier is None:
                raise Unplannable("gradients are added to those of an earlier call: call zero_grad() within the step")
            if earlier is not None and event.kept.get(key, False):
                gradient = earlier + gradient
            elif not owned or gradient.base is not None:
                gradient = gradient.copy()
            self.gradients[key] = self._unstored[key] = gradient

    def _store(self) -> None:
        for key, gradient in self._unstored.items():
            self.instructions.append(Store(key, gradient))
        self._unstored = {}

    def _clear(self, leaf: Tensor) -> None:
        self.gradients.pop(id(leaf), None)
        self._unstored.pop(id(leaf), None)
        self._known.add(id(leaf))
        self.cleared[id(leaf)] = leaf

    def _update(self, optimizer: optim.Optimizer) -> None:
        if type(optimizer).step is not optim.Optimizer.step or "step" in vars(optimizer):
            raise Unplannable(f"{type(optimizer).__name__} has a step of its own: write its rule as update(...)")
        self._store()
        self.instructions.append(Update(optimizer, self._with_gradients(optimizer.parameters)))

    def _with_gradients(self, given: Sequence[Any]) -> tuple[int, ...]:
        """Those that have a gradient which this step has computed; others must have none."""
        for p in given:
            if id(p) not in self._known:
                if p.grad is not None:
                    raise Unplannable("a gradient of an earlier call is used: call zero_grad() within the step")
                self._known.add(id(p))
                self.without[id(p)] = p
        return tuple(dict.fromkeys(id(p) for p in given if id(p) in self.gradients))

    def _clip(self, params: Any, max_norm: float) -> None:
        self._store()
        given = [params] if isinstance(params, Node) else list(params)
        self.instructions.append(Clip(self._with_gradients(given), max_norm))


def _about(gradient: Traced, data: Traced) -> None:
    """Note of what an array is the gradient: of what the sweep meets first, where several have the same."""
    owner = gradient.owner
    if owner.role in ("work", "constant") and gradient.size == owner.size and owner.about is None:
        owner.about = data
    elif gradient.base is not None and gradient.size != owner.size:
        gradient.about = data


NAMES = {
    "add": "total",
    "cross_entropy": "loss",
    "embedding": "emb",
    "getitem": "part",
    "linear": "z",
    "matmul": "product",
    "mul": "scaled",
    "relu": "h",
    "tanh": "h",
}
"""What the results of operations are called in a program to be read, where it is not the operation's own name."""


def _place(event: Forward) -> str:
    names: list[str] = []
    scope = event.out.scope
    while scope is not None and scope.parent is not None:  # the model itself is not named
        names.append(scope.name)
        scope = scope.parent
    return f" of {'.'.join(reversed(names))}" if names else ""


def _titled(event: Forward) -> str:
    return f"{event.operation.name}{_place(event)}"
