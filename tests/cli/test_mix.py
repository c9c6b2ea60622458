"""Tests of ``tinygrad-lm mix``: the weights, the table, the run that it leaves, and runs that do not go together."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.command_line import EIGHT, NAMES, SMALL, config, stopping_after, written
from tinygrad_lm import cli, models, runs
from tinygrad_lm.cli.names import OWN_COPY
from tinygrad_lm.models import KneserNey, Mixture, NGram
from tinygrad_lm.text import split_names

pytestmark = pytest.mark.usefixtures("elsewhere")

SPLIT = split_names(NAMES, seed=0)


@pytest.fixture
def some_runs(elsewhere, run):
    """A neural run and two of counts on one split."""
    run("train", "--data", "names.txt", "--steps", "16", *SMALL, "--out", "m")
    run("train", "--data", "names.txt", "--model", "kneser-ney", "--out", "k")
    run("train", "--data", "names.txt", "--model", "bigram", "--smoothing", "1", "--out", "b")


def table(out):
    """The rows of the first table, by the first column."""
    lines = [re.split(r" {2,}", line.strip()) for line in out.splitlines() if line.startswith("  ")]
    return {row[0]: row[1:] for row in lines if len(row) == 4}


@pytest.mark.usefixtures("some_runs")
class TestMix:
    def test_what_is_shown_and_saved(self, run):
        out = run("mix", "m", "k", "b")
        folder = Path("runs/mix-1")
        mixture = runs.load(folder).model
        parts = [runs.load(Path(name)).model for name in ("m", "k", "b")]
        expected = Mixture(parts).fit(SPLIT.validation)
        assert np.array_equal(mixture.weights, expected.weights) and mixture.weights.max() < 1
        for name, model, weight in (*zip("mkb", parts, mixture.weights, strict=True), ("mixture of 3", expected, 1.0)):
            losses = [f"{model.evaluate(names).loss:.4f}" for names in (SPLIT.validation, SPLIT.test)]
            assert table(out)[name] == [f"{weight:.3f}", *losses]
        assert expected.evaluate(SPLIT.validation).loss < min(m.evaluate(SPLIT.validation).loss for m in parts)
        names = out.partition("Twenty names from the model\n")[2].partition("\n\n")[0].splitlines()
        assert len(names) == 20
        assert out == (folder / runs.LOG).read_text(encoding="utf-8")
        assert out.endswith(f"Saved in {folder}. More names:  tinygrad-lm sample {folder} --seed 1\n")

    def test_its_configuration_says_from_which_runs_it_came(self, run):
        run("mix", "m", "k", "--out", "x")
        told = config("x")["mixed"]
        assert [each["run"] for each in told] == [str(Path(name).resolve()) for name in "mk"]
        assert [each["kind"] for each in told] == ["mlp", "kneser-ney"]
        assert told[0]["seconds"] == runs.metrics("m")[-1].seconds and told[1]["seconds"] is None
        assert config("x")["data"] == config("m")["data"] and config("x")["training"] is None
        assert runs.seconds_of_training("x", config("x")) == told[0]["seconds"]
        assert written("x", runs.TRAINING_NAMES) == written("m", runs.TRAINING_NAMES)

    def test_it_is_a_run_like_any_other(self, run):
        run("mix", "m", "k", "--out", "x")
        assert len(run("sample", "x", "-n", "5").splitlines()) == 5
        loss = runs.load(Path("x")).model.evaluate(SPLIT.test).loss
        assert f"loss {loss:.4f}" in run("evaluate", "x") and f"{loss:.4f}" in run("compare", "x", "-n", "9")
        assert isinstance(models.load("x"), Mixture)
        assert "x holds a mixture of models that are trained: there is nothing" in run("train", "--resume", "x", code=1)
        out = run("mix", "x", "b", "--out", "y")
        assert list(table(out))[1:] == ["x: mlp", "x: kneser-ney", "b", "mixture of 3"]
        assert [type(member) for member in runs.load(Path("y")).model.members][1:] == [KneserNey, NGram]

    def test_the_same_runs_give_the_same_bytes_under_the_next_number(self, run):
        run("mix", "m", "k")
        run("mix", "m", "k")
        assert written("runs/mix-1") == written("runs/mix-2")

    def test_a_seed_decides_the_names_that_are_shown(self, run):
        outs = [run("mix", "m", "k", *more) for more in ((), ("--seed", "0"), ("--seed", "5"))]
        names = [out.partition("Twenty names from the model\n")[2].partition("\n\n")[0] for out in outs]
        assert names[0] == names[1] != names[2] and outs[2].endswith("--seed 6\n")
        assert [line.split() for line in names[2].splitlines()] == [
            line.split() for line in run("sample", "runs/mix-3", "--seed", "5").splitlines()
        ]
        assert written("runs/mix-1") == written("runs/mix-3")

    def test_a_stopped_run_is_mixed_with_its_best_weights(self, run):
        with stopping_after(5):
            run("train", "--data", "names.txt", "--steps", "8", *SMALL, "--out", "s", code=cli.INTERRUPTED)
        run("mix", "s", "k", "--out", "x")


class TestRefusals:
    def test_too_few_or_the_same(self, run):
        assert "a mixture has two runs or more" in run("mix", "m", code=2)
        assert "a run is given twice" in run("mix", "m", "./m", code=2)
        assert "RUN" in run("mix", code=2)

    def test_which_of_the_same_is_said(self, run):
        assert "leave out './m'" in run("mix", "m", "k", "./m", code=2)

    @pytest.mark.usefixtures("some_runs")
    def test_a_run_that_is_in_a_mixture_already(self, run):
        run("mix", "m", "k", "--out", "x")
        for given in (("x", "m"), ("m", "x"), ("b", "./x/", "../" + Path.cwd().name + "/m")):
            message = run("mix", *given, "--out", "y", code=2)
            assert "m is in the mixture x already: leave it out, or mix it with the runs that x was made of" in message
        run("mix", "x", "b", "--out", "y")
        assert "k is in the mixture y already" in run("mix", "y", "k", code=2)
        run("mix", "b", "k", "--out", "z")
        assert f"x and z are both mixtures of {Path('k').resolve()}: mix the" in run("mix", "x", "z", code=2)
        assert not Path("runs").exists()

    @pytest.mark.usefixtures("some_runs")
    @pytest.mark.parametrize("mixed", [None, 5, [5], [{}], [{"run": 5}], [{"mixed": {}}]])
    def test_a_mixture_that_does_not_say_what_it_came_from(self, run, mixed):
        run("mix", "m", "k", "--out", "x")
        told = json.dumps({**config("x"), "mixed": mixed})
        Path("x", runs.CONFIG).write_text(told, encoding="utf-8")
        assert "mixture of 3" in run("mix", "x", "m")

    def test_no_training_makes_one(self, run):
        for more in ((), ("--help",)):
            message = run("train", "--model", "mixture", *more, code=2)
            assert "a mixture is made of models that are trained already: tinygrad-lm mix RUN RUN" in message

    @pytest.mark.usefixtures("some_runs")
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (("--seed", "1"), ("(--split-seed 0 and 1)", "train o anew with --split-seed 0")),
            (("--boundary", "."), ("(--boundary '-' and '.')", "with --boundary -")),
            (("--alphabet", "data"), ("(--alphabet 'latin' and 'data')", "with --alphabet latin")),
            (("--min-length", "5"), ("(--min-length 1 and 5)", "with --min-length 1")),
            (("--max-length", "5"), ("(--max-length none and 5)", "train o anew without --max-length")),
        ],
    )
    def test_another_split(self, run, options, words):
        run("train", "--data", "names.txt", "--model", "bigram", *options, "--out", "o")
        message = run("mix", "m", "o", code=1)
        assert "m and o were not trained on the same split of the same names" in message
        assert all(word in message for word in words) and not Path("runs").exists()

    @pytest.mark.usefixtures("some_runs")
    def test_other_names(self, run):
        Path("eight.txt").write_text("\n".join(EIGHT), encoding="utf-8")
        run("train", "--data", "eight.txt", "--model", "bigram", "--out", "o")
        message = run("mix", "m", "o", code=1)
        assert "(--data '" in message and "eight.txt'" in message and "with --data " in message
        run("train", "--model", "bigram", "--out", "p")
        assert "and the bundled names)" in run("mix", "m", "p", code=1)
        assert "train m anew without --data" in run("mix", "p", "m", code=1)

    @pytest.mark.usefixtures("some_runs")
    def test_names_that_changed(self, run):
        Path("names.txt").write_text("\n".join([*NAMES, "more"]), encoding="utf-8")
        assert "have changed since m was started; train anew the runs" in run("mix", "m", "k", code=1)
        run("train", "--data", "names.txt", "--model", "bigram", "--out", "o")
        message = run("mix", "m", "o", code=1)
        assert "(the names themselves, which have changed in between)" in message and message.endswith("o anew\n")

    @pytest.mark.usefixtures("some_runs")
    def test_training_names_of_another_run(self, run):
        Path("k", runs.TRAINING_NAMES).write_text("zara\n", encoding="utf-8")
        assert "the names themselves" in run("mix", "m", "k", code=1)

    @pytest.mark.usefixtures("some_runs")
    def test_a_folder_that_is_taken_is_left_as_it_is(self, run):
        before = sorted(path.name for path in Path("k").iterdir())
        assert "exists and is not empty; give another --out" in run("mix", "m", "b", "--out", "k", code=1)
        assert sorted(path.name for path in Path("k").iterdir()) == before

    @pytest.mark.usefixtures("some_runs")
    @pytest.mark.parametrize("data", [None, [], "x", {}, {"fingerprint": 5}])
    def test_a_configuration_without_its_data(self, run, data):
        for folder in ("m", "k"):
            path = Path(folder, runs.CONFIG)
            path.write_text(json.dumps({**config(folder), "data": data}), encoding="utf-8")
        assert "tinygrad-lm: " in run("mix", "m", "k", code=1)


def test_lines_that_came_through_a_pipe_are_copied(run, some_runs):
    for folder in "mk":
        path = Path(folder, runs.CONFIG)
        changed = {**config(folder), "data": {**config(folder)["data"], "file": OWN_COPY}}
        path.write_text(json.dumps(changed), encoding="utf-8")
        Path(folder, OWN_COPY).write_text("\n".join(NAMES), encoding="utf-8")
    run("mix", "m", "k", "--out", "x")
    assert written("x", OWN_COPY) == written("m", OWN_COPY)
    for folder in "mk":
        Path(folder, OWN_COPY).unlink()
    assert "test split of the run" in run("evaluate", "x")


OWN = """
from tinygrad_lm import models, nn

class Rows(nn.Module, models.TrainableModel):
    kind = "{kind}"

    def __init__(self, vocabulary):
        self.vocabulary, self.rows = vocabulary, nn.Embedding(len(vocabulary), len(vocabulary))

    def forward(self, tokens):
        return self.rows(tokens)
"""


@pytest.mark.usefixtures("families")
def test_families_of_ones_own(run):
    given = []
    for kind in ("one", "two"):
        Path(f"{kind}.py").write_text(OWN.format(kind=kind), encoding="utf-8")
        own = ("--model", f"{kind}.py:Rows")
        run("train", "--data", "names.txt", *own, "--steps", "8", "--out", kind)
        given += own
    out = run("mix", "one", "two", *given, "--out", "x")
    assert f"tinygrad-lm sample x {' '.join(given)} --seed 1" in out
    for kind in ("one", "two"):
        del models.FAMILIES[kind]
    assert "unknown kind 'one'" in run("sample", "x", code=1) and "unknown kind" in run("mix", "x", "two", code=1)
    run("sample", "x", *given, "-n", "2")
    assert "only a family of your own is given" in run("compare", "x", "--model", "mlp", code=2)


class TestAtTheEndOfATraining:
    def test_it_is_mixed_with_counts_in_runs_of_their_own(self, run):
        out = run("train", "--data", "names.txt", "--steps", "16", *SMALL, "--mix")
        mixture = runs.load("runs/mix-1").model
        assert [member.kind for member in mixture.members] == ["mlp", "kneser-ney"]
        parts = [runs.load(f"runs/{name}-1").model for name in ("mlp", "kneser-ney")]
        assert np.array_equal(mixture.weights, Mixture(parts).fit(SPLIT.validation).weights)
        assert parts[1].order == 6 and "Saved in runs/kneser-ney-1\n" in out.replace("\\", "/")
        assert set(table(out)) >= {str(Path("runs/mlp-1")), str(Path("runs/kneser-ney-1")), "mixture of 2"}
        assert out.count("Twenty names from the model") == 2
        run("train", "--data", "names.txt", "--model", "kneser-ney", "--order", "6", "--out", "k")
        run("mix", "runs/mlp-1", "k", "--out", "x")
        assert runs.load("x").model.log_likelihoods(NAMES).tobytes() == mixture.log_likelihoods(NAMES).tobytes()

    @pytest.mark.parametrize("kind", ["kneser-ney", "mix"])
    def test_a_folder_that_is_taken_is_told_before_the_training(self, run, kind):
        Path(f"a-{kind}").mkdir()
        Path(f"a-{kind}", "x").touch()
        told = ("train", "--data", "names.txt", "--steps", "4", *SMALL, "--mix", "--out")
        assert f"a-{kind} exists and is not empty; give another --out" in run(*told, "a", code=1)
        assert not Path("a").exists()
        run(*told, "b/")
        assert Path("b-kneser-ney").is_dir() and Path("b-mix").is_dir()
        assert "or go on with this finished run: --resume b --steps N" in run(*told, "b", code=1)

    def test_the_seed_of_the_run_decides_the_names_of_all(self, run):
        out = run("train", "--data", "names.txt", "--steps", "4", *SMALL, "--mix", "--seed", "7", "--out", "a")
        assert out.endswith("tinygrad-lm sample a-mix --seed 8\n")

    def test_here_they_are_called_after_the_folder(self, run, monkeypatch):
        data = Path("names.txt").resolve()
        Path("h").mkdir()
        monkeypatch.chdir("h")
        run("train", "--data", data, "--steps", "4", *SMALL, "--mix", "--out", ".")
        assert {"h", "h-kneser-ney", "h-mix"} <= {path.name for path in Path("..").iterdir()}

    def test_folders_are_called_after_its_own(self, run):
        run("train", "--data", "names.txt", "--steps", "4", *SMALL, "--mix", "--out", "a/b")
        assert {path.name for path in Path("a").iterdir()} == {"b", "b-kneser-ney", "b-mix"}

    def test_counts_are_not_mixed_with_counts(self, run):
        assert "--mix means nothing to the model 'trigram'; leave it out" in run(
            "train", "--data", "names.txt", "--model", "trigram", "--mix", code=2
        )

    def test_a_run_that_goes_on_is_mixed_at_its_end(self, run):
        with stopping_after(3):
            out = run("train", "--data", "names.txt", "--steps", "16", *SMALL, "--mix", code=cli.INTERRUPTED)
        assert out.endswith("tinygrad-lm train --resume runs/mlp-1 --mix\n") and not Path("runs/mix-1").exists()
        run("train", "--resume", "runs/mlp-1", "--mix")
        assert [member.kind for member in runs.load("runs/mix-1").model.members] == ["mlp", "kneser-ney"]

    @pytest.mark.parametrize("out", ["r/a", "mlp-1", "runs/exp-1", "runs/mlp-x"])
    def test_a_run_that_goes_on_in_a_folder_that_was_asked_for(self, run, out):
        told = ("train", "--data", "names.txt", "--steps", "16", *SMALL, "--mix", "--out", out)
        with stopping_after(3):
            run(*told, code=cli.INTERRUPTED)
        run("train", "--resume", f"{out}/", "--mix")
        folder = Path(out)
        made = {f"{folder.name}{end}" for end in ("", "-kneser-ney", "-mix")}
        assert made <= {path.name for path in folder.parent.iterdir()}
        assert not any(Path("runs", f"{kind}-1").exists() for kind in ("kneser-ney", "mix"))
        assert isinstance(runs.load(f"{out}-mix").model, Mixture)

    def test_a_folder_that_is_taken_is_told_before_a_run_goes_on(self, run):
        told = ("train", "--data", "names.txt", "--steps", "16", *SMALL, "--mix", "--out", "a")
        with stopping_after(3):
            run(*told, code=cli.INTERRUPTED)
        Path("a-mix").mkdir()
        Path("a-mix", "x").touch()
        message = run("train", "--resume", "a", "--mix", code=1)
        assert "a-mix exists and is not empty; move it, or leave out --mix" in message and "--out" not in message
        assert "Going on with a after step 3" in run("train", "--resume", "a")

    def test_a_preset_under_a_number_goes_on_among_the_numbers(self, run):
        with stopping_after(3):
            run("train", "--model", "lab4-mlp", "--data", "names.txt", "--steps", "16", "--mix", code=cli.INTERRUPTED)
        run("train", "--resume", "runs/lab4-mlp-1", "--mix")
        assert {path.name for path in Path("runs").iterdir()} == {"lab4-mlp-1", "kneser-ney-1", "mix-1"}

    @pytest.mark.usefixtures("families")
    def test_a_family_of_the_users_own(self, run):
        Path("own.py").write_text(OWN.format(kind="own"), encoding="utf-8")
        own = ("--model", "own.py:Rows")
        out = run("train", *own, "--data", "names.txt", "--steps", "4", "--mix")
        assert out.endswith("tinygrad-lm sample runs/mix-1 --model own.py:Rows --seed 1\n")
        assert run("sample", "runs/mix-1", *own, "-n", "2").count("\n") == 2
