"""Tests of NameDataset: the windows that slide over names, and how batches of them are drawn."""

import itertools
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.refusing import refuses
from tinygrad_lm.text import DataError, NameDataset, Vocabulary, bundled_names

LETTERS = Vocabulary()
names_a_to_z = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=12)


def windows_one_by_one(names, context):
    """The reference: the definition of the sliding window, spelt out."""
    for name in names:
        padded = "-" * context + name + "-"
        for start in range(len(name) + 1):
            yield padded[start : start + context], padded[start + context]


class TestNameDataset:
    def test_the_table_of_the_lecture(self):
        dataset = NameDataset(["abid", "aabid"], LETTERS)
        assert dataset.windows("abid") == [("---", "a"), ("--a", "b"), ("-ab", "i"), ("abi", "d"), ("bid", "-")]
        assert len(dataset.windows("aabid")) == 6 and len(dataset) == 11
        dotted = NameDataset(["aabid"], Vocabulary(boundary="."))
        assert dotted.windows("aabid")[0] == ("...", "a") and dotted.windows("aabid")[5] == ("bid", ".")
        assert repr(dataset) == "NameDataset(2 names, 11 windows, context 3)"

    @given(st.lists(names_a_to_z, min_size=1, max_size=8), st.integers(1, 15))
    def test_windows_are_the_definition(self, names, context):
        dataset = NameDataset(names, LETTERS, context)
        expected = list(windows_one_by_one(names, context))
        assert dataset.contexts.shape == (len(dataset), context) and dataset.targets.shape == (len(dataset),)
        assert dataset.contexts.dtype == dataset.targets.dtype == np.int64
        decoded = zip(map(LETTERS.decode, dataset.contexts), LETTERS.decode(dataset.targets), strict=True)
        assert list(decoded) == expected == list(itertools.chain(*map(dataset.windows, names)))

    def test_devanagari(self):
        vocabulary = Vocabulary.from_names(["कृष्ण"])
        windows = NameDataset(["कृष्ण"], vocabulary, 2).windows("कृष्ण")
        assert windows == [("--", "कृ"), ("-कृ", "ष्"), ("कृष्", "ण"), ("ष्ण", "-")]

    def test_batches_are_one_epoch(self):
        dataset = NameDataset(["abid", "aabid"], LETTERS)
        everything = [(*row, target) for row, target in zip(dataset.contexts.tolist(), dataset.targets, strict=True)]
        for batch_size, sizes in ((1, [1] * 11), (4, [4, 4, 3]), (11, [11])):
            batches = list(dataset.batches(batch_size, np.random.default_rng(0)))
            assert [len(targets) for _, targets in batches] == sizes
            seen = [(*row, y) for rows, ys in batches for row, y in zip(rows.tolist(), ys, strict=True)]
            assert sorted(seen) == sorted(everything)
            assert batch_size == 1 or seen != everything
        rng = np.random.default_rng(0)
        in_order = list(dataset.batches(4, rng, shuffle=False))
        assert np.array_equal(np.concatenate([targets for _, targets in in_order]), dataset.targets)
        assert rng.bit_generator.state == np.random.default_rng(0).bit_generator.state

    def test_batches_follow_the_generator(self):
        dataset = NameDataset(bundled_names(), LETTERS)
        for draw in (lambda rng: next(dataset.batches(8, rng)), lambda rng: dataset.sample(8, rng)):
            one, same, other = (draw(np.random.Generator(np.random.PCG64(seed))) for seed in (0, 0, 1))
            assert np.array_equal(one[0], same[0]) and np.array_equal(one[1], same[1])
            assert not np.array_equal(one[0], other[0])

    def test_sample_draws_every_window_with_replacement(self):
        dataset = NameDataset(["abid"], LETTERS)
        rng = np.random.default_rng(0)
        draws = [dataset.sample(5, rng) for _ in range(200)]
        assert any(len(set(targets.tolist())) < 5 for _, targets in draws)
        pairs = {
            (LETTERS.decode(row), LETTERS.decode([y])) for rows, ys in draws for row, y in zip(rows, ys, strict=True)
        }
        assert pairs == set(dataset.windows("abid"))
        assert draws[0][0].shape == (5, 3) and draws[0][1].shape == (5,) and draws[0][0].dtype == np.int64

    def test_a_batch_cannot_change_the_data(self):
        dataset = NameDataset(["abid"], LETTERS)
        for contexts, targets in (dataset.sample(2, np.random.default_rng(0)), next(dataset.batches(5, None, False))):
            contexts[:], targets[:] = 7, 7
        assert dataset.windows("abid")[0] == ("---", "a") and dataset.targets.tolist() == [0, 1, 8, 3, 26]
        for own in (dataset.contexts, dataset.targets):
            with pytest.raises(ValueError, match="read-only"):
                own[:] = 1

    def test_settings_are_checked(self):
        for context in (0, -1, True, 2.0, None, "3"):
            refuses(
                DataError, lambda context=context: NameDataset(["abid"], LETTERS, context), "context", repr(context)
            )
        dataset = NameDataset(["abid"], LETTERS)
        rng = np.random.default_rng(0)
        for draw in (dataset.sample, dataset.batches):
            for size in (0, -1, True, 2.0, None):
                refuses(DataError, lambda size=size, draw=draw: draw(size, rng), "batch size", "from 1 up", repr(size))
            refuses(DataError, lambda draw=draw: draw(6, rng), "batch of 6", "5 windows", "at most 5")
        assert len(NameDataset(["abid"], LETTERS, np.int64(2)).windows("abid")[0][0]) == 2

    def test_names_are_checked(self):
        refuses(DataError, lambda: NameDataset([], LETTERS), "at least one name")
        refuses(DataError, lambda: NameDataset("abid", LETTERS), "the string 'abid'")
        refuses(DataError, lambda: NameDataset(["abid", ""], LETTERS), "name 1", "empty", "clean_names")
        refuses(DataError, lambda: NameDataset(["abid", "Zara"], LETTERS), "'Z' (U+005A)")

    def test_thirty_thousand_names_in_well_under_a_second(self):
        names = (bundled_names() * 20)[:30_000]
        start = time.process_time()
        NameDataset(names, LETTERS)
        assert time.process_time() - start < 0.5
