"""Tests of the filters of a next token and of the draw as numbers: the lectures' tables, corner cases, the order."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_lm.sampling import Settings, choose, min_p, probabilities, top_k, top_p, with_temperature
from tinygrad_lm.text import DataError

INF, NAN = math.inf, math.nan
LECTURE = np.array([2.0, 1.0, 0.5, 0.1])
rows = hnp.arrays(np.float64, st.integers(1, 9), elements=st.one_of(st.floats(-50, 50), st.sampled_from([0.0, -INF])))
logit_rows = rows.filter(lambda row: np.isfinite(row).any())


def generator(seed=0):
    return np.random.Generator(np.random.PCG64(seed))


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


class TestMinP:
    LOGITS = np.log([0.5, 0.25, 0.125, 0.125])

    @pytest.mark.parametrize(("p", "kept"), [(1e-9, 4), (0.2, 4), (0.26, 2), (0.49, 2), (0.51, 1), (1, 1)])
    def test_what_has_less_than_p_of_the_largest_goes(self, p, kept):
        assert np.isfinite(min_p(self.LOGITS, p)).tolist() == [True] * kept + [False] * (4 - kept)

    def test_what_reaches_it_just_so_stays_and_ties_stay_together(self):
        assert np.isfinite(min_p(np.array([3.0, 1.0, 3.0]), 1)).tolist() == [True, False, True]
        assert np.isfinite(min_p(np.array([0.0, math.log(0.5)]), math.exp(math.log(0.5)))).all()

    def test_sure_and_unsure(self):
        """The same p leaves one token where the model is sure and all where it is not."""
        found = np.isfinite(min_p(np.array([[9.0, 1.0, 1.0], [1.0, 1.0, 0.9]]), 0.1))
        assert found.tolist() == [[True, False, False], [True, True, True]]

    @pytest.mark.parametrize("wrong", [0, -0.1, 1.1, NAN, INF])
    def test_out_of_range(self, wrong):
        with pytest.raises(ValueError, match="min_p is a share of the largest probability"):
            min_p(LECTURE, wrong)

    @given(logit_rows, st.floats(1e-6, 1))
    def test_it_is_a_threshold_beside_the_largest(self, row, p):
        kept, chances = np.isfinite(min_p(row, p)), probabilities(row)
        assert kept[row.argmax()]
        assert (chances[kept] >= p * chances.max() * (1 - 1e-9)).all()
        assert (chances[~kept] <= p * chances.max() * (1 + 1e-9)).all()


ABI = dict(zip("abcdefnopqrsz-", (1, 1, 3, 60, 2, 1, 5, 2, 1, 0, 3, 8, 1, 5), strict=True))
"""The next character after "abi", in hundredths."""


class TestLectures:
    """The tables of the lectures, by the formulas; where a slide says something else it stands beside."""

    FOOD = np.array([0.4, 0.3, 0.1, 0.05, 0.04, 0.02, *[0.01] * 9])
    """Six dishes sum to .91; what else may come is rarer than each."""

    @pytest.mark.parametrize(("temperature", "d"), [(0.5, 0.961), (1, 0.645), (2, 0.294), (1e9, 1 / 13)])
    def test_after_abi(self, temperature, d):
        """The row sums to .93, so that d has .645 of it. The slide gives .95 at T = .5 and .25 at T = 2."""
        with np.errstate(divide="ignore"):
            logits = np.log(np.array([*ABI.values()]))
        found = dict(zip(ABI, probabilities(with_temperature(logits, temperature)), strict=True))
        assert found["d"] == pytest.approx(d, abs=5e-4) and found["q"] == 0
        shares = {letter: share ** (1 / temperature) for letter, share in ABI.items() if share}
        assert found["s"] == pytest.approx(shares["s"] / sum(shares.values()), rel=1e-12)

    def test_after_abi_among_letters_alone(self):
        """Without the end d has .97 at T = .5."""
        row = np.log([share for letter, share in ABI.items() if share and letter != "-"])
        assert probabilities(with_temperature(row, 0.5)).max() == pytest.approx(0.968, abs=5e-4)

    def test_top_three(self):
        """The slide has .53 / .40 / .07."""
        assert np.allclose(probabilities(top_k(np.log(self.FOOD), 3))[:4], [0.5, 0.375, 0.125, 0], rtol=1e-12)

    def test_top_p_keeps_six(self):
        found = top_p(np.log(self.FOOD), 0.9)
        assert np.flatnonzero(np.isfinite(found)).tolist() == [0, 1, 2, 3, 4, 5]
        assert np.allclose(probabilities(found)[:6], self.FOOD[:6] / 0.91, rtol=1e-12)

    def test_time_day_midnight(self):
        assert np.allclose(probabilities(min_p(np.log([0.7, 0.2, 0.1]), 0.2)), [7 / 9, 2 / 9, 0])


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
            ({"min_p": 0.0}, "min_p"),
            ({"min_p": 1.5}, "min_p"),
            ({"min_length": -1}, "min_length"),
            ({"min_length": 31}, r"min_length is a whole number from 0 to max_length \(30\), not 31"),
            ({"min_length": 2.0}, "min_length"),
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


def test_min_p_comes_last():
    logits = np.log([0.4, 0.3, 0.2, 0.1])
    # After a temperature of 2 the third has .71 of the first, before it .5.
    assert np.count_nonzero(Settings(2.0, min_p=0.6).distribution(logits)) == 3
    assert np.count_nonzero(Settings(1.0, min_p=0.6).distribution(logits)) == 2
    # Top-p needs two of all four to reach .5. Of the two that min-p alone would leave the first has .57.
    assert np.count_nonzero(Settings(top_p=0.5, min_p=0.6).distribution(logits)) == 2


@given(
    logit_rows,
    st.builds(
        Settings,
        st.one_of(st.just(0), st.floats(0.01, 10)),
        st.one_of(st.none(), st.integers(1, 12)),
        st.one_of(st.none(), st.floats(0.01, 1)),
        min_p=st.one_of(st.none(), st.floats(0.01, 1)),
    ),
)
def test_what_is_drawn_from_sums_to_one_and_has_the_likeliest(row, settings):
    found = settings.distribution(row)
    assert found.sum() == pytest.approx(1, rel=1e-12) and found[row.argmax()] == found.max() > 0
    assert not found[np.isneginf(row)].any()
    if settings.top_k is not None:
        assert np.count_nonzero(found) <= settings.top_k
