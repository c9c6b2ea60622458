"""Tests that nothing printed acts on a terminal, whatever file names and files hold."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import ROOT
from tests.helpers.runs import NAMES
from tinygrad_lm import cli, runs
from tinygrad_lm.cli.console import Console
from tinygrad_lm.cli.terminal import printable


class TestTerminals:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("a\x1b[31mb", "a\\x1b[31mb"),
            ("\r\x07\x7f\x9b", "\\r\\x07\\x7f\\x9b"),
            ("a\u202eb", "a\\u202eb"),
            ("क्\u200dष ന്\u200d é \u00a0\n", "क्\u200dष ന്\u200d é \u00a0\n"),
            ("\udcff", "\udcff"),  # no terminal sees it: the stream replaces it
        ],
    )
    def test_escapes(self, text, shown):
        assert printable(text) == shown

    def test_what_is_printed_and_logged(self, tmp_path, capsys):
        say = Console()
        say.log_to(tmp_path)
        say("a\x1b]0;title\x07")
        assert capsys.readouterr().out == "a\\x1b]0;title\\x07\n" == (tmp_path / runs.LOG).read_text()

    @pytest.mark.parametrize(
        "arguments",
        [
            ("sample", "\x1b[31mred"),
            ("train", "--resume", "\x1b[31mred"),
            ("train", "--out", "\x1b[31mred/\x1b[0m", "--data", "names.txt", "--steps", "4"),
            ("train", "\x1b[31mred"),
            ("train", "--data", "\x1b[31mred"),
            ("evaluate", "\x1b[31mred", "\x1b[31mred"),
        ],
    )
    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such file names")
    def test_no_command_passes_an_escape_on(self, tmp_path, monkeypatch, capsys, arguments):
        monkeypatch.chdir(tmp_path)
        Path("names.txt").write_text("\n".join(NAMES))
        cli.main(list(arguments))
        out, err = capsys.readouterr()
        assert "red" in out + err and "\x1b" not in out + err


CLOSED = """
import sys
from tinygrad_lm.__main__ import main
code = main()
print(code, file=open("code", "w"))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="how a POSIX shell closes a stream")
@pytest.mark.parametrize(
    "arguments", [("sample", "none"), ("train", "--none"), ("train", "--model", "bigram", "--lr", "1")]
)
def test_an_error_does_not_go_where_the_output_goes(tmp_path, arguments):
    """With standard error closed, as ``2>&-`` does, nobody is told."""
    shell = ["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-c", CLOSED, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(shell, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, check=False)
    assert done.stdout == b"" and int((tmp_path / "code").read_text()) in (1, 2)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full is Linux'")
def test_output_that_cannot_be_written_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdout", full)
        assert cli.main(["doctor"]) == 1
        assert capsys.readouterr().err == "tinygrad-lm: standard output: No space left on device\n"
        with pytest.raises(OSError):
            full.close()
