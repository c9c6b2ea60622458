"""Faults that training must survive: no gradient yet, tied and frozen parameters, weight decay on chosen groups."""

import numpy as np
import pytest

from tinygrad_lm import Tensor
from tinygrad_lm.nn import Linear, Module, Parameter
from tinygrad_lm.optim import SGD, Adam, AdamW

OPTIMIZERS = pytest.mark.parametrize("make", [SGD, Adam, AdamW])


class Tied(Module):
    """Two layers with one weight between them."""

    def __init__(self):
        rng = np.random.default_rng(1)
        self.first = Linear(3, 3, rng=rng)
        self.second = Linear(3, 3, rng=rng)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.second(np.tanh(self.first(x)))


def parameter(data=(1.0, -2.0)):
    return Parameter(np.array(data))


@OPTIMIZERS
def test_zero_grad_before_any_gradient(make):
    """Fault 44: zero_grad and step where grad is None, before and after a backward pass."""
    p, unused = parameter(), parameter()
    optimizer = make([p, unused], lr=0.1)
    optimizer.zero_grad()
    optimizer.step()
    assert p.data.tolist() == unused.data.tolist() == [1.0, -2.0]
    (p * p).sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    assert p.grad is None
    assert unused.data.tolist() == [1.0, -2.0]
    p.zero_grad()
    p.zero_grad()


@OPTIMIZERS
def test_a_tied_parameter_counts_once(make):
    """Fault 45: a weight used in two layers is listed once, collects both gradients and is stepped once."""
    model = Tied()
    assert len(list(model.parameters())) == 3
    assert model.num_parameters() == 3 * 3 + 3 + 3
    x = np.random.default_rng(2).normal(size=(4, 3))
    model(Tensor(x, dtype=model.first.weight.dtype)).sum().backward()
    both = model.first.weight.grad.copy()
    apart = Tied()
    apart.second.weight = Parameter(apart.first.weight.data.copy())
    apart(Tensor(x, dtype=model.first.weight.dtype)).sum().backward()
    np.testing.assert_allclose(both, apart.first.weight.grad + apart.second.weight.grad, rtol=1e-5, atol=1e-6)
    p, q = parameter(), parameter()
    for tensor, given in ((p, [p, p]), (q, [q])):
        optimizer = make(given, lr=0.1)
        (tensor * tensor).sum().backward()
        optimizer.step()
    np.testing.assert_array_equal(p.data, q.data)


@OPTIMIZERS
def test_a_frozen_parameter_stays(make):
    """Fault 46: a frozen parameter collects no gradient and keeps its bits, also under weight decay."""
    options = {} if make is Adam else {"weight_decay": 0.5}
    p, frozen = parameter(), parameter()
    frozen.requires_grad_(False)
    optimizer = make([p, frozen], lr=0.1, **options)
    for _ in range(3):
        optimizer.zero_grad()
        (p * frozen).sum().backward()
        optimizer.step()
    assert frozen.grad is None
    assert frozen.data.tolist() == [1.0, -2.0]
    assert (p.data != [1.0, -2.0]).all()
    frozen.requires_grad_(True)
    (p * frozen).sum().backward()
    np.testing.assert_array_equal(frozen.grad, p.data)


@pytest.mark.parametrize("make", [SGD, AdamW])
def test_weight_decay_spares_the_biases(make):
    """Fault 47: a group without weight decay does not decay, beside one that does."""
    weight, bias = parameter(), parameter()
    groups = [{"params": [weight], "weight_decay": 0.5}, {"params": [bias], "weight_decay": 0.0}]
    optimizer = make(groups, lr=0.1)
    for p in (weight, bias):
        p.grad = np.zeros_like(p.data)
    optimizer.step()
    np.testing.assert_array_equal(bias.data, [1.0, -2.0])
    np.testing.assert_allclose(weight.data, np.array([1.0, -2.0]) * (1 - 0.1 * 0.5), rtol=1e-12)
