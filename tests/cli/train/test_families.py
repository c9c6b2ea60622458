"""Tests of the model families that ``train`` offers."""

import pytest

from tests.helpers.command_line import EIGHT
from tinygrad_lm.cli.parsing import UsageError
from tinygrad_lm.cli.train.families import FAMILIES, MODELS, NGRAMS, ModelOptions, family_of
from tinygrad_lm.models import MLP, NGram
from tinygrad_lm.text import Vocabulary, split_names

SPLIT = split_names(EIGHT, seed=0)


def test_every_model_is_of_one_family_and_no_option_of_two():
    assert sorted(MODELS) == sorted({"mlp", *NGRAMS}) and family_of(ModelOptions.model).learns
    assert all(model in family_of(model).models for model in MODELS)
    options = [name for family in FAMILIES for name in family.options]
    assert len(options) == len(set(options)) and all(hasattr(ModelOptions, name) for name in options)


def made(model, **given):
    return family_of(model).make(ModelOptions(model=model, **given), SPLIT, Vocabulary())


def test_a_model_is_made_of_what_was_given_and_of_what_holds_otherwise():
    assert made("mlp").config() == MLP().config()
    neural = made("mlp", hidden=[[4], [3, 2]], activation="relu")
    assert neural.config() == {"context": 3, "embedding": 10, "hidden": [4, 3, 2], "activation": "relu"}
    for name, order in NGRAMS.items():
        chosen = NGram.fitted(order, SPLIT.train, SPLIT.validation, Vocabulary())
        assert (made(name).order, made(name).smoothing) == (order, chosen.smoothing)
        assert made(name, smoothing=0.0).smoothing == 0.0 and made(name).counts.sum() > 0


@pytest.mark.parametrize(("model", "given"), [("mlp", {"context": 5_000}), ("bigram", {"smoothing": 1e12})])
def test_what_is_out_of_range_is_wrong_usage(model, given):
    with pytest.raises(UsageError, match=next(iter(given))):
        made(model, **given)
