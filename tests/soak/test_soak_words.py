"""Random command lines: hostile words, missing files, options anywhere; a sentence and an exit code, never a hang."""

import contextlib
import io
import random
import signal
import sys
from pathlib import Path

import pytest

from tests import soak
from tinygrad_lm import cli
from tinygrad_lm.training import Trainer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="what hangs is ended by a POSIX alarm"),
]

SECONDS = 60
HOSTILE = [
    *("", " ", "-", "--", "---", "\t", "\n", "\x1b[31mred\x1b[0m", "\u202eevil", "\udcff", "a" * 5_000, "\u0301" * 300),
    *("$(id)", "`id`", "; rm -rf /", "%s%n", "{0}", "..", "../..", "/", "~", "*", "CON", "\U0001f600", "ﬁ", "İ", "ß"),
    *("0", "-1", "1", "2", "3", "1.5", "1e3", "1e400", "nan", "inf", "-inf", "0x10", "1_000", "٣", "9" * 20),
    *("5,5", "5,", ",", "1,0", "true", "None", "latin", "data", "mlp", "bigram", "6gram", "tanh", "sgd", "step"),
    *("names.txt", "mixed.txt", "missing", "empty", "binary", "folder", "loop", "r", "counts", "runs", "r/config.json"),
]
FILES = {
    "names.txt": "abid\nzeel\nnipun\nmeera\nzara\nanya\nravi\nkiran\nsunita\nvikash\n",
    "mixed.txt": "José\nanne-marie\nराम\n\n  Zoë \n" + "x" * 20_000 + "\nab\ncd\nef\n\x1b[31m\n",
    "empty": "",
    "binary": "\x00\x01",
    "mine.py": "def f(x):\n    return (x * x).sum()\n",
}


def options_of():
    """The options of each command, as the parser knows them."""
    (commands,) = [action for action in cli.parser()._actions if action.dest == "command"]
    return {
        name: [option for action in parser._actions for option in action.option_strings]
        for name, parser in commands.choices.items()
    }


def command_line(rng, options):
    command = rng.choice([*options, "train", "train", "sample", "evaluate", rng.choice(HOSTILE)])
    words = [command]
    if command in ("sample", "evaluate") and rng.random() < 0.8:
        words.append(rng.choice(["r", "counts", "stopped", rng.choice(HOSTILE)]))
    if command == "gradcheck" and rng.random() < 0.9:
        words.append(rng.choice(["mine.py:f", "mine.py:g", "missing:f", rng.choice(HOSTILE)]))
    for _ in range(rng.randrange(5)):
        option = rng.choice(options.get(command) or options["train"])
        value = rng.choice(HOSTILE)
        words += rng.choice([[option, value], [f"{option}={value}"], [option], [value]])
    return words


class Hang(BaseException):
    """Nothing catches it."""


@contextlib.contextmanager
def within(seconds):
    def too_long(number, frame):
        raise Hang

    earlier = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, earlier)


def test_random_command_lines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, content in FILES.items():
        Path(name).write_text(content, encoding="utf-8")
    Path("folder").mkdir()
    Path("loop").symlink_to("loop")
    step = Trainer._train_step

    def few(trainer):
        trainer.stop = trainer.step >= 2  # a billion steps are a lawful wish
        return step(trainer)

    monkeypatch.setattr(Trainer, "_train_step", few)
    with contextlib.redirect_stdout(io.StringIO()):
        for model, folder in (("bigram", "counts"), ("mlp", "stopped")):
            assert cli.main(["train", "--data", "names.txt", "--model", model, "--out", folder]) in (0, 130)
        assert cli.main(["train", "--data", "names.txt", "--steps", "2", "--out", "r"]) == 0
    rng, options = random.Random(soak.seed()), options_of()
    codes = {}
    for _ in range(soak.trials(500)):
        words = command_line(rng, options)
        with (
            contextlib.redirect_stdout(io.StringIO()) as out,
            contextlib.redirect_stderr(io.StringIO()) as err,
            within(SECONDS),
        ):
            code = cli.main(words)
        said = err.getvalue()
        assert code in (0, 1, 2, cli.INTERRUPTED), (words, code)
        assert "Traceback" not in out.getvalue() + said and "Warning" not in said, (words, said)
        assert bool(said) == (code in (1, 2)) or words[0] == "gradcheck", (words, code, said)
        assert len(said) < 10_000, words
        codes[code] = codes.get(code, 0) + 1
    print(codes)
    assert {0, 1, 2} <= set(codes) or soak.trials(500) < 100
