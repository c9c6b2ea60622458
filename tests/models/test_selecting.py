"""Tests of ``select``: the states of some of the names, which a class with a step of its own does not inherit."""

import numpy as np
import pytest

from tests.helpers.own_models import ALL, NAMES, Forward, Prefixes, Stepping, Windows
from tinygrad_lm import nn, sampling
from tinygrad_lm.autograd import no_grad
from tinygrad_lm.models import MLP, LanguageModel, NGram, TrainableModel, ways

BUILT_IN = {name: model for name, model in ALL.items() if name != "step"}


def rows_of(model, tokens, state):
    logits, state = model.step(np.array(tokens), state)
    return ways.plain(logits), state


@pytest.mark.parametrize("model", BUILT_IN.values(), ids=BUILT_IN.keys())
def test_it_is_the_state_of_those_names_in_that_order(model):
    assert ways.selects(model)
    with no_grad():
        _, state = rows_of(model, [26] * 4, model.start(4))
        _, state = rows_of(model, [0, 1, 2, 3], state)
        whole, _ = rows_of(model, [4, 5, 6, 7], state)
        some, _ = rows_of(model, [7, 4, 7], model.select(state, np.array([3, 0, 3])))
        again, _ = rows_of(model, [4, 5, 6, 7], state)
    assert np.allclose(some, whole[[3, 0, 3]], rtol=1e-12)
    assert np.array_equal(whole, again), "the given state is unchanged"


def step(self, tokens, state):
    """A state that is no array with a row for each name: counts by column."""
    letters = np.concatenate([state, tokens[None]])
    return np.where(letters[:, :, None] == np.arange(27), 0.3, 0.0).sum(axis=0), letters


OWN = {"start": lambda self, n: np.empty((0, n), np.int64), "step": step}


@pytest.mark.parametrize("base", [Forward, Stepping, Windows, Prefixes, MLP, NGram, LanguageModel])
def test_a_step_of_ones_own_inherits_no_select(base):
    model = type("Own", (base,), dict(OWN))()
    model.vocabulary = ALL["step"].vocabulary
    assert not ways.selects(model)
    with pytest.raises(
        NotImplementedError, match=r"Own writes a step of its own.*write select\(state, rows\) beside it"
    ):
        model.select(model.start(2), np.array([0]))
    selecting = type("Selecting", (type(model),), {"select": lambda self, state, rows: state[:, rows]})()
    selecting.vocabulary = model.vocabulary
    assert ways.selects(selecting)
    written = [list(sampling.samples(each, rng=5, count=40)) for each in (model, selecting)]
    assert written[0] == written[1] and len({len(sample.text) for sample in written[0]}) > 5


def test_a_step_that_is_set_later_or_on_the_model_itself():
    class Late(Windows):
        pass

    model = Late()
    assert ways.selects(model)
    Late.step = lambda self, tokens, state: (np.zeros((len(tokens), 27)), None)
    assert not ways.selects(model)
    single = Windows()
    single.__dict__["step"] = Late.step
    assert not ways.selects(single) and ways.selects(Windows())


def test_what_is_no_language_model_but_steps():
    class Duck:
        __slots__ = ()
        vocabulary, start, step = ALL["step"].vocabulary, OWN["start"], step

    assert not ways.selects(Duck()) and len(list(sampling.samples(Duck(), rng=0, count=5))) == 5


def test_a_step_of_a_base_beside_models():
    class Net(nn.Module):
        __init__, start, step = Stepping.__init__, Stepping.start, Stepping.step

    class Joined(Net, TrainableModel):
        pass

    assert not ways.selects(Joined())
    assert len(list(sampling.samples(Joined(), rng=0, count=9))) == 9


@pytest.mark.parametrize("base", [Forward, Stepping, Windows, Prefixes])
@pytest.mark.parametrize("way", ["forward", "next_logits"])
def test_what_writes_another_way_selects_by_it(base, way):
    if way == "forward" and base is Prefixes:
        return

    def same(self, given):
        return getattr(super(Heir, self), way)(given)

    Heir = type("Heir", (base,), {way: same})
    assert ways.selects(Heir())
    assert list(sampling.samples(Heir(), rng=0, count=30)) == list(sampling.samples(base(), rng=0, count=30))


def test_names_that_ended_are_read_no_further():
    model, seen = NGram(2, 0.1).fit(NAMES), []

    class Watched(NGram):
        def step(self, tokens, state):
            seen.append(len(tokens))
            return super().step(tokens, state)

        def select(self, state, rows):
            return state[rows]

    watched = Watched(2, 0.1).fit(NAMES)
    found = list(sampling.samples(watched, rng=0, count=50))
    lengths = [len(sample.text) + sample.complete for sample in found]
    assert seen == [sum(length > place for length in lengths) for place in range(max(lengths))]
    assert found == list(sampling.samples(model, rng=0, count=50))
