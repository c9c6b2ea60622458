"""Plain operands that are refilled between the passes: ``detect_anomaly`` says so where it changes a gradient."""

import numpy as np
import pytest

from tinygrad_lm import Tensor, grad
from tinygrad_lm.autograd import custom
from tinygrad_lm.nn import functional as F
from tinygrad_lm.testing import detect_anomaly

SQUARE = np.array([[1.0, 2.0], [3.0, 4.0]])
OTHER = np.array([[7.0, 5.0], [9.0, 6.0]])
scaled = custom.operation("scaled", lambda x, by: x * by, lambda g, out, x, by: g * by)

MATTERS = {
    "mul": lambda x, a: x * a,
    "div": lambda x, a: x / a,
    "pow": lambda x, a: x**a,
    "maximum": lambda x, a: np.maximum(x, a),
    "matmul": lambda x, a: x @ a,
    "linear": lambda x, a: F.linear(x, a),
    "einsum": lambda x, a: np.einsum("ij,jk->ik", x, a),
    "outer": lambda x, a: np.outer(x, a[0]),
    "layer_norm": lambda x, a: F.layer_norm(x, a[0], a[1]),
    "scaled": lambda x, a: scaled(x, by=a),
}
HARMLESS = {
    "add": lambda x, a: x + a,
    "sub": lambda x, a: a - x,
    "concatenate": lambda x, a: np.concatenate([x, a]),
    "where": lambda x, a: np.where(np.array([True, False]), x, a),
    "copied": lambda x, a: np.where(a > 2, x, 0.0),
}


def passes(make, read, refill=True):
    x, array = Tensor(SQUARE, requires_grad=True), SQUARE.copy()
    y = make(x, array)  # the operand's line
    if refill:
        array[...] = OTHER
    read(y, x)
    return x


def backward(y, x):
    y.backward(np.ones(y.shape))


def create_graph(y, x):
    grad(y, x, grad_outputs=np.ones(y.shape), create_graph=True)


@pytest.mark.parametrize("read", [backward, create_graph])
@pytest.mark.parametrize("name", MATTERS)
def test_a_refilled_operand_is_named_with_the_users_line(name, read):
    def named(x, array):
        return MATTERS[name](x, array)

    with detect_anomaly():
        passes(named, read, refill=False)
        with pytest.raises(RuntimeError, match="was refilled after the forward pass") as caught:
            passes(named, read)
    message = str(caught.value)
    operation = {"outer": "mul"}.get(name, name)
    place = "'by'" if name == "scaled" else "operand 1"
    assert f"given to {operation!r} as {place} was refilled" in message
    assert __file__ in message
    assert "in <lambda>" in message
    assert "give the operation a copy" in message


@pytest.mark.parametrize("read", [backward, create_graph])
@pytest.mark.parametrize("name", HARMLESS)
def test_what_no_gradient_depends_on_may_be_refilled(name, read):
    with detect_anomaly():
        found = passes(HARMLESS[name], read)
    assert read is create_graph or found.grad.tolist() == passes(HARMLESS[name], backward, refill=False).grad.tolist()


def test_outside_nothing_is_looked_at():
    assert passes(MATTERS["mul"], backward).grad.tolist() == OTHER.tolist()


def test_a_graph_from_outside_the_block_is_left_alone():
    x, array = Tensor(SQUARE, requires_grad=True), SQUARE.copy()
    y = (x * array).sum()
    array[...] = 0
    with detect_anomaly():
        y.backward()
