"""What must not happen to a leaf unseen: steps in place that rebind it, copies that lose a part of it."""

import copy
import math
import operator

import numpy as np
import pytest

from tinygrad_lm import Tensor, Value, no_grad
from tinygrad_lm.nn import Parameter


def add(w):
    w += 1.0
    return w


def subtract(w):
    w -= 1.0
    return w


def multiply(w):
    w *= 2.0
    return w


def divide(w):
    w /= 2.0
    return w


def power(w):
    w **= 2
    return w


def product(w):
    w @= np.array([[0.0, 1.0], [1.0, 0.0]])
    return w


STEPS = (add, subtract, multiply, divide, power, product)


@pytest.mark.parametrize("make", [lambda x: Tensor(x, requires_grad=True), Parameter], ids=["Tensor", "Parameter"])
@pytest.mark.parametrize("step", STEPS)
def test_no_operator_rebinds_a_learning_tensor(step, make):
    w = make([[1.0, 2.0], [3.0, 4.0]])
    with pytest.raises(RuntimeError, match=r"this tensor learns.*no_grad\(\)"):
        step(w)
    assert w.data.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    wanted = step(w.detach()).data
    with no_grad():
        assert step(w) is w
    np.testing.assert_array_equal(w.data, wanted)
    assert w.is_leaf
    inner = w * 1.0
    assert step(inner) is not inner


def test_operators_without_a_derivative_are_refused():
    for make in (lambda: Tensor([1.0], requires_grad=True), lambda: Value(1.0)):
        for name in ("ifloordiv", "imod", "iand", "ior", "ixor", "ilshift", "irshift"):
            for other in (2, np.array([2.0])):
                with pytest.raises(TypeError):
                    getattr(operator, name)(make(), other)


@pytest.mark.parametrize("step", STEPS[:-1])
def test_values_make_a_new_node_and_step_within_no_grad(step):
    """As in micrograd, ``total += x`` goes on with a new node; within ``no_grad`` it is a step."""
    w = leaf = Value(3.0)
    after = step(w)
    assert after is not leaf
    assert after.parents[0] is leaf
    assert leaf.data == 3.0
    with no_grad():
        assert step(leaf) is leaf
    assert leaf.data == after.data
    assert leaf.is_leaf


def test_a_step_to_another_shape_is_refused():
    w = Tensor([[1.0, 2.0]], requires_grad=True)
    with no_grad(), pytest.raises(ValueError, match="another shape"):
        w @= np.ones((2, 3))
    assert w.data.tolist() == [[1.0, 2.0]]


class Named(Value):
    __slots__ = ("name",)


class Marked(Parameter):
    """A tensor with an instance dictionary."""


class Slotted(Marked):
    __slots__ = ("__secret", "mask", "unset")

    def __init__(self, data):
        super().__init__(data)
        self.__secret = [1]
        self.mask = np.array([True, False])

    @property
    def secret(self):
        return self.__secret


def test_a_copy_of_a_value_keeps_its_gradient():
    v = Value(2.0, label="v")
    (v * v).backward()
    twin = copy.deepcopy(v)
    assert (twin.data, twin.grad, twin.label, twin.requires_grad) == (2.0, 4.0, "v", True)
    both = copy.deepcopy([v, v])
    assert both[0] is both[1] is not v


def test_copies_of_subclasses_keep_their_attributes():
    named = Named(1.0)
    named.name = ["a"]
    twin = copy.deepcopy(named)
    assert type(twin) is Named
    assert twin.name == ["a"]
    assert twin.name is not named.name
    marked = Marked([1.0, 2.0])
    marked.decay = False
    marked.group = {"peer": marked}
    twin = copy.deepcopy(marked)
    assert type(twin) is Marked
    assert twin.decay is False
    assert twin.group["peer"] is twin
    slotted = Slotted([1.0, 2.0])
    twin = copy.deepcopy(slotted)
    assert twin.mask.tolist() == [True, False]
    assert not np.shares_memory(twin.mask, slotted.mask)
    assert twin.secret == [1]
    assert twin.secret is not slotted.secret
    assert not hasattr(twin, "unset")


def test_a_function_of_math_is_pointed_at():
    """It gives a plain number, as in PyTorch; the error that follows names the way that keeps the graph."""
    v = Value(1.0)
    lost = Value(math.exp(v), requires_grad=False) * 2
    with pytest.raises(RuntimeError, match=r"math\.exp\(v\).*v\.exp\(\)"):
        lost.backward()
    assert float(v) == 1.0
    assert f"{float(v):.1f} {v:.1f} %.1f" % v == "1.0 1.0 1.0"
