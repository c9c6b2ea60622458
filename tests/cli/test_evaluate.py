"""Tests of ``tinygrad-lm evaluate``."""

from pathlib import Path

import pytest

from tests.helpers.command_line import NAMES, SMALL
from tinygrad_lm import runs
from tinygrad_lm.text import clean_names, split_names

pytestmark = pytest.mark.usefixtures("elsewhere")


class TestAFile:
    def test_it_equals_the_training_report(self, run):
        out = run("train", "--model", "bigram", "--out", "r", "--smoothing", "1")
        Path("all.txt").write_text("zara\nZARA\n\nnew1\nqqq\n")
        found = run("evaluate", "r", "all.txt")
        assert "all.txt: 2 names, " in found and "1 more dropped, duplicate" in found
        assert "1 more dropped, characters outside the vocabulary" in found
        run("evaluate", "r", Path("r", runs.TRAINING_NAMES))
        loss = runs.load(Path("r")).model.evaluate(["zara", "qqq"]).loss
        assert f"loss {loss:.4f} nats a character" in found and "this run: bigram, add 1" in out


class TestItsOwnTestSplit:
    @pytest.mark.parametrize(
        "options", [("--model", "trigram"), ("--steps", "8", *SMALL), ("--model", "bigram", "--seed", "7")]
    )
    def test_a_run_on_its_own_test_split(self, run, options):
        run("train", "--data", "names.txt", *options, "--out", "r")
        seed = 7 if "7" in options else 0
        model = runs.load(Path("r")).model
        split = split_names(clean_names(NAMES, model.vocabulary).kept, seed=seed)
        out = run("evaluate", "r")
        origin = f"(seed {seed}; {Path('names.txt').resolve()})"
        assert out.startswith(f"The test split of the run {origin}:\n  1 name, 0 of them in the training data\n")
        assert f"loss {model.evaluate(split.test).loss:.4f} nats" in out
        assert f"{model.evaluate(split.test).loss:.4f}" != f"{model.evaluate(split.validation).loss:.4f}"

    def test_of_the_bundled_names(self, run):
        run("train", "--model", "bigram", "--out", "r")
        out = run("evaluate", "r")
        assert "(seed 0; the bundled Indian names):\n  187 names, 0 of them in the training data\n" in out

    def test_names_that_have_changed_since_are_refused_with_a_way_out(self, run):
        run("train", "--data", "names.txt", "--model", "bigram", "--out", "r")
        Path("names.txt").write_text("\n".join([*NAMES, "more"]))
        message = run("evaluate", "r", code=1)
        assert "have changed since r was started; give a file of names: tinygrad-lm evaluate r FILE" in message
        assert "13 names" in run("evaluate", "r", "names.txt")
