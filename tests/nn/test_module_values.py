"""Tests of modules on the scalar engine: the Values they hold are found, named, counted, saved, frozen and stepped."""

import copy

import numpy as np
import pytest

from tinygrad_lm import Tensor, Value, nn, no_grad, optim
from tinygrad_lm.autograd import to_values
from tinygrad_lm.models import MLP
from tinygrad_lm.nn import functional as F
from tinygrad_lm.testing import check_gradients


class Neuron(nn.Module):
    """As micrograd's users write it, on this package's Module."""

    def __init__(self, n):
        self.w = [Value(0.1 * i + 0.2) for i in range(n)]
        self.b = Value(0.5)
        self.scale = Value(2.0, requires_grad=False)

    def forward(self, x):
        return (Value.dot(self.w, x) + self.b).tanh() * self.scale


def fill(array, part):
    array[1] = part
    return array


class Everything(nn.Module):
    """Values wherever they may stand, beside parameters, constants and results."""

    def __init__(self):
        self.neuron = Neuron(2)
        self.grid = [[Value(1.0), Value(2.0)], (Value(3.0), 4.0)]
        self.by_name = {"a": Value(5.0), 2: None}
        self.table = to_values(np.arange(6.0).reshape(3, 2))
        self.single = to_values(7.0)
        self.weight = nn.Parameter(np.ones((2, 2)))
        self.again = self.neuron.b
        self.results = [Value(1.0) * 2]
        self.words = ["w", "b"]


NAMES = [
    *("grid[0][0]", "grid[0][1]", "grid[1][0]", "by_name['a']"),
    *(f"table[{i}, {j}]" for i in range(3) for j in range(2)),
    *("single", "weight", "again", "neuron.w[0]", "neuron.w[1]"),
]


class TestFinding:
    def test_names_and_numbers(self):
        net = Everything()
        assert [name for name, _ in net.named_parameters()] == NAMES
        found = dict(net.named_parameters())
        assert found["grid[1][0]"] is net.grid[1][0]
        assert found["table[2, 1]"] is net.table[2, 1]
        assert found["again"] is net.neuron.b
        assert net.num_parameters() == len(NAMES) - 1 + 4
        assert list(map(id, net.parameters())) == list(map(id, found.values()))

    def test_what_comes_later_is_found_too(self):
        net = nn.Module()
        net.w = []
        net.w.append(Value(1.0))
        net.w += [Value(2.0)]
        assert [name for name, _ in net.named_parameters()] == ["w[0]", "w[1]"]

    def test_constants_and_results_do_not_learn(self):
        net = nn.Module()
        net.constant, net.inputs = Value(1.0, requires_grad=False), [Value(2.0, requires_grad=False), 3.0]
        net.result = [Value(1.0) * 2, np.array([Value(1.0) * 2, None, "x"], dtype=object)]
        with no_grad():
            net.plain = Value(1.0) * 2
        assert list(net.parameters()) == []

    def test_a_list_that_holds_itself(self):
        net = nn.Module()
        net.w = [Value(1.0)]
        net.w.append(net.w)
        assert [name for name, _ in net.named_parameters()] == ["w[0]"]

    def test_the_printed_tree_counts_them(self):
        class Net(nn.Module):
            def __init__(self):
                self.first, self.bias = Neuron(3), Value(0.0)

        assert repr(Net()) == "Net()  [5 parameters]\n  first: Neuron()  [4 parameters]"

    def test_a_value_is_labelled_by_its_attribute(self):
        assert (Neuron(1).b.label, Neuron(1).w[0].label) == ("b", "")
        net = nn.Module()
        net.b = Value(1.0, label="bias")
        assert net.b.label == "bias"

    def test_objects_with_parameters_of_their_own_are_looked_into(self):
        class Plain:
            def __init__(self, n):
                self.w = [Value(float(i)) for i in range(n)]

            def parameters(self):
                return self.w

        class Stack(nn.Module):
            def __init__(self):
                self.cells = [Plain(1), Plain(2)]
                self.head = Plain(1)
                self.head.owner = self.cells

        assert [name for name, _ in Stack().named_parameters()] == [
            *("cells[0].w[0]", "cells[1].w[0]", "cells[1].w[1]", "head.w[0]")
        ]
        assert len(Stack().state_dict()) == 7  # a shared one under each of its names


class TestLearning:
    def test_backward_zero_grad_and_freezing(self):
        net = Neuron(2)
        net([1.0, 2.0]).backward()
        assert all(p.grad is not None for p in net.parameters())
        net.zero_grad()
        assert all(p.grad is None for p in net.parameters())
        assert net.requires_grad_(False) is net
        assert not net([1.0, 2.0]).requires_grad
        assert [name for name, _ in net.named_parameters()] == ["w[0]", "w[1]", "b"]
        assert (len(net.state_dict()), net.num_parameters()) == (3, 3)
        twin = copy.deepcopy(net)
        for frozen in (net, twin):
            frozen.requires_grad_()
            assert all(p.requires_grad for p in frozen.parameters())
            assert not frozen.scale.requires_grad, "a constant stays one"
            assert frozen([1.0, 2.0]).requires_grad
        assert all(p is not q for p, q in zip(net.parameters(), twin.parameters(), strict=True))
        net.b.requires_grad = False
        assert [name for name, _ in net.named_parameters()] == ["w[0]", "w[1]"], "by hand it becomes a constant"

    def test_a_frozen_part_thaws_with_the_whole(self):
        net = Everything()
        net.neuron.requires_grad_(False)
        assert len(list(net.parameters())) == len(NAMES)
        net.requires_grad_(True)
        assert all(p.requires_grad for p in net.parameters())

    @pytest.mark.parametrize("make", [optim.SGD, optim.Adam, optim.AdamW, lambda p: optim.SGD(p, 0.1, 0.9, 0.01)])
    def test_an_optimizer_steps_values_as_it_steps_tensors(self, make):
        x, target = np.array([0.3, -0.7]), 0.4
        net = Neuron(2)
        w, b = (nn.Parameter(np.array([0.2, 0.1 + 0.2])), nn.Parameter(np.array(0.5)))
        optimizers = [make(net.parameters()), make([w, b])]
        for _ in range(3):
            for optimizer, out in zip(optimizers, (net(x), np.tanh((w * x).sum() + b) * 2), strict=True):
                optimizer.zero_grad()
                ((out - target) ** 2).backward()
                optim.clip_grad_norm_(optimizer.parameters, 0.05)
                optimizer.step()
        assert all(type(p.data) is float for p in net.parameters())
        np.testing.assert_allclose([p.data for p in net.parameters()], [*w.data, b.data], rtol=1e-12)
        fresh = make(net.parameters())
        fresh.load_state_arrays(optimizers[0].state_arrays())
        assert fresh.state_arrays().keys() == optimizers[0].state_arrays().keys()

    def test_one_value_and_what_is_no_leaf(self):
        p = Value(1.0)
        (p * 3).backward()
        optim.SGD(p, lr=0.5).step()
        assert p.data == -0.5
        assert optim.clip_grad_norm_(p, 1.0) == 3
        with pytest.raises(TypeError, match=r"leaf Values and leaf tensors \(parameters\), not Value\("):
            optim.SGD([p * 2])

    def test_only_float64_is_their_dtype(self):
        net = Everything()
        assert net.to(np.float64) is net
        net.weight.data = net.weight.data + 1
        with pytest.raises(TypeError, match=r"grid\[0\]\[0\] is a Value, whose number is a Python float: float64"):
            net.to(np.float32)
        assert net.weight.dtype == np.float64

    def test_the_checker_takes_a_module_of_values(self):
        class Line(nn.Module):
            def __init__(self):
                self.slope, self.offset = Value(0.5), Value(-0.2)

            def forward(self, x):
                return (self.slope * x + self.offset).tanh()

        report = check_gradients(Line(), Value(0.7))
        assert {row.name for row in report.inputs} == {"x", "slope", "offset"}
        with pytest.raises(ValueError, match=r"Neuron\.w is a container, in which functional_call replaces nothing"):
            check_gradients(lambda net, x: net([x, x]), Neuron(2), Value(0.3))


class TestState:
    def test_every_value_is_a_float64_array_without_axes(self):
        net = Everything()
        state = net.state_dict()
        assert set(state) == {*NAMES, "neuron.b"}
        for name in set(state) - {"weight"}:
            assert (state[name].shape, state[name].dtype) == ((), np.float64)
        state["single"][...] = 0
        assert net.single.item().data == 7

    def test_loading(self):
        one, two = Everything(), Everything()
        for i, p in enumerate(one.parameters()):
            p.data = p.data * 0 + i
        values = list(two.parameters())
        two.load_state_dict({name: array.astype(np.float32) for name, array in one.state_dict().items()})
        assert all(p is q for p, q in zip(values, two.parameters(), strict=True))
        for p, q in zip(one.parameters(), two.parameters(), strict=True):
            np.testing.assert_array_equal(p.data, q.data)
            assert isinstance(p, Tensor) or type(q.data) is float

    def test_what_does_not_fit_is_named_and_changes_nothing(self):
        net = Neuron(2)
        before = net.state_dict()
        with pytest.raises(ValueError, match="the state does not fit this Neuron") as caught:
            net.load_state_dict({"w[0]": np.ones(1), "w[1]": np.array(1), "w[2]": np.array(1.0)})
        for line in (
            "missing: 'b' of shape ()",
            "unknown: 'w[2]'",
            "shape of 'w[0]': (1,) was given, () is needed",
            "dtype of 'w[1]': int64 was given",
        ):
            assert line in str(caught.value)
        assert net.state_dict() == before


class TestReplacing:
    @pytest.mark.parametrize("replacement", [lambda b: b - 0.1, lambda b: 0.3, lambda b: b.detach()])
    def test_a_value_that_learns_is_not_replaced_by_what_does_not(self, replacement):
        net = Neuron(1)
        kept = net.b
        with pytest.raises(TypeError, match=r"Neuron\.b is a Value that learns.* \.b\.data -= "):
            net.b = replacement(net.b)
        assert net.b is kept
        net.b = Value(1.0)
        net.b = None
        net.b = 3.0

    def test_nor_a_list_by_what_was_computed_from_it(self):
        net = Neuron(2)
        with pytest.raises(TypeError, match=r"Neuron\.w holds Values that learn.* p\.data -= "):
            net.w = [w - 0.1 for w in net.w]
        net.w = [Value(1.0), net.w[0] * 2]
        net.w = []
        net.w = [Value(1.0) * 2]

    def test_in_place_steps_work(self):
        net = Neuron(2)
        net([1.0, 1.0]).backward()
        before = [p.data for p in net.parameters()]
        for p in net.parameters():
            p.data -= 0.1 * p.grad
        with no_grad():
            net.b -= 1.0
        assert all(p.data != q for p, q in zip(net.parameters(), before, strict=True))

    def test_a_model_moves_to_the_scalar_engine(self):
        net = nn.Linear(2, 1, rng=0, dtype=np.float64)
        x, numbers = np.array([[0.3, -1.0]]), net.state_dict()
        expected = net(x).data
        net.weight, net.bias = to_values(net.weight), to_values(net.bias)
        assert [name for name, _ in net.named_parameters()] == ["weight[0, 0]", "weight[0, 1]", "bias[0]"]
        loss = F.mse_loss(net(x), np.zeros((1, 1)))
        loss.backward()
        assert loss.data == pytest.approx((expected**2).item())
        assert all(p.grad is not None for p in net.parameters())
        net.bias = Value(1.0)
        net = nn.Linear(2, 1, rng=0)
        with pytest.raises(TypeError, match="in its place would not learn"):
            net.weight = numbers["weight"]
        net.weight = Value(2.0)
        assert net.num_parameters() == 2

    def test_functional_call_replaces_single_values(self):
        class Line(nn.Module):
            def __init__(self):
                self.slope, self.w = Value(2.0), [Value(3.0)]

            def forward(self, x):
                return self.slope * x + self.w[0]

        net = Line()
        kept, w = net.slope, net.w
        assert nn.functional_call(net, {"slope": 10.0}, 1.0).data == 13
        assert net.slope is kept
        assert net.w is w
        with pytest.raises(ValueError, match=r"Line\.w is a container, in which functional_call replaces nothing"):
            nn.functional_call(net, {"w[0]": 1.0}, 1.0)


class TestContainersOfModules:
    @pytest.mark.parametrize(
        "wrap",
        [
            lambda part: [part],
            lambda part: (part,),
            lambda part: {"a": part},
            lambda part: [[part]],
            lambda part: fill(np.empty(2, dtype=object), part),
        ],
    )
    @pytest.mark.parametrize("make", [lambda: Neuron(1), lambda: nn.Parameter([1.0]), lambda: MLP(rng=0)])
    def test_are_refused_with_what_to_write(self, make, wrap):
        net = nn.Module()
        with pytest.raises(TypeError, match=r"Module\.parts: .* would not be found by parameters\(\)"):
            net.parts = wrap(make())

    def test_also_when_they_are_filled_later(self):
        net = nn.Module()
        net.neurons = []
        net.neurons.append(Neuron(2))
        with pytest.raises(TypeError, match=r"Module\.neurons: the Neuron at neurons\[0\] would not be found"):
            net.parameters().__next__()
        with pytest.raises(TypeError, match="Module"):
            repr(net)

    def test_tensors_that_would_learn_too(self):
        net = nn.Module()
        with pytest.raises(TypeError, match=r"Module\.w: the Tensor at w\[0\] would not be found"):
            net.w = [Tensor([1.0], requires_grad=True)]
        net.results = [Tensor([1.0], requires_grad=True) * 2, Tensor([1.0])]

    def test_the_remedy_works(self):
        class Layer(nn.Module):
            def __init__(self, n_in, n_out):
                self.neurons = nn.ModuleList([Neuron(n_in) for _ in range(n_out)])

            def forward(self, x):
                return [neuron(x) for neuron in self.neurons]

        class Wrong(nn.Module):
            def __init__(self):
                self.neurons = [Neuron(1)]

        with pytest.raises(TypeError, match=r"self\.neurons = nn\.ModuleList\(modules\), .* looped over"):
            Wrong()
        layer = Layer(2, 3)
        assert len(layer([1.0, 2.0])) == 3
        assert layer.num_parameters() == 9
        assert next(iter(dict(layer.named_parameters()))) == "neurons.0.w[0]"
