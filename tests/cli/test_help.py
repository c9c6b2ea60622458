"""Tests of what every help says: within eighty columns, without NumPy, examples that work, defaults that hold."""

import inspect
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import ROOT
from tests.helpers.command_line import SMALL
from tinygrad_lm import cli, comparing, defaults, optim, sampling
from tinygrad_lm.cli.gradcheck import GradcheckOptions
from tinygrad_lm.cli.program import command_of
from tinygrad_lm.cli.train.options import TRAINING_OPTIONS, TrainOptions
from tinygrad_lm.cli.train.plan import plan_of
from tinygrad_lm.models import MLP, mlp
from tinygrad_lm.models.mlp import MLPConfig
from tinygrad_lm.models.registry import PRESETS, TRAINED
from tinygrad_lm.testing import check_gradients
from tinygrad_lm.training import Plan, Trainer

PAGES = [(), *((command,) for command in cli.COMMANDS)]
MODEL = """
import numpy as np

def loss(x, w):
    return np.tanh(x @ w).sum()
"""


@pytest.fixture
def page(capsys, monkeypatch):
    """The help of a command, in a terminal of eighty columns."""
    monkeypatch.setenv("COLUMNS", "80")

    def shown(*command):
        assert cli.main([*command, "--help"]) == 0
        return capsys.readouterr().out

    return shown


def examples(text):
    """What the end of a help says may be typed."""
    return re.findall(r"^  tinygrad-lm (.+?) +# \S.*$", text.partition("\nexamples:\n")[2], re.MULTILINE)


@pytest.mark.parametrize("command", PAGES)
def test_eighty_columns(page, command):
    lines = page(*command).splitlines()
    assert len(lines) > 5 and [line for line in lines if len(line) > 80] == []


def test_every_command_is_told_with_what_its_own_help_begins_with(page):
    top = " ".join(page().split())
    for command in cli.COMMANDS:
        summary = command_of(command).summary
        assert f"{command} {summary}" in top
        assert summary[1:] + "." in page(command)


def test_no_help_needs_numpy():
    code = "import sys; from tinygrad_lm.__main__ import main\n"
    code += f"for page in {PAGES}:\n    sys.argv[1:] = [*page, '--help']\n    assert main() == 0\n"
    code += "assert 'tinygrad_lm.cli.doctor' in sys.modules and 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("command", PAGES)
def test_the_examples_work(page, run, monkeypatch, command):
    found = [shlex.split(example) for example in examples(page(*command))]
    assert len(found) == page(*command).count("\n  tinygrad-lm ") >= 1
    assert all(arguments[0] in (command or cli.COMMANDS) for arguments in found)
    run("train", "--steps", "4", *SMALL)
    if "kneser-ney-1" in page(*command):
        run("train", "--model", "kneser-ney")
    assert Path("runs/mlp-1").is_dir()
    Path("model.py").write_text(MODEL, encoding="utf-8")
    step = Trainer._train_step

    def stopping(trainer):
        trainer.stop = True
        return step(trainer)

    monkeypatch.setattr(Trainer, "_train_step", stopping)
    for arguments in found:
        if arguments != ["gradcheck"]:  # which takes seconds, and has a test of its own
            learns = arguments[0] == "train" and "trigram" not in arguments
            run(*arguments, code=cli.INTERRUPTED if learns else 0)


def default_of(text, option):
    """What the help says holds where the option is not given."""
    told = " ".join(text.partition("\noptions:\n")[2].split())
    return re.search(rf"{option} (?:(?! --).)*?\(?default: ([^); ]+)", told)[1].rstrip(")")


OF_MLP = [("context", 3), ("embedding", 10), ("hidden", "200"), ("activation", "tanh")]
OF_TRAIN = [
    *(("steps", 8000), ("batch_size", 64), ("lr", 0.003), ("weight_decay", 0.06)),
    *(("clip_grad_norm", "none"), ("warmup_steps", 0), ("ema_decay", "none"), ("label_smoothing", 0)),
    *(("optimizer", "adamw"), ("schedule", "cosine"), ("model", "mlp"), ("seed", 0)),
    *(("alphabet", "latin"), ("boundary", "-"), ("min_length", 1), ("max_length", "none")),
]


@pytest.mark.parametrize(("name", "value"), OF_TRAIN)
def test_train_tells_the_defaults_that_hold(page, name, value):
    assert default_of(page("train"), f"--{name.replace('_', '-')}") == str(value)
    assert getattr(TrainOptions, name) == (None if value == "none" else value)


@pytest.mark.parametrize(("name", "value"), OF_MLP)
def test_train_tells_the_defaults_of_the_model_that_hold(page, name, value):
    assert default_of(page("train", "--model", "mlp"), f"--{name}") == str(value)
    assert getattr(MLPConfig(), name) == {"hidden": (200,)}.get(name, value)


@pytest.mark.parametrize("model", TRAINED)
def test_the_help_of_each_model(page, model):
    text = page("train", "--model", model)
    assert [line for line in text.splitlines() if len(line) > 80] == []
    assert f"\n  {model} " in page("train")
    assert (f"\nthe model {model}:\n" in text) == (model != "neural-bigram")  # which has nothing to set
    of_all, of_one = (sections(help_) for help_ in (page("train"), text))
    same = of_all.keys() - {"the training of the neural model", "the run"}
    assert {name: of_all[name] for name in same} == {name: of_one[name] for name in same}


def sections(text):
    """The parts of a help by their titles."""
    return dict(part.partition(":\n")[::2] for part in text.split("\n\n"))


@pytest.mark.parametrize("model", [kind for kind in TRAINED if kind not in ("ngram", "kneser-ney")])
def test_the_help_of_a_model_tells_what_its_training_starts_with(page, told, model):
    text = page("train", "--model", model)
    assert cli.main(["train", "--model", model]) == 0
    plan = plan_of(told[0], examples=10_000)
    for name in set(TRAINING_OPTIONS) - {"epochs", "mix"}:
        value = getattr(plan, name)
        shown = default_of(text, f"--{name.replace('_', '-')}").rstrip(",")
        assert shown == ("none" if value is None else value if isinstance(value, str) else f"{value:g}"), name
    assert "trained by default with" not in text


@pytest.mark.parametrize("preset", ["lab4-mlp", "makemore-wavenet", "microgpt"])
def test_the_help_of_a_preset_tells_what_its_family_starts_with(page, preset):
    titles = ("the training of the neural model", "the run")
    of_preset, of_family = (sections(page("train", "--model", name)) for name in (preset, PRESETS[preset]))
    assert [of_preset[title] for title in titles] == [of_family[title] for title in titles]


@pytest.mark.parametrize("model", ["ngram", "kneser-ney", "bigram"])
def test_the_help_of_counts_tells_of_no_training(page, model):
    text = page("train", "--model", model)
    assert set(re.findall(r"^  --(\w+)", sections(text)["the run"], re.MULTILINE)) == {"seed", "out", "resume"}
    assert "the training of the neural model" not in text and "--lr" not in text


@pytest.mark.parametrize(
    ("name", "value"), [("count", 20), ("temperature", 1), ("max_length", 30), ("min_length", 0), ("seed", 0)]
)
def test_sample_tells_the_defaults_that_hold(page, name, value):
    assert default_of(page("sample"), f"--{name.replace('_', '-')}") == str(value)
    assert getattr(command_of("sample").options, name) == value


@pytest.mark.parametrize(("name", "value"), [("count", 1000), ("temperature", 1), ("seed", 0)])
def test_compare_tells_the_defaults_that_hold(page, name, value):
    assert default_of(page("compare"), f"--{name}") == str(value)
    assert getattr(command_of("compare").options, name) == value


def test_the_defaults_of_signatures_are_those_of_the_help():
    model = inspect.signature(MLP).parameters
    for name, _ in OF_MLP:
        assert model[name].default == getattr(MLPConfig(), name)
    plan = ("batch_size", "lr", "optimizer", "schedule", "weight_decay", "clip_grad_norm", "warmup_steps", "ema_decay")
    for name in plan:
        assert getattr(Plan, name) == getattr(TrainOptions, name)
    drawn = inspect.signature(sampling.samples).parameters
    assert drawn["count"].default == command_of("sample").options.count
    assert drawn["settings"].default == sampling.Settings(defaults.TEMPERATURE, None, None, defaults.MAX_LENGTH)
    measured = inspect.signature(comparing.measure).parameters
    assert measured["count"].default == command_of("compare").options.count
    checked = inspect.signature(check_gradients).parameters
    for name in ("order", "kinks", "mode", "seed"):
        assert checked[name].default == getattr(GradcheckOptions, name)


def test_what_may_be_chosen_is_what_there_is(page):
    text = page("train", "--model", "mlp")
    for option, known in (
        ("optimizer", optim.OPTIMIZERS),
        ("schedule", optim.SCHEDULES),
        ("activation", mlp.ACTIVATIONS),
    ):
        (choices,) = re.findall(rf"^  --{option} {{(.*)}}", text, re.MULTILINE)
        assert choices.split(",") == list(known)


def test_what_the_readme_types_is_understood(told):
    lines = re.findall(r"^tinygrad-lm .*", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(lines) > 5
    for number, line in enumerate(lines, 1):
        assert cli.main(shlex.split(line, comments=True)[1:]) == 0 and len(told) == number, line
