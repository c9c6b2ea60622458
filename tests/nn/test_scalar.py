"""Tests of nn.scalar: micrograd's Neuron, Layer and MLP, their numbers, their words, and that they learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lm
from tests.helpers.oracles import agree
from tinygrad_lm import Tensor, Value, nn
from tinygrad_lm.nn.scalar import MLP, Layer, Neuron

FUNCTIONS = {
    "relu": lambda z: z.relu(),
    "tanh": np.tanh,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "linear": lambda z: z,
}


@given(st.integers(0, 2**32), st.sampled_from(list(FUNCTIONS)), st.sampled_from([[1], [3], [4, 4, 1], [2, 1, 3]]))
def test_both_engines_agree(seed, kind, nouts):
    """The same weights in matrices, on tensors: values and gradients."""
    model = MLP(3, nouts, kind, rng=seed)
    x = np.random.default_rng(seed).normal(size=3)
    out, leaves = Tensor(x), []
    for layer in model.layers:
        w = Tensor([[p.data for p in neuron.w] for neuron in layer.neurons], requires_grad=True)
        b = Tensor([neuron.b.data for neuron in layer.neurons], requires_grad=True)
        out = FUNCTIONS[kind if layer is not model.layers[-1] else "linear"](w @ out + b)
        leaves.append((layer, w, b))
    result = model(list(x))
    results = [result] if nouts[-1] == 1 else result
    assert isinstance(result, Value if nouts[-1] == 1 else list)
    agree([value.data for value in results], out.data, "the results", rtol=1e-12, atol=1e-12)
    Value.sum(value * (i + 1.5) for i, value in enumerate(results)).backward()
    out.backward(np.arange(nouts[-1]) + 1.5)
    for layer, w, b in leaves:
        agree([[p.grad for p in neuron.w] for neuron in layer.neurons], w.grad, "weights", rtol=1e-9, atol=1e-12)
        agree([neuron.b.grad for neuron in layer.neurons], b.grad, "biases", rtol=1e-9, atol=1e-12)


class TestWords:
    def test_parameters_are_a_list_in_micrograds_order(self):
        model = MLP(3, [4, 4, 1])
        assert len(model.parameters()) == 41
        first = model.layers[0].neurons[0]
        assert list(map(id, model.parameters()[:4])) == list(map(id, [*first.w, first.b]))
        assert all(-1 <= p.data < 1 for p in model.parameters())
        assert {neuron.b.data for layer in model.layers for neuron in layer.neurons} == {0.0}

    def test_zero_grad(self):
        model = MLP(2, [2, 1], "tanh", rng=0)
        model([1.0, -1.0]).backward()
        assert all(p.grad is not None for p in model.parameters())
        model.zero_grad()
        assert all(p.grad is None for p in model.parameters())

    def test_they_print_as_micrograds(self):
        assert repr(MLP(2, [2, 1])) == ("MLP of [Layer of [ReLUNeuron(2), ReLUNeuron(2)], Layer of [LinearNeuron(2)]]")
        assert repr(Layer(1, 2, "tanh")) == "Layer of [TanhNeuron(1), TanhNeuron(1)]"
        assert repr(Neuron(3, "sigmoid")) == "SigmoidNeuron(3)"

    def test_a_wrong_number_of_inputs_is_refused(self):
        with pytest.raises(ValueError, match="2 weights and 3 inputs"):
            MLP(2, [2, 1])([1.0, 2.0, 3.0])

    @pytest.mark.parametrize("x", [[1, 2], (1.0, Value(2.0)), np.array([1.0, 2.0], np.float32)])
    def test_inputs(self, x):
        neuron = Neuron(2, "linear", rng=0)
        assert neuron(x).data == pytest.approx(neuron.w[0].data + 2 * neuron.w[1].data)

    def test_an_unknown_nonlinearity(self):
        for make in (Neuron, lambda n, kind: Layer(n, 1, kind), lambda n, kind: MLP(n, [1, 1], kind)):
            with pytest.raises(ValueError, match="one of relu, tanh, sigmoid, linear, not 'ReLU'"):
                make(2, "ReLU")


class TestSeeds:
    def numbers(self, **rng):
        return [p.data for p in MLP(3, [4, 4, 1], **rng).parameters()]

    def test_every_neuron_draws_its_own_numbers(self):
        for rng in ({}, {"rng": 0}):
            weights = [p for p in self.numbers(**rng) if p]
            assert len(set(weights)) == len(weights) == 32
            one, other = Layer(3, 2, **rng).neurons
            assert [w.data for w in one.w] != [w.data for w in other.w]

    def test_a_seed_a_generator_and_manual_seed(self):
        first = self.numbers(rng=0)
        tinygrad_lm.manual_seed(0)
        assert first == self.numbers(rng=np.random.default_rng(0)) == self.numbers()
        assert self.numbers() != first


def test_within_a_module_they_are_found():
    class Net(nn.Module):
        def __init__(self):
            self.body = MLP(2, [2, 1])
            self.cells = [Neuron(1), Neuron(1)]

    net = Net()
    names = [name for name, _ in net.named_parameters()]
    assert names[0] == "body.layers[0].neurons[0].w[0]"
    assert names[-1] == "cells[1].b"
    assert net.num_parameters() == 9 + 4


def test_four_points_are_learned():
    """The lecture's four examples: the loss falls near zero with plain steps."""
    model = MLP(3, [4, 4, 1], "tanh", rng=0)
    xs = [[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0], [1.0, 1.0, -1.0]]
    ys = [1.0, -1.0, -1.0, 1.0]
    losses = []
    for _ in range(100):
        loss = sum((model(x) - y) ** 2 for x, y in zip(xs, ys, strict=True))
        model.zero_grad()
        loss.backward()
        for p in model.parameters():
            p.data -= 0.02 * p.grad
        losses.append(loss.data)
    assert losses[-1] < 0.05 < 1 < losses[0]
