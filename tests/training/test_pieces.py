"""Tests of the pieces of a batch: what each draws, their gradients and buffers, and what of them travels."""

import math
from contextvars import Context

import numpy as np
import pytest

from tests.helpers.dropping import DroppingMLP
from tests.helpers.pieces import NAMES, VALIDATION, OfValues, TwoPrecisions, alone, told, trainer
from tests.helpers.ranks import on_ranks
from tests.helpers.training import BatchNormed, same
from tests.training.test_exact_resume import FromDefault, RunningMean
from tests.training.test_whole_names import NextToken
from tinygrad_lm import manual_seed, nn
from tinygrad_lm.models import LSTM, MLP
from tinygrad_lm.text import IGNORE, Vocabulary
from tinygrad_lm.training import Plan, Trainer


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
