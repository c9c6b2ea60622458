"""Tests of the neural bigram: it starts with no opinion, ends at the counts, and is no larger than a model may be."""

import numpy as np
import pytest

from tinygrad_lm.models import NeuralBigram, NGram
from tinygrad_lm.optim import SGD
from tinygrad_lm.text import Vocabulary

NAMES = ["aabid", "priya", "zeel", "nipun", "abid", "zara"]


def trained(dtype=np.float64):
    """All windows in one batch, a step at a time downhill, on the letters of the names alone."""
    model = NeuralBigram(Vocabulary.from_names(NAMES), dtype=dtype)
    inputs, targets = model.examples(NAMES).take(np.arange(sum(len(name) + 1 for name in NAMES)))
    optimizer = SGD(model.parameters(), lr=20.0)
    for _ in range(1_500):
        optimizer.zero_grad()
        model.loss(inputs, targets).backward()
        optimizer.step()
    return model


def test_it_converges_to_the_counted_bigram():
    learned = trained()
    counted = NGram(2, 0.0, learned.vocabulary).fit(NAMES)
    assert np.abs(learned.table() - counted.table()).max() < 0.01
    assert np.allclose(learned.table().sum(axis=1), 1, rtol=1e-12)
    # The counts are the minimum: nothing has a smaller loss on the names, and what was learned is close to it.
    assert 0 < learned.evaluate(NAMES).loss - counted.evaluate(NAMES).loss < 0.003


def test_at_first_all_tokens_are_equally_likely():
    model = NeuralBigram()
    assert model.logits.shape == (27, 27) and model.table().dtype == np.float32
    assert np.allclose(model.table(), 1 / 27) and model.evaluate(NAMES).loss == pytest.approx(np.log(27))


def test_only_the_last_token_counts():
    model = NeuralBigram(dtype=np.float64)
    model.logits.data = np.random.default_rng(0).normal(size=(27, 27))
    rows = model.next_logits([[], [3], [5, 3], [26]])
    assert np.array_equal(rows[1], rows[2]) and np.array_equal(rows[0], model.logits.data[26])
    assert np.allclose(np.exp(rows[1]) / np.exp(rows[1]).sum(), model.table()[3])


def test_too_large_a_vocabulary():
    many = Vocabulary([chr(0x4E00 + i) for i in range(6_000)])
    with pytest.raises(ValueError, match="this model has 36,012,001 parameters, more than 33,554,432"):
        NeuralBigram(many)
