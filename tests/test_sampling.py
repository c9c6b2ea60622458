"""Tests of sampling: temperature, top-k, top-p and the draw as numbers; the loop that writes names."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_lm import manual_seed
from tinygrad_lm.models import MLP, LanguageModel, NGram
from tinygrad_lm.sampling import (
    MAX_LENGTH,
    Settings,
    check_prefix,
    choose,
    generate,
    probabilities,
    samples,
    top_k,
    top_p,
    with_temperature,
)
from tinygrad_lm.text import DataError, Vocabulary

INF, NAN = math.inf, math.nan
LECTURE = np.array([2.0, 1.0, 0.5, 0.1])
rows = hnp.arrays(np.float64, st.integers(1, 9), elements=st.one_of(st.floats(-50, 50), st.sampled_from([0.0, -INF])))
logit_rows = rows.filter(lambda row: np.isfinite(row).any())


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


class TestTemperature:
    @pytest.mark.parametrize(
        ("temperature", "expected"), [(1, [0.575, 0.211, 0.128, 0.086]), (2, [0.406, 0.246, 0.192, 0.157])]
    )
    def test_the_numbers_of_the_lectures(self, temperature, expected):
        found = probabilities(with_temperature(LECTURE, temperature))
        assert np.allclose(found, expected, atol=5e-4)
        direct = np.exp(LECTURE / temperature)
        assert np.allclose(found, direct / direct.sum(), rtol=1e-14)

    def test_zero_is_greedy_and_takes_the_first_of_ties(self):
        assert probabilities(with_temperature(np.array([1.0, 3.0, 3.0, -INF]), 0)).tolist() == [0, 1, 0, 0]
        both = probabilities(with_temperature(np.array([[1.0, 2.0], [5.0, 4.0]]), 0))
        assert both.tolist() == [[0, 1], [1, 0]]

    @pytest.mark.parametrize("tiny", [1e-3, 1e-300, 5e-324])
    def test_tiny_is_nearly_greedy(self, tiny):
        assert probabilities(with_temperature(LECTURE, tiny)).tolist() == [1, 0, 0, 0]
        assert probabilities(with_temperature(np.array([2.0, 2.0, -INF]), tiny)).tolist() == [0.5, 0.5, 0]

    def test_huge_is_uniform_over_what_can_follow(self):
        found = probabilities(with_temperature(np.array([2.0, -50.0, -INF]), 1e308))
        assert np.allclose(found, [0.5, 0.5, 0])

    @pytest.mark.parametrize("wrong", [INF, NAN, -1, -1e-9, -INF])
    def test_out_of_range(self, wrong):
        with pytest.raises(ValueError, match="temperature is a finite number from 0"):
            with_temperature(LECTURE, wrong)

    @given(logit_rows, st.floats(0.01, 100), st.floats(0.01, 100))
    def test_colder_never_makes_the_likeliest_less_likely(self, row, one, other):
        cold, hot = sorted((one, other))
        best = int(row.argmax())
        chances = [probabilities(with_temperature(row, t))[best] for t in (cold, hot)]
        assert chances[0] >= chances[1] - 1e-12


class TestTopK:
    def test_ties_keep_exactly_k_and_the_first(self):
        assert top_k(np.array([1.0, 2.0, 2.0, 2.0]), 2).tolist() == [-INF, 2.0, 2.0, -INF]

    def test_more_than_there_are_is_all(self):
        assert np.array_equal(top_k(LECTURE, 4), LECTURE)
        assert np.array_equal(top_k(LECTURE, 10**9), LECTURE)

    def test_the_rest_is_renormalised(self):
        found = probabilities(top_k(LECTURE, 2))
        assert np.allclose(found, [math.e / (1 + math.e), 1 / (1 + math.e), 0, 0], rtol=1e-14)

    def test_lists_and_integers(self):
        assert top_k([1, 3, 2], 1).tolist() == [-INF, 3.0, -INF]
        assert top_k(np.array([1, 3, 2], np.uint8), 2).tolist() == [-INF, 3.0, 2.0]

    @pytest.mark.parametrize("wrong", [0, -1, 1.5, NAN, True, "2", None])
    def test_out_of_range(self, wrong):
        with pytest.raises(ValueError, match="top_k is a whole number from 1"):
            top_k(LECTURE, wrong)

    @given(logit_rows, st.integers(1, 12))
    def test_exactly_k_stay_and_none_is_beaten(self, row, k):
        found = top_k(row, k)
        kept = np.isfinite(found)
        assert kept.sum() == min(k, np.isfinite(row).sum())
        assert np.array_equal(found[kept], row[kept])
        assert not kept.any() or kept.all() or row[kept].min() >= row[~kept].max()


class TestTopP:
    LOGITS = np.log([0.5, 0.25, 0.125, 0.125])

    @pytest.mark.parametrize(
        ("p", "kept"), [(1e-9, 1), (0.4, 1), (0.51, 2), (0.74, 2), (0.76, 3), (0.874, 3), (0.99, 4), (1, 4)]
    )
    def test_the_token_that_crosses_p_is_kept(self, p, kept):
        assert np.isfinite(top_p(self.LOGITS, p)).sum() == kept

    def test_a_set_that_sums_to_p_exactly_is_enough(self):
        assert np.isfinite(top_p(np.zeros(4), 0.5)).tolist() == [True, True, False, False]

    def test_one_keeps_even_the_tokens_that_rounding_hides(self):
        assert np.array_equal(top_p(np.array([0.0, -60.0, -60.0, -INF]), 1), [0.0, -60.0, -60.0, -INF])

    @pytest.mark.parametrize("wrong", [0, -0.1, 1.0001, NAN, INF])
    def test_out_of_range(self, wrong):
        with pytest.raises(ValueError, match="top_p is a probability above 0"):
            top_p(LECTURE, wrong)

    @given(logit_rows, st.floats(1e-6, 1))
    def test_it_is_the_smallest_set_that_reaches_p(self, row, p):
        kept = np.isfinite(top_p(row, p))
        chances = probabilities(row)
        assert kept.any()
        assert chances[kept].sum() >= p - 1e-9
        if kept.sum() > 1 and p < 1:
            assert chances[kept].sum() - chances[kept].min() < p + 1e-9
        assert kept.all() or chances[kept].min() >= chances[~kept].max()

    def test_rows_apart(self):
        found = np.isfinite(top_p(np.array([[0.0, 0.0], [9.0, 0.0]]), 0.9))
        assert found.tolist() == [[True, True], [True, False]]


class TestProbabilities:
    @given(logit_rows, st.floats(-100, 100))
    def test_they_sum_to_one_and_ignore_a_shift(self, row, shift):
        found = probabilities(row)
        assert found.sum() == pytest.approx(1, rel=1e-12)
        assert ((found == 0) == np.isneginf(row)).all()
        assert np.allclose(found, probabilities(row + shift), rtol=1e-9)

    def test_no_overflow(self):
        assert probabilities(np.array([1000.0, -1000.0])).tolist() == [1, 0]
        assert probabilities(np.array([3e38, 3e38], np.float32)).tolist() == [0.5, 0.5]

    @pytest.mark.parametrize("row", [[-INF, -INF], [NAN, 1.0], [INF, 1.0]])
    @pytest.mark.parametrize("rule", [probabilities, lambda z: with_temperature(z, 0), lambda z: top_k(z, 1)])
    def test_a_broken_model_is_named(self, row, rule):
        with pytest.raises(DataError, match="overflow"):
            rule(np.array(row))


class TestChoose:
    @pytest.mark.parametrize(
        ("roll", "index"),
        [(0.0, 1), (0.2499999, 1), (0.25, 3), (0.7499999, 3), (0.75, 4), (math.nextafter(1, 0), 4), (1.0, 4)],
    )
    def test_at_the_edges(self, roll, index):
        assert choose(np.array([0, 0.25, 0, 0.5, 0.25, 0]), roll) == index

    def test_chances_need_not_sum_to_one(self):
        assert [choose(np.array([6.0, 2.0]), roll) for roll in (0.0, 0.5, 0.74, 0.76)] == [0, 0, 0, 1]

    def test_the_only_one(self):
        assert choose(np.array([0.0, 1.0]), 0.0) == choose(np.array([1.0, 0.0]), math.nextafter(1, 0)) + 1 == 1

    @given(logit_rows, st.floats(0, 1, exclude_max=True))
    def test_never_one_without_a_chance(self, row, roll):
        chances = probabilities(row)
        assert chances[choose(chances, roll)] > 0

    @pytest.mark.parametrize("settings", [Settings(), Settings(2.0), Settings(top_k=3), Settings(top_p=0.7)])
    def test_draws_follow_the_distribution(self, settings):
        chances = settings.distribution(LECTURE)
        rolls = generator(7).random(40_000)
        counts = np.bincount(choose(chances, rolls), minlength=4)
        assert not counts[chances == 0].any()
        expected = chances[chances > 0] * len(rolls)
        statistic = ((counts[chances > 0] - expected) ** 2 / expected).sum()
        assert statistic < 21.1  # 0.01 % of right ones exceed this at 3 degrees of freedom


class TestSettings:
    @pytest.mark.parametrize(
        ("wrong", "word"),
        [
            ({"temperature": -1}, "temperature"),
            ({"temperature": NAN}, "temperature"),
            ({"top_k": 0}, "top_k"),
            ({"top_k": 2.5}, "top_k"),
            ({"top_p": 0.0}, "top_p"),
            ({"top_p": 2}, "top_p"),
            ({"max_length": 0}, "max_length"),
            ({"max_length": NAN}, "max_length"),
            ({"max_length": 5.0}, "max_length"),
        ],
    )
    def test_out_of_range_is_said_before_anything_is_drawn(self, wrong, word):
        with pytest.raises(ValueError, match=word):
            Settings(**wrong)

    def test_temperature_comes_first_then_k_then_p(self):
        chances = Settings(2.0, top_k=3, top_p=0.6).distribution(LECTURE)
        three = np.exp(LECTURE[:3] / 2)
        assert (three / three.sum())[0] < 0.6 < (three / three.sum())[:2].sum()
        assert np.allclose(chances, [*(three[:2] / three[:2].sum()), 0, 0])


def test_temperature_comes_before_top_p():
    # The first has 0.575 at temperature 1 and 0.406 at 2.
    assert np.count_nonzero(Settings(2.0, top_p=0.5).distribution(LECTURE)) == 2
    assert np.count_nonzero(Settings(1.0, top_p=0.5).distribution(LECTURE)) == 1


def test_top_k_comes_before_top_p():
    # Of all four the first has 0.406; of three it has 0.481, which is enough alone.
    assert Settings(2.0, top_k=3, top_p=0.45).distribution(LECTURE).tolist() == [1, 0, 0, 0]


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
