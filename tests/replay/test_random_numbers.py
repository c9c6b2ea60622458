"""Random numbers are drawn as in eager mode, from whatever generator, or the step is not replayed."""

import random

import numpy as np
import pytest

from tests.helpers.replaying import Net, Twins, World, batches, learn, run
from tinygrad_lm import manual_seed, nn


def test_a_generator_of_the_user():
    def step(w, x, y):
        return learn(w, w.model.loss(x + w.generators[0].normal(size=x.shape).astype(np.float32), y))

    run(step, make=lambda: World(generators=[np.random.default_rng(3)])).was_not("random")


def test_a_generator_that_decides():
    def step(w, x, y):
        return learn(w, w.model.loss(x, y) * (2 if w.generators[0].random() < 0.5 else 3))

    run(step, 12, make=lambda: World(generators=[np.random.default_rng(3)])).was_not("random")


@pytest.mark.parametrize("kind", [random.Random, np.random.RandomState])
def test_an_own_generator_of_an_old_kind_that_decides(kind):
    def make():
        return World(old=kind(5))

    def step(w, x, y):
        draw = w.old.random() if kind is random.Random else w.old.uniform()
        return learn(w, w.model.loss(x, y) * (2 if draw < 0.9 else 3))

    run(step, 12, make=make).was_not("random")


@pytest.mark.parametrize("draw", [random.random, lambda: np.random.uniform()], ids=["random", "np.random"])  # noqa: NPY002
def test_global_random_numbers(draw):
    def step(w, x, y):
        return learn(w, w.model.loss(x, y) * (2 if draw() < 0.9 else 3))

    run(step, 12).was_not("random")


def test_dropout_from_the_default_generator_and_from_one_that_is_seeded_anew():
    def make():
        return World(Net(nn.Dropout(0.4)))

    twins = Twins(make)
    for args in batches(5):
        twins.call(*args)
    twins.change(lambda w: manual_seed(77))
    for args in batches(5):
        twins.call(*args)
    twins.was_replayed(4)


def test_dropout_with_a_generator_that_is_set_back():
    def make():
        return World(Net(nn.Dropout(0.4, rng=4)))

    def back(w):
        w.model.hidden.rng.bit_generator.state = np.random.default_rng(9).bit_generator.state

    twins = Twins(make)
    for args in batches(5):
        twins.call(*args)
    twins.change(back)
    for args in batches(3):
        twins.call(*args)
    twins.change(lambda w: setattr(w.model.hidden, "rng", np.random.default_rng(8)))
    for args in batches(4):
        twins.call(*args)
    twins.was_replayed(6)


def test_a_branch_behind_a_mask_draws_it_once():
    """Where a plan breaks off, the step draws again what the plan had drawn: the generator is set back."""

    def step(w, x, y):
        loss = w.model.loss(x, y)
        return learn(w, loss if loss > 1.6 else 3 * loss)

    twins = Twins(lambda: World(Net(hidden=nn.Dropout(0.5, rng=4))), step)
    for args in batches(30):
        twins.call(*args)
    twins.was_replayed()
