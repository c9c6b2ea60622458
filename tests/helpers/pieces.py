"""Trainings whose batches are cut into pieces, of models that draw, and how each of them ends alone."""

from contextvars import Context
from functools import cache

import numpy as np

from tests.helpers.training import SPLIT, same
from tinygrad_lm import manual_seed, nn
from tinygrad_lm.autograd import Value
from tinygrad_lm.models import LSTM, MLP, TrainableModel
from tinygrad_lm.text import NameDataset, Vocabulary
from tinygrad_lm.training import Alone, Plan, Trainer

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
