"""Every layer and model, parameters included, checked to second order by ``check_gradients``."""

import numpy as np
import pytest

from tests.nn.pytorch_numbers import flat
from tinygrad_lm import nn
from tinygrad_lm.models import loading
from tinygrad_lm.models.mlp import NORMS
from tinygrad_lm.models.registry import FAMILIES
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


class Weighed(nn.Module):
    """All that a module gives, as one number."""

    def __init__(self, module):
        self.module = module

    def forward(self, *inputs):
        found = flat(self.module(*inputs))
        return sum((out * np.cos(np.arange(out.size)).reshape(out.shape)).sum() for out in found)


RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4))
STEPS = RNG.normal(size=(3, 2, 2))
IDS = np.array([[0, 2, 2], [4, 0, 1]])
LAYERS = {
    "BatchNorm1d": (nn.BatchNorm1d(4), X),
    "CrossEntropyLoss": (nn.CrossEntropyLoss(), X, np.array([0, 3, 1])),
    "Dropout": (nn.Dropout(0.5, rng=0).eval(), X),
    "Embedding": (nn.Embedding(5, 3, rng=RNG), IDS),
    "Flatten": (nn.Flatten(), RNG.normal(size=(2, 3, 2))),
    "GELU": (nn.GELU(), X),
    "GRU": (Weighed(nn.GRU(2, 3, 2, rng=RNG)), STEPS),
    "GRUCell": (nn.GRUCell(4, 2, rng=RNG), X),
    "LSTM": (Weighed(nn.LSTM(2, 3, 2, rng=RNG)), STEPS),
    "LSTMCell": (Weighed(nn.LSTMCell(4, 2, rng=RNG)), X),
    "LayerNorm": (nn.LayerNorm(4), X),
    "Linear": (nn.Linear(4, 2, rng=RNG), X),
    "ModuleDict": (Looped(nn.ModuleDict({"a": nn.Linear(4, 2, rng=RNG), "b": nn.Linear(2, 3, rng=RNG)})), X),
    "ModuleList": (Looped(nn.ModuleList([nn.Linear(4, 2, rng=RNG), nn.Linear(2, 3, rng=RNG)])), X),
    "MultiheadAttention": (Weighed(nn.MultiheadAttention(4, 2, rng=RNG)), X, X[:2].copy(), X[1:].copy()),
    "RMSNorm": (nn.RMSNorm(4), X),
    "RNN": (Weighed(nn.RNN(2, 3, 2, rng=RNG)), STEPS),
    "RNNCell": (nn.RNNCell(4, 2, rng=RNG), X),
    "ReLU": (nn.ReLU(), X),
    "Sequential": (nn.Sequential(nn.Linear(4, 3, rng=RNG), nn.Tanh(), nn.Linear(3, 2, rng=RNG)), X),
    "SiLU": (nn.SiLU(), X),
    "Sigmoid": (nn.Sigmoid(), X),
    "Softplus": (nn.Softplus(), X),
    "Tanh": (nn.Tanh(), X),
}
VARIANTS = {
    "BatchNorm1d, means of all batches": (nn.BatchNorm1d(4, momentum=None), X),
    "BatchNorm1d, no bias": (nn.BatchNorm1d(4, bias=False), X),
    "BatchNorm1d, no bias, evaluated": (nn.BatchNorm1d(4, bias=False).eval(), X),
    "BatchNorm1d, untracked": (nn.BatchNorm1d(4, track_running_stats=False).eval(), X),
    "LayerNorm, no bias": (nn.LayerNorm(4, bias=False), X),
    "LayerNorm, plain": (nn.LayerNorm(4, elementwise_affine=False), X),
}
ABSTRACT = {"Module"}


def test_no_layer_is_forgotten():
    found = {
        name for name in nn.__all__ if isinstance(getattr(nn, name), type) and issubclass(getattr(nn, name), nn.Module)
    }
    assert found - ABSTRACT == set(LAYERS)


@pytest.mark.parametrize("name", [*LAYERS, *VARIANTS])
def test_layer(name):
    module, *inputs = {**LAYERS, **VARIANTS}[name]
    report = check_gradients(module, *inputs, order=2)
    assert report.worst_error < 1e-7
    assert {row.name for row in report.inputs} >= {key for key, _ in module.named_parameters()}


UNDROPPED = {"dropout": 0.0, "recurrent_dropout": 0.0, "blank": 0.0}
SMALL = {"width": 4, "heads": 2, "layers": 1, "feed_forward": 3, "dropout": 0.0}
MODELS = {
    "mlp": [
        {"context": 2, "embedding": 3, "hidden": (4,), "activation": "tanh"},
        {"context": 2, "embedding": 3, "hidden": (4,), "activation": "relu"},
        {"context": 2, "embedding": 2, "hidden": (4, 4), "activation": "gelu", "norm": "layer", "residual": True},
        {"context": 2, "embedding": 2, "hidden": (3,), "norm": "batch"},
    ],
    "wavenet": [{"levels": 2, "embedding": 2, "hidden": 3, "norm": norm, "dropout": 0.0} for norm in NORMS],
    **{
        kind: [{"embedding": 2, "hidden": 3, "layers": layers, **UNDROPPED} for layers in (1, 2)]
        for kind in ("rnn", "gru", "lstm")
    },
    "neural-bigram": [{}],
    "transformer": [
        {**SMALL, "positions": "sinusoidal", "pre_norm": False},
        {**SMALL, "positions": "rotary", "norm": "rms", "activation": "swiglu", "bias": False, "tie": True},
        {**SMALL, "positions": "none", "norm": "rms", "affine": False, "activation": "relu"},
        {**SMALL, "positions": "learned", "context": 4},
    ],
}


def test_no_family_is_forgotten():
    assert {*MODELS, "ngram", "kneser-ney", "mixture"} == set(FAMILIES)


@pytest.mark.parametrize(("kind", "given"), [(kind, given) for kind, several in MODELS.items() for given in several])
def test_neural_model(kind, given):
    family = loading.family(kind)
    model = family.build(family.Config(**given), Vocabulary.from_names(["abcd"]), np.random.default_rng(0))
    inputs, targets = model.examples(["abad", "ca", "d"]).take(np.arange(3))

    def loss(model, inputs, targets):
        return model.loss(inputs, targets)

    report = check_gradients(loss, model, inputs, targets, order=2)
    assert {row.name for row in report.inputs} == {f"model.{name}" for name, _ in model.named_parameters()}
    assert report.worst_error < 1e-7
