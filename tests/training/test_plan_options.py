"""Tests of what a plan adds to the steps: gradients that are clipped, a warm-up, an average of the weights."""

import math
from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from tests.helpers.training import NAMES, SPLIT, run, same, trainer
from tinygrad_lm import Value, optim
from tinygrad_lm.models import MLP
from tinygrad_lm.nn import functional as F
from tinygrad_lm.training import Plan, Trainer, TrainingError
from tinygrad_lm.training.average import WeightAverage


class TestAddedSettings:
    @pytest.mark.parametrize(
        "wrong",
        [
            *({"clip_grad_norm": value} for value in (0, 0.0, -1, math.inf, math.nan, True, "1")),
            *({"warmup_steps": value} for value in (-1, 5, 6, 2.0, True, None, "2")),
            *({"ema_decay": value} for value in (1, 1.0, -0.1, math.nan, math.inf, True, "0.9")),
            *({"label_smoothing": value} for value in (1.1, -0.1, math.nan, math.inf, True, None, "0.1")),
        ],
    )
    def test_out_of_range_names_the_setting(self, wrong):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Plan(**{"steps": 5, **wrong})

    def test_in_range(self):
        for right in (
            {"clip_grad_norm": 5e-324},
            {"warmup_steps": 4},
            {"ema_decay": 0},
            {"ema_decay": 1 - 2**-53},
            {"label_smoothing": 1},
        ):
            plan = Plan(5, **right)
            assert Plan.from_json(plan.to_json()) == plan

    @pytest.mark.parametrize("name", ["clip_grad_norm", "warmup_steps", "ema_decay", "label_smoothing"])
    def test_a_plan_of_an_earlier_version_has_none_of_it(self, name):
        earlier = Plan(7).to_json()
        del earlier[name]
        assert Plan.from_json(earlier) == Plan(7)

    @pytest.mark.parametrize("name", ["steps", "lr", "schedule", "evaluate_every"])
    def test_nothing_else_may_be_missing(self, name):
        earlier = Plan(7).to_json()
        del earlier[name]
        with pytest.raises(ValueError, match="a training plan has the settings"):
            Plan.from_json(earlier)


class TestLabelSmoothing:
    def test_targets_are_smoothed_in_training_and_not_in_validation(self):
        smoothed, plain = trainer(label_smoothing=0.2), trainer()
        inputs, targets = smoothed.examples.sample(8, np.random.default_rng(0))
        logits = smoothed.model(inputs)
        expected = F.cross_entropy(logits, targets, label_smoothing=0.2).item()
        assert smoothed.model.loss(inputs, targets, label_smoothing=0.2).item() == expected
        run(smoothed)
        run(plain)
        (first, *_), (other, *_) = smoothed.history, plain.history
        assert first.train_loss > other.train_loss
        assert smoothed.best_loss == pytest.approx(smoothed.model.evaluate(SPLIT.validation).loss, abs=0.05)
        assert not same(smoothed.model.state_dict(), plain.model.state_dict())

    def test_a_loss_of_the_users_own_that_takes_none(self):
        class Own(MLP):
            def loss(self, inputs, targets):
                return super().loss(inputs, targets)

        with pytest.raises(ValueError, match=r"label_smoothing=0.1 says nothing .* write Own.loss\(self, inputs, tar"):
            Trainer(Own(rng=0), NAMES, NAMES, Plan(3, 8, label_smoothing=0.1))
        assert Trainer(Own(rng=0), NAMES, NAMES, Plan(1, 8)).run(progress=False) is None


def norm(gradients):
    return math.sqrt(sum(float((gradient.astype(np.float64) ** 2).sum()) for gradient in gradients))


class TestClippedSteps:
    def stepped(self, clip, before_step=None):
        """The gradients that a step of plain SGD took, and those of the same step without clipping."""
        taken = []
        for limit in (clip, None):
            plan = Plan(1, 16, lr=1.0, optimizer="sgd", schedule="constant", weight_decay=0.0, clip_grad_norm=limit)
            model = MLP(context=2, embedding=3, hidden=(8,), rng=0, dtype=np.float64)
            subject = Trainer(model, SPLIT.train, SPLIT.validation, plan, before_step=before_step)
            start = model.state_dict()
            subject.run(progress=False)
            taken.append([start[name] - array for name, array in model.state_dict().items()])
        return taken

    def test_the_gradients_are_scaled_together_as_pytorch_does(self):
        clipped, whole = self.stepped(0.25)
        assert norm(whole) > 0.5
        for one, other in zip(clipped, whole, strict=True):
            np.testing.assert_allclose(one, other * (0.25 / (norm(whole) + 1e-6)), rtol=1e-6, atol=1e-12)
        assert norm(clipped) == pytest.approx(0.25, rel=1e-5)

    def test_below_the_limit_nothing_changes(self):
        clipped, whole = self.stepped(1e3)
        assert all(np.array_equal(one, other) for one, other in zip(clipped, whole, strict=True))

    def test_it_comes_after_what_a_hook_does_to_the_gradients(self):
        def louder(trainer):
            for parameter in trainer.model.parameters():
                parameter.grad = parameter.grad * 1e3

        clipped, whole = self.stepped(0.25, louder)
        assert norm(whole) > 500 and norm(clipped) == pytest.approx(0.25, rel=1e-5)


class TestWarmup:
    def test_the_rates_as_numbers(self):
        subject = trainer(12, lr=0.5, schedule="linear", warmup_steps=4, evaluate_every=1)
        _, reports = run(subject)
        expected = [0.125, 0.25, 0.375, 0.5, *(0.5 * (1 - step / 8) for step in range(8))]
        assert [report[3] for report in reports] == pytest.approx(expected, rel=1e-12)

    @pytest.mark.parametrize("schedule", optim.SCHEDULES)
    def test_the_schedule_runs_over_what_is_left(self, schedule):
        subject = trainer(30, schedule=schedule, warmup_steps=10)
        alone = optim.SCHEDULES[schedule](20)
        assert [subject.schedule(10 + step) for step in range(21)] == [alone(step) for step in range(21)]
        assert [subject.schedule(step) for step in range(10)] == pytest.approx([(step + 1) / 10 for step in range(10)])

    def test_without_one_the_schedule_is_as_before(self):
        alone = optim.cosine(24)
        assert [trainer().schedule(step) for step in range(25)] == [alone(step) for step in range(25)]

    def test_over_more_steps_the_warm_up_stays(self):
        plan = Plan(20, warmup_steps=10, schedule="linear")
        subject = Trainer(MLP(rng=0), NAMES, NAMES[:9], replace(plan, steps=40))
        assert subject.schedule(9) == 1 and subject.schedule(25) == pytest.approx(0.5)


def weights_of_each_step(subject):
    found = []
    subject.run(lambda step, loss: found.append(subject.model.state_dict()), progress=False)
    return found


def by_hand(weights, decay):
    """The weighted mean of arrays, the last of which weighs most."""
    shares = [decay ** (len(weights) - 1 - i) for i in range(len(weights))]
    return {
        name: sum(share * state[name].astype(np.float64) for share, state in zip(shares, weights, strict=True))
        / sum(shares)
        for name in weights[0]
    }


class TestAverage:
    @pytest.mark.parametrize("decay", [0.0, 0.5, 0.9, 0.999])
    @pytest.mark.parametrize(("dtype", "rtol"), [(np.float32, 2e-5), (np.float64, 1e-12)])
    def test_it_is_the_weighted_mean_of_the_weights_of_all_steps(self, decay, dtype, rtol):
        subject = trainer(24, lr=0.02, ema_decay=decay, dtype=dtype)
        weights = weights_of_each_step(subject)
        for name, expected in by_hand(weights, decay).items():
            found = subject.average.state_arrays()[name]
            assert found.dtype == dtype
            np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol)

    def test_it_changes_nothing_of_the_training(self):
        plain, averaged = trainer(), trainer(ema_decay=0.9)
        assert run(plain)[0] == run(averaged)[0]
        assert same(plain.model.state_dict(), averaged.model.state_dict())

    def test_it_is_what_is_evaluated_and_kept_as_the_best(self):
        subject = trainer(20, lr=0.02, ema_decay=0.9)
        weights = weights_of_each_step(subject)
        last = subject.model.state_dict()
        assert same(last, weights[-1])
        subject.restore_best()
        assert subject.best_step == 20
        for name, expected in by_hand(weights, 0.9).items():
            np.testing.assert_allclose(subject.model.state_dict()[name], expected, rtol=2e-5, atol=2e-5)
        with threadpool_limits(1, user_api="blas"):  # as in the training: another number of threads rounds differently
            found = subject.model.evaluate(SPLIT.validation).loss
        assert found == subject.best_loss == subject.history[-1].validation_loss
        subject.model.load_state_dict(last)
        assert subject.model.evaluate(SPLIT.validation).loss != subject.best_loss

    def test_with_a_decay_of_0_it_is_the_weights_themselves(self):
        plain, averaged = trainer(), trainer(ema_decay=0)
        assert run(plain) == run(averaged)
        assert same(plain.best, averaged.best)

    def test_before_the_first_step_it_is_the_weights_and_then_forgets_them(self):
        subject = trainer(ema_decay=0.999)
        assert same(subject.average.state_arrays(), subject.model.state_dict())
        weights_of_each_step(one := trainer(1, ema_decay=0.999))
        assert same(one.average.state_arrays(), one.model.state_dict())

    def test_an_evaluation_that_fails_brings_the_weights_back(self, monkeypatch):
        subject, whole = trainer(ema_decay=0.9), trainer(ema_decay=0.9)

        def fail(names):
            raise RuntimeError

        with monkeypatch.context() as patch, pytest.raises(RuntimeError):
            patch.setattr(subject.model, "evaluate", fail)
            subject.run()
        assert subject.step == 10
        subject.run()
        whole.run()
        assert same(subject.state()[0], whole.state()[0])

    def test_a_loss_that_is_nan_leaves_the_best_average(self):
        subject, good = trainer(50, ema_decay=0.9), trainer(50, ema_decay=0.9)
        schedule = subject.schedule
        subject.schedule = lambda step: 1e41 if step == 15 else schedule(step)
        run(good, 10)
        with pytest.raises(TrainingError, match="the weights of step 10 are kept"):
            subject.run()
        assert same(subject.model.state_dict(), good.best) and not same(good.best, good.model.state_dict())

    @pytest.mark.parametrize("stop_after", [1, 7, 10, 24])
    def test_resumed_it_ends_with_the_same_bytes(self, stop_after):
        whole, first, second = (trainer(ema_decay=0.9, clip_grad_norm=0.5, warmup_steps=5) for _ in range(3))
        run(whole)
        run(first, stop_after)
        second.average.update(1)
        second.resume(*first.state())
        run(second)
        assert same(second.state()[0], whole.state()[0])
        assert {**second.state()[1], "seconds": 0} == {**whole.state()[1], "seconds": 0}

    @pytest.mark.parametrize(
        "change",
        [
            lambda arrays: arrays.pop("average.output.weight"),
            lambda arrays: arrays.update({"average.more": np.zeros(2, np.float32)}),
            lambda arrays: arrays.update({"average.output.bias": np.zeros(2, np.float32)}),
        ],
    )
    def test_an_average_that_does_not_fit_is_refused(self, change):
        first = trainer(ema_decay=0.9)
        run(first, 7)
        arrays, data = first.state()
        change(arrays)
        with pytest.raises(ValueError, match="average"):
            trainer(ema_decay=0.9).resume(arrays, data)

    def test_nor_is_one_where_there_is_none(self):
        first = trainer()
        run(first, 7)
        arrays, data = first.state()
        with pytest.raises(ValueError, match="averaged when it was saved"):
            trainer().resume({**arrays, "average.output.bias": arrays["model.output.bias"]}, data)

    @pytest.mark.parametrize("decay", [0.0, 0.3, 0.99])
    def test_a_frozen_parameter_stays_as_it_is(self, decay):
        subject = trainer(ema_decay=decay)
        subject.model.embedding.requires_grad_(False)
        before = subject.model.state_dict()["embedding.weight"]
        subject.run()
        assert np.array_equal(subject.average.state_arrays()["embedding.weight"], before)

    def test_parameters_that_are_values(self):
        value = Value(2.0)
        average = WeightAverage(iter([("v", value)]), 0.5)
        for step, number in enumerate((4.0, 1.0), 1):
            value.data = number
            average.update(step)
        with average.applied():
            assert value.data == pytest.approx((0.5 * 4.0 + 1.0) / 1.5) and type(value.data) is float
        assert value.data == 1.0 and type(value.data) is float
