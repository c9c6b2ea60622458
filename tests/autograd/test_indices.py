"""Indices in every form that NumPy takes: the gradient counts repeats, and what was recorded stays as it was."""

import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.oracles import agree, leaves, probe
from tests.helpers.registry.indices import indices as mixed
from tests.helpers.registry.row import SEEDS, generator, shapes
from tinygrad_lm import Tensor, grad
from tinygrad_lm.nn import functional as F
from tinygrad_lm.testing import strategies
from tinygrad_lm.testing.selfcheck.domains import anywhere


class ArrayLike:
    """What has ``__array__`` and is no array: a data frame's column, another library's tensor."""

    def __init__(self, data):
        self.data = np.asarray(data)

    def __array__(self, dtype=None, copy=None):
        return np.array(self.data, dtype=dtype)


class Whole:
    """A number of one's own that says ``__index__``."""

    def __init__(self, number):
        self.number = number

    def __index__(self):
        return self.number


def nested(x):
    return tuple(map(nested, x)) if isinstance(x, list) else x


FORMS = {
    "array": lambda ids: ids.copy(),
    "int8": lambda ids: ids.astype(np.int8),
    "list": lambda ids: ids.tolist(),
    "tuple": lambda ids: nested(ids.tolist()),
    "list of arrays": list,
    "array-like": ArrayLike,
    "tensor": Tensor,
    "array.array": lambda ids: array.array("l", ids.tolist()) if ids.ndim == 1 else ids,
    "read-only": lambda ids: np.broadcast_to(ids, ids.shape),
    "strided": lambda ids: np.repeat(ids, 2, axis=0)[::2] if ids.ndim else ids,
}


def expected(shape, index, weights):
    out = np.zeros(shape)
    np.add.at(out, index, weights)
    return out


def both_orders(x, index, plain):
    """The gradient of an indexing, and that of its gradient, beside NumPy's own additions."""
    y = x[index]
    np.testing.assert_array_equal(y.data, x.data[plain])
    v = probe(y.shape, 0)
    y.backward(v)
    agree(x.grad, expected(x.shape, plain, v), "gradient", rtol=1e-14, atol=1e-14)
    w = Tensor(v, requires_grad=True)
    first = grad(x[index], x, grad_outputs=w, create_graph=True)
    u = probe(x.shape, 1)
    agree(grad((first * u).sum(), w).data, u[plain], "second", rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ids", [[0, 0], [1, -1, 1], [[0, 2], [2, 0]], []], ids=str)
def test_repeats_add_up_in_every_form(form, ids):
    ids = np.array(ids, dtype=np.intp)
    given_ids = FORMS[form](ids)
    if isinstance(given_ids, tuple):
        index, plain = (slice(None), given_ids), (slice(None), ids)
        both_orders(leaves([np.arange(6.0).reshape(2, 3)])[0], index, plain)
    else:
        both_orders(leaves([np.arange(6.0).reshape(3, 2)])[0], given_ids, ids)
    both_orders(leaves([np.arange(12.0).reshape(3, 4)])[0], (given_ids, None, slice(1, 3)), (ids, None, slice(1, 3)))


def test_pairs_from_zip():
    x = leaves([np.zeros((2, 3))])[0]
    x[tuple(zip(*[(0, 1), (0, 1), (1, 2)], strict=True))].sum().backward()
    assert x.grad.tolist() == [[0, 2, 0], [0, 0, 1]]


@pytest.mark.parametrize("mask", [(True, False, True), [True, False, True], ArrayLike([True, False, True])])
def test_masks_in_every_form(mask):
    plain = np.array([True, False, True])
    both_orders(leaves([np.arange(6.0).reshape(2, 3)])[0], (..., mask), (..., plain))


def test_whole_numbers_in_every_form():
    for i in (1, np.int64(1), np.uint8(1), np.array(1), Tensor(1), Whole(1)):
        both_orders(leaves([np.arange(6.0).reshape(3, 2)])[0], i, 1)
        both_orders(leaves([np.arange(6.0).reshape(3, 2)])[0], (slice(None), i), (slice(None), 1))
        both_orders(leaves([np.arange(6.0).reshape(3, 2)])[0], slice(i, None), slice(1, None))


@st.composite
def indexings(draw):
    """A shape, an index of it, and the same with each array in another form."""
    shape = draw(shapes())
    index = draw(mixed(shape) | strategies.indices(shape))
    several = isinstance(index, tuple)
    plain, disguised = [], []
    for part in index if several else (index,):
        if isinstance(part, (np.ndarray, Tensor, list)):
            ids = np.array(part.data if isinstance(part, Tensor) else part)
            ids = ids if ids.size or ids.dtype == bool else ids.astype(np.intp)
            forms = ["list", "array-like", "tensor", "array", *(["tuple"] if several and ids.ndim else [])]
            part = ids
            disguise = FORMS[draw(st.sampled_from(forms))](ids) if ids.size else ids
            disguised.append(disguise if ids.ndim or not isinstance(disguise, tuple) else ids)
        else:
            disguised.append(part)
        plain.append(part)
    return shape, (tuple(plain) if several else plain[0]), (tuple(disguised) if several else disguised[0])


@given(indexings(), SEEDS)
def test_any_index_in_any_form(indexing, seed):
    shape, plain, index = indexing
    both_orders(leaves([anywhere(generator(seed), shape)])[0], index, plain)


@given(indexings(), SEEDS)
def test_assignment_is_numpys(indexing, seed):
    shape, plain, index = indexing
    data = anywhere(generator(seed), shape)
    t, copy = Tensor(data), data.copy()
    t[index] = 7.0
    copy[plain] = 7.0
    np.testing.assert_array_equal(t.data, copy)


@pytest.mark.parametrize("form", FORMS)
def test_take_and_take_along_axis(form):
    ids = np.array([[0, 0], [2, 1]])
    for call in (
        lambda x, i: np.take(x, i),
        lambda x, i: np.take(x, i, 1),
        lambda x, i: np.take_along_axis(x, i, 1) if hasattr(i, "ndim") else np.take_along_axis(x, np.array(i), 1),
    ):
        x = leaves([np.arange(6.0).reshape(2, 3)])[0]
        y = call(x, FORMS[form](ids))
        v = probe(y.shape, 0)
        y.backward(v)
        positions = call(np.arange(6).reshape(2, 3), ids)
        np.testing.assert_array_equal(y.data, call(x.data, ids))
        np.testing.assert_allclose(x.grad, expected((6,), positions, v).reshape(2, 3))


def test_a_boolean_is_a_position_to_take_and_no_mask():
    x = leaves([np.arange(3.0)])[0]
    y = np.take(x, np.array([True, False, True]))
    assert y.data.tolist() == [1.0, 0.0, 1.0]
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 2.0, 0.0]
    with pytest.raises(TypeError, match="safe"):
        np.take(x, np.array([0.5]))


def refilled(make, buffer, other, inputs):
    """The gradients of a loss whose plain argument is refilled before the backward pass, and those without that."""
    found = []
    for refill in (True, False):
        xs, plain = leaves(inputs), (buffer.copy() if isinstance(buffer, np.ndarray) else list(buffer))
        y = make(*xs, plain)
        if refill:
            plain[...] = other
        v = probe(y.shape, 3)
        y.backward(v)
        found.append([x.grad for x in xs])
    return found


X, IDS, OTHER = np.arange(1.0, 7.0).reshape(2, 3), np.array([0, 2]), np.array([1, 1])
MASK = np.array([True, False, True])
PLAIN = {
    "x[ids]": (lambda x, i: x[:, i], IDS, OTHER),
    "x[ids] alone": (lambda x, i: x[i], np.array([0, 0]), OTHER),
    "x[mask]": (lambda x, m: x[:, m], MASK, ~MASK),
    "x[i]": (lambda x, i: x[i], np.array(0), np.array(1)),
    "x[i:]": (lambda x, i: x[i:], np.array(0), np.array(1)),
    "np.take": (lambda x, i: np.take(x, i, 1), IDS, OTHER),
    "np.take_along_axis": (lambda x, i: np.take_along_axis(x, i, 1), IDS.reshape(2, 1), OTHER.reshape(2, 1)),
    "np.repeat": (lambda x, n: np.repeat(x, n, 0), np.array([1, 2]), np.array([2, 1])),
    "x.split": (lambda x, cuts: x.split(cuts, axis=1)[0], np.array([2]), np.array([1])),
    "np.where": (lambda x, m: np.where(m, x, 0.0), MASK, ~MASK),
    "Tensor.where": (lambda x, m: x.where(m, 0.0), MASK, ~MASK),
    "masked_fill": (lambda x, m: x.masked_fill(m, 0.0), MASK, ~MASK),
    "F.embedding": (lambda x, i: F.embedding(i, x), np.array([0, 1, 1]), np.array([0, 0, 0])),
    "F.cross_entropy": (lambda x, t: F.cross_entropy(x, t), IDS, OTHER),
    "F.cross_entropy int32": (lambda x, t: F.cross_entropy(x, t), IDS.astype(np.int32), OTHER.astype(np.int32)),
    "clip, low": (lambda x, low: x.clip(low), np.array([2.0, 3.0, 0.0]), np.full(3, 9.0)),
    "clip, high": (lambda x, high: np.clip(x, None, high), np.array([2.0, 3.0, 0.0]), np.full(3, 9.0)),
    "pad": (lambda x, value: np.pad(x, 1, constant_values=value), np.array(2.0), np.array(3.0)),
    "pad widths": (lambda x, n: x.pad(n), np.array([1, 2]), np.array([2, 1])),
    "np.roll": (lambda x, n: np.roll(x, n, (0, 1)), np.array([1, 1]), np.array([0, 0])),
    "sum over axes": (lambda x, axis: x.sum(axis) * x.sum(axis), np.array(0), np.array(1)),
    "softmax": (lambda x, axis: x.softmax(axis), np.array(0), np.array(1)),
    "np.std": (lambda x, n: np.std(x, axis=1, ddof=n), np.array(1), np.array(0)),
    "x.var": (lambda x, n: x.var(dim=1, correction=n), np.array(1), np.array(0)),
    "diagonal": (lambda x, k: np.diagonal(x, k) ** 2, np.array(1), np.array(0)),
    "triu": (lambda x, k: np.triu(x, k) ** 2, np.array(1), np.array(0)),
    "cumsum": (lambda x, axis: np.cumsum(x, axis) ** 2, np.array(1), np.array(0)),
    "concatenate": (lambda x, axis: np.concatenate([x, 2 * x], axis) ** 2, np.array(1), np.array(0)),
    "stack": (lambda x, axis: np.stack([x, 2 * x], axis) ** 2, np.array(1), np.array(0)),
    "tensordot": (lambda x, axes: np.tensordot(x, X, axes), np.array([[1], [1]]), np.array([[0], [0]])),
    "reshape": (lambda x, shape: np.reshape(x, shape) ** 2, np.array([3, 2]), np.array([6, 1])),
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_array_refilled_after_the_forward_pass(name):
    make, buffer, other = PLAIN[name]
    found, wanted = refilled(make, buffer, other, [X])
    np.testing.assert_array_equal(found[0], wanted[0])


def test_a_list_refilled_after_the_forward_pass():
    x, mask = leaves([np.arange(3.0)])[0], [True, False, False]
    loss = np.where(mask, x, 0.0).sum() + x.masked_fill(mask, 0.0).sum() * 10
    mask[1] = True
    loss.backward()
    assert x.grad.tolist() == [1.0, 10.0, 10.0]


@pytest.mark.parametrize("name", PLAIN)
def test_second_derivatives_through_a_refilled_array(name):
    make, buffer, other = PLAIN[name]
    found = []
    for refill in (True, False):
        x, plain = leaves([X])[0], buffer.copy()
        y = make(x * x, plain)
        if refill:
            plain[...] = other
        slope = grad(y, x, grad_outputs=probe(y.shape, 3), create_graph=True)
        found.append(grad(slope, x, grad_outputs=probe(x.shape, 4)).data)
    np.testing.assert_array_equal(found[0], found[1])


@pytest.mark.parametrize("triangle", [np.tril, np.triu])
@pytest.mark.parametrize("k", [-2, -1, 0, 1, np.int64(2)])
def test_the_triangle_of_a_row_is_square(triangle, k):
    x = leaves([np.array([1.0, 2.0, 3.0])])[0]
    y = triangle(x, k)
    np.testing.assert_array_equal(y.data, triangle(x.data, k))
    v = probe((3, 3), 5)
    y.backward(v)
    np.testing.assert_allclose(x.grad, triangle(v, k).sum(0))
    w = Tensor(v, requires_grad=True)
    slope = grad(triangle(x, k), x, grad_outputs=w, create_graph=True)
    np.testing.assert_allclose(grad(slope.sum(), w).data, triangle(np.ones((3, 3)), k))


@pytest.mark.parametrize("triangle", [np.tril, np.triu])
def test_a_number_has_no_triangle(triangle):
    with pytest.raises(TypeError, match="at least one axis"):
        triangle(Tensor(1.0))
