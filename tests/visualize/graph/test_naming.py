"""Tests of what nodes are called and which of them are parameters, whatever class or engine they are of."""

import numpy as np
import pytest

import visualize
from tests.helpers.graphs import neuron
from tinygrad_lm import Tensor, Value, nn
from tinygrad_lm.nn import scalar


def kinds(graph):
    return {node.label: node.kind for node in graph.nodes if node.label}


class Scaled(nn.Parameter):
    """A user's own parameter, called otherwise."""

    __slots__ = ("scale",)


class Parameter(Tensor):
    """A user's own tensor that is called as nn's class is, and is none."""

    __slots__ = ()


class Learner(nn.Module):
    """Numbers of the scalar engine, in an attribute and in a list."""

    def __init__(self):
        self.w = [Value(0.5), Value(-0.5)]
        self.b = Value(0.1)
        self.fixed = Value(2.0, label="fixed", requires_grad=False)

    def forward(self, x):
        return (self.w[0] * x + self.w[1] * self.fixed + self.b).tanh()


class TestParameters:
    @pytest.mark.parametrize("kind", [nn.Parameter, Scaled])
    def test_tensors(self, kind):
        w = kind(np.ones(3), label="w")
        x = Tensor(np.ones(3), requires_grad=True, label="x")
        assert kinds(visualize.graph_of((w * x).sum())) == {"w": "parameter", "x": "input"}
        numbers = kinds(visualize.draw((w * x).sum(), level="scalar").graph)
        assert {name[0]: kind for name, kind in numbers.items()} == {"w": "parameter", "x": "input"}

    def test_the_name_of_a_class_says_nothing(self):
        w = Parameter(np.ones(3), requires_grad=True, label="w")
        assert kinds(visualize.graph_of(w.sum()))["w"] == "input"

    def test_a_frozen_parameter_is_a_constant(self):
        w = nn.Parameter(np.ones(3), label="w")
        loss = (w * w).sum()
        w.requires_grad_(False)
        assert kinds(visualize.graph_of(loss))["w"] == "constant"

    @pytest.mark.parametrize(
        "draw",
        [
            lambda model, x: visualize.draw(model, x),
            lambda model, x: visualize.draw(model, x, names={"x": x}),
            lambda model, x: visualize.draw(model(x), names=model),
            lambda model, x: visualize.draw(model, x, level="scalar"),
            lambda model, x: visualize.stepper(model, x, engine="builtin"),
            lambda model, x: visualize.backward_steps(model, x),
        ],
    )
    def test_values_that_a_module_learns(self, draw):
        graph = draw(Learner(), Value(3.0, label="x")).graph
        assert [node.kind for node in graph.nodes if not node.op].count("parameter") == 3
        assert kinds(graph)["x"] == "input" and kinds(graph)["b"] == "parameter"

    def test_values_of_micrograds_networks(self):
        net = scalar.MLP(2, [2, 1], rng=0)
        inputs = [Value(1.0, label="x0"), Value(2.0, label="x1")]
        for view in (visualize.draw(net, inputs), visualize.draw(net(inputs), names=net)):
            leaves = [node.kind for node in view.graph.nodes if not node.op]
            assert leaves.count("parameter") == len(net.parameters()) == 9
            assert kinds(view.graph) == {"x0": "input", "x1": "input"}

    def test_weights_that_steps_share(self):
        """They are the same parameter in each step, and each input is another."""

        class Recurrent(Learner):
            def forward(self, x):
                h = x
                for _ in range(80):
                    h = (self.w[0] * h + self.b * Value(1.0)).tanh()
                return h

        graph = visualize.draw(Recurrent(), Value(1.0)).graph
        assert [node.label for node in graph.nodes if node.kind == "group"] == ["×78 the same weights again"]


class TestLabels:
    def test_names_of_the_program_are_kept_number_by_number(self):
        x, y = Value(2.0), Value(3.0, label="y")
        for level in ("tensor", "scalar"):
            assert set(kinds(visualize.draw(x * y, names={"x": x}, level=level).graph)) == {"x", "y"}

    def test_two_tensors_of_one_name_number_by_number(self):
        a, b = (Tensor([1.0, 2.0], requires_grad=True, label="w") for _ in range(2))
        labels = [node.label for node in visualize.draw((a * b).sum(), level="scalar").graph.nodes if not node.op]
        assert sorted(labels) == ["w[0]", "w[0]", "w[1]", "w[1]"]

    @pytest.mark.parametrize("names", [3, [neuron()], "x", Tensor([1.0]), Learner])
    def test_what_gives_no_names(self, names):
        with pytest.raises(TypeError, match="names must be a dictionary from name to node, or a module, not"):
            visualize.draw(neuron(), names=names)
