"""``grad`` and its kin: to any node and order, weights in the output's dtype, an error where there is no graph."""

import numpy as np
import pytest

from tests.helpers.engines import on_both_engines
from tinygrad_lm import Tensor, Value, enable_grad, grad, hessian, hvp, jacobian, no_grad
from tinygrad_lm.autograd.graph import topological_order


def learns(*numbers, dtype=np.float32):
    return Tensor(list(numbers), requires_grad=True, dtype=dtype)


@pytest.mark.parametrize("weight", [np.array([1.0, 2.0]), Tensor([1.0, 2.0]), Tensor([1, 2]), [1, 2]], ids=repr)
def test_float32_stays_float32_whatever_the_weights_are(weight):
    x = learns(3.0, 4.0)
    plain = grad(x * x, x, grad_outputs=weight)
    recorded = grad(x * x, x, grad_outputs=weight, create_graph=True)
    assert {node.dtype for node in topological_order(recorded, constants=True)} == {np.dtype(np.float32)}
    assert recorded.tolist() == plain.tolist() == [6.0, 16.0]
    assert grad(recorded.sum(), x).dtype == np.float32


def test_the_weights_keep_their_graph():
    x, v = learns(3.0, 4.0), learns(1.0, 2.0, dtype=np.float64)
    y = x * x
    with no_grad():
        slope = grad(y, x, grad_outputs=v, create_graph=True)
    assert slope.dtype == np.float32
    along = grad(slope.sum(), v)
    assert along.dtype == np.float64
    assert along.tolist() == [6.0, 8.0]


def test_a_recorded_pass_narrows_where_the_plain_pass_does():
    x = learns(1.0, 2.0)
    wide = np.array([1 / 3, 1e-9])
    inner = x * 3
    y = (inner * wide).sum()
    plain, recorded = (grad(y, [x, inner], create_graph=create) for create in (False, True))
    for one, other in zip(plain, recorded, strict=True):
        assert one.dtype == other.dtype == np.float32
        np.testing.assert_array_equal(one.data, other.data)


def test_hessians_and_products_keep_float32():
    x = np.array([1.0, 2.0], np.float32)
    assert hessian(lambda t: (t**3).sum(), x).dtype == np.float32
    assert hvp(lambda t: (t**3).sum(), x, np.ones(2)).dtype == np.float32
    assert jacobian(lambda t: t**3, x).dtype == np.float32


@on_both_engines
def test_a_result_without_a_graph_is_refused(leaf):
    x = leaf(2.0)
    with no_grad():
        forgotten = x * x
    for result in (forgotten, (x * x).detach(), leaf(5.0).detach()):
        for create in (False, True):
            with pytest.raises(RuntimeError, match=r"grad: this \w+ depends on nothing that requires a gradient"):
                grad(result, x, create_graph=create)
    # One of several, as in PyTorch: its share would be lost unseen.
    with pytest.raises(RuntimeError, match=r"grad: output 1, this \w+, depends on nothing"):
        grad([x * x, forgotten], x)
    with pytest.raises(ValueError, match="no outputs"):
        grad([], x)
    # An input that the graph does not reach is no mistake: zero.
    assert float(grad(x * x, leaf(1.0)).data) == 0.0


def test_functions_without_slope_have_zeros():
    """A linear function has a constant gradient: its second derivative is zero, and no error."""
    x = np.array([1.0, 2.0])
    assert hessian(lambda t: (t * 2.0).sum(), x).tolist() == [[0.0, 0.0]] * 2
    assert hvp(lambda t: (t * 2.0).sum(), x, x).tolist() == [0.0, 0.0]
    assert jacobian(lambda t: Tensor([5.0, 6.0, 7.0]), x).tolist() == [[0.0, 0.0]] * 3
    assert hessian(lambda t: Tensor(5.0), x).tolist() == [[0.0, 0.0]] * 2
    assert hessian(lambda v: v * 2.0, Value(1.0)) == 0.0
    assert hvp(lambda v: v * 2.0, Value(1.0), 3.0) == 0.0
    assert jacobian(lambda v: Value(3.0), Value(1.0)) == 0.0


@on_both_engines
def test_a_constant_slope_can_be_differentiated_again(leaf):
    """Of a function that is linear, be it piece by piece; and of an input that the graph does not reach."""
    for function in (lambda x: x * 3.0, lambda x: x + x, lambda x: x.relu(), lambda x: np.maximum(x, 0.0) - x):
        x, unused = leaf(2.0), leaf(5.0)
        slope, nothing = grad(function(x), [x, unused], create_graph=True)
        assert float(slope.data) == float(grad(function(x), x).data)
        bend = grad(slope, x, create_graph=True)
        assert [float(g.data) for g in (bend, grad(bend, x), nothing, grad(nothing, unused))] == [0.0] * 4
        mixed = grad(slope * x + nothing, [x, unused])
        assert [float(g.data) for g in mixed] == [float(slope.data), 0.0]


def test_complex_weights_are_refused():
    x = learns(1.0, 2.0)
    for call in ((x * x).backward, lambda g: grad(x * x, x, g)):
        with pytest.raises(TypeError, match="complex128"):
            call(np.array([1j, 1.0]))


@on_both_engines
def test_gradients_to_inner_nodes_and_to_several_outputs(leaf):
    x = leaf(3.0)
    y = x * x
    z = y * y + x
    assert float(grad(z, y).data) == 18.0
    assert [float(g.data) for g in grad(z, [y, x])] == [18.0, 109.0]
    assert [float(g.data) for g in grad([y, z], [x], grad_outputs=[2.0, leaf(1.0).detach()])] == [12.0 + 109.0]
    assert float(grad(x, x).data) == 1.0
    assert [float(g.data) for g in grad([x, x], [x, x])] == [2.0, 2.0]
    assert x.grad is y.grad is None
    with pytest.raises(ValueError, match="does not require"):
        grad(z, x.detach())
    with pytest.raises(ValueError, match="grad_outputs"):
        grad([y, z], x, grad_outputs=[1.0])
    with pytest.raises(TypeError, match="Tensors or Values"):
        grad([y, 1.0], x)


@on_both_engines
def test_derivatives_of_any_order(leaf):
    x = leaf(0.7)
    y = np.sin(x)
    for wanted in (np.cos(0.7), -np.sin(0.7), -np.cos(0.7), np.sin(0.7), np.cos(0.7), -np.sin(0.7)):
        y = grad(y, x, create_graph=True)
        np.testing.assert_allclose(float(y.data), wanted, rtol=1e-12)
    y = x**4
    for wanted in (4 * 0.7**3, 12 * 0.7**2, 24 * 0.7, 24.0, 0.0):
        y = grad(y, x, create_graph=True)
        np.testing.assert_allclose(float(y.data), wanted, rtol=1e-12)
        if not y.requires_grad:
            break
    with no_grad():
        assert grad(enable_grad()(lambda: x * x)(), x, create_graph=True).requires_grad


def test_jacobian_hessian_and_product_agree():
    rng = np.random.default_rng(3)
    a, x, v = rng.normal(size=(4, 3)), rng.normal(size=3), rng.normal(size=3)
    np.testing.assert_allclose(jacobian(lambda t: np.sin(a @ t), x), np.cos(a @ x)[:, None] * a, rtol=1e-12)
    wanted = a.T @ np.diag(-np.sin(a @ x)) @ a

    def f(t):
        return np.sin(a @ t).sum()

    np.testing.assert_allclose(hessian(f, x), wanted, rtol=1e-12)
    np.testing.assert_allclose(hvp(f, x, v), wanted @ v, rtol=1e-12)
    assert hessian(lambda t: t**3, Value(2.0)) == 12.0
    assert jacobian(lambda s, t: s * t, Value(2.0), Value(5.0)) == (5.0, 2.0)
    assert hvp(lambda t: t**3, Value(2.0), 0.5) == 6.0
    with pytest.raises(ValueError, match="one number"):
        hessian(lambda t: t, x)
    assert hessian(lambda t: (t * 2.0).sum(), x).tolist() == np.zeros((3, 3)).tolist()
