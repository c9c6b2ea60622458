"""Tests of how models are made: every family that learns takes settings by name, a configuration, or both."""

import inspect
from dataclasses import dataclass

import numpy as np
import pytest

from tinygrad_lm import models
from tinygrad_lm.models.trainable import TrainableModel
from tinygrad_lm.text import Vocabulary

SETTINGS = {
    models.MLP: {"context": 2, "embedding": 3, "hidden": (4, 5), "norm": "batch", "dropout": 0.2},
    models.WaveNet: {"levels": 1, "embedding": 3, "hidden": 4},
    models.RNN: {"embedding": 3, "hidden": 4},
    models.GRU: {"embedding": 3, "hidden": 4, "layers": 2},
    models.LSTM: {"embedding": 3, "hidden": 4},
    models.Transformer: {"width": 4, "heads": 2, "layers": 1, "positions": "sinusoidal", "activation": "swiglu"},
}
VOCABULARY = Vocabulary("abc")


def same(one, other):
    return {name: array.tobytes() for name, array in one.state_dict().items()} == {
        name: array.tobytes() for name, array in other.state_dict().items()
    }


@pytest.mark.parametrize("family", SETTINGS)
class TestByName:
    def test_settings_and_a_configuration_make_the_same_model(self, family):
        settings = SETTINGS[family]
        named = family(VOCABULARY, rng=0, **settings)
        assert same(named, family(VOCABULARY, family.Config(**settings), rng=0))
        assert same(named, family.build(family.Config(**settings), VOCABULARY, np.random.default_rng(0)))
        assert named.configuration == family.Config(**settings)

    def test_settings_change_a_configuration(self, family):
        first, *others = SETTINGS[family].items()
        configuration = family.Config(**dict([first]))
        made = family(VOCABULARY, configuration, rng=0, **dict(others))
        assert made.configuration == family.Config(**SETTINGS[family])

    def test_nothing_is_needed(self, family):
        made = family()
        assert made.vocabulary == Vocabulary() and made.configuration == family.Config()

    def test_the_dtype_of_every_number(self, family):
        made = family(VOCABULARY, rng=0, dtype=np.float64, **SETTINGS[family])
        arrays = [*made.state_dict().values(), *made.buffers()]
        assert {array.dtype for array in arrays if array.dtype.kind == "f"} == {np.dtype(np.float64)}
        rounded = family(VOCABULARY, rng=0, **SETTINGS[family]).state_dict()
        for name, array in made.state_dict().items():
            np.testing.assert_allclose(rounded[name], array, rtol=1e-6, atol=1e-7)
        assert made.evaluate(["ab"]).loss > 0

    def test_a_misspelt_setting(self, family):
        first, *_ = SETTINGS[family]
        name = family.__name__
        with pytest.raises(TypeError, match=f"^{name} has no setting '{first}s', but .*; did you mean '{first}'\\?$"):
            family(VOCABULARY, **{first + "s": 3})
        with pytest.raises(TypeError, match=f"^{name} has no setting 'zzzz', but {', '.join(names_of(family))}$"):
            family(VOCABULARY, zzzz=3)

    def test_a_value_out_of_its_range_is_named(self, family):
        with pytest.raises(ValueError, match=r"^dropout is a number from 0 to 0.95, not 1.5"):
            family(VOCABULARY, dropout=1.5)

    def test_what_is_no_configuration(self, family):
        name = family.__name__
        with pytest.raises(
            TypeError, match=rf"^{name}'s configuration is a {family.Config.__name__}, not 3: .*by name"
        ):
            family(VOCABULARY, 3)

    def test_what_is_no_vocabulary(self, family):
        for wrong in (27, "abc", family.Config()):
            with pytest.raises(TypeError, match=r"^a model reads by a Vocabulary or another tokenizer, not "):
                family(wrong)


def names_of(family):
    return [each.name for each in family.Config.settings()]


def test_every_family_that_learns_is_here():
    found = [getattr(models, name) for name in models.__all__]
    learn = {each for each in found if isinstance(each, type) and issubclass(each, TrainableModel)}
    assert learn - set(SETTINGS) == {models.TrainableModel, models.WindowModel, models.NeuralBigram}


@pytest.mark.parametrize(
    "make", [models.NeuralBigram, lambda v: models.NGram(2, vocabulary=v), lambda v: models.KneserNey(2, v)]
)
def test_what_is_no_vocabulary_of_counts(make):
    with pytest.raises(TypeError, match=r"^a model reads by a Vocabulary or another tokenizer, not 27"):
        make(27)


def test_presets_are_settings():
    model = models.Transformer(**models.Transformer.presets["microgpt"], rng=0)
    assert model.num_parameters() == 4192 and model.configuration.dropout == 0


class TestSignatures:
    """Notebooks and ``help`` show the settings one by one."""

    @pytest.mark.parametrize("family", SETTINGS)
    def test_of_a_family(self, family):
        found = inspect.signature(family).parameters
        assert list(found) == ["vocabulary", "configuration", *names_of(family), "rng", "dtype"]
        assert {name: found[name].default for name in names_of(family)} == vars(family.Config())

    def test_a_configuration_that_is_none_is_told_when_the_class_is_registered(self):
        for wrong in (3, type("Bare", (models.Config,), {"__annotations__": {"width": int}, "width": 3})):

            class Own(models.LSTM):
                kind = "own"
                Config = wrong

                def __init__(self, vocabulary, configuration=None, **settings):
                    super().__init__(vocabulary, configuration, **settings)

            assert list(inspect.signature(Own).parameters) == ["vocabulary", "configuration", "settings"]
            with pytest.raises(TypeError, match=r"Own.Config is no configuration|Bare is no dataclass"):
                models.register(Own)

    def test_of_a_class_of_ones_own(self):
        class Own(models.LSTM):
            def __init__(self, vocabulary, size=3):
                super().__init__(vocabulary, hidden=size)

        class Heir(models.MLP):
            pass

        assert list(inspect.signature(Own).parameters) == ["vocabulary", "size"]
        assert inspect.signature(Heir) == inspect.signature(models.MLP)
        assert list(inspect.signature(models.NeuralBigram).parameters) == ["vocabulary", "dtype"]


@dataclass(frozen=True)
class Warmer(models.MLP.Config):
    temperature: float = models.setting(1.0, "what divides the logits", low=0.1, high=10)


class TestAnExtendedFamily:
    """A family derived from one of the package, with settings of its own beside those that are there."""

    class Warm(models.MLP):
        kind = "warm"
        Config = Warmer

        def forward(self, contexts):
            return super().forward(contexts) / self.configuration.temperature

    def test_by_name_and_by_configuration(self):
        model = self.Warm(VOCABULARY, hidden=(3,), temperature=2.0, rng=0)
        assert model.configuration == Warmer(hidden=(3,), temperature=2.0)
        assert same(model, self.Warm(VOCABULARY, Warmer(temperature=2.0), hidden=(3,), rng=0))
        plain = models.MLP(VOCABULARY, hidden=(3,), rng=0)
        contexts = np.zeros((1, 3), np.int64)
        np.testing.assert_allclose(model(contexts).data * 2, plain(contexts).data, rtol=1e-6)
        assert "temperature" in inspect.signature(self.Warm).parameters
        assert self.Warm.size_of(model.config(), VOCABULARY) == model.num_parameters()

    def test_a_configuration_of_more_makes_the_base_too(self):
        assert models.MLP(VOCABULARY, Warmer(hidden=(3,))).configuration == Warmer(hidden=(3,))
        with pytest.raises(TypeError, match=r"Warm has no setting 'temprature', but .*; did you mean 'temperature'"):
            self.Warm(VOCABULARY, temprature=2)
        with pytest.raises(TypeError, match="Warm's configuration is a Warmer, not MLPConfig"):
            self.Warm(VOCABULARY, models.MLP.Config())


def test_numbers_of_numpy():
    made = models.MLP(VOCABULARY, dropout=np.float32(0.5), residual=np.True_, hidden=[np.int16(3)]).configuration
    assert made == models.MLP.Config(dropout=0.5, residual=True, hidden=(3,))
    assert [type(value) for value in (made.dropout, made.residual, made.hidden[0])] == [float, bool, int]
    for wrong in (np.float32(np.nan), np.True_, np.float32(2)):
        with pytest.raises(ValueError, match=r"dropout is a number from 0 to 0\.95, not"):
            models.MLP(VOCABULARY, dropout=wrong)
