"""Tests of families that a file describes: what their constructors may do with the generator that builds them."""

from dataclasses import dataclass

import numpy as np
import pytest

from tinygrad_lm import manual_seed, models, nn
from tinygrad_lm.random import default_generator
from tinygrad_lm.text import Vocabulary

VOCABULARY = Vocabulary()
pytestmark = pytest.mark.usefixtures("families")


def quarter(rng):
    """A part of an orthogonal matrix: 10,000 numbers are drawn for 729."""
    return np.linalg.qr(rng.normal(size=(100, 100)))[0][:27, :27]


BUILDERS = {
    "a generator that is kept": lambda model, rng: setattr(model, "drop", nn.Dropout(0.1, rng=rng)),
    "one that is spawned": lambda model, rng: setattr(model, "drop", nn.Dropout(0.1, rng=rng.spawn(1)[0])),
    "sizes of NumPy's": lambda model, rng: setattr(model, "more", nn.Linear(3, np.int64(4), rng=rng)),
    "a size of NumPy's": lambda model, rng: setattr(
        model, "more", nn.Parameter(rng.normal(size=np.prod((2, 3))), dtype=np.float32)
    ),
    "much for little": lambda model, rng: setattr(model, "more", nn.Parameter(quarter(rng), dtype=np.float32)),
    "integers": lambda model, rng: model.register_buffer("more", rng.integers(0, 9, 5)),
}


class Rows(nn.Module, models.TrainableModel):
    """A bigram with more to it, as ``add`` says."""

    def __init__(self, vocabulary, configuration=None, *, rng=None):
        self.vocabulary, self.configuration = vocabulary, configuration
        self.rows = nn.Embedding(len(vocabulary), len(vocabulary), rng=rng)
        self.add(rng)

    def forward(self, tokens):
        return self.rows(tokens)


@dataclass(frozen=True)
class RowsConfig(models.Config):
    width: int = models.setting(3)


@pytest.mark.parametrize("builder", BUILDERS.values(), ids=BUILDERS)
def test_what_was_saved_is_loaded(builder, tmp_path):
    family = models.register(type("Own", (Rows,), {"kind": "own", "Config": RowsConfig, "add": builder}))
    model = family(VOCABULARY, RowsConfig(), rng=np.random.default_rng(0))
    twin = models.load(model.save(tmp_path / "own"))
    assert {name: array.tobytes() for name, array in twin.state_dict().items()} == {
        name: array.tobytes() for name, array in model.state_dict().items()
    }
    if hasattr(twin, "drop"):  # for as many numbers as anybody asks
        for _ in range(50):
            twin.drop(np.ones((1_000, 1_000)))


def test_a_family_without_a_configuration_draws_no_more_either(tmp_path):
    """Its layers draw from the default generator, which is afterwards as it was."""

    class Plain(nn.Module, models.TrainableModel):
        kind = "plain"
        width = 3

        def __init__(self, vocabulary):
            self.vocabulary, self.rows = vocabulary, nn.Embedding(len(vocabulary), self.width)

    models.register(Plain)
    path = Plain(VOCABULARY).save(tmp_path / "plain")
    manual_seed(5)
    assert models.load(path).rows.weight.shape == (27, 3)
    Plain.width = 1 << 40
    with pytest.raises(models.ModelFileError, match=r"more than the .* numbers that plain holds"):
        models.load(path)
    assert default_generator().random() == np.random.default_rng(5).random()


def test_what_no_memory_holds_is_no_model(tmp_path):
    family = models.register(type("Own", (Rows,), {"kind": "own", "Config": RowsConfig, "add": lambda *_: None}))
    path = family(VOCABULARY, RowsConfig(), rng=0).save(tmp_path / "own")
    family.add = lambda *_: np.zeros(1 << 46)
    with pytest.raises(models.ModelFileError, match=r"more than the .* numbers that own holds"):
        models.load(path)
