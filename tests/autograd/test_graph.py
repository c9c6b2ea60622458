"""The graph: depth, diamonds, order, repeated passes, and what must be refused."""

import copy
import pickle
import sys

import numpy as np
import pytest

from tests.helpers.engines import on_both_engines
from tinygrad_lm import Tensor, Value, grad, no_grad
from tinygrad_lm.autograd import graph, value_pass
from tinygrad_lm.autograd.graph import Operation, contributions_of, topological_order
from tinygrad_lm.autograd.rules import TABLE
from tinygrad_lm.autograd.tensor import from_array


def lines_run(function):
    """How many lines of the graph's own files a call runs: a measure of work that no other process disturbs."""
    count = 0

    def trace(frame, event, argument):
        nonlocal count
        if frame.f_code.co_filename not in (graph.__file__, value_pass.__file__):
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return count


def diamonds(x, n):
    """A ladder: each rung uses the one below twice, so there are 2**n paths."""
    for _ in range(n):
        x = x * 0.25 + x * 0.25
    return x


@pytest.mark.slow
def test_a_chain_of_a_million_additions():
    a = Value(1.0)
    x = a
    for _ in range(1_000_000):
        x = x + 1.0
    x.backward()
    assert (x.data, a.grad) == (1_000_001.0, 1.0)
    del x


@on_both_engines
def test_a_ladder_of_ten_thousand_diamonds(leaf):
    b = leaf(1.0)
    z = b
    for _ in range(10_000):
        z = z * 0.5 + z * 0.5
    z.backward()
    assert (float(z.data), float(b.grad)) == (1.0, 1.0)


def counted(rule, position, asked):
    """A local derivative of a rule that notes that it was asked for."""
    derivative = rule.derivatives[position]

    def formula(x, y, out):
        asked.append((rule, position))
        return float(derivative) if isinstance(derivative, int) else derivative(x, y, out)

    return formula


def test_the_backward_pass_is_linear_in_nodes(monkeypatch):
    """Twice the nodes take twice the work, and each node is asked for its contributions once."""
    asked = []
    for rule in (TABLE["add"], TABLE["mul"]):
        monkeypatch.setattr(rule, "derivatives", tuple(counted(rule, i, asked) for i in range(2)))
    work = []
    for n in (200, 400, 800):
        root = diamonds(Value(1.0), n)
        assert len(topological_order(root)) == 3 * n + 1
        asked.clear()
        work.append(lines_run(root.backward))
        assert len(asked) == 4 * n  # of each of the 2 n products one operand, of each of the n sums both
    assert work[1] < 2.05 * work[0]
    assert work[2] < 2.05 * work[1]


@on_both_engines
def test_a_deep_chain_without_recursion(leaf):
    """Fault 4: a chain of depth 100,000."""
    a = leaf(0.5)
    x = a
    for _ in range(100_000):
        x = x + 1.0
    (slope,) = grad(x, [a])
    x.backward(retain_graph=False)
    assert float(a.grad) == float(slope.data) == 1.0


@on_both_engines
def test_the_same_node_twice(leaf):
    """Fault 1: x * x, x + x and x - x count every use."""
    for combine, wanted in ((lambda x: x * x, 6.0), (lambda x: x + x, 2.0), (lambda x: x - x, 0.0)):
        x = leaf(3.0)
        y = combine(x)
        assert y.parents[0] is y.parents[1] is x
        y.backward()
        assert float(x.grad) == wanted


@on_both_engines
def test_nodes_used_after_their_result(leaf):
    """Fault 2: diamonds; a node's gradient must be complete before it is handed on."""
    a, b = leaf(2.0), leaf(3.0)
    inner = b + a
    c = inner + inner
    c.backward()
    assert (float(a.grad), float(inner.grad), float(b.grad)) == (2.0, 2.0, 2.0)
    a = leaf(2.0)
    b = 2.0 * a
    d = b * (a + 3.0)
    d.backward()
    assert float(a.grad) == 14.0
    x = leaf(2.0)
    y = x * x
    z = y * x + y
    z.backward()
    assert float(x.grad) == 3 * 4.0 + 2 * 2.0


@on_both_engines
def test_fan_out(leaf):
    """Fault 3: one node used 10,000 times."""
    x = leaf(1.5)
    total = x * 0.0
    for _ in range(10_000):
        total = total + x
    total.backward()
    assert float(x.grad) == 10_000.0


@on_both_engines
def test_backward_twice(leaf):
    """Fault 5: leaves add up, inner nodes show the last pass."""
    x = leaf(2.0)
    inner = x * x
    y = inner * 3.0
    y.backward()
    y.backward()
    assert float(x.grad) == 24.0
    assert float(inner.grad) == 3.0
    assert float(y.grad) == 1.0
    other = x * 5.0
    other.backward()
    assert float(x.grad) == 29.0


def test_a_cotangent_is_needed_and_must_fit():
    """Fault 6: backward from many elements without a cotangent, and with one of another shape."""
    x = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match=r"x\.sum\(\)\.backward\(\)"):
        (x * 2).backward()
    for wrong in (np.ones(3), 1.0, np.ones((2, 1)), np.ones((1, 2))):
        with pytest.raises(ValueError, match="must agree"):
            (x * 2).backward(wrong)
        with pytest.raises(ValueError, match="must agree"):
            grad(x * 2, x, grad_outputs=wrong)
    assert x.grad is None
    (x * 2).backward([1.0, -3.0])
    assert x.grad.tolist() == [2.0, -6.0]
    (x[:1] * 2).backward()
    assert x.grad.tolist() == [4.0, -6.0]
    with pytest.raises(RuntimeError, match="requires_grad=True"):
        Tensor([1.0]).backward()
    with pytest.raises(RuntimeError, match="requires_grad=True"):
        Value(1.0, requires_grad=False).backward()
    with pytest.raises(TypeError):
        Value(1.0).backward("1")


@on_both_engines
def test_a_released_graph(leaf):
    """Fault 7: backward through a freed graph says what to do."""
    x = leaf(2.0)
    inner = x * x
    y = inner * inner
    y.backward(retain_graph=False)
    assert float(x.grad) == 32.0
    assert inner.grad is None
    assert inner.parents == ()
    for again in (y, inner, inner * 2.0):
        with pytest.raises(RuntimeError, match="released"):
            again.backward()
    with pytest.raises(RuntimeError, match="released"):
        grad(inner * 2.0, x)
    assert float(x.grad) == 32.0


def change_by_setter(x):
    x.data = x.data + 1.0


def change_by_step(x):
    x.data -= 1.0


def change_by_assignment(x):
    with no_grad():
        x[0] = 7.0


@pytest.mark.parametrize("change", [change_by_setter, change_by_step, change_by_assignment])
def test_changed_data_is_noticed(change):
    """Fault 8: data that changed after the forward pass used it."""
    x, w = Tensor([1.0, 2.0], requires_grad=True), Tensor([3.0, 4.0], requires_grad=True)
    y = (x * w).sum()
    change(x)
    with pytest.raises(RuntimeError, match=r"'mul' was modified"):
        y.backward()
    with pytest.raises(RuntimeError, match="was modified"):
        grad(y, w)
    assert x.grad is w.grad is None
    (x * w).sum().backward()
    np.testing.assert_array_equal(w.grad, x.data)
    result = x.exp()
    z = result.sum()
    result.data = result.data * 2
    with pytest.raises(RuntimeError, match="was modified"):
        z.backward()


def test_changed_values_are_noticed_where_it_matters():
    """Fault 8, scalar engine: numbers of the forward pass count; a graph of the gradient would need them again."""
    a, b = Value(2.0), Value(3.0)
    c = a * b
    a.data = 10.0
    c.backward()
    assert (a.grad, b.grad) == (3.0, 2.0)
    with pytest.raises(RuntimeError, match="run the forward computation again"):
        grad(c, b, create_graph=True)


class Broken(Operation):
    """An operation whose forward or derivative fails on demand."""

    fails_in = ""

    def forward(self, x):
        if self.fails_in == "forward":
            raise OverflowError("forward failed")
        return x * 2.0

    def vjp(self, gradient, call):
        if self.fails_in == "backward":
            raise OverflowError("backward failed")
        return [gradient * 2.0]


def test_an_exception_leaves_everything_usable():
    """Fault 9: an exception in forward or backward; no gradient changes, and the same graph works later."""
    broken = Broken("broken")
    x, w = Tensor([1.0, 2.0], requires_grad=True), Tensor([3.0, 4.0], requires_grad=True)
    w.sum().backward()
    for keep in (True, False):
        broken.fails_in = "forward"
        with pytest.raises(OverflowError, match="forward failed"):
            broken(x * w)
        broken.fails_in = ""
        y = (broken(x * w) * w).sum()
        broken.fails_in = "backward"
        with pytest.raises(OverflowError, match="backward failed"):
            y.backward(retain_graph=keep)
        with pytest.raises(OverflowError if keep else RuntimeError, match="failed" if keep else "released"):
            grad(y, x)
        assert x.grad is None
        assert w.grad.tolist() == [1.0, 1.0]
    broken.fails_in = ""
    z = (broken(x * w) * w).sum()
    z.backward()
    np.testing.assert_array_equal(x.grad, 2 * w.data**2)
    with pytest.raises(ValueError):
        x + np.ones(3)
    (x + np.ones(2)).sum().backward()


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_derivative_of_too_few_or_too_many_operands_is_refused(count):
    class Miscounted(Operation):
        def forward(self, x, y):
            return x * y

        def vjp(self, gradient, call):
            return [gradient] * count

    x = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(
        ValueError, match=rf"the vjp of 'miscounted' gave {count} contributions, .* are 2: one for each"
    ):
        Miscounted("miscounted")(x, x).sum().backward()
    assert x.grad is None


@on_both_engines
def test_detach(leaf):
    """Fault 11: detach cuts the graph there and nowhere else."""
    x = leaf(3.0)
    y = x * x.detach()
    y.backward()
    assert float(x.grad) == 3.0
    assert not x.detach().requires_grad
    assert (x * x).detach().is_leaf


@on_both_engines
def test_dead_branches(leaf):
    """Fault 12: what the root does not depend on gets no gradient: None, or zeros from grad."""
    x, unused = leaf(2.0), leaf(5.0)
    dead = unused * x
    y = x * 3.0
    y.backward()
    assert unused.grad is None
    assert dead.grad is None
    assert float(x.grad) == 3.0
    slopes = grad(y, [x, unused], create_graph=True)
    assert [float(s.data) for s in slopes] == [3.0, 0.0]
    assert float(grad(dead, unused).data) == 2.0


@on_both_engines
def test_copy_and_pickle(leaf):
    """Fault 14: copies of leaves alone, and no pickle at all."""
    x = leaf(2.0)
    assert copy.deepcopy(x) is not x
    for refused in (lambda: copy.deepcopy(x * x), lambda: pickle.dumps(x), lambda: copy.copy(x)):
        with pytest.raises((RuntimeError, TypeError), match=r"detach|graph would be lost"):
            refused()


def test_the_repr_of_a_huge_tensor_is_short():
    """Fault 14: a million elements, and a graph of any depth, print in a line or two."""
    x = Tensor(np.zeros((1_000, 1_000)), requires_grad=True)
    assert len(repr(x)) < 1_000
    assert len(repr(x + 1)) < 1_000
    assert len(repr(diamonds(Value(1.0), 5_000))) < 100


def test_a_detached_tensor_keeps_its_numbers_when_the_original_is_stepped():
    p, w = Tensor([2.0], requires_grad=True), Tensor([3.0], requires_grad=True)
    y = w * p.detach()
    p.data -= 1.0
    y.backward()
    assert w.grad.tolist() == [2.0]


def test_what_a_node_hands_on():
    x = Tensor([[1.0, 2.0]], requires_grad=True)
    y = x * 2.0
    (first, second) = contributions_of(y, np.ones((1, 2)))
    np.testing.assert_array_equal(first, [[2.0, 2.0]])
    assert second is None
    assert contributions_of(y, np.ones((1, 2)), wanted=set()) == [None, None]
    assert contributions_of(Value(1.0) * 2.0, 1.0) == [2.0, None]
    assert list(contributions_of(x, np.ones((1, 2)))) == []


def test_an_array_is_shared_by_its_tensor_where_it_is_asked_to_be():
    array = np.arange(3.0)
    assert from_array(array).data is array
    assert not from_array(array).requires_grad
