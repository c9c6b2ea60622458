"""Tests of Kneser-Ney counts: against a dictionary written from the paper, by hand, at their edges, and in files."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_lm import models
from tinygrad_lm.models import KneserNey, NGram, counting, kneser_ney
from tinygrad_lm.text import Vocabulary, bundled_names, split_names

ABC = Vocabulary("abc")
START = "^"
names_of_abc = st.lists(st.text("abc", min_size=1, max_size=6), min_size=1, max_size=12)


class Paper:
    """Interpolated modified Kneser-Ney smoothing, an n-gram at a time; one mark before a name and one after it."""

    def __init__(self, order, names, tokens, end):
        self.order, self.tokens = order, tokens
        self.marked = [START + name + end for name in names]
        self.grams = {n: self.adjusted(n) for n in range(1, order + 1)}
        self.discounts = {n: self.estimated(Counter(grams.values())) for n, grams in self.grams.items()}

    def occurrences(self, n):
        for text in self.marked:
            yield from (text[i : i + n] for i in range(len(text) - n + 1) if text[i : i + n] != START)

    def adjusted(self, n):
        """The count of an n-gram of the highest order or the start of a name; of others, how many tokens precede it."""
        raw = Counter(self.occurrences(n))
        longer = set(self.occurrences(n + 1))
        if n == self.order:
            return raw
        before = {gram: len({each[0] for each in longer if each[1:] == gram}) for gram in raw}
        return {gram: raw[gram] if gram[0] == START else before[gram] for gram in raw}

    def estimated(self, having):
        """The discounts of the counts 1, 2 and 3 or more, by how many n-grams have each count."""
        found = {}
        for c in (1, 2, 3):
            found[c] = c / 2
            if having[1] and having[2] and having[c]:
                share = having[1] / (having[1] + 2 * having[2])
                d = c - (c + 1) * share * having[c + 1] / having[c]
                found[c] = d if 0 < d < c else c / 2
        return found

    def probability(self, token, context):
        """P(token | context), the context a string that may begin with the start of a name."""
        context = context[max(0, len(context) - self.order + 1) :]
        return self.interpolated(token, context)

    def interpolated(self, token, context):
        shorter = self.interpolated(token, context[1:]) if context else 1 / len(self.tokens)
        n = len(context) + 1
        counts = {each: self.grams[n].get(context + each, 0) for each in self.tokens}
        total = sum(counts.values())
        if total == 0:
            return shorter
        taken = {each: self.discounts[n][min(c, 3)] if c else 0 for each, c in counts.items()}
        return (counts[token] - taken[token]) / total + sum(taken.values()) / total * shorter


@pytest.mark.parametrize("order", range(1, 8))
@settings(max_examples=25)
@given(names=names_of_abc, prefixes=st.lists(st.text("abc", max_size=7), min_size=1, max_size=4))
def test_any_order_agrees_with_the_formulas_of_the_paper(order, names, prefixes):
    paper = Paper(order, names, ABC.tokens, ABC.boundary)
    model = KneserNey(order, ABC).fit(names)
    found = model.probabilities([ABC.encode(prefix) for prefix in prefixes])
    assert np.allclose(model.discounts, [[*paper.discounts[n].values()] for n in range(1, order + 1)], rtol=1e-12)
    for row, prefix in zip(found, prefixes, strict=True):
        expected = [paper.probability(token, START + prefix) for token in ABC.tokens]
        assert np.allclose(row, expected, rtol=1e-12, atol=0)


@given(names=names_of_abc, order=st.integers(1, 9), prefixes=st.lists(st.lists(st.integers(0, 3), max_size=9)))
def test_every_row_sums_to_one_and_nothing_is_impossible(names, order, prefixes):
    found = KneserNey(order, ABC).fit(names).probabilities(prefixes)
    assert (found > 0).all() and np.allclose(found.sum(axis=1), 1, rtol=0, atol=1e-12)


class TestByHand:
    NAMES = ("ab", "ab", "b")

    def test_a_bigram(self):
        """Of -a, ab, b-, -b the counts are 2, 2, 3, 1: n1 = 1, n2 = 2, n3 = 1, so Y = 1 / 5."""
        model = KneserNey(2, Vocabulary("ab")).fit(self.NAMES)
        assert np.allclose(model.discounts[1], [1 / 5, 2 - 3 / 10, 3 / 2])
        # Before b stand a and the start, before a and the end one token each: 2, 1, 1; n1 = 2, n2 = 1, no 3: Y = 1 / 2.
        assert np.allclose(model.discounts[0], [1 / 2, 1, 3 / 2])
        a, b, end = ((1 - 1 / 2) / 4 + 2 / 4 / 3, (2 - 1) / 4 + 2 / 4 / 3, (1 - 1 / 2) / 4 + 2 / 4 / 3)
        taken = (1.7 + 0.2) / 3
        assert np.allclose(model.probabilities([[]])[0], [0.3 / 3 + taken * a, 0.8 / 3 + taken * b, taken * end])
        assert np.allclose(model.probabilities([[1]])[0], [a / 2, b / 2, 1.5 / 3 + end / 2])

    def test_the_start_of_a_name_keeps_its_counts_in_a_trigram(self):
        """Of -a, -b the counts are 2, 1; before ab stands one token, before b- two: n1 = n2 = 2, so Y = 1 / 3."""
        model = KneserNey(3, Vocabulary("ab")).fit(self.NAMES)
        assert np.allclose(model.discounts[:2], [[1 / 2, 1, 3 / 2], [1 / 3, 1, 3 / 2]])
        a, taken = (1 - 1 / 2) / 4 + 2 / 4 / 3, (1 + 1 / 3) / 3
        assert np.isclose(model.probabilities([[]])[0, 0], (2 - 1) / 3 + taken * a)

    def test_what_follows_only_one_context_is_no_news_elsewhere(self):
        """The lectures of Chen and Goodman have "Francisco", frequent but after "San" alone."""
        names = ["xq"] * 30 + ["ae", "be", "ce", "de", "fe"]
        row = KneserNey(2).fit(names).probabilities([Vocabulary().encode("z")])[0]
        q, e = Vocabulary().encode("qe")
        assert row[e] > 2 * row[q]

    def test_the_padding_says_nothing(self):
        """From order 3 up each first letter is as likely at any order, however many boundaries stand before it."""
        names = [*"abc", "aab", "cab", "bac"]
        rows = [KneserNey(order, ABC).fit(names).probabilities([[]])[0] for order in (3, 4, 7, 12)]
        assert np.allclose(rows, rows[0], rtol=1e-14)

    def test_an_unseen_context_says_what_the_shorter_one_says(self):
        model = KneserNey(4, ABC).fit(["abca", "bca", "cab"])
        encoded = [ABC.encode(prefix) for prefix in ("ccbab", "bbab", "aaab")]
        assert np.isclose(model.probabilities(encoded[:1]).sum(), 1)
        assert (model.probabilities(encoded) == model.probabilities(encoded[:1])).all()
        assert not (model.probabilities(encoded[:1]) == model.probabilities([ABC.encode("ab")])).all()


class TestEdges:
    @pytest.mark.parametrize("order", [1, 2, 5, 12])
    def test_one_name(self, order):
        model = KneserNey(order).fit(["zeel"])
        assert model.evaluate(["zeel"]).loss < np.log(27) - 0.5
        assert np.allclose(model.probabilities([[], [25], [3, 3]]).sum(axis=1), 1, atol=1e-12)

    def test_one_letter(self):
        model = KneserNey(3, Vocabulary("a")).fit(["a", "aa", "aaaa"])
        assert np.allclose(model.probabilities([[], [0], [0] * 9]).sum(axis=1), 1, atol=1e-12)
        assert model.probabilities([[]])[0].argmax() == 0

    def test_never_fitted_all_tokens_are_equally_likely(self):
        assert np.array_equal(KneserNey(3).probabilities([[], [4, 5]]), np.full((2, 27), 1 / 27))

    def test_fitting_again_forgets(self):
        model = KneserNey(3).fit(["bbb"]).fit(["ab"])
        assert np.array_equal(model.log_likelihoods(["ab"]), KneserNey(3).fit(["ab"]).log_likelihoods(["ab"]))

    @pytest.mark.parametrize("order", [0, -1, counting.MAX_ORDER + 1, 2.0, "2", True, None])
    def test_order(self, order):
        with pytest.raises(ValueError, match="order must be a whole number from 1"):
            KneserNey(order)

    def test_it_counts_what_an_ngram_counts(self):
        names = ["abid", "zeel", "abid"]
        own, other = KneserNey(4).fit(names).state_dict(), NGram(4).fit(names).state_dict()
        assert own.keys() == other.keys() and all(np.array_equal(own[name], other[name]) for name in own)

    def test_it_is_told(self):
        model = KneserNey(3, ABC).fit(["abc", "ab", "aab"])
        words = (
            "Counted 11 trigrams: 5 of 16 contexts (31.2%) occur; 0.50, 1.00, 1.50 are taken off counts of 1, 2, and "
        )
        assert model.summary() == words + "more" and model.brief() == "order 3"
        assert repr(model) == "KneserNey(order=3): 4 tokens, 5 contexts and 7 pairs counted"


class TestFiles:
    @given(names=names_of_abc, order=st.integers(1, 7))
    def test_the_same_probabilities(self, tmp_path_factory, names, order):
        model = KneserNey(order, ABC).fit(names)
        twin = models.load(model.save(tmp_path_factory.getbasetemp() / "kneser-ney"))
        assert type(twin) is KneserNey and np.array_equal(twin.discounts, model.discounts)
        assert np.array_equal(twin.log_likelihoods(["abc", "ccb"]), model.log_likelihoods(["abc", "ccb"]))

    def test_counts_that_no_names_gave(self):
        """A boundary within a context: it is read as the start of a name, and rows still sum to 1."""
        model = KneserNey(3, ABC).fit(["abc", "b"])
        state = {**model.state_dict(), "contexts": np.arange(16)[-len(model.contexts) :]}
        model.load_state_dict(state)
        found = model.probabilities([[i, j] for i in range(4) for j in range(4)])
        assert (found > 0).all() and np.allclose(found.sum(axis=1), 1, atol=1e-12)


def test_it_is_far_ahead_of_what_is_added_to_every_count():
    split = split_names(bundled_names(), seed=0)
    best = min(NGram.fitted(n, split.train, split.validation, Vocabulary()).evaluate(split.test).loss for n in (3, 4))
    own = KneserNey().fit(split.train).evaluate(split.test).loss
    assert own < best - 0.15 and own < 1.93


def test_discounts_where_the_counts_give_none():
    assert kneser_ney._discounts(np.array([1, 1, 1])).tolist() == [0.5, 1, 1.5]
    assert kneser_ney._discounts(np.array([5, 6, 7])).tolist() == [0.5, 1, 1.5]
    assert kneser_ney._discounts(np.array([1, 2, 3, 3, 3]))[0] == pytest.approx(1 / 3)
    assert kneser_ney._discounts(np.array([1, 2, 3, 3, 3]))[1:].tolist() == [1, 1.5]  # 2 - 3 and 3 - 0
    assert kneser_ney._discounts(np.array([1, 1, 3, 3, 4])).tolist() == [0.5, 1, 1.5]  # without a two
