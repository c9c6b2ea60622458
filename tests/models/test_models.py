"""Tests of the neural model, and of what every model promises as a LanguageModel."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.nets import SETTINGS, net
from tinygrad_lm.autograd import Value
from tinygrad_lm.models import MLP, KneserNey, NeuralBigram, NGram, trainable
from tinygrad_lm.nn import functional, functional_call
from tinygrad_lm.text import DataError, NameDataset, Vocabulary

NAMES = ["abid", "aabid", "zeel", "nipun", "meera", "a", "krishnamurthy"]
MODELS = {
    **{f"{order}-gram": NGram(order, 0.1).fit(NAMES) for order in range(1, 8)},
    **{f"kneser-ney {order}": KneserNey(order).fit(NAMES) for order in (1, 2, 5, 7)},
    "neural bigram": NeuralBigram(dtype=np.float64),
    "mlp": MLP(context=3, embedding=4, hidden=(8,), rng=0, dtype=np.float64),
    "deep mlp": MLP(context=5, embedding=2, hidden=(6, 5), activation="relu", rng=1, dtype=np.float64),
    "mlp without a hidden layer": MLP(context=1, embedding=3, hidden=(), rng=2, dtype=np.float64),
    "float32 mlp": MLP(context=2, embedding=3, hidden=(4,), rng=3),
    **{name: net(name, seed) for seed, name in enumerate(SETTINGS)},
}


def log_softmax(logits):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


@pytest.fixture(params=MODELS.values(), ids=MODELS.keys())
def model(request):
    return request.param


class TestEveryModel:
    def test_teacher_forcing_equals_step_by_step(self, model):
        expected = []
        for name in NAMES:
            ids = model.vocabulary.encode(name)
            for i, token in enumerate([*ids, model.vocabulary.boundary_id]):
                expected.append(log_softmax(model.next_logits([ids[:i]])[0].astype(np.float64))[token])
        found = model.log_likelihoods(NAMES)
        assert found.shape == (sum(len(name) + 1 for name in NAMES),)
        assert np.allclose(found, expected, rtol=2e-6 if found.dtype == np.float32 else 1e-12, atol=0)
        assert model.evaluate(NAMES).loss == pytest.approx(-np.mean(expected), rel=1e-6)

    def test_prefixes_of_several_lengths_at_once(self, model):
        prefixes = [[], [1], [1, 2, 3, 4, 5, 6, 7], [25] * 20]
        together = model.next_logits(prefixes)
        assert together.shape == (4, 27)
        for row, prefix in zip(together, prefixes, strict=True):
            assert np.allclose(model.next_logits([prefix])[0], row, rtol=1e-5)

    def test_no_prefix_gives_no_row(self, model):
        assert model.next_logits([]).shape == (0, 27)

    def test_rebuilt_from_its_configuration_and_state(self, model):
        twin = type(model).from_config(model.config(), model.vocabulary)
        twin.load_state_dict(model.state_dict())
        assert np.allclose(twin.log_likelihoods(NAMES), model.log_likelihoods(NAMES), rtol=1e-5)
        assert type(model).size_of(model.config(), model.vocabulary) == sum(a.size for a in twin.state_dict().values())

    def test_names_it_cannot_read(self, model):
        for names in ([], [""], ["ab1"], ["a-b"]):
            with pytest.raises(DataError):
                model.log_likelihoods(names)


class TestParameterCounts:
    @pytest.mark.parametrize(("embedding", "total"), [(2, 3_481), (10, 6_097)])
    def test_of_the_lectures(self, embedding, total):
        assert MLP(context=3, embedding=embedding, hidden=(100,), rng=0).num_parameters() == total

    @given(
        context=st.integers(1, 5),
        embedding=st.integers(1, 6),
        hidden=st.lists(st.integers(1, 9), max_size=3),
        letters=st.integers(1, 30),
    )
    def test_computed_without_building(self, context, embedding, hidden, letters):
        vocabulary = Vocabulary([chr(0x4E00 + i) for i in range(letters)])
        model = MLP(vocabulary, context=context, embedding=embedding, hidden=hidden, rng=0)
        assert MLP.size_of(model.config(), vocabulary) == model.num_parameters()

    def test_a_model_beyond_the_limit_is_refused_before_it_is_built(self):
        with pytest.raises(ValueError, match=r"this model has [\d,]+ parameters, more than 33,554,432"):
            MLP(context=1024, embedding=60_000, hidden=(1 << 20,), rng=0)


class TestMLP:
    def test_the_forward_pass_in_numpy(self):
        model = MLP(context=3, embedding=2, hidden=(5,), rng=0, dtype=np.float64)
        state = model.state_dict()
        contexts = np.array([[26, 26, 0], [0, 1, 8], [25, 25, 25]])
        x = state["embedding.weight"][contexts].reshape(3, 6)
        h = np.tanh(x @ state["hidden.0.weight"].T + state["hidden.0.bias"])
        logits = h @ state["output.weight"].T + state["output.bias"]
        assert np.allclose(model(contexts).data, logits, rtol=1e-13)
        targets = np.array([1, 3, 26])
        expected = -log_softmax(logits)[np.arange(3), targets].mean()
        assert model.loss(contexts, targets).item() == pytest.approx(expected, rel=1e-13)

    @pytest.mark.parametrize("context", [1, 3, 6])
    def test_it_sees_the_last_tokens_and_no_others(self, context):
        model = MLP(context=context, embedding=3, hidden=(8,), rng=0, dtype=np.float64)
        base = [1, 2, 3, 4, 5, 6, 7, 8]
        before = model.next_logits([base])
        for i in range(8):
            changed = base.copy()
            changed[i] = 20
            assert np.array_equal(model.next_logits([changed]), before) == (i < 8 - context)

    def test_a_short_prefix_is_filled_with_the_boundary(self):
        model = MLP(context=3, embedding=2, hidden=(4,), rng=0)
        assert np.array_equal(model.next_logits([[5]]), model(np.array([[26, 26, 5]])).data)
        windows = model.examples(["abid"])
        assert isinstance(windows, NameDataset)
        assert windows.windows("abid")[0] == ("---", "a") and windows.windows("abid")[-1] == ("bid", "-")

    def test_untrained_it_favours_no_character(self):
        assert MLP(rng=0).evaluate(NAMES).loss == pytest.approx(math.log(27), abs=0.03)

    @pytest.mark.parametrize(("activation", "gain"), [("tanh", 5 / 3), ("relu", math.sqrt(2))])
    def test_weights_start_by_the_rule_of_their_nonlinearity(self, activation, gain):
        weight = MLP(context=4, embedding=25, hidden=(400,), activation=activation, rng=0).state_dict()[
            "hidden.0.weight"
        ]
        assert weight.shape == (400, 100) and weight.std() == pytest.approx(gain / 10, rel=0.02)

    def test_parameters_and_logits_are_float32(self):
        model = MLP(rng=0)
        assert {p.dtype for p in model.parameters()} == {np.dtype(np.float32)}
        assert model.next_logits([[1]]).dtype == np.float32

    def test_the_seed_decides_the_weights(self):
        first, again, other = (MLP(hidden=(4,), rng=seed).state_dict() for seed in (0, 0, 1))
        assert all(np.array_equal(first[name], again[name]) for name in first)
        assert not np.array_equal(first["hidden.0.weight"], other["hidden.0.weight"])

    def test_evaluation_in_chunks_is_evaluation_at_once(self, monkeypatch):
        model = MLP(hidden=(8,), rng=0, dtype=np.float64)
        whole = model.log_likelihoods(NAMES)
        monkeypatch.setattr(trainable, "CHUNK", 5)
        assert np.allclose(model.log_likelihoods(NAMES), whole, rtol=1e-12)
        monkeypatch.setattr(trainable, "CHUNK_NUMBERS", 1)
        assert np.allclose(model.log_likelihoods(NAMES), whole, rtol=1e-12)

    def test_weights_that_overflow_give_a_loss_that_says_so(self):
        model = MLP(hidden=(4,), activation="relu", rng=0)
        model.load_state_dict({name: np.full_like(a, 3e38) for name, a in model.state_dict().items()})
        assert not math.isfinite(model.evaluate(NAMES).loss)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"context": 0},
            {"context": 1.0},
            {"context": True},
            {"context": 5_000},
            {"embedding": -1},
            {"embedding": "10"},
            {"hidden": 200},
            {"hidden": [0]},
            {"hidden": [None]},
            {"hidden": [1] * 101},
            {"activation": "softmax"},
        ],
    )
    def test_a_bad_configuration_names_the_entry(self, wrong):
        config = {"context": 3, "embedding": 2, "hidden": [4], "activation": "tanh"}
        with pytest.raises(ValueError, match=next(iter(wrong))):
            MLP.from_config({**config, **wrong}, Vocabulary())
        with pytest.raises(ValueError, match="is configured by"):
            MLP.from_config({**config, "__class__": "os.system"}, Vocabulary())
        del config["hidden"]
        with pytest.raises(ValueError, match="is configured by"):
            MLP.size_of(config, Vocabulary())

    @pytest.mark.parametrize("activation", ["tanh", "relu"])
    def test_two_training_steps_on_both_engines(self, activation):
        model = MLP(
            Vocabulary("ab"), context=2, embedding=2, hidden=(3,), activation=activation, rng=0, dtype=np.float64
        )
        windows = model.examples(["ab", "ba"])
        scalars = {name: _scalars(p.data) for name, p in model.named_parameters()}
        for _ in range(2):
            model.zero_grad()
            loss = model.loss(windows.contexts, windows.targets)
            loss.backward()
            twin = functional.cross_entropy(functional_call(model, scalars, windows.contexts), windows.targets)
            twin.backward()
            assert twin.data == pytest.approx(loss.item(), rel=1e-13)
            for name, parameter in model.named_parameters():
                own = np.vectorize(lambda value: value.grad or 0.0)(scalars[name])
                assert np.allclose(own, parameter.grad, rtol=1e-12, atol=1e-14), name
                parameter.data = parameter.data - 0.5 * parameter.grad
                scalars[name] = _scalars(np.vectorize(lambda value: value.data)(scalars[name]) - 0.5 * own)
                assert parameter.grad.any(), name


@pytest.mark.parametrize(
    "sizes",
    [(1 << 20, 108, 1, 2, (32,)), (1 << 20, 64, 4, 8, ()), (1 << 20, 81, 1, 2, ()), (5, 1 << 20, 3, 2, (4,))],
)
def test_evaluation_holds_so_many_contexts_at_once(sizes):
    chunk, numbers, context, embedding, hidden = sizes
    most = min(chunk, numbers // max(context * embedding, *hidden, 27))
    model, seen = MLP(context=context, embedding=embedding, hidden=hidden, rng=0), []
    forward = model.forward

    def watched(contexts):
        seen.append(len(contexts))
        return forward(contexts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainable, "CHUNK", chunk)
        patch.setattr(trainable, "CHUNK_NUMBERS", numbers)
        patch.setattr(model, "forward", watched)
        model.log_likelihoods(NAMES)
    assert max(seen) == most <= 5 and sum(seen) == sum(len(name) + 1 for name in NAMES)


def _scalars(array):
    return np.frompyfunc(Value, 1, 1)(array)
