"""Tests of the recurrent, hierarchical and Transformer families: caches, padding, presets, scalars, learning."""

import itertools
import tracemalloc

import numpy as np
import pytest

from tests.helpers.nets import SETTINGS, SMALL, net
from tinygrad_lm import models, nn, sampling
from tinygrad_lm.autograd import Value, grad_of, no_grad, to_values
from tinygrad_lm.models import files, loading, ways
from tinygrad_lm.models.transformer import TransformerConfig
from tinygrad_lm.nn import functional as F
from tinygrad_lm.text import IGNORE, Vocabulary
from tinygrad_lm.training import Plan, Trainer

VOCABULARY = Vocabulary()
NAMES = ["abid", "aabid", "zeel", "nipun", "meera", "a", "krishnamurthy"]
OF_SEQUENCES = [name for name in SETTINGS if not name.startswith(("mlp", "wavenet"))]
every_net = pytest.mark.parametrize("name", SETTINGS)
every_sequence = pytest.mark.parametrize("name", OF_SEQUENCES)


def copied(state):
    """A deep copy of a state of arrays, or of tensors, in tuples."""
    return tuple(map(copied, state)) if isinstance(state, tuple) else np.array(ways.plain(state))


def equal(one, other):
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return np.array_equal(ways.plain(one), other)


@every_sequence
@pytest.mark.parametrize(("dtype", "bound"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_a_step_at_a_time_is_the_full_forward(name, dtype, bound):
    """With keys and values, or states, that are kept; also beyond the context, whose window moves."""
    model, tokens = net(name, dtype=dtype), np.random.default_rng(0).integers(0, 27, (4, 11))
    most = getattr(model, "context", 11)
    with no_grad():
        state = model.start(4)
        for place in range(11):
            before = copied(state)
            logits, state_after = model.step(tokens[:, place], state)
            full = model(tokens[:, max(0, place + 1 - most) : place + 1]).data[:, -1]
            np.testing.assert_allclose(logits.data, full, rtol=bound, atol=bound)
            assert logits.dtype == dtype and equal(state, before)
            state = state_after


@every_net
def test_a_part_of_the_names_goes_on_as_the_whole(name):
    model, tokens = net(name), np.random.default_rng(0).integers(0, 27, (5, 9))
    assert ways.selects(model)
    with no_grad():
        state, rows = model.start(5), np.array([3, 0, 3])
        for place in (0, 1, 2, 7, 4, 5, 6):
            _, state = model.step(tokens[:, place], state)
            whole, _ = model.step(tokens[:, 8], state)
            part, _ = model.step(tokens[rows, 8], model.select(state, rows))
            np.testing.assert_allclose(ways.plain(part), ways.plain(whole)[rows], rtol=1e-10)


@every_net
def test_names_are_the_same_in_batches_of_any_size(name):
    """In float64 no roll is near enough to a boundary for the rounding of another batch to decide."""
    model = net(name)
    alone, few, all_at_once = (
        [sample.text for sample in sampling.samples(model, rng=7, count=24, batch_size=size)] for size in (1, 5, 24)
    )
    assert alone == few == all_at_once and len(set(alone)) > 12


@every_sequence
def test_padded_and_unpadded_batches_give_the_same_loss_and_gradients(name):
    model, names = net(name, **({"context": 20} if "context" in SETTINGS[name][1] else {})), NAMES[:-1]
    inputs, targets = model.examples(names).take(np.arange(len(names)))
    assert (targets == IGNORE).any()
    F.cross_entropy(model(inputs), targets, ignore_index=IGNORE, reduction="sum").backward()
    padded = {key: parameter.grad for key, parameter in model.named_parameters() if parameter.grad is not None}
    model.zero_grad()
    for one in names:
        inputs, targets = model.examples([one]).take(np.arange(1))
        F.cross_entropy(model(inputs), targets, reduction="sum").backward()
    assert padded
    for key, parameter in model.named_parameters():
        if key in padded:
            np.testing.assert_allclose(parameter.grad, padded[key], rtol=1e-8, atol=1e-11)


@every_sequence
def test_no_place_sees_what_comes_after(name):
    model, tokens = net(name), np.array([[26, 0, 1, 2, 3, 4]])
    before = model(tokens).data
    for place in range(1, 6):
        changed = tokens.copy()
        changed[0, place] = 20
        after = model(changed).data
        np.testing.assert_allclose(after[0, :place], before[0, :place], rtol=1e-9)
        assert not np.allclose(after[0, place:], before[0, place:])


@every_net
def test_on_scalars_the_same_code_gives_the_same_loss_and_gradients(name):
    smaller = {} if name.startswith(("mlp", "wavenet")) else {"layers": 1}
    model = net(name, **(smaller if "mlp" not in name else {"hidden": (30,), "dropout": 0.0}))
    inputs, targets = model.examples(["abi"]).take(np.arange(1))
    on_arrays, on_values = loss_of(model, inputs, targets), loss_on_values(model, inputs, targets)
    assert on_values[0] == pytest.approx(on_arrays[0], rel=1e-12)
    for key, gradient in on_arrays[1].items():
        np.testing.assert_allclose(on_values[1][key], gradient, rtol=1e-9, atol=1e-13)


def test_microgpt_on_scalars():
    """The preset of 4,192 parameters, one name, on an engine of single numbers: the same loss to 1e-9."""
    model = loading.family("transformer").build(preset("microgpt"), VOCABULARY, np.random.default_rng(0))
    model.to(np.float64).eval()
    inputs, targets = model.examples(["priya"]).take(np.arange(1))
    on_arrays, on_values = loss_of(model, inputs, targets), loss_on_values(model, inputs, targets)
    assert abs(on_values[0] - on_arrays[0]) < 1e-9
    assert max(np.abs(on_values[1][key] - gradient).max() for key, gradient in on_arrays[1].items()) < 1e-9
    assert sum(gradient.size for gradient in on_values[1].values()) == 4_192


def loss_of(model, inputs, targets):
    loss = F.cross_entropy(model(inputs), targets)
    loss.backward()
    return loss.item(), {
        key: parameter.grad for key, parameter in model.named_parameters() if parameter.grad is not None
    }


def loss_on_values(model, inputs, targets):
    values = {key: to_values(parameter.data) for key, parameter in model.named_parameters()}
    loss = F.cross_entropy(nn.functional_call(model, values, inputs), targets)
    loss = loss if isinstance(loss, Value) else loss.item()
    loss.backward()
    return loss.data, {key: grad_of(array) for key, array in values.items()}


def preset(name):
    return TransformerConfig(**{**models.Transformer.presets[name], "dropout": 0.0})


class TestSizesOfNets:
    @pytest.mark.parametrize(("name", "count"), [("makemore-transformer", 204_544), ("microgpt", 4_192)])
    def test_of_the_transformers_of_makemore_and_microgpt(self, name, count):
        assert models.Transformer(VOCABULARY, preset(name)).num_parameters() == count

    def test_of_makemores_hierarchical_model(self):
        assert models.WaveNet(VOCABULARY, **models.WaveNet.presets["makemore-wavenet"]).num_parameters() == 76_579

    @pytest.mark.parametrize(("name", "count"), [("deck-mlp", 3_481), ("lab4-mlp", 6_097)])
    def test_of_the_lectures(self, name, count):
        assert models.MLP(VOCABULARY, **models.MLP.presets[name]).num_parameters() == count

    def test_a_tied_output_is_counted_once(self):
        free, tied = (net("transformer", tie=tie) for tie in (False, True))
        assert free.num_parameters() - tied.num_parameters() == 27 * SMALL["width"]


def test_neighbours_are_fused_level_by_level():
    model, contexts = net("wavenet", norm="none", activation="tanh"), np.array([[26, 26, 0, 1], [3, 4, 5, 6]])
    state = model.state_dict()
    for row, logits in zip(contexts, model(contexts).data, strict=True):
        found = list(state["embedding.weight"][row])
        for level in range(2):
            weight, bias = (state[f"levels.{level}.fuse.{name}"] for name in ("weight", "bias"))
            pairs = zip(found[::2], found[1::2], strict=True)
            found = [np.tanh(weight @ np.concatenate(pair) + bias) for pair in pairs]
        np.testing.assert_allclose(logits, state["output.weight"] @ found[0] + state["output.bias"], rtol=1e-10)


@pytest.mark.parametrize("name", ["wavenet", "mlp with all"])
@pytest.mark.parametrize("shape", [(2, 8), (2, 1), (4,)])
def test_contexts_of_another_width_are_refused(name, shape):
    with pytest.raises(ValueError, match=r"reads contexts \(n, [34]\), not \("):
        net(name)(np.zeros(shape, int))


def normal(x):
    return (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)


class TestTransformer:
    @pytest.mark.parametrize("pre_norm", [False, True])
    def test_a_block_is_the_formula_of_the_slide(self, pre_norm):
        """Attention, add and normalise, a small network, add and normalise; or the norms before each part."""
        block = net("transformer", pre_norm=pre_norm, activation="relu", bias=False).blocks[0]
        x = np.random.default_rng(3).normal(size=(1, 4, 8))
        state = block.state_dict()

        def attend(x):
            query, key, value = np.split(x[0] @ state["project.weight"].T, 3, axis=1)
            mixed = []
            for head in (slice(0, 4), slice(4, 8)):
                scores = np.where(np.tri(4), query[:, head] @ key[:, head].T / 2, -np.inf)
                e = np.exp(scores)
                mixed.append(e / e.sum(axis=1, keepdims=True) @ value[:, head])
            return np.concatenate(mixed, axis=1) @ state["mix.weight"].T

        def network(x):
            return np.maximum(x @ state["up.weight"].T, 0) @ state["down.weight"].T

        if pre_norm:
            wanted = x + attend(normal(x))
            wanted = wanted + network(normal(wanted))
        else:
            wanted = normal(x + attend(x))
            wanted = normal(wanted + network(wanted))
        np.testing.assert_allclose(block(x)[0].data, wanted, rtol=1e-9)

    def test_no_table_of_places_is_made_for_a_file_that_cannot_hold_the_model(self, tmp_path, monkeypatch):
        """For the widest model and the longest context it would have 67 million sines."""
        path = net("transformer", positions="sinusoidal").save(tmp_path / "model")
        told = files.read_metadata(path)["model"]
        told["config"] |= {"context": 1 << 12, "width": 1 << 14}
        monkeypatch.setattr(nn, "sinusoidal_positions", lambda length, width: np.zeros((length, width)))
        tracemalloc.start()
        with pytest.raises(models.ModelFileError, match=r"more than the .* numbers that model holds"):
            loading.build(told, path, path)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < 1 << 26

    @pytest.mark.parametrize("name", ["transformer", "no positions"])
    def test_more_tokens_than_the_context_are_refused(self, name):
        with pytest.raises(ValueError, match=r"reads ids \(n, length\), at most 6 of each, not \(2, 7\)"):
            net(name)(np.zeros((2, 7), int))

    def test_attention_is_told_for_each_block(self):
        model, tokens = net("transformer"), np.array([[26, 0, 1, 2], [26, 3, 4, 5]])
        found = model.train().attention(tokens)
        assert [weights.shape for weights in found] == [(2, 2, 4, 4)] * 2 and model.training
        for weights in found:
            np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-12)
            assert not np.triu(weights, 1).any()

    def test_without_positions_the_order_of_what_was_read_before_is_lost(self):
        """Of a single block, that is: a second one tells places apart by what the first could see."""
        tokens = np.array([26, 3, 14, 6])
        for name, told in (("no positions", False), ("transformer", True), ("rotary, RMS, SwiGLU, tied", True)):
            model = net(name, layers=1)
            logits = model(tokens[None]).data[0, -1]
            for order in itertools.permutations(range(3)):
                mixed = np.append(tokens[:3][list(order)], tokens[3])
                same = np.allclose(model(mixed[None]).data[0, -1], logits, rtol=1e-9)
                assert same == (not told or order == (0, 1, 2))

    @pytest.mark.parametrize(
        ("wrong", "words"),
        [
            ({"width": 10, "heads": 4}, "width 10 is not divided by heads 4"),
            ({"width": 6, "heads": 2, "positions": "rotary"}, "each of the 2 heads has 3 of width 6: choose an even"),
            ({"positions": "alibi"}, "positions is one of learned, sinusoidal, rotary, none, not 'alibi'"),
            ({"norm": "batch"}, "norm is one of layer, rms, not 'batch'"),
            ({"dropout": 1.0}, "dropout is a number from 0 to 0.95, not 1.0"),
        ],
    )
    def test_settings_that_make_none(self, wrong, words):
        with pytest.raises(ValueError, match=words):
            TransformerConfig(**wrong)


@every_net
def test_it_learns_saves_and_goes_on(name, tmp_path):
    """A few steps on seven names: the loss falls, the files hold it, a resumed training ends with the same bytes."""

    def trainer():
        kind, settings = SETTINGS[name]
        family = loading.family(kind)
        model = family.build(family.Config(**settings), VOCABULARY, np.random.default_rng(0))
        return Trainer(model, NAMES, NAMES, Plan(60, 7, lr=0.02, evaluate_every=20, clip_grad_norm=1.0, ema_decay=0.9))

    whole, first, second = trainer(), trainer(), trainer()
    whole.run(progress=False)
    assert whole.best_loss < whole.history[0].validation_loss - 0.1
    first.run(lambda step, loss: setattr(first, "stop", step == 25), progress=False)
    second.resume(*first.state())
    second.run(progress=False)
    one, other = whole.model.state_dict(), second.model.state_dict()
    assert all(one[key].tobytes() == other[key].tobytes() for key in one)
    whole.restore_best()
    whole.model.save(tmp_path / "net")
    loaded = models.load(tmp_path / "net")
    np.testing.assert_array_equal(loaded.log_likelihoods(NAMES), whole.model.eval().log_likelihoods(NAMES))
    texts = [[text.text for text in sampling.samples(model, rng=1, count=5)] for model in (loaded, whole.model)]
    assert texts[0] == texts[1]
