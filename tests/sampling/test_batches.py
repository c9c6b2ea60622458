"""Tests of writing many names side by side: each is the same in any batch, and traces are made only on request."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from tests.helpers.dropping import DroppingMLP
from tinygrad_lm.models import GRU, MLP, LanguageModel, NGram
from tinygrad_lm.sampling import Settings, choose, generate, samples, writing
from tinygrad_lm.text import Vocabulary

NAMES = ["abid", "aabid", "zeel", "nipun", "meera", "a", "krishnamurthy"]
MODELS = {
    "trigram": NGram(3, 0.05).fit(NAMES),
    "mlp": MLP(hidden=(8,), rng=0, dtype=np.float64),
    "unigram": NGram(1, 1.0).fit(NAMES),
    "gru": GRU(hidden=8, embedding=4, rng=0, dtype=np.float64),
}


of_all = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())


class Watched(LanguageModel):
    """Even chances for a, b and the end; notes how many names it reads at once."""

    vocabulary = Vocabulary("ab")

    def __init__(self):
        self.seen = []

    def start(self, n):
        return None

    def step(self, tokens, state):
        self.seen.append(tokens.tolist())
        return np.zeros((len(tokens), 3)), None


@of_all
@pytest.mark.parametrize("prefix", ["", "ze"])
def test_a_name_is_the_same_in_any_batch(model, prefix):
    settings, rng = Settings(0.8, top_k=9), np.random.default_rng(5)
    one_by_one = [generate(model, settings, rng, prefix) for _ in range(12)]
    assert len(set(one_by_one)) > 5
    assert list(samples(model, settings, 5, prefix, count=12)) == one_by_one
    for batch_size in (1, 7, 1_000):
        assert list(samples(model, settings, 5, prefix, count=12, batch_size=batch_size)) == one_by_one


@of_all
def test_the_first_names_do_not_depend_on_how_many_are_asked_for(model):
    many = list(samples(model, rng=2, count=50))
    for count in (0, 1, 13):
        assert list(samples(model, rng=2, count=count)) == many[:count]


def test_a_batch_is_read_in_one_step():
    model = Watched()
    found = list(samples(model, rng=0, count=40, batch_size=16))
    assert {len(tokens) for tokens in model.seen} == {16, 8}
    longest = [max(len(sample.text) for sample in found[i : i + 16]) for i in (0, 16, 32)]
    assert len(model.seen) == sum(longest) + 3 and all(sample.complete for sample in found)


def test_the_prefix_is_read_first():
    model = Watched()
    generate(model, rng=0, prefix="abb")
    assert [tokens[0] for tokens in model.seen[:4]] == [2, 0, 1, 1]


def test_nothing_is_written_before_it_is_asked_for():
    model = Watched()
    found = samples(model, rng=0, count=10**9, batch_size=3)
    assert model.seen == []
    next(found)
    assert {len(tokens) for tokens in model.seen} == {3}


@of_all
def test_a_trace_is_made_on_request(model, monkeypatch):
    traced = list(samples(model, Settings(top_p=0.9), 7, trace=True))
    for sample in traced:
        assert "".join(step.choice for step in sample.steps) == sample.text + "-" * sample.complete
        assert [step.context for step in sample.steps] == [sample.text[:i] for i in range(len(sample.steps))]
        for step in sample.steps:
            ends = np.cumsum([chance for _, chance in step.options])
            assert step.options[int((ends <= step.roll).sum())][0] == step.choice

    def fail(*_):
        raise AssertionError("a step that nobody asked for")

    monkeypatch.setattr(writing, "Step", fail)
    plain = list(samples(model, Settings(top_p=0.9), 7))
    assert [(s.text, s.complete) for s in plain] == [(s.text, s.complete) for s in traced]
    assert all(sample.steps == () for sample in plain)


def test_names_that_end_leave_the_others_alone():
    """A finished name is read on with boundaries, and the numbers of the others stay theirs."""
    model = Watched()
    found = list(samples(model, Settings(max_length=4), 3, count=64))
    assert {len(sample.text) for sample in found} == {0, 1, 2, 3, 4}
    assert all(sample.complete == (len(sample.text) < 4) or len(sample.text) == 4 for sample in found)
    shortest = next(i for i, sample in enumerate(found) if not sample.text)
    assert {tokens[shortest] for tokens in model.seen} == {2}


def test_between_two_batches_the_model_is_in_its_own_mode():
    model = DroppingMLP()
    for _ in samples(model, rng=0, count=5, batch_size=2):
        assert model.training and model.drop.training


@of_all
@pytest.mark.parametrize("wrong", [0, -1, 1.5, True])
def test_a_batch_size_that_is_none(model, wrong):
    with pytest.raises(ValueError, match="batch_size is a whole number from 1"):
        samples(model, batch_size=wrong)


@pytest.mark.parametrize("wrong", [-1, 2.5, True, "3", None])
def test_a_count_that_is_none(wrong):
    with pytest.raises(ValueError, match="count is a whole number from 0, not"):
        samples(MODELS["unigram"], count=wrong)


def test_rows_are_chosen_as_each_would_be_alone():
    rng = np.random.default_rng(0)
    chances = rng.random((200, 9)) * rng.integers(0, 2, (200, 9))
    chances[:, 4] += 0.1
    rolls = np.concatenate([rng.random(198), [0.0, np.nextafter(1, 0)]])
    expected = []
    for row, roll in zip(chances, rolls.tolist(), strict=True):
        ends = np.cumsum(row)
        expected.append(min(int(np.searchsorted(ends, roll * ends[-1], side="right")), int(np.flatnonzero(row)[-1])))
    assert choose(chances, rolls).tolist() == expected
    assert [choose(row, roll) for row, roll in zip(chances, rolls.tolist(), strict=True)] == expected
    assert type(choose(chances[0], 0.5)) is int


def test_rolls_are_even_and_those_of_two_texts_or_places_have_nothing_in_common():
    seeds = np.random.default_rng(0).integers(1 << 64, size=2_000, dtype=np.uint64)
    rolls = np.array([writing._rolls(seeds, place) for place in range(20)])
    assert rolls.min() >= 0 and rolls.max() < 1 and len(np.unique(rolls)) == rolls.size
    counts = np.histogram(rolls, 100, (0, 1))[0]
    assert ((counts - 400) ** 2 / 400).sum() < 160  # 0.01 % of right ones exceed this at 99 degrees of freedom
    assert np.abs(np.corrcoef(rolls) - np.eye(20)).max() < 0.1
    in_a_row = writing._rolls(np.arange(2_000, dtype=np.uint64), 0)
    assert abs(np.corrcoef(in_a_row[1:], in_a_row[:-1])[0, 1]) < 0.1


def test_no_roll_of_a_text_comes_again_in_it():
    rolls = np.array([writing._rolls(np.array([7], np.uint64), place)[0] for place in range(500)])
    assert len(set(rolls.tolist())) == 500


def test_blas_keeps_to_one_thread_while_names_are_written(monkeypatch):
    """Small matrices on several threads take many times longer when a core is busy."""
    seen, model = [], Watched()

    def threads():
        return {found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"}

    step = model.step
    monkeypatch.setattr(model, "step", lambda *given: seen.append(threads()) or step(*given))
    with threadpool_limits(2, user_api="blas"):
        before = threads()
        next(samples(model, rng=0, count=3, batch_size=1))
        assert threads() == before
    assert seen and all(found <= {1} for found in seen)
