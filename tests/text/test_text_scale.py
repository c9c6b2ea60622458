"""Tests that text costs what its length says: no quadratic time, no copies by the million, a longest line."""

import os
import random
import string
import subprocess
import sys
import time
import tracemalloc
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.helpers import ROOT
from tinygrad_lm.checks import quoted
from tinygrad_lm.models import MLP, NGram, counting
from tinygrad_lm.text import DataError, NameDataset, Vocabulary, clean_names, graphemes
from tinygrad_lm.text import dataset as text_dataset
from tinygrad_lm.text import names as names_room
from tinygrad_lm.text.errors import code_points
from tinygrad_lm.text.names import LONGEST

MARKS = "\u0301\u0316\u0345\u0334\u0327\u093c\u094d\u200d\ufe0f"  # of many combining classes, 0 among them
LETTERS = Vocabulary()


def peak(work):
    """The most memory that was allocated at one time, in bytes."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def random_names(count, seed=0):
    rng = random.Random(seed)
    return ["".join(rng.choices("abcdefghij", k=rng.randint(3, 9))) for _ in range(count)]


@pytest.mark.parametrize("length", [200, 256, 257, 300, 1_000])
def test_many_marks_compose_as_unicode_says(length):
    for seed in range(20):
        rng = random.Random(seed)
        text = "".join(rng.choices("aeकn각é한ﬁ" + MARKS * rng.randint(1, 4), k=length))
        assert "".join(graphemes(text)) == unicodedata.normalize("NFC", text)
    assert len(graphemes("a" + MARKS[:6] * length)) == 1


def test_unicodedata_is_never_given_marks_that_it_would_sort_long(monkeypatch):
    """It sorts the marks of a letter by insertion: what that costs is how many pairs are out of order."""

    class Counting:
        cost = 0

        def __getattr__(self, name):
            return getattr(unicodedata, name)

        def normalize(self, form, text):
            run = Counter()
            for character in unicodedata.normalize("NFD", text) if len(text) < 2 else text:
                kind = unicodedata.combining(character)
                if kind == 0:
                    run.clear()
                self.cost += 1 + sum(count for other, count in run.items() if other > kind)
                run[kind] += kind > 0
            return unicodedata.normalize(form, text)

    counting = Counting()
    sizes = (2_000, 8_000)
    costs = []
    monkeypatch.setattr(sys.modules[graphemes.__module__], "unicodedata", counting)
    for size in sizes:
        counting.cost = 0
        graphemes("a" + "\u0301\u0316\u0345\u0334" * (size // 4))
        costs.append(counting.cost)
    assert costs[1] < 6 * costs[0]


def test_a_line_too_long_for_a_name_is_dropped_unread(monkeypatch):
    seen = []
    monkeypatch.setattr(names_room, "composed", lambda text: seen.append(len(text)) or text)
    lines = ["a" * (LONGEST + 1), "b" * LONGEST, "amy", "bo"]
    cleaned = clean_names(lines, LETTERS)
    assert cleaned.kept == ("b" * LONGEST, "amy", "bo") and max(seen) == LONGEST
    assert cleaned.dropped == {"longer than 10,000 code points": (lines[0],)}
    with pytest.raises(DataError, match=r"longer than 10,000 code points \(1\). Give one name a line"):
        clean_names(lines[:1], LETTERS)


def test_what_needs_no_tidying_is_not_copied():
    lines = random_names(5)
    assert all(name is line for name, line in zip(clean_names(lines, LETTERS).kept, dict.fromkeys(lines), strict=True))


def test_messages_look_at_the_beginning_alone():
    class Long(str):
        __slots__ = ()

        def __repr__(self):
            raise AssertionError("the whole text is written out")

    assert quoted(Long("x" * 1_000)) == "'" + "x" * 59 + "..."
    assert code_points("ab") == "U+0061 U+0062" and code_points("a" * 9_999).count("U+") == 8
    with pytest.raises(DataError) as raised:
        LETTERS.encode("a" + "\u0301" * 50_000)
    assert len(str(raised.value)) < 500


def test_plain_text_is_not_cut_into_a_list():
    text = "abcdefghij" * 100_000
    assert peak(lambda: LETTERS.unknown(text)) < 10_000
    assert peak(lambda: Vocabulary.from_names([text])) < 30_000


class TestWindows:
    def test_a_dataset_holds_two_small_integers_an_example(self):
        names = random_names(20_000)
        size = sum(len(name) + 1 for name in names)
        for context in (3, 1_000):
            assert peak(lambda context=context: NameDataset(names, LETTERS, context)) < 10 * size + 500_000
        dataset = NameDataset(names, LETTERS)
        assert dataset._ids.dtype == dataset._places.dtype == np.uint8

    @pytest.mark.parametrize(("letters", "kind"), [(255, np.uint8), (256, np.uint16), (70_000, np.uint32)])
    def test_large_vocabularies_and_long_names(self, letters, kind):
        # Ideographs, each a grapheme of its own; behind 0x2F800 some are other ways to write one.
        tokens = [chr(code) for code in (*range(0x20000, 0x2F000), *range(0x30000, 0x40000))][:letters]
        vocabulary = Vocabulary(tokens)
        dataset = NameDataset([tokens[-1] * 2, tokens[0] * 300], vocabulary, 2)
        assert dataset._ids.dtype == kind
        assert dataset.targets[:4].tolist() == [letters - 1, letters - 1, letters, 0]
        assert dataset.contexts[303].tolist() == [0, 0] and dataset.contexts[3].tolist() == [letters] * 2
        assert dataset._places.max() == 300

    def test_few_windows_are_cut_out_once(self, monkeypatch):
        cut, plain = [], text_dataset._windows
        monkeypatch.setattr(text_dataset, "_windows", lambda *given: cut.append(len(given[2])) or plain(*given))
        names, drawn = random_names(50), []
        for table in (text_dataset.TABLE, 0):
            monkeypatch.setattr(text_dataset, "TABLE", table)
            dataset, rng = NameDataset(names, LETTERS, 4), np.random.default_rng(0)
            drawn.append([dataset.sample(8, rng) for _ in range(5)])
            assert cut == ([len(dataset)] if table else [8] * 5)
            cut.clear()
        for (contexts, targets), (others, same) in zip(*drawn, strict=True):
            assert np.array_equal(contexts, others) and np.array_equal(targets, same)
            assert contexts.dtype == others.dtype == np.int64

    def test_evaluation_does_not_cut_out_all_windows(self):
        model = MLP(LETTERS, context=200, embedding=1, hidden=(2,), rng=0)
        names = random_names(12_000)
        # A chunk of contexts is 2**14 x 200 ids of 8 bytes; all of them would be 130 MB.
        assert peak(lambda: model.log_likelihoods(names)) < 100e6


class TestCounts:
    @pytest.mark.parametrize("order", [1, 2, 3, 6])
    @pytest.mark.parametrize("chunk", [1, 7, 64, 1_000])
    def test_in_chunks_as_in_one_go(self, monkeypatch, order, chunk):
        names, other = random_names(60), random_names(30, seed=1)
        whole = NGram(order).fit(names)
        likelihoods = whole.log_likelihoods(other)
        monkeypatch.setattr(counting, "CHUNK", chunk)
        parts = NGram(order).fit(names)
        for name, array in whole.state_dict().items():
            assert np.array_equal(parts.state_dict()[name], array) and array.dtype == np.int64
        assert np.array_equal(parts.log_likelihoods(other), likelihoods)

    def test_memory_is_a_few_bytes_a_window(self, monkeypatch):
        monkeypatch.setattr(counting, "CHUNK", 1 << 12)
        names = random_names(30_000)
        size = sum(len(name) + 1 for name in names)
        assert peak(lambda: NGram(3).fit(names)) < 12 * size + 3_000_000

    def test_each_window_is_sorted_a_few_times_only(self, monkeypatch):
        sorted_ = [0]
        whole = counting.added_up

        def noted(parts, size):
            sorted_[0] += sum(len(counts) for _, _, counts in parts)
            return whole(parts, size)

        monkeypatch.setattr(counting, "added_up", noted)
        monkeypatch.setattr(counting, "CHUNK", 100)
        names = random_names(4_000)
        NGram(8).fit(names)  # nearly every window is another
        assert sorted_[0] < 12 * sum(len(name) + 1 for name in names)


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (120, 120))
from tinygrad_lm import cli
code = cli.main(sys.argv[1:])
# Not ru_maxrss, which begins with the size of the process that started this one.
peak = next(line for line in open("/proc/self/status", encoding="ascii") if line.startswith("VmHWM:"))
print(int(peak.split()[1]) // 1024, file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
@pytest.mark.parametrize(
    ("lines", "options", "code", "limit"),
    [
        ("million", ("--model", "bigram"), 0, 400),
        ("million", ("--steps", "8"), 0, 450),
        ("ascii", ("--model", "bigram"), 0, 250),
        ("ascii", ("--model", "bigram", "--alphabet", "data"), 0, 250),
        ("marks", ("--model", "bigram"), 0, 250),
        ("marks", ("--model", "bigram", "--alphabet", "data"), 0, 250),
        ("alone", ("--model", "bigram"), 1, 250),
    ],
)
def test_large_files(tmp_path, lines, options, code, limit):
    """A million names, one line of 20 MB, one name of 10 MB: bounded time, bounded memory (in MB)."""
    rng = random.Random(0)
    few = ["abid", "zeel", "ravi", "anya"]
    text = {
        "million": lambda: {"".join(rng.choices(string.ascii_lowercase, k=rng.randint(6, 10))) for _ in range(10**6)},
        "ascii": lambda: [*few, "a" * 20_000_000],
        "marks": lambda: [*few, "a" + "\u0301\u0316" * 2_500_000],
        "alone": lambda: ["a" * 20_000_000],
    }[lines]()
    Path(tmp_path, "names.txt").write_text("\n".join(text), encoding="utf-8")
    command = [sys.executable, "-c", LIMITED, "train", "--data", "names.txt", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == code, done.stderr[-2_000:]
    assert len(done.stdout) < 20_000
    assert int(done.stderr.split()[-1]) < limit


@pytest.mark.slow
def test_a_letter_with_five_million_marks():
    began = time.process_time()
    for text in ("a" + "\u0301" * 5_000_000, "a" + "\u0301\u0316" * 2_500_000):
        assert [len(part) for part in graphemes(text)] == [len(text) - 1]  # the letter is composed with its first acute
        with pytest.raises(DataError, match="not among the characters"):
            LETTERS.encode(text)
    assert time.process_time() - began < 300  # quadratic, it was hours
