"""Every layer and model, parameters included, checked to second order by ``check_gradients``."""

import numpy as np
import pytest

from tinygrad_lm import nn
from tinygrad_lm.models import MLP
from tinygrad_lm.testing import check_gradients
from tinygrad_lm.text import Vocabulary


class Looped(nn.Module):
    """What is not called itself is checked within a module: a list, and a dictionary."""

    def __init__(self, container):
        self.parts = container

    def forward(self, x):
        for part in self.parts.values() if isinstance(self.parts, nn.ModuleDict) else self.parts:
            x = np.tanh(part(x))
        return x


RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4))
IDS = np.array([[0, 2, 2], [4, 0, 1]])
LAYERS = {
    "CrossEntropyLoss": (nn.CrossEntropyLoss(), X, np.array([0, 3, 1])),
    "Dropout": (nn.Dropout(0.5, rng=0).eval(), X),
    "Embedding": (nn.Embedding(5, 3, rng=RNG), IDS),
    "Flatten": (nn.Flatten(), RNG.normal(size=(2, 3, 2))),
    "GELU": (nn.GELU(), X),
    "LayerNorm": (nn.LayerNorm(4), X),
    "Linear": (nn.Linear(4, 2, rng=RNG), X),
    "ModuleDict": (Looped(nn.ModuleDict({"a": nn.Linear(4, 2, rng=RNG), "b": nn.Linear(2, 3, rng=RNG)})), X),
    "ModuleList": (Looped(nn.ModuleList([nn.Linear(4, 2, rng=RNG), nn.Linear(2, 3, rng=RNG)])), X),
    "ReLU": (nn.ReLU(), X),
    "Sequential": (nn.Sequential(nn.Linear(4, 3, rng=RNG), nn.Tanh(), nn.Linear(3, 2, rng=RNG)), X),
    "SiLU": (nn.SiLU(), X),
    "Sigmoid": (nn.Sigmoid(), X),
    "Softplus": (nn.Softplus(), X),
    "Tanh": (nn.Tanh(), X),
}
ABSTRACT = {"Module"}


def test_no_layer_is_forgotten():
    found = {
        name for name in nn.__all__ if isinstance(getattr(nn, name), type) and issubclass(getattr(nn, name), nn.Module)
    }
    assert found - ABSTRACT == set(LAYERS)


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name):
    module, *inputs = LAYERS[name]
    report = check_gradients(module, *inputs, order=2)
    assert report.worst_error < 1e-7
    assert {row.name for row in report.inputs} >= {key for key, _ in module.named_parameters()}


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_neural_model(activation):
    model = MLP(Vocabulary(), context=2, embedding=3, hidden=(4,), activation=activation, rng=0)
    contexts = np.array([[0, 3], [5, 5], [1, 2]])

    def loss(model, contexts, targets):
        return model.loss(contexts, targets)

    report = check_gradients(loss, model, contexts, np.array([1, 0, 7]), order=2)
    assert {row.name for row in report.inputs} == {f"model.{name}" for name, _ in model.named_parameters()}
    assert report.worst_error < 1e-7
