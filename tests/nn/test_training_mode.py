"""Training and evaluation mode: Dropout drops in training steps alone, and the user's own switches come back."""

import numpy as np
import pytest

from tests.helpers.dropping import Dropping, DroppingMLP, DroppingModule
from tinygrad_lm import nn, sampling
from tinygrad_lm.training import Plan, Trainer, TrainingError

NAMES = ["abid", "zeel", "nipun", "meera", "zara", "anya", "ravi", "kiran"]


KINDS = [Dropping, DroppingModule, DroppingMLP]
every_kind = pytest.mark.parametrize("kind", KINDS)


def dropout_of(model):
    modules = model.modules() if isinstance(model, nn.Module) else model.net.modules()
    (found,) = [module for module in modules if isinstance(module, nn.Dropout)]
    return found


def switches(model):
    root = model if isinstance(model, nn.Module) else model.net
    return [module.training for module in root.modules()]


def trainer(model, steps=6, **settings):
    return Trainer(model, NAMES[2:], NAMES[:2], Plan(steps, 8, evaluate_every=3, **settings))


@every_kind
def test_two_evaluations_are_equal_and_equal_those_of_eval(kind):
    model = kind()
    found = [model.evaluate(NAMES).loss for _ in range(2)]
    dropout_of(model).eval()
    assert found == [model.evaluate(NAMES).loss] * 2


@every_kind
def test_greedy_samples_are_equal(kind):
    model = kind()
    rng = np.random.default_rng(0)
    found = {sample.text for sample in sampling.samples(model, sampling.Settings(0, max_length=12), rng, count=5)}
    assert len(found) == 1 and all(switches(model))


def test_what_the_package_s_own_model_predicts_does_not_hang_on_the_mode():
    model = DroppingMLP()
    logits, likelihoods = model.next_logits([[1, 2]]), model.log_likelihoods(NAMES)
    assert np.array_equal(model.next_logits([[1, 2]]), logits)
    assert np.array_equal(model.log_likelihoods(NAMES), likelihoods)
    assert all(switches(model))
    model.eval()
    assert np.array_equal(model.next_logits([[1, 2]]), logits)
    assert not any(switches(model))


@every_kind
@pytest.mark.parametrize("begun_in_training", [True, False])
def test_training_draws_its_masks_and_the_mode_comes_back(kind, begun_in_training):
    model = kind()
    for module in [model] if isinstance(model, nn.Module) else [model.net]:
        module.train(begun_in_training)
    seen = []

    class Watched(nn.Dropout):
        def forward(self, x):
            seen.append(self.training)
            return super().forward(x)

    dropout_of(model).__class__ = Watched
    before = dropout_of(model).rng.bit_generator.state
    subject = trainer(model)
    subject.run(lambda step, loss: None, lambda report: None)
    assert seen == [True] * 3 + [False] + [True] * 3 + [False]
    assert dropout_of(model).rng.bit_generator.state != before
    assert switches(model) == [begun_in_training] * len(switches(model))


@every_kind
def test_a_part_that_its_user_froze_stays_frozen(kind):
    model = kind()
    dropout_of(model).eval()
    before = switches(model), dropout_of(model).rng.bit_generator.state
    trainer(model).run(lambda step, loss: None, lambda report: None)
    model.evaluate(NAMES)
    sampling.generate(model, sampling.Settings(), np.random.default_rng(0))
    assert (switches(model), dropout_of(model).rng.bit_generator.state) == before


def test_a_module_s_own_way_to_train_is_respected():
    class Half(DroppingMLP):
        def train(self, mode=True):
            super().train(mode)
            self.hidden.eval()
            return self

    model = Half().eval()
    seen = []
    trainer(model).run(lambda step, loss: seen.append((model.training, model.hidden.training)), lambda report: None)
    assert seen == [(True, False)] * 6 and not any(switches(model))


class Broken(Exception):
    pass


@every_kind
def test_an_exception_brings_the_mode_back(kind, monkeypatch):
    model = kind()
    dropout_of(model).eval()
    before = switches(model)
    run = trainer(model)

    def fail(*_):
        raise Broken

    for name, call in (
        ("log_likelihoods", lambda: model.evaluate(NAMES)),
        ("step", lambda: sampling.generate(model, sampling.Settings(), np.random.default_rng(0))),
        ("evaluate", lambda: run.run(lambda step, loss: None, lambda report: None)),
        ("loss", lambda: run.run(lambda step, loss: None, lambda report: None)),
    ):
        with monkeypatch.context() as patch, pytest.raises(Broken):
            patch.setattr(model, name, fail)
            call()
        assert switches(model) == before, name
    with pytest.raises(TrainingError):
        trainer(model, 50, lr=1e30).run(lambda step, loss: None, lambda report: None)
    assert switches(model) == before


def test_the_switch_by_itself():
    net = nn.Sequential(nn.Linear(2, 2, rng=0), nn.Sequential(nn.Dropout(rng=0), nn.Tanh()))
    net[1].eval()
    before = [module.training for module in net.modules()]
    with nn.evaluating(net) as inside:
        assert inside is net and not any(module.training for module in net.modules())
        with nn.learning(net):
            assert all(module.training for module in net.modules())
        assert not any(module.training for module in net.modules())
    assert [module.training for module in net.modules()] == before
    with nn.learning(net):
        assert [module.training for module in net.modules()] == before
    with nn.evaluating(7):  # what holds no module has no mode
        pass
