"""Recording a step: it runs as ever, and every operation is written down, with whatever a plan could not know of it.

A ``Recorder`` observes the engine. What the tensors of the step hold may be read into Python meanwhile, by ``item``,
``float`` or ``data``: then what follows may depend on the numbers, and the recorder notes it as a reason against a
plan. A comparison that decides a branch is no such reason, but a ``Branch``, which each replay takes again.

The step's arguments that are arrays are tensors meanwhile, so that what is computed of them alone is seen, too. Where
an array would do something else than a tensor does, the recording is ``Abandoned``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np

from tinygrad_lm.autograd import observers
from tinygrad_lm.autograd.anomaly import users_line
from tinygrad_lm.autograd.graph import RELEASED, Node, Operation
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.nn.module import set_buffers
from tinygrad_lm.optim import Optimizer, clip_grad_norm_

if TYPE_CHECKING:
    from collections.abc import Generator


@dataclass(frozen=True, eq=False)
class Forward:
    """An operation was computed."""

    operation: Operation
    operands: tuple[Any, ...]
    attributes: Mapping[str, Any]
    out: Tensor
    learns: bool
    """Whether the result has a gradient."""


@dataclass(frozen=True, eq=False)
class Plain:
    """A function without a gradient was called: on ids, masks, comparisons, or one that steps parameters."""

    function: Callable[..., Any]
    args: Sequence[Any]
    options: Mapping[str, Any]
    result: Any


@dataclass(frozen=True, eq=False)
class Backward:
    """A backward pass was made."""

    root: Tensor
    gradient: Any
    kept: Mapping[int, bool]
    """Of each leaf, by its identity, whether it had a gradient before."""


@dataclass(frozen=True, eq=False)
class Branch:
    """The truth of a tensor decided how the step went on."""

    tensor: Tensor
    outcome: bool


@dataclass(frozen=True, eq=False)
class Cleared:
    """The gradient of a leaf was forgotten."""

    leaf: Tensor


Event = Forward | Plain | Backward | Branch | Cleared

STEP: Any = Optimizer.step.__wrapped__  # pyright: ignore[reportFunctionMemberAccess]
CLIP: Any = clip_grad_norm_.__wrapped__  # pyright: ignore[reportFunctionMemberAccess]
SET_BUFFERS: Any = set_buffers.__wrapped__  # pyright: ignore[reportFunctionMemberAccess]
"""The functions that are seen as one call and change what was there before."""


class Abandoned(BaseException):
    """The step asks an argument for what an array and a tensor answer differently: it has to run as it is."""


class Recorder(observers.Observer):
    """What one run of a step did, in its order."""

    def __init__(self, before: Callable[..., None], after: Callable[..., None]) -> None:
        self._before, self._after = before, after
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
        self._swept = False
        self._own: list[tuple[Any, type[Any]]] = []

    def forward(self, operation: Operation, operands: tuple[Any, ...], attributes: dict[str, Any], out: Node) -> None:
        """Write an operation down, and watch its operands and its result from now on."""
        if self.within:
            return
        if not isinstance(out, Tensor):
            self.note("a Value takes part")
            return
        self.watch(operand for operand in operands if isinstance(operand, Tensor))
        self.watch((out,))
        self.mark(operands, out)
        self.events.append(Forward(operation, operands, attributes, out, out.requires_grad))

    def backward(self, node: Node, gradient: Any, contributions: Sequence[Any]) -> None:
        """A gradient that no ``backward()`` of the step asked for is none that a plan would compute."""
        if not self._swept:
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

    def swept(self, root: Tensor, gradient: Any, retain_graph: bool) -> None:
        """Note a backward pass, and make it."""
        leaves = [leaf for leaf in self._leaves() if leaf.requires_grad]
        kept = {id(leaf): _GRAD.__get__(leaf) is not None for leaf in leaves}
        self._swept = self.changed = True
        try:
            with self.whole():
                Tensor.backward(root, gradient, retain_graph)
        finally:
            self._swept = False
        self.events.append(Backward(root, gradient, kept))

    def _leaves(self) -> list[Tensor]:
        return [tensor for tensor, _ in self._own if isinstance(tensor, Tensor) and tensor.is_leaf]

    def note(self, what: str) -> None:
        """Note a reason against a plan, with the line of the user's code."""
        reason = f"{what}\n{users_line()}".rstrip()
        if reason not in self.reasons:
            self.reasons.append(reason)

    def watch(self, tensors: Iterable[Tensor]) -> None:
        """From now on notice what is read of tensors."""
        for tensor in tensors:
            cls = type(tensor)
            if not issubclass(cls, Watched):
                self._own.append((tensor, cls))
                tensor.__class__ = _watched(cls)

    def watch_optimizers(self, optimizers: Iterable[Optimizer]) -> None:
        """From now on notice what is read of optimizers, or changed: what they step with is no part of a plan."""
        for optimizer in optimizers:
            self._own.append((optimizer, type(optimizer)))
            optimizer.__class__ = _watched_optimizer(type(optimizer))

    def mark(self, operands: Iterable[Any], out: Tensor) -> None:
        """Note what would be an array, too, since it is made of arrays alone."""
        tensors = [operand for operand in operands if isinstance(operand, Tensor)]
        if tensors and all(id(tensor) in self.arrays for tensor in tensors):
            self.arrays.add(id(out))

    def otherwise(self, tensor: Tensor, what: str) -> None:
        """Give up where a tensor is an array at other times, which would do something else now."""
        if id(tensor) in self.arrays:
            self.note(f"an array that is an argument of the step, or is made of one, {what}")
            raise Abandoned

    def has_graph(self, tensor: Tensor) -> bool:
        """Whether somebody may still want to call backward on what the step returned."""
        swept = any(isinstance(event, Backward) for event in self.events)
        return not tensor.is_leaf and tensor.operation is not RELEASED and not swept

    @contextmanager
    def whole(self) -> Generator[None]:
        """What happens in the block is a part of one event."""
        before, self.within = self.within, True
        try:
            yield
        finally:
            self.within = before

    def __enter__(self) -> Self:
        observers.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        observers.remove(self)
        for found, cls in self._own:
            found.__class__ = cls


def _here() -> Recorder | None:
    """The recorder of this thread or task that is to be told of what is read, if there is one."""
    for observer in observers.active():
        if isinstance(observer, Recorder) and not observer.within:
            return observer
    return None


_GRAD: Any = vars(Node)["grad"]
"""Where a node keeps its gradient."""


def _noticed(name: str, what: str, own: Any) -> Any:
    def method(self: Any, *args: Any, **options: Any) -> Any:
        recorder = _here()
        if recorder is None:
            return own(self, *args, **options)
        recorder.note(what)
        with recorder.whole():
            return own(self, *args, **options)

    method.__name__ = name
    return method


def _read(name: str) -> Any:
    shown = {"__array__": "np.asarray(x)", "__format__": "a text", "__repr__": "a text", "__index__": "an index"}
    word = shown.get(name, name.strip("_") + "()")
    what = f"a tensor was read into Python by {word}: what follows may depend on its numbers"
    return _noticed(name, what, getattr(Tensor, name))


def _changed(name: str, word: str) -> Any:
    return _noticed(
        name, f"a tensor was changed by {word}: only an optimizer's step is recorded", getattr(Tensor, name)
    )


class Watched(Tensor):
    """A tensor while a step is recorded: reading it into Python is noticed."""

    __slots__ = ()

    item, tolist, numpy = _read("item"), _read("tolist"), _read("numpy")
    __array__, __float__, __int__ = _read("__array__"), _read("__float__"), _read("__int__")
    __index__, __format__, __repr__ = _read("__index__"), _read("__format__"), _read("__repr__")
    __deepcopy__ = _read("__deepcopy__")
    requires_grad_ = _changed("requires_grad_", "requires_grad_()")

    @property
    def data(self) -> Any:
        """The array itself, which is noticed."""
        recorder = _here()
        if recorder is not None:
            recorder.note("a tensor's data was read: what follows may depend on its numbers")
        return _DATA.__get__(self)

    @data.setter
    def data(self, new: Any) -> None:
        recorder = _here()
        if recorder is not None:
            recorder.changed = True
            recorder.note("a tensor's data was set: only an optimizer's step is recorded")
        _DATA.__set__(self, new)

    @property
    def grad(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The gradient, which is noticed."""
        recorder = _here()
        if recorder is not None:
            recorder.note("a gradient was read within the step: look at it afterwards")
        return _GRAD.__get__(self)

    @grad.setter
    def grad(self, new: Any) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        recorder = _here()
        if recorder is not None:
            if new is not None:
                recorder.note("a gradient was set within the step")
            elif self.is_leaf:
                recorder.events.append(Cleared(self))
        _GRAD.__set__(self, new)

    def __hash__(self) -> int:
        recorder = _here()
        if recorder is not None and id(self) in recorder.arrays:
            recorder.otherwise(self, "was looked up in a set or a dictionary")
        return object.__hash__(self)

    def __setitem__(self, index: Any, value: Any) -> None:
        recorder = _here()
        if recorder is None:
            Tensor.__setitem__(self, index, value)
            return
        recorder.otherwise(self, "was changed in place")
        recorder.changed = True
        recorder.note("a tensor was changed by x[i] = ...: only an optimizer's step is recorded")
        with recorder.whole():
            Tensor.__setitem__(self, index, value)

    def _in_place(self, operation: Operation, other: Any) -> Any:
        recorder = _here()
        if recorder is not None:
            recorder.otherwise(self, "was changed in place")
        return super()._in_place(operation, other)

    def sort(self, *args: Any, **options: Any) -> Any:
        """PyTorch's pair, which NumPy's word does not give."""
        recorder = _here()
        if recorder is not None:
            recorder.otherwise(self, "was sorted in place")
        return super().sort(*args, **options)

    def __bool__(self) -> bool:
        recorder = _here()
        outcome = Tensor.__bool__(self)
        if recorder is not None:
            recorder.events.append(Branch(self, outcome))
        return outcome

    def detach(self) -> Tensor:
        """A copy without a graph."""
        return self._without_graph(np.copy, (self,))

    def backward(self, gradient: Any = None, retain_graph: bool = True) -> None:
        """The backward pass, noted as one event."""
        recorder = _here()
        if recorder is None:
            Tensor.backward(self, gradient, retain_graph)
        else:
            recorder.swept(self, gradient, retain_graph)

    @classmethod
    def _without_graph(cls, function: Callable[..., Any], inputs: tuple[Any, ...], **options: Any) -> Tensor:
        recorder = _here()
        if recorder is None:
            return super()._without_graph(function, inputs, **options)
        with recorder.whole():
            out = Tensor._without_graph(function, inputs, **options)
        recorder.events.append(Plain(function, inputs, options, out))
        recorder.watch((out,))
        recorder.mark(inputs, out)
        return out


_DATA: Any = Tensor.data


@cache
def _watched(cls: type[Tensor]) -> type[Tensor]:
    """The class of a tensor of ``cls`` while it is watched."""
    return type(cls.__name__, (Watched,) if cls is Tensor else (Watched, cls), {"__slots__": ()})


class WatchedOptimizer(Optimizer):
    """An optimizer while a step is recorded: what it steps with is noticed when it is read or changed."""

    def zero_grad(self) -> None:
        """Forget the gradients."""
        recorder = _here()
        if recorder is None:
            super().zero_grad()
            return
        recorder.clearing = True
        try:
            super().zero_grad()
        finally:
            recorder.clearing = False

    @property
    def parameters(self) -> list[Any]:
        """All parameters in their order, which the step can see anyway."""
        groups = cast("list[tuple[list[Any], Any]]", vars(self)["groups"])
        return [parameter for members, _ in groups for parameter in members]


def _noticed_place(name: str) -> property:
    def tell(did: str) -> None:
        recorder = _here()
        if recorder is not None and not recorder.clearing:
            recorder.note(f"an optimizer's {name} was {did} within the step: do so between two calls")

    def read(self: Any) -> Any:
        tell("read")
        return cast("dict[str, object]", vars(self))[name]

    def change(self: Any, new: Any) -> None:
        tell("set")
        vars(self)[name] = new

    return property(read, change)


@cache
def _watched_optimizer(cls: type[Optimizer]) -> type[Optimizer]:
    """The class of an optimizer of ``cls`` while it is watched."""
    places = {name: _noticed_place(name) for name in ("scale", "groups", "state", "counts")}
    return type(cls.__name__, (WatchedOptimizer, cls), places)


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


class Unread:
    """A number that a function made of arrays, such as the norm that ``clip_grad_norm_`` returns: noticed when used."""

    __slots__ = ("_number", "_recorder")

    def __init__(self, number: float, recorder: Recorder) -> None:
        self._number, self._recorder = number, recorder

    def _read(self) -> float:
        recorder = _here()
        if recorder is not None and recorder is self._recorder:
            recorder.note("a number that was computed from arrays was read within the step")
        return self._number

    def plain(self) -> float:
        """The number, which is not noticed."""
        return self._number

    def __getattr__(self, name: str) -> Any:
        return getattr(self._read(), name)


def _forwarded(name: str) -> Any:
    def method(self: Unread, *args: Any) -> Any:
        return getattr(self._read(), name)(*args)

    return method


for _name in (
    *("__float__", "__int__", "__bool__", "__index__", "__format__", "__repr__", "__str__", "__hash__", "__round__"),
    *("__add__", "__radd__", "__sub__", "__rsub__", "__mul__", "__rmul__", "__truediv__", "__rtruediv__", "__pow__"),
    *("__lt__", "__le__", "__gt__", "__ge__", "__eq__", "__ne__", "__neg__", "__abs__"),
):
    setattr(Unread, _name, _forwarded(_name))
