"""Public members of the engines that are no differentiable operation: a check of each, by name."""

import copy
import pickle

import numpy as np
import pytest

from tests.helpers.registry import torch_members
from tinygrad_lm import Tensor, Value, no_grad
from tinygrad_lm.autograd import rules

X = np.array([[1.5, -2.0, 0.0], [0.25, 3.0, -2.0]])


def tensor(data=X):
    return Tensor(data, requires_grad=True, label="x")


def is_plain(actual, expected):
    """A tensor without gradient, of exactly NumPy's numbers and dtype."""
    assert isinstance(actual, Tensor)
    assert not actual.requires_grad
    assert actual.dtype == np.asarray(expected).dtype
    np.testing.assert_array_equal(actual.data, expected)


def compare(name):
    """A comparison with a number, an array on either side, and another tensor."""

    def check():
        method, scalar = (getattr(x, name) for x in (tensor(), Value(1.5)))
        wanted = getattr(X, name)(0.25)
        is_plain(method(0.25), wanted)
        is_plain(method(np.full(3, 0.25)), wanted)
        is_plain(method(tensor(0.25)), wanted)
        for other in (1.5, 2.0, 1.0):
            assert scalar(other) is scalar(Value(other)) is getattr(1.5, name)(other)

    return check


def reduces(name, numpy):
    """A reduction without gradient, in NumPy's words."""

    def check():
        for axis in (None, 0, -1):
            for keepdims in (False, True):
                wanted = numpy(X, axis=axis, keepdims=keepdims)
                is_plain(getattr(tensor(), name)(axis, keepdims), wanted)
                is_plain(numpy(tensor(), axis=axis, keepdims=keepdims), wanted)
        with pytest.raises(np.exceptions.AxisError):
            getattr(tensor(), name)(2)

    return check


def logic(name):
    def check():
        left, right = np.array([True, False, True]), np.array([True, True, False])
        is_plain(getattr(Tensor(left), name)(right), getattr(left, name)(right))

    return check


def data_and_shape():
    x = tensor()
    assert (x.shape, x.ndim, x.size, x.dtype, len(x)) == ((2, 3), 2, 6, np.float64, 2)
    assert type(x.data) is np.ndarray
    assert x.label == "x"
    assert x.requires_grad
    assert x.is_leaf
    assert (x.op, x.operation, x.parents, x.attributes, x.scope, x.grad) == ("", None, (), {}, None, None)
    y = x.sum(axis=1)
    assert (y.op, y.parents, y.is_leaf) == ("sum", (x,), False)
    assert y.operation.name == "sum"
    assert y.attributes["axis"] == 1
    v = Value(2.0, label="v")
    w = v * v
    assert (v.op, v.parents, v.is_leaf, v.label, v.scope) == ("", (), True, "v", None)
    assert w.op == "mul"
    assert w.operation is rules.mul
    assert w.parents[0] is w.parents[1] is v
    assert type(w.data) is float
    with pytest.raises(TypeError, match="no length"):
        len(Tensor(1.0))
    with pytest.raises(ValueError, match="another shape"):
        x.data = np.ones(3)


def numbers_out():
    x = tensor([2.5])
    assert (x.item(), float(x), int(x), f"{x:.2f}") == (2.5, 2.5, 2, "2.50")
    assert type(x.item()) is float
    assert tensor().tolist() == X.tolist()
    v = Value(2.5)
    assert (v.item(), float(v), int(v), f"{v:.2f}") == (2.5, 2.5, 2, "2.50")
    with pytest.raises(ValueError):
        tensor().item()
    assert [10, 20, 30][Tensor(1)] == 20
    with pytest.raises(TypeError):
        [1][Tensor(1.0)]


def truth():
    assert bool(tensor([1.0])) is True
    assert bool(Value(0.0)) is False
    with pytest.raises(ValueError, match="ambiguous"):
        bool(tensor())


def arrays_out():
    with pytest.raises(RuntimeError, match="detach"):
        np.asarray(tensor())
    with pytest.raises(RuntimeError, match="detach"):
        tensor().numpy()
    x = Tensor(X)
    assert x.numpy() is not None
    np.testing.assert_array_equal(np.asarray(x, dtype=np.float32), X.astype(np.float32))


def iterates():
    rows = list(tensor())
    assert [row.tolist() for row in rows] == X.tolist()
    assert all(row.requires_grad for row in rows)
    with pytest.raises(TypeError):
        iter(Tensor(1.0)).__next__()


def detaches():
    x = tensor()
    plain = x.detach()
    np.testing.assert_array_equal(plain.data, x.data)
    assert not np.shares_memory(plain.data, x.data)
    assert plain.is_leaf
    assert not plain.requires_grad
    v = Value(3.0, label="v").detach()
    assert (v.data, v.label, v.requires_grad) == (3.0, "v", False)


def switches():
    x = Tensor(X)
    assert x.requires_grad_() is x
    assert x.requires_grad
    assert not x.requires_grad_(False).requires_grad
    with pytest.raises(TypeError, match="floating-point"):
        Tensor([1]).requires_grad_()
    with pytest.raises(RuntimeError, match="detach"):
        tensor().exp().requires_grad_(False)
    x, v = tensor(), Value(1.0)
    x.sum().backward()
    v.backward()
    x.zero_grad()
    v.zero_grad()
    assert x.grad is v.grad is None


def assigns():
    x = Tensor(X)
    x[0] = 5.0
    assert x.tolist()[0] == [5.0] * 3
    assert X[0, 0] == 1.5
    with pytest.raises(RuntimeError, match=r"np\.where"):
        tensor()[0] = 1.0
    y = tensor()
    with no_grad():
        y[0, 1] = 9.0
    assert y.data[0, 1] == 9.0


def copies():
    for leaf in (tensor(), Value(2.0, label="v")):
        twin = copy.deepcopy(leaf)
        assert type(twin) is type(leaf)
        assert twin is not leaf
        assert twin.label == leaf.label
        assert twin.requires_grad
        assert twin.grad is None
        np.testing.assert_array_equal(twin.data, leaf.data)
        with pytest.raises(RuntimeError, match="detach"):
            copy.deepcopy(leaf * leaf)
        for node in (leaf, leaf * leaf):
            with pytest.raises(TypeError, match="not pickled"):
                pickle.dumps(node)
    x = tensor()
    assert not np.shares_memory(copy.deepcopy(x).data, x.data)


def shown():
    assert repr(tensor([1.0, 2.0])) == "Tensor([1., 2.], requires_grad=True, label='x')"
    assert "op='exp'" in repr(tensor().exp())
    assert "dtype=float32" in repr(Tensor(X, dtype=np.float32))
    assert repr(Value(2.0, label="a")) == "Value(data=2.0, grad=None, label='a')"
    assert f"{Value(2.0)}" == repr(Value(2.0))


def hashed():
    x, v = tensor(), Value(1.0)
    assert len({x, tensor(), x, v, Value(1.0), v}) == 4


def sums_and_dots():
    rng = np.random.default_rng(5)
    for n in (1, 2, 5):
        x, w = rng.normal(size=n), rng.normal(size=n)
        xs, ws = [Value(a) for a in x], [Value(a) for a in w]
        total, product = Value.sum([*xs, 2.0]), Value.dot(ws, xs)
        np.testing.assert_allclose([total.data, product.data], [x.sum() + 2, w @ x], rtol=1e-12, atol=1e-12)
        (3 * total + product * product).backward()
        np.testing.assert_allclose([v.grad for v in xs], 3 + 2 * (w @ x) * w, rtol=1e-12)
        np.testing.assert_allclose([v.grad for v in ws], 2 * (w @ x) * x, rtol=1e-12)
    a = Value(3.0)
    both = Value.dot([a, a], [a, 1.0])
    both.backward()
    assert (both.data, a.grad) == (12.0, 7.0)
    assert both.parents[:3] == (a, a, a)
    assert Value.sum([1.0, 2.0]).data == 3.0
    assert Value.sum([]).data == 0.0
    twice = Value.sum([a, a])
    a.zero_grad()
    twice.backward()
    assert a.grad == 2.0
    with pytest.raises(ValueError, match="2 weights and 1 inputs"):
        Value.dot([a, a], [a])


def local_derivatives():
    a, b = Value(3.0), Value(4.0)
    assert (a * b).local_derivatives() == [4.0, 3.0]
    assert (a - b).local_derivatives() == [1, -1]
    assert (a - 1.0).local_derivatives() == [1, None]
    assert a.local_derivatives() == []


def goes_back():
    x, v = tensor(), Value(1.0)
    (x * 2.0).backward(np.ones((2, 3)))
    np.testing.assert_array_equal(x.grad, np.full((2, 3), 2.0))
    (v * 3.0).backward()
    assert v.grad == 3.0


def protocols():
    is_plain(np.isfinite(tensor()), np.isfinite(X))
    is_plain(np.floor(tensor()), np.floor(X))
    assert np.isfinite(Value(1.0)) == np.True_
    assert np.shape(tensor()) == (2, 3)


def steps_in_place():
    for make in (tensor, lambda: Value(3.0)):
        x = leaf = make()
        before = np.array(x.data)
        with no_grad():
            x += 2.0
            x -= 1.0
            x *= 3.0
            x /= 2.0
            x **= 1
        assert x is leaf
        assert x.is_leaf
        np.testing.assert_allclose(x.data, (before + 1.0) * 1.5)
    w = tensor()
    with pytest.raises(RuntimeError, match=r"no_grad\(\), or write w\.data -= "):
        w -= 1.0
    total = Value(0.0)
    total += Value(2.0) * 3
    assert total.op == "add"
    y = tensor() * 2
    y += 1
    assert y.op == "add"


def steps_by_a_product():
    x = leaf = tensor()
    with pytest.raises(RuntimeError, match="learns"):
        x @= np.eye(3)
    with no_grad():
        x @= 2 * np.eye(3)
    assert x is leaf
    np.testing.assert_array_equal(x.data, 2 * X)


TENSOR_CHECKS = {
    **dict.fromkeys(("__iadd__", "__isub__", "__imul__", "__itruediv__", "__ipow__"), steps_in_place),
    "__imatmul__": steps_by_a_product,
    **{name: compare(name) for name in ("__lt__", "__le__", "__gt__", "__ge__", "__eq__", "__ne__")},
    **{name: reduces(name, getattr(np, name)) for name in ("argmax", "argmin", "all", "any")},
    **{name: logic(name) for name in ("__and__", "__or__", "__rand__", "__ror__")},
    "__invert__": lambda: is_plain(~Tensor([True, False]), [False, True]),
    **dict.fromkeys(("__array_function__", "__array_ufunc__"), protocols),
    **dict.fromkeys(("__bool__",), truth),
    **dict.fromkeys(("__array__", "numpy"), arrays_out),
    **dict.fromkeys(("__float__", "__format__", "__int__", "__index__", "item", "tolist"), numbers_out),
    **dict.fromkeys(("__deepcopy__", "__reduce__"), copies),
    **dict.fromkeys(("__hash__",), hashed),
    **dict.fromkeys(("__iter__",), iterates),
    **dict.fromkeys(("__repr__",), shown),
    **dict.fromkeys(("__setitem__",), assigns),
    **dict.fromkeys(("__len__", "attributes", "data", "dtype", "grad", "is_leaf", "label", "ndim"), data_and_shape),
    **dict.fromkeys(("op", "operation", "parents", "requires_grad", "scope", "shape", "size"), data_and_shape),
    "backward": goes_back,
    **dict.fromkeys(("requires_grad_", "zero_grad"), switches),
    **torch_members.CHECKS,
    "detach": detaches,
}
VALUE_CHECKS = {
    **{name: check for name, check in TENSOR_CHECKS.items() if name in dir(Value)},
    "sum": sums_and_dots,
    "dot": sums_and_dots,
    "local_derivatives": local_derivatives,
}
CHECKS = {f"Tensor.{n}": c for n, c in TENSOR_CHECKS.items()} | {f"Value.{n}": c for n, c in VALUE_CHECKS.items()}
