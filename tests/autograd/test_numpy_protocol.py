"""NumPy and the engines: arrays on the left, NumPy's functions, object arrays of Values, dtypes, refusals."""

import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.oracles import ENGINES, agree, leaves, probe
from tests.helpers.registry.row import SEEDS, generator
from tinygrad_lm import Tensor, Value, no_grad
from tinygrad_lm.autograd import kernels, rules
from tinygrad_lm.autograd.rules import TABLE

OPERATORS = (operator.add, operator.sub, operator.mul, operator.truediv, operator.pow)
COMPARISONS = (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne)
OTHERS = (2, 2.0, True, np.float64(2), np.float32(2), np.int64(2), np.bool_(True), np.array(2.0), np.array(2))
RIGHT = np.array([1.5, 0.5, 2.0])


def objects(x):
    return np.vectorize(Value, otypes=[object])(x) if x.size else np.empty(x.shape, object)


def gradients(values):
    return np.vectorize(lambda v: 0.0 if v.grad is None else v.grad, otypes=[float])(values)


@pytest.mark.parametrize("operate", OPERATORS)
@pytest.mark.parametrize("other", [*OTHERS, [2.0, 3.0, 4.0], np.array([2.0, 3.0, 4.0]), np.array([2, 3, 4])], ids=repr)
def test_numbers_lists_and_arrays_on_either_side(operate, other):
    """An ndarray on the left hands over to the Tensor; nothing becomes an array of objects."""
    for flipped in (False, True):
        t = Tensor(RIGHT, requires_grad=True)
        y = operate(other, t) if flipped else operate(t, other)
        wanted = operate(np.asarray(other), RIGHT) if flipped else operate(RIGHT, np.asarray(other))
        assert isinstance(y, Tensor)
        assert y.requires_grad
        assert y.dtype == np.float64
        np.testing.assert_array_equal(y.data, wanted)
        y.sum().backward()
        twin, constant = leaves([RIGHT])[0], np.broadcast_to(np.asarray(other, float), (3,))
        again = operate(Tensor(constant), twin) if flipped else operate(twin, Tensor(constant))
        again.sum().backward()
        np.testing.assert_allclose(t.grad, twin.grad, rtol=1e-14)


@pytest.mark.parametrize("operate", OPERATORS)
@pytest.mark.parametrize("other", OTHERS, ids=repr)
def test_numbers_on_either_side_of_a_value(operate, other):
    for flipped in (False, True):
        v, w = Value(1.5), Value(float(other))
        y = operate(other, v) if flipped else operate(v, other)
        assert type(y) is Value
        y.backward()
        again = operate(w, v_twin := Value(1.5)) if flipped else operate(v_twin := Value(1.5), w)
        again.backward()
        np.testing.assert_allclose((y.data, v.grad), (again.data, v_twin.grad), rtol=1e-15)


@pytest.mark.parametrize("compare", COMPARISONS)
def test_comparisons_on_either_side(compare):
    for left, right in ((Tensor(RIGHT), 1.5), (1.5, Tensor(RIGHT)), (np.full(3, 1.5), Tensor(RIGHT))):
        found = compare(left, right)
        plain = [x.data if isinstance(x, Tensor) else x for x in (left, right)]
        assert isinstance(found, Tensor)
        np.testing.assert_array_equal(found.data, compare(*plain))
    assert compare(np.float64(1.5), Value(1.5)) == compare(1.5, 1.5)
    assert compare(2.5, Value(1.5)) == compare(2.5, 1.5)


def test_matrix_products_with_an_array_on_the_left():
    a, t = np.arange(6.0).reshape(2, 3), Tensor(RIGHT, requires_grad=True)
    y = a @ t
    y.backward([1.0, -2.0])
    np.testing.assert_array_equal(t.grad, a.T @ [1.0, -2.0])
    z = [[1.0, 2.0, 3.0]] @ t
    assert z.shape == (1,)


@pytest.mark.parametrize("operate", [operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ipow])
def test_writing_a_result_into_an_array_is_refused(operate):
    """``a += t`` would lose the gradient; the message says what to write."""
    for node in (Tensor(RIGHT, requires_grad=True), Value(1.0)):
        array = np.ones(3)
        with pytest.raises(TypeError, match=r"'a = a \+ t'"):
            operate(array, node)
        np.testing.assert_array_equal(array, np.ones(3))
        with pytest.raises(TypeError, match="out=a"):
            np.add(1.0, node, out=array)
    t = Tensor(RIGHT, requires_grad=True) * 1.0
    before = t
    t = operate(t, 2.0)
    assert t is not before
    assert before.data is not t.data
    np.testing.assert_array_equal(before.data, RIGHT)


@pytest.mark.parametrize(
    "call",
    [
        lambda t: np.fft.fft(t),
        lambda t: np.linalg.inv(t),
        lambda t: np.partition(t, 1),
        lambda t: np.median(t),
        lambda t: np.convolve(t, t),
        lambda t: np.unique(t),
        lambda t: np.percentile(t, 50),
        lambda t: np.add(t, t, where=np.ones(3, bool)),
        lambda t: np.add(t, t, dtype=np.float32),
        lambda t: np.multiply.outer(t, t),
        lambda t: np.add.at(t, [0], 1.0),
        lambda t: np.subtract.reduce(t),
        lambda t: np.arcsin(t),
        lambda t: np.hypot(t, t),
        lambda t: np.mod(t, 2.0),
        lambda t: np.sum(t, where=np.ones(3, bool)),
        lambda t: np.sum(t, dtype=np.float32),
        lambda t: np.sum(t, initial=1.0),
        lambda t: np.mean(t, out=np.zeros(())),
        lambda t: np.concatenate([t, t], dtype=np.float32),
        lambda t: np.reshape(t, (3,), order="F"),
        lambda t: np.pad(t, 1, mode="reflect"),
        lambda t: np.add.reduce(t, initial=1.0),
        lambda t: np.add.reduce(t, out=np.zeros(())),
        lambda t: np.matmul(t, t, out=np.zeros(())),
        lambda t: t // 2,
        lambda t: t % 2,
        lambda t: divmod(t, 2),
        lambda t: t << 1,
    ],
)
def test_functions_without_a_derivative_are_refused(call):
    """Never a plain result, never an array of objects: a TypeError, that says what to do or what was not understood."""
    t = Tensor(RIGHT, requires_grad=True)
    with pytest.raises(TypeError) as caught:
        call(t)
    assert any(word in str(caught.value) for word in ("x.data", "unexpected", "mode=", "out", "unsupported operand"))
    v = Value(1.0)
    with pytest.raises(TypeError, match=r"x\.data"):
        np.arcsin(v)


FLOATS = (np.float32, np.float64)
KINDS = (np.float32, np.float64, np.float16, np.int8, np.int64, np.uint8, np.bool_)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("other", KINDS)
@pytest.mark.parametrize("shape", [(), (3,)], ids=str)
def test_dtypes_follow_numpy(dtype, other, shape):
    """NEP 50: arrays and NumPy scalars promote, Python numbers adapt; gradients keep each leaf's dtype."""
    plain = np.ones(shape, other)
    for operate in (operator.add, operator.mul, operator.truediv, np.maximum):
        x = Tensor(RIGHT, requires_grad=True, dtype=dtype)
        y = operate(x, plain)
        assert y.dtype == operate(x.data, plain).dtype
        y.sum().backward()
        assert x.grad.dtype == dtype
        if np.dtype(other).kind == "f":
            w = Tensor(plain, requires_grad=True)
            operate(x, w).sum().backward()
            assert w.grad.dtype == other
            assert w.grad.shape == shape


@pytest.mark.parametrize("dtype", FLOATS)
def test_python_numbers_adapt(dtype):
    x = Tensor(RIGHT, requires_grad=True, dtype=dtype)
    for y in (x + 1, 2.0 * x, x**2, x / 3, x - True, np.maximum(x, 0), x.clip(0.6, 1.6), np.where(x > 1, x, 0.5)):
        assert y.dtype == dtype
        y.sum().backward()
        assert x.grad.dtype == dtype
    for name, rule in TABLE.items():
        operands = [x] * (len(rule.derivatives))
        assert rule(*operands).dtype == dtype, name


def test_integers_carry_no_gradient():
    for data in (1, [1, 2], True, np.array([1], np.uint8)):
        with pytest.raises(TypeError, match="floating-point"):
            Tensor(data, requires_grad=True)
    ints = Tensor([1, 2, 3])
    assert (ints + 1).dtype == np.int64
    assert (ints / 2).dtype == np.float64
    x = Tensor(RIGHT, requires_grad=True)
    (x * ints).sum().backward()
    assert x.grad.tolist() == [1.0, 2.0, 3.0]
    assert not x.astype(int).requires_grad
    assert not (x > 1).requires_grad


@pytest.mark.parametrize(
    "data",
    ["text", ["a"], 1j, [1j], None, object(), [[1.0], [1.0, 2.0]], np.array([1j]), np.array([None]), {1.0}, {"a": 1.0}],
    ids=lambda data: type(data).__name__,
)
def test_what_is_no_real_number_is_refused(data):
    """Fault 30: text, complex numbers, objects, ragged lists."""
    with pytest.raises((TypeError, ValueError)):
        Tensor(data)
    with pytest.raises(TypeError):
        Value(data)


def test_nodes_in_the_wrong_place_are_refused():
    t, v = Tensor(RIGHT, requires_grad=True), Value(1.0)
    with pytest.raises(TypeError, match=r"np\.stack"):
        Tensor([t, t])
    with pytest.raises(TypeError, match="scalar engine"):
        Tensor(v)
    with pytest.raises(TypeError, match="Value already"):
        Value(v)
    with pytest.raises(TypeError, match="two engines"):
        t + v
    with pytest.raises(TypeError):
        v + t
    with pytest.raises(TypeError):
        v * Tensor([1.0, 2.0])
    for mixed in (
        lambda: np.where(Tensor(True), v, 2.0),
        lambda: np.where(Tensor([True, False]), v, np.ones(2)),
        lambda: np.concatenate([np.atleast_1d(t), [v]]),
        lambda: np.stack([v, t]),
    ):
        with pytest.raises(TypeError, match=r"Value|object"):
            mixed()
    for lossy in (lambda: np.array(t), lambda: np.asarray([t, t]), lambda: float(np.asarray(t).sum())):
        with pytest.raises(RuntimeError, match="detach"):
            lossy()


def layer(x, w, b):
    return np.tanh(x @ w.T + b)


@given(SEEDS, st.integers(1, 3), st.integers(1, 3), st.integers(1, 2))
def test_one_model_on_two_engines(seed, width, outputs, rows):
    """The same NumPy code on Tensors and on object arrays of Values: values and gradients agree."""
    rng = generator(seed)
    arrays = [rng.normal(size=s) for s in ((rows, width), (outputs, width), (outputs,))]
    tensors, values = leaves(arrays), [objects(x) for x in arrays]
    y, z = layer(*tensors), layer(*values)
    v = probe(y.shape, seed)
    y.backward(v)
    total = (z * v).sum()
    total.backward()
    agree(np.vectorize(float)(z), y.data, "values", **ENGINES)
    for t, w in zip(tensors, values, strict=True):
        agree(gradients(w), t.grad, "gradients", **ENGINES)


@given(SEEDS)
def test_ufuncs_on_arrays_of_values(seed):
    """NumPy calls each element's own method; binary ufuncs and operators broadcast."""
    rng = generator(seed)
    x = rng.uniform(0.3, 2, (2, 3))
    for ufunc, rule in rules.UFUNCS.items():
        if ufunc in (np.float_power, np.sign, np.logaddexp):
            continue
        arrays = [x, rng.uniform(0.3, 2, 3)][: ufunc.nin]
        tensors, values = leaves(arrays), [objects(a) for a in arrays]
        y = ufunc(*tensors)
        try:
            z = ufunc(*values)
        except TypeError:
            z = rule(*values)
        v = probe(y.shape, seed)
        y.backward(v)
        (z * v).sum().backward()
        for t, w in zip(tensors, values, strict=True):
            agree(gradients(w), t.grad, ufunc.__name__, **ENGINES)


@pytest.mark.parametrize("name", TABLE)
def test_rules_on_plain_numbers_and_arrays(name):
    """Without a node among its operands a rule computes, on numbers, arrays and arrays of objects."""
    rule = TABLE[name]
    numbers = (0.7, 0.4, 0.9)[: len(rule.derivatives)]
    wanted = float(rule(*map(Tensor, numbers)).data)
    assert float(rule(*numbers)) == pytest.approx(wanted, rel=1e-14)
    arrays = [np.full(2, x) for x in numbers]
    np.testing.assert_allclose(rule(*arrays), [wanted] * 2, rtol=1e-14)
    scalars = rule(*map(objects, arrays))
    np.testing.assert_allclose(np.vectorize(float)(scalars), [wanted] * 2, rtol=1e-14)
    with no_grad():
        assert float(rule(*map(Value, numbers)).data) == pytest.approx(wanted, rel=1e-14)


@given(SEEDS)
def test_kernels_on_arrays_of_values(seed):
    """Fused kernels run their references on object arrays, with the tensors' gradients."""
    rng = generator(seed)
    calls = (
        (kernels.linear, [rng.normal(size=s) for s in ((2, 3), (2, 3), (2,))], {}),
        (kernels.embedding, [rng.normal(size=(3, 2))], {"ids": np.array([0, 2, 2])}),
        (kernels.cross_entropy, [rng.normal(size=(2, 3))], {"targets": np.array([0, 2])}),
        (kernels.layer_norm, [rng.normal(size=s) for s in ((2, 3), (3,), (3,))], {"eps": 1e-5}),
        (kernels.prod, [rng.normal(size=(2, 3))], {"axis": 1}),
    )
    for kernel, arrays, attributes in calls:
        tensors, values = leaves(arrays), [objects(x) for x in arrays]
        y, z = kernel(*tensors, **attributes), kernel(*values, **attributes)
        v = probe(y.shape, seed)
        y.backward(v)
        total = (z * v).sum() if isinstance(z, np.ndarray) else z * float(v)
        total.backward()
        for t, w in zip(tensors, values, strict=True):
            agree(gradients(w), t.grad, kernel.name, **ENGINES)


def test_a_mask_or_an_index_may_be_a_tensor():
    x = Tensor(RIGHT, requires_grad=True)
    (np.where(x > 1, x, 0.0) + x.masked_fill(x > 1, 0.0)).backward([1.0, 2.0, 3.0])
    assert x.grad.tolist() == [1.0, 2.0, 3.0]
    x.zero_grad()
    x[x.argmax()].backward()
    x[x > 1].sum().backward()
    x[x.detach().data.argsort()[Tensor([0, 0])]].sum().backward()
    assert x.grad.tolist() == [1.0, 2.0, 2.0]
    with pytest.raises((TypeError, IndexError)):
        x[Tensor([0.0, 1.0])]


def test_numpy_float_scalars_on_the_left_keep_the_engine():
    t, v = Tensor(RIGHT, requires_grad=True), Value(2.0)
    for scalar in (np.float64(3), np.float32(3), np.int32(3)):
        assert isinstance(scalar * t, Tensor)
        assert isinstance(scalar - v, Value)
        assert isinstance(scalar**v, Value)
    assert type(np.array([1.0, 2.0]) * v) is np.ndarray
    assert (np.array([1.0, 2.0]) * v).dtype == object


@pytest.mark.parametrize("other", [np.float32, np.float16, np.int8, np.uint8, np.int64, np.bool_])
@pytest.mark.parametrize("operate", [operator.mul, operator.truediv, operator.pow, np.logaddexp, np.maximum])
def test_gradients_are_exact_beside_a_coarser_dtype(operate, other):
    """The derivative is computed in the result's dtype: 1 / y of an int8 array would be a float16."""
    for dtype, tolerance in ((np.float64, 1e-14), (np.float32, 1e-6)):
        for plain in (np.array([1, 1, 1], other), np.array([0, 1, 1], other), np.array([1, 1, 3], other)):
            for flipped in (False, True):
                if (
                    operate in (operator.truediv, operator.pow)
                    and not plain.all()
                    and (flipped or operate != operator.pow)
                ):
                    continue
                t = Tensor(RIGHT * 100, requires_grad=True, dtype=dtype)
                if flipped and operate is operator.pow:
                    t = Tensor(RIGHT, requires_grad=True, dtype=dtype)
                exact = Tensor(t.data.astype(float), requires_grad=True)
                y = operate(plain, t) if flipped else operate(t, plain)
                wide = plain.astype(float)
                z = operate(wide, exact) if flipped else operate(exact, wide)
                if y.dtype != dtype or not np.isfinite(y.data).all():
                    continue
                y.sum().backward()
                z.sum().backward()
                agree(t.grad, exact.grad.astype(dtype), f"{operate} {flipped}", rtol=tolerance, atol=tolerance)
