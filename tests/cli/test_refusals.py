"""Tests of the command line with bad input: one sentence, an exit code, never a traceback, nothing half-done."""

import errno
import itertools
import json
import math
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinygrad_lm import cli, runs
from tinygrad_lm.cli import program
from tinygrad_lm.cli.train import families, options
from tinygrad_lm.models import MLP, files
from tinygrad_lm.training import Trainer

NAMES = ["abid", "zeel", "nipun", "meera", "zara", "anya", "ravi", "kiran"]
FAST = ("--steps", "4", "--hidden", "3")
LONG_WORD = "x" * 5_000


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a neural run, a counting run and a stopped run, made once; tests work on a copy."""
    base = tmp_path_factory.mktemp("trained")
    (base / "names.txt").write_text("\n".join(NAMES))
    common = ("--data", str(base / "names.txt"))
    assert cli.main(["train", *common, *FAST, "--out", str(base / "r")]) == 0
    assert cli.main(["train", *common, "--model", "bigram", "--out", str(base / "counts")]) == 0
    with pytest.MonkeyPatch.context() as patch:
        original = Trainer._train_step

        def stopping(trainer):
            trainer.stop = True
            return original(trainer)

        patch.setattr(Trainer, "_train_step", stopping)
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


class TestUsage:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ((), "COMMAND"),
            (("fly",), "invalid choice: 'fly'"),
            (("train", "--model", "gpt"), "invalid choice: 'gpt'"),
            (("train", "names.txt"), "unrecognized arguments"),
            (("train", "--steps", "5", "--epochs", "2"), "not allowed with"),
            (("sample",), "RUN"),
            (("sample", "r", "--prefix"), "expected one argument"),
            (("evaluate",), "RUN"),
            (("sample", "r", "--resume", "r"), "unrecognized arguments"),
        ],
    )
    def test_wrong_words(self, refused, arguments, words):
        assert words in refused(*arguments, code=2)

    @pytest.mark.parametrize(
        ("option", "values"),
        [
            *((name, ("0", "-1", "1.5", "x", "", "1e3", "99999999999", "nan", LONG_WORD))
              for name in ("--context", "--embedding", "--hidden", "--epochs", "--steps", "--batch-size",
                           "--min-length", "--max-length")),
            ("--hidden", ("5,", ",", "5,0", "5 6", ",".join(["1"] * 101))),
            *((name, ("-1", "nan", "inf", "1e400", "x", "")) for name in ("--lr", "--weight-decay", "--smoothing")),
            ("--seed", ("-1", "1.5", "x", "1" * 30)),
            ("--optimizer", ("lion", "")),
            ("--schedule", ("none",)),
            ("--activation", ("softmax",)),
            ("--alphabet", ("greek",)),
            ("--context", ("1025", "100000")),
            ("--embedding", ("100000",)),
            ("--hidden", ("2000000", "1000000", "8000,8000")),
        ],
    )  # fmt: skip
    def test_values_of_training_options(self, refused, option, values):
        for value in values:
            message = refused("train", option, value, code=2)
            assert (
                option in message
                or f"{option[2:]} must be" in message
                or f"{option[2:]} is a list" in message
                or ("parameters, more than" in message and value in ("1000000", "8000,8000"))
            )

    @pytest.mark.parametrize(
        ("option", "values"),
        [
            ("-n", ("0", "-1", "x", "2.5")),
            ("--temperature", ("-1", "nan", "inf", "-inf", "x", "")),
            ("--top-k", ("0", "-1", "1.5", "x")),
            ("--top-p", ("0", "-0.1", "1.1", "nan", "inf", "x")),
            ("--max-length", ("0", "-5", "x")),
            ("--seed", ("-1", "x")),
        ],
    )
    def test_values_of_sampling_options(self, refused, option, values):
        for value in values:
            assert f"argument {option}" in refused("sample", "r", option, value, code=2)

    @pytest.mark.parametrize("option", [*families.NEURAL.options, *options.TRAINING_OPTIONS])
    @pytest.mark.parametrize("model", ["bigram", "6gram"])
    def test_neural_options_mean_nothing_to_counts(self, refused, model, option):
        value = {"activation": "relu", "optimizer": "sgd", "schedule": "step"}.get(option, "1")
        name = "--" + option.replace("_", "-")
        assert f"{name} means nothing to the model {model!r}" in refused("train", "--model", model, name, value, code=2)

    def test_smoothing_means_nothing_to_the_neural_model(self, refused):
        for model in ((), ("--model", "mlp")):
            message = refused("train", *model, "--smoothing", "1", code=2)
            assert "--smoothing means nothing to the model 'mlp'" in message
        assert "from 0 to 1e+09" in refused("train", "--model", "bigram", "--smoothing", "1e10", code=2)

    def test_every_training_option_is_refused_beside_resume(self, refused):
        (train,) = [action for action in cli.parser()._actions if action.dest == "command"]
        options = [action for action in train.choices["train"]._actions if action.option_strings]
        assert len(options) > 18
        for action in options:
            if action.dest not in ("help", "resume", "steps"):
                value = action.choices[0] if action.choices else "1"
                message = refused("train", "--resume", "stopped", action.option_strings[0], value, code=2)
                assert f"leave out {action.option_strings[0]}" in message

    def test_every_training_option_is_known_to_a_rule(self):
        """An option added later must be said to mean something to both kinds of model, or to one."""
        (train,) = [action for action in cli.parser()._actions if action.dest == "command"]
        found = {action.dest for action in train.choices["train"]._actions}
        both = {"help", "model", "data", "alphabet", "boundary", "min_length", "max_length", "seed", "out", "resume"}
        trained = set(options.TRAINING_OPTIONS)
        assert found == both | trained | {name for family in families.FAMILIES for name in family.options}


class TestDashes:
    """``--`` as a value, which argparse before Python 3.13 drops."""

    @staticmethod
    def options_with_values():
        (commands,) = [action for action in cli.parser()._actions if action.dest == "command"]
        for command, parser in commands.choices.items():
            for action in parser._actions:
                if action.option_strings and action.nargs != 0:
                    yield from ((command, option, action) for option in action.option_strings)

    def test_two_dashes_are_no_value_of_any_option(self, refused):
        found = list(self.options_with_values())
        assert len(found) > 30
        for command, option, _ in found:
            run = {"sample": ("r",), "evaluate": ("r", "names.txt")}.get(command, ())
            for joined in (f"{option}=--", f"{option}--" if len(option) == 2 else f"{option[:-1]}=--"):
                message = refused(command, *run, joined, code=2)
                assert f"argument {option[:3]}" in message and "'--' is no value" in message, joined

    @pytest.mark.parametrize("value", ["-", "---", "--=", "-1", "--steps", "=--"])
    def test_a_value_that_begins_with_dashes_is_taken_as_it_stands_or_refused(self, here, capsys, monkeypatch, value):
        seen, command_of = [], program.command_of
        monkeypatch.setattr(
            program, "command_of", lambda name: command_of(name)._replace(run=lambda told: seen.append(told) or 0)
        )
        for command, option, action in self.options_with_values():
            run = {"sample": ("r",), "evaluate": ("r", "names.txt"), "gradcheck": ("f.py:f",)}.get(command, ())
            seen.clear()
            capsys.readouterr()
            code = cli.main([command, *run, f"{option}={value}"])
            err = capsys.readouterr().err
            assert (code, bool(err)) in ((0, False), (2, True)) and "Traceback" not in err, (option, err)
            if code == 0:
                taken = getattr(seen[0], action.dest)
                assert taken == ([value] if action.dest == "input" else value), option
            if option in ("--prefix", "--data", "--out", "--boundary", "--resume"):
                assert code == 0, (option, err)

    @pytest.mark.parametrize("command", [("sample",), ("evaluate", "r"), ("evaluate",), ("gradcheck",)])
    def test_two_dashes_are_no_name(self, refused, command):
        assert "'--' names no run and no file" in refused(*command, "--", "--", code=2)

    def test_a_name_that_begins_with_dashes(self, refused):
        assert "there is no run folder '--prefix=--'" in refused("sample", "--", "--prefix=--")


class TestData:
    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("missing", "there is no file"),
            (".", "is a directory"),
            ("", "is a directory"),
            ("empty", "is empty"),
            ("blank", "is empty"),
            ("binary", "is a binary file: byte 4 is NUL"),
            ("latin1", "is not UTF-8: byte 4, on line 1, is 0xe9"),
            ("utf16", "is UTF-16, not UTF-8"),
            ("one", "1 different name(s)"),
            ("duplicates", "1 different name(s)"),
            ("digits", "characters outside the vocabulary (3)"),
            ("devanagari", "--alphabet data"),
            ("tabs", "characters outside the vocabulary (3)"),
            ("r/model.safetensors", "is a binary file"),
        ],
    )
    def test_files_that_are_no_lists_of_names(self, refused, name, words):
        assert words in refused("train", "--data", name, *FAST)
        assert words in refused("train", "--data", name, "--model", "bigram")
        if name not in ("one", "duplicates", ""):
            found = refused("evaluate", "r", name)
            assert words in found or words == "--alphabet data"

    def test_names_that_are_too_short_or_too_long(self, refused):
        assert "shorter than 9 (8)" in refused("train", "--data", "names.txt", "--min-length", "9")
        assert "longer than 2 (8)" in refused("train", "--data", "names.txt", "--max-length", "2")
        assert "from 5 up; got 3" in refused("train", "--data", "names.txt", "--min-length", "5", "--max-length", "3")

    @pytest.mark.parametrize("boundary", ["a", "", "ab", "\n", "\x1b"])
    def test_boundaries(self, refused, boundary):
        assert "boundary" in refused("train", "--boundary", boundary, *FAST)

    def test_a_boundary_or_a_control_character_within_the_names(self, refused):
        Path("hyphens").write_text("anne-marie\njean-luc\nbo\n")
        assert "boundary='.'" in refused("train", "--data", "hyphens", "--alphabet", "data")
        assert "control character" in refused("train", "--data", "tabs", "--alphabet", "data")

    def test_a_batch_larger_than_the_data(self, refused):
        assert "a batch of 1000 is larger than" in refused("train", "--data", "names.txt", "--batch-size", "1000")

    @pytest.mark.parametrize(
        ("prefix", "words"),
        [
            ("a1", "'1' (U+0031) at position 1"),
            ("-", "boundary marker"),
            ("राम", "U+0930"),
            ("\udcff", "U+DCFF"),
            ("a" * 30, "has 30 characters, but a sample has at most 30"),
            ("a" * 100_000, "has 100000 characters"),
        ],
    )
    def test_prefixes(self, refused, prefix, words):
        assert words in refused("sample", "r", f"--prefix={prefix}")


class TestRuns:
    @pytest.mark.parametrize("command", [("sample",), ("evaluate",), ("train", "--resume")])
    @pytest.mark.parametrize(
        ("folder", "words"),
        [
            ("none", "there is no run folder 'none'"),
            ("names.txt", "there is no run folder"),
            ("r/model.safetensors", "there is no run folder"),
            (".", "is no run folder: it has no config.json"),
            ("x" * 300, "File name too long"),
        ],
    )
    def test_no_run_folder(self, refused, command, folder, words):
        more = ("names.txt",) if command == ("evaluate",) else ()
        assert words in refused(*command, folder, *more)

    @pytest.mark.parametrize("name", [runs.CONFIG, runs.WEIGHTS, runs.TRAINING_NAMES])
    @pytest.mark.parametrize("content", [None, b"", b"\0" * 50, b"[]", b"{}"])
    def test_a_damaged_run(self, refused, name, content):
        Path("r", name).unlink() if content is None else Path("r", name).write_bytes(content)
        if name == runs.TRAINING_NAMES and content is not None:
            assert cli.main(["sample", "r"]) == 0
        else:
            for command in (("sample", "r"), ("evaluate", "r", "names.txt")):
                assert name in refused(*command)

    @pytest.mark.parametrize(
        "change",
        [
            {"file": 5}, {"file": ["names.txt"]}, {"file": "gone.txt"}, {"alphabet": "greek"}, {"alphabet": []},
            {"seed": "0"}, {"seed": -1}, {"seed": 5}, {"boundary": "."}, {"boundary": None}, {"min_length": None},
            {"min_length": 5}, {"max_length": 0}, {"fingerprint": "0"}, {"more": 1}, {"alphabet": "data"},
        ],
    )  # fmt: skip
    def test_resuming_with_other_data(self, refused, change):
        path = Path("stopped", runs.CONFIG)
        config = json.loads(path.read_text())
        config["data"].update(change)
        path.write_text(json.dumps(config))
        refused("train", "--resume", "stopped")

    def test_resuming_after_the_names_changed(self, refused, trained, here):
        path = Path("stopped", runs.CONFIG)
        config = json.loads(path.read_text())
        config["data"]["file"] = str(here / "names.txt")
        path.write_text(json.dumps(config))
        Path("names.txt").write_text("\n".join([*NAMES, "more"]))
        assert "have changed since stopped was started; train anew" in refused("train", "--resume", "stopped")

    def test_resuming_what_cannot_go_on(self, refused):
        assert "its training has ended" in refused("train", "--resume", "r")
        assert "counts, which are made in one go" in refused("train", "--resume", "counts")
        Path("stopped", runs.CHECKPOINT).write_bytes(b"\0" * 20)
        assert "is damaged" in refused("train", "--resume", "stopped")

    def test_a_folder_that_is_taken(self, refused):
        for folder in ("r", "names.txt", ".", ""):
            assert "give another --out" in refused("train", "--data", "names.txt", *FAST, "--out", folder)
        assert "Not a directory" in refused("train", "--data", "names.txt", *FAST, "--out", "names.txt/x")

    def test_weights_that_overflow(self, refused):
        model = runs.load(Path("r")).model
        assert isinstance(model, MLP)
        files.save_weights(model, Path("r", runs.WEIGHTS), {n: a * 0 + 3e38 for n, a in model.state_dict().items()})
        assert "overflow" in refused("sample", "r")
        assert cli.main(["evaluate", "r", "names.txt"]) == 0


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
