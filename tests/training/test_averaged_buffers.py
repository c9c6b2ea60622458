"""Tests of ``Plan(ema_decay=...)`` where the model has buffers: they are averaged as the weights are."""

from types import SimpleNamespace

import numpy as np
import pytest

from tests.helpers.runs import save
from tests.helpers.training import SPLIT, BatchNormed, run, same
from tinygrad_lm import nn, runs
from tinygrad_lm.models import MLP
from tinygrad_lm.training import Plan, Trainer
from tinygrad_lm.training.average import WeightAverage, buffers_of

DECAY = 0.9
MEAN, VARIANCE = "hidden.1.running_mean", "hidden.1.running_var"
STATISTICS = (MEAN, VARIANCE, "hidden.4.running_mean", "hidden.4.running_var")
AVERAGED = {f"average.{name}" for name in STATISTICS}


def trainer(steps=24, ema_decay=DECAY, dtype=np.float32, model=None, **settings):
    plan = Plan(steps, 16, ema_decay=ema_decay, **settings)
    return Trainer(model or BatchNormed(dtype), SPLIT.train[:300], SPLIT.validation[:40], plan)


def states_of_each_step(subject):
    found = []
    subject.run(lambda step, loss: found.append(subject.model.state_dict()), progress=False)
    return found


def averaged(*holding, decay=0.5, update=1):
    """The average of a module's buffer that held each of these arrays after a step."""
    module = nn.Module()
    module.register_buffer("held", np.array(holding[0]))
    average = WeightAverage(iter(()), decay, buffers_of(module))
    for step, array in enumerate(holding[1:], update):
        module.held = array
        average.update(step)
    return average.state_arrays().get("held")


class TestRunningStatistics:
    @pytest.mark.parametrize("decay", [0.0, 0.5, 0.9, 0.999])
    @pytest.mark.parametrize(("dtype", "rtol"), [(np.float32, 2e-5), (np.float64, 1e-12)])
    def test_they_are_the_weighted_mean_of_those_of_all_steps(self, decay, dtype, rtol):
        subject = trainer(ema_decay=decay, dtype=dtype, lr=0.02)
        states = states_of_each_step(subject)
        shares = decay ** np.arange(len(states))[::-1]
        for name in STATISTICS:
            found = subject.average.state_arrays()[name]
            assert found.dtype == dtype
            expected = np.average([state[name].astype(float) for state in states], axis=0, weights=shares)
            np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol)

    def test_they_are_evaluated_and_kept_with_the_best_weights(self):
        subject = trainer(lr=0.02)
        states_of_each_step(subject)
        last, averages = subject.model.state_dict(), subject.average.state_arrays()
        assert subject.best_step == 24 and same(subject.best, averages)
        assert not np.array_equal(last[MEAN], averages[MEAN])
        subject.restore_best()
        assert subject.model.evaluate(subject.validation).loss == pytest.approx(subject.best_loss, rel=1e-6)
        subject.model.load_state_dict({**subject.best, MEAN: last[MEAN], VARIANCE: last[VARIANCE]})
        assert subject.model.evaluate(subject.validation).loss != pytest.approx(subject.best_loss, rel=1e-6)

    def test_the_training_goes_on_with_its_own(self):
        plain, averaging = trainer(ema_decay=None, evaluate_every=5), trainer(evaluate_every=5)
        assert run(plain)[0] == run(averaging)[0]
        assert same(plain.model.state_dict(), averaging.model.state_dict())

    def test_applied_they_come_back_even_after_an_exception(self):
        subject = trainer()
        run(subject)
        norm = subject.model.hidden[1]
        own = norm.running_mean
        with pytest.raises(KeyError), subject.average.applied():
            assert np.array_equal(norm.running_mean, subject.average.state_arrays()[MEAN])
            norm.running_mean += 1
            raise KeyError
        assert norm.running_mean is own
        with subject.average.applied():
            assert np.array_equal(norm.running_mean, subject.average.state_arrays()[MEAN])

    def test_a_run_keeps_them(self, tmp_path):
        subject, again = (trainer(evaluate_every=10, model=MLP(hidden=(8,), norm="batch", rng=seed)) for seed in (0, 1))
        run(subject, 17)
        save(tmp_path / "r", subject)
        runs.restore(tmp_path / "r", again)
        assert same(again.state()[0], subject.state()[0])
        model = runs.load(tmp_path / "r").model
        assert same(model.state_dict(), subject.best)


class TestEarlierAverages:
    def test_an_earlier_version_averaged_none(self):
        """The averages of the buffers begin with the buffers that it saved; those of the weights go on."""
        first, second = trainer(), trainer()
        run(first, 7)
        arrays, data = first.state()
        second.resume({name: x for name, x in arrays.items() if name not in AVERAGED}, data)
        found, before = second.average.state_arrays(), first.average.state_arrays()
        assert same(found, {**before, **{name: arrays[f"model.{name}"] for name in STATISTICS}})
        assert not np.array_equal(found[MEAN], before[MEAN])
        run(second)
        assert second.step == 24 and second.best_loss < 4

    @pytest.mark.parametrize(
        ("name", "array"), [(MEAN, None), (MEAN, np.zeros(3, np.float32)), ("hidden.1.more", np.zeros(8, np.float32))]
    )
    def test_one_that_lacks_some_or_does_not_fit_is_refused(self, name, array):
        first = trainer()
        run(first, 7)
        arrays, data = first.state()
        arrays = {key: x for key, x in arrays.items() if key != f"average.{name}"}
        if array is not None:
            arrays[f"average.{name}"] = array
        with pytest.raises(ValueError, match=rf"the average (of )?'{name}'"):
            trainer().resume(arrays, data)


class TestWhichBuffers:
    def test_floating_point_numbers_of_the_state(self):
        module = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 2))
        module.register_buffer("count", np.array(3))
        module.register_buffer("table", np.ones(2), persistent=False)
        for model, before in ((module, ""), (SimpleNamespace(net=module), "net.")):
            found = WeightAverage(iter(()), 0.5, buffers_of(model)).state_arrays()
            assert set(found) == {f"{before}0.running_mean", f"{before}0.running_var"}

    def test_an_infinity_that_stays_is_one(self):
        mask = np.array([0.0, -np.inf])
        assert np.array_equal(averaged(mask, mask, mask, mask), mask)
        assert np.array_equal(averaged(mask, mask, mask, mask, update=9, decay=0.9), mask)

    def test_a_number_that_takes_its_place_is_taken_as_it_is(self):
        assert averaged(np.array([-np.inf]), np.array([2.0]), np.array([4.0]), decay=0.5) == pytest.approx([10 / 3])
        assert averaged(np.array([-np.inf]), np.array([2.0]), update=9, decay=0.9) == [2.0]

    def test_one_that_stays_stays_exactly(self):
        held = np.array([0.1, 1 / 3], np.float32)
        found = averaged(*[held] * 40, decay=0.97)
        assert found.dtype == np.float32 and np.array_equal(found, held)

    def test_another_shape_and_none(self):
        assert np.array_equal(averaged(np.zeros(2), np.ones(2), np.full(3, 7.0)), np.full(3, 7.0))
        assert averaged(np.zeros(2), np.ones(2), None) is None
        assert np.array_equal(averaged(np.zeros(2), None, np.ones(2)), np.ones(2))
