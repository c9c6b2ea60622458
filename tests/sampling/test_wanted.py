"""Tests of what is drawn again: lengths, letters, names that come once or are new, exact counts, and honest stops."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.pairs import Pairs
from tinygrad_lm.models import GRU, LanguageModel, NGram
from tinygrad_lm.sampling import IncompleteError, Settings, Wanted, generate, samples, writing
from tinygrad_lm.text import DataError, Vocabulary, graphemes

NAMES = ["abid", "aabid", "zeel", "nipun", "meera", "a", "krishnamurthy"]
TRIGRAM = NGram(3, 0.05).fit(NAMES)
THREE = NGram(4, 0.0).fit(["abid", "zeel", "zara"])
LETTERS = st.text("aeinz", max_size=2)


def texts(*given, **options):
    return [sample.text for sample in samples(*given, **options)]


class TestLetters:
    def test_what_must_and_must_not_occur(self):
        found = texts(TRIGRAM, rng=0, count=30, wanted=Wanted("ea", "n"))
        assert len(found) == 30 and all("e" in text and "a" in text and "n" not in text for text in found)

    def test_what_is_kept_is_what_is_drawn_given_that_it_is_wanted(self):
        """Never to draw a letter is another distribution: here the first letter would be b half of the time."""
        model = NGram(3, 0.0, Vocabulary("abc")).fit(["ab"] * 6 + ["ac"] * 3 + ["bc"] + ["b"] * 2)
        found = Counter(texts(model, rng=1, count=4_000, wanted=Wanted(must_not_contain="c")))
        assert set(found) == {"ab", "b"}
        assert (found["ab"] - 3_000) ** 2 / 3_000 + (found["b"] - 1_000) ** 2 / 1_000 < 15.1  # 0.01 %

    def test_they_are_those_of_the_plain_samples_that_are_wanted(self):
        plain = [text for text in texts(TRIGRAM, rng=3, count=400) if "e" in text and "n" not in text]
        assert texts(TRIGRAM, rng=3, count=len(plain), wanted=Wanted("e", "n")) == plain and len(plain) > 10

    @settings(max_examples=25)
    @given(LETTERS, LETTERS, st.booleans(), st.integers(0, 4), st.sampled_from(["", "a", "ze"]))
    def test_no_filter_is_ever_violated(self, holds, holds_not, unique, least, prefix):
        if set(holds) & set(holds_not) or set(prefix) & set(holds_not):
            return
        wanted, how = Wanted(holds, holds_not, unique, NAMES), Settings(1.5, min_length=least, max_length=8)
        found = list(samples(TRIGRAM, how, 0, prefix, 6, wanted=wanted))
        assert len(found) == 6 and (not unique or len({sample.text for sample in found}) == 6)
        for sample in found:
            assert set(holds) <= set(sample.text) and not set(holds_not) & set(sample.text)
            assert sample.text not in NAMES and sample.text.startswith(prefix)
            assert least <= len(sample.text) <= 8

    def test_tokens_of_several_letters(self):
        model = NGram(2, 0.01, Pairs()).fit(NAMES)
        found = texts(model, rng=0, count=40, wanted=Wanted("a", "i"))
        assert all("a" in text and "i" not in text for text in found)
        forbidden = Wanted(must_not_contain="i").forbidden(model.vocabulary)
        assert [model.vocabulary.tokens[i] for i in np.flatnonzero(forbidden)][:3] == ["i", "ai", "bi"]

    def test_letters_are_graphemes(self):
        names = ["राम", "रमा", "सीता"]
        model = NGram(2, 0.0, Vocabulary.from_names(names)).fit(names)
        found = texts(model, rng=0, count=20, wanted=Wanted("म", "मा"))
        assert all("म" in graphemes(text) and "मा" not in graphemes(text) for text in found)

    def test_a_mark_that_is_written_only_with_its_letter(self):
        names = ["राम", "सीता"]
        model = NGram(2, 1.0, Vocabulary.from_names(names)).fit(names)
        words = "must_contain has '\u093e', which the model writes only as a part of others: give these, such as 'ता'"
        with pytest.raises(DataError, match=words):
            samples(model, wanted=Wanted("\u093e"))

    def test_the_prefix_counts(self):
        assert all(text.startswith("ze") for text in texts(TRIGRAM, rng=0, prefix="ze", wanted=Wanted("z"), count=5))
        with pytest.raises(DataError, match="the prefix has 'z', which must not occur"):
            samples(TRIGRAM, prefix="ze", wanted=Wanted(must_not_contain="z"))

    @pytest.mark.parametrize("name", ["must_contain", "must_not_contain"])
    @pytest.mark.parametrize("letter", ["É", "-", "A"])
    def test_letters_that_are_never_written(self, name, letter):
        with pytest.raises(DataError, match=f"{name} has '{letter}', which the model never writes"):
            samples(TRIGRAM, wanted=Wanted(**{name: "a" + letter}))

    def test_what_cannot_be(self):
        with pytest.raises(DataError, match="'b' must occur and must not occur"):
            Wanted("ab", "bc")
        with pytest.raises(TypeError, match=r"not_in is a collection of texts, not the text 'abid': write \[text\]"):
            Wanted(not_in="abid")


class TestLengths:
    def test_the_end_is_not_drawn_before(self):
        short = NGram(1, 0.0).fit(["a", "b"])
        found = list(samples(short, Settings(min_length=3, max_length=6), 0, count=200))
        lengths = Counter(len(sample.text) for sample in found)
        assert min(lengths) == 3 and sum(lengths.values()) == 200
        assert abs(lengths[3] - 100) < 30 and set("".join(sample.text for sample in found)) == {"a", "b"}

    def test_its_probability_goes_to_the_others(self):
        first = generate(NGram(1, 0.0).fit(["a", "a", "b"]), Settings(min_length=1), 0, trace=True).steps[0]
        assert dict(first.options) == {"a": pytest.approx(2 / 3), "b": pytest.approx(1 / 3)}

    def test_a_text_that_can_only_end_too_early_is_drawn_again(self):
        model = NGram(3, 0.0).fit(["abid", "nipun"])
        assert set(texts(model, Settings(min_length=5), 0, count=9)) == {"nipun"}

    @pytest.mark.parametrize("model", [TRIGRAM, GRU(hidden=4, embedding=2, rng=0)], ids=["trigram", "gru"])
    def test_the_greatest_length_only_cuts(self, model):
        whole = texts(model, rng=4, count=50)
        for length in (1, 2, 7, 80):
            cut = list(samples(model, Settings(max_length=length), 4, count=50))
            for sample, text in zip(cut, whole, strict=True):
                assert sample.text[:30] == text[:length] and (sample.complete or len(sample.text) == length)

    def test_a_least_length_that_every_prefix_has_changes_nothing(self):
        assert texts(TRIGRAM, Settings(min_length=2), 5, "ze") == texts(TRIGRAM, Settings(), 5, "ze")

    @pytest.mark.parametrize("logit", [math.nan, -math.inf])
    def test_a_broken_model_is_still_named(self, logit):
        class Broken(LanguageModel):
            vocabulary = Vocabulary("ab")

            def next_logits(self, prefixes):
                return np.full((len(prefixes), 3), logit)

        with pytest.raises(DataError, match="overflow"):
            generate(Broken(), Settings(min_length=2), 0)


class TestCounts:
    def test_no_name_comes_twice(self):
        found = texts(THREE, rng=0, count=3, wanted=Wanted(unique=True))
        assert sorted(found) == ["abid", "zara", "zeel"]

    def test_only_new_ones(self):
        found = texts(TRIGRAM, rng=0, count=50, wanted=Wanted(not_in=NAMES))
        assert len(found) == 50 and not set(found) & set(NAMES)
        assert set(texts(TRIGRAM, rng=0, count=50)) & set(NAMES)

    @pytest.mark.parametrize("batch_size", [1, 7, 1000])
    def test_in_any_batch_and_however_many(self, batch_size):
        wanted, how = Wanted("a", unique=True), Settings(min_length=2)
        many = texts(TRIGRAM, how, 9, count=40, wanted=wanted)
        assert texts(TRIGRAM, how, 9, count=40, wanted=wanted, batch_size=batch_size) == many
        assert texts(TRIGRAM, how, 9, count=11, wanted=wanted, batch_size=batch_size) == many[:11]

    @pytest.mark.parametrize("batch_size", [1, 1000])
    def test_a_space_that_is_exhausted(self, batch_size):
        found = []
        with pytest.raises(
            IncompleteError, match=r"only 3 of 4 texts .* 100\.0000% of the probability\. Ask"
        ) as caught:
            for sample in samples(THREE, rng=0, count=4, wanted=Wanted(unique=True), batch_size=batch_size):
                found.append(sample)
        assert sorted(sample.text for sample in found) == ["abid", "zara", "zeel"] and caught.value.found == tuple(
            found
        )

    def test_it_is_exhausted_at_the_last_draw_that_it_takes(self):
        """Once all is seen nothing more is drawn: 40 draws are enough, and the patience is not asked."""
        asked = [
            (THREE, Settings(), Wanted(unique=True, not_in=["abid"]), "only 2 of 4"),
            (THREE, Settings(), Wanted(must_not_contain="z", unique=True), "only 1 of 4"),
            (THREE, Settings(min_length=5), Wanted(), "only 0 of 4"),
            (TRIGRAM, Settings(0), Wanted(unique=True), "only 1 of 4"),
            (TRIGRAM, Settings(0), Wanted(must_not_contain="a"), "only 0 of 4"),
        ]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(writing, "PATIENCE", 40)
            for model, how, wanted, words in asked:
                with pytest.raises(IncompleteError, match=f"{words} texts .* has 100.0000% of"):
                    texts(model, how, 0, count=4, wanted=wanted)

    def test_a_letter_that_must_not_occur_ends_a_text_at_once(self):
        """All that begins with it is seen by then: no patience would see those many texts one by one."""
        model = NGram(1, 1.0, Vocabulary("abcdef")).fit(["abcdef"])
        with pytest.raises(IncompleteError, match=r"only 1 of 2 .* has 100\.0000%"):
            texts(model, rng=0, count=2, wanted=Wanted(must_not_contain="abcdef", unique=True))

    def test_patience_is_for_draws_in_a_row(self):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(writing, "PATIENCE", 30)
            assert len(texts(TRIGRAM, rng=0, count=200, wanted=Wanted("a"))) == 200

    def test_a_rare_text_is_not_given_up_while_some_come(self):
        """What is wanted may come again, so that all that was drawn is no reason to stop."""
        assert texts(THREE, rng=0, count=50, wanted=Wanted("b")) == ["abid"] * 50

    def test_patience_ends(self, monkeypatch):
        monkeypatch.setattr(writing, "PATIENCE", 500)
        model = NGram(1, 1.0).fit(["ab"])  # never exhausted
        with pytest.raises(IncompleteError, match=r"only 0 of 1 texts .* 500 draws in a row gave no other; .*%"):
            texts(model, Settings(max_length=9), 0, count=1, wanted=Wanted("abcdefghi", "jklmnopq"))

    def test_nothing_is_asked_for(self):
        assert texts(THREE, rng=0, count=0, wanted=Wanted("z")) == []
