"""Tests that a ``Trainer`` ends with the same bytes whether it replays its steps or not, and when it makes a plan."""

import pytest

from tests.helpers.pieces import NAMES, VALIDATION, dropping_lstm
from tests.helpers.training import same
from tinygrad_lm.models import MLP
from tinygrad_lm.text import Vocabulary
from tinygrad_lm.training import Plan, Trainer
from tinygrad_lm.training.whole_step import AFTER

FEW_LENGTHS = [name for name in NAMES if len(name) < 7]


def small_mlp():
    return MLP(Vocabulary(), context=3, embedding=4, hidden=(8,), rng=0)


def ended(kind, replay, steps, **settings):
    subject = Trainer(kind(), FEW_LENGTHS, VALIDATION, Plan(steps, **{"batch_size": 8, **settings}), replay=replay)
    losses = []
    subject.run(lambda step, loss: losses.append(loss), progress=False)
    return subject, losses


@pytest.mark.parametrize("pieces", [None, 2])
@pytest.mark.parametrize("kind", [small_mlp, dropping_lstm])
def test_the_same_bytes_with_and_without_replay(kind, pieces):
    (one, losses), (other, again) = (ended(kind, replay, 90, pieces=pieces) for replay in (False, True))
    assert losses == again
    assert same(one.state()[0], other.state()[0])
    steps = other._step if pieces is None else other._gradients._step
    if kind == small_mlp:
        assert [(shape.calls - 2, shape.waits) for shape in steps.shapes] == [(steps.shapes[0].replayed, 0)]
    else:
        assert all(shape.replayed <= max(0, shape.calls - AFTER - 2) for shape in steps.shapes[1:])
        assert {bool(shape.replayed) for shape in steps.shapes} == {True, False}
    assert not any(shape.reason for shape in steps.shapes), steps.report()


@pytest.mark.parametrize("pieces", [None, 2])
def test_evaluations_of_averaged_weights_make_no_plan_anew(pieces):
    """The parameters have other data meanwhile."""
    (one, losses), (other, again) = (
        ended(small_mlp, replay, 40, pieces=pieces, ema_decay=0.9, evaluate_every=8) for replay in (False, True)
    )
    assert losses == again and same(one.state()[0], other.state()[0])
    (shape,) = (other._step if pieces is None else other._gradients._step).shapes
    assert (len(shape.plans), shape.replayed) == (1, shape.calls - 2)


def test_a_short_training_of_whole_names_makes_no_plans():
    subject, _ = ended(dropping_lstm, True, 20)
    assert subject._step.plan is None and len(subject._step.shapes) > 1


def test_without_replay_nothing_is_recorded(monkeypatch):
    monkeypatch.setattr("tinygrad_lm.replay.replayed.Replayed.__call__", None)
    subject, _ = ended(small_mlp, False, 3)
    assert subject.step == 3 and subject._step is None
