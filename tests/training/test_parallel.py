"""Tests that trainings whose batches are cut into pieces end with the same bytes, however many ranks share them."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest

from tests.helpers import ROOT
from tests.helpers.dropping import DroppingMLP
from tests.helpers.pieces import (
    NAMES,
    VALIDATION,
    OfValues,
    TwoPrecisions,
    alone,
    dropping_lstm,
    ended,
    equal,
    told,
    trainer,
)
from tests.helpers.ranks import MPIEXEC, needs_mpi, on_ranks
from tests.helpers.training import same
from tests.training.test_exact_resume import MODELS, FromDefault, RunningMean
from tinygrad_lm import manual_seed
from tinygrad_lm.models import LSTM
from tinygrad_lm.text import Vocabulary
from tinygrad_lm.training import Alone, Plan, Trainer, TrainingError
from tinygrad_lm.training.together import packed, unpacked

pytestmark = pytest.mark.usefixtures("plans_at_once")

KINDS = [dropping_lstm, TwoPrecisions, OfValues, *MODELS]
every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
@pytest.mark.parametrize("size", [*(pytest.param(size, marks=pytest.mark.slow) for size in (1, 2, 3)), 4])
def test_any_number_of_ranks_ends_with_the_same_bytes(kind, size):
    for found in on_ranks(size, lambda communicator: ended(kind, communicator)):
        assert equal(found, alone(kind))


@pytest.mark.parametrize("kind", [pytest.param(dropping_lstm, marks=pytest.mark.slow), DroppingMLP])
@pytest.mark.parametrize("settings", [{"batch_size": 3}, {"pieces": 7, "batch_size": 20}, {"ema_decay": 0.9}])
def test_so_do_small_batches_other_numbers_of_pieces_and_averages(kind, settings):
    for found in on_ranks(3, lambda communicator: ended(kind, communicator, **settings)):
        assert equal(found, alone(kind, **settings))


def test_with_pieces_in_the_plan_and_no_communicator_one_process_computes_them_all():
    assert equal(ended(dropping_lstm), alone(dropping_lstm))


def test_a_communicator_cuts_where_the_plan_does_not_say():
    subject = trainer(dropping_lstm, Alone(), pieces=None)
    assert subject.plan.pieces == 4
    assert trainer(dropping_lstm, pieces=None).plan.pieces is None
    assert equal(ended(dropping_lstm, Alone(), pieces=None), alone(dropping_lstm))


@pytest.mark.parametrize("kind", [dropping_lstm, FromDefault, RunningMean])
@pytest.mark.parametrize(("before", "after"), [(4, 1), (1, 3), pytest.param(2, 4, marks=pytest.mark.slow)])
def test_stopped_and_resumed_on_another_number_of_ranks(kind, before, after):
    def stopped(communicator):
        subject = trainer(kind, communicator)
        subject.run(lambda step, loss: setattr(subject, "stop", step == 5), progress=False)
        arrays, data = subject.state()
        return arrays, json.loads(json.dumps(data, allow_nan=False))

    def resumed(communicator):
        subject = trainer(kind, communicator)
        if communicator.rank == 0:
            subject.resume(*state)
        subject.run(progress=False)
        return told(subject)

    state = on_ranks(before, stopped)[-1]
    for found in on_ranks(after, resumed):
        assert same(found[0], alone(kind)[0])
        assert found[1] == alone(kind)[1]


def test_all_start_from_the_state_of_rank_0():
    def different(communicator):
        manual_seed(communicator.rank)
        model = LSTM(Vocabulary(), hidden=8, embedding=4, dropout=0.2, rng=communicator.rank)
        subject = Trainer(model, NAMES, VALIDATION, Plan(4, batch_size=8), communicator=communicator)
        subject.run(progress=False)
        return told(subject)

    found = on_ranks(3, different)
    assert all(same(each[0], found[0][0]) and each[1] == found[0][1] for each in found)


def test_without_a_seed_the_default_generator_is_not_asked():
    def unseeded(communicator):
        plan = Plan(4, batch_size=8, pieces=4)
        subject = Trainer(FromDefault(), NAMES, VALIDATION, plan, communicator=communicator)
        subject.run(progress=False)
        return subject.state()

    (one,), (first, second) = on_ranks(1, unseeded), on_ranks(2, unseeded)
    assert one[1]["default_generator"] is None
    assert same(one[0], first[0]) and same(one[0], second[0])


def test_a_default_generator_that_only_some_ranks_have_is_not_asked():
    def some(communicator):
        if communicator.rank == 1:
            manual_seed(9)
        plan = Plan(4, batch_size=8, pieces=4)
        subject = Trainer(FromDefault(), NAMES, VALIDATION, plan, communicator=communicator)
        subject.run(progress=False)
        return subject.model.state_dict()

    (alone,) = on_ranks(1, some)
    assert all(same(found, alone) for found in on_ranks(2, some))


class TestStopping:
    def test_what_one_rank_is_told_stops_all_after_the_step_under_way(self):
        def stopping(communicator):
            subject = trainer(dropping_lstm, communicator)

            def on_step(step, loss):
                subject.stop = step == 5 and communicator.rank == 1

            subject.run(on_step, progress=False)
            return subject.step, subject.stop

        assert on_ranks(3, stopping) == [(5, True)] * 3

    def test_where_one_was_stopped_before_none_begins(self, capsys):
        def stopped(communicator):
            subject = trainer(dropping_lstm, communicator)
            subject.stop = communicator.rank == 1
            subject.run()
            return subject.step

        assert on_ranks(2, stopped) == [0, 0]
        assert capsys.readouterr().err.count("nothing was done") == 1

    def test_ctrl_c_on_one_interrupts_all(self):
        def interrupted(communicator):
            subject = trainer(dropping_lstm, communicator)
            agree = subject._gradients.agree

            def hears(stop, heard):
                return agree(stop, heard or (subject.step == 2 and communicator.rank == 1))

            subject._gradients.agree = hears
            with pytest.raises(KeyboardInterrupt):
                subject.run(progress=False)
            return subject.step

        assert on_ranks(2, interrupted) == [2, 2]

    def test_a_loss_that_is_no_number_stops_all_with_the_best_weights(self):
        def failing(communicator):
            subject = trainer(DroppingMLP, communicator)
            whole = subject.model.loss

            def loss(inputs, targets):
                if communicator.rank == 1 and subject.step == 4:
                    return whole(inputs, targets) * math.nan
                return whole(inputs, targets)

            subject.model.loss = loss
            with pytest.raises(TrainingError, match="the loss became nan at step 5"):
                subject.run(progress=False)
            return same(subject.model.state_dict(), subject.best)

        assert on_ranks(2, failing) == [True, True]


class TestRefusals:
    def test_more_ranks_than_pieces(self):
        with pytest.raises(ValueError, match=r"3 ranks share the 2 pieces of a batch.* start at most 2"):
            on_ranks(3, lambda communicator: trainer(dropping_lstm, communicator, pieces=2))

    @pytest.mark.parametrize("pieces", [0, -1, 1.5, True, 10**5])
    def test_a_number_of_pieces_that_cannot_be(self, pieces):
        with pytest.raises(ValueError, match="pieces is a whole number from 1 to 10,000, or None for whole batches"):
            Plan(8, pieces=pieces)

    def test_a_rank_that_trains_something_else(self):
        def other(communicator):
            return trainer(dropping_lstm, communicator, lr=0.01 * (1 + communicator.rank)).run(progress=False)

        with pytest.raises(ValueError, match=r"rank 1 does not train what rank 0 trains: lr was 0\.01 .* now 0\.02"):
            on_ranks(2, other)

    def test_pieces_are_a_part_of_how_a_run_goes_on(self):
        with pytest.raises(ValueError, match="pieces was 4 when it was saved and is now None"):
            trainer(dropping_lstm, pieces=None).resume(*trainer(dropping_lstm).state())


def test_a_state_travels_as_a_row_of_bytes():
    arrays = {"a": np.arange(6.0).reshape(2, 3).T, "b": np.array(3, np.int8), "c": np.empty((0, 2), np.float32)}
    data = {"x": [1, 2**70, None], "y": {"z": "ä"}}
    found, again = unpacked(packed(arrays, data))
    assert same(found, arrays) and again == data
    assert all(found[name].shape == arrays[name].shape and found[name].flags.writeable for name in arrays)


LIBRARY = """
import sys
from tinygrad_lm.models import MLP
from tinygrad_lm.text import Vocabulary, bundled_names, split_names
from tinygrad_lm.training import Plan, Trainer, over_mpi

split = split_names(bundled_names()[:200])
team = over_mpi()
model = MLP(Vocabulary(), context=2, embedding=4, hidden=(8,), rng=team.rank)

def look(trainer):
    if sys.argv[1:] == [str(trainer.step), str(team.rank)]:
        raise RuntimeError("no more")

trainer = Trainer(model, split.train, split.validation, Plan(20, 8), before_step=look, communicator=team)
trainer.run()
if team.rank == 0:
    print(f"{team.size} ranks, {trainer.best_loss!r}")
"""


@needs_mpi
class TestLibrary:
    def run(self, size, *arguments):
        return subprocess.run(
            [MPIEXEC, "-n", str(size), sys.executable, "-c", LIBRARY, *arguments],
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=120,
            cwd=ROOT,
        )

    def test_a_script_trains_on_several_ranks(self):
        one, three = self.run(1), self.run(3)
        assert one.stdout.startswith("1 ranks, 2.") or one.stdout.startswith("1 ranks, 3."), one.stderr
        assert three.stdout == one.stdout.replace("1 ranks", "3 ranks")

    def test_an_exception_that_nobody_catches_ends_all(self):
        done = self.run(2, "5", "1")
        assert done.returncode == 1
        assert done.stderr.count("Traceback") == done.stderr.count("RuntimeError: no more") == 1
