"""Tests of the lock on a run: one process trains it, the others are told at once, and reading stays possible."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests import soak
from tests.helpers import ROOT
from tests.helpers.runs import NAMES, save, stop_at, trainer
from tinygrad_lm import cli, locking, runs
from tinygrad_lm.models import ModelFileError
from tinygrad_lm.training import Trainer

HOLDING = """
import sys, time
from pathlib import Path
from tinygrad_lm import locking
with locking.locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def holding(folder):
    """A process that holds the lock until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-B", "-c", HOLDING, str(folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stdout.readline() == "held\n"
    return process


class TestLock:
    def test_a_second_is_told_at_once_and_who_holds_it(self, tmp_path):
        with holding(tmp_path) as process:
            words = f"is being trained by another process \\(pid {process.pid}\\)"
            with pytest.raises(BlockingIOError, match=words), locking.locked(tmp_path):
                pass
            assert locking.holder(tmp_path) == f"another process (pid {process.pid})"
            process.communicate("", timeout=60)
        assert locking.holder(tmp_path) is None and list(tmp_path.iterdir()) == []
        with locking.locked(tmp_path):
            pass

    @pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
    def test_it_ends_with_a_process_that_was_killed(self, tmp_path):
        with holding(tmp_path) as process:
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=60)
            assert (tmp_path / locking.LOCK).exists() and locking.holder(tmp_path) is None
        with locking.locked(tmp_path):
            assert locking.holder(tmp_path) == f"another process (pid {os.getpid()})"
        assert list(tmp_path.iterdir()) == []

    def test_an_exception_frees_it(self, tmp_path):
        with pytest.raises(KeyError), locking.locked(tmp_path):
            raise KeyError
        with locking.locked(tmp_path):
            pass

    def test_a_thread_is_told_too(self, tmp_path):
        found = []

        def work():
            try:
                with locking.locked(tmp_path):
                    found.append("free")
            except BlockingIOError as error:
                found.append(str(error))

        with locking.locked(tmp_path):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        assert len(found) == 1 and f"(pid {os.getpid()})" in found[0]

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows does not remove a file that is open")
    @pytest.mark.parametrize("made_again", [True, False])
    def test_a_file_that_was_removed_between_opening_and_locking(self, tmp_path, monkeypatch, made_again):
        path, whole, left = tmp_path / locking.LOCK, locking._lock, [1]

        def removed(handle):
            if left:
                left.clear()
                path.unlink()
                if made_again:
                    path.touch()
            return whole(handle)

        monkeypatch.setattr(locking, "_lock", removed)
        with locking.locked(tmp_path):
            assert path.exists() and locking.holder(tmp_path) is not None

    @pytest.mark.parametrize("number", [errno.ENOLCK, errno.EINVAL, errno.ENOSYS])
    def test_a_file_system_without_locks_is_trained_on_all_the_same(self, tmp_path, monkeypatch, number):
        fcntl = pytest.importorskip("fcntl")

        def missing(*arguments):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(fcntl, "flock", missing)
        with locking.locked(tmp_path):
            assert locking.holder(tmp_path) is None

    def test_a_full_disk_holds_the_lock_without_words(self, tmp_path, monkeypatch):
        def full(*arguments):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "write", full)
        with locking.locked(tmp_path):
            assert locking.holder(tmp_path) == "another process"

    @pytest.mark.skipif(sys.platform == "win32", reason="links and pipes are POSIX")
    @pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
    def test_what_is_no_regular_file_is_refused(self, tmp_path, kind):
        path = tmp_path / locking.LOCK
        (tmp_path / "precious").write_text("precious")
        {"link": lambda: path.symlink_to("precious"), "pipe": lambda: os.mkfifo(path), "folder": path.mkdir}[kind]()
        with pytest.raises(ModelFileError, match=r"training\.lock is .*; remove it"), locking.locked(tmp_path):
            pass
        assert (tmp_path / "precious").read_text() == "precious"


class TestTraining:
    @pytest.fixture
    def folder(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        subject = trainer()
        stop_at(subject, 7)
        save(tmp_path / "r", subject)
        (tmp_path / "names.txt").write_text("\n".join(NAMES))
        return tmp_path / "r"

    def test_a_run_that_is_trained_is_read_but_not_trained(self, folder, capsys):
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        with locking.locked(folder):
            mine = f"another process (pid {os.getpid()})"
            assert cli.main(["train", "--resume", "r"]) == 1
            assert capsys.readouterr().err.startswith(f"tinygrad-lm: r is being trained by {mine}")
            assert cli.main(["train", "--out", "r", "--steps", "5"]) == 1
            assert capsys.readouterr().err == (
                f"tinygrad-lm: r is the run that {mine} is training; give another --out\n"
            )
            assert cli.main(["sample", "r", "-n", "1"]) == 0
            assert cli.main(["evaluate", "r", "names.txt"]) == 0
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before

    def test_the_lock_is_held_for_the_whole_of_a_training(self, folder, monkeypatch, capsys):
        seen = []
        whole = Trainer._train_step

        def step(subject):
            seen.extend(locking.holder(path) for path in Path().iterdir() if path.is_dir())
            return whole(subject)

        monkeypatch.setattr(Trainer, "_train_step", step)
        shutil.rmtree(folder)
        options = ["--data", "names.txt", "--hidden", "3", "--steps", "4"]
        assert cli.main(["train", *options, "--out", "r"]) == 0
        assert seen == [f"another process (pid {os.getpid()})"] * 4
        assert not (folder / locking.LOCK).exists()

    def test_a_run_that_another_wrote_before_the_lock_is_kept(self, folder, monkeypatch, capsys):
        """Both found the folder empty; one had it, trained and left before the other came to lock it."""
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        monkeypatch.setattr(runs, "new_folder", lambda out, kind: Path(out))
        assert cli.main(["train", "--data", "names.txt", "--model", "bigram", "--out", "r"]) == 1
        assert capsys.readouterr().err.startswith("tinygrad-lm: r exists and is not empty; give another --out")
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before

    @pytest.mark.parametrize("command", ["none", "names.txt"])
    def test_no_folder_no_lock(self, folder, capsys, command):
        with pytest.raises(ModelFileError, match="there is no run folder"):
            runs.locked(folder.parent / command)
        assert cli.main(["train", "--resume", command]) == 1
        assert "there is no run folder" in capsys.readouterr().err

    def test_what_a_live_process_writes_is_left_alone(self, folder, capsys):
        (folder / f".{runs.WEIGHTS}.abc.tmp").touch()
        with holding(folder) as process:
            assert cli.main(["train", "--resume", "r"]) == 1
            assert (folder / f".{runs.WEIGHTS}.abc.tmp").exists()
            process.communicate("", timeout=60)


RESUMING = """
import sys, time
from tinygrad_lm import cli, training
whole = training.Trainer._train_step
def step(trainer):
    time.sleep(0.01)
    return whole(trainer)
training.Trainer._train_step = step
sys.exit(cli.main(["train", "--resume", sys.argv[1]]))
"""


@pytest.mark.slow
def test_of_two_that_resume_one_trains_and_nothing_is_lost(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    Path("names.txt").write_text("\n".join(NAMES))
    options = ["train", "--data", "names.txt", "--hidden", "4", "--batch-size", "8", "--steps", "40"]
    assert cli.main([*options, "--out", "whole"]) == 0
    with monkeypatch.context() as patch:
        whole = Trainer._train_step

        def stopping(subject):
            subject.stop = subject.step == 6
            return whole(subject)

        patch.setattr(Trainer, "_train_step", stopping)
        assert cli.main([*options, "--out", "stopped"]) == cli.INTERRUPTED
    for number in range(soak.trials(100)):
        folder = shutil.copytree("stopped", f"r{number}")
        command = [sys.executable, "-c", RESUMING, folder]
        both = [subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) for _ in range(2)]
        errors = [process.communicate(timeout=120)[1].decode() for process in both]
        codes = sorted(process.returncode for process in both)
        assert codes == [0, 1] and all("Traceback" not in error for error in errors), errors
        refusal = "".join(errors)
        # Without a number in the moment between its locking and its writing of it.
        assert "is being trained by another process" in refusal or "its training has ended" in refusal
        for name in (runs.WEIGHTS, runs.CONFIG, runs.TRAINING_NAMES):
            assert Path(folder, name).read_bytes() == Path("whole", name).read_bytes()
        rows = [Path(place, runs.METRICS).read_text().splitlines() for place in (folder, "whole")]
        assert [row.split(",")[:4] for row in rows[0]] == [row.split(",")[:4] for row in rows[1]]
        assert not Path(folder, locking.LOCK).exists() and not list(Path(folder).glob(".*"))
