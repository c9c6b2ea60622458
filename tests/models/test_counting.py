"""Tests of what all models that count have: the table of how many contexts there could be, and orders too high."""

import pytest

from tinygrad_lm import models
from tinygrad_lm.models import KneserNey, NGram
from tinygrad_lm.models.counting import MAX_ORDER, highest_order
from tinygrad_lm.text import Vocabulary, bundled_names

LECTURE = [27, 729, 19_683, 531_441, 14_348_907]


class TestSizes:
    def test_those_of_the_lecture(self):
        found = NGram(11).fit(["abid"]).sizes()
        assert [each.length for each in found] == [*range(1, 11)]
        assert [each.possible for each in found[:5]] == LECTURE and found[9].possible == 205_891_132_094_649
        assert [each.words for each in found[:3]] == [50_000, 2_500_000_000, 125 * 10**12]

    def test_by_hand(self):
        found = NGram(4, vocabulary=Vocabulary("ab")).fit(["ab", "aba"]).sizes()
        # -, a, b; --, -a, ab, ba; ---, --a, -ab, aba
        assert [(each.possible, each.seen, each.share) for each in found] == [(3, 3, 1), (9, 4, 4 / 9), (27, 4, 4 / 27)]

    def test_each_row_is_a_model_of_that_order(self):
        names = bundled_names()[::9]
        for each in KneserNey(6).fit(names).sizes():
            assert each.seen == len(NGram(each.length + 1).fit(names).contexts)

    def test_without_contexts(self):
        assert NGram(1).fit(["ab"]).sizes() == [] and [each.seen for each in NGram(3).sizes()] == [0, 0]

    def test_of_a_loaded_model(self, tmp_path):
        model = KneserNey(3).fit(["abid", "zeel"])
        assert models.load(model.save(tmp_path / "m")).sizes() == model.sizes()

    def test_what_is_said_of_them(self):
        assert "4 of 729 contexts (0.549%) occur" in NGram(3).fit(["abc"]).summary()


@pytest.mark.parametrize("family", [NGram, KneserNey])
@pytest.mark.parametrize(("letters", "order"), [(1, 12), (26, 12), (300, 8), (20_000, 5)])
def test_the_highest_order_counts_and_a_higher_one_is_refused(family, letters, order):
    vocabulary = Vocabulary([chr(0x4E00 + i) for i in range(letters)])
    assert highest_order(vocabulary) == order
    token = letters - 1
    model = family(order, vocabulary=vocabulary).fit([vocabulary.tokens[token] * 20])
    # One context for each length of the start of the name; the last code is the largest that there can be but for it.
    assert len(model.contexts) == order and (model.contexts >= 0).all()
    assert model.contexts[-1] == (letters + 1) ** (order - 1) - 1
    assert (model.contexts[:-1] < model.contexts[1:]).all()
    assert model.probabilities([[], [token] * 20])[:, token].min() > 1 / (letters + 1)
    if order < MAX_ORDER:
        with pytest.raises(ValueError, match=f"order {order + 1} is too long for a vocabulary of {letters + 1}"):
            family(order + 1, vocabulary=vocabulary)
