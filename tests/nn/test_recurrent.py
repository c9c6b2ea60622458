"""Tests of the recurrent layers: cells and sequences agree, padding teaches nothing, gates, dropout, refusals."""

import numpy as np
import pytest

from tests.nn.pytorch_numbers import flat
from tinygrad_lm import Tensor, nn
from tinygrad_lm.autograd import no_grad
from tinygrad_lm.nn import functional as F

LAYERS = {"RNN": nn.RNNCell, "GRU": nn.GRUCell, "LSTM": nn.LSTMCell}
every_layer = pytest.mark.parametrize("name", LAYERS)


def layer_of(name, layers=1, **options):
    return getattr(nn, name)(3, 4, layers, rng=np.random.default_rng(0), dtype=np.float64, **options)


def drawn(*shape):
    return np.random.default_rng(1).normal(size=shape)


@every_layer
def test_a_layer_repeats_its_cell(name):
    layer, x = layer_of(name), drawn(5, 2, 3)
    cell = LAYERS[name](3, 4, dtype=np.float64)
    cell.load_state_dict({key.removesuffix("_l0"): array for key, array in layer.state_dict().items()})
    output, last = layer(x)
    state, states = None, []
    for row in x:
        state = cell(row, state)
        states.append(flat(state)[0].data)
    np.testing.assert_allclose(output.data, states, rtol=1e-12)
    for found, wanted in zip(flat(last), flat(state), strict=True):
        np.testing.assert_allclose(found.data[0], wanted.data, rtol=1e-12)


@every_layer
def test_a_sequence_in_two_parts_is_the_whole(name):
    layer, x = layer_of(name, 2), drawn(6, 2, 3)
    whole, last = layer(x)
    first, state = layer(x[:2])
    second, end = layer(x[2:], state)
    np.testing.assert_allclose(np.concatenate([first.data, second.data]), whole.data, rtol=1e-12)
    for found, wanted in zip(flat(end), flat(last), strict=True):
        np.testing.assert_allclose(found.data, wanted.data, rtol=1e-12)


@every_layer
@pytest.mark.parametrize("batch_first", [False, True])
def test_one_sequence_without_the_axis_of_the_batch(name, batch_first):
    layer, x = layer_of(name, 2, batch_first=batch_first), drawn(5, 3)
    alone, last = layer(x)
    batch, ends = layer(x[None] if batch_first else x[:, None])
    assert alone.shape == (5, 4) and all(end.shape == (2, 4) for end in flat(last))
    np.testing.assert_array_equal(alone.data, batch.data[0] if batch_first else batch.data[:, 0])
    for found, wanted in zip(flat(last), flat(ends), strict=True):
        np.testing.assert_array_equal(found.data, wanted.data[:, 0])
    assert flat(LAYERS[name](3, 4, rng=0)(x[0].astype(np.float32)))[0].shape == (4,)


@every_layer
def test_padded_and_unpadded_batches_give_the_same_gradients(name):
    """What is filled in behind a shorter sequence has no loss, and so no gradient."""
    layer, x, targets = layer_of(name), drawn(5, 3, 3), np.array([[0, 1, 2, 3, 0]] * 3).T.copy()
    lengths = [5, 3, 1]
    for column, length in enumerate(lengths):
        targets[length:, column] = -100
    F.cross_entropy(layer(x)[0], targets, reduction="sum").backward()
    padded = {key: parameter.grad for key, parameter in layer.named_parameters()}
    layer.zero_grad()
    for column, length in enumerate(lengths):
        logits, _ = layer(x[:length, column])
        F.cross_entropy(logits, targets[:length, column], reduction="sum").backward()
    for key, parameter in layer.named_parameters():
        np.testing.assert_allclose(parameter.grad, padded[key], rtol=1e-9, atol=1e-12)


@every_layer
def test_packed_sequences_are_each_alone(name):
    layer, x, lengths = layer_of(name, 2), drawn(5, 3, 3), [5, 3, 1]
    packed = nn.pack_padded_sequence(Tensor(x, requires_grad=True), lengths)
    output, last = layer(packed)
    assert packed.batch_sizes == output.batch_sizes == (3, 2, 2, 1, 1)
    whole = np.zeros((5, 3, 4))
    whole[np.arange(5).reshape(-1, 1) < lengths] = output.data.data
    (output.data * output.data).sum().backward()
    learned = {key: parameter.grad for key, parameter in layer.named_parameters()}
    layer.zero_grad()
    for column, length in enumerate(lengths):
        alone, end = layer(x[:length, column])
        (alone * alone).sum().backward()
        np.testing.assert_allclose(whole[:length, column], alone.data, rtol=1e-12)
        for found, wanted in zip(flat(last), flat(end), strict=True):
            np.testing.assert_allclose(found.data[:, column], wanted.data, rtol=1e-12)
    for key, parameter in layer.named_parameters():
        np.testing.assert_allclose(parameter.grad, learned[key], rtol=1e-9, atol=1e-12)


def test_ids_are_packed_as_they_are_padded():
    ids = np.array([[1, 2, 3], [4, 5, -1], [6, -1, -1]])
    packed = nn.pack_padded_sequence(ids, [3, 2, 1], batch_first=True)
    np.testing.assert_array_equal(packed.data, [1, 4, 6, 2, 5, 3])
    np.testing.assert_array_equal(nn.pack_padded_sequence(ids.T, (2, 2, 1)).data, [1, 4, 6, 2, 5])


@pytest.mark.parametrize("batch_first", [False, True])
def test_what_was_packed_is_padded_again(batch_first):
    x, lengths = drawn(5, 3, 2), np.array([5, 3, 1])
    x[np.arange(5).reshape(-1, 1) >= lengths] = 7
    x = x.swapaxes(0, 1) if batch_first else x
    given = Tensor(x, requires_grad=True)
    packed = nn.pack_padded_sequence(given, lengths, batch_first)
    again, found = nn.pad_packed_sequence(packed, batch_first, padding_value=7)
    np.testing.assert_array_equal(again.data, x)
    np.testing.assert_array_equal(found, lengths)
    (again**2).sum().backward()
    np.testing.assert_array_equal(given.grad, np.where(x == 7, 0, 2 * x))
    ids, _ = nn.pad_packed_sequence(nn.pack_padded_sequence(np.arange(6).reshape(3, 2), [3, 1]), padding_value=-1)
    np.testing.assert_array_equal(ids, [[0, 1], [2, -1], [4, -1]])
    assert ids.dtype == np.int64


@pytest.mark.parametrize(
    ("lengths", "words"),
    [([1, 2, 1], "the largest first"), ([2, 1], "3 whole numbers"), ([3.0, 2, 1], "whole"), ([4, 1, 1], "from 1 to 3")],
)
def test_lengths_that_are_none_are_refused(lengths, words):
    with pytest.raises(ValueError, match=words):
        nn.pack_padded_sequence(np.zeros((3, 3), np.int64), lengths)


@pytest.mark.parametrize("name", ["GRU", "LSTM"])
def test_gates_are_those_that_make_the_states(name):
    layer, x = layer_of(name, 2, batch_first=True), drawn(2, 5, 3)
    output, _ = layer(x)
    gates = layer.gates(Tensor(x, requires_grad=True))
    assert len(gates) == 2
    assert all(type(array) is np.ndarray and array.shape == (2, 5, 4) for found in gates for array in found)
    state = np.zeros((2, 4))
    cell = np.zeros((2, 4))
    for t in range(5):
        now = {field: getattr(gates[1], field)[:, t] for field in gates[1]._fields}
        if name == "GRU":
            state = (1 - now["update"]) * now["new"] + now["update"] * state
        else:
            cell = now["forget"] * cell + now["input"] * now["cell"]
            state = now["output"] * np.tanh(cell)
        np.testing.assert_allclose(output.data[:, t], state, rtol=1e-12)
    assert all(array.min() > 0 and array.max() < 1 for array in gates[0][:2])
    single = LAYERS[name](3, 4, rng=0, dtype=np.float64).gates(x[0, 0])
    assert all(gate.shape == (4,) for gate in single)


@every_layer
def test_dropout_lies_between_the_layers_in_training_alone(name):
    layer, x = layer_of(name, 2, dropout=0.5), drawn(4, 2, 3)
    plain, _ = layer.eval()(x)
    again, _ = layer(x)
    np.testing.assert_array_equal(plain.data, again.data)
    dropped, _ = layer.train()(x)
    assert not np.array_equal(dropped.data, plain.data) and dropped.data.all()
    first = layer_of(name)
    first.load_state_dict({key: array for key, array in layer.state_dict().items() if key.endswith("_l0")})
    _, last = layer(x)
    np.testing.assert_allclose(flat(last)[0].data[0], flat(first(x)[1])[0].data[0], rtol=1e-12)


@every_layer
def test_weights_from_state_to_state_are_dropped_in_training_alike_at_every_step(name):
    layer, x = layer_of(name, weight_dropout=0.5), drawn(4, 2, 3)
    plain, _ = layer.eval()(x)
    np.testing.assert_array_equal(plain.data, layer_of(name)(x)[0].data)
    layer.train().rng = np.random.default_rng(5)
    dropped, _ = layer(x)
    np.testing.assert_array_equal(dropped.data[0], plain.data[0])  # whose state before is 0
    assert not np.allclose(dropped.data[1:], plain.data[1:])
    kept = 2 * (np.random.default_rng(5).random(layer.weight_hh_l0.shape, dtype=np.float32) >= 0.5)
    replaced = nn.functional_call(layer.eval(), {"weight_hh_l0": layer.weight_hh_l0.data * kept}, x)[0]
    np.testing.assert_allclose(dropped.data, replaced.data, rtol=1e-12)


@every_layer
def test_a_seed_decides_weights_within_one_over_the_root_of_hidden(name):
    one, other = (getattr(nn, name)(3, 16, 2, rng=5).state_dict() for _ in range(2))
    assert all(np.array_equal(one[key], other[key]) for key in one)
    assert all(0.1 < np.abs(array).max() <= 0.25 and array.dtype == np.float32 for array in one.values())


@every_layer
def test_float32_stays(name):
    layer = getattr(nn, name)(3, 4, rng=0)
    output, last = layer(drawn(4, 2, 3).astype(np.float32))
    (output * output).sum().backward()
    assert {array.data.dtype for array in (output, *flat(last))} == {np.dtype(np.float32)}
    assert {parameter.grad.dtype for parameter in layer.parameters()} == {np.dtype(np.float32)}


@every_layer
def test_nothing_is_recorded_without_gradients(name):
    with no_grad():
        output, last = layer_of(name)(drawn(4, 2, 3))
    assert all(not array.requires_grad and array.is_leaf for array in (output, *flat(last)))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: nn.LSTM(3, 4)(drawn(5, 2, 4)), r"LSTM takes an input \(length, n, 3\), or \(length, 3\) of one"),
        (lambda: nn.GRU(3, 4, batch_first=True)(drawn(3)), r"GRU takes an input \(n, length, 3\)"),
        (lambda: nn.RNN(3, 4)(drawn(5, 2, 3), np.zeros((2, 2, 4))), r"a state must have shape \(1, 2, 4\), not"),
        (lambda: nn.RNN(3, 4)(drawn(0, 2, 3)), "with a length from 1"),
        (lambda: nn.LSTMCell(3, 4)(drawn(2, 2)), r"LSTMCell takes an input \(n, 3\), or \(3,\) of one"),
        (lambda: nn.GRUCell(3, 4)(drawn(2, 3), np.zeros((3, 4))), r"the state must have shape \(2, 4\), not \(3, 4\)"),
        (lambda: nn.GRU(3, 4)(drawn(5, 2, 3), (np.zeros((1, 2, 4)),) * 2), r"shape \(1, 2, 4\), not tuple"),
        (lambda: nn.RNNCell(3, 4)(drawn(2, 3), (np.zeros((2, 4)),) * 2), r"shape \(2, 4\), not tuple"),
        (lambda: nn.LSTM(3, 4)(drawn(5, 2, 3), np.zeros((1, 2, 4))), "LSTM: .* a pair, .* not one ndarray"),
        (lambda: nn.LSTM(3, 4).gates(drawn(5, 2, 3), (np.zeros((1, 2, 4)),)), "the state and the cell, not one tuple"),
        (lambda: nn.LSTMCell(3, 4)(drawn(2, 3), Tensor(np.zeros((2, 4)))), "LSTMCell: .* a pair, .* not one Tensor"),
        (lambda: nn.RNN(3, 4, nonlinearity="gelu"), "nonlinearity is one of tanh, relu, not 'gelu'"),
        (lambda: nn.LSTM(3, 4, dropout=0.3), "dropout=0.3 lies between layers, and there is one"),
        (lambda: nn.GRU(3, 4, weight_dropout=-0.1), "weight_dropout is a probability from 0 to below 1, not -0.1"),
        (lambda: nn.LSTM(3, 4, 2, dropout=1.0), "dropout is a probability from 0 to below 1, not 1.0"),
        (lambda: nn.GRU(3, 0), "hidden_size must be a whole number from 1, not 0"),
        (lambda: nn.GRU(3, 4, 0), "num_layers must be a whole number from 1, not 0"),
    ],
)
def test_refusals(call, words):
    with pytest.raises(ValueError, match=words):
        call()
