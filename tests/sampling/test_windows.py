"""What follows a window is computed once: the same texts, with the same chances, as when each is read anew."""

import numpy as np
import pytest

from tinygrad_lm.models import GRU, MLP, LanguageModel, NGram, WaveNet
from tinygrad_lm.models.kneser_ney import KneserNey
from tinygrad_lm.sampling import Settings, Wanted, generate, samples, writing
from tinygrad_lm.sampling.windows import width_of
from tinygrad_lm.text import Vocabulary

NAMES = ["abid", "aabid", "zeel", "nipun", "meera", "a", "krishnamurthy"]
MODELS = {
    "trigram": NGram(3, 0.05).fit(NAMES),
    "kneser-ney": KneserNey(4).fit(NAMES),
    "mlp": MLP(context=2, hidden=(8,), rng=0, dtype=np.float64),
}
SETTINGS = {
    "as learned": Settings(),
    "cold": Settings(0.5, top_k=5),
    "long": Settings(1.2, top_p=0.9, min_length=6, max_length=9),
    "greedy": Settings(0.0),
}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("prefix", ["", "ne"])
def test_what_windows_say_once_is_what_is_read_anew(model, settings, prefix):
    wanted = Wanted("", "k") if settings.temperature > 1 else Wanted()
    assert width_of(model) is not None
    once, first = written(model, settings, prefix, wanted)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "width_of", lambda model: None)
        anew, second = written(model, settings, prefix, wanted)
    assert once == anew
    for one, other in zip(first, second, strict=True):
        assert one.may_be == other.may_be
        np.testing.assert_array_equal(one.drawn, other.drawn)
        np.testing.assert_allclose(one.chances, other.chances, rtol=1e-12)


def written(model, settings, prefix, wanted):
    """Some texts, and all that was drawn for them."""
    draws, write = [], writing._Batch.write

    def watched(self, seeds):
        draws.append(write(self, seeds))
        return draws[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing._Batch, "write", watched)
        return list(samples(model, settings, 3, prefix, count=20, wanted=wanted, batch_size=64)), draws


def test_a_window_is_read_once(monkeypatch):
    model, read = NGram(2, 0.05).fit(NAMES), []
    step = type(model).step
    monkeypatch.setattr(type(model), "step", lambda self, *args: read.append(len(args[0])) or step(self, *args))
    monkeypatch.setattr("tinygrad_lm.sampling.windows.CountingModel.step", type(model).step)
    list(samples(model, rng=0, count=500))
    assert sum(read) <= len(model.vocabulary)


class Own(MLP):
    """An MLP that remembers more than its window."""

    def step(self, tokens, state):
        """Say how long the texts are, by the state."""
        logits, state = super().step(tokens, state)
        return logits, state


class Slotted(LanguageModel):
    """A model without a dictionary of its own."""

    __slots__ = ()


def test_only_models_of_which_it_is_known_that_they_see_no_more():
    assert width_of(MLP(context=3, hidden=(4,), rng=0)) == 3
    assert width_of(NGram(4, 1.0).fit(NAMES)) == 3
    assert width_of(NGram(1, 1.0).fit(NAMES)) is None
    assert width_of(Own(context=3, hidden=(4,), rng=0)) is None
    assert width_of(GRU(hidden=4, rng=0)) is None
    assert width_of(Slotted()) is None
    assert width_of(WaveNet(rng=0)) is None, "27 ** 8 windows are no few"
    stepped = MLP(context=3, hidden=(4,), rng=0)
    stepped.step = Own.step
    assert width_of(stepped) is None


def test_the_model_may_change_between_two_batches():
    model = MLP(context=2, hidden=(8,), rng=0)
    found = samples(model, rng=0, count=32, batch_size=16)
    first = [next(found).text for _ in range(16)]
    other = MLP(context=2, hidden=(8,), rng=1)
    model.load_state_dict(other.state_dict())
    assert [sample.text for sample in found] == [s.text for s in samples(other, rng=0, count=32)][16:]
    assert first == [s.text for s in samples(MLP(context=2, hidden=(8,), rng=0), rng=0, count=16)]


def test_a_trace_reads_each_window_anew():
    model = MODELS["mlp"]
    assert generate(model, rng=0, trace=True).text == generate(model, rng=0).text
    assert isinstance(model.vocabulary, Vocabulary)
