"""Tests that trainings whose batches are cut into pieces end with the same bytes, however many ranks share them."""

import json
import math
import subprocess
import sys
from contextvars import Context
from functools import cache

import numpy as np
import pytest

from tests.helpers import ROOT
from tests.helpers.dropping import DroppingMLP
from tests.helpers.ranks import MPIEXEC, needs_mpi, on_ranks
from tests.helpers.training import SPLIT, BatchNormed, same
from tests.training.test_exact_resume import MODELS, FromDefault, RunningMean
from tests.training.test_whole_names import NextToken
from tinygrad_lm import manual_seed, nn
from tinygrad_lm.autograd import Value
from tinygrad_lm.models import LSTM, MLP, TrainableModel
from tinygrad_lm.text import IGNORE, NameDataset, Vocabulary
from tinygrad_lm.training import Alone, Plan, Trainer, TrainingError
from tinygrad_lm.training.together import packed, unpacked

NAMES, VALIDATION = SPLIT.train[:300], SPLIT.validation[:15]


def dropping_lstm():
    return LSTM(Vocabulary(), hidden=8, embedding=4, dropout=0.2, recurrent_dropout=0.1, blank=0.1, rng=0)


class TwoPrecisions(MLP):
    """Its last layer is in float64, and a part of it is never used."""

    kind = "two precisions"

    def __init__(self):
        super().__init__(context=2, embedding=4, hidden=(8,), rng=0)
        self.output.to(np.float64)
        self.unused = nn.Linear(2, 2, rng=0)


class OfValues(TrainableModel):
    """Twenty-seven numbers, each a ``Value``: how often each letter comes."""

    kind = "of values"

    def __init__(self):
        self.vocabulary = Vocabulary()
        self.scores = [Value(0.1 * i) for i in range(27)]

    def examples(self, names):
        return NameDataset(names, self.vocabulary, 1)

    def loss(self, inputs, targets):
        total = sum((score.exp() for score in self.scores[1:]), self.scores[0].exp())
        return total.log() - sum((self.scores[i] for i in targets[1:]), self.scores[targets[0]]) / len(targets)

    def named_parameters(self):
        return ((f"score {i}", score) for i, score in enumerate(self.scores))

    def state_dict(self):
        return {name: np.array(score.data) for name, score in self.named_parameters()}

    def load_state_dict(self, state):
        for name, score in self.named_parameters():
            score.data = state[name].item()

    def next_logits(self, prefixes):
        return np.array([[score.data for score in self.scores]] * len(prefixes))


OfValues.__abstractmethods__ = frozenset()
KINDS = [dropping_lstm, TwoPrecisions, OfValues, *MODELS]
every_kind = pytest.mark.parametrize("kind", KINDS)


def trainer(kind, communicator=None, steps=8, **settings):
    manual_seed(4)
    plan = Plan(steps, **{"batch_size": 18, "evaluate_every": 3, "pieces": 4, **settings})
    return Trainer(kind(), NAMES, VALIDATION, plan, communicator=communicator)


def told(subject):
    """The state, without what hangs on the clock."""
    arrays, data = subject.state()
    return arrays, {**data, "seconds": 0}


def ended(kind, communicator=None, **settings):
    subject = trainer(kind, communicator, **settings)
    losses = []
    subject.run(lambda step, loss: losses.append(loss), progress=False)
    return (*told(subject), losses)


@cache
def alone(kind, **settings):
    return Context().run(ended, kind, Alone(), **settings)


def equal(one, other):
    return same(one[0], other[0]) and one[1:] == other[1:]


@every_kind
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_any_number_of_ranks_ends_with_the_same_bytes(kind, size):
    for found in on_ranks(size, lambda communicator: ended(kind, communicator)):
        assert equal(found, alone(kind))


@pytest.mark.parametrize("kind", [dropping_lstm, DroppingMLP])
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
@pytest.mark.parametrize(("before", "after"), [(4, 1), (1, 3), (2, 4)])
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


@pytest.mark.parametrize(("kind", "seeded"), [(DroppingMLP, True), (FromDefault, True), (FromDefault, False)])
def test_masks_differ_from_piece_to_piece_and_from_step_to_step(kind, seeded):
    masks = []

    class Watching(kind):
        def forward(self, contexts):
            masks.append(self.drop(np.ones((1, 64), np.float32)).data.tobytes())
            return super().forward(contexts)

    def watched():
        plan = Plan(3, batch_size=8, pieces=4)
        if seeded:
            manual_seed(4)
        Trainer(Watching(), NAMES, VALIDATION, plan).run(progress=False)

    Context().run(watched)
    del masks[12:]  # the evaluation at the end drops nothing
    assert len(set(masks)) == len(masks) == 12


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


def test_a_parameter_that_a_batch_does_not_use_has_no_gradient_though_it_had_one():
    class Sometimes(MLP):
        kind = "sometimes"
        used = True

        def __init__(self):
            super().__init__(context=2, embedding=4, hidden=(8,), rng=0)
            self.more = nn.Linear(27, 27, rng=1)

        def forward(self, contexts):
            found = super().forward(contexts)
            return self.more(found) if self.used else found

    subject = trainer(Sometimes)
    subject._gradients.begin(subject)
    batch = subject.examples.sample(18, np.random.default_rng(5))
    for used in (True, False):
        subject.model.used = used
        subject._gradients.of(*batch, 0)
        assert (subject.model.more.weight.grad is not None) is used


class Plain(NextToken):
    """Whole names of different lengths."""

    def __init__(self):
        super().__init__(Vocabulary())


def plain_lstm():
    return LSTM(Vocabulary(), hidden=8, embedding=4, dropout=0.0, recurrent_dropout=0.0, blank=0.0, rng=0)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [(plain_lstm, {}), (Plain, {}), (TwoPrecisions, {}), (OfValues, {}), (plain_lstm, {"label_smoothing": 0.1})],
)
def test_the_sum_is_the_gradient_of_the_mean_over_all_targets_that_count(kind, settings):
    cut, whole = trainer(kind, **settings), trainer(kind, pieces=None, **settings)
    for subject in (cut, whole):
        subject._gradients.begin(subject)
    inputs, targets = whole.examples.sample(18, np.random.default_rng(5))
    if targets.ndim == 2:
        targets = targets.copy()
        targets[3:9, 1:] = IGNORE  # so that the pieces weigh differently
    losses = [subject._gradients.of(inputs, targets, 0) for subject in (cut, whole)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for (name, one), (_, other) in zip(cut.model.named_parameters(), whole.model.named_parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None), name
        if other.grad is not None:
            assert np.asarray(one.grad).dtype == np.asarray(other.grad).dtype
            np.testing.assert_allclose(one.grad, other.grad, rtol=1e-3, atol=1e-6, err_msg=name)


def test_a_piece_in_which_nothing_counts_is_left_out_and_a_batch_of_such_fails():
    subject = trainer(Plain)
    subject._gradients.begin(subject)
    inputs, targets = subject.examples.sample(18, np.random.default_rng(5))
    targets = targets.copy()
    targets[:6] = IGNORE
    assert subject._gradients.of(inputs, targets, 0) == pytest.approx(subject.model.loss(inputs, targets).item())
    assert math.isnan(subject._gradients.of(inputs, np.full_like(targets, IGNORE), 0))


class TestBuffers:
    def test_running_statistics_are_the_means_of_those_of_the_pieces(self):
        subject = trainer(BatchNormed, batch_size=20)
        subject._gradients.begin(subject)
        inputs, targets = subject.examples.sample(20, np.random.default_rng(5))
        subject.model.train()
        subject._gradients.of(inputs, targets, 0)
        seen = []
        for piece in range(4):
            model = BatchNormed()
            model.train()
            model.loss(inputs[5 * piece : 5 * piece + 5], targets[5 * piece : 5 * piece + 5])
            seen.append(model.hidden[1].running_mean)
        np.testing.assert_allclose(subject.model.hidden[1].running_mean, np.mean(seen, axis=0), rtol=1e-5, atol=1e-7)

    def test_what_no_piece_changes_keeps_its_bytes(self):
        class WithTable(DroppingMLP):
            def __init__(self):
                super().__init__()
                self.register_buffer("table", np.array([0.1, math.nan], np.float32))

        subject = trainer(WithTable)
        table = subject.model.table
        subject.run(progress=False)
        assert subject.model.table is table and table.tobytes() == np.array([0.1, math.nan], np.float32).tobytes()

    def test_whole_numbers_that_come_out_differently_are_refused(self):
        class Counting(DroppingMLP):
            def __init__(self):
                super().__init__()
                self.register_buffer("seen", np.array(0))

            def forward(self, contexts):
                self.seen = self.seen + contexts.sum()
                return super().forward(contexts)

        subject = trainer(Counting)
        with pytest.raises(ValueError, match=r"'seen' of Counting, of int64, came out differently .* without pieces"):
            subject.run(progress=False)
        assert subject.step == 0 and subject.model.seen == 0

    def test_another_shape_is_refused(self):
        class Growing(DroppingMLP):
            def __init__(self):
                super().__init__()
                self.register_buffer("grown", np.zeros(1))

            def forward(self, contexts):
                self.grown = np.append(self.grown, 0.0)
                return super().forward(contexts)

        with pytest.raises(ValueError, match=r"'grown' of Growing was float64 \(1,\) and became float64 \(2,\)"):
            trainer(Growing).run(progress=False)


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


def test_an_exception_in_a_piece_leaves_the_step_unmade():
    subject = trainer(RunningMean)
    whole, calls = subject.model.loss, []

    def loss(inputs, targets):
        calls.append(len(targets))
        found = whole(inputs, targets)
        if len(calls) == 11:
            raise RuntimeError("once")
        return found

    subject.model.loss = loss
    with pytest.raises(RuntimeError, match="once"):
        subject.run(progress=False)
    assert calls[:4] == [5, 5, 4, 4]
    subject.run(progress=False)
    assert same(told(subject)[0], alone(RunningMean)[0])
    assert told(subject)[1] == alone(RunningMean)[1]


def test_what_travels_is_one_flat_array_of_each_rank_at_each_step():
    def counted(communicator):
        subject = trainer(small, communicator, steps=10)
        subject._gradients.begin(subject)
        before = communicator.gathered
        subject._gradients.of(*subject.examples.sample(18, subject.rng), 0)
        return communicator.gathered - before

    numbers = sum(parameter.data.size for parameter in small().parameters())
    head = 8 * (1 + sum(1 for _ in small().parameters()))
    assert on_ranks(2, counted) == [2 * (4 * numbers + head + 4 * numbers % 8)] * 2


def small():
    return MLP(context=2, embedding=4, hidden=(8,), rng=0)


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
