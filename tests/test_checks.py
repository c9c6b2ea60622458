"""Tests of the one rule of whole numbers, and that every room has it."""

import json
from fractions import Fraction

import numpy as np
import pytest

from tinygrad_lm import nn, optim
from tinygrad_lm.checks import quoted, whole_number
from tinygrad_lm.models import MLP, NGram
from tinygrad_lm.sampling import Settings, top_k
from tinygrad_lm.text import DataError, NameDataset, Vocabulary
from tinygrad_lm.training import Plan

WHOLE = [3, np.int64(3), np.uint8(3), np.int8(3)]
NOT_WHOLE = [True, np.True_, 3.0, np.float64(3), "3", None, Fraction(3), np.array(3), [3], 1j]
ROOMS = {
    "text": (DataError, lambda n: NameDataset(["abid"], Vocabulary(), n)),
    "mlp": (ValueError, lambda n: MLP(context=n, hidden=(2,), rng=0)),
    "hidden": (ValueError, lambda n: MLP(hidden=(n,), rng=0)),
    "ngram": (ValueError, NGram),
    "plan": (ValueError, Plan),
    "schedule": (ValueError, optim.cosine),
    "layer": (ValueError, lambda n: nn.Linear(n, 2, rng=0)),
    "settings": (ValueError, lambda n: Settings(max_length=n)),
    "top-k": (ValueError, lambda n: top_k(np.zeros(4), n)),
}


@pytest.mark.parametrize("value", WHOLE, ids=repr)
def test_whole_numbers_become_python_s(value):
    assert type(whole_number(value, 3, "n is 3, not", 3)) is int


@pytest.mark.parametrize("value", [*NOT_WHOLE, 2, 5, -(10**30)], ids=repr)
def test_anything_else_is_refused(value):
    with pytest.raises(DataError) as caught:
        whole_number(value, 3, "n is 3 or 4, not", 4, error=DataError)
    assert str(caught.value) == f"n is 3 or 4, not {value!r}"


def test_what_is_long_is_cut():
    assert quoted("x" * 99, 5) == "'xxxx..." and quoted([1] * 99, 5) == "[1, 1..." and quoted("é") == "'é'"
    with pytest.raises(ValueError, match=r"^n is 1, not '1{59}\.\.\.$"):
        whole_number("1" * 99, 1, "n is 1, not")


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_the_rule(room):
    error, make = ROOMS[room]
    for value in WHOLE:
        make(value)
    for value in (*NOT_WHOLE, 0):
        with pytest.raises(error, match=r"(whole number|integer).* from 1.*(, not|; got) "):
            make(value)


def test_whole_numbers_of_numpy_are_written_as_json():
    plan = Plan(np.int64(3), np.int32(2), seed=np.uint8(0))
    assert json.loads(json.dumps(plan.to_json())) == Plan(3, 2, seed=0).to_json()
    model = MLP(context=np.int8(20), embedding=np.int8(30), hidden=(np.int8(4),), rng=0)
    assert json.loads(json.dumps(model.config())) == MLP(context=20, embedding=30, hidden=(4,)).config()
    assert model.next_logits([[0]]).shape == (1, 27)
