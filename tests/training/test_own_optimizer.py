"""Tests of an optimizer, a schedule and a hook of the user's own in the trainer."""

import json
import math

import numpy as np
import pytest

from tests.helpers.training import SPLIT, run, same, trainer
from tinygrad_lm import optim
from tinygrad_lm.models import MLP
from tinygrad_lm.training import Plan, Trainer


def made(steps=24, *, model=None, plan=None, **own):
    model = MLP(context=2, embedding=3, hidden=(8,), rng=0) if model is None else model
    plan = {"batch_size": 16, "evaluate_every": 10, **(plan or {})}
    return Trainer(model, SPLIT.train, SPLIT.validation, Plan(steps, **plan), **own)


def sgd(lr=0.1, **options):
    return lambda parameters: optim.SGD(parameters, lr=lr, **options)


class Signs(optim.Optimizer):
    """A rule that is not the package's: it steps by the signs of the gradients, and keeps three averages."""

    moments = ("one", "two", "three")

    def __init__(self, params, lr=0.01, power=1.0):
        self.power = power
        super().__init__(params, {"lr": lr})

    def update(self, data, gradient, state, scratch, count, options):
        for weight, name in enumerate(self.moments, 1):
            state[name] += weight * gradient
        data -= options["lr"] * float(self.scale) * np.sign(state["one"] + state["three"])


class TestOptimizer:
    @pytest.mark.parametrize("given", ["function", "optimizer"])
    def test_sgd_of_ones_own_is_the_plans_bit_by_bit(self, given):
        of_plan = trainer(optimizer="sgd", lr=0.1, weight_decay=0.0)
        model = MLP(context=2, embedding=3, hidden=(8,), rng=0)
        optimizer = sgd()(model.parameters()) if given == "optimizer" else sgd()
        own = made(model=model, optimizer=optimizer)
        assert run(of_plan) == run(own)
        assert same(of_plan.state()[0], own.state()[0])

    def test_a_class_makes_one_too(self):
        subject = made(2, optimizer=optim.Adam)
        assert type(subject.optimizer) is optim.Adam
        run(subject)

    def test_the_plan_says_that_it_is_not_its_own(self):
        subject = made(optimizer=sgd())
        assert (subject.plan.optimizer, subject.plan.lr, subject.plan.weight_decay) == (None, None, None)
        assert made(optimizer=sgd(), plan={"optimizer": None}).plan == subject.plan
        assert Plan.from_json(json.loads(json.dumps(subject.plan.to_json()))) == subject.plan

    @pytest.mark.parametrize("setting", [{"lr": 0.5}, {"weight_decay": 0.5}, {"optimizer": "sgd"}, {"lr": 0.0}])
    def test_what_the_plan_says_is_not_ignored(self, setting):
        with pytest.raises(ValueError, match=rf"{next(iter(setting))}=.* says nothing"):
            made(optimizer=sgd(), plan=setting)

    @pytest.mark.parametrize("setting", [{"lr": 0.5}, {"weight_decay": 0.5}])
    def test_nor_is_what_it_says_beside_none(self, setting):
        with pytest.raises(ValueError, match=f"{next(iter(setting))}=0.5 says nothing to an optimizer of your own"):
            Plan(5, optimizer=None, **setting)

    @pytest.mark.parametrize("name", ["lr", "weight_decay"])
    def test_the_plans_own_optimizer_needs_both(self, name):
        with pytest.raises(ValueError, match=f"{name} is a finite number from 0, not None"):
            Plan(5, **{name: None})

    def test_a_plan_without_one_asks_for_one(self):
        with pytest.raises(ValueError, match=r"the plan has no optimizer .* Trainer\(\.\.\., optimizer=\.\.\.\)"):
            made(plan={"optimizer": None})

    @pytest.mark.parametrize("wrong", ["sgd", 7, lambda parameters: None, lambda parameters: "adam"])
    def test_what_is_none(self, wrong):
        with pytest.raises(TypeError, match=r"optimizer is an optim\.Optimizer, or a function .* makes one, not"):
            made(optimizer=wrong)

    def test_one_of_another_model(self):
        other = MLP(context=2, embedding=3, hidden=(8,), rng=0)
        with pytest.raises(ValueError, match=r"no parameter of the model's: make it over model\.parameters\(\)"):
            made(optimizer=optim.SGD(other.parameters()))

    def test_one_of_a_part_of_the_model(self):
        model = MLP(context=2, embedding=3, hidden=(8,), rng=0)
        before = model.state_dict()
        run(made(model=model, optimizer=optim.SGD(model.output.parameters(), lr=0.1)))
        after = model.state_dict()
        assert [name for name in after if not np.array_equal(after[name], before[name])] == [
            "output.weight",
            "output.bias",
        ]

    def test_the_reported_rate_is_of_its_first_group(self):
        def grouped(parameters):
            return optim.SGD([{"params": parameters[:1], "lr": 0.3}, {"params": parameters[1:]}], lr=0.1)

        _, reports = run(made(20, optimizer=grouped, plan={"schedule": "linear"}))
        assert [report[3] for report in reports] == pytest.approx([0.3 * (1 - step / 20) for step in (9, 19)])

    @pytest.mark.parametrize("make", [sgd(momentum=0.9), optim.AdamW, Signs], ids=["sgd", "adamw", "signs"])
    @pytest.mark.parametrize("stop_after", [1, 10, 17])
    def test_resuming_is_exact(self, make, stop_after):
        whole, first, second = (made(optimizer=make) for _ in range(3))
        run(whole)
        run(first, stop_after)
        second.resume(*first.state())
        run(second)
        assert same(second.state()[0], whole.state()[0])
        assert {**second.state()[1], "seconds": 0} == {**whole.state()[1], "seconds": 0}

    @pytest.mark.parametrize(
        ("saved", "now", "words"),
        [
            (sgd(), optim.Adam, "optimizer was 'SGD' when it was saved and is now 'Adam'"),
            (sgd(0.1), sgd(0.2), r"lr in group 0 of the optimizer was 0\.1 .* now 0\.2"),
            (sgd(momentum=0.9), sgd(momentum=0.8), r"momentum in group 0 .* was 0\.9 .* now 0\.8"),
            (sgd(momentum=0.9), sgd(momentum=0.9, nesterov=True), "nesterov of the optimizer was False .* now True"),
            (Signs, lambda p: Signs(p, power=2.0), r"power of the optimizer was 1\.0 .* now 2\.0"),
            (sgd(), lambda p: optim.SGD(p[1:], lr=0.1), "number of parameters in group 0 .* was 5 .* now 4"),
            (
                sgd(),
                lambda p: optim.SGD([{"params": p[:1]}, {"params": p[1:]}], lr=0.1),
                "in group 0 .* was 5 .* now 1",
            ),
        ],
    )
    def test_another_one_is_refused_naming_both(self, saved, now, words):
        first = made(optimizer=saved)
        run(first, 7)
        with pytest.raises(ValueError, match=words):
            made(optimizer=now).resume(*first.state())

    def test_what_changes_in_the_course_of_it_is_no_option(self):
        class Counting(optim.SGD):
            calls = 0

            def step(self):
                self.calls = self.calls + 1
                super().step()

        def used(parameters):
            optimizer = Counting(parameters)
            optimizer.scale = 0.5  # by a schedule, before
            return optimizer

        first, second = made(optimizer=Counting), made(optimizer=used)
        run(first, 7)
        second.resume(*first.state())
        assert second.step == 7 and first.optimizer.calls == 7

    @pytest.mark.parametrize(("saved", "now"), [(sgd(), None), (None, sgd())])
    def test_nor_are_the_plans_and_ones_own_exchanged(self, saved, now):
        first = made(optimizer=saved)
        run(first, 7)
        with pytest.raises(ValueError, match=r"(optimizer|lr) was .* when it was saved and is now"):
            made(optimizer=now).resume(*first.state())


class TestSchedule:
    def test_it_multiplies_the_rates(self):
        subject = made(12, schedule=lambda step: 1 / (1 + step), plan={"lr": 0.5, "evaluate_every": 1})
        _, reports = run(subject)
        assert [report[3] for report in reports] == pytest.approx([0.5 / (1 + step) for step in range(12)])
        assert subject.plan.schedule is None

    def test_one_of_the_packages_is_the_plans_bit_by_bit(self):
        of_plan, own = trainer(schedule="linear", warmup_steps=4), made(schedule=optim.warmup(4, optim.linear(20)))
        assert run(of_plan) == run(own)
        assert same(of_plan.state()[0], own.state()[0])

    @pytest.mark.parametrize("setting", [{"schedule": "linear"}, {"warmup_steps": 3}])
    def test_what_the_plan_says_is_not_ignored(self, setting):
        with pytest.raises(ValueError, match=rf"{next(iter(setting))}=.* says nothing"):
            made(schedule=optim.constant(), plan=setting)

    def test_a_plan_without_one_asks_for_one(self):
        with pytest.raises(ValueError, match=r"the plan has no schedule .* Trainer\(\.\.\., schedule=\.\.\.\)"):
            made(plan={"schedule": None})

    def test_ones_own_and_the_plans_are_not_exchanged(self):
        first = made(schedule=optim.constant())
        run(first, 7)
        with pytest.raises(ValueError, match="schedule was None when it was saved and is now 'cosine'"):
            made().resume(*first.state())


class TestBeforeStep:
    def test_it_sees_the_gradients_of_each_step_and_the_weights_before_it(self):
        seen, weights = [], []

        def look(subject):
            seen.append((subject.step, all(p.grad is not None for p in subject.model.parameters())))
            weights.append(subject.model.state_dict())

        subject, plain = made(before_step=look), made()
        start = plain.model.state_dict()
        assert run(subject) == run(plain)
        assert seen == [(step, True) for step in range(24)]
        assert same(weights[0], start) and not same(weights[1], start)
        assert same(subject.state()[0], plain.state()[0])

    def test_it_may_change_the_gradients(self):
        def nothing(subject):
            for parameter in subject.model.parameters():
                parameter.grad = np.zeros_like(parameter.grad)

        subject = made(before_step=nothing, optimizer=sgd())
        before = subject.model.state_dict()
        run(subject)
        assert same(subject.model.state_dict(), before)

    def test_one_that_raises_leaves_the_step_unmade(self):
        def fail(subject):
            if subject.step == 12 and not failed:
                failed.append(True)
                raise RuntimeError

        failed = []
        subject, whole = made(before_step=fail), made()
        with pytest.raises(RuntimeError):
            subject.run()
        assert subject.step == 12
        subject.run()
        whole.run()
        assert same(subject.state()[0], whole.state()[0]) and math.isfinite(subject.best_loss)

    @pytest.mark.parametrize(("saved", "now", "words"), [(print, None, "missing now"), (None, print, "without the")])
    def test_a_training_with_one_does_not_go_on_without(self, saved, now, words, capsys):
        first = made(before_step=saved)
        run(first, 7)
        with pytest.raises(ValueError, match=f"before_step.* {words}|{words} before_step"):
            made(before_step=now).resume(*first.state())
