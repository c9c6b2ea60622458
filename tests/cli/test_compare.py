"""Tests of ``tinygrad-lm compare``: each number is the library's, and what does not compare is said."""

import json
import re
from pathlib import Path

import pytest

from tests.helpers.command_line import NAMES, SMALL, config
from tinygrad_lm import comparing, runs
from tinygrad_lm.cli import compare
from tinygrad_lm.sampling import Sample, Settings
from tinygrad_lm.text import split_names

pytestmark = pytest.mark.usefixtures("elsewhere")

SPLIT = split_names(NAMES, seed=0)


@pytest.fixture
def some_runs(elsewhere, run):
    run("train", "--data", "names.txt", "--steps", "16", *SMALL, "--out", "m")
    run("train", "--data", "names.txt", "--model", "kneser-ney", "--out", "k")


def rows(out, title):
    """A table, by its title: the cells of each row by the first."""
    lines = out.partition(title)[2].partition("\n\n")[0].splitlines()[2:]
    return {row[0]: row[1:] for line in lines if len(row := re.split(r" {2,}", line.strip())) > 2}


@pytest.mark.usefixtures("some_runs")
class TestCompare:
    def test_every_number(self, run):
        out = run("compare", "m", "k", "-n", "50", "--temperature", "0.8", "--seed", "3")
        losses, rest = rows(out, "Losses"), rows(out, "What each run took; of 50 names")
        assert list(losses) == list(rest) == ["m", "k"]
        for folder in "mk":
            found = runs.load(Path(folder))
            expected = comparing.measure(
                found.model, SPLIT.train, SPLIT.validation, SPLIT.test, count=50, settings=Settings(0.8), rng=3
            )
            validation, test = expected.validation, expected.test
            assert losses[folder] == [
                *(f"{each.loss:.4f}" for each in (validation, test)),
                f"{test.perplexity:.2f}",
                f"{test.bits:.3f}",
            ]
            seconds = runs.seconds_of_training(folder, found.config)
            took = "-" if folder == "k" else f"{seconds:.1f} s"
            shares = f"{expected.new:.1%}", f"{expected.duplicates:.1%}"
            assert rest[folder] == [found.model.kind, f"{expected.numbers:,}", took, *shares]
        assert "other splits" not in out
        header = next(line for line in out.splitlines() if "family" in line)
        assert header.split() == ["run", "family", "parameters", "training", "new", "duplicates"]
        assert "the parameters of counts are the numbers that they hold" in out
        assert "of counts" not in run("compare", "m", "-n", "9")

    def test_names_side_by_side(self, run):
        shown = run("compare", "m", "k", "-n", "40", "--seed", "3").partition("Names side by side")[2].splitlines()
        alone = [run("sample", folder, "-n", "20", "--seed", "3").splitlines() for folder in "mk"]
        assert len(shown) == 22 and [line.split() for line in shown[1:2]] == [["m", "k"]]
        for line, *cells in zip(shown[2:], *alone, strict=True):
            assert line.split() == [
                cell.split()[0] + ("*" if cell.endswith("in training data") else "") for cell in cells
            ]
        few = run("compare", "m", "-n", "3").partition("Names side by side")[2].splitlines()
        assert len(few) == 5

    def test_columns_that_are_wider_than_a_terminal_stand_under_each_other(self, run):
        out = run("compare", *["m", "k"] * 4, "-n", "3", "--temperature", "9").partition("Names side by side")[2]
        blocks = [block.splitlines() for block in out.partition("\n")[2].split("\n\n")]
        assert len(blocks) > 1 and max(map(len, out.splitlines())) <= 80
        assert [name for block in blocks for name in block[0].split()] == ["m", "k"] * 4
        alone = [run("sample", folder, "-n", "3", "--temperature", "9").split() for folder in "mk"]
        first = [name for block in blocks for name in block[1].split()]
        assert [name.rstrip("*") for name in first] == [names[0] for names in alone] * 4

    def test_long_folders_and_names_break_no_table(self, run):
        deep = Path("x" * 60, "y" * 60)
        deep.parent.mkdir()
        Path("m").rename(deep)
        out = run("compare", deep, "k", "-n", "3")
        assert max(map(len, out.splitlines())) <= 100 and out.count("..." + "y" * 33) == 3
        model = runs.load(deep).model
        long = Sample("a" * 60, complete=True)
        row = compare.Row("m", runs.Run(deep, model, {}, frozenset({long.text})), None, "")
        assert compare._marked(row, long) == "a" * 33 + "...*"

    def test_splits_that_differ_are_told(self, run):
        run("train", "--data", "names.txt", "--model", "bigram", "--seed", "1", "--out", "o")
        out = run("compare", "m", "k", "o", "-n", "9")
        assert out.count("other splits") == 1
        assert "  m and o have other splits (--split-seed 0 and 1):\n  their losses are of other names" in out
        other = split_names(NAMES, seed=1)
        assert rows(out, "Losses")["o"][1] == f"{runs.load(Path('o')).model.evaluate(other.test).loss:.4f}"

    def test_names_that_cannot_be_read_again(self, run):
        Path("names.txt").unlink()
        out = run("compare", "m", "-n", "9")
        assert rows(out, "Losses") == {"m": ["-"] * 4} and "m: " in out and "names.txt" in out
        Path("names.txt").write_text("\n".join([*NAMES, "more"]), encoding="utf-8")
        out = run("compare", "m", "k", "-n", "9")
        assert "k: the names in" in out and "have changed since k was started; so its losses are left out" in out
        assert rows(out, "What each run took")["k"]


def test_the_time_of_a_mixture_is_that_of_its_parts():
    told = {"mixed": [{"seconds": 2.0}, {"seconds": None}, {"seconds": 0.5}, {}]}
    assert runs.seconds_of_training("none", told) == 2.5
    for mixed in (None, 5, [], [None], [{"seconds": "x"}], [{"seconds": True}], [{"seconds": float("inf")}]):
        assert runs.seconds_of_training("none", {"mixed": mixed}) is None


@pytest.mark.usefixtures("some_runs")
def test_a_run_without_data_says_so(run):
    path = Path("m", runs.CONFIG)
    arrays = config("m")
    path.write_text(json.dumps({**arrays, "data": {**arrays["data"], "seed": 9}}), encoding="utf-8")
    assert "says seed 9, but" in run("compare", "m", code=1)
