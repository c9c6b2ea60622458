"""Tests of the picture that a training leaves: whatever fails there is one line of a whole run."""

from pathlib import Path

import pytest

import visualize
from tests.helpers.command_line import SMALL, written
from tinygrad_lm import cli

pytestmark = pytest.mark.usefixtures("elsewhere")


class TestPictures:
    TRAIN = ("train", "--data", "names.txt", "--steps", "8", *SMALL)

    ERRORS = (KeyError("v10"), MemoryError(), RecursionError("deep"), OSError(28, "full"), ValueError("a\nb\nc" * 999))

    def test_whatever_fails_is_one_line_of_a_whole_run(self, run, monkeypatch):
        whole = run(*self.TRAIN, "--out", "whole")
        for error in self.ERRORS:
            self.fails_with(error, run, monkeypatch)
        assert "graph.svg" in whole

    def fails_with(self, error, run, monkeypatch):
        def fail(*arguments, **options):
            raise error

        monkeypatch.setattr(visualize, "draw", fail)
        folder = type(error).__name__
        out = run(*self.TRAIN, "--out", folder)
        lines = out.splitlines()
        (at,) = [number for number, line in enumerate(lines) if line.startswith("No picture of the graph: ")]
        assert folder in lines[at] and len(lines[at]) < 400 and lines[at + 1] == ""
        assert at > lines.index("Twenty names from the model") > lines.index("Training")
        assert written(folder) == written("whole") and not Path(folder, "graph.svg").exists()
        assert "graph.svg" not in out and f"Saved in {folder}. " in out

    def test_all_else_is_saved_and_said_before_it(self, run, monkeypatch, capsys):
        def interrupted(*arguments, **options):
            raise KeyboardInterrupt

        monkeypatch.setattr(visualize, "draw", interrupted)
        assert cli.main([*self.TRAIN, "--out", "r"]) == cli.INTERRUPTED
        out, err = capsys.readouterr()
        assert "Twenty names from the model" in out and err == "tinygrad-lm: interrupted\n"
        assert run("sample", "r", "-n", "2").count("\n") == 2
        monkeypatch.undo()

    @pytest.mark.slow
    def test_a_model_too_large_to_nudge(self, run):
        out = run("train", "--data", "names.txt", "--hidden", "1200,1200", "--steps", "1", "--out", "r")
        assert "No picture" not in out
        assert "tglm-stepper" in Path("r", "graph.html").read_text(encoding="utf-8")
