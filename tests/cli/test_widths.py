"""Tests that what the commands print fits a terminal: every line but those with a folder of the user's in them."""

from pathlib import Path

import pytest

from tests.helpers.command_line import SMALL
from tinygrad_lm.cli.console import WIDTH, Console

pytestmark = pytest.mark.usefixtures("elsewhere")

LONG = ("abcdefghijklmnopqrstuvwxyz" * 3)[:60]
NAMES = [LONG[n:] + LONG[:n] for n in range(26)]


@pytest.fixture
def long_names(elsewhere, run):
    """A list of names of sixty letters, some of them in other alphabets, and runs of it."""
    lines = [*NAMES, *(f"{name}é" for name in NAMES[:4]), "x" * 20_000, "dd", "dd"]
    Path("long.txt").write_text("\n".join(lines), encoding="utf-8")
    return {
        "mlp": run("train", "--data", "long.txt", "--steps", "16", *SMALL, "--context", "100", "--out", "m"),
        "counts": run("train", "--data", "long.txt", "--model", "kneser-ney", "--out", "k"),
        "all letters": run("train", "--data", "long.txt", "--alphabet", "data", "--model", "7gram", "--out", "g"),
        "a state": run("train", "--data", "long.txt", "--model", "lstm", "--steps", "4", *SMALL, "--out", "l"),
    }


def too_long(out, limit=100):
    return [line for line in out.splitlines() if len(line) > limit and str(Path.cwd()) not in line]


def test_every_command_on_long_names(run, long_names):
    outs = {
        **long_names,
        "of the package": run("train", "--model", "kneser-ney", "--out", "b"),
        "evaluate": run("evaluate", "m") + run("evaluate", "b") + run("evaluate", "m", "long.txt"),
        "sample": run("sample", "k", "--max-length", "60", "--prefix", LONG[:50]),
        "most probable": run("sample", "k", "--max-length", "60", "--prefix", LONG[:55], "--most-probable", "3"),
        "trace": run("sample", "m", "--max-length", "60", "--prefix", LONG[:50], "--trace", "-n", "2"),
        "tree": run("sample", "k", "--tree", "4"),
        "compare": run("compare", "m", "k", "g", "l", "b", "-n", "30"),
        "mix": run("mix", "m", "k"),
    }
    assert {name: lines for name, out in outs.items() if (lines := too_long(out))} == {}


def test_what_training_and_counts_say_fits_eighty_columns(run):
    for options in (("--model", "kneser-ney"), ("--steps", "8", "--hidden", "4")):
        assert [line for line in too_long(run("train", *options), 80) if "More names:  " not in line] == []


def test_names_of_sixty_letters_leave_the_columns_of_sample_in_line(run, long_names):
    out = run("sample", "k", "--max-length", "60", "-n", "40", "--temperature", "0.8")
    assert max(len(line.split()[0]) for line in out.splitlines()) > 50
    assert {line.index(" in training" if "in training" in line else " new") for line in out.splitlines()} == {63}
    probable = run("sample", "k", "--max-length", "60", "--most-probable", "2", "--prefix", LONG[:50]).splitlines()
    assert len({len(line.partition("  ")[0].rstrip()) for line in probable}) <= 2
    assert len({line.index("e-") for line in probable}) == 1


def test_what_counts_say_is_a_line_for_each_part(run):
    out = run("train", "--model", "kneser-ney")
    assert "contexts (0.0307%) occur\n  0.81, 1.43, 1.88 are taken off counts of 1, 2, and more\n\n" in out


def test_a_sentence_is_broken_between_words_and_a_long_word_stays_whole(capsys):
    folder = "/".join(["folder"] * 20)
    Console().wrapped(f"{folder} {'word ' * 28}end", indent="  ")
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == f"  {folder}" and all(line.startswith("    word") and len(line) <= WIDTH for line in rest)
    assert " ".join(rest).split() == ["word"] * 28 + ["end"]
