"""Tests of what ``--model`` means: the families and presets of the package, their settings, and models made of them."""

import os
import subprocess
import sys

import pytest

from tests.helpers import ROOT
from tests.helpers.command_line import EIGHT
from tinygrad_lm.cli import family
from tinygrad_lm.cli.parsing import UsageError
from tinygrad_lm.cli.train.options import TrainOptions
from tinygrad_lm.models import MLP, NGram, TrainableModel
from tinygrad_lm.models.registry import FAMILIES, NGRAMS, PRESETS, TRAINED
from tinygrad_lm.text import Vocabulary, split_names

SPLIT = split_names(EIGHT, seed=0)


def test_every_model_is_of_one_family():
    presets = {preset for found in FAMILIES.values() for preset in found.presets}
    assert sorted(family.MODELS) == sorted({*TRAINED, *presets}) and {*NGRAMS, "deck-mlp", "microgpt"} <= presets
    assert issubclass(family.choose(TrainOptions.model).family, TrainableModel)
    for model in family.MODELS:
        choice = family.choose(model)
        assert choice.name == model and choice.family.kind == PRESETS.get(model, model)


@pytest.mark.parametrize("kind", TRAINED)
def test_the_table_says_what_the_class_says(kind):
    choice = family.choose(kind)
    assert choice.family.kind == kind and choice.preset == {}
    assert FAMILIES[kind].where == f"{choice.family.__module__}:{choice.family.__qualname__}"
    assert FAMILIES[kind].presets == tuple(choice.family.presets)
    for preset, settings in choice.family.presets.items():
        chosen = family.choose(preset)
        assert chosen.family is choice.family and chosen.preset == settings
        names = {each.name for each in choice.options()}
        assert {each.name for each in chosen.options()} == names - settings.keys() < names


def test_what_no_training_makes_is_refused_with_what_does():
    assert set(FAMILIES) - set(TRAINED) == {"mixture"}
    with pytest.raises(UsageError, match="a mixture is made of models that are trained already: tinygrad-lm mix RUN R"):
        family.choose("mixture")


def made(model, **given):
    told = {f"setting_{name}": value for name, value in given.items()}
    return family.make(family.choose(model), TrainOptions(model=model, **told), Vocabulary(), 0)


def test_a_model_is_made_of_what_was_given_and_of_what_holds_otherwise():
    assert made("mlp").config() == MLP().config()
    neural = made("mlp", hidden=[[4], [3, 2]], activation="relu")
    assert neural.config() == {**MLP().config(), "hidden": [4, 3, 2], "activation": "relu"}
    assert made("ngram", order=5).order == 5
    for order, name in enumerate(NGRAMS, 1):
        chosen = NGram.fitted(order, SPLIT.train, SPLIT.validation, Vocabulary())
        fitted = made(name).fit(SPLIT.train, SPLIT.validation)
        assert (fitted.order, fitted.smoothing) == (order, chosen.smoothing)
        plain = made(name, smoothing=0.0).fit(SPLIT.train, SPLIT.validation)
        assert plain.smoothing == 0.0 and plain.counts.sum() > 0


@pytest.mark.parametrize(
    ("model", "given"), [("mlp", {"context": 5_000}), ("bigram", {"smoothing": 1e12}), ("kneser-ney", {"order": 13})]
)
def test_what_is_out_of_range_is_wrong_usage(model, given):
    with pytest.raises(UsageError, match=next(iter(given))):
        made(model, **given)


@pytest.mark.parametrize(("model", "other"), [("bigram", "mlp")])
def test_only_the_family_that_is_meant_is_imported(tmp_path, model, other):
    (tmp_path / "names.txt").write_text("\n".join(EIGHT), encoding="utf-8")
    code = "import sys; from tinygrad_lm import cli\n"
    code += f"assert cli.main(['train', '--data', 'names.txt', '--model', {model!r}, '--out', 'r']) == 0\n"
    code += "assert cli.main(['sample', 'r', '-n', '1']) == cli.main(['evaluate', 'r']) == 0\n"
    code += f"assert 'tinygrad_lm.models.ngram' in sys.modules and 'tinygrad_lm.models.{other}' not in sys.modules"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, check=True)
