"""Tests of the training loop: the loss falls, seeds, stopping and resuming exactly, losses that are no number."""

import math
import signal
import threading
import types

import numpy as np
import pytest

from tests.helpers.training import SPLIT, run, same, trainer
from tinygrad_lm.models import MLP, NGram
from tinygrad_lm.text import DataError, Vocabulary
from tinygrad_lm.training import Plan, Trainer, TrainingError, stopping_on_signals
from tinygrad_lm.training import trainer as loop


class TestLearning:
    def test_the_loss_falls(self):
        subject = trainer(300, lr=0.01)
        _, reports = run(subject)
        assert reports[-1][2] < reports[0][2] < math.log(27)
        letters_alone = NGram.fitted(1, SPLIT.train, SPLIT.validation, Vocabulary()).evaluate(SPLIT.validation)
        assert reports[-1][2] < letters_alone.loss - 0.05

    @pytest.mark.parametrize(("optimizer", "lr"), [("sgd", 1.0), ("adam", 0.03), ("adamw", 0.03)])
    def test_it_reaches_the_entropy_of_the_data(self, optimizer, lr):
        # The first letter is a toss-up and the rest follows: log(2) over the three characters of each name.
        names = ["ab", "ba"]
        plan = Plan(400, 6, lr, optimizer, "linear", 0.0, evaluate_every=400)
        subject = Trainer(MLP(Vocabulary("ab"), context=2, embedding=4, hidden=(16,), rng=0), names, names, plan)
        run(subject)
        assert subject.best_loss == pytest.approx(math.log(2) / 3, abs=0.01)

    def test_weight_decay_leaves_biases_alone(self):
        subject = trainer(1, lr=0.1, weight_decay=5.0, optimizer="adamw")
        groups = subject.optimizer.groups
        assert [options["weight_decay"] for _, options in groups] == [5.0, 0.0]
        assert all(parameter.ndim == 2 for parameter in groups[0][0])
        assert all(parameter.ndim == 1 for parameter in groups[1][0])

    def test_no_learning_rate_no_learning(self):
        subject = trainer(5, lr=0.0, weight_decay=0.0)
        before = subject.model.state_dict()
        run(subject)
        assert same(before, subject.model.state_dict())

    def test_the_schedule_is_followed(self):
        subject = trainer(30, lr=0.5, schedule="linear")
        _, reports = run(subject)
        assert [report[3] for report in reports] == pytest.approx([0.5 * (1 - step / 30) for step in (9, 19, 29)])

    def test_reports_are_the_mean_of_the_losses_since_the_last(self):
        losses, reports = run(trainer(24))
        assert [report[0] for report in reports] == [10, 20, 24]
        expected = [np.mean(losses[:10]), np.mean(losses[10:20]), np.mean(losses[20:])]
        assert [report[1] for report in reports] == pytest.approx(expected, rel=1e-12)

    def test_no_float64_enters_a_float32_training(self):
        subject = trainer(3)
        run(subject)
        arrays, _ = subject.state()
        assert {array.dtype.name for name, array in arrays.items() if not name.endswith(".steps")} == {"float32"}


class TestSeeds:
    def test_the_same_seed_gives_the_same_bytes(self):
        first, again = trainer(), trainer()
        assert run(first) == run(again)
        assert same(first.state()[0], again.state()[0])

    def test_another_seed_gives_others(self):
        assert run(trainer(seed=1))[0] != run(trainer(seed=0))[0]

    def test_without_a_validation_name(self):
        with pytest.raises(DataError, match=r"validation is empty: .* give at least one"):
            Trainer(MLP(hidden=(2,), rng=0), ["ab"], [], Plan(1, 1))

    def test_a_batch_as_large_as_the_data_and_one_larger(self):
        size = len(trainer().examples)
        run(trainer(2, batch_size=size))
        with pytest.raises(DataError, match=f"a batch of {size + 1} is larger than the training data"):
            trainer(2, batch_size=size + 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("stop_after", [1, 7, 10, 24])
def test_resuming_equals_a_single_run_bit_by_bit(dtype, optimizer, stop_after):
    whole = trainer(dtype=dtype, optimizer=optimizer)
    expected_losses, expected_reports = run(whole)
    first = trainer(dtype=dtype, optimizer=optimizer)
    losses, reports = run(first, stop_after)
    assert first.step == stop_after == len(losses)
    arrays, data = first.state()
    second = trainer(dtype=dtype, optimizer=optimizer)
    second.model.load_state_dict({n: a + 1 for n, a in second.model.state_dict().items()})  # nothing of it may stay
    second.resume(arrays, data)
    more_losses, more_reports = run(second)
    assert losses + more_losses == expected_losses
    assert reports + more_reports == expected_reports
    found_arrays, found = second.state()
    wanted_arrays, wanted = whole.state()
    assert same(found_arrays, wanted_arrays)
    assert {**found, "seconds": 0} == {**wanted, "seconds": 0}


class TestResumeRefuses:
    @pytest.mark.parametrize(
        "change",
        [
            lambda arrays, data: data.pop("generator"),
            lambda arrays, data: data.pop("nats"),
            lambda arrays, data: data.update(step=25),
            lambda arrays, data: data.update(step=-1),
            lambda arrays, data: data.update(step=True),
            lambda arrays, data: data.update(step="7"),
            lambda arrays, data: data.update(best_loss="low"),
            lambda arrays, data: data.update(generator={"bit_generator": "MT19937"}),
            lambda arrays, data: data.update(generator="PCG64"),
            lambda arrays, data: data["generator"].update(state={}),
            lambda arrays, data: arrays.pop("model.output.weight"),
            lambda arrays, data: arrays.pop("best.output.weight"),
            lambda arrays, data: arrays.pop("optimizer.0.mean"),
            lambda arrays, data: arrays.pop("optimizer.2.steps"),
            lambda arrays, data: [arrays.pop(name) for name in list(arrays) if name.startswith("optimizer.")],
            lambda arrays, data: [arrays.pop(name) for name in list(arrays) if name.startswith("optimizer.1.")],
            lambda arrays, data: arrays.update({"optimizer.0.mean": np.zeros((2, 2), np.float32)}),
            lambda arrays, data: arrays.update({"optimizer.9.steps": np.array(3)}),
            lambda arrays, data: arrays.update({"else.weight": np.zeros(2, np.float32)}),
            lambda arrays, data: arrays.update({"model.more": np.zeros(2, np.float32)}),
        ],
    )
    def test_what_does_not_fit(self, change):
        first = trainer()
        run(first, 7)
        arrays, data = first.state()
        change(arrays, data)
        with pytest.raises((ValueError, KeyError, TypeError)):
            trainer().resume(arrays, data)

    def test_another_optimizer(self):
        first = trainer(optimizer="adam")
        run(first, 7)
        with pytest.raises(ValueError, match="optimizer was 'adam' when it was saved and is now 'sgd'"):
            trainer(optimizer="sgd").resume(*first.state())

    def test_a_state_is_a_copy(self):
        subject = trainer()
        run(subject, 7)
        arrays, _ = subject.state()
        kept = {name: array.copy() for name, array in arrays.items()}
        run(subject)
        assert same(arrays, kept)


class TestBestWeights:
    def test_they_are_kept_and_restored(self, monkeypatch):
        subject = trainer(40)
        weights, losses = {}, iter([2.0, 1.5, 1.7, 1.6])

        def evaluate(names):
            weights[subject.step] = subject.model.state_dict()
            return type("Found", (), {"loss": next(losses)})

        monkeypatch.setattr(subject.model, "evaluate", evaluate)
        run(subject)
        assert (subject.best_step, subject.best_loss) == (20, 1.5)
        assert same(subject.best, weights[20]) and not same(subject.best, weights[40])
        subject.restore_best()
        assert same(subject.model.state_dict(), weights[20])

    def test_a_loss_that_is_nan_names_the_step_and_keeps_the_last_good_weights(self):
        subject = trainer(50, lr=1e30)
        start = subject.model.state_dict()
        with pytest.raises(TrainingError, match=r"the loss became (nan|inf) at step [23], .* step 0 .* than 1e\+30"):
            run(subject)
        assert same(subject.model.state_dict(), start)

    def test_after_good_steps_the_good_weights(self, monkeypatch):
        subject = trainer(50)
        schedule = subject.schedule
        subject.schedule = lambda step: 1e41 if step == 15 else schedule(step)
        good = trainer(50)
        run(good, 10)
        with pytest.raises(TrainingError, match=r"at step 17, .* the weights of step 10 are kept"):
            run(subject)
        assert same(subject.model.state_dict(), good.model.state_dict())

    def test_a_validation_loss_that_is_nan(self):
        subject = trainer(10)
        subject.schedule = lambda step: 1e41 if step == 9 else 1.0
        with pytest.raises(TrainingError, match=r"the validation loss became (nan|inf) after step 10, .* of step 0"):
            run(subject)


def test_the_time_of_all_runs_adds_up():
    clock = [1000.0]

    def work(subject, last):
        def on_step(step, loss):
            clock[0] += 1
            subject.stop = step == last

        subject.stop = False
        subject.run(on_step, reports.append)

    reports = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "time", types.SimpleNamespace(perf_counter=lambda: clock[0]))
        first, second = trainer(), trainer()
        work(first, 7)
        assert first.seconds == 7
        clock[0] += 100  # a pause
        work(first, 12)
        assert first.seconds == 12
        second.resume(*first.state())
        assert second.seconds == 12
        work(second, 24)
    assert second.seconds == 24 and [report.seconds for report in reports] == [10, 20, 24]


def test_resuming_remembers_the_best():
    subject, second = trainer(40), trainer(40)
    losses = iter([2.0, 1.5, 1.7, 1.6])

    def evaluate(names):
        return types.SimpleNamespace(loss=next(losses))

    with pytest.MonkeyPatch.context() as patch:
        for one in (subject, second):
            patch.setattr(one.model, "evaluate", evaluate)
        run(subject, 35)
        second.resume(*subject.state())
        assert (second.step, second.best_step, second.best_loss) == (35, 20, 1.5)
        run(second)
    assert (second.step, second.best_step, second.best_loss) == (40, 20, 1.5)
    assert same(second.best, subject.best)


@pytest.mark.parametrize("name", [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)])
def test_every_signal_that_asks_to_end_stops_the_training(name):
    subject, number = trainer(), getattr(signal, name)
    earlier = signal.signal(number, lambda *_: None)  # so that one that is not heard does no harm
    try:
        with stopping_on_signals(subject):
            signal.raise_signal(number)
            assert subject.stop
    finally:
        signal.signal(number, earlier)


class TestPlan:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"steps": 0},
            {"steps": 2.5},
            {"steps": True},
            {"batch_size": 0},
            {"evaluate_every": 0},
            {"seed": -1},
            {"lr": -1},
            {"lr": math.nan},
            {"lr": math.inf},
            {"weight_decay": -0.1},
            {"optimizer": "lion"},
            {"schedule": "none"},
        ],
    )
    def test_out_of_range_names_the_setting(self, wrong):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Plan(**{"steps": 5, **wrong})

    def test_json_and_back(self):
        plan = Plan(7, seed=0, lr=0.1)
        assert Plan.from_json(plan.to_json()) == plan
        for wrong in ({}, {**plan.to_json(), "more": 1}):
            with pytest.raises(ValueError, match="a training plan has the settings"):
                Plan.from_json(wrong)


class TestSignals:
    def test_the_first_lets_the_step_finish_and_the_second_interrupts(self):
        subject = trainer()
        before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
        with stopping_on_signals(subject):
            signal.raise_signal(signal.SIGINT)
            assert subject.stop
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before

    def test_in_the_middle_of_a_step(self, monkeypatch):
        subject = trainer()
        whole = subject.optimizer.step

        def step():
            if subject.step == 5:
                signal.raise_signal(signal.SIGINT)
            whole()

        monkeypatch.setattr(subject.optimizer, "step", step)
        with stopping_on_signals(subject):
            subject.run(lambda *_: None, lambda _: None)
        reference = trainer()
        run(reference, 6)
        assert subject.step == 6 and same(subject.state()[0], reference.state()[0])

    def test_another_thread_leaves_signals_alone(self):
        found = []

        def work():
            with stopping_on_signals(trainer()):
                found.append(signal.getsignal(signal.SIGINT))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert found == [signal.getsignal(signal.SIGINT)]
