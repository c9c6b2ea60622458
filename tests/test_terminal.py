"""Tests that nothing printed acts on a terminal, whatever file names and files hold."""

import sys
from pathlib import Path

import pytest

from tests.test_runs import NAMES
from tinygrad_lm import cli, runs
from tinygrad_lm.console import Console
from tinygrad_lm.terminal import printable


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
