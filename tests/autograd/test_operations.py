"""Every registry row, checked against its reference: values, gradients of first and second order, memory, dtypes."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings

from tests.helpers.oracles import (
    ENGINES,
    EXACT,
    NUMERIC,
    agree,
    central_differences,
    complex_step,
    directional,
    layouts,
    leaves,
    probe,
    same,
)
from tests.helpers.registry import BY_NAME, ROWS, Case, examples
from tests.helpers.registry.row import SEEDS
from tinygrad_lm import Tensor, Value, grad, no_grad
from tinygrad_lm.autograd.graph import Operation, topological_order
from tinygrad_lm.autograd.tensor import from_array
from tinygrad_lm.testing.selfcheck.samples import TABLE

QUIET = {"divide": "ignore", "invalid": "ignore", "over": "ignore"}
every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
scalar_rows = pytest.mark.parametrize("row", [row for row in ROWS if row.scalar], ids=lambda row: row.name)


def on_cases(row, check, count=None):
    """Run a check on drawn cases of a row, each with a seed for its probes."""

    @settings(max_examples=count or row.examples)
    @given(row.cases, SEEDS)
    def run(case, seed):
        check(case, seed)

    run()


def result(row, inputs, attributes, call=None):
    with np.errstate(**QUIET):
        return (call or row.call)(*inputs, **attributes)


def backward(out, cotangent):
    """``out.backward`` without NumPy's warnings about infinite values, which many cases have on purpose."""
    with np.errstate(**QUIET):
        out.backward(cotangent)


def forward_only(row, attributes):
    """The row as a function of arrays."""

    def function(*arrays):
        return result(row, [Tensor(x) for x in arrays], attributes).data

    return function


def reference(row, attributes):
    return lambda *arrays: row.reference(*arrays, **attributes)


def first_order(row, case, seed):
    """The value and the gradient are the reference's; nothing is shared, changed or counted twice."""
    copies = [x.copy() for x in case.inputs]
    xs = leaves(case.inputs)
    out = result(row, xs, case.attributes)
    expected = reference(row, case.attributes)(*case.inputs)
    agree(out.data, np.real(expected), "value", rtol=1e-12, atol=1e-12)
    assert out.requires_grad, "the graph is lost"
    cotangent = probe(out.shape, seed)
    kept = cotangent.copy()
    backward(out, cotangent)
    for i, (x, wanted) in enumerate(
        zip(xs, complex_step(reference(row, case.attributes), case.inputs, cotangent), strict=True)
    ):
        agree(x.grad, wanted, f"gradient to input {i}", **EXACT)
        assert type(x.grad) is np.ndarray
        assert x.grad.dtype == x.dtype
        assert x.grad.flags.writeable
    arrays = [x.grad for x in xs] + [x.data for x in xs] + [cotangent, out.data]
    for i, j in itertools.product(range(len(xs)), range(len(arrays))):
        assert i == j or not np.shares_memory(arrays[i], arrays[j]), "a gradient shares memory"
    for x, copy in zip(xs, copies, strict=True):
        same(x.data, copy, "an input was changed")
    same(cotangent, kept, "the cotangent was changed")


def own_differences(row, case, seed):
    """The gradient is the central difference of what the engine computes, whatever the reference says."""
    xs = leaves(case.inputs)
    out = result(row, xs, case.attributes)
    v = probe(out.shape, seed)
    backward(out, v)
    numeric = central_differences(forward_only(row, case.attributes), case.inputs, v)
    for i, (x, wanted) in enumerate(zip(xs, numeric, strict=True)):
        agree(x.grad, wanted, f"central difference to input {i}", **NUMERIC)


def repeated_backward(row, case, seed):
    """A second pass doubles the leaves; after zero_grad it gives the same bits; it is linear in the cotangent."""
    xs = leaves(case.inputs)
    out = result(row, xs, case.attributes)
    v, w = probe(out.shape, seed), probe(out.shape, seed + 1)
    backward(out, v)
    first = [x.grad.copy() for x in xs]
    backward(out, v)
    for x, once in zip(xs, first, strict=True):
        same(x.grad, 2 * once, "a second backward pass must double the leaves")
        x.zero_grad()
    backward(out, v)
    for x, once in zip(xs, first, strict=True):
        same(x.grad, once, "the same pass must give the same bits")
        x.zero_grad()
    backward(out, 2 * v + w)
    both = [x.grad.copy() for x in xs]
    for x in xs:
        x.zero_grad()
    backward(out, w)
    for x, once, combined in zip(xs, first, both, strict=True):
        agree(combined, 2 * once + x.grad, "linearity", rtol=1e-12, atol=1e-12)


def second_order(row, case, seed):
    """The gradient of (direction . gradient), to inputs and cotangent, is the reference's."""
    xs = leaves(case.inputs)
    out = result(row, xs, case.attributes)
    v = Tensor(probe(out.shape, seed), requires_grad=True)
    directions = [probe(x.shape, seed + 1 + i) for i, x in enumerate(xs)]
    with np.errstate(**QUIET):
        slopes = grad(out, xs, grad_outputs=v, create_graph=True)
        total = sum((slope * u).sum() for slope, u in zip(slopes, directions, strict=True))
        *curvatures, along = grad(total, [*xs, v])
    f = reference(row, case.attributes)
    wanted = directional(f, case.inputs, directions)
    agree(along.data, wanted, "second order, to the cotangent", **EXACT)

    def slope_along(*arrays):
        return np.sum(v.data * directional(f, arrays, directions))

    for i, (curvature, numeric) in enumerate(
        zip(curvatures, central_differences(slope_along, case.inputs), strict=True)
    ):
        agree(curvature.data, numeric, f"second order, to input {i}", rtol=1e-6, atol=2e-7)


def partly_constant(row, case, seed):
    """Each input alone: the others as plain arrays, as tensors without gradient, and with it."""
    xs = leaves(case.inputs)
    out = result(row, xs, case.attributes)
    v = probe(out.shape, seed)
    backward(out, v)
    for i, x in enumerate(case.inputs):
        for others in (list(case.inputs), [Tensor(y) for y in case.inputs]):
            alone = Tensor(x, requires_grad=True)
            others[i] = alone
            again = result(row, others, case.attributes)
            backward(again, v)
            same(again.data, out.data)
            agree(alone.grad, xs[i].grad, f"gradient to input {i} alone", rtol=1e-12, atol=1e-12)


def without_graph(row, case, seed):
    """Under no_grad, and on inputs that need no gradient: the same bits and no graph."""
    out = result(row, leaves(case.inputs), case.attributes)
    with no_grad():
        quiet = result(row, leaves(case.inputs), case.attributes)
    plain = result(row, [Tensor(x) for x in case.inputs], case.attributes)
    for other in (quiet, plain):
        assert other.is_leaf
        assert row.operations == () or not other.requires_grad
        assert other.dtype == out.dtype
        same(other.data, out.data)


def float32(row, case, seed):
    """float32 in, float32 out and back; the numbers are float64's up to its precision."""
    small = [x.astype(np.float32) for x in case.inputs]
    attributes = {k: np.float32 if k == "dtype" else v for k, v in case.attributes.items()}
    xs, ys = leaves(small), leaves([x.astype(float) for x in small])
    out, exact = result(row, xs, attributes), result(row, ys, case.attributes)
    assert out.dtype == np.float32
    v = probe(out.shape, seed)
    backward(out, v.astype(np.float32))
    backward(exact, v.astype(np.float32))
    for x, y in zip(xs, ys, strict=True):
        assert x.grad.dtype == np.float32
        agree(x.grad, y.grad, "float32 gradient", rtol=2e-5, atol=2e-5 * max(1.0, np.abs(y.grad).max(initial=0)))


def any_layout(row, case, seed):
    """The memory layout of inputs and cotangent changes no number."""
    xs = leaves(case.inputs)
    out = result(row, xs, case.attributes)
    v = probe(out.shape, seed)
    backward(out, v)
    cotangents = {(w.strides, w.flags.writeable): w for _, w in layouts(v)}.values()
    swapped = [x.astype(x.dtype.newbyteorder()) for x in case.inputs]
    versions = [("big-endian", swapped), *((name, None) for name, _ in layouts(np.ones(())))]
    for position, (name, arrays) in enumerate(versions):
        if arrays is None:
            arrays = [list(layouts(x))[position - 1][1] for x in case.inputs]
            copied = leaves(arrays)
            shared = [from_array(x).requires_grad_() for x in arrays]
            both = (copied, shared)
        else:
            both = (leaves(arrays),)
        for ys in both:
            again = result(row, ys, case.attributes)
            agree(again.data, out.data, f"{name} value", rtol=1e-12, atol=1e-12)
            for w in cotangents:
                for y in ys:
                    y.zero_grad()
                backward(again, w)
                for x, y in zip(xs, ys, strict=True):
                    agree(y.grad, x.grad, f"{name} gradient", rtol=1e-12, atol=1e-12)
            for y, array in zip(ys, arrays, strict=True):
                same(y.data, array)


def any_spelling(row, case, seed):
    """Every way to call an operation gives one value and one gradient; which operations they put into the graph."""
    seen, outcomes = set(), []
    for name, call in row.spellings.items():
        xs = leaves(case.inputs)
        out = result(row, xs, case.attributes, call)
        assert isinstance(out, Tensor), name
        assert out.requires_grad, f"{name}: the graph is lost"
        seen.update(node.operation for node in topological_order(out))
        backward(out, probe(out.shape, seed))
        outcomes.append((name, [out.data, *(x.grad for x in xs)]))
    for name, arrays in outcomes[1:]:
        for one, other in zip(outcomes[0][1], arrays, strict=True):
            agree(other, one, name, rtol=1e-12, atol=1e-12)
    return seen


def on_values(row, case, seed):
    """The scalar engine gives each element's value and gradient as the tensor engine does."""
    xs = leaves(case.inputs)
    out = result(row, xs, case.attributes)
    v = probe(out.shape, seed)
    backward(out, v)
    for name, call in row.spellings.items():
        if name.startswith("np.") and not isinstance(call, np.ufunc):
            continue
        values = [np.vectorize(Value, otypes=[object])(x) if x.size else x.astype(object) for x in case.inputs]
        for position in np.ndindex(out.shape):
            operands = [np.broadcast_to(x, out.shape)[position] for x in values]
            y = call(*operands, **case.attributes)
            assert isinstance(y, Value)
            agree(y.data, out.data[position], f"{name} of Values", **ENGINES)
            if y.requires_grad:
                y.backward(v[position])
        for x, scalars in zip(xs, values, strict=True):
            got = np.array([0.0 if s.grad is None else s.grad for s in scalars.reshape(-1)]).reshape(x.shape)
            agree(got, x.grad, f"{name}: gradient of Values", **ENGINES)


def second_order_on_values(row, case, seed):
    """Second derivatives of the scalar engine, against the tensor engine's."""
    if not all(x.size for x in case.inputs):
        return
    numbers = [x.reshape(-1)[0] for x in case.inputs]
    tensors, values = leaves(numbers), [Value(x) for x in numbers]
    with np.errstate(**QUIET):
        seconds = []
        for inputs in (tensors, values):
            slopes = grad(row.call(*inputs, **case.attributes), inputs, create_graph=True)
            total = sum(slope * u for slope, u in zip(slopes, (0.7, -1.3, 0.4), strict=False))
            seconds.append([float(g.data) for g in grad(total, inputs)] if total.requires_grad else [0.0] * len(inputs))
    agree(seconds[1], seconds[0], "second order of Values", **ENGINES)


@every_row
def test_value_and_gradient(row):
    on_cases(row, lambda case, seed: first_order(row, case, seed))


@pytest.mark.parametrize(
    "samples",
    [each for each in TABLE if isinstance(each.function, Operation) and not each.scalar],
    ids=lambda x: x.operation,
)
def test_points_of_the_package(samples):
    """What ``tinygrad-lm gradcheck`` compares with differences agrees with the references too."""
    row = BY_NAME[samples.operation]
    assert samples.function in row.operations
    for seed, call in enumerate(samples.calls):
        inputs = samples.draw(call, np.random.default_rng(seed))
        first_order(row, Case(inputs, dict(call.attributes)), seed)


@every_row
def test_derivatives_of_first_and_second_order(row):
    """The gradient is the central difference of the engine's own forward; its gradient is the reference's."""

    def check(case, seed):
        own_differences(row, case, seed)
        second_order(row, case, seed)

    on_cases(row, check, examples(80))


@every_row
def test_invariants(row):
    """What holds whatever the operation computes: passes repeat, constants, no graph, float32, layouts, spellings."""
    seen = set()

    def check(case, seed):
        for invariant in (repeated_backward, partly_constant, without_graph, float32, any_layout):
            invariant(row, case, seed)
        seen.update(any_spelling(row, case, seed))

    on_cases(row, check, examples(60))
    assert seen.issuperset(row.operations), f"never used: {set(row.operations) - seen}"


@scalar_rows
def test_values_agree(row):
    """The scalar engine with the tensor engine, to the second order."""

    def check(case, seed):
        on_values(row, case, seed)
        second_order_on_values(row, case, seed)

    on_cases(row, check, examples(40))


def check_kink(row, kink):
    """At corners value and gradient are exactly those promised, for every spelling and for both engines."""
    engines = [(name, call, leaves) for name, call in row.spellings.items() if "reference" not in name]
    if row.scalar:
        scalar = {n: f for n, f in row.spellings.items() if not n.startswith("np.") or isinstance(f, np.ufunc)}
        engines += [(f"{n} of Values", f, lambda inputs: [Value(x) for x in inputs]) for n, f in scalar.items()]
    for name, call, make in engines:
        xs = make(kink.inputs)
        with np.errstate(all="ignore"):
            out = call(*xs, **kink.attributes)
            np.testing.assert_allclose(out.data, kink.value, rtol=1e-15, err_msg=name)
            out.backward(np.ones(np.shape(out.data)))
        for i, (x, wanted) in enumerate(zip(xs, kink.gradients, strict=True)):
            np.testing.assert_allclose(x.grad, wanted, rtol=1e-13, err_msg=f"{name}: gradient to input {i}")


@pytest.mark.parametrize(
    ("row", "kink"), [(row, kink) for row in ROWS for kink in row.kinks], ids=lambda x: getattr(x, "name", "")
)
def test_kink(row, kink):
    check_kink(row, kink)


@pytest.mark.parametrize(
    ("row", "refusal"),
    [(row, refusal) for row in ROWS for refusal in row.refusals],
    ids=lambda x: getattr(x, "name", ""),
)
def test_refusal(row, refusal):
    """A wrong call raises a built-in exception whose message says why."""
    with pytest.raises(refusal.error) as caught:
        refusal.call()
    assert type(caught.value) is refusal.error
    assert refusal.words in str(caught.value)
