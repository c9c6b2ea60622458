"""Tests of ``tinygrad-lm sample``."""

from pathlib import Path

import pytest

from tinygrad_lm import runs

pytestmark = pytest.mark.usefixtures("elsewhere")


class TestSample:
    ONCE = ("--model", "trigram", "--out", "r", "--smoothing", "0.01")

    @pytest.fixture(autouse=True)
    def beside_the_run(self, elsewhere, trained_once, monkeypatch):
        monkeypatch.chdir(trained_once)

    def test_seeds_and_counts(self, run):
        first = run("sample", "r")
        assert first == run("sample", "r", "--seed", "0") != run("sample", "r", "--seed", "1")
        assert first.count("\n") == 20 and run("sample", "r", "-n", "5") == "".join(first.splitlines(True)[:5])

    def test_greedy_writes_one_name(self, run):
        assert len(set(run("sample", "r", "--temperature", "0").splitlines())) == 1
        assert run("sample", "r", "--temperature", "0") == run("sample", "r", "--top-k", "1")
        assert run("sample", "r", "--temperature", "0") == run("sample", "r", "--top-p", "1e-9")

    def test_every_option_changes_something(self, run):
        base = run("sample", "r", "-n", "40")
        for options in (("--temperature", "3"), ("--top-k", "1"), ("--top-p", "0.3"), ("--max-length", "3")):
            assert run("sample", "r", "-n", "40", *options) != base, options

    def test_names_are_marked(self, run):
        lines = run("sample", "r", "-n", "60").splitlines()
        training = set(Path("r", runs.TRAINING_NAMES).read_text().split())
        for line in lines:
            name, _, mark = line.partition(" ")
            assert mark.strip() == ("in training data" if name in training else "new")
        assert len({line.split(maxsplit=1)[1] for line in lines}) == 2

    def test_names_that_were_cut_show_it(self, run):
        lines = run("sample", "r", "--max-length", "3", "-n", "5").splitlines()
        assert all(line.split()[0][3:] in ("", "...") for line in lines) and "..." in lines[0]

    def test_an_empty_name_shows(self, run):
        run("train", "--model", "unigram", "--data", "names.txt", "--out", "u")
        assert "(empty)" in run("sample", "u", "-n", "99")

    def test_the_trace_shows_each_step(self, run):
        out = run("sample", "r", "--trace", "--prefix", "ze", "-n", "1")
        assert "context" in out and "the likeliest options" in out and "roll" in out and "-ze " in out
        steps = [line for line in out.splitlines() if line.startswith("    -")]
        name, *_ = out.splitlines()[-1].split()
        assert "ze" + "".join(line.split()[-1] for line in steps) in (name + "-", name.removesuffix("..."))
        assert [line.split()[0] for line in steps] == ["-" + name[: i + 2] for i in range(len(steps))]
        assert out.splitlines()[-1] == run("sample", "r", "--prefix", "ze", "-n", "1").strip()


def test_prefixes_are_written_as_the_names_are(run):
    run("train", "--data", "names.txt", "--model", "bigram", "--out", "r")
    assert run("sample", "r", "--prefix", "ZaR") == run("sample", "r", "--prefix", "zar")
