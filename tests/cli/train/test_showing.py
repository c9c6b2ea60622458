"""Tests of what ``train`` shows: names that were dropped, long lines, files, the losses in a narrow terminal."""

import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import ROOT
from tests.helpers.command_line import NAMES, SMALL, config, stopping_after, written
from tinygrad_lm import cli
from tinygrad_lm.cli.train import showing
from tinygrad_lm.text import Vocabulary

pytestmark = pytest.mark.usefixtures("elsewhere")


class TestWhatIsShown:
    def test_names_dropped_for_their_characters(self, run):
        Path("mixed.txt").write_text("\n".join([*NAMES, "zoë", "josé", "zoë", "x" * 200 + "é", "", "abid"]))
        out = run("train", "--data", "mixed.txt", "--model", "bigram", "--out", "r")
        assert "    4 names with characters outside the vocabulary: 'zoë', 'josé', 'zoë', ..." in out
        assert "      to keep them: --alphabet data\n" in out and "1 duplicate: 'abid'" in out
        out = run("train", "--data", "mixed.txt", "--model", "bigram", "--alphabet", "data", "--out", "all")
        assert "outside the vocabulary" not in out and "15 names kept" in out
        found = run("evaluate", "r", "mixed.txt")
        assert "4 more dropped, characters outside the vocabulary: 'zoë', 'josé', 'zoë', ..." in found

    def test_the_remedy_works_where_the_boundary_is_among_them(self, run):
        Path("mixed.txt").write_text("\n".join([*NAMES, "anne-marie"]))
        out = run("train", "--data", "mixed.txt", "--model", "bigram", "--out", "r")
        assert "    1 name with characters outside the vocabulary: 'anne-marie'" in out
        remedy = re.search(r"to keep them: (.*)", out)[1].split()
        assert "13 names kept" in run("train", "--data", "mixed.txt", "--model", "bigram", "--out", "all", *remedy)
        message = run("train", "--data", "mixed.txt", "--alphabet", "data", code=1)
        assert "choose a boundary that no name holds, such as --boundary .\n" in message

    def test_long_lines_are_cut(self, run):
        lines = ["a" * 9_000, "b" * 20_000, "c" * 8_000 + "1", "dd", "ddd", "dddd"]
        Path("long.txt").write_text("\n".join(lines))
        out = run("train", "--data", "long.txt", "--steps", "2", *SMALL, "--out", "r")
        assert max(map(len, out.splitlines())) < 200 and len(out.splitlines()) < 100
        assert "1 longer than 10,000 code points: 'bbbbb" in out

    def test_a_line_too_long_for_a_name_gives_no_letters(self, run):
        Path("long.txt").write_text("\n".join([*NAMES, "é\x07" * 6_000]), encoding="utf-8")
        out = run("train", "--data", "long.txt", "--alphabet", "data", "--model", "bigram", "--out", "r")
        assert "12 names kept" in out and "é" not in out.partition("Vocabulary")[2]

    def test_the_windows_of_a_long_name_are_not_all_printed(self, run):
        Path("long.txt").write_text("\n".join("abcdefghijklmnopqrstuvwxyz"[n:] * 10 for n in range(9)))
        out = run("train", "--data", "long.txt", "--steps", "2", *SMALL, "--out", "r")
        assert out.count(" -> ") == 20 + 1 and re.search(r"  \.\.\. and \d+ more\n", out)

    @pytest.mark.parametrize("lines", [3, 30, 199])
    def test_so_few_names_that_their_losses_mean_little(self, run, lines):
        letters = "abcdefghijklmnopqrst"
        names = [one + other for one in letters for other in letters]
        Path("few.txt").write_text("\n".join(names[:lines]), encoding="utf-8")
        fewest = {3: "1 name", 30: "3 names"}
        out = run("train", "--data", "few.txt", "--model", "bigram", "--out", "r")
        warning = f"  losses of {fewest.get(lines)} mean little: they hang on which these are\n"
        assert (warning in out, "mean little" in out) == (lines < 199, lines < 199)

    def test_every_file_of_a_run_is_told(self, run):
        out = run("train", "--data", "names.txt", "--steps", "8", *SMALL)
        told = re.findall(r"^  (\S+) {2,}\S", out.partition("Files of the run\n")[2], re.M)
        assert set(told) == {path.name for path in Path("runs/mlp-1").iterdir()}
        assert all(len(line) <= 60 for line in out.partition("Files of the run")[2].splitlines()[:10])


class TestTheNameOfTheModel:
    """A preset is shown by its name, and so it is once its run goes on."""

    @pytest.mark.parametrize("preset", ["lab4-mlp", "makemore-wavenet"])
    def test_a_preset(self, run, preset):
        common = ("train", "--model", preset, "--data", "names.txt", "--steps", "8", "--batch-size", "8")
        assert f"  this run: {preset} " in run(*common, "--out", "r")
        with stopping_after(3):
            run(*common, "--out", "s", code=cli.INTERRUPTED)
        assert f"  this run: {preset} " in run("train", "--resume", "s")
        assert config("r")["preset"] == preset and written("r", "config.json") == written("s", "config.json")

    def test_a_family(self, run):
        out = run("train", "--data", "names.txt", "--steps", "8", *SMALL, "--out", "r")
        assert "  this run: mlp " in out and "preset" not in config("r")

    @pytest.mark.parametrize("preset", [None, 5, "bigram", []])
    def test_a_configuration_that_says_no_preset_of_its_family(self, run, preset):
        run("train", "--data", "names.txt", "--steps", "8", *SMALL, "--out", "r")
        told = json.dumps({**config("r"), "preset": preset})
        Path("r", "config.json").write_text(told, encoding="utf-8")
        assert "  this run: mlp " in run("train", "--resume", "r", "--steps", "12")


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of a size are POSIX")
def test_sixty_columns_keep_the_validation_loss_in_view():
    """A terminal of that width, as tqdm asks for it; what would be on its lines."""
    import pty
    import termios

    main, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 60))
    command = [sys.executable, "-m", "tinygrad_lm", "train", "--data", "names.txt", "--steps", "400", *SMALL]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(command, env=environment, stdout=terminal, stderr=terminal, stdin=terminal) as process:
        os.close(terminal)
        seen = b""
        with contextlib.suppress(OSError):  # Linux answers the end of a terminal with an error
            while part := os.read(main, 1 << 16):
                seen += part
    os.close(main)
    assert process.returncode == 0
    lines = [line for line in re.split(r"[\r\n]+", seen.decode()) if line.strip()]
    bars = [line for line in lines if "%" in line and "|" in line and "validation" in line]
    reports = [line for line in lines if line.startswith("  step ")]
    assert bars and reports
    for line in (*bars, *reports):
        assert len(line) <= 60 and re.search(r"validation \d\.\d{3}", line), line


def test_of_very_many_letters_shorter_contexts_are_counted(monkeypatch):
    names, vocabulary = ["abid", "zeel"], Vocabulary()
    assert showing.strongest_counts(names, vocabulary).order == 6
    monkeypatch.setattr(showing, "MANY", 7)
    assert showing.strongest_counts(names, vocabulary).order == 4
