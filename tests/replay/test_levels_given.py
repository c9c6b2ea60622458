"""What a replayed step over ``Value``s is given, reads into Python and compares, is that of this call."""

import math

import numpy as np
import pytest

from tests.helpers.scalar_twins import Pair, Twins, down, same
from tinygrad_lm import Value
from tinygrad_lm.replay.replayed import replay


def test_values_that_are_arguments_are_the_leaves_of_each_call():
    twins = Twins(lambda w, v, many: down([*w, v, *many], w[0] * v + many[0] * many[1] * v), 0.5)
    for i in range(8):
        leaves = [[Value(0.1 * i + j) for j in range(3)] for _ in range(2)]
        twins.call(Pair(own[0] for own in leaves), Pair(own[1:] for own in leaves))
        for one, other in zip(*leaves, strict=True):
            same(one.grad, other.grad)
    assert twins.count == 5


def test_values_that_are_arguments_and_learn_or_not():
    twins = Twins(lambda w, v: down([*w, v], w[0] * v), 0.5)
    for i in range(12):
        own = [(Value(1.0 + i, requires_grad=i % 2 == 0),) for _ in range(2)]
        twins.call(Pair(v for (v,) in own))
        same(own[0][0].grad, own[1][0].grad)
    assert twins.count == 6


def test_values_that_are_one_another_run_as_they_are():
    twins = Twins(lambda w, a, b: down([*w, a, b], w[0] * a * b), 0.5)
    for i in range(8):
        own = [(Value(1.0 + i), Value(2.0)) for _ in range(2)]
        a = Pair(pair[0] for pair in own)
        twins.call(a, Pair(pair[1] for pair in own) if i < 4 else a)
        for one, other in zip(*own, strict=True):
            same(one.grad, other.grad)


def test_values_that_were_computed_before_the_step():
    twins = Twins(lambda w, h: down(w, h * w[1]), 0.5, 2.0)
    for _ in range(6):
        twins.call(Pair(leaves[0] * 3.0 for leaves in twins.leaves))
    outer = [leaves[0] * 3.0 for leaves in twins.leaves]
    held = [replay(lambda h=h, w=w: down(w, h * w[1])) for h, w in zip(outer, twins.leaves, strict=True)]
    for _ in range(6):
        held[1]()
    assert "computed before the step" in held[1].report()


def test_whole_numbers_that_say_how_often():
    twins = Twins(lambda w, n, x: down(w, sum((w[0] * x for _ in range(n)), w[1])), 0.5, 2.0)
    for i in range(16):
        twins.call(2 + i % 2, 0.1 * i)
    assert twins.count >= 6


def test_whole_numbers_that_are_no_floats_any_more():
    twins = Twins(lambda w, n: down(w, w[0] * (n * n * n * n + 1 - n * n * n * n)), 0.5)
    for n in (2, 3, 4, 5, 6, 10**6, 10**200):
        twins.call(n)
    assert twins.count == 2


@pytest.mark.parametrize("other", [True, "a", None, np.float64(2.0), {"x": 1.0}, [[1.0], 2], (), np.ones(2), 2])
def test_arguments_of_other_types(other):
    twins = Twins(lambda w, x: down(w, w[0] * (x if isinstance(x, float) else 3.0)), 0.5)
    for i in range(12):
        twins.call(other if i % 2 else 2.0 + i)
    assert twins.count >= 3


def test_arguments_of_other_lengths_and_numbers_by_name():
    twins = Twins(lambda w, xs, scale=1.0: down(w, sum(w[0] * x for x in xs) * scale), 0.5)
    for i in range(16):
        twins.call([0.5 * i] * (2 + i % 2))
    assert twins.count >= 8
    w = Value(2.0)
    replayed = replay(lambda x, scale=1.0, *, shift=0.0: down([w], w * x * scale + shift))
    for x in range(8):
        assert replayed(1.0 + x, scale=2.0).data == 4.0 * (1.0 + x)
        assert replayed(1.0 + x, 2.0, shift=1.0).data == 4.0 * (1.0 + x) + 1.0
    assert replayed.shapes[0].replayed == 5


def test_an_argument_that_the_step_changes():
    def step(w, xs):
        xs.append(2.0 * xs[0])
        return down(w, w[0] * xs[-1])

    twins = Twins(step, 0.5)
    for i in range(6):
        lists = [1.0 + i], [1.0 + i]
        twins.call(Pair(lists))
        assert lists[0] == lists[1] and [*map(type, lists[1])] == [float, float]
    twins.never("changes a list that is an argument")


def test_numbers_that_a_step_computes_of_its_arguments():
    twins = Twins(lambda w, x, n: (down(w, w[0] * abs(-x) ** 2 / (1 + x * n) - n), x - n, [n + 1, 2**n]), 0.5)
    for i in range(8):
        twins.call(0.3 * i, i)
    assert twins.count == 5


READS = {
    "float()": lambda v: float(v),
    "a text": lambda v: len(f"{v}"),
    "int()": lambda v: int(v),
    "np.floor": lambda v: np.floor(v),
    "exp": lambda v: math.exp(v),
    "round()": lambda v: round(v.data),
    "mod()": lambda v: v.data % 0.01,
    ".is_integer": lambda v: v.data.is_integer(),
    "a copy": lambda v: v.local_derivatives()[0],
    "repr": lambda v: len(repr(v)) + len(repr(v.data)),
    "array": lambda v: np.array(v.data, dtype=float).item(),
    "hash": lambda v: hash(v.data) % 7,
}


@pytest.mark.parametrize("read", READS)
def test_a_number_that_is_read_into_python(read):
    def step(w):
        h = w[0] * w[1]
        return down(w, h * READS[read](h))

    twins = Twins(step, 0.5, 2.0)
    twins.calls(6)
    twins.never("what follows may depend on it")
    assert "test_levels_given.py" in twins.replayed.report()


@pytest.mark.parametrize("read", [math.exp, round, int, lambda x: x // 1, lambda x: np.array([x, x], float).sum()])
def test_an_argument_that_is_read_into_python(read):
    twins = Twins(lambda w, x: down(w, w[0] * read(x)), 0.5)
    for i in range(6):
        twins.call(0.7 * i)
    twins.never("what follows may depend on it")


def test_numbers_that_are_no_floats():
    twins = Twins(lambda w, x: down(w, w[0] * abs(x**0.5)), 0.5)
    for i in range(6):
        twins.call(-1.0 - i)
    twins.never("computed, gave")


def test_a_number_that_is_read_and_computed_with():
    twins = Twins(lambda w: down(w, w[0] * (w[0] * w[1]).data + w[1] * (w[1] ** 2).item()), 0.5, 2.0)
    twins.calls(8)
    assert twins.count == 5


@pytest.mark.parametrize(
    "decide",
    [
        lambda h: h > 1.1,
        lambda h: h.data < 1.1,
        lambda h: max(h, Value(1.1)) is h,
        lambda h: bool((h - 1.1).relu()),
        lambda h: not (h.item() >= 1.1),
        lambda h: h != 1.0,
    ],
)
def test_a_comparison_is_taken_again(decide):
    twins = Twins(lambda w, x: down(w, w[0] * x if decide(w[0] * w[1]) else w[1] ** 3), 0.5, 2.0)
    for i in range(24):
        for leaves in twins.leaves:
            leaves[0].data = (0.5, 0.6)[i // 3 % 2]
        twins.call(0.1 * i)
    assert twins.count > 10
    assert len(twins.replayed.shapes[-1].plans) == 2


def test_a_comparison_of_arguments_is_taken_again():
    twins = Twins(lambda w, x: down(w, w[0] * x if x > 1 else w[0] ** 2), 0.5)
    for i in range(24):
        twins.call(0.1 * i)
    assert twins.count > 10


def test_a_step_that_goes_many_ways():
    twins = Twins(lambda w, x: down(w, sum((w[0] for k in range(20) if x > k), w[0])), 0.5)
    for i in range(24):
        twins.call(i + 0.5)
    twins.never("no two calls do the same")


def test_a_type_that_is_asked_for():
    twins = Twins(lambda w, x: down(w, w[0] * x if type(x) is float else w[0] * 2.0), 0.5)
    for i in range(6):
        twins.call(1.0 * i)
    twins.never("type(x)")
