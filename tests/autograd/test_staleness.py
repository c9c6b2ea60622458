"""What was read stays as it was: copies, views without a graph, masks and indices, results of grad."""

import numpy as np
import pytest

from tinygrad_lm import Tensor, grad, no_grad
from tinygrad_lm.autograd import custom
from tinygrad_lm.autograd.kernels import linear
from tinygrad_lm.optim import SGD


def learns(*numbers):
    return Tensor(list(numbers), requires_grad=True)


def step(p):
    p.grad = np.ones(p.shape)
    SGD([p], lr=1.0).step()


def test_a_copy_taken_before_a_step_keeps_its_numbers():
    p = learns(1.0, 2.0)
    recorded = np.copy(p)
    with no_grad():
        best = np.copy(p)
    step(p)
    assert best.tolist() == recorded.tolist() == [1.0, 2.0]


def test_views_without_a_graph_do_not_share_memory():
    p, c = learns(3.0, 4.0), Tensor([1.0, 2.0])
    z = c.reshape(-1)
    loss = (p * z).sum()
    c[0] = 100.0
    loss.backward()
    assert p.grad.tolist() == [1.0, 2.0]
    q = learns(1.0, 1.0)
    with no_grad():
        seen = p[:]
    loss = (q * seen).sum()
    step(p)
    loss.backward()
    assert q.grad.tolist() == [3.0, 4.0]


def test_masks_and_indices_are_those_of_the_forward_pass():
    x, mask, ids = learns(1.0, 2.0, 3.0), Tensor([True, False, False]), Tensor([0, 1])
    masked, picked, chosen = x.masked_fill(mask, 0.0).sum(), x[ids].sum(), np.where(mask, x, 0.0).sum()
    mask[1] = True
    ids[1] = 2
    (masked + 10 * picked + 100 * chosen).backward()
    assert x.grad.tolist() == [110.0, 11.0, 1.0]


def test_given_data_is_copied():
    array, x = np.ones(2), learns(0.0, 0.0)
    x.data = array
    step(x)
    assert array.tolist() == [1.0, 1.0]


def test_a_result_that_was_modified_is_noticed():
    x = learns(1.0)
    y = np.exp(x)
    y.data *= 2
    with pytest.raises(RuntimeError, match="modified"):
        y.backward()


def test_second_derivative_of_a_kernel_whose_inputs_depend_on_one_another():
    x = Tensor([[2.0]], requires_grad=True)
    slope = grad(linear(x, x * x), x, create_graph=True)
    assert slope.item() == pytest.approx(12.0)
    assert grad(slope, x).item() == pytest.approx(12.0)


def test_results_of_grad_are_arrays_of_their_own():
    x, y, weights = learns(1.0, 2.0), learns(3.0, 4.0), Tensor([1.0, 1.0])
    first, second = grad((x + y).sum(), (x, y), create_graph=True)
    assert first is not second
    assert not np.shares_memory(first.data, second.data)
    assert first.data.flags.writeable
    same = grad(x + 0, x, weights, create_graph=True)
    assert not np.shares_memory(same.data, weights.data)


def test_a_derivative_of_too_large_a_shape_is_refused():
    double = custom.elementwise("double", lambda x: x * 2, [lambda x, out: np.full((4, 3), 2.0)])
    with pytest.raises(ValueError, match="too large a shape"):
        double(learns(1.0, 2.0, 3.0)).sum().backward()


def test_gelu_far_out_and_logaddexp_of_huge_numbers():
    x = Tensor(np.array([300.0, -300.0], np.float16), requires_grad=True)
    with np.errstate(over="ignore"):
        x.gelu("tanh").sum().backward()
    assert x.grad.tolist() == [1.0, 0.0]
    low, high = learns(-2e300), learns(-1e300)
    np.logaddexp(low, high).sum().backward()
    assert (low.grad.item(), high.grad.item()) == (0.0, 1.0)


def test_erf_of_tiny_numbers():
    found = Tensor([1e-200, 1e-3, -0.019]).erf().data
    expected = [1.1283791670955126e-200, 0.0011283787909692365, -0.021436624603286207]
    np.testing.assert_allclose(found, expected, rtol=1e-13)
