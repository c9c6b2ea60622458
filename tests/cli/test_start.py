"""Tests of the first and last moments of a command: Ctrl-C while it starts, and signals that it is told to ignore."""

import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import visualize
from tests import soak
from tests.helpers import ROOT
from tests.helpers.command_line import NAMES
from tinygrad_lm import cli, runs
from tinygrad_lm.interrupts import Later
from tinygrad_lm.models import MLP
from tinygrad_lm.training import Plan, Trainer, stopping_on_signals

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="signals to a process are POSIX"),
    pytest.mark.usefixtures("elsewhere_in_a_process"),
]

# The script that an installer writes, and Ctrl-C when the package imports its n-th module, or calls its n-th function.
AT_IMPORT = """
import re, signal, sys
began, left = False, int(sys.argv.pop(1))
def hook(event, arguments):
    global began, left
    if event == "import" and began:
        left -= 1
        if left == 0:
            signal.raise_signal(signal.SIGINT)
    began = began or event == "import" and arguments[0] == "tinygrad_lm.interrupts"
sys.addaudithook(hook)
from tinygrad_lm.__main__ import main
code = main()
if code == 0:
    print(-left, file=sys.stderr)
sys.exit(code)
"""
AS_INSTALLED = "import re, os, sys; os.write(1, b'!'); from tinygrad_lm.__main__ import main; sys.exit(main())"


def start(script, *arguments):
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def interrupted_at_import(number, *arguments):
    with start(AT_IMPORT, number, *arguments) as process:
        _, err = process.communicate(timeout=100)
    return process.returncode, err.decode()


COUNT = ("train", "--data", "names.txt", "--model", "bigram", "--out", "r")


@pytest.mark.parametrize("number", [1, 60])
def test_interrupted_while_it_imports(number):
    assert interrupted_at_import(number, *COUNT) == (130, "tinygrad-lm: interrupted\n")
    assert not Path("r").exists()


@pytest.mark.slow
def test_interrupted_at_each_import():
    code, err = interrupted_at_import(0, *COUNT)
    number = int(err)
    assert code == 0 and number > 150
    others = [at for at in range(1, number) if interrupted_at_import(at, *COUNT) != (130, "tinygrad-lm: interrupted\n")]
    assert not others


def interrupted_after(seconds, *arguments):
    """Ctrl-C that long after the script began; what came of it, in words."""
    with start(AS_INSTALLED, *arguments) as process:
        process.stdout.read(1)
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=100)
    if (process.returncode, err) == (130, b"tinygrad-lm: interrupted\n"):
        return "interrupted"
    if process.returncode == 130 and b"all is saved" in out and not err:
        return "stopped"
    if (process.returncode in (0, -signal.SIGINT)) and not err:
        return "done"  # or Python was about to leave, and had no handler any more
    entered = b", in main\n" in err.replace(b", in main\n    def main() -> int:", b"")
    if process.returncode == -signal.SIGINT and not entered:
        return "not ours"  # while Python looked for the package, before its first line could hear anything
    return f"{process.returncode}: {err.decode()}"


def seconds_of(*arguments):
    """How long the script takes, from its beginning, where nobody interrupts it."""
    with start(AS_INSTALLED, *arguments) as process:
        process.stdout.read(1)
        began = time.perf_counter()
        process.communicate(timeout=100)
    assert process.returncode == 0
    return time.perf_counter() - began


@pytest.mark.parametrize("seconds", [0.05, 0.2])
def test_interrupted_early(seconds):
    assert interrupted_after(seconds, *COUNT) in ("interrupted", "done", "not ours")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["sample", "train"])
def test_a_hundred_early_interruptions(command):
    assert cli.main([*COUNT[:-1], "s"]) == 0
    rng, found = random.Random(soak.seed()), {}

    def arguments(run):
        return ("sample", "s") if command == "sample" else ("train", "--steps", "30", "--out", run)

    takes = min(seconds_of(*arguments(f"whole{number}")) for number in range(3))
    for number in range(soak.trials(100)):
        what = interrupted_after(rng.uniform(0, takes), *arguments(f"r{number}"))
        found[what] = found.get(what, 0) + 1
    assert set(found) <= {"interrupted", "done", "not ours", "stopped"}, found
    assert found["interrupted"] > soak.trials(100) / 5
    assert found.get("not ours", 0) < soak.trials(100) / 5


def test_as_a_module_and_as_the_script_of_an_installation():
    done = subprocess.run([sys.executable, "-m", "tinygrad_lm", "--version"], capture_output=True, check=True)
    assert done.stdout.startswith(b"tinygrad-lm ")
    assert 'tinygrad-lm = "tinygrad_lm.__main__:main"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("sample", ["safetensors.numpy", "threadpoolctl", "numpy.random"]),
        ("evaluate", ["safetensors.numpy", "numpy.random", "importlib.readers"]),
        ("compare", ["safetensors.numpy", "threadpoolctl", "numpy.random", "importlib.readers"]),
        ("mix", ["safetensors.numpy", "threadpoolctl", "numpy.random", "importlib.readers"]),
        ("train", ["safetensors.numpy", "threadpoolctl", "tqdm", "numpy.random", "importlib.readers"]),
        ("gradcheck", ["tinygrad_lm.autograd.anomaly", "tinygrad_lm.autograd.symbols"]),
        ("source", ["tinygrad_lm.autograd.anomaly", "tinygrad_lm.autograd.symbols"]),
    ],
)
def test_the_imports_of_a_command_are_not_cut_short(monkeypatch, capsys, command, names):
    imported = []

    def interrupted(name):
        signal.raise_signal(signal.SIGINT)
        imported.append(name)

    monkeypatch.setattr(f"tinygrad_lm.cli.{command}.import_module", interrupted)
    given = {"train": (), "gradcheck": (), "source": ("f.py:f",), "mix": ("none", "neither")}.get(command, ("none",))
    assert cli.main([command, *given]) == cli.INTERRUPTED
    assert imported == names and capsys.readouterr().err == "tinygrad-lm: interrupted\n"


IMPORTS = """
import signal, sys
found = []
class Finder:
    def find_spec(self, name, path=None, target=None):
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            found.append(name)
sys.meta_path.insert(0, Finder())
from tinygrad_lm.__main__ import main
found.clear()
code = main()
print("tinygrad_lm.interrupts", *found, file=sys.stderr) if code == 0 else sys.exit(code)
"""


@pytest.mark.slow
@pytest.mark.parametrize("data", [(), ("--data", "names.txt")], ids=["bundled", "own"])
def test_nothing_is_imported_where_an_interruption_would_cut_it_short(data):
    """What is raised in an import may be swallowed there."""
    for arguments in (
        ("train", "--steps", "20", "--hidden", "4", "--batch-size", "4", "--out", "m", *data),
        ("train", "--resume", "m", "--steps", "24"),
        ("train", "--model", "bigram", "--out", "b", *data),
        ("train", "--model", "kneser-ney", "--out", "k", *data),
        ("sample", "m"),
        ("sample", "b"),
        ("evaluate", "m"),
        ("compare", "m", "b", "k", "-n", "9"),
        ("mix", "b", "k", "m", "--out", "x"),
        ("compare", "x", "-n", "9"),
        ("sample", "x"),
        ("evaluate", "b", "names.txt"),
        ("gradcheck",),
        ("doctor",),
    ):
        with start(IMPORTS, *arguments) as process:
            _, err = process.communicate(timeout=100)
        assert process.returncode == 0, err
        assert set(err.decode().split("\n")[-2].split()) == {"tinygrad_lm.interrupts"}, arguments


def test_the_picture_is_not_cut_short(monkeypatch, capsys):
    """It imports much, and what is raised in an import is swallowed."""
    drawn = []

    def draw(*arguments, **options):
        signal.raise_signal(signal.SIGINT)
        drawn.append(True)
        raise ValueError("no picture")

    monkeypatch.setattr(visualize, "draw", draw)
    assert cli.main([*TRAIN, "--out", "picture"]) == cli.INTERRUPTED
    assert drawn and capsys.readouterr().err == "tinygrad-lm: interrupted\n" and Path("picture", runs.WEIGHTS).exists()


def test_the_look_for_engines_is_not_cut_short(monkeypatch, capsys):
    looked = []

    def doctor():
        signal.raise_signal(signal.SIGINT)
        looked.append(True)
        return "all is well"

    monkeypatch.setattr(visualize, "doctor", doctor)
    assert cli.main(["doctor"]) == cli.INTERRUPTED and looked
    assert capsys.readouterr().err == "tinygrad-lm: interrupted\n"


# Within the 30th step the process waits for a file, so that no test depends on the speed of a machine.
WAITING = """
import sys, time
from pathlib import Path
from tinygrad_lm import cli, training
whole = training.Trainer._train_step
def step(trainer):
    if trainer.step == 29:
        print("Waiting", flush=True)
        while not Path("go").exists():
            time.sleep(0.01)
    return whole(trainer)
training.Trainer._train_step = step
sys.exit(cli.main(sys.argv[1:]))
"""
TRAIN = ("train", "--data", "names.txt", "--steps", "60", "--hidden", "6", "--batch-size", "8", "--out", "r")


@pytest.mark.parametrize(
    ("sent", "code"),
    [((), 0), ((signal.SIGHUP, signal.SIGINT), 0), ((signal.SIGHUP, signal.SIGTERM), 130)],
    ids=["none", "ignored", "one that is heard"],
)
def test_signals_that_were_ignored_from_the_start_are_left_alone(sent, code):
    """As ``nohup`` and a shell's background jobs are started."""
    ignoring = ["sh", "-c", "trap '' HUP INT; exec \"$@\"", "sh"]
    command = [*ignoring, sys.executable, "-W", "error", "-c", WAITING, *TRAIN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8") as process:
        while not process.stdout.readline().startswith("Waiting"):
            pass
        for number in sent:
            process.send_signal(number)
        Path("go").touch()
        out, err = process.communicate(timeout=100)
    assert (process.returncode, err) == (code, "")
    assert ("Saved in r" in out) == (code == 0) and ("Stopped after step 30" in out) == (code == 130)
    assert Path("r", runs.WEIGHTS).exists()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_handlers_are_as_they_were_afterwards(name):
    number = getattr(signal, name)
    trainer = Trainer(MLP(hidden=(2,), rng=0), NAMES[:8], NAMES[8:], Plan(1, 2))
    for handler in (signal.SIG_IGN, signal.SIG_DFL, signal.default_int_handler):
        earlier = signal.signal(number, handler)
        try:
            with stopping_on_signals(trainer):
                assert (signal.getsignal(number) is handler) == (handler is signal.SIG_IGN)
            assert signal.getsignal(number) is handler
        finally:
            signal.signal(number, earlier)


class TestLater:
    @pytest.mark.parametrize("waits", [True, False])
    def test_a_second(self, waits):
        counted = []
        with pytest.raises(KeyboardInterrupt), Later(second_at_once=not waits) as later:
            for _ in range(3):
                signal.raise_signal(signal.SIGINT)
                counted.append(later.heard)
        assert counted == [True] * (3 if waits else 1)

    def test_another_exception_is_not_replaced(self):
        with pytest.raises(ImportError), Later():
            signal.raise_signal(signal.SIGINT)
            raise ImportError
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def test_it_waits_and_then_raises(self):
        reached = False
        with pytest.raises(KeyboardInterrupt), Later():
            signal.raise_signal(signal.SIGINT)
            reached = True
        assert reached and signal.getsignal(signal.SIGINT) is signal.default_int_handler

    @pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda number, frame: None])
    def test_another_handler_is_left_alone(self, handler):
        earlier = signal.signal(signal.SIGINT, handler)
        try:
            with Later():
                assert signal.getsignal(signal.SIGINT) is handler
            assert signal.getsignal(signal.SIGINT) is handler
        finally:
            signal.signal(signal.SIGINT, earlier)

    def test_in_a_thread_it_does_nothing(self):
        failures = []

        def enter():
            try:
                with Later():
                    pass
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        assert not failures
