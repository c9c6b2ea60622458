"""Tests that the training loss is a mean over characters, whatever the tokens are and however long the names."""

import numpy as np
import pytest

from tests.helpers.pairs import Pairs
from tests.helpers.training import SPLIT, run, trainer
from tests.training.test_whole_names import NextToken
from tinygrad_lm.models import MLP
from tinygrad_lm.text import IGNORE, Vocabulary, token_lengths
from tinygrad_lm.training import Plan, Trainer
from tinygrad_lm.training.report import MeanLoss

NAMES = SPLIT.validation[:120]


class Epoch:
    """Examples whose samples are the batches of one epoch, in their order; the last is smaller."""

    def __init__(self, examples, batch_size):
        self.batches = list(examples.batches(batch_size, np.random.default_rng(3)))
        self.size, self.left = len(examples), iter(self.batches)

    def __len__(self):
        return self.size

    def sample(self, batch_size, rng):
        return next(self.left)


def windows(vocabulary):
    return MLP(vocabulary, context=2, embedding=3, hidden=(8,), rng=0)


def in_order(kind, vocabulary, batch_size=16):
    """A trainer that goes through one epoch with a learning rate of 0, so that the weights stay as they are."""
    model = kind(vocabulary)
    epoch = Epoch(model.examples(NAMES), batch_size)
    plan = Plan(len(epoch.batches), batch_size, lr=0.0, evaluate_every=10**6)
    subject = Trainer(model, NAMES, NAMES, plan)
    subject.examples = epoch
    return subject


@pytest.mark.parametrize("vocabulary", [Vocabulary, Pairs])
@pytest.mark.parametrize("kind", [windows, NextToken, lambda vocabulary: NextToken(vocabulary, 3)])
def test_over_an_epoch_of_frozen_weights_it_is_the_loss_of_an_evaluation(vocabulary, kind):
    subject = in_order(kind, vocabulary())
    losses, _ = run(subject)
    (report,) = subject.history
    assert report.train_loss == pytest.approx(report.validation_loss, rel=2e-6)
    if (vocabulary, kind) != (Vocabulary, windows):
        assert abs(np.mean(losses) - report.validation_loss) > 1e-4  # what a mean of batch means would say


def test_each_step_still_tells_its_own_batch():
    subject = in_order(NextToken, Pairs())
    losses, _ = run(subject)
    expected = [subject.model.loss(*batch).item() for batch in subject.examples.batches]
    assert losses == expected


def test_what_it_counts():
    losses = MeanLoss(Pairs("ab"))
    lengths = token_lengths(Pairs("ab"))
    targets = np.array([[3, 0, IGNORE], [1, IGNORE, IGNORE]])
    assert lengths[targets[targets != IGNORE]].tolist() == [2, 1, 1]
    losses.add(0.5, losses.count(targets))
    losses.add(2.0, losses.count(np.array([3])))
    assert (losses.nats, losses.characters) == (3 * 0.5 + 2.0, 4 + 2)
    assert losses.value() == 3.5 / 6
    losses.reset()
    assert (losses.nats, losses.characters) == (0.0, 0)


class TestEarlierCheckpoints:
    """They hold the sum of the means of batches, and how many batches those were."""

    def earlier(self, subject, losses):
        """The state of a trainer as an earlier version wrote it, after these losses since the last report."""
        arrays, data = subject.state()
        for name in ("nats", "characters", "stepped", "generators", "default_generator", "optimizer", "before_step"):
            data.pop(name, None)
        for name in ("clip_grad_norm", "warmup_steps", "ema_decay", "label_smoothing"):
            data["plan"].pop(name, None)
        return arrays, {**data, "loss_sum": sum(losses, 0.0), "loss_count": len(losses)}

    @pytest.mark.parametrize("stop_after", [10, 17])
    def test_one_of_windows_goes_on_as_it_would_have(self, stop_after):
        whole, subject, again = trainer(), trainer(), trainer()
        _, expected = run(whole)
        losses, _ = run(subject, stop_after)
        again.resume(*self.earlier(subject, losses[10:]))
        _, reports = run(again)
        assert [report[0] for report in reports] == [20, 24]
        assert [report[1] for report in reports] == pytest.approx([report[1] for report in expected[1:]], rel=1e-12)
        assert [report[2:] for report in reports] == [report[2:] for report in expected[1:]]

    @pytest.mark.parametrize("count", [0, 3])
    def test_one_whose_examples_are_more_than_a_character_each_only_right_after_a_report(self, count):
        def fresh():
            return Trainer(NextToken(Vocabulary()), NAMES, NAMES, Plan(20, 8, evaluate_every=5))

        subject, again = fresh(), fresh()
        losses, _ = run(subject, 5 + count)
        arrays, data = self.earlier(subject, losses[5:])
        if count:
            with pytest.raises(ValueError, match=r"an earlier version .* no mean over characters; train anew"):
                again.resume(arrays, data)
        else:
            again.resume(arrays, data)
            assert again.step == 5

    def test_nor_one_of_longer_tokens(self):
        def fresh():
            return Trainer(windows(Pairs()), NAMES, NAMES, Plan(20, 8, evaluate_every=5))

        subject = fresh()
        losses, _ = run(subject, 7)
        with pytest.raises(ValueError, match="no mean over characters"):
            fresh().resume(*self.earlier(subject, losses[5:]))

    @pytest.mark.parametrize(
        ("name", "value"), [("loss_count", 25), ("loss_count", -1), ("loss_count", True), ("loss_sum", None)]
    )
    def test_numbers_that_cannot_be(self, name, value):
        subject = trainer()
        run(subject, 7)
        arrays, data = self.earlier(subject, [1.0] * 7)
        with pytest.raises(ValueError, match=name):
            trainer().resume(arrays, {**data, name: value})
