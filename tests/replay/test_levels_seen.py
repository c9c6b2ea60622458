"""What a replayed step over ``Value``s sees may change, and the gradients that it leaves are those of the step."""

import itertools
import random

import pytest

from tests.helpers.scalar_twins import Twins, down, same
from tinygrad_lm import Value, grad, no_grad, optim
from tinygrad_lm.replay.replayed import replay

SCALE = 1.0


class TestWhatTheStepSees:
    def test_a_global(self):
        twins = Twins(lambda w: down(w, w[0] * SCALE), 0.5)
        try:
            for i in range(24):
                globals()["SCALE"] = 1.0 if i < 8 else 2.0
                twins.call()
        finally:
            globals()["SCALE"] = 1.0
        assert twins.count > 10

    def test_a_list(self):
        numbers = [1.0, 2.0]
        twins = Twins(lambda w: down(w, w[0] * sum(numbers)), 0.5)
        for i in range(16):
            if i == 8:
                numbers[0] = 7.0
            twins.call()
        assert twins.count > 4

    def test_leaves_that_are_replaced(self):
        twins = Twins(lambda w: down(w, w[0] * w[1]), 0.5, 2.0)
        for i in range(16):
            if i == 8:
                for leaves in twins.leaves:
                    leaves[0] = Value(3.0)
            twins.call()
        assert twins.count > 4

    def test_leaves_that_learn_no_more(self):
        twins = Twins(lambda w: down(w[1:], w[0] * w[1]), 0.5, 2.0)
        for i in range(24):
            for leaves in twins.leaves:
                leaves[0].requires_grad = not 8 <= i < 16
            twins.call()
        assert twins.count > 6

    def test_a_number_that_the_step_changes(self):
        def step(w):
            w[2].data = w[2].data + 1.0
            return down(w[:2], w[0] * w[2])

        twins = Twins(step, 0.5, 2.0, 3.0)
        twins.calls(6)
        twins.never("data was set")

    def test_a_counter(self):
        counts = {}

        def step(w):
            counts[id(w)] = counts.get(id(w), 0) + 1
            return down(w, w[0] * counts[id(w)])

        twins = Twins(step, 0.5)
        twins.calls(8)
        twins.never("changes what it can see")

    def test_a_number_from_where_nobody_sees(self):
        state = itertools.count()
        w = [Value(2.0)]
        one = replay(lambda: down(w, w[0] * next(state)))
        found = [one().data for _ in range(8)]
        assert found == [2.0 * i for i in range(8)]

    def test_a_leaf_from_where_nobody_sees(self):
        w, hidden = [Value(2.0)], Value(3.0)
        source = itertools.cycle([hidden])
        step = replay(lambda: down(w, w[0] * next(source)))
        for i in range(8):
            hidden.data = 3.0 + (i > 5)
            assert step().data == 2.0 * hidden.data
        assert "from where nobody sees" in step.report()

    def test_random_numbers(self):
        twins = Twins(lambda w: down(w, w[0] * (random.random() * 0.0 + 1.0)), 0.5)
        twins.calls(6)
        twins.never("random numbers")

    def test_what_a_type_is_asked_for(self):
        twins = Twins(lambda w, x: down(w, w[0] * (x if isinstance(x, float) else -x)), 0.5)
        for i in range(8):
            twins.call(0.1 * i)
        assert twins.count == 5


class TestGradients:
    def test_that_are_not_cleared_add_up(self):
        def step(w):
            loss = w[0] * w[1]
            loss.backward()
            return loss

        twins = Twins(step, 0.5, 2.0)
        for i in range(12):
            if i == 8:
                for leaves in twins.leaves:
                    leaves[0].grad = None
            twins.shift(i)
            twins.call()
        assert twins.count == 9

    def test_of_leaves_that_get_none(self):
        def step(w):
            w[2].grad = 0.0
            w[3].zero_grad()
            w[0].grad = 2.0
            loss = w[0] * w[1]
            loss.backward(3.0, retain_graph=False)
            return loss

        twins = Twins(step, 0.5, 2.0, 1.0, 1.0, 1.0)
        for i in range(10):
            for leaves in twins.leaves:
                for leaf in leaves[2:]:
                    leaf.grad = 5.0 + i
            twins.shift(i)
            twins.call()
        assert twins.count == 7

    def test_that_are_cleared_afterwards(self):
        def step(w):
            loss = w[0] * w[1]
            loss.backward()
            w[0].grad = None
            return loss

        twins = Twins(step, 0.5, 2.0)
        twins.calls(9)
        assert twins.count == 6

    def test_that_are_read(self):
        def step(w):
            down(w, w[0] * w[1])
            return w[0].grad * 1.0

        twins = Twins(step, 0.5, 2.0)
        twins.calls(6)
        twins.never("a gradient was read")

    def test_of_two_passes(self):
        def step(w):
            (w[0] * w[1]).backward()
            return down(w[:1], w[0] ** 2)

        twins = Twins(step, 0.5, 2.0)
        twins.calls(6)
        twins.never("more than once")

    def test_of_grad(self):
        twins = Twins(lambda w: float(grad(w[0] * w[1], w)[0]), 0.5, 2.0)
        twins.calls(6)
        twins.never("grad()")

    def test_that_are_set_to_what_is_given(self):
        def step(w, x):
            w[0].grad = x
            loss = w[0] * w[1]
            loss.backward()
            return loss

        twins = Twins(step, 0.5, 2.0)
        for i in range(6):
            twins.call(0.1 * i)
        twins.never("a gradient was set")

    def test_of_a_given_gradient(self):
        def step(w, x):
            loss = w[0] * w[1]
            loss.backward(x)
            return loss

        twins = Twins(step, 0.5, 2.0)
        for i in range(6):
            twins.call(0.1 * i)
        twins.never("backward was given a gradient")

    def test_of_what_learns_for_a_while(self):
        def step(w):
            w[1].requires_grad = False
            loss = down(w, w[0] * w[1])
            w[1].requires_grad = True
            return loss

        twins = Twins(step, 0.5, 2.0)
        twins.calls(6)
        twins.never("requires_grad was set")

    @pytest.mark.parametrize("again", ["a number", "a pass"])
    def test_after_an_optimizers_step(self, again):
        def step(w, optimizer):
            loss = down(w, w[0] * w[1])
            optimizer.step()
            if again == "a number":
                return loss, (w[0] * 2.0).detach()
            loss.backward()
            return loss

        worlds = [[Value(0.5), Value(2.0)] for _ in range(2)]
        optimizers = [optim.SGD(w, lr=0.1) for w in worlds]
        replayed = replay(lambda: step(worlds[1], optimizers[1]))
        for _ in range(6):
            same(step(worlds[0], optimizers[0]), replayed())
            same([w.grad for w in worlds[0]], [w.grad for w in worlds[1]])
        assert "after an optimizer's step" in replayed.report() or "more than once" in replayed.report()

    def test_where_nothing_is_recorded(self):
        def step(w):
            with no_grad():
                h = w[0] * w[1]
            return down(w, h * w[0] + (w[0] * 2.0).detach() * w[1])

        twins = Twins(step, 0.5, 2.0)
        twins.calls(8)
        assert twins.count == 5

    @pytest.mark.parametrize("inside", [True, False])
    def test_an_optimizer_steps_within_and_outside(self, inside):
        worlds = [[Value(0.5), Value(2.0)] for _ in range(2)]
        optimizers = [optim.Adam(w, lr=0.1) for w in worlds]

        def step(w, optimizer, x):
            optimizer.zero_grad()
            loss = (w[0] * x + w[1]) ** 2
            loss.backward()
            if inside:
                optimizer.step()
            return loss

        replayed = replay(lambda x: step(worlds[1], optimizers[1], x))
        for i in range(12):
            same(step(worlds[0], optimizers[0], 0.1 * i), replayed(0.1 * i))
            if not inside:
                for optimizer in optimizers:
                    optimizer.step()
            assert [v.data for v in worlds[0]] == pytest.approx([v.data for v in worlds[1]], rel=1e-12)
        assert replayed.shapes[-1].replayed == 9
