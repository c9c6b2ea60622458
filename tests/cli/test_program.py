"""Tests of the program as a whole: version, help, as a module, and any words at all."""

import itertools
import os
import re
import subprocess
import sys
import types

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.helpers import ROOT
from tests.helpers.command_line import TINY
from tinygrad_lm import __version__, cli
from tinygrad_lm.cli import program
from tinygrad_lm.cli.parsing import Command, Options
from tinygrad_lm.training import Trainer


@pytest.mark.usefixtures("elsewhere")
def test_the_help_says_what_evaluate_evaluates(run):
    assert "predicts its own test names, or those of a file" in " ".join(run("--help").split())


@pytest.mark.usefixtures("elsewhere")
class TestProgram:
    @pytest.mark.parametrize(
        "arguments",
        [
            ("train", "--hiden", "20"),
            ("train", "names.txt"),
            ("train", "--model", "bigrams"),
            ("train", "--model", "bigram", "--context", "2"),
            ("train", "--lr", "-1"),
        ],
    )
    def test_wrong_words_show_how_the_command_is_used(self, capsys, arguments):
        assert cli.main(arguments) == 2
        assert capsys.readouterr().err.startswith("usage: tinygrad-lm train [-h]")

    @pytest.mark.parametrize("arguments", [("train", "--lr", "-1"), ("train", "--hiden", "20"), ("mix", "r"), ()])
    def test_wrong_words_are_told_in_two_lines(self, capsys, arguments):
        assert cli.main(arguments) == 2
        usage, reason = capsys.readouterr().err.splitlines()
        command = " ".join(["tinygrad-lm", *arguments[:1]])
        assert usage.startswith(f"usage: {command} [-h]") and usage.endswith(f", see {command} --help")
        assert len(usage) <= 100 and reason.startswith(f"{command}: ")

    def test_what_the_usage_shows_is_what_the_command_takes(self):
        (commands,) = [action for action in cli.parser()._actions if action.dest == "command"]
        for name, parser in commands.choices.items():
            taken = {action.metavar for action in parser._actions if not action.option_strings}
            assert set(re.findall(r"[A-Z:]+", program.command_of(name).takes)) == taken, name

    @pytest.mark.parametrize(
        ("arguments", "meant"),
        [
            (("smaple", "r"), "'sample'"),
            (("Train",), "'train'"),
            (("train", "--model", "lsmt"), "'lstm'"),
            (("train", "--model", "LSTM"), "'lstm'"),
            (("train", "--hiden", "20"), "'--hidden'"),
            (("train", "--model", "kneser-ney", "--oder=4"), "'--order'"),
            (("train", "-model", "lstm"), "'--model'"),
            (("sample", "r", "--uniqe"), "'--unique'"),
        ],
    )
    def test_what_was_meant_by_a_typo(self, run, arguments, meant):
        assert run(*arguments, code=2).endswith(f"; did you mean {meant}?\n")

    @pytest.mark.parametrize("arguments", [("fly",), ("train", "--model", "gpt"), ("train", "--zzz")])
    def test_what_is_like_nothing_is_no_typo(self, run, arguments):
        assert "did you mean" not in run(*arguments, code=2)

    def test_a_command_asks_for_no_other(self):
        """What another one imports and declares would only take time."""
        whole, own = (program.parser(arguments).format_help() for arguments in ((), ["sample", "r"]))
        assert all(f"\n    {command}" in whole for command in cli.COMMANDS)
        assert [command for command in cli.COMMANDS if f"\n    {command}" in own] == ["sample"]

    def test_version_and_help(self, run):
        assert run("--version") == f"tinygrad-lm {__version__}\n"
        for command in ((), ("train",), ("sample",), ("evaluate",)):
            assert "usage: tinygrad-lm" in run(*command, "--help")

    def test_as_a_module(self):
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONIOENCODING": "ascii",
            # Graphviz's libraries may warn of the machine's fonts on the same stream.
            "TINYGRAD_LM_DOT": "builtin",
        }
        command = [
            sys.executable,
            "-W",
            "error",
            "-m",
            "tinygrad_lm",
            "train",
            "--data",
            "deva.txt",
            "--alphabet",
            "data",
        ]
        done = subprocess.run([*command, *TINY], env=environment, capture_output=True, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (0, b"") and b"Saved in runs" in done.stdout


def test_a_command_is_a_module_and_a_line(monkeypatch, capsys):
    class Greeting(Options):
        name: str = "you"

    command = Command(
        "say hello",
        Greeting,
        lambda parser: parser.add_argument("--name"),
        lambda told: len(told.name),
        [("greet --name world", "everybody")],
    )
    monkeypatch.setitem(sys.modules, "tinygrad_lm.cli.greet", types.SimpleNamespace(COMMAND=command))
    monkeypatch.setattr(program, "COMMANDS", (*program.COMMANDS, "greet"))
    assert (cli.main(["greet"]), cli.main(["greet", "--name", "world"])) == (3, 5)
    assert cli.main(["--help"]) == 0 and "greet     say hello" in capsys.readouterr().out


COMMANDS = ["train", "sample", "evaluate", "train", "sample", "evaluate", "", "--help", "--version", "fly"]
WORDS = ["r", "counts", "stopped", "names.txt", "none", ".", "mlp", "bigram", "devanagari", "3", "0", "-1", "nan"]
WORDS += ["5,5", "1e9", "ab", "0.5", "é", "data", "--", "\udcff", "latin", "sgd", "", "/proc/x", "x" * 300]
OPTIONS = ["--model", "--data", "--context", "--hidden", "--lr", "--seed", "--resume", "--out", "--prefix", "--steps"]
OPTIONS += ["--temperature", "--top-k", "--top-p", "--max-length", "--smoothing", "--boundary", "--alphabet"]
text = st.text(st.characters(exclude_characters="\0/"), max_size=4)  # no shell passes NUL; nothing leaves the folder
words = st.one_of(
    st.tuples(st.sampled_from(OPTIONS), st.one_of(st.sampled_from(WORDS), text)),
    st.tuples(st.one_of(st.sampled_from(WORDS), st.sampled_from([*OPTIONS, "-n", "--trace"]), text)),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(command=st.sampled_from(COMMANDS), more=st.lists(words, max_size=4))
def test_any_words_at_all(here, capsys, monkeypatch, command, more):
    """A clumsy newcomer may type anything."""
    monkeypatch.setattr(Trainer, "run", lambda trainer, *callbacks, progress: setattr(trainer, "stop", True))
    capsys.readouterr()
    code = cli.main([command, *itertools.chain.from_iterable(more)])
    out, err = capsys.readouterr()
    assert code in (0, 1, 2, cli.INTERRUPTED)
    assert "Traceback" not in err and bool(err) == (code in (1, 2)), (out, err)
