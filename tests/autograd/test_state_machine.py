"""Any sequence of uses of the engines, against an engine that only multiplies along every path."""

import contextlib
import weakref

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.helpers.oracles import close
from tests.helpers.registry import examples
from tinygrad_lm import Tensor, Value, no_grad
from tinygrad_lm.autograd import is_grad_enabled

NUMBER = st.floats(-2, 2, width=16)
RECENT = st.sampled_from([0, 0, 0, 1, 1, 2, 3, 4, 6, 9])
"""How far back to pick a node: rather a recent one, so that graphs grow deep and are used again."""
OPERATIONS = {
    "add": (lambda x, y: x + y, lambda x, y: (1.0, 1.0)),
    "sub": (lambda x, y: x - y, lambda x, y: (1.0, -1.0)),
    "mul": (lambda x, y: x * y, lambda x, y: (y, x)),
    "tanh": (np.tanh, lambda x: (1 - np.tanh(x) ** 2,)),
    "sin": (np.sin, lambda x: (np.cos(x),)),
    "scale": (lambda x: 3.0 * x, lambda x: (3.0,)),
}


class Naive:
    """A node that knows its number and, for each parent, the local derivative: the engine to compare with."""

    def __init__(self, data, needs, edges=()):
        self.data, self.needs, self.edges = data, needs, edges
        self.grad, self.version, self.released = None, 0, False
        self.used = [parent.version for parent, _ in edges]

    def below(self, everything=False):
        """This node and all that it depends on (through gradients alone, unless everything is asked for)."""
        found = {self: None}
        for parent, _ in self.edges:
            if parent.needs or everything:
                found |= parent.below(everything)
        return found

    def derivative(self, other):
        """The derivative of this node to another, by the chain rule along every edge."""
        if self is other:
            return 1.0
        return sum((local * parent.derivative(other) for parent, local in self.edges if parent.needs), 0.0)

    def stale(self):
        """Whether a number that the backward pass would need has changed."""
        return any(v != p.version for n in self.below() for (p, _), v in zip(n.edges, n.used, strict=True))


class Machine(RuleBasedStateMachine):
    """Pairs of a node of the engine and its naive twin; every rule acts on both."""

    engine = Tensor

    def __init__(self):
        super().__init__()
        self.pairs = []
        self.references = []

    def keep(self, node, twin):
        self.pairs.append((node, twin))
        self.references.append((weakref.ref(node), twin))

    def pick(self, position):
        return self.pairs[-1 - position % len(self.pairs)]

    @initialize(x=NUMBER, y=NUMBER)
    def two_leaves(self, x, y):
        self.leaf(x, y, True)
        self.leaf(y, x, True)

    @rule(x=NUMBER, y=NUMBER, needs=st.sampled_from([True, True, True, False]))
    def leaf(self, x, y, needs):
        data = np.array([x, y]) if self.engine is Tensor else x
        self.keep(self.engine(data, requires_grad=needs), Naive(np.array(data), needs))

    def compute(self, name, first, second, record=True):
        """An operation on one or two nodes, on both sides; nothing where numbers or graphs would grow too large."""
        function, locals_of = OPERATIONS[name]
        chosen = [self.pick(first), self.pick(second)][: 2 if name in ("add", "sub", "mul") else 1]
        twins = [twin for _, twin in chosen]
        # The naive engine walks every path, so their number is kept small.
        if any(np.abs(t.data).max() > 1e3 for t in twins) or sum(len(t.below(True)) for t in twins) > 16:
            return None
        node = function(*(node for node, _ in chosen))
        data = function(*(t.data for t in twins))
        needs = record and any(t.needs for t in twins)
        edges = tuple(zip(twins, locals_of(*(t.data for t in twins)), strict=True)) if needs else ()
        return node, Naive(np.asarray(data), needs, edges)

    @precondition(lambda self: self.pairs)
    @rule(
        steps=st.lists(st.tuples(st.sampled_from(list(OPERATIONS)), RECENT, RECENT), min_size=3, max_size=8),
        then=st.sampled_from([0, 0, 1, 3, None]),
    )
    def operations(self, steps, then):
        for name, first, second in steps:
            made = self.compute(name, first, second)
            if made:
                self.keep(*made)
        if then is not None:
            self.backward(then, -1.5, True)

    @precondition(lambda self: self.pairs)
    @rule(name=st.sampled_from(list(OPERATIONS)), first=RECENT, fails=st.booleans())
    def quiet_operation(self, name, first, fails):
        with contextlib.suppress(ZeroDivisionError), no_grad():
            made = self.compute(name, first, first, record=False)
            if made:
                self.keep(*made)
            del made
            if fails:
                raise ZeroDivisionError
        assert is_grad_enabled()

    @precondition(lambda self: self.pairs)
    @rule(
        position=RECENT,
        weight=st.sampled_from([1.0, -1.5, 0.5]),
        retain=st.sampled_from([True, True, True, True, False]),
    )
    def backward(self, position, weight, retain):
        node, twin = self.pick(position)
        v = np.array([weight, -2 * weight]) if self.engine is Tensor else weight
        below = twin.below()
        if not twin.needs:
            with pytest.raises(RuntimeError, match="requires a gradient"):
                node.backward(v)
        elif any(n.released for n in below):
            with pytest.raises(RuntimeError, match=r"released|modified"):
                node.backward(v)
        elif self.engine is Tensor and twin.stale():
            with pytest.raises(RuntimeError, match="modified"):
                node.backward(v)
        else:
            node.backward(v, retain_graph=retain)
            for n in below:
                total = v * twin.derivative(n)
                if not n.edges:
                    n.grad = total if n.grad is None else n.grad + total
                elif retain:
                    n.grad = total
            if not retain:
                for n in below:
                    n.released, n.edges, n.used = bool(n.edges), (), []
                if twin.released:
                    self.backward(position, weight, True)

    @precondition(lambda self: self.pairs)
    @rule(position=RECENT)
    def zero_grad(self, position):
        node, twin = self.pick(position)
        node.zero_grad()
        twin.grad = None

    @precondition(lambda self: self.pairs)
    @rule(position=RECENT)
    def detach(self, position):
        node, twin = self.pick(position)
        self.keep(node.detach(), Naive(twin.data, False))

    @precondition(lambda self: self.pairs)
    @rule(position=RECENT, then=RECENT)
    def step(self, position, then):
        """What an optimiser does to a leaf with a gradient."""
        leaves = [(n, t) for n, t in self.pairs if t.grad is not None and n.is_leaf]
        if not leaves:
            return
        node, twin = leaves[position % len(leaves)]
        node.data -= 0.1 * node.grad
        twin.data, twin.version = twin.data - 0.1 * twin.grad, twin.version + 1
        self.backward(then, 0.5, True)

    @precondition(lambda self: self.pairs)
    @rule(position=RECENT)
    def forget(self, position):
        self.pairs.pop(-1 - position % len(self.pairs))

    @invariant()
    def gradients_agree(self):
        for node, twin in self.pairs:
            close(node.data, twin.data, rtol=1e-12, atol=1e-12)
            assert (node.grad is None) == (twin.grad is None)
            if twin.grad is not None:
                close(node.grad, twin.grad, rtol=1e-9, atol=1e-9)

    @invariant()
    def only_what_is_needed_lives(self):
        """By reference counting alone: a node lives while it is held or something held depends on it."""
        needed = set().union(*(twin.below(True) for _, twin in self.pairs))
        for reference, twin in self.references:
            assert (reference() is not None) == (twin in needed)


class ValueMachine(Machine):
    """The same on the scalar engine, whose backward pass uses the numbers of the forward pass."""

    engine = Value


for machine in (Machine, ValueMachine):
    machine.TestCase.settings = settings(max_examples=examples(100), stateful_step_count=30)
TestTensorMachine = Machine.TestCase
TestValueMachine = ValueMachine.TestCase
