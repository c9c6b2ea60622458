"""Tests of the loop that writes a name: seeds, prefixes, lengths, traces, and that names come with their chances."""

import math
from collections import Counter

import numpy as np
import pytest

from tinygrad_lm import manual_seed
from tinygrad_lm.models import MLP, LanguageModel, NGram
from tinygrad_lm.sampling import MAX_LENGTH, Settings, check_prefix, generate, samples
from tinygrad_lm.text import DataError, Vocabulary

INF = math.inf


def generator(seed=0):
    return np.random.Generator(np.random.PCG64(seed))


class Fixed(LanguageModel):
    """The same chances after every prefix."""

    kind = "fixed"
    config = from_config = size_of = state_dict = load_state_dict = log_likelihoods = None

    def __init__(self, *logits):
        self.vocabulary = Vocabulary("ab")
        self.logits = np.array(logits)

    def next_logits(self, prefixes):
        return np.tile(self.logits, (len(prefixes), 1))


Fixed.__abstractmethods__ = frozenset()


def test_a_roll_falls_on_the_options_in_their_order():
    model = Fixed(math.log(0.2), math.log(0.5), math.log(0.3))  # the likeliest is not the first of the vocabulary
    rng, found = generator(), []
    for _ in range(20):
        for step in generate(model, Settings(), rng, trace=True).steps:
            assert [token for token, _ in step.options] == ["b", "-", "a"]
            ends = np.cumsum([chance for _, chance in step.options])
            assert step.choice == step.options[int((ends <= step.roll).sum())][0]
            found.append(step.choice)
    assert set(found) == {"a", "b", "-"}


def test_without_a_generator_the_default_one_draws():
    model, settings = Fixed(0.0, 0.0, 0.0), Settings(max_length=8)
    manual_seed(7)
    texts = [sample.text for sample in samples(model, settings)]
    manual_seed(7)
    assert texts == [sample.text for sample in samples(model, settings)]
    assert texts == [sample.text for sample in samples(model, settings, generator(7))]
    assert texts == [sample.text for sample in samples(model, settings, 7)]
    assert texts[0] == generate(model, settings, 7).text


def test_without_settings_as_the_model_learned():
    model = Fixed(0.0, 0.0, 0.0)
    assert list(samples(model, rng=7, count=2)) == list(samples(model, Settings(), 7, count=2))
    assert generate(model, rng=7) == generate(model, Settings(), 7)


class TestGenerate:
    MODEL = NGram(3, 0.01).fit(["abid", "zeel", "nipun", "meera", "zara"])

    def test_the_same_seed_writes_the_same_names(self):
        first, again, other = ([s.text for s in samples(self.MODEL, Settings(), generator(i))] for i in (0, 0, 1))
        assert first == again != other and len(first) == 20

    def test_seed_and_count_are_kept_apart(self):
        few = [s.text for s in samples(self.MODEL, Settings(), generator(), count=3)]
        assert few == [s.text for s in samples(self.MODEL, Settings(), generator(), count=9)][:3]

    def test_the_prefix_begins_each(self):
        assert all(s.text.startswith("ze") for s in samples(self.MODEL, Settings(), generator(), "ze"))

    def test_greedy_writes_the_likeliest_name(self):
        model = NGram(3, 0.0).fit(["zeel", "zeel", "abid"])
        assert [s.text for s in samples(model, Settings(0), generator(), count=2)] == ["zeel", "zeel"]

    def test_a_name_that_does_not_end_is_cut_and_marked(self):
        found = generate(Fixed(0.0, 0.0, -INF), Settings(), generator(), trace=True)
        assert len(found.text) == MAX_LENGTH and not found.complete and len(found.steps) == MAX_LENGTH
        assert generate(Fixed(-INF, -INF, 0.0), Settings(), generator()).text == ""
        assert generate(Fixed(-INF, -INF, 0.0), Settings(max_length=1), generator()).complete

    def test_the_prefix_counts_towards_the_length(self):
        found = generate(Fixed(0.0, 0.0, -INF), Settings(max_length=5), generator(), "bbb", trace=True)
        assert len(found.text) == 5 and len(found.steps) == 2

    def test_the_steps_tell_what_happened(self):
        found = generate(self.MODEL, Settings(top_k=2), generator(3), "z", trace=True)
        assert found.steps[0].context == "z"
        text = "z"
        for step in found.steps:
            assert step.context == text
            assert len(step.options) == 2 and step.options[0][1] >= step.options[1][1]
            assert sum(chance for _, chance in step.options) == pytest.approx(1)
            assert step.choice in dict(step.options) and 0 <= step.roll < 1
            text += step.choice
        assert found.complete and text == found.text + "-"

    def test_names_come_with_their_probability(self):
        model = NGram(2, 0.0, Vocabulary("ab")).fit(["a", "a", "ab", "b"])
        counts = Counter(s.text for s in samples(model, Settings(), generator(5), count=4_000))
        expected = {name: math.exp(model.log_likelihoods([name]).sum()) for name in ("a", "ab", "b")}
        assert sum(expected.values()) == pytest.approx(1)
        statistic = sum((counts[name] - 4_000 * p) ** 2 / (4_000 * p) for name, p in expected.items())
        assert set(counts) == set(expected) and statistic < 18.4  # 0.01 % at 2 degrees of freedom

    @pytest.mark.parametrize(
        ("prefix", "words"),
        [
            ("a1", "'1' (U+0031) at position 1"),
            ("A", "Write it in lower case"),
            ("a-", "boundary"),
            ("é", "U+00E9"),
            ("\0", "U+0000"),
            ("नि", "U+0928"),
            ("a" * 30, "has 30 characters, but a sample has at most 30"),
        ],
    )
    def test_a_prefix_that_cannot_be(self, prefix, words):
        with pytest.raises(DataError) as caught:
            samples(self.MODEL, Settings(), generator(), prefix)  # at the call, before the first draw
        assert words in str(caught.value)
        with pytest.raises(DataError):
            generate(self.MODEL, Settings(), generator(), prefix)

    def test_the_longest_prefix(self):
        assert len(check_prefix(self.MODEL, "a" * 29, 30)) == 29
        assert len(generate(self.MODEL, Settings(), generator(), "a" * 29, trace=True).steps) == 1

    def test_weights_that_overflow_are_named(self):
        model = MLP(hidden=(4,), activation="relu", rng=0)
        model.load_state_dict({name: np.full_like(a, 3e38) for name, a in model.state_dict().items()})
        with pytest.raises(DataError, match="overflow"):
            generate(model, Settings(), generator())

    def test_graphemes_are_whole(self):
        names = ["राम", "सीता", "गीता"]
        model = NGram(2, 0.0, Vocabulary.from_names(names)).fit(names)
        assert {s.text for s in samples(model, Settings(), generator(), count=30)} == set(names)
