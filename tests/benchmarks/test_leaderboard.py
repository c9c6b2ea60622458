"""Tests of the runs that the leaderboard keeps: used again for the same command and names, once they are finished."""

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import kept, leaderboard
from tests.helpers.command_line import NAMES, stopping_after, written
from tinygrad_lm import cli, runs

TINY = "--model mlp --hidden 4 --batch-size 8 --steps 16"
WORDS = ["train", "--data", "names.txt", *TINY.split(), "--seed", "3"]
ASKED = {"command": f"train {TINY} --seed 3", "names": runs.fingerprint(NAMES)}
RECIPES = {"MLP": TINY, "Kneser-Ney": "--model kneser-ney --order 2", "bigram counts": "--model bigram"}


@pytest.fixture
def made(tmp_path, monkeypatch):
    """The commands that are run, in this process, in a folder that has names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINYGRAD_LM_DOT", "builtin")
    Path("names.txt").write_text("\n".join(NAMES) + "\n", encoding="utf-8")
    lines = []

    def in_this_process(line, **_):
        lines.append(line[3:])
        assert line[:3] == [sys.executable, "-m", "tinygrad_lm"]
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.main(line[3:])
        return subprocess.CompletedProcess(line, code, out.getvalue(), err.getvalue())

    monkeypatch.setattr(subprocess, "run", in_this_process)
    return lines


def record(folder):
    return json.loads(Path(f"{folder}.json").read_text(encoding="utf-8"))


class TestOneRun:
    def test_is_made_once(self, made):
        folder = kept.make(Path("kept", "mlp-3"), WORDS, ASKED)
        assert kept.make(folder, WORDS, ASKED) == folder
        assert made == [[*WORDS, "--out", str(folder)]]
        assert record(folder) == {**ASKED, "weights": kept.hash_of_weights(folder)}
        assert runs.load(folder).config["training"]["steps"] == 16

    @pytest.mark.parametrize("what", ASKED)
    def test_of_another_command_or_other_names_is_refused(self, made, what):
        folder = kept.make(Path("mlp-3"), WORDS, ASKED)
        before = written(folder)
        with pytest.raises(SystemExit) as error:
            kept.make(folder, WORDS, {**ASKED, what: "another"})
        assert f"its {what} was {ASKED[what]!r} and is now 'another'; delete the folder mlp-3" in str(error.value)
        assert len(made) == 1 and written(folder) == before and record(folder)[what] == ASKED[what]

    def test_of_which_nothing_is_known_is_refused(self, made):
        assert cli.main([*WORDS, "--out", "mlp-3"]) == 0
        for content in (None, "", "[1]", '"weights"', "{"):
            if content is not None:
                Path("mlp-3.json").write_text(content, encoding="utf-8")
            with pytest.raises(SystemExit, match="nothing says which command made mlp-3; delete the folder mlp-3"):
                kept.make(Path("mlp-3"), WORDS, ASKED)
        assert made == []

    def test_whose_weights_were_changed_since_is_refused(self, made):
        folder = kept.make(Path("mlp-3"), WORDS, ASKED)
        with stopping_after(20):
            assert cli.main(["train", "--resume", "mlp-3", "--steps", "40"]) == cli.INTERRUPTED
        if kept.hash_of_weights(folder) == record(folder)["weights"]:
            pytest.fail("the resumed run has the same weights, so the test shows nothing")
        with pytest.raises(SystemExit, match="mlp-3 was changed since it was made"):
            kept.make(folder, WORDS, ASKED)
        (folder / runs.WEIGHTS).unlink()
        with pytest.raises(SystemExit, match="mlp-3 was changed since it was made"):
            kept.make(folder, WORDS, ASKED)

    def test_that_was_interrupted_goes_on_to_the_same_bytes(self, made):
        whole = kept.make(Path("whole"), WORDS, ASKED)
        with stopping_after(7), pytest.raises(SystemExit, match="Stopped after step 7 of 16"):
            kept.make(Path("mlp-3"), WORDS, ASKED)
        assert "weights" not in record("mlp-3")
        with pytest.raises(SystemExit, match="is another run"):
            kept.make(Path("mlp-3"), WORDS, {**ASKED, "command": "train"})
        folder = kept.make(Path("mlp-3"), WORDS, ASKED)
        assert made[-1] == ["train", "--resume", "mlp-3"]
        assert written(folder) == written(whole)
        assert record(folder) == record(whole)

    def test_that_was_killed_before_it_saved_anything_is_made_again(self, made):
        whole = kept.make(Path("whole"), WORDS, ASKED)
        Path("mlp-3").mkdir()
        Path("mlp-3", runs.LOG).write_text("Saved in ", encoding="utf-8")
        Path("mlp-3.json").write_text(json.dumps(ASKED), encoding="utf-8")
        folder = kept.make(Path("mlp-3"), WORDS, ASKED)
        assert made[-1] == [*WORDS, "--out", "mlp-3"]
        assert written(folder) == written(whole)

    def test_that_another_process_makes_is_left_alone(self, made, monkeypatch):
        with stopping_after(7), pytest.raises(SystemExit):
            kept.make(Path("mlp-3"), WORDS, ASKED)
        before = written("mlp-3")
        monkeypatch.setattr(kept.locking, "holder", lambda folder: "another process (pid 7)")
        with pytest.raises(SystemExit, match=r"mlp-3 is made by another process \(pid 7\) now"):
            kept.make(Path("mlp-3"), WORDS, ASKED)
        assert written("mlp-3") == before

    def test_of_a_command_that_fails_is_not_finished(self, made):
        wrong = ["train", "--data", "nothing.txt"]
        for _ in range(2):
            with pytest.raises(SystemExit, match=r"nothing\.txt"):
                kept.make(Path("mlp-3"), wrong, ASKED)
        assert len(made) == 2 and "weights" not in record("mlp-3")


class TestRows:
    @staticmethod
    def rows(recipes, names=NAMES):
        return leaderboard.entries(Path("home"), recipes, ["--data", "names.txt"], names, 0)

    def test_are_made_once_and_then_read(self, made):
        found = self.rows(RECIPES)
        assert list(found) == [*RECIPES, "MLP and Kneser-Ney"]
        assert [line[0] for line in made] == ["train", "train", "train", "mix"]
        assert self.rows(RECIPES) == found and len(made) == 4

    def test_of_a_changed_recipe_are_refused(self, made):
        self.rows(RECIPES)
        with pytest.raises(SystemExit, match="--hidden 5"):
            self.rows({**RECIPES, "MLP": TINY.replace("--hidden 4", "--hidden 5")})
        with pytest.raises(SystemExit, match="its names was"):
            self.rows(RECIPES, NAMES[:-1])

    def test_a_mixture_is_made_again_when_its_parts_are_others(self, made):
        before = self.rows(RECIPES)
        folder = leaderboard.folder_of(Path("home"), "MLP", 0)
        Path(f"{folder}.json").unlink()
        for path in folder.iterdir():
            path.unlink()
        after = self.rows({**RECIPES, "MLP": TINY.replace("--hidden 4", "--hidden 5")})
        assert [line[0] for line in made[4:]] == ["train", "mix"]
        assert after["bigram counts"] == before["bigram counts"]
        assert after["MLP and Kneser-Ney"].numbers > before["MLP and Kneser-Ney"].numbers
