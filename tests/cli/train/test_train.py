"""Tests of ``tinygrad-lm train``: what is shown and saved, and that every option is heard."""

import os
import shlex
import sys
from pathlib import Path

import pytest

from tests.helpers.command_line import NAMES, TINY, config, metrics, written
from tinygrad_lm import runs
from tinygrad_lm.cli.train import fitting

pytestmark = pytest.mark.usefixtures("elsewhere")

FEW = ("--data", "names.txt", *TINY)


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
            "Kneser-Ney counts, order 6",
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
            (("--clip-grad-norm", "0.5"), ("training", "clip_grad_norm"), 0.5),
            (("--warmup-steps", "5"), ("training", "warmup_steps"), 5),
            (("--ema-decay", "0.99"), ("training", "ema_decay"), 0.99),
            (("--label-smoothing", "0.1"), ("training", "label_smoothing"), 0.1),
            (("--seed", "7"), ("training", "seed"), 7),
            (("--seed", "7"), ("data", "seed"), 7),
            (("--split-seed", "7"), ("data", "seed"), 7),
            (("--split-seed", "7"), ("training", "seed"), 0),
            (("--split-seed", "0", "--seed", "7"), ("data", "seed"), 0),
            (("--split-seed", "0", "--seed", "7"), ("training", "seed"), 7),
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
                *(("--clip-grad-norm", "1e-9"), ("--warmup-steps", "3"), ("--ema-decay", "0.5")),
            )
        ):
            run(*base, *options, "--out", f"r{i}")
            assert written(f"r{i}") != written("base"), options

    def test_the_weights_that_validated_best_are_saved(self, run):
        Path("names.txt").write_text("\n".join([*NAMES, "aabid"]))
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

    @pytest.mark.parametrize("model", ["unigram", "bigram", "trigram", "4gram", "5gram", "6gram", "7gram"])
    def test_counting_models(self, run, model):
        out = run("train", "--model", model, "--out", "r", "--smoothing", "0.5")
        assert f"this run: {model}, add 0.5" in out and config("r")["model"]["config"]["smoothing"] == 0.5
        counted = [line for line in out.splitlines() if f"{model} counts" in line]
        if counted and "add 0.5" in counted[0]:
            assert counted[0].split()[-2:] == out.partition("this run")[2].splitlines()[0].split()[-2:]
        assert run("sample", "r", "-n", 3).count("\n") == 3

    def test_kneser_ney_counts(self, run):
        out = run("train", "--model", "kneser-ney", "--data", "names.txt", "--out", "r")
        rows = [line.split() for line in out.splitlines() if "Kneser-Ney counts, order 6" in line or "this run" in line]
        assert rows[1][:4] == ["this", "run:", "kneser-ney,", "order"] and rows[0][-3:] == rows[1][-3:]
        assert "6grams: " in out and "of 14,348,907 contexts" in out and run("sample", "r", "-n", 3).count("\n") == 3
        run("train", "--model", "kneser-ney", "--order", "3", "--data", "names.txt", "--out", "t")
        assert config("t")["model"]["config"]["order"] == 3 and "loss" in run("evaluate", "t", "names.txt")
        refused = run("train", "--model", "kneser-ney", "--smoothing", "1", code=2)
        assert "--smoothing means nothing to the model 'kneser-ney'" in refused

    def test_a_bigram_that_is_learned(self, run):
        out = run("train", "--model", "neural-bigram", "--out", "r")
        assert "  - -> a" in out and "27 x 27" in out and "729" in out
        losses = [float(line.split()[-2]) for line in out.splitlines() if "bigram counts" in line or "this run" in line]
        assert losses[1] == pytest.approx(losses[0], abs=0.02)
        assert "graph.svg" in out and run("sample", "r", "-n", 3).count("\n") == 3

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


@pytest.mark.parametrize("sizes", [("30", "10"), ("30,10",), ("30", "10,7")])
def test_hidden_sizes_apart_or_together(run, sizes):
    run("train", "--data", "names.txt", "--hidden", *sizes, "--steps", "2", "--out", "r")
    expected = [int(size) for part in sizes for size in part.split(",")]
    assert runs.load(Path("r")).config["model"]["config"]["hidden"] == expected
