"""Tests of the command line that does its job: training, sampling, evaluating, resuming, every option heard."""

import contextlib
import csv
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import ROOT
from tinygrad_lm import __version__, cli, locking, runs
from tinygrad_lm.cli.train import fitting
from tinygrad_lm.training import Trainer

TINY = ("--steps", "16", "--hidden", "6", "--embedding", "2", "--batch-size", "8")
FEW = ("--data", "names.txt", *TINY)
NAMES = [
    "abid",
    "aabid",
    "zeel",
    "nipun",
    "meera",
    "zara",
    "anya",
    "ravi",
    "kiran",
    "sunita",
    "vikash",
    "rajesh",
    "priya",
]
DEVANAGARI = ["राम", "सीता", "कृष्ण", "गीता", "मोहन", "राधा", "लक्ष्मी", "अर्जुन", "भीम", "द्रौपदी"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Runs are saved below the current directory: make that a temporary one. Graphviz has tests of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINYGRAD_LM_DOT", "builtin")
    Path("names.txt").write_text("\n".join(NAMES) + "\n", encoding="utf-8")
    Path("deva.txt").write_text("\n".join(DEVANAGARI) + "\n", encoding="utf-8")


@pytest.fixture
def run(capsys):
    """Run a command that must succeed; its output."""

    def succeed(*arguments, code=0):
        assert cli.main([str(argument) for argument in arguments]) == code
        out, err = capsys.readouterr()
        assert err == ""
        return out

    return succeed


@pytest.fixture(scope="class")
def trained_once(request, tmp_path_factory):
    """A folder with names.txt and a run that the tests of a class read: the one that its ``ONCE`` trains."""
    folder = tmp_path_factory.mktemp("shared")
    with contextlib.chdir(folder):
        Path("names.txt").write_text("\n".join(NAMES) + "\n", encoding="utf-8")
        assert cli.main(["train", "--data", "names.txt", *request.cls.ONCE]) == 0
    return folder


def config(folder):
    return json.loads(Path(folder, runs.CONFIG).read_text(encoding="utf-8"))


def metrics(folder):
    """The lines of metrics.csv without the column of times."""
    with Path(folder, runs.METRICS).open(encoding="utf-8", newline="") as file:
        return [row[:-1] for row in csv.reader(file)]


def written(folder, name=runs.WEIGHTS):
    return Path(folder, name).read_bytes()


def test_the_help_says_what_evaluate_evaluates(run):
    assert "predicts its own test names, or those of a file" in " ".join(run("--help").split())


class TestTrain:
    def test_a_newcomer_sees_everything(self, run):
        out = run("train", *TINY)
        for words in (
            "Data: the bundled Indian names",
            "names kept",
            "split by name, seed 0",
            "Vocabulary: 27 tokens, numbered from 0: a b c",
            "gives these examples, context -> next character",
            "  --- -> ",
            "embedding.weight ",
            " 27 x 2 ",
            "Learnable parameters",
            "step      16  train",
            "Trained 16 steps",
            "bigram counts, add",
            "trigram counts, add",
            "4gram counts, add",
            "perplexity",
            "Twenty names from the model",
            "Files of the run\n  model.safetensors       the weights\n",
            "graph.html              its backward pass to step through",
            f"Saved in {Path('runs/mlp-1')}. More names:  tinygrad-lm sample {Path('runs/mlp-1')} --seed 1",
        ):
            assert words in out, words
        names = out.partition("Twenty names from the model\n")[2].partition("\n\n")[0].splitlines()
        assert len(names) == 20 and all(line.endswith((" new", " in training data")) for line in names)

    def test_the_command_for_more_names_writes_others(self, run):
        out = run("train", *FEW, "--seed", "5")
        shown = out.partition("Twenty names from the model\n")[2].partition("\n\n")[0]
        command = out.rpartition("More names:  tinygrad-lm ")[2].split()
        more = run(*command)
        assert command[-2:] == ["--seed", "6"] and more.count("\n") == 20
        assert {*more.splitlines()} != {line.strip() for line in shown.splitlines()}

    def test_the_run_is_a_folder_and_its_log_what_was_printed(self, run):
        out = run("train", *FEW)
        folder = Path("runs/mlp-1")
        files = {path.name for path in folder.iterdir()}
        assert {
            "config.json",
            "model.safetensors",
            "checkpoint.safetensors",
            "metrics.csv",
            "log.txt",
            "training_names.txt",
            "graph.dot",
        } <= files
        assert not any(name.startswith(".") or "lock" in name for name in files)
        assert (folder / "log.txt").read_text(encoding="utf-8") == out
        assert [row[0] for row in metrics(folder)] == ["step", *map(str, range(2, 17, 2))]

    def test_the_next_run_takes_the_next_number(self, run):
        for number in (1, 2):
            assert f"mlp-{number}" in run("train", *FEW)
        for model in ("bigram", "unigram", "6gram"):
            assert f"Saved in {Path(f'runs/{model}-1')}" in run("train", "--data", "names.txt", "--model", model)

    def test_the_same_seed_the_same_bytes_and_another_other_ones(self, run):
        outs = [run("train", *FEW, "--seed", seed, "--out", f"r{i}") for i, seed in enumerate((0, 0, 1))]
        assert written("r0") == written("r1") != written("r2")
        assert metrics("r0") == metrics("r1") != metrics("r2")
        names = [out.partition("Twenty names")[2].partition("Saved")[0] for out in outs]
        assert names[0] == names[1] != names[2]

    @pytest.mark.parametrize(
        ("options", "where", "value"),
        [
            (("--context", "5"), ("model", "config", "context"), 5),
            (("--embedding", "7"), ("model", "config", "embedding"), 7),
            (("--hidden", "4,3"), ("model", "config", "hidden"), [4, 3]),
            (("--activation", "relu"), ("model", "config", "activation"), "relu"),
            (("--boundary", "."), ("model", "vocabulary", "boundary"), "."),
            (("--batch-size", "9"), ("training", "batch_size"), 9),
            (("--lr", "0"), ("training", "lr"), 0.0),
            (("--optimizer", "sgd"), ("training", "optimizer"), "sgd"),
            (("--schedule", "step"), ("training", "schedule"), "step"),
            (("--weight-decay", "0.5"), ("training", "weight_decay"), 0.5),
            (("--seed", "7"), ("training", "seed"), 7),
            (("--seed", "7"), ("data", "seed"), 7),
            (("--min-length", "5"), ("data", "min_length"), 5),
            (("--max-length", "5"), ("data", "max_length"), 5),
        ],
    )
    def test_every_option_is_heard(self, run, monkeypatch, options, where, value):
        monkeypatch.setattr(fitting, "_fit", lambda *arguments: 0)  # the plan is saved before the training
        run("train", "--data", "names.txt", "--out", "r", *options)
        found = config("r")
        for key in where:
            found = found[key]
        assert found == value

    def test_every_option_changes_the_weights(self, run):
        base = ("train", *FEW)
        run(*base, "--out", "base")
        for i, options in enumerate(
            (
                *(("--lr", "0.01"), ("--optimizer", "sgd"), ("--optimizer", "adam"), ("--schedule", "linear")),
                *(("--weight-decay", "0.5"), ("--activation", "relu"), ("--seed", "1")),
            )
        ):
            run(*base, *options, "--out", f"r{i}")
            assert written(f"r{i}") != written("base"), options

    def test_the_weights_that_validated_best_are_saved(self, run):
        out = run(
            "train", "--data", "names.txt", "--steps", "400", "--lr", "0.1", "--schedule", "constant", "--out", "r"
        )
        found = {int(row[0]): float(row[2]) for row in metrics("r")[1:]}
        best = min(found, key=found.__getitem__)
        assert best < 400 and found[best] < found[400] - 0.1  # ten names are soon learned by heart
        assert f"the best weights are those of step {best:,}" in out
        line = next(line for line in out.splitlines() if "this run: mlp" in line)
        assert float(line.split()[-2]) == pytest.approx(found[best], abs=6e-4)

    def test_epochs_are_passes_over_the_data(self, run):
        run("train", "--data", "names.txt", "--epochs", "3", "--batch-size", "10", "--out", "r")
        characters = sum(len(n) + 1 for n in Path("r", runs.TRAINING_NAMES).read_text().split())
        assert config("r")["training"]["steps"] == 3 * -(-characters // 10)

    def test_few_names_shrink_the_default_batch(self, run):
        Path("three.txt").write_text("amy\nbob\ncat\n")
        run("train", "--data", "three.txt", "--steps", "3", "--out", "r")
        assert config("r")["training"]["batch_size"] == 4

    @pytest.mark.parametrize("model", ["unigram", "bigram", "trigram", "4gram", "5gram", "6gram"])
    def test_counting_models(self, run, model):
        out = run("train", "--model", model, "--out", "r", "--smoothing", "0.5")
        assert f"this run: {model}, add 0.5" in out and config("r")["model"]["config"]["smoothing"] == 0.5
        counted = [line for line in out.splitlines() if f"{model} counts" in line]
        if counted and "add 0.5" in counted[0]:
            assert counted[0].split()[-2:] == out.partition("this run")[2].splitlines()[0].split()[-2:]
        assert run("sample", "r", "-n", 3).count("\n") == 3

    def test_a_bigram_without_smoothing(self, run):
        run("train", "--model", "bigram", "--smoothing", "0", "--data", "names.txt", "--out", "r")
        assert run("sample", "r", "-n", "50").count("\n") == 50
        assert "loss inf" in run("evaluate", "r", "names.txt")

    def test_devanagari_from_end_to_end(self, run):
        out = run("train", "--data", "deva.txt", "--alphabet", "data", *TINY, "--out", "r")
        assert "कृ" in out and "10 names kept" in out
        assert "कृ" in Path("r/config.json").read_text(encoding="utf-8")
        assert all(line.startswith("सी") for line in run("sample", "r", "--prefix", "सी").splitlines())
        assert "10 names, 8 of them in the training data" in run("evaluate", "r", "deva.txt")
        run("train", "--model", "trigram", "--smoothing", "0", "--data", "deva.txt", "--alphabet", "data", "--out", "t")
        assert "in training data" in run("sample", "t")

    def test_another_boundary(self, run):
        out = run("train", "--boundary", ".", *FEW, "--out", "r")
        assert "  ... -> " in out and ". (number 26) stands before the start" in out
        assert ".\n" not in run("sample", "r") and run("sample", "r", "--trace").count("choice") == 20

    def test_names_with_hyphens_under_another_boundary(self, run):
        Path("h.txt").write_text("anne-marie\njean-luc\nmary-ann\nbo-ra\n")
        run("train", "--data", "h.txt", "--alphabet", "data", "--boundary", ".", *TINY, "--out", "r")
        assert "-" in config("r")["model"]["vocabulary"]["tokens"]

    def test_a_folder_with_a_space_can_be_pasted(self, run):
        assert f"tinygrad-lm sample {runs.typed('my run')} --seed 1\n" in run("train", *FEW, "--out", "my run")

    @pytest.mark.skipif(sys.platform == "win32", reason="the rules of a POSIX shell")
    @pytest.mark.parametrize(
        "name", ["my run", "it's", "$(id)", "a;b", "`id`", '"', "*", "-x", "--", "a/-b", "plain-1"]
    )
    def test_what_is_pasted_is_the_folder_and_nothing_else(self, name):
        (word,) = shlex.split(runs.typed(name))
        assert Path(word) == Path(name) and not word.startswith("-")
        assert runs.typed("plain-1") == "plain-1"

    @pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux alone")
    def test_paths_that_are_not_text(self, run):
        data, out = os.fsdecode(b"names\xff.txt"), os.fsdecode(b"run\xff")
        Path(data).write_text("\n".join(NAMES))
        run("train", "--data", data, *TINY, "--out", out)
        run("evaluate", out, data)
        assert config(out)["data"]["file"] == str(Path(data).resolve())


class TestSample:
    ONCE = ("--model", "trigram", "--out", "r", "--smoothing", "0.01")

    @pytest.fixture(autouse=True)
    def beside_the_run(self, elsewhere, trained_once, monkeypatch):
        monkeypatch.chdir(trained_once)

    def test_seeds_and_counts(self, run):
        first = run("sample", "r")
        assert first == run("sample", "r", "--seed", "0") != run("sample", "r", "--seed", "1")
        assert first.count("\n") == 20 and run("sample", "r", "-n", "5") == "".join(first.splitlines(True)[:5])

    def test_greedy_writes_one_name(self, run):
        assert len(set(run("sample", "r", "--temperature", "0").splitlines())) == 1
        assert run("sample", "r", "--temperature", "0") == run("sample", "r", "--top-k", "1")
        assert run("sample", "r", "--temperature", "0") == run("sample", "r", "--top-p", "1e-9")

    def test_every_option_changes_something(self, run):
        base = run("sample", "r", "-n", "40")
        for options in (("--temperature", "3"), ("--top-k", "1"), ("--top-p", "0.3"), ("--max-length", "3")):
            assert run("sample", "r", "-n", "40", *options) != base, options

    def test_names_are_marked(self, run):
        lines = run("sample", "r", "-n", "60").splitlines()
        training = set(Path("r", runs.TRAINING_NAMES).read_text().split())
        for line in lines:
            name, _, mark = line.partition(" ")
            assert mark.strip() == ("in training data" if name in training else "new")
        assert len({line.split(maxsplit=1)[1] for line in lines}) == 2

    def test_names_that_were_cut_show_it(self, run):
        lines = run("sample", "r", "--max-length", "3", "-n", "5").splitlines()
        assert all(line.split()[0][3:] in ("", "...") for line in lines) and "..." in lines[0]

    def test_an_empty_name_shows(self, run):
        run("train", "--model", "unigram", "--data", "names.txt", "--out", "u")
        assert "(empty)" in run("sample", "u", "-n", "99")

    def test_the_trace_shows_each_step(self, run):
        out = run("sample", "r", "--trace", "--prefix", "ze", "-n", "1")
        assert "context" in out and "the likeliest options" in out and "roll" in out and "-ze " in out
        steps = [line for line in out.splitlines() if line.startswith("    -")]
        assert "".join(line.split()[-1] for line in steps).startswith("el")
        assert out.splitlines()[-1] == run("sample", "r", "--prefix", "ze", "-n", "1").strip()


class TestEvaluate:
    def test_it_equals_the_training_report(self, run):
        out = run("train", "--model", "bigram", "--out", "r", "--smoothing", "1")
        Path("all.txt").write_text("zara\nZARA\n\nnew1\nqqq\n")
        found = run("evaluate", "r", "all.txt")
        assert "all.txt: 2 names, " in found and "1 more dropped, duplicate" in found
        assert "1 more dropped, characters outside the vocabulary" in found
        run("evaluate", "r", Path("r", runs.TRAINING_NAMES))
        loss = runs.load(Path("r")).model.evaluate(["zara", "qqq"]).loss
        assert f"loss {loss:.4f} nats a character" in found and "this run: bigram, add 1" in out


class TestStoppingAndGoingOn:
    LONG = ("--data", "names.txt", "--hidden", "5", "--batch-size", "8", "--steps", "40")
    ONCE = (*LONG, "--out", "whole")

    @pytest.fixture(autouse=True)
    def beside_the_whole_run(self, elsewhere, trained_once, monkeypatch):
        monkeypatch.chdir(trained_once)

    @pytest.mark.parametrize(
        ("step", "number"), [(1, signal.SIGTERM), (12, signal.SIGINT), (15, signal.SIGTERM), (40, signal.SIGINT)]
    )
    def test_with_the_same_bytes_at_the_end(self, run, monkeypatch, number, step):
        folder = f"r-{step}-{number}"
        with monkeypatch.context() as patch:
            original = Trainer._train_step

            def stopping(trainer):
                loss = original(trainer)
                if trainer.step + 1 == step:
                    signal.raise_signal(number)
                return loss

            patch.setattr(Trainer, "_train_step", stopping)
            out = run("train", *self.LONG, "--out", folder, code=cli.INTERRUPTED)
        assert f"Stopped after step {step} of 40; all is saved in {folder}." in out
        assert out.endswith(f"Go on with:  tinygrad-lm train --resume {folder}\n")
        run("sample", folder, "-n", "2")
        out = run("train", "--resume", folder)
        assert f"Going on with {folder} after step {step} of 40" in out and f"Saved in {folder}" in out
        for name in (runs.WEIGHTS, runs.CONFIG, runs.TRAINING_NAMES):
            assert written(folder, name) == written("whole", name), name
        assert metrics(folder) == metrics("whole")
        assert not Path(folder, locking.LOCK).exists()

    def test_a_crash_after_a_checkpoint(self, monkeypatch):
        monkeypatch.setattr(fitting, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
        original = Trainer._train_step

        def crashing(trainer):
            if trainer.step == 23:
                raise KeyboardInterrupt  # as a second Ctrl-C: at once, nothing saved
            return original(trainer)

        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "_train_step", crashing)
            assert cli.main(["train", *self.LONG, "--out", "r"]) == cli.INTERRUPTED
        assert "after step 20 of 40" in (cli.main(["train", "--resume", "r"]), Path("r/log.txt").read_text())[1]
        assert written("r") == written("whole") and metrics("r") == metrics("whole")


class TestProgram:
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
