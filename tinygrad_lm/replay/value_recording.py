"""Recording a step over ``Value``s: each number is noted with what it was made of, in the order of making.

While a step is recorded its arguments that are numbers, and the ``Value``s that take part, are what
``watched_values.py`` has in their places, which tells a ``ValueRecorder`` what is done with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, cast

from tinygrad_lm.autograd import observers
from tinygrad_lm.autograd.graph import Node, Operation
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.value import Value
from tinygrad_lm.optim import Optimizer
from tinygrad_lm.replay.events import STEP
from tinygrad_lm.replay.watched import watch, watch_optimizers
from tinygrad_lm.replay.watched_values import Given, ValueNotes, WatchedValue, number_in, plain


class Unplannable(Exception):
    """There can be no plan; the message says why."""


INPUT, LEAF, CONSTANT, SAME = "an argument", "a leaf", "a constant", "the same number"


class Made(NamedTuple):
    """One number of a step: what made it, of the numbers at which places."""

    how: Operation | str
    of: tuple[int, ...] = ()
    learns: bool = False
    """Whether its graph was recorded."""
    what: object = None
    """The identity of a leaf, or which argument it is; a constant."""


class ValueRecorder(ValueNotes):
    """The notes of one run of a step over ``Value``s."""

    def __init__(self, leaves: Iterable[Value], arguments: Sequence[Value] = ()) -> None:
        super().__init__()
        self.made: list[Made] = []
        self.checks: list[tuple[Callable[[Any, Any], bool], int, int, bool]] = []
        """Comparisons: of the numbers at which places, and how each came out."""
        self.graded: list[tuple[str, int, object]] = []
        """What was done to gradients and after it, in this order: leaves' gradients set, the way back, and updates."""
        self.strangers: list[Value] = []
        """The ``Value``s that the step made, or had from where nobody sees."""
        self.whole_numbers: list[int] = []
        """The places of whole numbers, which Python computes exactly."""
        self.whole_numbers_read = False
        self.backwards = 0
        self.valued = False
        """Whether anything was computed of Values."""
        self.leaves: dict[int, Value] = {}
        """The leaves by their places."""
        self.inputs: list[int] = []
        """The places of the arguments' numbers, in their order."""
        self._places: dict[int, int] = {}
        self._computed: set[int] = set()
        self._constants: dict[str, int] = {}
        self._held: list[Any] = []
        self.stepped = False
        """Whether an optimizer has made a step, which cannot be taken back."""
        named = [*((leaf, id(leaf)) for leaf in leaves), *((leaf, -1 - i) for i, leaf in enumerate(arguments))]
        for leaf, what in named:
            if leaf.operation is None and type(leaf) is Value:
                self.leaves[len(self.made)] = leaf
                self._note(leaf, Made(LEAF, learns=leaf.requires_grad, what=what))
            else:
                self._computed.add(id(leaf))

    def given(self, number: float) -> Given:
        """What stands for a number that is an argument."""
        self.inputs.append(len(self.made))
        return self._given(Made(INPUT), number)

    def number_of(self, value: Value) -> Given:
        """What stands for the number of a value, through which no gradient goes."""
        return self._given(Made(SAME, (self.place_of(value),)), number_in(value))

    def _given(self, made: Made, number: float) -> Given:
        found = Given(self, len(self.made), number)
        if type(number) is int:
            self.whole_numbers.append(found.place)
        self.made.append(made)
        self._held.append(found)
        return found

    def _note(self, value: Any, made: Made) -> None:
        self._places[id(value)] = len(self.made)
        self._held.append(value)
        self.made.append(made)
        self.classes.append((value, Value))
        value.__class__ = WatchedValue

    def place_of(self, x: Any) -> int:
        """Where a number stands among those that were made."""
        if isinstance(x, Node):
            place = self._places.get(id(x))
            if place is not None:
                return place
            if id(x) in self._computed:
                self.note("a Value of a class of its own, or one that was computed before the step, takes part")
            elif type(x) is not Value:
                self.note(f"a {type(x).__name__} takes part beside Values")
                return self._constant(0.0)
            place = self._constant(number_in(x))
            self._note(x, Made(SAME, (place,)))
            self.strangers.append(cast("Value", x))
            return self._places[id(x)]
        return x.place if type(x) is Given else self._constant(float(x))

    def _constant(self, number: float) -> int:
        text = float(number).hex()
        if text not in self._constants:
            self._constants[text] = len(self.made)
            self.made.append(Made(CONSTANT, what=text))
        return self._constants[text]

    def same(self, value: Value, given: Given) -> None:
        """A ``Value`` is made of a number right now."""
        self._note(value, Made(SAME, (given.place,)))
        self.strangers.append(value)

    def combined(self, operation: Operation, operands: Sequence[Any], number: Any) -> Any:
        """A number that was computed of given ones."""
        if type(number) not in (int, float):
            self.note(f"a number that the step was given, or computed, gave {number!r:.40}")
            return number
        return self._given(Made(operation, tuple(map(self.place_of, operands))), number)

    def compared(self, compare: Callable[[Any, Any], bool], one: Any, other: Any) -> bool:
        """How a comparison comes out, which is noted."""
        outcome = compare(plain(one), plain(other))
        self.checks.append((compare, self.place_of(one), self.place_of(other), outcome))
        return outcome

    def forward(
        self, operation: Operation, operands: tuple[object, ...], attributes: dict[str, Any], out: Node
    ) -> None:
        """Note an operation."""
        if self.within:
            return
        self.valued = True
        if type(out) is not Value or attributes:
            self.note(f"a {type(out).__name__} takes part beside Values")
            return
        if self.stepped:
            self.note("something is computed after an optimizer's step")
        self._note(out, Made(operation, tuple(map(self.place_of, operands)), out.operation is not None))

    def backward(self, node: Node, gradient: object, contributions: Sequence[object]) -> None:
        """A gradient that no ``backward()`` of the step asked for is none that a plan would compute."""
        self.note("grad() and what is built on it are not recorded, only backward()")

    def call(self, function: Callable[..., Any], args: Sequence[Any], options: dict[str, Any]) -> Any:
        """An optimizer's step is taken as it is by a plan, too; no other function that is seen as one call."""
        if self.within:
            return function(*args, **options)
        if function is STEP and isinstance(args[0], Optimizer) and self.backwards:
            self.graded.append(("step", 0, args[0]))
            self.stepped = True
        else:
            self.note(f"{getattr(function, '__name__', 'a function')} is called in a step over Values")
        self.changed = True
        with self.whole():
            return function(*args, **options)

    def set_grad(self, leaf: Any, new: object) -> None:
        """Note that a gradient is set."""
        place = self._places[id(leaf)]
        if new is not None and type(new) not in (int, float):
            self.note("a gradient was set to what was computed within the step")
        self.changed = True
        self.graded.append(("set", place, new))

    def sweep(self, root: Any, gradient: Any, retain_graph: bool) -> None:
        """Note a backward pass, and make it."""
        if gradient is not None and type(gradient) not in (int, float):
            self.note("backward was given a gradient that was computed within the step")
        self.backwards += 1
        if self.backwards > 1:
            self.note("backward is called more than once")
        self.changed = True
        # As at other times, when nobody watches: that is the faster pass.
        watched: list[tuple[Any, Any]] = [(found, type(found)) for found, _ in self.classes]
        self.__exit__()
        try:
            Value.backward(root, gradient, retain_graph)
        finally:
            self.closed = False
            observers.add(self)
            for found, cls in watched:
                found.__class__ = cls
        self.graded.append(("backward", self.place_of(root), 1.0 if gradient is None else float(gradient)))

    def watch(self, tensors: Iterable[Tensor], optimizers: Iterable[Optimizer]) -> None:
        """Notice what is done with tensors, none of which may take part, and what is read of optimizers."""
        watch(self, tensors)
        watch_optimizers(self, optimizers)

    def signature(self) -> tuple[Any, ...]:
        """What is the same for two runs that did the same, in short."""
        graded = [(word, place, _told(what)) for word, place, what in self.graded]
        return len(self.made), hash(tuple(self.made)), self.checks, self.whole_numbers, graded

    def told_of(self, result: Any) -> Any:
        """What a step returned: numbers by their places, constants as they are.

        Raises
        ------
        Unplannable
            For what a plan cannot make anew at each call.
        """
        kind = cast("Any", type(result))
        if kind is tuple or kind is list:
            return kind, [self.told_of(one) for one in result]
        if kind is dict:
            return kind, [(key, self.told_of(one)) for key, one in result.items()]
        if kind is Given:
            return Given, result.place, type(result.number)
        if kind is Value and id(result) in self._places:
            place = self._places[id(result)]
            if result.is_leaf and result.requires_grad and place not in self.leaves:
                raise Unplannable("the step returns a leaf that it makes")
            if not result.is_leaf and not self.backwards:
                raise Unplannable(
                    "the step returns a Value with its graph: call backward within the step, or return x.detach()"
                )
            return (LEAF if place in self.leaves else Value), place, None
        if result is None or kind in (bool, int, float, str):
            return kind, repr(result), result
        raise Unplannable(f"the step returns {kind.__name__}: return Values, numbers, or nothing")


def _told(what: object) -> object:
    return repr(what) if type(what) in (int, float) else id(what)
