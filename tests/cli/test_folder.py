"""Tests of the run folder that a command is given."""

from pathlib import Path

import pytest

from tinygrad_lm import runs

pytestmark = pytest.mark.usefixtures("elsewhere")

COMMANDS = (("sample",), ("evaluate",), ("compare",), ("train", "--resume"))


def test_a_missing_run_names_those_that_there_are(run):
    for command in COMMANDS:
        assert "train one with: tinygrad-lm train --out none" in run(*command, "none", code=1)
    for number in (1, 2, 10):
        run("train", "--data", "names.txt", "--model", "bigram", "--out", f"runs/bigram-{number}")
    run("train", "--data", "names.txt", "--model", "bigram", "--out", "runs/my own")
    Path("runs/empty").mkdir()
    there = [Path("runs/bigram-1"), Path("runs/bigram-2"), Path("runs/bigram-10")]
    for command in COMMANDS:
        message = run(*command, "bigram-1", code=1)
        assert f"there are {', '.join(map(str, there))}" in message and runs.typed("runs/my own") in message
        assert "empty" not in message
    for number in range(20, 40):
        Path(f"runs/bigram-{number}").symlink_to("bigram-1")
    for command in COMMANDS:
        assert "and 14 more" in run(*command, "bigram-1", code=1)
