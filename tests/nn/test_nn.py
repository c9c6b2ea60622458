"""Tests of tinygrad_lm.nn: modules, their parameters and state, scopes, functional_call, one model on both engines."""

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.oracles import agree
from tinygrad_lm import Tensor, grad, nn, optim
from tinygrad_lm.autograd import data_of, grad_of, to_values, topological_order
from tinygrad_lm.models import MLP
from tinygrad_lm.nn import functional as F
from tinygrad_lm.text import Vocabulary


class Net(nn.Module):
    """A bit of everything, with a weight tied under two names."""

    def __init__(self, rng=0, dtype=np.float32):
        rng = nn.init.as_generator(rng)
        self.table = nn.Embedding(5, 4, rng=rng, dtype=dtype)
        self.body = nn.Sequential(
            nn.Flatten(),
            nn.LayerNorm(8, dtype=dtype),
            nn.Linear(8, 4, rng=rng, dtype=dtype),
            nn.GELU(),
            nn.Dropout(0.25, rng=rng),
        )
        self.head = nn.Linear(4, 5, rng=rng, dtype=dtype)
        self.head.weight = self.table.weight
        self.scale = nn.Parameter(np.float64(2.0), dtype=dtype)
        self.note = "no module, no parameter"

    def forward(self, ids):
        return self.head(self.body(self.table(ids))) * self.scale


NAMES = ["scale", "table.weight", "body.1.weight", "body.1.bias", "body.2.weight", "body.2.bias", "head.bias"]
IDS = np.array([[0, 1], [4, 4], [2, 0]])


class TestModule:
    def test_named_parameters_have_each_tied_weight_once(self):
        """Fault 45: found once under its first name, counted once, and in state_dict under both."""
        net = Net()
        assert [name for name, _ in net.named_parameters()] == NAMES
        assert [id(p) for p in net.parameters()] == [id(p) for _, p in net.named_parameters()]
        assert net.num_parameters() == 1 + 20 + 8 + 8 + 32 + 4 + 5 == sum(p.size for p in net.parameters())
        assert sorted(net.state_dict()) == sorted([*NAMES, "head.weight"])

    def test_modules_each_once_with_dotted_names(self):
        net = Net()
        net.again = net.body
        names = ["", "table", "body", "body.0", "body.1", "body.2", "body.3", "body.4", "head"]
        assert [name for name, _ in net.named_modules()] == names
        assert [name for name, _ in net.named_modules("top")][:4] == ["top", "top.table", "top.body", "top.body.0"]
        assert next(net.modules()) is net
        assert [name for name, _ in net.named_children()] == ["table", "body", "head", "again"]
        assert list(net.children()) == [net.table, net.body, net.head, net.body]

    def test_apply_visits_in_order_children_before_the_module_that_holds_them(self):
        net = Net()
        net.late = nn.Sequential(net.head, nn.Tanh())
        seen = []
        assert net.apply(seen.append) is net
        body = list(net.body.children())
        assert seen == [net.table, *body, net.body, net.head, net.late[1], net.late, net]

    def test_state_dict_is_a_copy(self):
        net = Net()
        state = net.state_dict()
        before = net.head.bias.data.copy()
        state["head.bias"][...] = 9
        np.testing.assert_array_equal(net.head.bias.data, before)
        net.head.bias.data[...] = 7
        assert (state["head.bias"] == 9).all()

    def test_load_state_dict_copies_and_keeps_the_dtype(self):
        one, two = Net(0), Net(1)
        state = {name: array.astype(np.float64) for name, array in one.state_dict().items()}
        two.load_state_dict(state)
        for array in state.values():
            array[...] = 0
        assert {k: v.tobytes() for k, v in two.state_dict().items()} == {
            k: v.tobytes() for k, v in one.state_dict().items()
        }
        assert two.head.weight is two.table.weight
        two.load_state_dict({name: Tensor(a, requires_grad=True) for name, a in Net(3).state_dict().items()})
        np.testing.assert_array_equal(two.scale.data, 2)

    def test_load_state_dict_names_all_that_is_wrong_and_changes_nothing(self):
        net = Net()
        before = {name: array.tobytes() for name, array in net.state_dict().items()}
        state = {name: array + 1 for name, array in net.state_dict().items()}
        del state["scale"], state["head.weight"]
        state |= {"head.bias": np.ones((1, 5)), "body.1.bias": np.ones(8, int), "extra": np.ones(1)}
        with pytest.raises(ValueError, match="the state does not fit") as caught:
            net.load_state_dict(state)
        assert str(caught.value) == (
            "the state does not fit this Net:\n"
            "  missing: 'scale' of shape ()\n"
            "  missing: 'head.weight' of shape (5, 4)\n"
            "  unknown: 'extra'\n"
            "  dtype of 'body.1.bias': int64 was given, a floating-point type is needed\n"
            "  shape of 'head.bias': (1, 5) was given, (5,) is needed"
        )
        assert {name: array.tobytes() for name, array in net.state_dict().items()} == before

    def test_two_arrays_for_a_tied_parameter(self):
        """Fault 45: equal ones, nan included, are welcome; of two different ones neither would be right."""
        net = Net()
        state = {name: array * np.float32("nan") for name, array in net.state_dict().items()}
        net.load_state_dict(state)
        assert np.isnan(net.head.weight.data).all()
        state["head.weight"] = np.ones((5, 4), np.float32)
        with pytest.raises(ValueError, match=r"tied: 'head\.weight' is one parameter under several names"):
            net.load_state_dict(state)
        assert np.isnan(net.head.weight.data).all()

    def test_a_number_too_large_for_the_dtype_stops_the_loading_before_it_starts(self):
        net = Net()
        before = {name: array.tobytes() for name, array in net.state_dict().items()}
        state = {name: array.astype(float) + 1 for name, array in net.state_dict().items()}
        state["head.bias"][0] = 1e300
        with pytest.raises(RuntimeWarning, match="overflow"):
            net.load_state_dict(state)
        assert {name: array.tobytes() for name, array in net.state_dict().items()} == before

    def test_train_and_eval_reach_every_module(self):
        net = Net()
        assert net.eval() is net
        assert not any(module.training for module in net.modules())
        np.testing.assert_array_equal(net(IDS).data, net(IDS).data)
        assert net.train() is net
        assert all(module.training for module in net.modules())
        assert not np.array_equal(net(IDS).data, net(IDS).data)
        assert nn.Dropout(rng=0).training, "a module starts in training"

    def test_zero_grad_and_freezing(self):
        """Faults 44, 46: gradients are None afterwards; frozen parameters collect none."""
        net = Net()
        net(IDS).sum().backward()
        assert all(p.grad is not None for p in net.parameters())
        net.zero_grad()
        assert all(p.grad is None for p in net.parameters())
        assert net.body.requires_grad_(False) is net.body
        net(IDS).sum().backward()
        assert [name for name, p in net.named_parameters() if p.grad is None] == NAMES[2:6]
        net.requires_grad_(False)
        assert not net(IDS).requires_grad
        net.requires_grad_()
        assert net(IDS).requires_grad

    @pytest.mark.parametrize("dtype", [np.float64, "float16", ">f8", np.float32])
    def test_to_keeps_the_parameters_their_ties_and_their_gradients(self, dtype):
        net = Net().eval()
        loss = net(IDS).sum()
        loss.backward()
        before = [(p, p.data, p.grad.copy(), p.label) for p in net.parameters()]
        assert net.to(dtype) is net
        for p, (same, data, slope, label) in zip(net.parameters(), before, strict=True):
            assert p is same
            assert p.dtype == p.grad.dtype == np.dtype(dtype).newbyteorder("=")
            assert p.label == label
            np.testing.assert_array_equal(p.data, data.astype(p.dtype))
            np.testing.assert_array_equal(p.grad, slope.astype(p.dtype))
        assert net.head.weight is net.table.weight
        assert net(IDS).dtype == p.dtype
        if p.dtype != np.float32:
            with pytest.raises(RuntimeError, match="modified after the forward pass"):
                loss.backward()
        with pytest.raises(TypeError, match="parameters are floating-point numbers, not int32"):
            net.to(np.int32)

    def test_a_printed_tree_shows_sizes_and_counts(self):
        assert repr(Net()) == (
            "Net()  [78 parameters]\n"
            "  table: Embedding(5 x 4)  [20 parameters]\n"
            "  body: Sequential()  [52 parameters]\n"
            "    0: Flatten()  [no parameters]\n"
            "    1: LayerNorm(8)  [16 parameters]\n"
            "    2: Linear(8 -> 4)  [36 parameters]\n"
            "    3: GELU()  [no parameters]\n"
            "    4: Dropout(p=0.25)  [no parameters]\n"
            "  head: Linear(4 -> 5)  [25 parameters]"
        )
        assert repr(nn.Linear(1, 1, bias=False, rng=0)) == "Linear(1 -> 1, no bias)  [1 parameter]"
        assert repr(nn.Linear(1000, 27, rng=0)) == "Linear(1000 -> 27)  [27,027 parameters]"

    def test_labels_sequences_copies_and_a_module_without_forward(self):
        net = Net()
        assert (net.scale.label, net.head.bias.label, net.head.weight.label) == ("scale", "bias", "weight")
        assert nn.Sequential(net)[0] is nn.Sequential(nn.Tanh(), net)[-1] is net
        assert (len(net.body), len(nn.Sequential())) == (5, 0)
        np.testing.assert_array_equal(nn.Sequential()(X := np.ones(2)), X)
        twin = copy.deepcopy(net)
        assert twin.head.weight is twin.table.weight is not net.table.weight
        np.testing.assert_array_equal(twin(IDS).data, net(IDS).data)  # the dropout generator is copied too
        with pytest.raises(NotImplementedError, match="Module does not define forward"):
            nn.Module()()
        with pytest.raises(TypeError, match="Sequential takes modules, but number 1 is ufunc"):
            nn.Sequential(nn.Tanh(), np.tanh)


def path(scope):
    return [] if scope is None else [*path(scope.parent), (scope.name, scope.kind)]


class TestScopes:
    def test_nodes_know_the_module_calls_they_were_made_in(self):
        net = Net()
        out = net(IDS)
        assert path(out.scope) == [("Net", "Net")]
        found = {node.op: path(node.scope)[1:] for node in topological_order(out) if not node.is_leaf}
        assert found["embedding"] == [("table", "Embedding")]
        assert found["layer_norm"] == [("body", "Sequential"), ("1", "LayerNorm")]
        assert found["gelu"] == [("body", "Sequential"), ("3", "GELU")]
        assert found["linear"] == [("head", "Linear")]
        assert all(p.scope is None for p in net.parameters())
        assert (out + 1).scope is None

    def test_two_calls_are_two_scopes_of_one_module(self):
        tanh = nn.Tanh()
        one, two = tanh(Tensor([1.0], requires_grad=True)), tanh(Tensor([1.0], requires_grad=True))
        assert one.scope is not two.scope
        assert one.scope.module == two.scope.module == id(tanh)

    def test_an_exception_leaves_the_scope(self):
        net = Net()
        with pytest.raises(IndexError):
            net(np.array([[0, 5]]))
        assert (net.scale * 2).scope is None

    def test_values_carry_scopes_too(self):
        (value,) = nn.Sequential(nn.Tanh())(to_values([0.5]))
        assert path(value.scope) == [("Sequential", "Sequential"), ("0", "Tanh")]


class Boom(nn.Module):
    """Fails on the way, having tampered with its own parameter."""

    def __init__(self):
        self.inner = nn.Linear(2, 2, rng=0)
        self.weight = nn.Parameter([1.0, 2.0])

    def forward(self, x):
        y = self.inner(x) * self.weight
        self.weight = None
        if y.data.sum() > 1e6:
            raise ArithmeticError("too large")
        return y


class TestFunctionalCall:
    def test_computes_with_other_values_and_gives_them_the_gradients(self):
        net = nn.Linear(2, 2, rng=0, dtype=np.float64)
        kept, order = dict(net.named_parameters()), list(vars(net))
        weight = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        y = nn.functional_call(net, {"weight": weight}, x=Tensor([[1.0, -1.0]]))
        y.sum().backward()
        np.testing.assert_array_equal(y.data, np.array([[-1, -1]]) + kept["bias"].data)
        np.testing.assert_array_equal(weight.grad, [[1, -1], [1, -1]])
        np.testing.assert_array_equal(kept["bias"].grad, [1, 1])
        assert kept["weight"].grad is None
        assert list(vars(net)) == order
        assert all(kept[name] is p for name, p in net.named_parameters())
        assert kept["weight"].label == "weight"

    def test_plain_arrays_give_a_plain_array(self):
        net = Net(dtype=np.float64).eval()
        state = net.state_dict()
        y = nn.functional_call(net, state, IDS)
        assert type(y) is np.ndarray
        np.testing.assert_allclose(y, net(IDS).data, rtol=1e-14)

    @pytest.mark.parametrize("x", [1.0, 1e9])
    def test_parameters_are_put_back_whatever_happens(self, x):
        net = Boom()
        before = list(net.named_parameters())
        values = {name: np.ones(p.shape) for name, p in before}
        try:
            nn.functional_call(net, values, Tensor([[x, x]]))
        except ArithmeticError:
            assert x > 1e6
        after = list(net.named_parameters())
        assert [name for name, _ in before] == [name for name, _ in after]
        assert all(p is q for (_, p), (_, q) in zip(before, after, strict=True))

    @pytest.mark.parametrize("name", ["table.weight", "head.weight"])
    def test_a_tied_parameter_is_replaced_wherever_it_stands(self, name):
        """Fault 45: under either of its names."""
        net = Net(dtype=np.float64).eval()
        value = np.random.default_rng(0).normal(size=(5, 4))
        twin = Net(dtype=np.float64).eval()
        twin.table.weight.data = value
        np.testing.assert_array_equal(nn.functional_call(net, {name: value}, IDS).data, twin(IDS).data)
        both = {"table.weight": value, "head.weight": value.copy()}
        np.testing.assert_array_equal(nn.functional_call(net, both, IDS).data, twin(IDS).data)
        assert net.head.weight is net.table.weight

    def test_what_does_not_fit_is_refused_before_anything_is_replaced(self):
        net = Net()
        with pytest.raises(ValueError, match=r"Net has no parameter 'weight'; it has scale, table\.weight, body\.1"):
            nn.functional_call(net, {"scale": np.ones(()), "weight": np.ones(1)}, IDS)
        with pytest.raises(ValueError, match=r"'head\.weight' is a tied parameter: give one value"):
            nn.functional_call(net, {"table.weight": np.ones((5, 4)), "head.weight": np.zeros((5, 4))}, IDS)
        assert isinstance(net.scale, nn.Parameter)

    def test_a_call_within_a_call(self):
        net = nn.Linear(1, 1, rng=0, dtype=np.float64)
        outer = nn.Sequential(net)
        weight, bias = np.array([[3.0]]), np.array([5.0])
        outer.forward = lambda x: nn.functional_call(net, {"bias": bias}, x) + net.bias
        y = nn.functional_call(outer, {"0.weight": weight}, Tensor([[2.0]]))
        assert y.item() == 6 + 5 + net.bias.item()
        assert [name for name, _ in outer.named_parameters()] == ["0.weight", "0.bias"]

    def test_second_derivatives_in_the_weights(self):
        """For the loss (w x - y)^2 the second derivative in w is 2 x^2."""
        net = nn.Linear(1, 1, bias=False, rng=0, dtype=np.float64)
        w = Tensor([[0.3]], requires_grad=True)
        loss = F.mse_loss(nn.functional_call(net, {"weight": w}, Tensor([[3.0]])), np.array([[1.0]]))
        assert grad(grad(loss, w, create_graph=True).sum(), w).item() == pytest.approx(18, rel=1e-14)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@given(st.integers(0, 2**32))
def test_two_training_steps_of_one_model_on_both_engines(activation, seed):
    """The model's own forward on tensors and on arrays of Values: losses, gradients, parameters after each step."""
    rng = np.random.default_rng(seed)
    letters = Vocabulary("abc")
    model = MLP(letters, context=2, embedding=2, hidden=(3,), activation=activation, rng=seed, dtype=np.float64)
    optimizer = optim.SGD(model.parameters(), lr=0.5)
    numbers = {name: p.data.copy() for name, p in model.named_parameters()}
    for _ in range(2):
        contexts, targets = rng.integers(0, 4, (3, 2)), rng.integers(0, 4, 3)
        values = {name: to_values(array, label=name) for name, array in numbers.items()}
        scalar_loss = F.cross_entropy(nn.functional_call(model, values, contexts), targets)
        scalar_loss.backward()
        optimizer.zero_grad()
        loss = model.loss(contexts, targets)
        loss.backward()
        agree(scalar_loss.data, loss.data, "loss", rtol=1e-9, atol=1e-9)
        for name, p in model.named_parameters():
            agree(data_of(values[name]), p.data, name, rtol=1e-9, atol=1e-9)
            agree(grad_of(values[name]), p.grad, f"gradient of {name}", rtol=1e-9, atol=1e-9)
            numbers[name] = numbers[name] - 0.5 * grad_of(values[name])
        optimizer.step()
    for name, p in model.named_parameters():
        agree(numbers[name], p.data, f"{name} after two steps", rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("wrap", "kind"),
    [(list, "ModuleList"), (tuple, "ModuleList"), (lambda found: dict(enumerate(found)), "ModuleDict")],
)
def test_modules_in_a_container_are_refused_since_nothing_would_learn(wrap, kind):
    class Stack(nn.Module):
        def __init__(self):
            self.layers = wrap([nn.Linear(2, 2, rng=0), nn.Tanh()])

    with pytest.raises(
        TypeError, match=rf"Stack\.layers: .*write self\.layers = nn\.{kind}\(modules\), .* looped over"
    ):
        Stack()
