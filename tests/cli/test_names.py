"""Tests of where names come from: pipes, redirected files, and what a run keeps of them."""

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.helpers import ROOT
from tests.helpers.command_line import NAMES, SMALL, stopping_after, written
from tinygrad_lm import cli
from tinygrad_lm.cli.names import OWN_COPY
from tinygrad_lm.text import files

pytestmark = [
    pytest.mark.usefixtures("elsewhere"),
    pytest.mark.skipif(sys.platform == "win32", reason="pipes with names are POSIX"),
]


class TestPipes:
    def write(self, content, path="pipe"):
        """A pipe by name, and a thread that writes into it once."""
        os.mkfifo(path)

        def writing():
            with contextlib.suppress(BrokenPipeError), Path(path).open("wb") as pipe:
                pipe.write(content)

        thread = threading.Thread(target=writing, daemon=True)
        thread.start()
        return thread

    @pytest.mark.parametrize("options", [("--model", "bigram"), ("--steps", "8", *SMALL)])
    def test_a_run_from_a_pipe_is_that_from_the_file(self, run, options):
        content = Path("names.txt").read_bytes()
        run("train", "--data", "names.txt", *options, "--out", "file")
        thread = self.write(content)
        out = run("train", "--data", "pipe", *options, "--out", "r")
        thread.join()
        assert "Data: a pipe; the run keeps its lines in names.txt" in out and "all lines that came in" in out
        assert written("r").partition(b"data")[2] and Path("r", OWN_COPY).read_bytes() == content
        assert run("sample", "r") == run("sample", "file")
        assert run("evaluate", "r").splitlines()[1] == run("evaluate", "file").splitlines()[1]

    @pytest.mark.parametrize("alphabet", ["latin", "data"])
    def test_what_the_run_keeps_is_what_it_read(self, run, alphabet):
        lines = [*NAMES, "", "zo\u00eb", "jose\u0301", "  Anya ", "x" * 20_000, "\u2028odd\u2028"]
        self.write("\r\n".join(lines).encode())
        options = ("--steps", "9", *SMALL, "--out", "r", "--alphabet", alphabet)
        with stopping_after(4):
            run("train", "--data", "pipe", *options, code=cli.INTERRUPTED)
        Path("pipe").unlink()
        assert files.read_names(Path("r", OWN_COPY)) == lines
        assert "Going on with r after step 4 of 9" in run("train", "--resume", "r")
        assert "test split" in run("evaluate", "r")
        Path("r").rename("moved")
        assert "test split" in run("evaluate", "moved")

    def test_without_its_copy_a_run_says_so(self, run):
        self.write(Path("names.txt").read_bytes())
        run("train", "--data", "pipe", "--model", "bigram", "--out", "r")
        Path("r", OWN_COPY).unlink()
        assert "r has no names.txt, the copy of its names; give a file" in run("evaluate", "r", code=1)
        os.mkfifo(Path("r", OWN_COPY))  # nobody will ever write
        assert "r has no names.txt" in run("evaluate", "r", code=1)

    @pytest.mark.skipif(not Path("/dev/stdin").exists(), reason="this system has no /dev/stdin")
    @pytest.mark.parametrize("shell", ["cat names.txt | {} --data /dev/stdin", "{} --data <(cat names.txt)"])
    def test_as_a_shell_gives_them(self, shell, run):
        command = f"{sys.executable} -m tinygrad_lm train --model bigram --out r"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        script = ["bash", "-c", shell.format(command)]
        done = subprocess.run(script, env=environment, capture_output=True, encoding="utf-8", check=False)
        assert (done.returncode, done.stderr) == (0, "") and "12 names kept" in done.stdout
        assert "test split" in run("evaluate", "r")

    def test_a_redirected_file_is_read_again_where_it_is(self, run, monkeypatch):
        if not Path("/dev/fd").exists():
            pytest.skip("this system has no /dev/fd")
        with Path("names.txt").open() as file:
            run("train", "--data", f"/dev/fd/{file.fileno()}", "--model", "bigram", "--out", "r")
        assert not Path("r", OWN_COPY).exists()
        assert "test split" in run("evaluate", "r")

    def test_an_endless_pipe_is_bounded(self, run, monkeypatch):
        monkeypatch.setattr(files, "MAX_SIZE", 1 << 16)
        self.write(b"abid\n" * (1 << 16))
        assert "is larger than 65,536 bytes" in run("train", "--data", "pipe", "--model", "bigram", code=1)
        assert not Path("runs").exists()

    def test_a_loop_of_links_is_a_sentence(self, run):
        Path("a").symlink_to("b")
        Path("b").symlink_to("a")
        assert "cannot be read" in run("train", "--data", "a", code=1)
