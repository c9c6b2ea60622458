"""Views: writing through ``.data`` of a recorded result reaches no other node, and a base that changed is noticed."""

import numpy as np
import pytest

from tinygrad_lm import Tensor, grad
from tinygrad_lm.autograd import shaping

DATA = np.arange(1.0, 7.0)

VIEWS = {
    "reshape": lambda x: x.reshape(2, 3),
    "reshape to the same": lambda x: x.reshape(x.shape),
    "flatten": lambda x: x.flatten(),
    "ravel": lambda x: np.ravel(x),
    "transpose": lambda x: x.reshape(2, 3).T,
    "swapaxes": lambda x: x.reshape(2, 3).swapaxes(0, 1),
    "permute": lambda x: x.reshape(1, 2, 3).permute(2, 0, 1),
    "moveaxis": lambda x: np.moveaxis(x.reshape(2, 3), 0, 1),
    "mT": lambda x: x.reshape(2, 3).mT,
    "getitem slice": lambda x: x[1:4],
    "getitem int": lambda x: x.reshape(2, 3)[1],
    "getitem new axis": lambda x: x[None, ::2],
    "getitem empty tuple": lambda x: x[()],
    "split": lambda x: x.split(2, axis=0)[1],
    "flip": lambda x: x.flip(),
    "squeeze": lambda x: x.reshape(6, 1).squeeze(),
    "unsqueeze": lambda x: x.unsqueeze(0),
    "expand_dims": lambda x: np.expand_dims(x, 1),
    "broadcast_to": lambda x: x.broadcast_to(2, 6),
    "diagonal": lambda x: np.diagonal(x.reshape(2, 3)),
    "einsum transpose": lambda x: np.einsum("ij->ji", x.reshape(2, 3)),
    "einsum diagonal": lambda x: np.einsum("ii->i", x[:4].reshape(2, 2)),
    "atleast_1d": lambda x: np.atleast_1d(x[0]),
    "alias": lambda x: shaping.alias(x),
    "copy": lambda x: np.copy(x),
    "iteration": lambda x: next(iter(x.reshape(2, 3))),
    "view of a view": lambda x: x.reshape(2, 3).T[1:].flip(0),
}
COPIES = ("atleast_1d",)
"""Those that NumPy computes by copying before a view, so that a change further up does not reach them."""


def leaf():
    return Tensor(DATA, requires_grad=True)


@pytest.mark.parametrize("name", VIEWS)
def test_writing_through_a_view_does_not_reach_its_base(name):
    x = leaf()
    z = (x * x).sum()
    y = VIEWS[name](x)
    y.data -= 1
    np.testing.assert_array_equal(x.data, DATA)
    z.backward()
    np.testing.assert_array_equal(x.grad, 2 * DATA)
    with pytest.raises(RuntimeError, match="modified"):
        y.backward(np.ones(y.shape))


@pytest.mark.parametrize("name", VIEWS)
def test_writing_elements_of_a_view_does_not_reach_its_base(name):
    x = leaf()
    inner = x * 1.0
    for base in (x, inner):
        z = (base * base).sum()
        y = VIEWS[name](base)
        y.data[...] = 100.0
        assert (y.data == 100.0).all()
        np.testing.assert_array_equal(base.data, DATA)
        x.grad = None
        z.backward()
        np.testing.assert_array_equal(x.grad, 2 * DATA)


@pytest.mark.parametrize("name", VIEWS)
def test_a_base_that_changed_is_noticed_by_what_used_its_views(name):
    for inner in (False, True):
        x = leaf()
        base = x * 1.0 if inner else x
        y = VIEWS[name](base)
        before = (y * y).sum()
        seen = y.detach().data
        base.data -= 1
        for loss in (before, (y * y).sum()):
            with pytest.raises(RuntimeError, match="modified"):
                loss.backward()
            if name in COPIES:
                np.testing.assert_array_equal(grad(loss, y).data, 2 * seen)
            else:
                with pytest.raises(RuntimeError, match="modified"):
                    grad(loss, y)


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_that_changed_is_noticed_by_what_used_it(name):
    x = leaf()
    y = VIEWS[name](x)
    loss = (y * y).sum()
    y.data += 1
    with pytest.raises(RuntimeError, match="modified"):
        loss.backward()


def test_reading_data_changes_nothing():
    x = leaf()
    y = x.reshape(2, 3)
    z = (y * y).sum()
    assert y.data is y.data
    z.backward()
    np.testing.assert_array_equal(x.grad, 2 * DATA)
    again = grad((y * y).sum(), x, create_graph=True)
    np.testing.assert_array_equal(grad(again.sum(), x).data, np.full(6, 2.0))


def test_parts_of_one_base_are_apart():
    x = leaf()
    left, right = x[:4], x[2:]
    loss = (right * right).sum()
    left.data *= 10
    loss.backward()
    np.testing.assert_array_equal(x.grad, [0, 0, *(2 * DATA[2:])])


@pytest.mark.parametrize("name", [name for name in VIEWS if name not in (*COPIES, "diagonal", "copy")])
def test_a_base_that_changed_is_noticed_where_only_another_operand_is_asked_for(name):
    x = leaf()
    y = VIEWS[name](x)
    w = Tensor(np.ones(y.shape), requires_grad=True)
    z = (y * w).sum()
    x.data -= 1
    with pytest.raises(RuntimeError, match="modified"):
        grad(z, w)


def test_a_view_of_a_view_that_has_its_own_memory_notices_a_change_of_it():
    x, w = leaf(), Tensor(np.ones(6), requires_grad=True)
    y = x.reshape(6, 1)
    y.data  # noqa: B018 (reading gives y memory of its own)
    v = y.reshape(1, 6)[0]
    z = (v * w).sum()
    y.data -= 1
    with pytest.raises(RuntimeError, match="modified"):
        grad(z, w)


def test_a_released_view_is_said_to_be_released():
    x, w = leaf(), Tensor(np.full(6, 3.0), requires_grad=True)
    y = x.reshape(6)
    z, other = (y * w).sum(), y.sum()
    other.backward(retain_graph=False)
    with pytest.raises(RuntimeError, match="released"):
        z.backward()
