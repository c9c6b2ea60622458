"""Tests of a model family of the user's own on the command line: ``--model rnn.py:RNN``, with the code of the guide."""

import json
import re
from pathlib import Path

import pytest

from tests.helpers import ROOT
from tests.helpers.command_line import EIGHT, metrics, stopping_after, written
from tinygrad_lm import cli, models, runs

GUIDE = ROOT / "docs" / "your_own_rnn.md"
RNN = ("--model", "rnn.py:RNN")
SMALL = ("--data", "names.txt", "--embedding", "2", "--hidden", "6", "--batch-size", "4", "--steps", "12")

THROW_AWAY = """
from dataclasses import dataclass
from tinygrad_lm import models, nn

class Bigram(nn.Module, models.TrainableModel):
    kind = "throw-away"

    def __init__(self, vocabulary):
        self.vocabulary, self.rows = vocabulary, nn.Embedding(len(vocabulary), len(vocabulary))

    def forward(self, tokens):
        return self.rows(tokens)

class Fitted(models.FittedModel):
    kind = "fitted"

    def __init__(self, vocabulary):
        self.vocabulary, self.letters = vocabulary, set()

    def fit(self, names, validation=None):
        self.letters = set("".join(names))
        return self

    def next_logits(self, prefixes):
        import numpy as np
        known = [0.0 if token in self.letters or i == self.vocabulary.boundary_id else -np.inf
                 for i, token in enumerate(self.vocabulary.tokens)]
        return np.tile(known, (len(prefixes), 1))

    def state_dict(self):
        import numpy as np
        return {"letters": np.array(sorted(map(ord, self.letters)) + [0] * (99 - len(self.letters)), np.int64)}

    def load_state_dict(self, state):
        self.letters = {chr(i) for i in state["letters"].tolist() if i}

class Plain:
    pass

class Kindless(Bigram):
    pass

class Taken(Bigram):
    kind = "mlp"

class Odd(Bigram):
    kind = "../odd"

class Clash(Bigram):
    kind = "clash"

    from dataclasses import dataclass
    @dataclass(frozen=True)
    class Config(models.Config):
        lr: float = models.setting(0.1, "a rate")

class Bare(Bigram):
    kind = "bare"

    class Config(models.Config):
        width: int = models.setting(3, "a width")

class Rngless(Bigram):
    kind = "rngless"

    def __init__(self):
        pass

class Misplanned(Bigram):
    kind = "misplanned"
    plan_defaults = {"batchsize": 4}

class Planned(Bigram):
    kind = "planned"
    plan_defaults = {"optimizer": "sgd", "steps": 6, "batch_size": 4}

class Broken(Bigram):
    kind = "broken"

    def __init__(self, vocabulary):
        raise KeyError("oops")

class Shapes(Bigram):
    kind = "shapes"

    def forward(self, tokens):
        return self.rows(tokens).reshape(1, 2, 3)

@dataclass(frozen=True)
class Width(models.Config):
    width: int = models.setting(40, "numbers for each character", low=1, high=float("inf"))

class Dropped(nn.Module, models.TrainableModel):
    kind = "dropped"
    Config = Width

    def __init__(self, vocabulary, configuration=Width(), *, rng=None):
        self.vocabulary, self.configuration = vocabulary, configuration
        self.rows = nn.Embedding(len(vocabulary), configuration.width, rng=rng)
        self.drop = nn.Dropout(0.3, rng=rng)
        self.out = nn.Linear(configuration.width, len(vocabulary), rng=rng)

    def forward(self, tokens):
        return self.out(self.drop(self.rows(tokens)))

class NoResult(Bigram):
    kind = "no-result"

    def forward(self, tokens):
        self.rows(tokens)

class NoState(Bigram):
    kind = "no-state"

    def step(self, tokens, state):
        return self.rows(tokens)

class NoForward(nn.Module, models.TrainableModel):
    kind = "no-forward"

    def __init__(self, vocabulary):
        self.vocabulary, self.rows = vocabulary, nn.Embedding(2, 2)

class NoVocabulary(Bigram):
    kind = "no-vocabulary"

    def __init__(self, vocabulary):
        self.rows = nn.Embedding(len(vocabulary), len(vocabulary))

class Configured(models.Config):
    pass

class Masked(Bigram):
    kind = "masked"

    def __init__(self, vocabulary):
        super().__init__(vocabulary)
        self.register_buffer("mask", (self.rows.weight.data > 0))

class Minus(Bigram):
    kind = "minus"

    def __init__(self, vocabulary):
        super().__init__(vocabulary)
        self.register_buffer("mask", self.rows.weight.data / 0.0)

class Silent(models.LanguageModel):
    kind = "silent"

    def __init__(self, vocabulary):
        self.vocabulary = vocabulary

    def next_logits(self, prefixes):
        import numpy as np
        return np.zeros((len(prefixes), len(self.vocabulary)))
"""


@pytest.fixture
def there(elsewhere, families):
    """A folder with names, the guide's file and one of many classes."""
    (code, *_) = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.M | re.S)
    Path("rnn.py").write_text(code, encoding="utf-8")
    Path("own.py").write_text(THROW_AWAY, encoding="utf-8")
    Path("broken.py").write_text("import nothing_of_that_name", encoding="utf-8")
    Path("wrong.py").write_text("def f(:", encoding="utf-8")


pytestmark = pytest.mark.usefixtures("there")


@pytest.fixture
def trained(run):
    return run("train", *RNN, *SMALL)


def forgotten(families):
    """As in another process, which has not seen the file."""
    del families["own-rnn"]


class TestTheGuidesModel:
    def test_its_settings_are_options(self, run, monkeypatch):
        monkeypatch.setenv("COLUMNS", "80")
        assert cli.main(["train", *RNN, "--help"]) == 0
        model = runs.load(self.folder(run)).model
        assert type(model).__name__ == "RNN" and model.config() == {"embedding": 2, "hidden": 6}

    @staticmethod
    def folder(run):
        run("train", *RNN, *SMALL)
        return "runs/own-rnn-1"

    def test_the_help_tells_them(self, capsys, monkeypatch):
        monkeypatch.setenv("COLUMNS", "80")
        assert cli.main(["train", *RNN, "--help"]) == 0
        out = capsys.readouterr().out
        assert "\nthe model own-rnn:\n  --embedding N" in out
        assert "numbers in the hidden state (default: 64)" in out and "--activation" not in out

    def test_it_says_how_to_go_on(self, trained, run):
        assert "tinygrad-lm sample runs/own-rnn-1 --model rnn.py:RNN --seed 1\n" in trained
        with stopping_after(3):
            out = run("train", *RNN, *SMALL, code=cli.INTERRUPTED)
        assert out.endswith("tinygrad-lm train --resume runs/own-rnn-2 --model rnn.py:RNN\n")

    def test_sampling_and_evaluating(self, trained, run, families):
        forgotten(families)
        for command in (("sample", "runs/own-rnn-1", "-n", "3"), ("evaluate", "runs/own-rnn-1", "names.txt")):
            said = run(*command, code=1)
            assert "unknown kind 'own-rnn'" in said and "--model FILE.py:CLASS" in said
        assert run("sample", "runs/own-rnn-1", "-n", "3", *RNN).count("\n") == 3
        assert "loss" in run("evaluate", "runs/own-rnn-1", *RNN)

    def test_going_on_ends_with_the_same_bytes(self, trained, run, families):
        with stopping_after(5):
            run("train", *RNN, *SMALL, code=cli.INTERRUPTED)
        forgotten(families)
        assert "unknown kind" in run("train", "--resume", "runs/own-rnn-2", code=1)
        run("train", "--resume", "runs/own-rnn-2", *RNN)
        for name in (runs.WEIGHTS, runs.CONFIG):
            assert written("runs/own-rnn-2", name) == written("runs/own-rnn-1", name)
        assert metrics("runs/own-rnn-2") == metrics("runs/own-rnn-1")

    def test_no_file_of_a_run_names_code(self, trained):
        for path in Path("runs/own-rnn-1").iterdir():
            assert b"rnn.py" not in path.read_bytes() or path.name in (runs.LOG, "graph.html", "graph.svg", "graph.dot")
        config = json.loads(Path("runs/own-rnn-1", runs.CONFIG).read_text(encoding="utf-8"))
        assert set(config["model"]) == {"kind", "config", "vocabulary"} and config["model"]["kind"] == "own-rnn"

    def test_the_same_seed_gives_the_same_bytes(self, trained, run):
        run("train", *RNN, *SMALL)
        run("train", *RNN, *SMALL, "--seed", "1")
        one, same, other = (written(f"runs/own-rnn-{i}") for i in (1, 2, 3))
        assert one == same != other

    def test_it_takes_its_options_and_no_others(self, run):
        assert "unrecognized arguments: --wide" in run("train", *RNN, "--wide", "3", code=2)
        assert "--activation means nothing to the model 'rnn.py:RNN'" in run(
            "train", *RNN, "--activation", "relu", code=2
        )
        assert "'5000' is not a whole number from 1 to 4,096" in run("train", *RNN, "--hidden", "5000", code=2)
        assert not Path("runs").exists()


class TestThrowAway:
    def test_a_plan_of_its_own(self, run):
        helped = " ".join(run("train", "--model", "own.py:Planned", "--help").split())
        assert "--optimizer {sgd,adam,adamw} what turns gradients into steps (default: sgd)" in helped
        assert "learning rate (default: 0.3)" in helped and "of matrices (default: 0)" in helped
        for number, more, found in ((0, (), ["sgd", 0.3, 0.0]), (1, ("--optimizer", "adamw"), ["adamw", 0.003, 0.06])):
            run("train", "--model", "own.py:Planned", "--data", "names.txt", "--out", f"r{number}", *more)
            plan = json.loads(Path(f"r{number}", runs.CONFIG).read_text(encoding="utf-8"))["training"]
            assert [plan[name] for name in ("optimizer", "lr", "weight_decay")] == found
            assert (plan["steps"], plan["batch_size"]) == (6, 4)

    @pytest.mark.parametrize("name", ["Bigram", "Fitted"])
    def test_a_model_in_a_few_lines(self, run, name):
        more = ("--steps", "6", "--batch-size", "4") if name == "Bigram" else ()
        run("train", "--model", f"own.py:{name}", "--data", "names.txt", *more)
        (folder,) = Path("runs").iterdir()
        given = ("--model", f"own.py:{name}")
        assert run("sample", folder, *given).count("\n") == 20 and "perplexity" in run("evaluate", folder, *given)
        assert type(models.load(folder)).__name__ == name

    def test_layers_without_a_generator_draw_from_the_seed(self, run):
        for seed in (0, 0, 1):
            run(
                "train",
                "--model",
                "own.py:Bigram",
                "--data",
                "names.txt",
                "--steps",
                "2",
                "--batch-size",
                "4",
                "--seed",
                seed,
            )
        one, same, other = (written(f"runs/throw-away-{i}") for i in (1, 2, 3))
        assert one == same != other


@pytest.mark.parametrize(
    ("target", "code", "words"),
    [
        ("none.py:RNN", 2, "there is no file 'none.py'"),
        ("rnn.py:", 2, "does not name a class: write path/to/file.py:class"),
        ("rnn.py", 2, "does not name a class"),
        (":RNN", 2, "does not name a class"),
        ("rnn.py:LSTM", 2, "'rnn.py' has no 'LSTM'; it has RNNConfig, RNN"),
        ("rnn.py:RNNConfig", 2, "RNNConfig is no model family, which is a class that derives from LanguageModel"),
        ("names.txt:RNN", 2, "is not a Python file"),
        ("broken.py:RNN", 2, "'broken.py' could not be run: ModuleNotFoundError"),
        ("wrong.py:RNN", 2, "'wrong.py' could not be run: SyntaxError"),
        ("own.py:Plain", 2, "Plain is no model family, which is a class that derives from LanguageModel"),
        ("own.py:Kindless", 2, "Kindless has no kind of its own"),
        ("own.py:Taken", 2, "the kind 'mlp' is that of tinygrad_lm.models.mlp:MLP already"),
        ("own.py:Odd", 2, "a kind is a word"),
        ("own.py:Bare", 2, "Config is no dataclass: write @dataclass(frozen=True) above it"),
        ("own.py:Clash", 2, "Clash has a setting 'lr', but --lr means something else to train"),
        (
            "own.py:Misplanned",
            2,
            "Misplanned.plan_defaults has 'batchsize'; did you mean 'batch_size'? A training starts with st",
        ),
        ("own.py:Rngless", 2, "Rngless is made as Rngless(vocabulary), but"),
        ("own.py:Broken", 1, "KeyError: 'oops' ("),
        ("own.py:Shapes", 1, "own.py, line "),
        ("own.py:Silent", 2, "Silent learns nothing: derive it from TrainableModel, or from FittedModel"),
    ],
)
def test_what_is_no_family(run, target, code, words):
    said = run("train", "--model", target, "--data", "names.txt", code=code)
    assert words in said and not Path("runs").exists()
    if code == 2 and not any(each in words for each in ("learns", "made as", "lr", "plan_defaults")):
        assert words in run("sample", "r", "--model", target, code=2)


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ("['steps']", "holds settings by name, as in {'steps': 3000}, and is not ['steps']"),
        ("None", "holds settings by name, as in {'steps': 3000}, and is not None"),
        ("{3: 4}", "has 3. A training starts with steps, "),
        ("{'steps': '10'}", "steps is a whole number from 1 to 10**18, not '10'"),
        ("{'lr': 'fast'}", "lr is a finite number from 0, not 'fast'"),
        ("{'clip_grad_norm': 0}", "clip_grad_norm is above 0"),
    ],
)
def test_a_plan_that_is_none_is_refused_by_its_name(run, plan, words):
    own = f"class Planned(models.TrainableModel):\n    kind = 'p'\n    plan_defaults = {plan}\n"
    Path("planned.py").write_text(f"from tinygrad_lm import models\n{own}", encoding="utf-8")
    for more in ((), ("--help",)):
        said = run("train", "--data", "names.txt", "--model", "planned.py:Planned", *more, code=2)
        assert "Planned.plan_defaults" in said and words in said


def test_a_family_that_no_run_is_of_is_refused(run):
    small = ("--data", "names.txt", "--steps", "2", "--batch-size", "4")
    run("train", *small, "--hidden", "4", "--out", "m")
    run("train", *small, "--model", "own.py:Bigram", "--out", "b")
    words = "argument --model: Dropped means nothing here: the model is "
    given = ("--model", "own.py:Dropped")
    for command in (("sample", "m"), ("evaluate", "m"), ("compare", "m"), ("train", "--steps", "4", "--resume", "m")):
        assert words + "mlp" in run(*command, *given, code=2)
    both = ("--model", "own.py:Bigram")
    assert words in run("compare", "m", "b", *both, *given, code=2)
    assert words in run("mix", "m", "b", *both, *given, code=2)
    run("mix", "m", "b", *both)
    run("sample", "runs/mix-1", *both)


def test_a_run_knows_the_models_of_the_package(run):
    run("train", "--data", "names.txt", "--model", "bigram", "--out", "r")
    for command in ("sample", "evaluate"):
        assert "a run knows its model" in run(command, "r", "--model", "bigram", code=2)
    assert "leave out --model" in run("train", "--resume", "r", "--model", "mlp", code=2)
    assert len(EIGHT) == 8


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Shapes", "own.py, line "),
        ("NoResult", "NoResult.forward gave None, not logits of shape"),
        ("NoForward", "NoForward does not define forward (where the package uses what own.py"),
        ("NoVocabulary", "'NoVocabulary' object has no attribute 'vocabulary' (where the package uses what own.py"),
        ("Masked", "'mask' has dtype bool, not one of float32"),
        ("Minus", "'mask' is not finite, so no file of the model could be written; what is made anew"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_a_mistake_in_a_family_is_told_before_anything_is_written(capsys, name, words):
    assert cli.main(["train", "--model", f"own.py:{name}", *SMALL[:2], "--steps", "2", "--batch-size", "2"]) == 1
    said = capsys.readouterr().err
    assert words in said and "Traceback" not in said
    assert not list(Path().glob("runs/*/*.safetensors"))


def test_a_mistake_that_shows_as_names_are_written(capsys):
    assert cli.main(["train", "--model", "own.py:NoState", *SMALL[:2], "--steps", "2", "--batch-size", "2"]) == 1
    assert "NoState.step gave a Tensor of shape" in capsys.readouterr().err


def test_layers_that_keep_the_generator_go_on_to_the_same_bytes(run, monkeypatch):
    """However many steps it takes: what bounds a file's model is no bound of its training."""
    monkeypatch.setattr("tinygrad_lm.models.bounded.FREE", 0)
    own = ("train", "--model", "own.py:Dropped", "--data", "names.txt", "--batch-size", "4", "--steps", "150")
    run(*own, "--out", "whole")
    with stopping_after(5):
        run(*own, "--out", "cut", code=cli.INTERRUPTED)
    run("train", "--resume", "cut", "--model", "own.py:Dropped")
    assert written("cut", runs.WEIGHTS) == written("whole", runs.WEIGHTS)
