"""Tests of models measured alike: losses, sizes, and what of their names is new."""

import numpy as np
import pytest

from tests.helpers.own_models import NAMES, VOCABULARY
from tinygrad_lm import sampling
from tinygrad_lm.comparing import measure, numbers_of
from tinygrad_lm.models import GRU, MLP, Evaluation, KneserNey, Mixture, NGram
from tinygrad_lm.text import DataError

COUNTED = KneserNey(3).fit(NAMES)


def test_what_is_measured():
    found = measure(COUNTED, NAMES, ["abid", "zara"], ["ravi"], count=200, rng=5)
    assert found.validation == COUNTED.evaluate(["abid", "zara"]) and found.test == COUNTED.evaluate(["ravi"])
    texts = [sample.text for sample in sampling.samples(COUNTED, rng=5, count=200)]
    assert [sample.text for sample in found.drawn] == texts
    assert found.new == pytest.approx(sum(text not in NAMES for text in texts) / 200) and 0 < found.new < 1
    assert found.duplicates == pytest.approx(1 - len(set(texts)) / 200) and found.duplicates > 0
    assert found.numbers == len(COUNTED.contexts) + 2 * len(COUNTED.pairs)
    assert len(repr(found)) < 400


def test_without_names_there_is_no_loss():
    found = measure(COUNTED, NAMES, count=3, rng=0)
    assert found.validation is None and found.test is None and len(found.drawn) == 3
    with pytest.raises(DataError, match="at least one training name"):
        measure(COUNTED, [], count=3, rng=0)


def test_one_seed_is_one_list_of_names():
    settings = sampling.Settings(0.5)
    one, other = (measure(COUNTED, NAMES, count=9, settings=settings, rng=1) for _ in range(2))
    assert one == other and one != measure(COUNTED, NAMES, count=9, rng=1)


def test_how_many_numbers():
    mlp, gru = MLP(hidden=(4,), norm="batch", rng=0), GRU(VOCABULARY, rng=0)
    assert numbers_of(mlp) == mlp.num_parameters() < sum(a.size for a in mlp.state_dict().values())
    assert numbers_of(NGram(2).fit(["ab"])) == 3 + 2 * 3
    assert numbers_of(Mixture([mlp, gru, COUNTED])) == sum(map(numbers_of, (mlp, gru, COUNTED)))


def test_bits():
    assert Evaluation(np.log(8), 5).bits == pytest.approx(3)
    assert sampling.shares(["a", "b", "a", "c"], ["a", "x"]) == (0.5, 0.25)
