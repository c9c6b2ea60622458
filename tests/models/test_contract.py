"""Tests of what follows from the little that a model writes: steps, prefixes, sequences, losses, samples, sizes."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.dropping import Dropping
from tests.helpers.own_models import NAMES, VOCABULARY, WAYS, Forward, log_softmax, of_all
from tinygrad_lm import models, nn, sampling
from tinygrad_lm.autograd import no_grad
from tinygrad_lm.models import (
    MLP,
    FittedModel,
    LanguageModel,
    TrainableModel,
    WindowModel,
    interface,
    trainable,
    ways,
)
from tinygrad_lm.models.config import Config, setting
from tinygrad_lm.text import IGNORE, DataError
from tinygrad_lm.training import Plan, Trainer


def array(logits):
    return ways.plain(logits)


class TestOneWayIsEnough:
    """Three models that compute the same are the same, whichever way they were written."""

    @pytest.mark.parametrize("way", ["step", "next_logits"])
    def test_prefixes_likelihoods_and_samples(self, way):
        one, other = WAYS["forward"], WAYS[way]
        prefixes = [[], [3], [1, 2, 3, 4, 5, 6], [25] * 12]
        assert np.allclose(other.next_logits(prefixes), one.next_logits(prefixes), rtol=1e-12)
        assert np.allclose(other.log_likelihoods(NAMES), one.log_likelihoods(NAMES), rtol=1e-12)
        assert other.evaluate(NAMES).loss == pytest.approx(one.evaluate(NAMES).loss, rel=1e-12)
        texts = [[sample.text for sample in sampling.samples(each, rng=3, count=9)] for each in (one, other)]
        assert texts[0] == texts[1]

    def test_losses_and_gradients(self):
        inputs, targets = WAYS["forward"].examples(NAMES).take(np.arange(7))
        gradients = []
        for each in (WAYS["forward"], WAYS["step"]):
            each.zero_grad()
            loss = each.loss(inputs, targets)
            loss.backward()
            gradients.append([p.grad for p in each.parameters()])
            assert loss.item() == pytest.approx(each.evaluate(NAMES).loss, rel=1e-12)
        for one, other in zip(*gradients, strict=True):
            assert np.allclose(one, other, rtol=1e-10) and one.any()

    def test_called_as_a_module(self):
        tokens = np.array([[26, 0, 1], [26, 5, 5]])
        assert np.allclose(WAYS["step"](tokens).data, WAYS["forward"](tokens).data, rtol=1e-12)

    def test_a_model_that_writes_none_is_told(self):
        class Silent(LanguageModel):
            vocabulary = VOCABULARY

        class Mute(nn.Module, TrainableModel):
            vocabulary = VOCABULARY

        with pytest.raises(NotImplementedError, match="Silent predicts nothing: write start and step"):
            Silent().next_logits([[]])
        with pytest.raises(NotImplementedError, match="Silent predicts nothing"):
            sampling.generate(Silent(), rng=0)
        with pytest.raises(NotImplementedError, match="Mute does not define forward"):
            sampling.generate(Mute(), rng=0)


class TestStepByStep:
    @of_all
    @settings(max_examples=15)
    @given(lengths=st.lists(st.integers(0, 6), min_size=1, max_size=5), seed=st.integers(0, 9))
    def test_a_step_at_a_time_is_the_whole_prefix(self, model, lengths, seed):
        rng = np.random.default_rng(seed)
        prefixes = [rng.integers(0, 26, length).tolist() for length in lengths]
        expected = [model.next_logits([prefix])[0] for prefix in prefixes]
        with no_grad():
            state = model.start(len(prefixes))
            for place in range(max(lengths) + 1):
                column = [([26, *prefix][place : place + 1] or [0])[0] for prefix in prefixes]
                logits, state = model.step(np.array(column), state)
                for row, prefix in enumerate(prefixes):
                    if len(prefix) == place:
                        assert np.allclose(array(logits)[row], expected[row], rtol=1e-10)

    @of_all
    def test_a_state_may_be_gone_on_from_twice(self, model):
        with no_grad():
            _, state = model.step(np.array([26, 26]), model.start(2))
            one = [array(model.step(np.array(tokens), state)[0]) for tokens in ([0, 1], [5, 5], [0, 1])]
        assert np.array_equal(one[0], one[2])

    @of_all
    def test_evaluation_is_the_sum_of_the_steps(self, model):
        expected = []
        for name in NAMES:
            ids = VOCABULARY.encode(name)
            for i, token in enumerate([*ids, 26]):
                expected.append(log_softmax(model.next_logits([ids[:i]]))[0, token])
        assert np.allclose(model.log_likelihoods(NAMES), expected, rtol=1e-9)
        assert np.allclose(LanguageModel.log_likelihoods(model, NAMES), expected, rtol=1e-9)

    @of_all
    def test_evaluation_in_parts(self, model, monkeypatch):
        whole = LanguageModel.log_likelihoods(model, NAMES), model.log_likelihoods(NAMES)
        monkeypatch.setattr(interface, "NAMES_AT_ONCE", 2)
        monkeypatch.setattr(trainable, "CHUNK", 15)
        assert np.allclose(LanguageModel.log_likelihoods(model, NAMES), whole[0], rtol=1e-12)
        assert np.allclose(model.log_likelihoods(NAMES), whole[1], rtol=1e-12)

    def test_sequences_are_read_in_parts_of_so_many_tokens(self, monkeypatch):
        model, seen = Forward(), []
        monkeypatch.setattr(trainable, "CHUNK", 40)
        forward = model.forward
        monkeypatch.setattr(model, "forward", lambda tokens: seen.append(tokens.size) or forward(tokens))
        model.log_likelihoods(NAMES)
        assert len(seen) > 2 and max(seen) <= 40


class TestContext:
    def test_no_more_tokens_are_seen(self):
        model = Forward(context=3)
        base = [1, 2, 3, 4, 5]
        before = model.next_logits([base])
        for i in range(5):
            changed = [*base[:i], 20, *base[i + 1 :]]
            assert np.allclose(model.next_logits([changed]), before) == (i < 2)

    def test_its_examples_are_cut(self):
        inputs, targets = Forward(context=3).examples(["abcde"]).take(np.arange(4))
        assert inputs.shape == (4, 3) and (targets != IGNORE).sum() == 6

    def test_it_is_trained_and_stopped(self):
        model = Forward(context=3)
        before = model.evaluate(NAMES).loss
        Trainer(model, NAMES, NAMES, Plan(60, 4, lr=0.05, evaluate_every=20)).run(progress=False)
        assert model.evaluate(NAMES).loss < before - 0.8


class TestBases:
    def test_the_wrong_order_is_refused(self):
        with pytest.raises(TypeError, match=r"class Wrong\(TrainableModel, Module\).*class Wrong\(nn\.Module, Train"):

            class Wrong(TrainableModel, nn.Module):
                pass

    @pytest.mark.parametrize("base", [LanguageModel, TrainableModel, WindowModel, FittedModel, Dropping])
    def test_every_wrong_order_is_refused(self, base):
        with pytest.raises(TypeError, match="its bases are in the wrong order"):
            type("Wrong", (base, nn.Module), {})
        assert issubclass(type("Right", (nn.Module, base), {}), nn.Module)

    def test_what_has_no_state_is_not_saved(self, tmp_path):
        class Uniform(LanguageModel):
            kind = "uniform"
            vocabulary = VOCABULARY

            def next_logits(self, prefixes):
                return np.zeros((len(prefixes), 27))

        assert Uniform().evaluate(NAMES).loss == pytest.approx(np.log(27))
        with pytest.raises(NotImplementedError, match="Uniform has no state_dict"):
            Uniform().save(tmp_path / "names")


@dataclass(frozen=True)
class Sizes(Config):
    """Of ``Sized``."""

    width: int = setting(4, "how wide", low=1, high=1 << 20)
    rate: float = setting(0.5, "a rate", high=1)
    tied: bool = setting(False, "a switch")


class Sized(nn.Module, TrainableModel):
    """A family with a configuration."""

    kind = "sized"
    Config = Sizes

    def __init__(self, vocabulary, configuration=Sizes(), *, rng=None):
        self.vocabulary, self.configuration = vocabulary, configuration
        self.embedding = nn.Embedding(len(vocabulary), configuration.width, rng=rng)
        self.output = nn.Linear(configuration.width, len(vocabulary), rng=rng)

    def forward(self, tokens):
        return self.output(self.embedding(tokens))


@pytest.fixture
def registered(families):
    models.register(Sized)


@pytest.mark.usefixtures("registered")
class TestFamilies:
    def test_it_comes_back(self, tmp_path):
        model = Sized(VOCABULARY, Sizes(7, 0.25, True), rng=3)
        twin = models.load(model.save(tmp_path / "names"))
        assert type(twin) is Sized and twin.configuration == Sizes(7, 0.25, True)
        assert np.array_equal(twin.next_logits([[1]]), model.next_logits([[1]]))
        assert Sized.size_of(model.config(), VOCABULARY) == 27 * 7 + 8 * 27

    def test_a_file_asks_for_no_more_than_it_holds(self, tmp_path):
        from tinygrad_lm.models import files, loading

        path = tmp_path / "weights"
        files.save_weights(Sized(VOCABULARY, rng=0), path)
        said = {"kind": "sized", "vocabulary": VOCABULARY.to_json()}
        for width in (1 << 20, 1 << 16):
            with pytest.raises(models.ModelFileError, match=r"more than the .* numbers that weights holds"):
                loading.build({**said, "config": {"width": width, "rate": 0.5, "tied": False}}, path, path)
        with pytest.raises(models.ModelFileError, match="is configured by rate, tied, width, not width"):
            loading.build({**said, "config": {"width": 2}}, path, path)

    def test_a_model_that_forgets_its_configuration_is_told(self, tmp_path):
        model = Sized(VOCABULARY, rng=0)
        del model.configuration
        with pytest.raises(TypeError, match=r"must keep the Sizes.*self\.configuration = configuration"):
            model.save(tmp_path / "names")

    def test_registered_again_takes_its_own_place_only(self):
        assert models.register(Sized) is Sized
        other = type("Other", (Sized,), {"kind": "sized"})
        with pytest.raises(ValueError, match=r"'sized' is that of .*Sized already; give Other another"):
            models.register(other)

    @pytest.mark.parametrize(
        ("given", "error", "words"),
        [
            (3, TypeError, "3 is no model family"),
            (nn.Linear, TypeError, "Linear is no model family, which is a class"),
            (type("Own", (MLP,), {}), TypeError, "Own has no kind of its own"),
            (type("Own", (MLP,), {"kind": "mlp"}), ValueError, "'mlp' is that of tinygrad_lm.models.mlp:MLP"),
            (type("Own", (MLP,), {"kind": "../x"}), ValueError, "a kind is a word"),
            (type("Own", (MLP,), {"kind": 5}), ValueError, "a kind is a word"),
            (type("Own", (Sized,), {"kind": "own", "Config": type("C", (Config,), {})}), TypeError, "dataclass"),
            (
                type("Own", (Sized,), {"kind": "own", "Config": dataclass(type("C", (), {}))}),
                TypeError,
                "Own.Config is no",
            ),
            (type("Own", (Sized,), {"kind": "own", "Config": {"width": 3}}), TypeError, "Own.Config is no"),
        ],
    )
    def test_what_is_no_family(self, given, error, words):
        before = dict(models.FAMILIES)
        with pytest.raises(error, match=words):
            models.register(given)
        assert before == models.FAMILIES


class TestOfNothing:
    @of_all
    @pytest.mark.parametrize("names", [[], [""], ["ab1"]])
    def test_names_it_cannot_read(self, model, names):
        with pytest.raises(DataError):
            model.log_likelihoods(names)
