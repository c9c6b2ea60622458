"""Fixtures of the command line: a folder of its own with names, a command that is run, runs that are there."""

import contextlib
import shutil
from pathlib import Path

import pytest

from tests.helpers import ROOT
from tests.helpers.command_line import DEVANAGARI, EIGHT, FAST, NAMES, stopping_after
from tinygrad_lm import cli
from tinygrad_lm.cli import program

BAD_FILES = {
    "empty": b"",
    "blank": b"\n \n\t\n",
    "binary": b"\x7fELF\0\0\1",
    "latin1": "André\n".encode("latin-1"),
    "utf16": "abid\n".encode("utf-16"),
    "one": b"abid\n",
    "duplicates": b"abid\nabid\nABID\n abid \n",
    "digits": b"123\n456\n789\n",
    "devanagari": "राम\nसीता\nगीता\n".encode(),
    "tabs": b"a\tb\nc\td\ne\tf\n",
}


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """The current directory: a temporary one with files of names. Graphviz has tests of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINYGRAD_LM_DOT", "builtin")
    Path("names.txt").write_text("\n".join(NAMES) + "\n", encoding="utf-8")
    Path("deva.txt").write_text("\n".join(DEVANAGARI) + "\n", encoding="utf-8")


@pytest.fixture
def elsewhere_in_a_process(elsewhere, monkeypatch):
    """The same for processes that a test starts, which import the package from the checkout."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")


@pytest.fixture
def run(capsys):
    """Run a command that must end with that code, and says something of a failure alone; all that was said."""

    def call(*arguments, code=0):
        assert cli.main([str(argument) for argument in arguments]) == code
        out, err = capsys.readouterr()
        assert bool(err) == (code in (1, 2)) and "Traceback" not in err
        return out + err

    return call


@pytest.fixture
def told(monkeypatch):
    """Commands do nothing but note what they are told, in this list."""
    noted, command_of = [], program.command_of
    monkeypatch.setattr(
        program, "command_of", lambda name: command_of(name)._replace(run=lambda options: noted.append(options) or 0)
    )
    return noted


@pytest.fixture(scope="class")
def trained_once(request, tmp_path_factory):
    """A folder with names.txt and a run that the tests of a class read: the one that its ``ONCE`` trains."""
    folder = tmp_path_factory.mktemp("shared")
    with contextlib.chdir(folder):
        Path("names.txt").write_text("\n".join(NAMES) + "\n", encoding="utf-8")
        assert cli.main(["train", "--data", "names.txt", *request.cls.ONCE]) == 0
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A folder with a neural run, a counting run and a stopped run, made once; tests work on a copy."""
    base = tmp_path_factory.mktemp("trained")
    (base / "names.txt").write_text("\n".join(EIGHT))
    common = ("--data", str(base / "names.txt"))
    assert cli.main(["train", *common, *FAST, "--out", str(base / "r")]) == 0
    assert cli.main(["train", *common, "--model", "bigram", "--out", str(base / "counts")]) == 0
    with stopping_after(1):
        assert cli.main(["train", *common, *FAST, "--out", str(base / "stopped")]) == cli.INTERRUPTED
    return base


@pytest.fixture
def here(trained, tmp_path, monkeypatch):
    """The current directory: a copy of the trained runs and files that are no lists of names."""
    place = Path(shutil.copytree(trained, tmp_path / "here"))
    monkeypatch.chdir(place)
    for name, content in BAD_FILES.items():
        Path(name).write_bytes(content)
    return place


@pytest.fixture
def refused(capsys, here):
    """Run a command that must fail with a code and a message of one sentence; the message."""

    def fail(*arguments, code=1):
        before = sorted(path for path in here.rglob("*"))
        capsys.readouterr()
        found = cli.main([str(argument) for argument in arguments])
        _, err = capsys.readouterr()
        assert (found, "Traceback" in err, "Warning" in err) == (code, False, False), err
        assert sorted(path for path in here.rglob("*")) == before, "a refusal leaves nothing behind"
        *usage, message = err.splitlines()
        assert message.startswith("tinygrad-lm")
        assert bool(usage) == (code == 2) and all(line.startswith(("usage:", " ")) for line in usage)
        assert len(message) < 2_100
        return message

    return fail
