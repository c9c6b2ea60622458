"""PyTorch's words that are another word here: each gives the same numbers and the same gradients, by name."""

import json
import operator

import numpy as np
import pytest

from tests.helpers.oracles import probe
from tinygrad_lm import Tensor

X = np.array([[1.5, -2.0, 0.25], [0.5, 3.0, -1.0]])
Y = np.array([[0.5, 1.0, -2.0], [4.0, 0.25, 2.0]])


def leaf(data=X):
    return Tensor(data, requires_grad=True)


def eighths(shape, seed):
    """Numbers whose products add up exactly, in whatever order a kernel adds them."""
    return np.round(8 * probe(shape, seed)) / 8


def same(word, plain, *shapes):
    """A word beside what it means: the numbers and the gradients of all operands."""
    arrays = [eighths(shape, i) for i, shape in enumerate(shapes)] if shapes else [X, Y]
    found, wanted = ([leaf(a) for a in arrays] for _ in range(2))
    out, expected = word(*found), plain(*wanted)
    np.testing.assert_array_equal(out.data, expected.data)
    v = eighths(out.shape, 9)
    out.backward(v)
    expected.backward(v)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a.grad, b.grad)


def check(word, plain, *shapes):
    return lambda: same(word, plain, *shapes)


def compares(name):
    def run():
        out = getattr(leaf(), name)(Y)
        assert not out.requires_grad
        np.testing.assert_array_equal(out.data, getattr(operator, name)(X, Y))

    return run


def casts(name, dtype):
    def run():
        x = leaf()
        y = getattr(x, name)()
        assert y.dtype == dtype
        np.testing.assert_array_equal(y.data, X.astype(dtype))
        assert y.requires_grad == (np.dtype(dtype).kind == "f")
        if y.requires_grad:
            y.sum().backward()
            assert x.grad.dtype == np.float64
            np.testing.assert_array_equal(x.grad, np.ones_like(X))

    return run


def products():
    same(lambda x, y: x.mm(y), lambda x, y: x @ y, (2, 3), (3, 4))
    same(lambda x, y: x.bmm(y), lambda x, y: x @ y, (2, 2, 3), (2, 3, 1))
    same(lambda x, y: x.mv(y), lambda x, y: x @ y, (2, 3), (3,))
    same(lambda x, y: x.dot(y), lambda x, y: (x * y).sum(), (3,), (3,))
    same(lambda x, y: x.dot(y), lambda x, y: x @ y, (2, 3), (3, 4))
    for word, other in (("mm", np.ones(3)), ("bmm", np.ones((3, 2))), ("mv", np.ones((3, 2)))):
        with pytest.raises(ValueError, match="x @ y takes any"):
            getattr(leaf(), word)(other)


def counts():
    x = leaf()
    assert (x.numel(), x.dim(), x.size) == (6, 2, 6)
    assert isinstance(x.size, int)
    assert json.dumps({"size": x.size}) == '{"size": 6}'
    assert (x.size + 1, 2 * x.size, f"{x.size:3d}", repr(x.size), len("a" * x.size)) == (7, 12, "  6", "6", 6)
    for call, words in ((lambda: x.size(), "write x.shape;"), (lambda: x.size(1), "write x.shape[1]")):
        with pytest.raises(TypeError) as caught:
            call()
        assert words in str(caught.value)
        assert "x.numel()" in str(caught.value)


def parts():
    for n in (1, 2, 3, 5):
        x = leaf()
        pieces = x.chunk(n, dim=1)
        assert isinstance(pieces, tuple)
        assert [p.shape[1] for p in pieces] == {1: [3], 2: [2, 1], 3: [1, 1, 1], 5: [1, 1, 1]}[n]
        np.testing.assert_array_equal(np.concatenate(pieces, 1).data, X)
    with pytest.raises(ValueError, match="at least 1"):
        leaf().chunk(0)
    same(lambda x: x.unbind(1)[2], lambda x: x[:, 2], (2, 3))
    assert [row.tolist() for row in leaf().unbind()] == X.tolist()


def selections():
    same(lambda x: x.index_select(1, [2, 0, 2]), lambda x: x[:, [2, 0, 2]], (2, 3))
    same(lambda x: x.index_select(0, Tensor(1)), lambda x: x[1:], (2, 3))
    with pytest.raises(IndexError, match="outside 0 to 2"):
        leaf().index_select(1, [-1])
    index = np.array([[0, 2]])
    x = leaf()
    out = x.gather(1, index)
    index[:] = 1
    out.sum().backward()
    assert x.grad.tolist() == [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]


def orders():
    ties = Tensor([[2.0, 1.0, 2.0, np.nan]])
    assert ties.argsort().tolist() == [[1, 0, 2, 3]]
    assert ties.argsort(descending=True).tolist() == [[3, 0, 2, 1]]
    assert ties.argsort(dim=0).tolist() == [[0, 0, 0, 0]]
    assert Tensor(np.array([0, 255, 7], np.uint8)).argsort(descending=True).tolist() == [1, 2, 0]
    pair = ties.sort(descending=True)
    assert pair.indices.tolist() == [[3, 0, 2, 1]]
    values, indices = leaf().topk(2)
    assert (values.tolist(), indices.tolist()) == ([[1.5, 0.25], [3.0, 0.5]], [[0, 2], [1, 0]])
    assert leaf().topk(1, largest=False).values.tolist() == [[-2.0], [-1.0]]
    with pytest.raises(TypeError, match="once"):
        leaf().argsort(0, dim=1)


def same_object():
    x = leaf()
    assert x.contiguous() is x


def turned():
    same(lambda x: x.t(), lambda x: x.swapaxes(0, 1), (2, 3))
    same(lambda x: x.t(), lambda x: x * 1, (3,))


CHECKS = {
    **{name: compares(name) for name in ("eq", "ne", "lt", "le", "gt", "ge")},
    "bool": casts("bool", np.bool_),
    "double": casts("double", np.float64),
    "float": casts("float", np.float32),
    "half": casts("half", np.float16),
    "int": casts("int", np.int32),
    "long": casts("long", np.int64),
    "add": check(lambda x, y: x.add(y) + x.add(y, alpha=3), lambda x, y: (x + y) + (x + 3 * y)),
    "sub": check(lambda x, y: x.sub(y) + x.sub(y, alpha=3), lambda x, y: (x - y) + (x - 3 * y)),
    "mul": check(lambda x, y: x.mul(y), lambda x, y: x * y),
    "div": check(lambda x, y: x.div(y), lambda x, y: x / y),
    "neg": check(lambda x: x.neg(), lambda x: -x, (2, 3)),
    "pow": check(lambda x: x.pow(3), lambda x: x**3, (2, 3)),
    "clamp": check(lambda x: x.clamp(-0.5, max=0.5), lambda x: np.clip(x, -0.5, 0.5), (2, 3)),
    **dict.fromkeys(("mm", "bmm", "mv", "dot"), products),
    **dict.fromkeys(("numel", "dim", "size"), counts),
    **dict.fromkeys(("chunk", "unbind"), parts),
    "index_select": selections,
    "argsort": orders,
    "contiguous": same_object,
    "t": turned,
}
