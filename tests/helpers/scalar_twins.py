"""A step over ``Value``s twice, with leaves of its own each time: as it is, and replayed by levels."""

import pytest

from tinygrad_lm import Value
from tinygrad_lm.replay.replayed import replay


class Twins:
    """The same step with leaves of its own, as it is and replayed."""

    def __init__(self, step, *numbers):
        self.leaves = [[Value(x) for x in numbers] for _ in range(2)]
        one, other = ((lambda *args, w=w: step(w, *args)) for w in self.leaves)
        self.eager, self.replayed = one, replay(other)

    def call(self, *args):
        """Both, on the same arguments, which may be values of either's own; then all has to be the same."""
        results = []
        for run, i in ((self.eager, 0), (self.replayed, 1)):
            try:
                results.append(("gave", run(*(arg[i] if isinstance(arg, Pair) else arg for arg in args))))
            except (ArithmeticError, ValueError, RuntimeError) as error:
                results.append(("raised", repr(error)))
        same(*results)
        for one, other in zip(*self.leaves, strict=True):
            same(one.grad, other.grad)
            same(one.data, other.data)
        return results[0][1]

    def calls(self, count, *args):
        for i in range(count):
            self.shift(i)
            self.call(*args)

    def shift(self, i):
        for leaves in self.leaves:
            for j, leaf in enumerate(leaves):
                leaf.data += 0.01 * (1 + i) / (1 + j)

    @property
    def count(self):
        """How many calls were replayed."""
        return sum(shape.replayed for shape in self.replayed.shapes)

    def never(self, why):
        assert self.count == 0
        assert why in self.replayed.report(), self.replayed.report()


class Pair(tuple):
    """An argument of which each of the twins has its own."""


def same(one, other):
    """Whether two results are the same to 12 digits, nan and inf included."""
    assert type(one) is type(other), (one, other)
    if isinstance(one, (tuple, list)):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            same(a, b)
    elif isinstance(one, Value):
        same(one.data, other.data)
    elif isinstance(one, float):
        assert one == pytest.approx(other, rel=1e-12, abs=1e-13, nan_ok=True)
    else:
        assert one == other


def down(w, loss):
    for leaf in w:
        leaf.grad = 0
    loss.backward()
    return loss


def cubic(w, x=0.5):
    return down(w, (w[0] * x + w[1]) ** 3 + w[0].tanh() * w[1])
