"""Tests of runs that stop and go on: with the same bytes at the end, and with more steps."""

import signal
from pathlib import Path

import pytest

from tests.helpers.command_line import SMALL, metrics, stopping_after, written
from tinygrad_lm import cli, locking, optim, runs
from tinygrad_lm.cli.train import fitting
from tinygrad_lm.models import files
from tinygrad_lm.training import Trainer

pytestmark = pytest.mark.usefixtures("elsewhere")


class TestStoppingAndGoingOn:
    LONG = ("--data", "names.txt", "--hidden", "5", "--batch-size", "8", "--steps", "40")
    ONCE = (*LONG, "--out", "whole")

    @pytest.fixture(autouse=True)
    def beside_the_whole_run(self, elsewhere, trained_once, monkeypatch):
        monkeypatch.chdir(trained_once)

    @pytest.mark.parametrize(
        ("step", "number"), [(1, signal.SIGTERM), (12, signal.SIGINT), (15, signal.SIGTERM), (40, signal.SIGINT)]
    )
    def test_with_the_same_bytes_at_the_end(self, run, monkeypatch, number, step):
        folder = f"r-{step}-{number}"
        with monkeypatch.context() as patch:
            original = Trainer._train_step

            def stopping(trainer):
                loss = original(trainer)
                if trainer.step + 1 == step:
                    signal.raise_signal(number)
                return loss

            patch.setattr(Trainer, "_train_step", stopping)
            out = run("train", *self.LONG, "--out", folder, code=cli.INTERRUPTED)
        assert f"Stopped after step {step} of 40; all is saved in {folder}." in out
        assert out.endswith(f"Go on with:  tinygrad-lm train --resume {folder}\n")
        run("sample", folder, "-n", "2")
        out = run("train", "--resume", folder)
        assert f"Going on with {folder} after step {step} of 40" in out and f"Saved in {folder}" in out
        for name in (runs.WEIGHTS, runs.CONFIG, runs.TRAINING_NAMES):
            assert written(folder, name) == written("whole", name), name
        assert metrics(folder) == metrics("whole")
        assert not Path(folder, locking.LOCK).exists()

    def test_a_crash_after_a_checkpoint(self, monkeypatch):
        monkeypatch.setattr(fitting, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
        original = Trainer._train_step

        def crashing(trainer):
            if trainer.step == 23:
                raise KeyboardInterrupt  # as a second Ctrl-C: at once, nothing saved
            return original(trainer)

        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "_train_step", crashing)
            assert cli.main(["train", *self.LONG, "--out", "r"]) == cli.INTERRUPTED
        assert "after step 20 of 40" in (cli.main(["train", "--resume", "r"]), Path("r/log.txt").read_text())[1]
        assert written("r") == written("whole") and metrics("r") == metrics("whole")


class TestGoingOn:
    """A finished run goes on with ``--steps``; ``runs.open_stopped`` gives it the new number."""

    LONG = ("train", "--data", "names.txt", *SMALL, "--schedule", "constant")

    def test_a_finished_run_goes_on_with_more_steps(self, run):
        run(*self.LONG, "--steps", "24", "--out", "whole")
        run(*self.LONG, "--steps", "16", "--out", "r")
        assert "its training has ended; to go on" in run("train", "--resume", "r", code=1)
        message = run("train", "--resume", "r", "--steps", "16", code=1)
        assert "r has done 16 steps already; --steps is how many there are in all, so give more" in message
        out = run("train", "--resume", "r", "--steps", "24")
        assert "Going on with r after step 16 of 24" in out and "Trained 24 steps" in out
        # A constant rate: the weights of step 24 are those of one go, whatever was best on the way.
        whole, continued = (files.read_arrays(Path(folder, runs.CHECKPOINT))[0] for folder in ("whole", "r"))
        assert all((whole[name] == continued[name]).all() for name in whole if name.startswith("model."))
        assert runs.load(Path("r")).config["training"]["steps"] == 24
        assert "Going on with r after step 24 of 30" in run("train", "--resume", "r", "--steps", "30")

    def test_a_stopped_run_too(self, run):
        with stopping_after(5):
            run(*self.LONG, "--steps", "8", "--out", "r", code=cli.INTERRUPTED)
        assert "Going on with r after step 5 of 12" in run("train", "--resume", "r", "--steps", "12")

    def test_all_else_is_kept(self, run):
        run(*self.LONG, "--steps", "8", "--out", "r")
        for options in (("--lr", "1"), ("--epochs", "2"), ("--seed", "1"), ("--steps", "9", "--hidden", "5")):
            assert "--resume keeps the settings of the run" in run("train", "--resume", "r", *options, code=2)


class TestSettings:
    """Runs that clip, warm up and average; and one that the command line cannot go on with."""

    LONG = ("train", "--data", "names.txt", *SMALL, "--steps", "40")
    MORE = ("--clip-grad-norm", "0.5", "--warmup-steps", "10", "--ema-decay", "0.9")

    def test_stopped_and_resumed_they_end_with_the_same_bytes(self, run):
        run(*self.LONG, *self.MORE, "--out", "whole")
        with stopping_after(12):
            run(*self.LONG, *self.MORE, "--out", "own", code=cli.INTERRUPTED)
        run("train", "--resume", "own")
        for name in (runs.WEIGHTS, runs.CONFIG):
            assert written("own", name) == written("whole", name), name
        assert metrics("own") == metrics("whole")

    def test_a_warm_up_is_not_cut_off(self, run, refused):
        with stopping_after(3):
            run(*self.LONG, *self.MORE, "--out", "own", code=cli.INTERRUPTED)
        said = refused("train", "--resume", "own", "--steps", "10")
        assert "own cannot end after 10 steps: --warmup-steps must be fewer than the 10 steps in all, not 10" in said

    @pytest.mark.parametrize("own", [{"optimizer": optim.Adam}, {"schedule": optim.constant()}])
    def test_an_optimizer_or_a_schedule_of_ones_own(self, run, refused, monkeypatch, own):
        with stopping_after(3), monkeypatch.context() as patch:
            patch.setattr(fitting, "Trainer", lambda *arguments: Trainer(*arguments, **own))
            run(*self.LONG, "--out", "own", code=cli.INTERRUPTED)
        assert "own was trained with an optimizer or a schedule of its user's own" in refused(
            "train", "--resume", "own"
        )
        run("sample", "own", "-n", "2")

    def test_a_hook_of_ones_own(self, run, refused, monkeypatch):
        with stopping_after(3), monkeypatch.context() as patch:
            patch.setattr(fitting, "Trainer", lambda *arguments: Trainer(*arguments, before_step=print))
            run(*self.LONG, "--out", "own", code=cli.INTERRUPTED)
        assert "with a before_step, which is missing now" in refused("train", "--resume", "own")


class TestSplitSeed:
    """Runs of several seeds on one split."""

    LONG = ("train", "--data", "names.txt", *SMALL, "--steps", "20")

    def test_the_split_is_that_of_its_seed_and_all_else_of_the_other(self, run):
        outs = {
            (seed, split): run(*self.LONG, "--seed", seed, "--split-seed", split, "--out", f"r{seed}{split}")
            for seed, split in ((0, 0), (1, 0), (0, 1))
        }
        run(*self.LONG, "--out", "plain")
        names = {folder: written(folder, runs.TRAINING_NAMES) for folder in ("r00", "r10", "r01", "plain")}
        assert names["plain"] == names["r00"] == names["r10"] != names["r01"]
        assert written("plain") == written("r00") != written("r10")
        assert "split by name, seed 1:" in outs[0, 1] and "--seed 1\n" in outs[0, 1] and "--seed 2\n" in outs[1, 0]
        assert "(seed 1; " in run("evaluate", "r01") and "(seed 0; " in run("evaluate", "r10")
        drawn = {key: out.partition("Twenty names")[2].partition("Saved")[0] for key, out in outs.items()}
        assert drawn[0, 0] != drawn[1, 0]

    def test_a_stopped_one_ends_with_the_same_bytes(self, run):
        options = (*self.LONG, "--seed", "3", "--split-seed", "5")
        run(*options, "--out", "whole")
        with stopping_after(7):
            run(*options, "--out", "r", code=cli.INTERRUPTED)
        out = run("train", "--resume", "r")
        for name in (runs.WEIGHTS, runs.CONFIG, runs.TRAINING_NAMES):
            assert written("r", name) == written("whole", name), name
        assert metrics("r") == metrics("whole") and out.endswith("--seed 4\n")
        assert runs.load(Path("r")).config["data"]["seed"] == 5

    def test_counts_too(self, run):
        out = run("train", "--data", "names.txt", "--model", "bigram", "--seed", "3", "--split-seed", "5", "--out", "r")
        assert "split by name, seed 5:" in out and out.endswith("--seed 4\n")
        assert "leave out --split-seed" in run("train", "--resume", "r", "--split-seed", "5", code=2)
