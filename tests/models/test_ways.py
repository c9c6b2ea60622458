"""Tests of how the ways to predict follow from one another in classes that derive from models, and of their shapes."""

import numpy as np
import pytest

from tests.helpers.own_models import NAMES, VOCABULARY, WAYS, Forward, Prefixes, Stepping, Windows, log_softmax
from tinygrad_lm import nn, sampling
from tinygrad_lm.models import RNN, LanguageModel, TrainableModel
from tinygrad_lm.models.ways import ModelError


class TestWhatIsWrittenLastCounts:
    """A class that derives from a model and writes another way is not answered by the way of its base."""

    @pytest.mark.parametrize("base", [Forward, Stepping, Windows])
    def test_prefixes(self, base):
        class Always(base):
            def next_logits(self, prefixes):
                return np.tile(np.where(np.arange(27) == 26, 0.0, -np.inf), (len(prefixes), 1))

        assert [sample.text for sample in sampling.samples(Always(), rng=0, count=5)] == [""] * 5

    @pytest.mark.parametrize("base", [Forward, Windows, Prefixes])
    def test_steps(self, base):
        class Counting(base):
            def start(self, n):
                return 0

            def step(self, tokens, state):
                rows = np.full((len(tokens), 27), -np.inf)
                rows[:, 26 if state == 4 else state] = 0
                return rows, state + 1

        assert sampling.generate(Counting(), rng=0).text == "abcd"
        assert np.argmax(Counting().next_logits([[], [7, 7]]), axis=1).tolist() == [0, 2]

    def test_a_quicker_step_leaves_forward_as_it_is(self):
        class Quicker(Forward):
            start, step = Stepping.start, Stepping.step

        assert Quicker.forward is Forward.forward
        assert np.allclose(Quicker().next_logits([[1, 2]]), Forward().next_logits([[1, 2]]), rtol=1e-12)

    def test_forward_and_step_of_one_class_are_both_its_own(self):
        class Both(Windows):
            def forward(self, contexts):
                return -super().forward(contexts)

            def step(self, tokens, state):
                logits, state = super().step(tokens, state)
                return 2 * logits, state

        expected = -2 * Windows().next_logits([[1, 2], []])
        assert np.allclose(Both().next_logits([[1, 2], []]), expected, rtol=1e-12)

    @pytest.mark.parametrize("base", [Forward, Stepping, Windows, Prefixes])
    @pytest.mark.parametrize("way", ["forward", "step", "next_logits"])
    def test_a_base_is_asked_for_its_own(self, base, way):
        """By ``super()``, whichever way the base wrote: half its logits are as if the temperature were 2."""
        if way == "forward" and base is Prefixes:
            return

        def forward(self, tokens):
            return super(Halved, self).forward(tokens) / 2

        def step(self, tokens, state):
            logits, state = super(Halved, self).step(tokens, state)
            return logits / 2, state

        def next_logits(self, prefixes):
            return super(Halved, self).next_logits(prefixes) / 2

        Halved = type("Halved", (base,), {way: {"forward": forward, "step": step, "next_logits": next_logits}[way]})
        expected = base().next_logits([[], [1, 2], [3]]) / 2
        assert np.allclose(Halved().next_logits([[], [1, 2], [3]]), expected, rtol=1e-12)
        found = Halved().log_likelihoods(["bc"])
        wanted = log_softmax(base().next_logits([[], [1], [1, 2]]) / 2)[[0, 1, 2], [1, 2, 26]]
        assert np.allclose(found, wanted, rtol=1e-12)

    def test_losses_are_of_what_writes_the_names(self):
        uniform = {
            "step": lambda self, tokens, state: (np.zeros((len(tokens), 27)), None),
            "start": lambda self, n: None,
        }
        prefixed = {"next_logits": lambda self, prefixes: np.zeros((len(prefixes), 27))}
        for base in (Forward, Windows, Stepping):
            for written in (uniform, prefixed):
                model = type("Other", (base,), dict(written))()
                assert model.evaluate(["abid"]).loss == pytest.approx(np.log(27), rel=1e-12)
                assert np.array_equal(model.next_logits([[1], []]), np.zeros((2, 27)))

    def test_losses_of_ones_own_stay(self):
        class Own(Forward):
            def log_likelihoods(self, names):
                return np.full(5, -1.0)

        class Heir(Own):
            def forward(self, tokens):
                return super().forward(tokens)

        assert Heir().evaluate(["abid"]).loss == 1.0

    def test_what_a_base_beside_models_writes_is_written(self):
        class Net(nn.Module):
            __init__, start, step = Stepping.__init__, Stepping.start, Stepping.step

        class Joined(Net, TrainableModel):
            pass

        assert np.allclose(Joined().log_likelihoods(NAMES), WAYS["step"].log_likelihoods(NAMES), rtol=1e-12)
        assert Joined()(np.array([[26, 1]])).shape == (1, 2, 27)

    def test_what_is_not_written_is_not_made_up(self):
        class Prefixed(nn.Module, TrainableModel):
            vocabulary = VOCABULARY

            def next_logits(self, prefixes):
                return np.zeros((len(prefixes), 27))

        with pytest.raises(NotImplementedError, match="Prefixed does not define forward"):
            Prefixed().loss(np.zeros((1, 1), int), np.zeros((1, 1), int))

    def test_forward(self):
        class Reversed(Stepping):
            def forward(self, tokens):
                return Forward.forward(self, tokens) * -1

        assert np.allclose(Reversed().next_logits([[1, 2]]), -Stepping().next_logits([[1, 2]]))
        assert np.allclose(Reversed().log_likelihoods(["ab"])[0], log_softmax(-Stepping().next_logits([[]]))[0, 0])


class Tokens(nn.Module, TrainableModel):
    """What ``forward`` gives is made by ``made`` of the logits that it should give."""

    def __init__(self):
        self.vocabulary, self.rows = VOCABULARY, nn.Embedding(27, 27, rng=0)

    def forward(self, tokens):
        return self.made(self.rows(tokens))


class Steps(LanguageModel):
    """The same of ``step``, and of its pair."""

    vocabulary = VOCABULARY

    def start(self, n):
        return None

    def step(self, tokens, state):
        return self.made(np.zeros((len(tokens), 27)))


OF_FORWARD = {
    "only the last": (lambda y: y[:, -1], "Tensor of shape (1, 27)"),
    "nothing": (lambda y: None, "None"),
    "a pair": (lambda y: (y, 1), "a tuple"),
    "too many tokens": (lambda y: np.concatenate([y, y], axis=-1), "Tensor of shape (1, 3, 54)"),
    "too few": (lambda y: y[..., :20], "Tensor of shape (1, 3, 20)"),
    "an array": (lambda y: y.data, "from which nothing is learned"),
}
OF_STEP = {
    "no state": (lambda y: y, "not two things: logits, and the state"),
    "nothing": (lambda y: None, "None, not two things"),
    "one row": (lambda y: (y[:1], None), "ndarray of shape (1, 27)"),
    "too few": (lambda y: (y[:, :20], None), "ndarray of shape (2, 20)"),
    "a list": (lambda y: (y.tolist(), None), "a list"),
}


def test_logits_of_another_shape():
    for made, words in OF_FORWARD.values():
        model = type("Wrong", (Tokens,), {"made": staticmethod(made)})()
        for call in (lambda model: model.evaluate(["ab"]), lambda model: model.loss(*model.examples(["ab"]).take([0]))):
            with pytest.raises(ModelError, match=r"^Wrong\.forward gave ") as caught:
                call(model)
            assert words in str(caught.value)
    for made, words in OF_STEP.values():
        model = type("Wrong", (Steps,), {"made": staticmethod(made)})()
        for call in (
            lambda model: model.evaluate(["ab", "cd"]),
            lambda model: model.next_logits([[], [1]]),
            lambda model: list(sampling.samples(model, rng=0, count=2)),
        ):
            with pytest.raises(ModelError, match=r"^Wrong\.step gave ") as caught:
                call(model)
            assert words in str(caught.value)


def test_windows_of_another_shape():
    class Wrong(Windows):
        def forward(self, contexts):
            return self.embedding(contexts)

    with pytest.raises(
        ModelError, match=r"Wrong\.forward gave a Tensor of shape \(3, .*\), not logits of shape \(3, 27\)"
    ):
        Wrong().evaluate(["ab"])


def test_a_model_that_is_no_module():
    class Own(TrainableModel):
        vocabulary = VOCABULARY

        def named_parameters(self):
            return iter([])

        def loss(self, inputs, targets):
            raise NotImplementedError

        def next_logits(self, prefixes):
            return np.zeros((len(prefixes), 27))

    assert Own().evaluate(["abid"]).loss == pytest.approx(np.log(27), rel=1e-12)


def test_what_was_left_in_memory_is_not_cast(monkeypatch):
    model = RNN(VOCABULARY, rng=0)
    expected = model.next_logits([[0, 1], [2]])
    empty = np.empty

    def used(shape, dtype=float, **options):
        found = empty(shape, dtype, **options)
        if found.dtype == np.float64:
            found.fill(1e300)
        return found

    monkeypatch.setattr(np, "empty", used)
    assert np.array_equal(model.next_logits([[0, 1], [2]]), expected)
