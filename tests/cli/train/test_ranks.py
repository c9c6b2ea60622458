"""Tests of ``tinygrad-lm`` under ``mpiexec``: the same bytes on any number of ranks, one voice, and nobody who waits.

Where mpi4py or mpiexec is missing, what needs them is skipped. What takes seconds and is less likely to break is slow.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.command_line import config, written
from tests.helpers.ranks import MPIEXEC, needs_mpi
from tinygrad_lm import cli, runs
from tinygrad_lm.cli import ranks

pytestmark = pytest.mark.usefixtures("elsewhere_in_a_process")

COMMAND = "import sys; from tinygrad_lm import cli; sys.exit(cli.main(sys.argv[1:]))"
# At step 30 a rank does something, or waits until it was told to stop.
AT_30 = """
import os, signal, sys, time
from tinygrad_lm import cli, training
whole = training.Trainer._train_step
def step(trainer):
    loss = whole(trainer)
    if trainer.step == 29:
        rank = trainer.communicator.rank
        DO
    return loss
training.Trainer._train_step = step
sys.exit(cli.main(sys.argv[1:]))
"""
IMPATIENT = "from tinygrad_lm import cli, training; from tinygrad_lm.cli import ranks; ranks.PATIENCE = 0.2"
TRAIN = ("train", "--data", "names.txt", "--steps", "60", "--hidden", "6", "--batch-size", "8")
DROPPING = (*TRAIN, "--model", "lstm", "--dropout", "0.3", "--blank", "0.2")
KEPT = (runs.WEIGHTS, runs.TRAINING_NAMES, runs.CONFIG)


def command(size, *arguments, script=COMMAND):
    return [MPIEXEC, "-n", str(size), sys.executable, "-W", "error", "-c", script, *arguments]


def on(size, *arguments, script=COMMAND, code=0, given=""):
    """Run a command on so many ranks, which must end with that code; what was printed, and what was said of errors."""
    done = subprocess.run(
        command(size, *arguments, script=script),
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
        input=given,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout, done.stderr


def same(one, other):
    return all(written(one, name) == written(other, name) for name in KEPT) and losses(one) == losses(other)


def losses(folder):
    return [line.rpartition(",")[0] for line in Path(folder, runs.METRICS).read_text().splitlines()]


@needs_mpi
class TestSharing:
    @pytest.mark.parametrize("size", [2, *(pytest.param(size, marks=pytest.mark.slow) for size in (1, 4))])
    def test_any_number_of_ranks_ends_with_the_bytes_of_one_process(self, size):
        assert cli.main([*DROPPING, "--pieces", "4", "--out", "alone"]) == 0
        out, err = on(size, *DROPPING, "--out", "r")
        assert err == ""
        assert out.count("Trained 60 steps") == out.count("Twenty names from the model") == 1
        assert f"each batch in 4 pieces, on {size} process{'es' * (size > 1)}\n" in out
        assert same("r", "alone")
        assert config("r")["training"]["pieces"] == 4

    @pytest.mark.slow
    def test_names_from_a_pipe_reach_all_ranks(self):
        names = Path("names.txt").read_text(encoding="utf-8")
        on(2, *TRAIN[:1], "--data", "/dev/stdin", *TRAIN[3:], "--out", "piped", given=names)
        assert cli.main([*TRAIN, "--pieces", "4", "--out", "alone"]) == 0
        assert written("piped") == written("alone")

    @pytest.mark.slow
    def test_counting_is_done_by_one(self):
        out, err = on(2, *TRAIN[:3], "--model", "bigram", "--out", "counts")
        assert (out.count("Saved in counts"), err) == (1, "")

    @pytest.mark.parametrize(("words", "what"), [(["--version"], "tinygrad-lm 0"), (["evaluate", "r"], "this run")])
    @pytest.mark.slow
    def test_other_commands_are_done_by_rank_0_alone(self, words, what, capsys):
        assert cli.main([*TRAIN[:3], "--model", "bigram", "--out", "r"]) == 0
        assert cli.main(words) == 0
        alone = capsys.readouterr().out
        out, err = on(3, *words)
        assert out and alone.endswith(out) and err == ""


@needs_mpi
class TestEnding:
    @pytest.mark.slow
    def test_ctrl_c_stops_all_and_the_run_goes_on_on_another_number_of_ranks(self):
        waiting = AT_30.replace(
            "DO",
            "print('Waiting', flush=True) if rank == 0 else None\n        while not trainer.stop: time.sleep(0.01)",
        )
        with subprocess.Popen(
            command(2, *DROPPING, "--out", "r", script=waiting),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        ) as process:
            while process.stdout.readline() not in ("Waiting\n", ""):
                pass
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        assert process.returncode == cli.INTERRUPTED, err
        assert "Stopped after step 30 of 60; all is saved in r." in out
        assert "Go on with:  mpiexec -n 2 tinygrad-lm train --resume r\n" in out
        assert "Traceback" not in err
        out, err = on(3, "train", "--resume", "r")
        assert "Going on with r after step 30 of 60" in out and err == ""
        assert cli.main([*DROPPING, "--pieces", "4", "--out", "alone"]) == 0
        assert same("r", "alone")

    @pytest.mark.parametrize("rank", [pytest.param(0, marks=pytest.mark.slow), 1])
    def test_an_exception_on_one_rank_ends_all_with_a_sentence(self, rank):
        failing = f"if rank == {rank}: raise OSError(28, 'No space left on device', 'a file')"
        script = AT_30.replace("from tinygrad_lm import cli, training", IMPATIENT).replace("DO", failing)
        _, err = on(2, *TRAIN, "--out", "r", script=script, code=1)
        who = "rank 1 of 2: " * rank
        assert err.startswith(f"{who}tinygrad-lm: a file: No space left on device\n")
        assert err.count("No space left") == 1 and "Traceback" not in err

    def test_one_that_is_killed_ends_all_and_the_run_goes_on(self):
        killed = "if rank == 1: os.kill(os.getpid(), signal.SIGKILL)"
        out, err = on(2, *DROPPING, "--out", "r", script=AT_30.replace("DO", killed), code=9)
        assert "Killed (signal 9)" in out + err
        on(4, "train", "--resume", "r")
        assert cli.main([*DROPPING, "--pieces", "4", "--out", "alone"]) == 0
        assert same("r", "alone")

    @pytest.mark.slow
    def test_a_mistake_of_the_program_is_shown_once(self):
        script = AT_30.replace("DO", "if rank == 1: 1 / 0")
        _, err = on(2, *TRAIN, "--out", "r", script=script, code=1)
        assert err.count("Traceback") == err.count("ZeroDivisionError") == 1
        assert all(line.startswith(("rank 1 of 2: ", "Abort(1)")) for line in err.splitlines())


@needs_mpi
class TestRefusals:
    @pytest.mark.parametrize(
        ("words", "code", "what"),
        [
            (["--stpes", "3"], 2, "unrecognized arguments: --stpes 3; did you mean '--steps'?"),
            (["--pieces", "1"], 2, "2 processes share the 1 pieces of a batch"),
            pytest.param(["--data", "nofile"], 1, "there is no file 'nofile'", marks=pytest.mark.slow),
            pytest.param(["--pieces", "none"], 2, "--pieces none leaves batches whole", marks=pytest.mark.slow),
            (["--resume", "none"], 1, "there is no run folder 'none'"),
        ],
    )
    def test_what_all_would_say_is_said_once(self, words, code, what):
        _, err = on(2, "train", *words, code=code)
        assert err.count(what) == err.count("tinygrad-lm: ") + err.count("tinygrad-lm train: ") == 1, err
        assert "rank" not in err and "Abort" not in err

    def test_what_rank_0_alone_meets_ends_the_others_in_silence(self):
        Path("full").mkdir()
        Path("full/x").touch()
        _, err = on(3, *TRAIN, "--out", "full", code=1)
        assert err == "tinygrad-lm: full exists and is not empty; give another --out\n"

    @pytest.mark.slow
    def test_a_run_that_was_begun_with_whole_batches(self):
        assert cli.main([*TRAIN, "--out", "whole"]) == 0
        _, err = on(2, "train", "--resume", "whole", "--steps", "70", code=2)
        what = "whole was begun with whole batches, which processes cannot share: go on with it without mpiexec"
        assert err.endswith(f"tinygrad-lm train: {what}, or train anew\n")
        on(1, "train", "--resume", "whole", "--steps", "70")
        assert config("whole")["training"]["pieces"] is None

    @pytest.mark.slow
    def test_a_loss_that_is_no_number(self):
        failing = AT_30.replace(
            "    loss = whole(trainer)", "    trainer.step == 20 and spoil(trainer)\n    loss = whole(trainer)"
        )
        spoil = "def spoil(trainer):\n    for p in trainer.model.parameters(): p.data = p.data * float('nan')\n"
        script = failing.replace("DO", "pass").replace("def step", spoil + "def step")
        _, err = on(2, *TRAIN, "--out", "r", script=script, code=1)
        assert err.startswith("tinygrad-lm: the loss became nan at step 21") and err.count("\n") == 1

    def test_a_launcher_of_another_mpi(self):
        there = {**os.environ, "OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2"}
        done = subprocess.run(
            [sys.executable, "-c", COMMAND, *TRAIN], capture_output=True, encoding="utf-8", env=there, check=False
        )
        assert done.returncode == 1
        assert done.stderr.startswith("tinygrad-lm: the launcher started 2 processes, of which mpi4py sees 1")


class TestWithoutMPI:
    def run(self, rank, size, *arguments):
        """Run the command as if a launcher had started it where there is no mpi4py."""
        script = f"import sys; sys.modules['mpi4py'] = None; {COMMAND}"
        there = {**os.environ, "PMI_RANK": str(rank), "PMI_SIZE": str(size)}
        return subprocess.run(
            [sys.executable, "-c", script, *arguments], capture_output=True, encoding="utf-8", env=there, check=False
        )

    @pytest.mark.parametrize("rank", [0, 1])
    def test_the_first_of_several_says_what_to_install(self, rank):
        done = self.run(rank, 2, *TRAIN, "--out", "r")
        said = "tinygrad-lm: to train with several processes install MPI: pip install mpi4py mpich ("
        assert (done.returncode, done.stdout, done.stderr.startswith(said)) == (1, "", rank == 0)
        assert len(done.stderr.splitlines()) == (rank == 0) and not Path("r").exists()

    def test_one_alone_needs_none_and_cuts_alike(self):
        assert self.run(0, 1, *TRAIN, "--out", "one").returncode == 0
        assert cli.main([*TRAIN, "--pieces", "4", "--out", "alone"]) == 0
        assert same("one", "alone")

    def test_other_commands_need_none(self):
        assert self.run(0, 2, "--version").stdout.startswith("tinygrad-lm 0")
        assert self.run(1, 2, "--version").stdout == ""

    def test_a_plain_training_imports_none(self):
        script = COMMAND.replace("sys.exit(", "print(").replace("1:]))", "1:]), 'mpi4py' in sys.modules)")
        done = subprocess.run(
            [sys.executable, "-c", script, *TRAIN, "--out", "r"], capture_output=True, encoding="utf-8", check=True
        )
        assert done.stdout.endswith("\n0 False\n")


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({}, None),
        ({"PMI_RANK": "1", "PMI_SIZE": "3"}, (1, 3)),
        ({"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "1"}, (0, 1)),
        ({"PMI_RANK": "1"}, None),
        ({"PMI_RANK": "one", "PMI_SIZE": "3"}, None),
    ],
)
def test_what_a_launcher_tells(told, found, monkeypatch):
    for names in ranks.VARIABLES:
        for name in names:
            monkeypatch.delenv(name, raising=False)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert ranks.place() == found
