"""Faults that an array engine must survive: odd shapes, odd layouts, odd numbers."""

import math
import operator

import numpy as np
import pytest

from tests.helpers.oracles import agree, complex_step, layouts, probe
from tinygrad_lm import Tensor, Value, grad
from tinygrad_lm.autograd import kernels
from tinygrad_lm.autograd.rules import TABLE
from tinygrad_lm.autograd.tensor import from_array

INF, NAN = math.inf, math.nan
SILENT = {"divide": "ignore", "invalid": "ignore", "over": "ignore", "under": "ignore"}


def leaf(data, dtype=None):
    return Tensor(data, requires_grad=True, dtype=dtype)


def slope(function, *inputs):
    """The gradients of the sum of a function's result."""
    xs = [x if isinstance(x, Tensor) else leaf(x) for x in inputs]
    with np.errstate(**SILENT):
        function(*xs).sum().backward()
    return [x.grad for x in xs]


def test_zero_dimensional():
    """Fault 15: 0-d tensors keep their shape, and their gradients are 0-d arrays."""
    x = leaf(2.0)
    assert x.shape == ()
    for f in (lambda t: t * 3, lambda t: t.sum(), lambda t: t.mean(), lambda t: t.max(), lambda t: t.reshape(1)[0]):
        x.zero_grad()
        y = f(x)
        assert y.shape == ()
        assert type(y.data) is np.ndarray
        y.backward()
        y.backward()
        assert type(x.grad) is np.ndarray
        assert x.grad.shape == ()
    wide = leaf(np.ones((2, 3)))
    (x * wide).sum().backward()
    assert x.grad == 2.0 + 6.0
    # NumPy takes axes 0 and -1 of a number for "none": so do forward and backward.
    for name in ("sum", "max", "prod", "norm", "logsumexp"):
        x.zero_grad()
        getattr(x, name)(axis=0).backward()
        assert (x.grad.shape, x.grad) == ((), 1.0)
    for f in (lambda t: t.sum(axis=1), lambda t: t.cumsum(0), lambda t: t[0]):
        with pytest.raises((IndexError, ValueError)):
            f(x)
    (gradient,) = slope(lambda t: t.softmax() * 3 + t.log_softmax(), 2.0)
    assert gradient.tolist() == 0.0


def test_empty():
    """Fault 16: sums and products of nothing, matrix products with an inner size of 0, errors where none is defined."""
    x = leaf(np.ones((0, 3)))
    assert x.sum().item() == 0.0
    assert x.prod().item() == 1.0
    assert x.sum(axis=0).tolist() == [0.0] * 3
    for f in (lambda t: t.sum(), lambda t: t.prod(), lambda t: t.sum(axis=0).sum(), lambda t: t.norm()):
        (gradient,) = slope(f, x)
        assert gradient.shape == (0, 3)
        x.zero_grad()
    for name in ("mean", "var", "std", "max", "min", "logsumexp", "argmax", "argmin"):
        with pytest.raises(ValueError):
            getattr(x, name)()
        with pytest.raises(ValueError):
            getattr(x, name)(0)
        assert getattr(x, name)(1).shape == (0,)
    for left, right in (((2, 0), (0, 3)), ((0,), (0,)), ((4, 2, 0), (0, 3)), ((0,), (0, 3)), ((0, 2), (2, 3))):
        a, b = leaf(np.ones(left)), leaf(np.ones(right))
        y = a @ b
        assert not y.data.any()
        y.backward(np.ones(y.shape))
        assert (a.grad.shape, b.grad.shape) == (left, right)
        assert not a.grad.any()
        first = grad((a @ b).sum(), [a, b], create_graph=True)
        assert [g.shape for g in first] == [left, right]


def test_size_one_on_both_sides():
    """Fault 17: axes of size 1 that stretch on either side, or on both at once."""
    for left, right in (((2, 1), (1, 3)), ((1, 1), (3,)), ((1,), (2, 1, 3)), ((1, 1), (1, 1)), ((2, 1, 3), (1, 4, 1))):
        x, y = probe(left, 1), probe(right, 2)
        v = probe(np.broadcast_shapes(left, right), 3)
        a, b = leaf(x), leaf(y)
        (a * b).backward(v)
        for got, exact in zip((a.grad, b.grad), complex_step(operator.mul, (x, y), v), strict=True):
            agree(got, exact, "gradient", rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("axis", [3, -4, (0, 0), (0, -3), (1, 1, 2)])
def test_wrong_axes(axis):
    """Fault 18: axes out of range or named twice are refused before anything is computed."""
    x = leaf(np.ones((2, 3, 4)))
    for name in ("sum", "mean", "var", "std", "max", "min", "prod", "norm", "logsumexp"):
        with pytest.raises(ValueError):
            getattr(x, name)(axis)
    if isinstance(axis, int):
        for name in ("softmax", "log_softmax", "cumsum", "argmax"):
            with pytest.raises(ValueError):
                getattr(x, name)(axis)


def test_keepdims():
    """Fault 19: with and without keepdims, the same numbers in every combination of axes."""
    x = probe((2, 1, 3), 4)
    for axis in (None, 0, 1, -1, (0, 2), (-1, 0), (0, 1, 2), ()):
        for name in ("sum", "mean", "max", "prod", "norm", "logsumexp", "var"):
            a, b = leaf(x), leaf(x)
            kept, dropped = (getattr(t, name)(axis=axis, keepdims=keep) for t, keep in ((a, True), (b, False)))
            assert kept.ndim == 3
            v = probe(dropped.shape, 5)
            with np.errstate(**SILENT):
                kept.backward(v.reshape(kept.shape))
                dropped.backward(v)
            np.testing.assert_array_equal(kept.data.reshape(dropped.shape), dropped.data)
            np.testing.assert_array_equal(a.grad, b.grad)


def test_two_unknown_sizes():
    """Fault 20: reshape with -1 twice."""
    with pytest.raises(ValueError, match="one unknown"):
        leaf(np.ones((2, 3))).reshape(-1, -1)


def test_layouts():
    """Fault 21: transposed, strided, reversed, Fortran, read-only, big-endian and broadcast inputs."""
    x, w = probe((3, 4), 6), probe((4, 2), 7)

    def model(t, u):
        return np.tanh(t @ u).softmax(axis=0).sum(axis=1).prod()

    wanted = slope(model, x, w)
    versions = [array for _, array in layouts(x)] + [x.astype(">f8"), x.astype("<f8")]
    for version in versions:
        for got, exact in zip(slope(model, version, w), wanted, strict=True):
            agree(got, exact, "gradient", rtol=1e-12, atol=1e-14)
    row = np.broadcast_to(x[0], (3, 4))
    for got, exact in zip(slope(model, row, w), slope(model, row.copy(), w), strict=True):
        agree(got, exact, "broadcast", rtol=1e-12, atol=1e-14)
    frozen = from_array(row).requires_grad_()
    frozen.sum().backward()
    frozen.grad += 1.0
    assert frozen.grad.tolist() == np.full((3, 4), 2.0).tolist()
    assert Tensor(x.astype(">f4")).dtype.isnative
    step = Tensor(row, requires_grad=True)
    step.data -= 0.5
    np.testing.assert_array_equal(step.data, row - 0.5)
    np.testing.assert_array_equal(row[0], x[0])


def test_indices():
    """Fault 22: duplicates, negative and Boolean indices, new axes and the ellipsis in one place."""
    x = leaf(np.arange(12.0).reshape(3, 4))
    cases = (
        ([0, 0, -1, 2, 0], [3, 0, 2]),
        (np.array([[0, 1], [1, 1]]), [1, 3, 0]),
        (np.array([True, False, True]), [1, 0, 1]),
        ((..., None, -1), None),
        ((None, [0, 0]), [2, 0, 0]),
        ((slice(None, None, -1), [1, 1]), None),
        ((np.array([0, 0]), np.array([1, 1])), None),
        ((Ellipsis, np.array([], int)), [0, 0, 0]),
    )
    for index, rows in cases:
        x.zero_grad()
        y = x[index]
        y.sum().backward()
        counts = np.zeros(x.shape)
        np.add.at(counts, index, 1.0)
        np.testing.assert_array_equal(x.grad, counts)
        if rows is not None:
            assert (x.grad.max(axis=1) == rows).all()
    assert x[[]].shape == (0, 4)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((3,), (3,)),
        ((3,), (3, 2)),
        ((2, 3), (3,)),
        ((2, 3), (3, 4)),
        ((3,), (5, 3, 2)),
        ((5, 2, 3), (3,)),
        ((5, 2, 3), (3, 4)),
        ((2, 3), (5, 3, 4)),
        ((5, 1, 2, 3), (4, 3, 2)),
        ((1, 2, 3), (5, 3, 4)),
        ((4, 1, 1, 3), (1, 5, 3, 1)),
    ],
)
def test_matrix_products(left, right):
    """Fault 23: vectors, matrices, batches and batches that broadcast."""
    x, y = probe(left, 8), probe(right, 9)
    a, b = leaf(x), leaf(y)
    out = a @ b
    v = probe(out.shape, 10)
    out.backward(v)
    for got, exact in zip((a.grad, b.grad), complex_step(np.matmul, (x, y), v), strict=True):
        agree(got, exact, "gradient", rtol=1e-11, atol=1e-12)


EXTREMES = (INF, -INF, NAN, -0.0, 5e-324, 1e308, -1e308, 1e-308)


@pytest.mark.parametrize("name", [name for name, rule in TABLE.items() if len(rule.derivatives) == 1])
def test_extreme_numbers(name):
    """Fault 24: infinities, nan, negative zero, subnormal and huge numbers: both engines give the same answer."""
    rule = TABLE[name]
    for x in EXTREMES:
        t, v = leaf(x), Value(x)
        with np.errstate(**SILENT):
            y, w = rule(t), rule(v)
            y.backward()
            w.backward()
        np.testing.assert_allclose(w.data, y.data, rtol=1e-13, atol=1e-300, err_msg=f"{name}({x})")
        np.testing.assert_allclose(v.grad, t.grad, rtol=1e-13, atol=1e-300, err_msg=f"{name}'({x})")


def test_nan_is_never_hidden():
    """Fault 24: nan in, nan out, in value and gradient; only what does not reach the result has gradient 0."""
    for f in (lambda t: t.exp(), lambda t: t * t, lambda t: t.sum(), lambda t: t.softmax(), lambda t: t.max()):
        x = leaf([1.0, NAN])
        with np.errstate(**SILENT):
            y = f(x)
        assert np.isnan(y.data).any()
    (gradient,) = slope(lambda t: np.where(t > 0, t.log(), 0.0), [-1.0, 0.0, 2.0])
    assert gradient.tolist() == [0.0, 0.0, 0.5]
    (gradient,) = slope(lambda t: t * t, [NAN])
    assert np.isnan(gradient).all()


def test_where_shields_the_branch_not_chosen_to_second_order():
    """The branch not chosen is inf or nan: neither its first nor its second derivative leaks."""
    x = leaf([-1.0, 0.0, 4.0])
    with np.errstate(**SILENT):
        y = np.where(x > 0, x.sqrt() + x.log() + 1 / x, 3.0 * x)
        first = grad(y.sum(), x, create_graph=True)
        (second,) = grad(first.sum(), [x])
    assert first.tolist() == [3.0, 3.0, 0.25 + 0.25 - 1 / 16]
    np.testing.assert_allclose(second.data, [0.0, 0.0, -1 / 32 - 1 / 16 + 2 / 64], rtol=1e-13)
    for number in (-1.0, 0.0):
        v = Value(number)
        chosen = v.log() if v > 0 else 3.0 * v
        assert grad(chosen, v).data == 3.0


def test_softmax_and_cross_entropy_of_extreme_logits():
    """Fault 25: [1000, -1000], a row of -inf, a single class."""
    x = leaf([[1e3, -1e3]])
    np.testing.assert_array_equal(x.softmax().data, [[1.0, 0.0]])
    np.testing.assert_array_equal(x.log_softmax().data, [[0.0, -2e3]])
    loss = kernels.cross_entropy(x, targets=np.array([1]))
    loss.backward()
    assert (loss.item(), x.grad.tolist()) == (2e3, [[1.0, -1.0]])
    single = leaf([[3.0], [-5.0]])
    loss = kernels.cross_entropy(single, targets=np.array([0, 0]))
    loss.backward()
    assert (loss.item(), single.grad.tolist()) == (0.0, [[0.0], [0.0]])
    nothing = leaf([[-INF, -INF], [0.0, 0.0]])
    with np.errstate(**SILENT):
        total = nothing.logsumexp(axis=1)
        total.backward(np.ones(2))
        np.testing.assert_allclose(total.data, [-INF, math.log(2)], rtol=1e-15)
        np.testing.assert_allclose(nothing.grad, [[0.0, 0.0], [0.5, 0.5]], rtol=1e-15)
        assert math.isnan(nothing[0].softmax().data[0])


@pytest.mark.parametrize(
    ("x", "y", "value"),
    [(0.0, 0.0, 1.0), (0.0, -1.0, INF), (-2.0, 0.5, NAN), (0.0, -2.0, INF), (-2.0, 2.0, 4.0), (2.0, 1024.0, INF)],
)
def test_powers_at_their_edges(x, y, value):
    """Fault 26: 0**0, 0**-1, (-2)**0.5: a float in both engines, never complex, never an exception."""
    with np.errstate(**SILENT):
        t = leaf(x) ** leaf(y)
        v = Value(x) ** Value(y)
        w = Value(x) ** y
        for found in (t.data, v.data, w.data):
            np.testing.assert_array_equal(found, value)
        assert type(v.data) is float
        for result in (t, v, w):
            result.backward()


def test_logarithm_and_root_of_zero():
    """Fault 26: log(0) = -inf and sqrt(0) = 0, both with an infinite slope."""
    for f, value in ((TABLE["log"], -INF), (TABLE["sqrt"], 0.0)):
        with np.errstate(**SILENT):
            for x in (leaf(0.0), Value(0.0)):
                y = f(x)
                y.backward()
                assert (float(y.data), float(x.grad)) == (value, INF)


def test_ties():
    """Fault 27: ties share the gradient, also many in float16 and float32, and along several axes."""
    for dtype in (np.float16, np.float32, np.float64):
        x = leaf(np.ones(70_000 if dtype != np.float16 else 4_096), dtype)
        x.max().backward()
        np.testing.assert_allclose(x.grad.astype(float).sum(), 1.0, rtol=1e-3)
        assert (x.grad == x.grad[0]).all()
        assert x.grad.dtype == dtype
    (gradient,) = slope(lambda t: t.min(axis=(0, 2)), np.zeros((2, 2, 3)))
    np.testing.assert_allclose(gradient, 1 / 6, rtol=1e-15)
    (gradient,) = slope(lambda t: np.maximum(t, t), [2.0])
    assert gradient.tolist() == [1.0]


def test_kinks_are_the_same_for_every_way_to_write_them():
    """Fault 28: relu has 0, clip has 1, maximum shares; nothing depends on the engine."""
    for f, wanted in (
        (lambda t: t.relu(), 0.0),
        (lambda t: abs(t), 0.0),
        (lambda t: t.sign(), 0.0),
        (lambda t: t.clip(0.0), 1.0),
        (lambda t: t.clip(None, 0.0), 1.0),
        (lambda t: t.maximum(0.0), 0.5),
        (lambda t: t.minimum(0.0), 0.5),
        (lambda t: t**0, 0.0),
    ):
        for x in (leaf(0.0), leaf(-0.0), Value(0.0), Value(-0.0), leaf(0.0, np.float32)):
            f(x).backward()
            assert float(x.grad) == wanted


def test_float32_overflows_to_infinity():
    """Fault 29: float32 overflows to inf as NumPy does, and what can be computed without overflow is."""
    x = leaf([100.0, 1.0], np.float32)
    with np.errstate(**SILENT):
        assert x.exp().tolist()[0] == INF
        assert (x.exp() * 0 + 1).dtype == np.float32
    for f in (lambda t: t.softmax(), lambda t: t.logsumexp(), lambda t: t.softplus(), lambda t: t.sigmoid()):
        y = f(x * 100)
        assert y.dtype == np.float32
        assert np.isfinite(y.data).all()
        y.backward(np.ones_like(y.data))
        assert np.isfinite(x.grad).all()
    (gradient,) = slope(lambda t: t.logsumexp(), leaf([1e4, 1e4], np.float32))
    assert gradient.tolist() == [0.5, 0.5]


@pytest.mark.parametrize("data", [[1, 2], [True, False], np.array([1, 2], np.uint8)], ids=repr)
def test_whole_numbers_compute_without_gradient(data):
    """Fault 30: integers and booleans compute as in NumPy and refuse to require a gradient."""
    t = Tensor(data)
    assert (t * 2.5).dtype == np.float64
    assert not (t * 2.5).requires_grad
    with pytest.raises(TypeError, match="floating-point"):
        t.requires_grad_()
    with pytest.raises(RuntimeError, match="requires_grad=True"):
        t.sum().backward()
