"""Random programs: the engines against NumPy, against each other, and against themselves."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.helpers.oracles import EXACT, agree, central_differences, complex_step, directional, leaves, probe
from tests.helpers.registry import examples
from tests.helpers.registry.row import SEEDS
from tinygrad_lm import Tensor, grad, no_grad
from tinygrad_lm.autograd import grad_of, to_values
from tinygrad_lm.testing.programs import Program, Step, numbers
from tinygrad_lm.testing.strategies import programs

MOVES = ("transpose", "reshape", "flip", "roll")


def reference(program):
    """The program in NumPy, as a function of arrays."""
    return lambda *arrays: program.evaluate(arrays)


def differentiate(program, seed):
    """Leaves, result and cotangent after a backward pass on tensors."""
    xs = leaves(program.leaves)
    out = program.evaluate(xs)
    v = probe(out.shape, seed)
    out.backward(v)
    return xs, out, v


def gradients(xs):
    return [np.zeros(x.shape) if x.grad is None else x.grad for x in xs]


def scale_of(arrays):
    return max([1.0, *(np.abs(x).max(initial=0.0) for x in arrays)])


def check_gradient(program, seed):
    """Value and gradient are NumPy's; leaves, cotangent and memory are as they should be."""
    xs, out, v = differentiate(program, seed)
    kept = v.copy()
    agree(out.data, program.on_numpy(), "value", rtol=1e-11, atol=1e-12)
    wanted = complex_step(reference(program), program.leaves, v)
    scale = scale_of(wanted)
    for x, exact in zip(xs, wanted, strict=True):
        if x.grad is None:
            assert not exact.any()
            continue
        agree(x.grad, exact, "gradient", rtol=1e-9, atol=1e-11 * scale)
        assert x.grad.dtype == np.float64
    mine = [x.grad for x in xs if x.grad is not None]
    others = [*(x.data for x in xs), v, out.data, *(out.grad,) * (out not in set(xs))]
    for i, one in enumerate(mine):
        assert not any(np.shares_memory(one, other) for other in (*mine[:i], *others))
    np.testing.assert_array_equal(v, kept)
    for x, data in zip(xs, program.leaves, strict=True):
        np.testing.assert_array_equal(x.data, data)


@settings(max_examples=examples(3_000, exploring=20_000))
@given(programs(), SEEDS)
def test_gradient_is_complex_step(program, seed):
    check_gradient(program, seed)


@settings(max_examples=examples(600))
@given(programs(), SEEDS)
def test_both_engines_agree(program, seed):
    xs, out, v = differentiate(program, seed)
    values = [to_values(x) for x in program.leaves]
    result = program.evaluate(values)
    agree(numbers(result), out.data, "values", rtol=1e-11, atol=1e-12)
    np.sum(np.asarray(result * v, dtype=object)).backward()
    wanted = gradients(xs)
    for x, exact in zip(values, wanted, strict=True):
        agree(grad_of(x), exact, "gradients", rtol=1e-10, atol=1e-12 * scale_of(wanted))


@settings(max_examples=examples(600))
@given(programs(), SEEDS)
def test_second_order(program, seed):
    """The gradient of a directional derivative, against differences of the complex step's."""
    xs = leaves(program.leaves)
    out = program.evaluate(xs)
    v = Tensor(probe(out.shape, seed), requires_grad=True)
    directions = [probe(x.shape, seed + 1 + i) for i, x in enumerate(xs)]
    slopes = grad(out, xs, grad_outputs=v, create_graph=True)
    total = sum((slope * u).sum() for slope, u in zip(slopes, directions, strict=True))
    *curvatures, along = grad(total, [*xs, v]) if total.requires_grad else [Tensor(np.zeros(x.shape)) for x in (*xs, v)]

    def slope_along(*arrays):
        # A difference that reaches across a kink means nothing.
        assume(program.margin(arrays) > 1e-4)
        return directional(reference(program), arrays, directions)

    agree(along.data, slope_along(*program.leaves), "to the cotangent", **EXACT)
    numeric = central_differences(lambda *arrays: np.sum(v.data * slope_along(*arrays)), program.leaves)
    for curvature, wanted in zip(curvatures, numeric, strict=True):
        agree(curvature.data, wanted, "second order", rtol=2e-6, atol=2e-6 * scale_of(numeric))


@settings(max_examples=examples(300))
@given(programs(), SEEDS)
def test_passes_repeat_double_and_combine(program, seed):
    """A second pass doubles the leaves, after zero_grad it repeats bit for bit, and it is linear."""
    xs, out, v = differentiate(program, seed)
    first = [g.copy() for g in gradients(xs)]
    out.backward(v)
    for doubled, once in zip(gradients(xs), first, strict=True):
        np.testing.assert_array_equal(doubled, 2 * once)
    for x in xs:
        x.zero_grad()
    out.backward(v, retain_graph=False)
    for again, once in zip(gradients(xs), first, strict=True):
        np.testing.assert_array_equal(again, once)
    w = probe(out.shape, seed + 1)
    passes = []
    for cotangent in (w, 2 * v + w, 0 * v):
        ys = leaves(program.leaves)
        program.evaluate(ys).backward(cotangent)
        passes.append(gradients(ys))
    scale = scale_of([*first, *passes[0]])
    for once, other, combined, nothing in zip(first, *passes, strict=True):
        agree(combined, 2 * once + other, "linearity", rtol=1e-12, atol=1e-12 * scale)
        assert not nothing.any()


@settings(max_examples=examples(300))
@given(programs(), SEEDS)
def test_reordering_changes_nothing(program, seed):
    """Independent instructions in another order, and dead code, leave every bit as it was."""
    xs, out, v = differentiate(program, seed)
    other = program.reordered(np.random.default_rng(seed))
    ys = leaves(other.leaves)
    again = other.evaluate(ys)
    again.backward(v)
    np.testing.assert_array_equal(again.data, out.data)
    for one, two in zip(gradients(xs), gradients(ys), strict=True):
        np.testing.assert_array_equal(one, two)


@settings(max_examples=examples(300))
@given(programs(), SEEDS)
def test_without_a_graph(program, seed):
    _, out, _ = differentiate(program, seed)
    with no_grad():
        quiet = program.evaluate(leaves(program.leaves))
    np.testing.assert_array_equal(quiet.data, out.data)
    assert quiet.is_leaf


@settings(max_examples=examples(300))
@given(programs(max_leaves=1, operations=MOVES))
def test_moving_elements_moves_gradients_back(program):
    """Where elements only move, ``y.backward(y.data)`` brings each element home."""
    (x,) = leaves(program.leaves)
    y = program.evaluate([x])
    y.backward(y.data)
    np.testing.assert_array_equal(x.grad, x.data)


@settings(max_examples=examples(300))
@given(programs(), SEEDS)
def test_backward_equals_grad(program, seed):
    """The stored gradients, those returned, and those made as a graph are the same."""
    xs, out, v = differentiate(program, seed)
    plain = grad(out, xs, grad_outputs=v)
    graphed = grad(out, xs, grad_outputs=v, create_graph=True)
    for stored, one, two in zip(gradients(xs), plain, graphed, strict=True):
        np.testing.assert_array_equal(one.data, stored)
        agree(two.data, stored, "create_graph", rtol=1e-10, atol=1e-12 * scale_of(gradients(xs)))


@settings(max_examples=examples(300))
@given(programs(), st.lists(st.integers(0, 20), min_size=2, max_size=4), SEEDS)
def test_several_outputs(program, outs, seed):
    """The gradient of several weighted outputs is the sum of each one's."""
    xs = leaves(program.leaves)
    nodes = program.results(xs)
    chosen = [nodes[i % len(nodes)] for i in outs]
    weights = [probe(node.shape, seed + i) for i, node in enumerate(chosen)]
    together = grad(chosen, xs, grad_outputs=weights)
    apart = [grad(node, xs, grad_outputs=w) for node, w in zip(chosen, weights, strict=True)]
    for i, total in enumerate(together):
        wanted = sum(g[i].data for g in apart)
        agree(total.data, wanted, "several outputs", rtol=1e-10, atol=1e-12 * scale_of([wanted]))


def test_pinned_duplicates_and_fan_out():
    """One node twice in each kind of step, and many uses of one node."""
    x = np.array([[0.3, -0.7], [1.1, 0.4]])
    last = {"axis": -1}
    for operation, attributes in (("mul", {}), ("sub", {}), ("matmul", {}), ("concatenate", last), ("outer", {})):
        check_gradient(Program((x,), (Step(operation, (0, 0), attributes), Step("sin", (1,))), 2), 3)
    fan = [Step("tanh", (0,)), *(Step("mul", (i, 0)) for i in range(1, 9))]
    check_gradient(Program((x,), tuple(fan), 9), 4)
