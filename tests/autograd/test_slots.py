"""The pass over Values, whose sums stand in slots of the nodes: nested, interrupted, over many operands."""

import math

import numpy as np
import pytest
from hypothesis import given, settings

from tests.helpers.oracles import probe
from tests.helpers.registry import examples
from tests.helpers.registry.row import SEEDS
from tinygrad_lm import Value
from tinygrad_lm.autograd import custom, to_values
from tinygrad_lm.autograd.graph import sweep, topological_order
from tinygrad_lm.testing.strategies import programs


def test_a_pass_within_a_pass():
    """A formula may run a pass of its own, also over what the outer pass is at work on."""
    w, inner = Value(3.0), []

    def slope(x, out):
        inner.append(w * w)
        inner[-1].backward()
        return 2 * x

    square = custom.elementwise("square", lambda x: x * x, [slope])
    y = square(w) * w
    w.grad, inner[:] = None, []
    y.backward()
    assert (len(inner), inner[0].grad, w.grad) == (1, 1.0, 6.0 + 27.0)


@pytest.mark.parametrize("retain", [True, False])
def test_an_interrupted_pass_over_values_leaves_no_trace(retain):
    a, b = Value(2.0), Value(3.0)
    inner = a * b

    def stopped(x, out):
        raise KeyboardInterrupt

    stop = custom.elementwise("stop", lambda x: x * 1.0, [stopped])
    with pytest.raises(KeyboardInterrupt):
        (inner * 5.0 + stop(inner)).backward(retain_graph=retain)
    assert (a.grad, b.grad, inner.grad) == (None, None, None)
    inner.backward()
    assert (a.grad, b.grad, inner.grad) == (3.0, 2.0, 1.0)


def test_many_operands_are_visited_once_each_in_their_order():
    """A sum of sums of shared operands: the order in which their gradients add up is that of ``topological_order``."""
    leaves = [Value(0.1 * i) for i in range(7)]
    parts = [Value.sum(leaves[i:] + leaves[:i]) * (0.3 + i) for i in range(7)]
    total = Value.sum([*parts, *reversed(parts), Value.dot(leaves, parts)])
    expected = {node: gradient for node, gradient, _ in sweep(topological_order(total), {total: 1.0})}
    total.backward()
    assert len(expected) == 7 + 14 + 2
    assert all(node.grad == gradient for node, gradient in expected.items())


def agrees(root):
    """The pass over Values gives each node, bit for bit, what the plain sweep gives it, and reaches the same nodes."""
    order = topological_order(root)
    expected = {node: gradient for node, gradient, _ in sweep(list(order), {root: 1.0})}
    root.backward()
    assert root in expected
    for node in order:
        assert repr(node.grad) == repr(expected.get(node))


@settings(max_examples=examples(150))
@given(programs(), SEEDS)
def test_random_programs(program, seed):
    result = program.evaluate([to_values(x) for x in program.leaves])
    agrees(np.sum(np.asarray(result * probe(result.shape, seed), dtype=object)))


PAIRS = (
    lambda a, b: a / b + b / a,
    lambda a, b: a**b,
    lambda a, b: (a * b) * 0.0,
    lambda a, b: a.maximum(b) * b.minimum(a),
    lambda a, b: (a * a).log() * b.exp() - b,
    custom.elementwise("of two", lambda x, y: x * y, [lambda x, y, out: y, lambda x, y, out: x]),
)


@pytest.mark.parametrize("x", [0.0, -0.0, 1e200, math.inf, -math.inf, math.nan, -2.0])
@pytest.mark.parametrize("y", [0.0, 1e200, math.inf, math.nan, 0.5, -2.0])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_out_of_the_ordinary(x, y):
    """Where Python raises, and where a product is nan: the answer is the one of the plain sweep."""
    for combine in PAIRS:
        agrees(combine(Value(x), Value(y)))
        agrees(combine(Value(x), Value(y, requires_grad=False)))
        agrees(combine(Value(x, requires_grad=False), Value(y)))
