"""Tests that the trainer draws whole names from a ``SequenceDataset`` as it draws windows."""

import numpy as np
import pytest

from tests.helpers.pairs import Pairs
from tinygrad_lm import nn
from tinygrad_lm.autograd import no_grad
from tinygrad_lm.models import NGram, TrainableModel
from tinygrad_lm.nn import functional as F
from tinygrad_lm.text import IGNORE, SequenceDataset, Vocabulary, bundled_names
from tinygrad_lm.training import Plan, Trainer

NAMES = bundled_names()[::9]


class NextToken(nn.Module, TrainableModel):
    """A bigram that is learned: a row of logits for each token, over whole names of at most ``context`` tokens."""

    kind = "next token"

    def __init__(self, vocabulary, context=None):
        self.vocabulary, self.context = vocabulary, context
        self.rows = nn.Embedding(len(vocabulary), len(vocabulary), rng=0)

    def examples(self, names):
        return SequenceDataset(names, self.vocabulary, self.context)

    def loss(self, inputs, targets):
        counting = targets != IGNORE
        return F.cross_entropy(self.rows(inputs[counting]), targets[counting])

    def next_logits(self, prefixes):
        with no_grad():
            return self.rows(np.array([[self.vocabulary.boundary_id, *prefix][-1] for prefix in prefixes])).data

    def log_likelihoods(self, names):
        sequences = self.examples(names)
        inputs, targets = sequences.take(np.arange(len(sequences)))
        counting = targets != IGNORE
        with no_grad():
            rows = F.log_softmax(self.rows(inputs[counting])).data
        return rows[np.arange(len(rows)), targets[counting]]

    def config(self):
        return {"context": self.context}

    @classmethod
    def from_config(cls, config, vocabulary):
        return cls(vocabulary, **config)

    @classmethod
    def size_of(cls, config, vocabulary):
        return len(vocabulary) ** 2


def trained(steps, vocabulary=None, context=None):
    model = NextToken(Vocabulary() if vocabulary is None else vocabulary, context)
    trainer = Trainer(model, NAMES, NAMES, Plan(steps, 16, lr=0.05, weight_decay=0.0, evaluate_every=50))
    trainer.run(progress=False)
    return trainer


@pytest.mark.parametrize("context", [None, 4])
def test_it_learns_what_counting_finds(context):
    counted = NGram(2, 0.0).fit(NAMES).evaluate(NAMES)
    found = trained(1_200, context=context).model.evaluate(NAMES)
    assert found.characters == counted.characters
    assert counted.loss < found.loss < counted.loss + 0.05


def test_tokens_of_several_characters():
    trainer = trained(60, Pairs())
    assert trainer.history[-1].validation_loss < trainer.history[0].validation_loss
    assert trainer.model.evaluate(NAMES).characters == sum(len(name) + 1 for name in NAMES)


def test_a_training_that_was_stopped_ends_with_the_same_bytes():
    whole = trained(20)
    stopped, resumed = (Trainer(NextToken(Vocabulary()), NAMES, NAMES, whole.plan) for _ in range(2))

    def stop(step, loss):
        stopped.stop = step == 9

    stopped.run(stop, progress=False)
    resumed.resume(*stopped.state())
    resumed.run(progress=False)
    for subject in (resumed, trained(20)):
        assert subject.model.state_dict()["rows.weight"].tobytes() == whole.model.state_dict()["rows.weight"].tobytes()
