"""Trainings that are stopped and killed at random moments and go on: nothing is lost, and the end is the same bytes."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import soak
from tests.helpers import ROOT
from tinygrad_lm import cli, runs
from tinygrad_lm.models import files

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="signals to a process are POSIX"),
]

NAMES = ["abid", "zeel", "nipun", "meera", "zara", "anya", "ravi", "kiran", "sunita", "vikash"]
TRAIN = ("train", "--data", "names.txt", "--steps", "900", "--hidden", "40", "--batch-size", "16", "--out", "r")
# Saved at each evaluation, so that there is much to be cut short; the steps take long enough to be hit.
SCRIPT = """
import sys, time
from tinygrad_lm import __main__, training
from tinygrad_lm.cli.train import fitting
fitting.SECONDS_BETWEEN_CHECKPOINTS = 0.0
whole = training.Trainer._train_step
training.Trainer._train_step = lambda trainer: (time.sleep(0.001), whole(trainer))[1]
sys.exit(__main__.main())
"""


def start(*arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-W", "error", "-c", SCRIPT, *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
    return subprocess.Popen(command, env=environment, **pipes)


def metrics(folder):
    return [line.rpartition(",")[0] for line in Path(folder, runs.METRICS).read_text(encoding="utf-8").splitlines()]


def interrupted(rng, arguments):
    """Start, send a signal after a while; what the process said, and how it ended."""
    number = rng.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    line = ""  # one that refuses says nothing there
    with start(*arguments) as process:
        for line in process.stdout:
            if line.startswith(("Training", "tinygrad-lm:")):
                break
        time.sleep(rng.uniform(0, 0.8))
        process.send_signal(number)
        out, err = process.communicate(timeout=100)
    return number, process.returncode, line + out, err


def test_kills_at_random_moments(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("names.txt").write_text("\n".join(NAMES))
    with start(*TRAIN[:-1], "whole") as process:
        assert process.communicate(timeout=300)[1] == ""
    rng = random.Random(soak.seed())
    done = finished = reached = 0
    arguments = TRAIN
    while done < soak.trials(200):
        number, code, out, err = interrupted(rng, arguments)
        done += 1
        assert "Traceback" not in err, err
        # SIGTERM ends at once what is no training: the moments before it, and the pictures after it.
        assert code in (0, 1, 130) or (code == -number != -signal.SIGINT), (code, err)
        assert code != 1 or "has ended" in err, err
        if stopped := re.search(r"Stopped after step ([\d,]+)", out):
            assert code == 130
            reached = int(stopped[1].replace(",", ""))
        ended = Path("r", runs.CONFIG).exists() and "Saved in" in out
        if Path("r", runs.WEIGHTS).exists():
            assert cli.main(["sample", "r", "-n", "1"]) == 0
        if Path("r", runs.CHECKPOINT).exists():
            arguments = ("train", "--resume", "r")
        assert "Traceback" not in capsys.readouterr().err
        if ended or code in (0, 1):
            finished += 1
            check_and_clear()
            arguments, reached = TRAIN, 0
            continue
        reached = going_on(arguments, reached)
        if not Path("r", runs.CHECKPOINT).exists():
            clear()
            arguments, reached = TRAIN, 0
    while Path("r").exists():
        with start(*arguments) as process:
            _, err = process.communicate(timeout=300)
        assert process.returncode in (0, 1), err
        if process.returncode == 1:
            assert "has ended" in err
        finished += 1
        check_and_clear()
    assert finished > 0


def going_on(arguments, reached):
    """The step that the run would go on from: never before one that was saved."""
    checkpoint = Path("r", runs.CHECKPOINT)
    if not checkpoint.exists():
        assert reached == 0
        return 0
    step = files.read_arrays(checkpoint)[1]["state"]["step"]
    assert step >= reached
    return step


def check_and_clear():
    """Whoever was stopped, however often, has the bytes of one that was not."""
    assert Path("r", runs.WEIGHTS).read_bytes() == Path("whole", runs.WEIGHTS).read_bytes()
    assert metrics("r") == metrics("whole")
    clear()


def clear():
    for path in sorted(Path("r").rglob("*"), reverse=True):
        path.unlink()
    Path("r").rmdir()
