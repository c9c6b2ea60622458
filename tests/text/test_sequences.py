"""Tests of whole names in padded batches: what they teach, what they mask, how they are drawn and what they cost."""

import itertools
import time
import tracemalloc
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.pairs import Pairs
from tests.helpers.refusing import refuses
from tinygrad_lm.models import NGram
from tinygrad_lm.text import (
    IGNORE,
    DataError,
    NameDataset,
    SequenceDataset,
    Vocabulary,
    bundled_names,
    count_characters,
    count_targets,
    token_lengths,
)
from tinygrad_lm.text.sequences import POOL

LETTERS = Vocabulary("abc")
TOKENIZERS = [LETTERS, Pairs("abc")]
lists = st.lists(st.text("abc", min_size=1, max_size=12), min_size=1, max_size=8)
contexts = st.none() | st.integers(1, 14)


def generator(seed=0):
    return np.random.Generator(np.random.PCG64(seed))


def everything(dataset):
    return dataset.take(np.arange(len(dataset)))


def taught(inputs, targets):
    """What comes before each target that counts, in its sequence, and the target."""
    for row, wanted in zip(inputs.tolist(), targets.tolist(), strict=True):
        for column, target in enumerate(wanted):
            if target != IGNORE:
                yield row[: column + 1], target


def shown(dataset):
    """The same from windows, where boundaries fill what lies before the start of a name."""
    boundary = dataset.vocabulary.boundary_id
    for context, target in zip(dataset.contexts.tolist(), dataset.targets.tolist(), strict=True):
        while context[:2] == [boundary, boundary]:
            context = context[1:]
        yield context, target


class TestSequences:
    def test_the_example(self):
        dataset = SequenceDataset(["abid", "al"], Vocabulary())
        inputs, targets = everything(dataset)
        assert inputs.tolist() == [[26, 0, 1, 8, 3], [26, 0, 11, 26, 26]]
        assert targets.tolist() == [[0, 1, 8, 3, 26], [0, 11, 26, IGNORE, IGNORE]]
        assert inputs.dtype == targets.dtype == np.int64
        assert dataset.windows("al") == [("-", "a"), ("-a", "l"), ("-al", "-")]
        assert len(dataset) == 2 and repr(dataset) == "SequenceDataset(2 names, 2 sequences)"

    def test_a_name_that_does_not_fit(self):
        dataset = SequenceDataset(["abid", "al"], Vocabulary(), 3)
        inputs, targets = everything(dataset)
        assert inputs.tolist() == [[26, 0, 1], [0, 1, 8], [1, 8, 3], [26, 0, 11]]
        assert targets.tolist() == [[0, 1, 8], [IGNORE, IGNORE, 3], [IGNORE, IGNORE, 26], [0, 11, 26]]
        assert dataset.windows("abid") == [("-", "a"), ("-a", "b"), ("-ab", "i"), ("abi", "d"), ("bid", "-")]
        assert len(dataset) == 4 and repr(dataset) == "SequenceDataset(2 names, 4 sequences, context 3)"

    @given(lists, st.sampled_from(TOKENIZERS))
    def test_they_teach_what_windows_of_the_longest_name_teach(self, names, vocabulary):
        longest = max(len(vocabulary.encode(name)) for name in names) + 1
        windows = list(shown(NameDataset(names, vocabulary, longest)))
        for context in (None, longest, longest + 3):
            dataset = SequenceDataset(names, vocabulary, context)
            assert len(dataset) == len(names)
            assert list(taught(*everything(dataset))) == windows

    @given(lists, st.sampled_from(TOKENIZERS), st.integers(1, 14))
    def test_of_any_context_they_teach_what_its_windows_teach(self, names, vocabulary, context):
        dataset = SequenceDataset(names, vocabulary, context)
        assert list(taught(*everything(dataset))) == list(shown(NameDataset(names, vocabulary, context)))
        texts = [pair for name in names for pair in dataset.windows(name)]
        decode = vocabulary.decode
        assert texts == [(decode(before), decode([target])) for before, target in taught(*everything(dataset))]

    @given(lists, st.sampled_from(TOKENIZERS), contexts, st.data())
    def test_what_is_filled_and_what_counts(self, names, vocabulary, context, data):
        dataset = SequenceDataset(names, vocabulary, context)
        chosen = data.draw(st.lists(st.integers(0, len(dataset) - 1), min_size=1, max_size=6))
        inputs, targets = dataset.take(np.array(chosen))
        assert inputs.shape == targets.shape and inputs.dtype == targets.dtype == np.int64
        lengths = [everything_of(dataset, number)[0].shape[1] for number in chosen]
        assert inputs.shape == (len(chosen), max(lengths)) and (context is None or max(lengths) <= context)
        for number, length, row, wanted in zip(chosen, lengths, inputs, targets, strict=True):
            alone, alone_wanted = everything_of(dataset, number)
            assert row[:length].tolist() == alone[0].tolist() and wanted[:length].tolist() == alone_wanted[0].tolist()
            assert (row[length:] == vocabulary.boundary_id).all() and (wanted[length:] == IGNORE).all()
            assert alone_wanted[0, -1] != IGNORE
            begins = alone[0, 0] == vocabulary.boundary_id
            counting = (alone_wanted[0] != IGNORE).tolist()
            assert counting == [True] * length if begins else counting == [False] * (length - 1) + [True]
            assert (alone[0, 1:] != vocabulary.boundary_id).all()

    def test_no_sequence_at_all(self):
        for part in SequenceDataset(["ab"], LETTERS).take(np.arange(0)):
            assert len(part) == 0 and part.dtype == np.int64


def everything_of(dataset, number):
    return dataset.take(np.array([number]))


class TestEpoch:
    @given(lists, st.sampled_from(TOKENIZERS), contexts, st.data())
    def test_every_sequence_once(self, names, vocabulary, context, data):
        dataset = SequenceDataset(names, vocabulary, context)
        size = data.draw(st.integers(1, len(dataset)))
        whole = sorted(taught(*everything(dataset)))
        for shuffle in (True, False):
            batches = list(dataset.batches(size, generator(), shuffle))
            full, left = divmod(len(dataset), size)
            assert [len(inputs) for inputs, _ in batches] == [size] * full + [left] * (left > 0)
            assert sorted(pair for batch in batches for pair in taught(*batch)) == whole

    def test_in_the_order_of_the_names(self):
        dataset, rng = SequenceDataset(["abc", "a", "ab"], LETTERS), generator()
        batches = [targets.tolist() for _, targets in dataset.batches(2, rng, shuffle=False)]
        assert batches == [[[0, 1, 2, 3], [0, 3, IGNORE, IGNORE]], [[0, 1, 3]]]
        assert rng.bit_generator.state == generator().bit_generator.state

    def test_what_comes_together_and_when_changes(self):
        dataset = SequenceDataset(bundled_names(), Vocabulary())
        epochs = [list(dataset.batches(64, generator(seed))) for seed in range(20)]
        members = {frozenset(map(tuple, epoch[0][0].tolist())) for epoch in epochs}
        assert len(members) == 20
        assert {epoch[0][0].shape[1] for epoch in epochs} > {6, 7, 8}  # not the shortest first
        assert len({epoch[-1][0].shape for epoch in epochs}) > 1 and all(len(epoch[-1][0]) == 13 for epoch in epochs)


class TestDrawing:
    def test_the_generator_decides(self):
        dataset = SequenceDataset(bundled_names(), Vocabulary())
        for draw in (lambda rng: next(dataset.batches(8, rng)), lambda rng: dataset.sample(8, rng)):
            one, same, other = (draw(generator(seed)) for seed in (0, 0, 1))
            assert np.array_equal(one[0], same[0]) and np.array_equal(one[1], same[1])
            assert one[0].shape != other[0].shape or not np.array_equal(one[0], other[0])

    def test_names_of_all_lengths_are_equally_likely(self):
        names = ["".join(letters) for letters in itertools.product("abc", repeat=3)]
        names += ["a" * length for length in (1, 2, 4, 5, 6, 7, 30)]
        dataset, rng = SequenceDataset(names, LETTERS), generator()
        rows = Counter(tuple(row) for _ in range(6_000) for row in dataset.sample(3, rng)[1].tolist())
        counts = Counter()
        for row, count in rows.items():
            counts[LETTERS.decode([target for target in row if target not in (IGNORE, 3)])] += count
        mean = 6_000 * 3 / len(names)
        assert set(counts) == set(names) and len(names) == 34
        # Draws of one batch go together: the spread is a little more than that of independent ones.
        assert max(abs(count - mean) for count in counts.values()) < 5 * np.sqrt(1.5 * mean)

    def test_they_are_drawn_with_replacement(self):
        dataset, rng = SequenceDataset(["a", "b"], LETTERS), generator()
        drawn = {tuple(dataset.sample(2, rng)[1][:, 0].tolist()) for _ in range(100)}
        assert drawn == {(0, 0), (0, 1), (1, 0), (1, 1)}

    def test_little_is_filled(self):
        dataset, rng = SequenceDataset(bundled_names(), Vocabulary()), generator()

        def filled(batches):
            sizes = [(targets.size, count_targets(targets)) for _, targets in batches]
            return 1 - sum(count for _, count in sizes) / sum(size for size, _ in sizes)

        assert filled(dataset.take(rng.integers(len(dataset), size=64)) for _ in range(300)) > 0.3
        assert filled(dataset.sample(64, rng) for _ in range(300)) < 0.05
        assert filled(dataset.batches(64, rng)) < 0.02

    def test_a_batch_is_the_caller_s(self):
        dataset = SequenceDataset(["abc"], LETTERS)
        for inputs, targets in (dataset.sample(1, generator()), next(dataset.batches(1, generator()))):
            inputs[:], targets[:] = 7, 7
        assert everything(dataset)[1].tolist() == [[0, 1, 2, 3]]


class TestRefusals:
    def test_settings(self):
        for context in (0, -1, True, 2.0, "3"):
            refuses(
                DataError, lambda context=context: SequenceDataset(["a"], LETTERS, context), "context", repr(context)
            )
        dataset = SequenceDataset(["a", "b"], LETTERS)
        for draw in (dataset.sample, dataset.batches):
            for size in (0, -1, True, 2.0, None):
                refuses(
                    DataError,
                    lambda size=size, draw=draw: draw(size, generator()),
                    "batch size",
                    "from 1 up",
                    repr(size),
                )
            refuses(DataError, lambda draw=draw: draw(3, generator()), "batch of 3", "2 sequences", "at most 2")

    def test_names(self):
        refuses(DataError, lambda: SequenceDataset([], LETTERS), "at least one name")
        refuses(DataError, lambda: SequenceDataset("abc", LETTERS), "the string 'abc'")
        refuses(DataError, lambda: SequenceDataset(["a", ""], LETTERS), "name 1", "empty", "clean_names")
        refuses(DataError, lambda: SequenceDataset(["a", "x"], LETTERS), "'x' (U+0078)")
        refuses(DataError, lambda: SequenceDataset(["a"], LETTERS).windows("x"), "'x' (U+0078)")


class TestCost:
    def test_it_holds_a_small_integer_a_token_and_two_a_sequence(self):
        names = [f"{name}{'a' * (number % 5)}" for number, name in enumerate(bundled_names() * 10)]
        size = sum(len(name) + 1 for name in names)
        for context in (None, 3, 1_000):
            tracemalloc.start()
            dataset = SequenceDataset(names, Vocabulary(), context)
            held, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert dataset._ids.dtype == dataset._lengths.dtype == np.uint8 and dataset._starts.dtype == np.uint32
            assert held < size + 5 * len(dataset) + 8 * len(names) + 100_000
            assert peak < 10 * size + 40 * len(dataset) + 500_000

    def test_thirty_thousand_names_in_well_under_a_second(self):
        names = (bundled_names() * 20)[:30_000]
        start = time.process_time()
        SequenceDataset(names, Vocabulary(), 8)
        assert time.process_time() - start < 0.5

    def test_a_draw_costs_what_the_batch_costs(self):
        few, many = (SequenceDataset(bundled_names() * times, Vocabulary()) for times in (1, 50))
        for dataset in (few, many):
            tracemalloc.start()
            dataset.sample(64, generator())
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 30 * POOL * 64 + 60 * 64 * 11


@pytest.mark.parametrize("vocabulary", [Vocabulary(), Pairs()], ids=["characters", "pairs"])
@pytest.mark.parametrize("context", [None, 4])
def test_the_losses_of_an_epoch_are_those_of_an_evaluation(vocabulary, context):
    """Summed over what counts, and divided by the characters that this stands for."""
    names = bundled_names()[:200]
    order = 3 if context is None else context + 1
    model = NGram(order, 0.1, vocabulary).fit(names)
    lengths = token_lengths(vocabulary)
    nats = characters = targets_seen = 0
    for inputs, targets in SequenceDataset(names, vocabulary, context).batches(32, generator()):
        pairs = list(taught(inputs, targets))
        before = [[token for token in prefix if token != vocabulary.boundary_id] for prefix, _ in pairs]
        rows = model.next_logits(before)
        loss = -np.mean([row[target] for row, (_, target) in zip(rows, pairs, strict=True)])
        nats += loss * count_targets(targets)
        characters += count_characters(targets, lengths)
        targets_seen += count_targets(targets)
    found = model.evaluate(names)
    assert characters == found.characters == sum(len(name) + 1 for name in names)
    assert targets_seen == len(model.log_likelihoods(names))
    assert nats / characters == pytest.approx(found.loss, rel=1e-12)
