"""Memory: graphs are freed by reference counting alone, steps leave nothing behind, gradients never alias."""

import gc
import weakref

import numpy as np
import pytest

from tinygrad_lm import Tensor, Value, grad
from tinygrad_lm.autograd import kernels


def run_and_forget(retain):
    """One training step's graph; the weak references to its nodes."""
    w = Tensor(np.ones((4, 4)), requires_grad=True)
    h = np.tanh(w @ w)
    loss = (h * h).sum() + kernels.prod(h[0])
    loss.backward(retain_graph=retain)
    a = Value(0.5)
    b = (a.tanh() * a).exp()
    b.backward(retain_graph=retain)
    (again,) = grad(grad(np.tanh(w).sum(), w, create_graph=True).sum(), [w], create_graph=True)
    return [weakref.ref(node) for node in (w, h, loss, a, b, again)]


@pytest.mark.parametrize("retain", [True, False])
def test_graphs_are_freed_by_reference_counting_alone(retain):
    """Fault 13: no cycles; with the collector off, nothing is left after the last reference went."""
    gc.collect()
    gc.disable()
    try:
        assert all(ref() is None for ref in run_and_forget(retain))
    finally:
        gc.enable()


def test_memory_is_flat_over_a_thousand_steps():
    """Fault 13: a thousand steps leave no object behind."""
    w = Tensor(np.ones((3, 3)), requires_grad=True)
    v = Value(1.0)

    def step():
        ((w @ w).sum() * 0.1).backward(retain_graph=False)
        (v * v).backward(retain_graph=False)
        w.zero_grad()
        v.zero_grad()

    def count():
        return sum(isinstance(x, (Tensor, Value)) for x in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            step()
        before = count()
        for _ in range(1_000):
            step()
        assert count() == before
    finally:
        gc.enable()


def test_a_long_tensor_graph_is_freed_without_recursion():
    x = Tensor(1.0, requires_grad=True)
    y = x
    for _ in range(50_000):
        y = y + 1.0
    last = weakref.ref(y)
    del y
    assert last() is None


def test_gradients_never_alias():
    """A derivative of 1 hands the same array on; what is stored is nobody else's."""
    a, b, c = (Tensor([1.0, 2.0], requires_grad=True) for _ in range(3))
    total = (a + b) - c
    seed = np.array([1.0, -1.0])
    total.backward(seed)
    arrays = [a.grad, b.grad, c.grad, total.grad, total.parents[0].grad, seed, a.data, b.data, c.data]
    for i, one in enumerate(arrays):
        assert not any(np.shares_memory(one, other) for other in arrays[:i])
    a.grad *= 100.0
    a.grad[:] = 5.0
    assert (b.grad.tolist(), c.grad.tolist(), seed.tolist()) == ([1.0, -1.0], [-1.0, 1.0], [1.0, -1.0])
    total.backward(seed)
    assert (a.grad.tolist(), b.grad.tolist()) == ([6.0, 4.0], [2.0, -2.0])
    for shared in (lambda x: x.reshape(2, 1), lambda x: x.broadcast_to(3, 2), lambda x: +x, lambda x: x[:]):
        x = Tensor([1.0, 2.0], requires_grad=True)
        y = shared(x)
        y.backward(np.ones(y.shape))
        x.grad += 1.0
        assert not np.shares_memory(x.grad, y.grad) or y is x
