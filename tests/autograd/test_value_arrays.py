"""Arrays of Values: products and sums of one node a number, and the way back through a whole product at once."""

import gc
import math
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.registry import examples
from tinygrad_lm import Tensor, Value, grad, no_grad
from tinygrad_lm.autograd import (
    custom,
    data_of,
    detect_anomaly,
    grad_of,
    products,
    reductions,
    to_values,
    value_products,
)
from tinygrad_lm.autograd.graph import sweep, topological_order
from tinygrad_lm.nn import functional as F
from tinygrad_lm.replay.scalar_source import scalar_source

SHAPES = [
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 2)),
    ((2, 3), (3, 4)),
    ((1, 1), (1, 1)),
    ((1, 30), (30, 1)),
    ((2, 2, 3), (3, 2)),
    ((2, 1, 2, 3), (2, 3, 2)),
    ((3,), (2, 3, 2)),
    ((2, 2, 3), (3,)),
]


def numbers(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def everything(*arrays):
    return [x for array in arrays for x in np.asarray(array, dtype=object).ravel() if isinstance(x, Value)]


def agrees(root, *others):
    """``backward`` reaches what the plain sweep does, of the others too, and gives what that gives but for rounding."""
    order = topological_order(root)
    expected = {node: gradient for node, gradient, _ in sweep(list(order), {root: 1.0})}
    root.backward()
    assert len(expected) > 1
    assert {node for node in (*order, *others) if node.grad is not None} == set(expected)
    for node, gradient in expected.items():
        assert node.grad == pytest.approx(gradient, rel=1e-12, abs=1e-13, nan_ok=True)


@pytest.mark.parametrize(("left", "right"), SHAPES)
def test_a_product_has_a_node_for_each_number(left, right):
    x, y = to_values(numbers(left)), to_values(numbers(right, 1))
    out = products.matmul(x, y)
    wanted = np.matmul(data_of(x), data_of(y))
    assert np.shape(out) == wanted.shape
    np.testing.assert_allclose(data_of(out), wanted, rtol=1e-13)
    for node in everything(out):
        half = len(node.parents) // 2
        again = Value.dot(node.parents[:half], node.parents[half:])
        assert repr(again.data) == repr(node.data) and node.op == again.op == "dot" and half == left[-1]
    weights = numbers(wanted.shape, 2)
    agrees(np.sum(np.asarray(out * weights, dtype=object)))
    tensors = [Tensor(data_of(each), requires_grad=True) for each in (x, y)]
    (products.matmul(*tensors) * weights).sum().backward()
    for values, tensor in zip((x, y), tensors, strict=True):
        np.testing.assert_allclose(grad_of(values), tensor.grad, rtol=1e-12)


@settings(max_examples=examples(100))
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_each_number_has_the_bits_of_a_dot(rows, columns, width, seed):
    rng = np.random.default_rng(seed)
    x, y = (rng.normal(size=(n, width)) * 10.0 ** rng.integers(-9, 9, (n, width)) for n in (rows, columns))
    out = products.matmul(to_values(x), to_values(y.T))
    expected = [[Value.dot(map(Value, row), column).data for column in y.tolist()] for row in x.tolist()]
    assert repr([[v.data for v in row] for row in out]) == repr(expected)


def test_large_products_are_summed_in_parts(monkeypatch):
    x, y = to_values(numbers((7, 5))), to_values(numbers((5, 3)))
    whole = data_of(products.matmul(x, y))
    monkeypatch.setattr(value_products, "_TERMS", 30)
    assert data_of(products.matmul(x, y)).tolist() == whole.tolist()


def test_zeros_keep_the_sign_that_a_sum_gives_them():
    out = products.matmul(to_values([[-0.0, -0.0]]), to_values([[1.0], [0.0]]))
    assert repr(out[0, 0].data) == repr(Value.dot([Value(-0.0), -0.0], [1.0, 0.0]).data) == "0.0"


@settings(max_examples=examples(100))
@given(st.data())
def test_chains_of_products_of_which_parts_are_used(data):
    """Operands that are shared, constants, plain numbers, and what no gradient reaches."""
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    learns = rng.random((4, 3)) < data.draw(st.sampled_from([0.3, 0.8, 1.0]))
    x = np.array([[Value(rng.normal(), requires_grad=bool(one)) for one in row] for row in learns], dtype=object)
    x[0, 0], w = float(rng.normal()), to_values(rng.normal(size=(3, 3)))
    first = products.matmul(x, w)
    second = products.matmul(first, x.T) if data.draw(st.booleans()) else products.matmul(np.tanh(first), w)
    third = products.matmul(second[1:], second[:-1].T)
    pool = everything(first, second, third)
    chosen = data.draw(st.lists(st.integers(0, len(pool) - 1), min_size=1, max_size=6))
    agrees(Value.sum([pool[i] * float(rng.normal()) for i in chosen] + [w[0, 0] * w[0, 1]]), *pool, *everything(x, w))


@pytest.mark.parametrize("special", [math.inf, -math.inf, math.nan])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_zero_times_infinity_is_zero_on_the_way_back(special):
    x, y = to_values([[special, 1.0], [2.0, 3.0]]), to_values(numbers((2, 2)))
    out = products.matmul(x, y)
    agrees(Value.sum([out[0, 0] * 0.0, out[1, 0] * 2.0, out[1, 1] * 0.5]))
    assert y[0, 1].grad == 1.0 and y[0, 0].grad == 4.0


def test_passes_again_and_passes_that_release():
    x, w = to_values(numbers((2, 3))), to_values(numbers((4, 3), 1))
    loss = (F.linear(x, w) * numbers((2, 4), 2)).sum()
    loss.backward()
    once = grad_of(w)
    loss.backward()
    np.testing.assert_allclose(grad_of(w), 2 * once, rtol=1e-14)
    loss.backward(retain_graph=False)
    np.testing.assert_allclose(grad_of(w), 3 * once, rtol=1e-14)
    with pytest.raises(RuntimeError, match="released"):
        loss.backward()


def test_an_interrupted_pass_leaves_no_trace():
    x, w = to_values(numbers((2, 3))), to_values(numbers((2, 3), 1))
    out = F.linear(x, w)

    def stopped(x, out):
        raise KeyboardInterrupt

    stop = custom.elementwise("stop", lambda x: x * 1.0, [stopped])
    with pytest.raises(KeyboardInterrupt):
        (products.matmul(out, out).sum() + stop(out[0, 0])).backward()
    assert all(v.grad is None for v in everything(x, w, out))
    agrees(out.sum())


def test_derivatives_of_derivatives():
    x, w = to_values(numbers((2, 3))), to_values(numbers((2, 3), 1))

    def slope(x, w):
        loss = np.sum(F.linear(x, w) ** 3)
        return grad(loss, [w[0, 0]], create_graph=True)[0]

    found = list(grad(slope(x, w), everything(x, w)))
    for values in (x, w):
        for i, j in np.ndindex(values.shape):
            value, step = values[i, j], 1e-5
            middle = value.data
            value.data = middle + step
            up = slope(x, w).data
            value.data = middle - step
            difference = (up - slope(x, w).data) / (2 * step)
            value.data = middle
            one = found.pop(0)
            assert (0.0 if one is None else one.data) == pytest.approx(difference, rel=1e-6, abs=1e-6)


def test_data_that_changed_since_is_noticed():
    x, w = to_values(numbers((2, 3))), to_values(numbers((2, 3), 1))
    out = F.linear(x, w)
    slopes = out[0, 0].local_derivatives()
    x[0, 0].data = 5.0
    assert out[0, 0].local_derivatives() == slopes
    with pytest.raises(RuntimeError, match="run the forward computation again"):
        grad(out[0, 0], [w[0, 0]], create_graph=True)


def test_observers_see_each_number():
    """The numbers are the same to the bit with an observer and without; it sees each of them by itself."""
    x, w = to_values(numbers((2, 3))), to_values(numbers((4, 3), 1))
    plain = F.linear(x, w)
    with detect_anomaly():
        watched = F.linear(x, w)
        watched.sum().backward()
        with pytest.raises(FloatingPointError, match="dot"):
            products.matmul(to_values([[1e200]]), to_values([[1e200]]))
    assert repr(data_of(plain)) == repr(data_of(watched))
    by_watched = grad_of(w)
    for v in everything(w):
        v.grad = None
    plain.sum().backward()
    np.testing.assert_allclose(grad_of(w), by_watched, rtol=1e-13)


def test_without_a_graph():
    x, w = to_values(numbers((2, 3))), to_values(numbers((4, 3), 1))
    with no_grad():
        assert all(v.is_leaf and not v.requires_grad for v in everything(F.linear(x, w)))
    constants = to_values(numbers((2, 3)), requires_grad=False)
    assert not any(v.requires_grad for v in everything(F.linear(constants, constants)))


def test_a_product_is_freed_by_reference_counting_alone():
    gc.collect()
    gc.disable()
    try:
        x, w = to_values(numbers((2, 3))), to_values(numbers((4, 3), 1))
        out = F.linear(x, w)
        out.sum().backward()
        refs = [weakref.ref(v) for v in everything(x, w, out)]
        del x, w, out
        assert all(ref() is None for ref in refs)
    finally:
        gc.enable()


@pytest.mark.parametrize("keepdims", [True, False])
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), (), 1])
def test_a_sum_is_one_node(axis, keepdims):
    x = to_values(numbers((2, 3, 2)))
    out = reductions.sum(x, axis=axis, keepdims=keepdims)
    np.testing.assert_allclose(data_of(out), data_of(x).sum(axis=axis, keepdims=keepdims), rtol=1e-13)
    assert np.shape(out) == data_of(x).sum(axis=axis, keepdims=keepdims).shape
    assert {node.op for node in everything(out)} == {"sum"}
    (np.sum(np.asarray(out * out, dtype=object))).backward()
    wanted = 2 * np.broadcast_to(data_of(x).sum(axis=axis, keepdims=True), x.shape)
    np.testing.assert_allclose(grad_of(x), wanted, rtol=1e-12)


def test_what_does_not_fit_is_refused_as_numpy_refuses_it():
    x = to_values(numbers((2, 3)))
    for left, right in ((x, x), (x, to_values(numbers((2, 3, 1)))[:, :2]), (np.asarray(x[0, 0], dtype=object), x)):
        with pytest.raises(ValueError, match="matmul"):
            products.matmul(left, right)
    with pytest.raises(ValueError, match="axis"):
        reductions.sum(x, axis=2)
    with pytest.raises(TypeError, match="'matmul' takes Values and real numbers, not str"):
        products.matmul(x, np.array([["a"], ["b"], ["c"]], dtype=object))


def test_a_written_program_has_the_sums():
    x, w = to_values([[1.5, -2.0]], label="x"), to_values([[0.5, 3.0]], label="w")
    root = F.linear(x, w)[0, 0]
    source = scalar_source(root)
    assert "out = sum([x_0_0 * w_0_0, x_0_1 * w_0_1])" in source
    scope = {}
    exec(source, scope)
    root.backward()
    assert (scope["d_w_0_0"], scope["d_x_0_1"]) == (w[0, 0].grad, x[0, 1].grad) == (1.5, 3.0)
