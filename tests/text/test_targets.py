"""Tests of what the targets of a batch stand for: tokens that count, and characters of text."""

import numpy as np
import pytest

from tests.helpers.pairs import Pairs
from tinygrad_lm.models import MLP
from tinygrad_lm.text import IGNORE, Vocabulary, count_characters, count_targets, token_lengths


def test_lengths_of_tokens():
    assert token_lengths(Vocabulary()).tolist() == [1] * 27
    assert token_lengths(Pairs("कृa", boundary="-")).tolist() == [1, 1, 1, 2, 2, 2, 2]
    assert token_lengths(Pairs("ab")).dtype == np.int64


def test_what_is_ignored_does_not_count():
    targets = np.array([[1, 4, 0], [3, 0, IGNORE], [IGNORE, IGNORE, IGNORE]])
    lengths = token_lengths(Pairs("ab"))
    assert count_targets(targets) == 5 and count_characters(targets, lengths) == 1 + 2 + 1 + 2 + 1
    for count in (count_targets(targets), count_characters(targets, lengths)):
        assert type(count) is int
    nothing = targets[2:]
    assert count_targets(nothing) == count_characters(nothing, lengths) == 0


@pytest.mark.parametrize("vocabulary", [Vocabulary(), Pairs()], ids=["characters", "pairs"])
def test_the_losses_of_the_batches_of_an_epoch_are_the_loss_of_an_evaluation(vocabulary):
    names = ["abid", "aabid", "zeel", "nipun", "meera", "a", "krishnamurthy"]
    model = MLP(vocabulary, context=2, embedding=3, hidden=(5,), rng=0, dtype=np.float64)
    lengths = token_lengths(vocabulary)
    nats = characters = 0
    for contexts, targets in model.examples(names).batches(4, np.random.default_rng(0)):
        nats += model.loss(contexts, targets).item() * count_targets(targets)
        characters += count_characters(targets, lengths)
    assert (nats / characters, characters) == pytest.approx(tuple(model.evaluate(names)), rel=1e-12)
