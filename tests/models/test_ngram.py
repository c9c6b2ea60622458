"""Tests of the counting model: counts by hand and by a dictionary, smoothing, contexts never seen, damaged counts."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lm.models import NGram
from tinygrad_lm.models.ngram import MAX_ORDER, SMOOTHINGS
from tinygrad_lm.text import NameDataset, Vocabulary

AB = Vocabulary("ab")
A, B, END = 0, 1, 2
names_of_abc = st.lists(st.text("abc", min_size=1, max_size=6), min_size=1, max_size=8)


class TestByHand:
    def test_bigram_of_ab_in_27_tokens(self):
        table = NGram(2, 1.0).fit(["ab"]).table()
        a, b, end, z = 0, 1, 26, 25
        # Each of -a, ab, b- occurred once: (1 + 1) / (1 + 27) for it, 1 / 28 for the 26 others.
        assert table[end, a] == table[a, b] == table[b, end] == 2 / 28
        assert table[end, b] == table[a, a] == table[b, z] == 1 / 28
        assert (table[z] == 1 / 27).all()

    def test_without_smoothing_the_table_is_the_frequencies(self):
        table = NGram(2, 0.0, AB).fit(["ab", "aa"]).table()
        assert table.tolist() == [[1 / 3, 1 / 3, 1 / 3], [0, 0, 1], [1, 0, 0]]

    def test_counts_and_contexts(self):
        model = NGram(2, vocabulary=AB).fit(["ab", "aa"])
        assert model.contexts.tolist() == [A, B, END]
        assert model.pairs.tolist() == [0 * 3 + A, 0 * 3 + B, 0 * 3 + END, 1 * 3 + END, 2 * 3 + A]
        assert model.counts.tolist() == [1, 1, 1, 1, 2]

    def test_the_loss_is_the_mean_over_characters_and_ends(self):
        model = NGram(2, 0.0, AB).fit(["ab", "aa"])
        found = model.evaluate(["ab"])
        assert found.characters == 3
        assert found.loss == pytest.approx(math.log(3) / 3, rel=1e-15)
        assert found.perplexity == pytest.approx(3 ** (1 / 3), rel=1e-15)

    def test_a_unigram_knows_no_context(self):
        model = NGram(1, 0.0, AB).fit(["ab", "aa"])
        assert model.probabilities([[], [A], [B, A]]).tolist() == [[3 / 6, 1 / 6, 2 / 6]] * 3

    def test_an_impossible_name_has_infinite_loss_without_smoothing(self):
        model = NGram(2, 0.0, AB).fit(["ab"])
        found = model.evaluate(["ba"])
        assert found.loss == math.inf and found.perplexity == math.inf
        assert model.next_logits([[]]).tolist() == [[0.0, -math.inf, -math.inf]]

    def test_never_fitted_all_tokens_are_equally_likely(self):
        assert np.array_equal(NGram(3).probabilities([[], [4, 5]]), np.full((2, 27), 1 / 27))

    def test_fitting_again_forgets(self):
        model = NGram(2, vocabulary=AB).fit(["bbb"]).fit(["ab"])
        assert np.array_equal(model.table(), NGram(2, vocabulary=AB).fit(["ab"]).table())


@pytest.mark.parametrize("order", range(1, 7))
@given(names=names_of_abc, prefixes=st.lists(st.text("abc", max_size=7), min_size=1, max_size=5), k=st.floats(0, 3))
def test_any_order_agrees_with_a_dictionary_of_counts(order, names, prefixes, k):
    vocabulary = Vocabulary("abc")
    counts: Counter[str] = Counter()
    for name in names:
        padded = "-" * (order - 1) + name + "-"
        counts.update(padded[i : i + order] for i in range(len(name) + 1))
    model = NGram(order, k, vocabulary).fit(names)
    found = model.probabilities([vocabulary.encode(prefix) for prefix in prefixes])
    assert np.allclose(found.sum(axis=1), 1, atol=1e-12)
    for row, prefix in zip(found, prefixes, strict=True):
        context = ("-" * (order - 1) + prefix)[len(prefix) :]
        seen = [counts[context + token] for token in vocabulary.tokens]
        total = sum(seen) + k * 4
        assert np.allclose(row, [(n + k) / total for n in seen] if total else 1 / 4, rtol=1e-12, atol=0)


@given(names=names_of_abc, order=st.integers(1, 4), length=st.integers(0, 4))
def test_the_names_up_to_a_length_and_the_longer_ones_have_probability_one_together(names, order, length):
    model = NGram(order, 0.5, Vocabulary("abc")).fit(names)
    finished = begun = 0.0
    for size in range(1, length + 1):
        for letters in itertools.product("abc", repeat=size):
            finished += math.exp(model.log_likelihoods(["".join(letters)]).sum())
    empty = model.probabilities([[]])[0, model.vocabulary.boundary_id]
    for letters in itertools.product("abc", repeat=length):
        steps = model.log_likelihoods(["".join(letters)])[:-1] if letters else np.zeros(0)
        ends = model.probabilities([model.vocabulary.encode("".join(letters))])[0, model.vocabulary.boundary_id]
        begun += math.exp(steps.sum()) * (1 - ends)
    assert finished + empty + begun == pytest.approx(1, rel=1e-9)


class TestSmoothing:
    def test_fitted_takes_what_validates_best(self):
        train, held_out = ["anna", "nina", "hannah", "ian"], ["anni", "hina"]
        best = NGram.fitted(3, train, held_out, Vocabulary())
        losses = {k: NGram(3, k).fit(train).evaluate(held_out).loss for k in SMOOTHINGS}
        assert best.smoothing == min(losses, key=losses.__getitem__)
        assert len(set(losses.values())) == len(SMOOTHINGS)

    @pytest.mark.parametrize("k", [-1, -1e-9, math.nan, math.inf, 1e10, 10**400])
    def test_out_of_range(self, k):
        with pytest.raises(ValueError, match="smoothing is a number from 0"):
            NGram(2, k)

    def test_a_great_deal_makes_all_alike(self):
        assert np.allclose(NGram(2, 1e9).fit(["ab"]).table(), 1 / 27, rtol=1e-6)


class TestBounds:
    @pytest.mark.parametrize("order", [0, -1, MAX_ORDER + 1, 2.0, "2", True, None])
    def test_order(self, order):
        with pytest.raises(ValueError, match="order must be a whole number from 1"):
            NGram(order)

    def test_the_highest_order_counts(self):
        model = NGram(MAX_ORDER, 0.0).fit(["abcdefghijklmnop"])
        assert model.evaluate(["abcdefghijklmnop"]).loss == 0

    def test_an_order_whose_contexts_have_no_number(self):
        many = Vocabulary([chr(0x4E00 + i) for i in range(10_000)])
        with pytest.raises(ValueError, match="order 12 is too long for a vocabulary of 10001"):
            NGram(12, vocabulary=many)

    @pytest.mark.parametrize("prefix", [[27], [-1], [3, 99]])
    def test_ids_outside_the_vocabulary(self, prefix):
        with pytest.raises(IndexError, match="ids go from 0 to 26"):
            NGram(3).fit(["ab"]).next_logits([prefix])

    def test_only_a_bigram_is_one_table(self):
        with pytest.raises(ValueError, match="this model has order 3"):
            NGram(3).fit(["ab"]).table()

    def test_a_large_vocabulary_costs_what_occurred(self):
        letters = [chr(0x4E00 + i) for i in range(3_000)]
        names = ["".join(letters[(7 * i + j) % 3_000] for j in range(4)) for i in range(2_000)]
        model = NGram(4, 0.1, Vocabulary(letters)).fit(names)
        assert sum(array.nbytes for array in model.state_dict().values()) < 1_000_000
        assert model.evaluate(names).characters == 10_000


class TestState:
    @given(names=names_of_abc, order=st.integers(1, 5))
    def test_round_trip(self, names, order):
        vocabulary = Vocabulary("abc")
        model = NGram(order, 0.3, vocabulary).fit(names)
        twin = NGram.from_config(model.config(), vocabulary)
        twin.load_state_dict(model.state_dict())
        assert np.array_equal(twin.log_likelihoods(names), model.log_likelihoods(names))
        assert NGram.size_of(model.config(), vocabulary) == sum(a.size for a in model.state_dict().values())

    def test_a_copy_shares_nothing(self):
        model = NGram(2, vocabulary=AB).fit(["ab"])
        model.state_dict()["counts"][:] = 99
        assert model.counts.tolist() == [1, 1, 1]

    @pytest.mark.parametrize(
        ("name", "array", "message"),
        [
            ("counts", None, "needs 'counts'"),
            ("more", np.zeros(1), "has no 'more'"),
            ("counts", np.ones(2, np.int64), "shape"),
            ("counts", np.ones(3), "float64"),
            ("counts", np.array([1, 0, 1]), "at least 1"),
            ("counts", np.array([1, -5, 1]), "at least 1"),
            ("counts", np.full(3, 2**62), "at least 1"),
            ("contexts", np.array([1, 0, 2]), "must rise"),
            ("contexts", np.array([0, 1, 1]), "must rise"),
            ("contexts", np.array([-1, 0, 1]), "must rise"),
            ("contexts", np.array([0, 1, 3]), "must rise"),
            ("contexts", np.array([-(2**63), 0, 2**63 - 1]), "must rise"),
            ("pairs", np.array([0, 1, 9]), "must rise"),
            ("pairs", np.array([8, 1, 0]), "must rise"),
        ],
    )
    def test_damaged_counts_are_refused_and_nothing_changes(self, name, array, message):
        model = NGram(2, vocabulary=AB).fit(["ab"])
        before = model.table()
        state = model.state_dict()
        if array is None:
            del state[name]
        else:
            state[name] = array
        with pytest.raises(ValueError, match=message):
            model.load_state_dict(state)
        assert np.array_equal(model.table(), before)

    @pytest.mark.parametrize(
        "wrong",
        [{"order": 0}, {"order": "2"}, {"smoothing": "1"}, {"smoothing": math.nan}, {"smoothing": True}, {"pairs": -1}],
    )
    def test_a_bad_configuration(self, wrong):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            NGram.from_config({**NGram(2).fit(["ab"]).config(), **wrong}, Vocabulary())

    def test_the_windows_are_those_of_the_data_set(self):
        names = ["abid", "bo"]
        windows = NameDataset(names, Vocabulary(), 2)
        model = NGram(3, 0.0).fit(names)
        assert model.counts.sum() == len(windows) == 8
