"""A replayed step over ``Value``s gives what the step gives, by levels; what is refused, and says so."""

import itertools
import math
import operator
import random
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.contestants.scalars import Net, moons
from tests.helpers.registry import examples
from tests.helpers.scalar_twins import Twins, cubic, down, same
from tinygrad_lm import Tensor, Value
from tinygrad_lm.autograd import custom
from tinygrad_lm.autograd.rules import TABLE
from tinygrad_lm.replay.replayed import replay
from tinygrad_lm.testing.selfcheck.domains import of_elementwise


def test_is_replayed_from_the_fourth_call_on():
    twins = Twins(cubic, 0.3, -0.7)
    twins.calls(12)
    assert twins.count == 9
    assert "1 plan by levels" in twins.replayed.report()


def test_micrograds_demo_learns_the_same_in_20_steps():
    def world():
        random.seed(1337)
        model = Net(Value, 2, [8, 8, 1])
        return model, model.parameters()

    def step(model, parameters, X, y):
        inputs = [list(map(Value, row)) for row in X]
        scores = list(map(model, inputs))
        losses = [(1 + -yi * si).relu() for yi, si in zip(y, scores, strict=True)]
        loss = sum(losses) * (1.0 / len(losses)) + 1e-4 * sum(p * p for p in parameters)
        for p in parameters:
            p.grad = 0
        loss.backward()
        return loss, loss.data, scores[0].item() * 2

    X, y = moons(20)
    (model, parameters), (other, its) = world(), world()
    replayed = replay(lambda X, y: step(other, its, X, y))
    for k in range(20):
        same(step(model, parameters, X, y), replayed(X, y))
        for p, q in zip(parameters, its, strict=True):
            assert p.grad == pytest.approx(q.grad, rel=1e-11, abs=1e-14)
            p.data -= (1.0 - 0.04 * k) * p.grad
            q.data -= (1.0 - 0.04 * k) * q.grad
    assert replayed.shapes[0].replayed == 17


BINARY = (operator.add, operator.sub, operator.mul, lambda a, b: a / (b * b + 1.0), lambda a, b: a.maximum(b))
UNARY = (
    *(lambda a: a.tanh(), lambda a: a.relu(), lambda a: -a, lambda a: (a * 0.1).exp(), lambda a: a**2, lambda a: a + 1),
    *(lambda a: 3 - a, lambda a: abs(a), lambda a: (a * a + 0.5) ** -1.5, lambda a: 0.5 * a, lambda a: a.clip(-1, 2)),
    *(lambda a: a.detach() * a, lambda a: a.sigmoid(), lambda a: (a * a + 0.1).log(), lambda a: a.sum([a, a, 2.0, a])),
)


@st.composite
def scalar_programs(draw):
    """A list of what is done: to which of the numbers that are there."""
    lines = []
    for size in range(4, 4 + draw(st.integers(1, 25))):
        which = draw(st.sampled_from((UNARY, BINARY, "dot", "numbers")))
        at = [draw(st.integers(0, size - 1)) for _ in range(4)]
        lines.append((which, draw(st.sampled_from(which)) if isinstance(which, tuple) else None, at))
    return lines


def run_program(lines, w, x):
    made = [*w, Value(x[0])]
    for which, does, at in lines:
        a, b, c, d = (made[i] for i in at)
        if which == "dot":
            made.append(Value.dot([a, b, x[1]], [c, d, a]))
        elif which == "numbers":
            made.append(a * (x[0] - 2 * x[1]) + x[1] / 3)
        else:
            made.append(does(a) if which is UNARY else does(a, b))
    return down(w, (sum(made) * 0.01).tanh() + made[-1] * 0.001)


@settings(max_examples=examples(60))
@given(scalar_programs(), st.integers(0, 1000))
def test_random_programs(lines, seed):
    twins = Twins(lambda w, x: run_program(lines, w, x), 0.3, -0.7, 1.1)
    rng = random.Random(seed)
    for i in range(6):
        twins.shift(i)
        twins.call([rng.uniform(-1, 1), rng.uniform(-1, 1)])
    assert twins.count >= 2, twins.replayed.report()


def test_every_operation_of_the_table():
    rng = np.random.default_rng(0)
    for name, rule in TABLE.items():
        domains = of_elementwise(rule)
        point = [float(domain(rng, ())) for domain in domains]
        for learns in itertools.product((True, False), repeat=len(point)):
            if any(learns):

                def step(w, rule=rule, learns=learns, point=point):
                    return down(
                        w, rule(*(v * 1.0 if yes else x for v, x, yes in zip(w, point, learns, strict=True))) * 2.0
                    )

                twins = Twins(step, *point)
                for _ in range(6):
                    twins.call()
                assert twins.count == 3, (name, twins.replayed.report())


def test_matrices_and_sums_written_as_products():
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=24).tolist()

    def step(w, xs):
        W = [w[i : i + 4] for i in range(0, 20, 4)]
        hidden = [[(sum(a * b for a, b in zip(row, x, strict=True)) + w[20]).tanh() for row in W] for x in xs]
        return down(w, sum(sum(h[j] * w[j] for j in range(5)) for h in hidden) * (1 / 7))

    twins = Twins(step, *numbers)
    for _ in range(8):
        twins.call(rng.normal(size=(7, 4)).tolist())
    assert twins.count == 5


ODD = {
    "0 ** negative": (lambda v: v**-1.0, 0.0),
    "log(0)": (lambda v: v.log(), 0.0),
    "log(-1)": (lambda v: v.log(), -1.0),
    "exp overflows": (lambda v: v.exp(), 1000.0),
    "a product overflows": (lambda v: v * v * v, 1e200),
    "a quotient by 0": (lambda v: 1 / v, 0.0),
    "sqrt(0)": (lambda v: v.sqrt(), 0.0),
    "inf": (lambda v: 1 / v, math.inf),
    "nan": (lambda v: v.relu(), math.nan),
    "inf that goes": (lambda v: (1 / (v * 1e200)).tanh(), 1e200),
    "a power of a negative number": (lambda v: v**0.5, -1.0),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("given", [True, False])
def test_numbers_that_python_and_numpy_answer_differently(odd, given):
    does, number = ODD[odd]
    twins = Twins(lambda w, x: down(w, does(w[0]) + w[1]) if not given else down(w, does(w[0] * x)), 1.5, 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i in range(9):
            for leaves in twins.leaves:
                leaves[0].data = (number if i > 5 else 1.5 + i) if not given else 1.0
            twins.call((number if i > 5 else 1.5 + i) if given else 1.0)
    assert 0 < twins.count <= 3
    if "negative" not in odd:
        assert "as they are, since a number was inf" in twins.replayed.report()


def test_python_raises_where_it_did():
    twins = Twins(lambda w, x: down(w, w[0] * (1 / x)), 0.5)
    for i in range(6):
        twins.call(1.0 + i)
    twins.call(0.0)
    assert twins.count == 3


def test_a_leaf_that_holds_something_else():
    twins = Twins(cubic, 0.3, -0.7)
    twins.calls(6)
    for leaves in twins.leaves:
        leaves[0].data = np.float32(0.1)
    twins.call()
    assert twins.count == 3


class TestWhatIsRefused:
    def test_a_graph_that_is_returned(self):
        twins = Twins(lambda w: w[0] * w[1], 0.5, 2.0)
        twins.calls(6)
        twins.never("returns a Value with its graph: call backward within the step")

    def test_the_returned_value_has_no_graph(self):
        twins = Twins(cubic, 0.5, 2.0)
        twins.calls(6)
        with pytest.raises(RuntimeError, match="depends on nothing"):
            twins.replayed().backward()

    def test_a_leaf_that_is_made_and_returned(self):
        def step(w):
            x = Value(2.0)
            down(w, w[0] * x)
            return x

        twins = Twins(step, 0.5)
        twins.calls(6)
        twins.never("a leaf that it makes")

    def test_an_object_that_is_returned(self):
        twins = Twins(lambda w: {"loss": down(w, w[0] * w[1]).data, "set": frozenset()}, 0.5, 2.0)
        twins.calls(6)
        twins.never("returns frozenset")

    def test_an_operation_of_ones_own(self):
        own = custom.elementwise("own", lambda x: x * 2.0, lambda x, out: 2.0 + 0 * x)
        twins = Twins(lambda w: down(w, own(w[0]) * w[1]), 0.5, 2.0)
        twins.calls(6)
        twins.never("operation of one's own")

    def test_tensors_beside_values(self):
        t = Tensor([1.0, 2.0])
        twins = Twins(lambda w: down(w, w[0] * float((t * 2).sum())), 0.5)
        twins.calls(6)
        assert twins.count == 0

    def test_numbers_alone(self):
        step = replay(lambda xs: sum(x * x for x in xs))
        assert [step([1.0, float(i)]) for i in range(6)] == [1.0 + i * i for i in range(6)]
        assert "no Value takes part" in step.report()

    def test_a_step_that_raises(self):
        def step(w, x):
            if x > 5:
                raise ValueError("too large")
            return down(w, w[0] * x)

        twins = Twins(step, 0.5)
        for i in range(8):
            twins.call(i * 1.0)
        assert twins.count == 3


def test_a_plan_that_is_wrong_is_found_before_it_is_used():
    w, hidden = [Value(2.0)], iter([1.0, 1.0, 3.0, 1.0, 1.0, 1.0])
    step = replay(lambda: down(w, w[0] * next(hidden)))
    assert [step().data for _ in range(6)] == [2.0, 2.0, 6.0, 2.0, 2.0, 2.0]
    assert "other numbers than the step" in step.report()


def test_few_operations_do_for_many_numbers():
    random.seed(1)
    model = Net(Value, 2, [6, 6, 1])
    X, y = moons(20)

    def step():
        scores = [model(row) for row in X]
        losses = [(1 - yi * si).relu() for yi, si in zip(y, scores, strict=True)]
        return down(model.parameters(), sum(losses) * 0.05)

    replayed = replay(step)
    assert len({replayed().data for _ in range(5)}) == 1
    assert "numbers in 10 operations on arrays" in replayed.report()
