"""Tests of the lectures' names, and of the bigrams that they count by hand in four of them."""

import numpy as np
import pytest

from tinygrad_lm.models import KneserNey, NGram
from tinygrad_lm.text import Vocabulary, bundled_names, clean_names, lecture_names

FOUR = ("aabid", "priya", "zeel", "nipun")
DOT = Vocabulary(boundary=".")


def test_the_names():
    names = lecture_names()
    assert list(names) == sorted(set(names)) and len(names) == 19
    assert set(FOUR) < set(names) and {"abid", "abhidha", "vikash"} < set(names)
    assert clean_names(names, Vocabulary()).kept == names
    assert 0 < len(set(names) - set(bundled_names())) < len(names)


class TestFourNames:
    """The slide says P(a | .) = 2/4, but aabid alone of the four begins with a."""

    def test_the_first_letter(self):
        row = NGram(2, 0.0, DOT).fit(FOUR).probabilities([[]])[0]
        assert {token: p for token, p in zip(DOT.tokens, row, strict=True) if p} == dict.fromkeys("apzn", 1 / 4)

    def test_the_pairs_of_aabid(self):
        model = NGram(2, 0.0, DOT).fit(FOUR)
        counts, (a, b, i, d, end) = model.count_matrix(), [*DOT.encode("abid"), DOT.boundary_id]
        assert counts.sum() == sum(len(name) + 1 for name in FOUR) == 23
        assert [counts[pair] for pair in ((end, a), (a, a), (a, b), (b, i), (i, d), (d, end))] == [1] * 6
        assert model.table()[a].tolist() == [1 / 3 if token in (a, b, end) else 0 for token in range(27)]
        assert model.table()[i, [d, DOT.encode("p")[0], DOT.encode("y")[0]]] == pytest.approx([1 / 3] * 3)

    def test_with_one_added_to_every_count(self):
        assert NGram(2, 1.0, DOT).fit(FOUR).probabilities([[]])[0, 0] == (1 + 1) / (4 + 27)

    def test_kneser_ney_gives_the_rest_to_what_follows_many(self):
        """Of the four first letters each occurred once, so half of each goes to the continuation counts."""
        model = KneserNey(2, DOT).fit(FOUR)
        row = model.probabilities([[]])[0]
        unseen = {token: p for token, p in zip(DOT.tokens, row, strict=True) if token not in "apzn"}
        before = {token: len({name[k - 1 : k] for name in FOUR for k in range(len(name)) if name[k] == token})
                  for token in "beiluyd"}  # fmt: skip
        assert before["i"] == 3 and before["l"] == 1 and unseen["i"] > unseen["l"] > unseen["q"] > 0
        assert np.isclose(row.sum(), 1, rtol=0, atol=1e-12) and row[0] > NGram(2, 1.0, DOT).fit(FOUR).table()[26, 0]
