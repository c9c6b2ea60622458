"""Tests of what ``train`` chooses and reports on its own: defaults, checkpoints in time, the comparison with counts."""

import contextlib
import io
import json
import re
import tempfile
from pathlib import Path
from unittest import mock

import pytest

from tinygrad_lm import cli, runs, training
from tinygrad_lm.cli import family
from tinygrad_lm.cli.train import fitting, picture, plan
from tinygrad_lm.cli.train.options import TrainOptions
from tinygrad_lm.models import KneserNey, NGram
from tinygrad_lm.text import Vocabulary, split_names

WORDS = "abid aabid zeel nipun meera zara anya ravi kiran sunita vikash priya rajesh deepa mohan sita gopal lata rohan"
NAMES = f"{WORDS} arjun nisha kavya dev isha tarun meena anil bina chitra dinesh esha farhan gita hari indira".split()
SMALL = ("--hidden", "4", "--batch-size", "8")


@contextlib.contextmanager
def elsewhere():
    """A current directory of its own, with a file of names."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("names.txt").write_text("\n".join(NAMES), encoding="utf-8")
        yield


def train(*options):
    """Train on the file of names; what was printed."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert cli.main(["train", "--data", "names.txt", "--out", "r", *options]) == 0
    return out.getvalue()


def plan_of(*options):
    """The plan in the run's configuration, which is written before the training; there is none of that here."""
    with elsewhere(), mock.patch.object(fitting, "_fit", lambda *arguments: 0):
        train("--hidden", "4", *options)
        return json.loads(Path("r", runs.CONFIG).read_text(encoding="utf-8"))["training"]


@pytest.mark.parametrize(
    ("optimizer", "lr", "weight_decay"),
    [((), 0.003, 0.06), (("adamw",), 0.003, 0.06), (("adam",), 0.003, 0.0), (("sgd",), 0.3, 0.0)],
)
def test_what_an_optimizer_starts_with(optimizer, lr, weight_decay):
    chosen = [word for name in optimizer for word in ("--optimizer", name)]
    plan = plan_of(*chosen)
    assert (plan["lr"], plan["weight_decay"]) == (lr, weight_decay)
    given = plan_of(*chosen, "--lr", "0.01", "--weight-decay", "0.5")
    assert (given["lr"], given["weight_decay"]) == (0.01, 0.5)
    zero = plan_of(*chosen, "--lr", "0", "--weight-decay", "0")
    assert (zero["lr"], zero["weight_decay"]) == (0.0, 0.0)


def test_what_is_said_of_the_defaults_is_so():
    (names,) = [action for action in cli.parser()._actions if action.dest == "command"]
    help_ = " ".join(names.choices["train"].format_help().split())
    for words in ("0.003; 0.3 for sgd", "0.06; 0 for sgd and adam", "64", "adamw", "cosine", "8000"):
        assert f"default: {words}" in help_
    plan = plan_of()
    assert (plan["batch_size"], plan["optimizer"], plan["schedule"], plan["seed"]) == (64, "adamw", "cosine", 0)


def test_as_many_steps_as_the_help_says():
    plan = plan_of()
    assert (plan["steps"], plan["evaluate_every"]) == (8_000, 250)


def saves(seconds_a_step):
    """After which of 80 steps a training saves, by a clock that each step moves on; it evaluates each 10."""
    clock, saved = [0.0], []
    step, save = training.Trainer._train_step, runs.save_checkpoint

    def timed(trainer):
        clock[0] += seconds_a_step
        return step(trainer)

    def saving(folder, trainer, *more):
        saved.append(trainer.step)
        save(folder, trainer, *more)

    with (
        elsewhere(),
        mock.patch("time.perf_counter", lambda: clock[0]),
        mock.patch.object(training.Trainer, "_train_step", timed),
        mock.patch.object(runs, "save_checkpoint", saving),
        mock.patch.object(picture, "draw", lambda *arguments: None),
    ):
        train("--steps", "80", *SMALL)
    return saved


def test_a_kill_costs_a_few_seconds_at_most():
    assert saves(0.5)[:8] == [10, 20, 30, 40, 50, 60, 70, 80]
    assert saves(0.05)[:2] == [10, 60]  # nor is each evaluation of a quick training followed by a write


def table(out):
    """The comparison that was printed: what is said of each model, as text."""
    lines = out.partition("Validation, in nats a character")[2].partition("\n\n")[0].splitlines()[2:]
    rows = [re.split(r" {2,}", line.strip()) for line in lines]
    return {name.partition(" counts")[0]: (name, loss, perplexity) for name, loss, perplexity in rows}


@pytest.mark.parametrize("model", ["bigram", "mlp"])
def test_the_comparison_counts_the_training_names_and_is_measured_on_the_validation_names(model):
    with elsewhere():
        options = ("--smoothing", "0.02") if model == "bigram" else ("--steps", "40", "--lr", "0.05", *SMALL)
        rows = table(train("--model", model, *options))
        own = runs.load(Path("r")).model
    split = split_names(NAMES, seed=0)
    orders = {"bigram": 2, "trigram": 3, "4gram": 4}
    counts = {name: NGram.fitted(n, split.train, split.validation, Vocabulary()) for name, n in orders.items()}
    assert list(rows)[:-1] == [*counts, "Kneser-Ney"]
    for name, counted in {**counts, "Kneser-Ney": KneserNey(5).fit(split.train)}.items():
        found = counted.evaluate(split.validation)
        how = "order 6" if name == "Kneser-Ney" else f"add {counted.smoothing:g}"
        expected = (f"{name} counts, {how}", f"{found.loss:.3f}", f"{found.perplexity:.2f}")
        assert rows[name] == expected
        for other in (split.train, split.test, NAMES):  # else the test could not tell
            assert expected[1] != f"{counted.evaluate(other).loss:.3f}"
    (this,) = [row for name, row in rows.items() if name.startswith("this run")]
    found = own.evaluate(split.validation)
    assert this[1:] == (f"{found.loss:.3f}", f"{found.perplexity:.2f}")


def test_the_split_may_have_a_seed_of_its_own():
    found = {}
    for options in ((), ("--seed", "1"), ("--split-seed", "1"), ("--seed", "1", "--split-seed", "0")):
        with elsewhere():
            out = train("--model", "bigram", *options)
            found[options] = Path("r", runs.TRAINING_NAMES).read_text(encoding="utf-8").split(), out
    drawn = {options: out.partition("Twenty names")[2].partition("Files")[0] for options, (_, out) in found.items()}
    plain, other, split_alone, other_alone = found
    assert found[plain][0] == found[other_alone][0] == list(split_names(NAMES, seed=0).train)
    assert found[other][0] == found[split_alone][0] == list(split_names(NAMES, seed=1).train)
    assert drawn[plain] != drawn[other_alone] and drawn[other] != drawn[split_alone]


@pytest.mark.parametrize(("steps", "held"), [(50, 5), (999, 99), (1000, 100), (5000, 100)])
def test_a_short_training_warms_up_for_a_tenth_of_its_steps(steps, held):
    given = {"choice": family.choose("transformer"), "steps": steps}
    assert plan.plan_of(TrainOptions(**given), 1000).warmup_steps == held
    assert plan.plan_of(TrainOptions(**given, warmup_steps=40), 1000).warmup_steps == 40
