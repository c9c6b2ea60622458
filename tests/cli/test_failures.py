"""Tests of a machine or a training that fails: one sentence, an exit code, nothing half-done."""

import errno
import math
import os
import re
import sys
from pathlib import Path

import pytest

from tests.helpers.command_line import FAST
from tinygrad_lm import cli, runs
from tinygrad_lm.models import MLP


class TestFailures:
    def test_a_loss_that_is_nan(self, here, capsys):
        capsys.readouterr()
        assert cli.main(["train", "--data", "names.txt", "--lr", "1e30", "--steps", "50", "--out", "new"]) == 1
        _, err = capsys.readouterr()
        assert err.startswith("tinygrad-lm: the loss became ") and err.count("\n") == 1
        # The weights overflow in the first steps: in which, the order decides in which a product adds its terms.
        assert re.search(r"at step [2-9], so the training stopped; the weights of step 0 are kept", err)
        assert all(math.isfinite(a.sum()) for a in runs.load(here / "new").model.state_dict().values())
        assert cli.main(["sample", "new", "-n", "1"]) == 0

    @pytest.mark.parametrize("calls", [0, 1, 2])
    @pytest.mark.parametrize("model", [("--steps", "4"), ("--model", "bigram")])
    def test_a_full_disk(self, here, capsys, monkeypatch, calls, model):
        left = [calls]

        def full(*arguments):
            left[0] -= 1
            if left[0] < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)
        found = cli.main(["train", "--data", "names.txt", *model, "--out", "new"])
        monkeypatch.undo()
        # The flush of a folder is no failure, for not every file system can do that.
        err = capsys.readouterr().err
        assert found == 1 and re.fullmatch(
            r"tinygrad-lm: new[/\\][a-z_.]+: No space left on device; it was not written, and all is as it was last "
            r"saved\n",
            err,
        )
        assert not list(here.rglob("*.tmp"))

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
    def test_output_to_a_full_disk(self, here, capsys, monkeypatch):
        with Path("/dev/full").open("w") as full:
            monkeypatch.setattr(sys, "stdout", full)
            assert cli.main(["sample", "r"]) == 1
            monkeypatch.undo()
            assert "No space left on device" in capsys.readouterr().err
            with pytest.raises(OSError, match="No space"):
                full.flush()
            os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
    def test_a_read_only_folder(self, refused, here):
        here.chmod(0o500)
        try:
            assert "Permission denied" in refused("train", "--data", "names.txt", *FAST)
        finally:
            here.chmod(0o700)

    @pytest.mark.skipif(not Path("/proc/self").exists(), reason="this system has no /proc")
    def test_a_folder_where_nobody_may_write(self, refused):
        assert refused("train", "--data", "names.txt", *FAST, "--out", "/proc/run").startswith(
            "tinygrad-lm: /proc/run: "
        )

    def test_too_little_memory(self, refused, monkeypatch):
        def too_large(*arguments, **options):
            raise MemoryError

        monkeypatch.setattr(MLP, "examples", too_large)
        assert "not enough memory" in refused("train", "--data", "names.txt", *FAST)
