"""Tests of the command line as a process: Ctrl-C and SIGTERM, kill at any moment, and a reader that goes away."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tinygrad_lm import cli, runs

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="signals to a process are POSIX"),
    pytest.mark.usefixtures("elsewhere_in_a_process"),
]

TRAIN = ("train", "--data", "names.txt", "--steps", "60", "--hidden", "6", "--batch-size", "8")
COMMAND = "import sys; from tinygrad_lm import cli; sys.exit(cli.main(sys.argv[1:]))"
# Within the 30th step the process waits for the signal, so that no test depends on the speed of a machine.
WAITING = """
import sys, time
from tinygrad_lm import cli, training
whole = training.Trainer._train_step
def step(trainer):
    loss = whole(trainer)
    if trainer.step == 29:
        print("Waiting", flush=True)
        while not trainer.stop:
            time.sleep(0.01)
        print("Heard", flush=True)
        while not PATIENT:
            time.sleep(0.01)
    return loss
training.Trainer._train_step = step
sys.exit(cli.main(sys.argv[1:]))
"""


def start(*arguments, script=COMMAND):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def until(process, words):
    """Read the output up to the line that begins with the words."""
    read = []
    for line in process.stdout:
        read.append(line)
        if line.startswith(words):
            return "".join(read)
    raise AssertionError(f"{words!r} never came: {''.join(read)} {process.stderr.read()}")


def metrics(folder):
    return [line.rpartition(",")[0] for line in Path(folder, runs.METRICS).read_text().splitlines()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_a_signal_it_goes_on_to_the_same_bytes(capsys, number):
    assert cli.main([*TRAIN, "--out", "whole"]) == 0
    with start(*TRAIN, "--out", "r", script=WAITING.replace("PATIENT", "True")) as process:
        until(process, "Waiting")
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (cli.INTERRUPTED, "") and cli.INTERRUPTED == 130
    assert "Stopped after step 30 of 60" in out and out.endswith("Go on with:  tinygrad-lm train --resume r\n")
    assert Path("r", runs.CHECKPOINT).exists() and not list(Path("r").glob(".*"))
    assert cli.main(["sample", "r", "-n", "1"]) == 0
    assert cli.main(["train", "--resume", "r"]) == 0
    for file in (runs.WEIGHTS, runs.CONFIG, runs.TRAINING_NAMES):
        assert Path("r", file).read_bytes() == Path("whole", file).read_bytes(), file
    assert metrics("r") == metrics("whole")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_a_second_interruption_does_not_wait_for_the_step(second):
    with start(*TRAIN, "--out", "r", script=WAITING.replace("PATIENT", "False")) as process:
        until(process, "Waiting")
        process.send_signal(signal.SIGINT)
        until(process, "Heard")
        process.send_signal(second)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "tinygrad-lm: interrupted\n")


def test_killed_after_a_first_report_it_leaves_a_run_that_goes_on(capsys):
    with start(*TRAIN, "--out", "r", script=WAITING.replace("PATIENT", "False")) as process:
        until(process, "Waiting")
        process.kill()
        process.communicate(timeout=60)
    assert cli.main(["sample", "r", "-n", "2"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert cli.main(["train", "--resume", "r"]) == 0


def test_killed_before_anything_was_saved_it_says_so(capsys):
    assert cli.main([*TRAIN, "--out", "r"]) == 0
    Path("r", runs.WEIGHTS).unlink()
    Path("r", runs.CHECKPOINT).unlink()
    capsys.readouterr()
    for command in (["sample", "r"], ["train", "--resume", "r"]):
        assert cli.main(command) == 1
        assert "r has no model.safetensors: it was stopped before anything was saved" in capsys.readouterr().err


def test_a_reader_that_goes_away():
    assert cli.main([*TRAIN[:3], "--model", "bigram", "--out", "r"]) == 0
    with start("sample", "r", "-n", "100000") as process:  # more than a pipe holds
        assert process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
    assert (process.returncode, err) == (1, "")


@pytest.mark.parametrize("closed", ["stdin", "stdout", "stderr"])
def test_without_a_stream(closed):
    script = f"import sys, os; sys.{closed} = None; from tinygrad_lm import cli; code = cli.main(sys.argv[1:])\n"
    script += "assert code == 0; sys.exit(cli.main(['sample', 'none']) + 5)"
    command = [sys.executable, "-c", script, *TRAIN[:3], "--steps", "5", "--out", "r"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert done.returncode == 6, done.stderr
