"""Tests of the modules that hold others: lists, dictionaries and sequences of modules, and what a sequence hands on."""

import copy
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lm import Tensor, nn, optim
from tinygrad_lm.autograd import no_grad, topological_order


class Stack(nn.Module):
    """A list of layers in a loop, and a dictionary of them by name."""

    def __init__(self, depth=2, rng=0):
        rng = np.random.default_rng(rng)
        self.layers = nn.ModuleList([nn.Linear(2, 2, rng=rng) for _ in range(depth)])
        self.heads = nn.ModuleDict({"mean": nn.Linear(2, 1, rng=rng), "spread": nn.Linear(2, 1, rng=rng)})

    def forward(self, x, head="mean"):
        for layer in self.layers:
            x = np.tanh(layer(x))
        return self.heads[head](x)


def kinds(modules):
    return [type(module).__name__ for module in modules]


def parts(n=4):
    return [nn.Tanh(), nn.ReLU(), nn.Sigmoid(), nn.SiLU(), nn.GELU()][:n]


X = np.array([[1.0, -2.0], [0.5, 3.0]], np.float32)


class TestModuleList:
    def test_parameters_are_found_by_their_places(self):
        net = Stack()
        names = [f"{part}.{name}" for part in ("layers.0", "layers.1", "heads.mean", "heads.spread") for name in WB]
        assert [name for name, _ in net.named_parameters()] == names == list(net.state_dict())
        assert list(nn.ModuleList([nn.Linear(1, 1, rng=0)]).state_dict()) == ["0.weight", "0.bias"]
        twin = Stack(rng=1)
        twin.load_state_dict(net.state_dict())
        np.testing.assert_array_equal(twin(X).data, net(X).data)
        optimizer = optim.SGD(net.parameters(), lr=0.1)
        net(X).sum().backward()
        optimizer.step()
        assert not np.array_equal(net.layers[1].weight.data, twin.layers[1].weight.data)
        assert all(not part.training for part in net.eval().layers)

    def test_a_printed_tree(self):
        assert repr(Stack()) == (
            "Stack()  [18 parameters]\n"
            "  layers: ModuleList()  [12 parameters]\n"
            "    0: Linear(2 -> 2)  [6 parameters]\n"
            "    1: Linear(2 -> 2)  [6 parameters]\n"
            "  heads: ModuleDict()  [6 parameters]\n"
            "    mean: Linear(2 -> 1)  [3 parameters]\n"
            "    spread: Linear(2 -> 1)  [3 parameters]"
        )

    def test_a_tied_module_is_learned_once_and_stays_tied_in_a_copy(self):
        one = nn.Linear(2, 2, rng=0)
        net = nn.ModuleList([one, nn.Tanh(), one])
        assert (len(net), net[0]) == (3, net[2])
        assert [name for name, _ in net.named_parameters()] == ["0.weight", "0.bias"] == list(net.state_dict())
        assert net.num_parameters() == 6
        twin = copy.deepcopy(net)
        assert twin[0] is twin[2] is not one

    def test_a_tied_parameter(self):
        net = nn.ModuleList([nn.Linear(2, 2, rng=0), nn.Linear(2, 2, rng=1)])
        net[1].weight = net[0].weight
        assert [name for name, _ in net.named_parameters()] == ["0.weight", "0.bias", "1.bias"]
        twin = copy.deepcopy(net)
        assert twin[0].weight is twin[1].weight
        state = net.state_dict()
        assert sorted(state) == ["0.bias", "0.weight", "1.bias", "1.weight"]
        with pytest.raises(ValueError, match=r"tied: '1\.weight'"):
            net.load_state_dict(state | {"1.weight": np.ones((2, 2))})

    def test_it_is_not_called(self):
        with pytest.raises(NotImplementedError, match="ModuleList does not define forward"):
            nn.ModuleList([nn.Tanh()])(X)

    def test_lists_of_lists(self):
        net = nn.ModuleList([nn.ModuleList([nn.Linear(1, 1, rng=0)]), nn.ModuleList()])
        assert [name for name, _ in net.named_parameters()] == ["0.0.weight", "0.0.bias"]

    @pytest.mark.parametrize(
        ("make", "words"),
        [
            (lambda: nn.ModuleList([nn.Tanh(), np.tanh]), "ModuleList takes modules, but number 1 is ufunc"),
            (lambda: nn.ModuleList([[nn.Tanh()]]), "number 0 is list: make it an nn.ModuleList too"),
            (lambda: nn.ModuleList(nn.Tanh()), r"takes a list of modules, nn\.ModuleList\(\[a, b\]\), not Tanh"),
            (lambda: nn.Sequential([nn.Tanh()]), r"number 0 is list: write nn\.Sequential\(\*modules\)"),
            (lambda: nn.ModuleList().append(None), "but number 0 is NoneType"),
            (lambda: nn.ModuleDict({"a": np.tanh}), "ModuleDict takes modules, but 'a' is ufunc"),
        ],
    )
    def test_what_is_no_module_is_refused(self, make, words):
        with pytest.raises(TypeError, match=words):
            make()

    def test_a_refusal_changes_nothing(self):
        net, several = nn.ModuleList(parts()), nn.ModuleDict({"a": nn.Tanh()})
        for change in (
            lambda: net.extend([nn.GELU(), 3]),
            lambda: net.insert(0, 3),
            lambda: net.__setitem__(0, 3),
            lambda: several.update({"b": nn.GELU(), "c": 3}),
        ):
            with pytest.raises(TypeError):
                change()
        assert kinds(net) == kinds(parts()) and list(several) == ["a"]
        for change in (
            lambda: net[4],
            lambda: net.pop(-5),
            lambda: net.__delitem__(9),
            lambda: net.__setitem__(7, net[0]),
        ):
            with pytest.raises(IndexError):
                change()
        assert kinds(net) == kinds(parts())


WB = ("weight", "bias")


class TestLikeAList:
    """Every change leaves what it leaves of Python's own list, under the names 0, 1, 2."""

    @pytest.mark.parametrize("make", [nn.ModuleList, lambda modules: nn.Sequential(*modules)])
    @pytest.mark.parametrize(
        "change",
        [
            lambda x, new: x.append(new[0]),
            lambda x, new: x.extend(new),
            lambda x, new: x.extend(iter(new)),
            lambda x, new: x.extend(x),
            lambda x, new: x.__iadd__(new),
            lambda x, new: x.insert(0, new[0]),
            lambda x, new: x.insert(2, new[0]),
            lambda x, new: x.insert(-1, new[0]),
            lambda x, new: x.insert(99, new[0]),
            lambda x, new: x.__setitem__(1, new[0]),
            lambda x, new: x.__setitem__(-1, new[0]),
            lambda x, new: x.__delitem__(0),
            lambda x, new: x.__delitem__(slice(None, None, 2)),
            lambda x, new: x.__delitem__(np.int64(-1)),
            lambda x, new: x.pop(),
            lambda x, new: x.pop(1),
        ],
    )
    def test_changes(self, make, change):
        members, new = parts(), [nn.Softplus(), nn.Flatten()]
        net = make(members)
        expected, found = change(members, new), change(net, new)
        assert list(net) == members and len(net) == len(members)
        assert [name for name, _ in net.named_children()] == [str(i) for i in range(len(members))]
        assert found is net or found is expected

    @given(st.integers(0, 5), st.slices(5))
    def test_indices_and_slices(self, n, part):
        members = parts(n)
        for net in (nn.ModuleList(members), nn.Sequential(*members)):
            assert list(net) == members
            for i in range(-n, n):
                assert net[i] is net[np.int64(i)] is members[i]
            sliced = net[part]
            assert type(sliced) is type(net) and list(sliced) == members[part]
            assert [name for name, _ in sliced.named_children()] == [str(i) for i in range(len(sliced))]
            assert all(member in net for member in members) and nn.Tanh() not in net
            for i in (n, -n - 1):
                with pytest.raises(IndexError):
                    net[i]

    def test_a_slice_holds_the_same_modules_which_keep_their_names(self):
        net = nn.Sequential(nn.Linear(2, 2, rng=0), nn.Linear(2, 2, rng=1), nn.Tanh())
        part = net[1:]
        assert part[0] is net[1] and [name for name, _ in part.named_parameters()] == ["0.weight", "0.bias"]
        assert {node.scope.name for node in topological_order(net(Tensor(X, requires_grad=True))) if node.op} == set(
            "012"
        )
        part.append(nn.ReLU())
        assert (len(part), len(net)) == (3, 3)

    def test_a_sequence_that_grows(self):
        net = nn.Sequential()
        assert net.append(nn.Linear(2, 3, rng=0)).append(nn.Tanh()) is net
        net += [nn.Linear(3, 1, rng=1)]
        assert net(X).shape == (2, 1)
        del net[1]
        assert [name for name, _ in net.named_parameters()] == ["0.weight", "0.bias", "1.weight", "1.bias"]

    def test_subclasses_of_sequential_may_take_other_arguments(self):
        class Deep(nn.Sequential):
            def __init__(self, depth):
                super().__init__(*(nn.Linear(2, 2, rng=i) for i in range(depth)))
                self.last = nn.Tanh()

        net = Deep(3)
        assert len(net) == 4 and type(net[-1]) is nn.Tanh
        assert type(net[:2]) is nn.Sequential and len(net[:2]) == 2
        np.testing.assert_array_equal(net(X).data, np.tanh(net[:3](X)).data)


class TestModuleDict:
    def test_like_a_dictionary(self):
        a, b, c = parts(3)
        net = nn.ModuleDict({"b": b, "a": a})
        assert (list(net), list(net.keys()), list(net.values())) == (["b", "a"], ["b", "a"], [b, a])
        assert list(net.items()) == [("b", b), ("a", a)]
        assert (len(net), net["a"], "a" in net, "c" in net, 3 in net) == (2, a, True, False, False)
        net["c"] = c
        net.update([("a", c)])
        assert dict(net) == {"b": b, "a": c, "c": c}
        assert net.pop("b") is b
        del net["a"]
        assert dict(net) == {"c": c}
        for missing in (lambda: net["x"], lambda: net.pop("x"), lambda: net.__delitem__("x")):
            with pytest.raises(KeyError, match="x"):
                missing()
        net.clear()
        assert len(net) == 0 == len(nn.ModuleDict())

    def test_both_heads_learn(self):
        net = Stack()
        (net(X).sum() + net(X, "spread").sum()).backward()
        assert all(p.grad is not None for p in net.parameters())

    @pytest.mark.parametrize("name", ["", "a.b", 0, None, "keys", "forward", "training", "_name", "own", "weight"])
    def test_names_that_no_module_can_have(self, name):
        class Own(nn.ModuleDict):
            def __init__(self, modules=()):
                self.own = 3
                self.weight = nn.Parameter([1.0])
                super().__init__(modules)

        with pytest.raises(ValueError, match=r"string without a dot, not|is an attribute of its own"):
            Own({"a": nn.Tanh(), name: nn.Tanh()})
        net = Own({"float": nn.Tanh(), "to_logits": nn.ReLU()})  # PyTorch's words that are not here are free
        assert kinds(net.values()) == ["Tanh", "ReLU"]


class TestNamesInPictures:
    def test_what_a_list_or_a_dictionary_holds_is_called_by_its_name_too(self):
        net = Stack()
        net.layers.append(nn.Linear(2, 2, rng=5))
        net.nested = nn.ModuleDict({"a": nn.ModuleList([nn.Tanh()])})
        out = net.nested["a"][0](net(Tensor(X)))
        names = {node.scope.name for node in topological_order(out) if node.op == "linear"}
        assert names == {"layers.0", "layers.1", "layers.2", "heads.mean"}
        assert out.scope.name == "nested.a.0"
        net.blocks = net.layers
        assert {node.scope.name for node in topological_order(net(X)) if node.op == "linear"} >= {
            "blocks.0",
            "blocks.2",
        }

    def test_without_a_name_of_its_own_by_the_place(self):
        layers = nn.ModuleList([nn.Tanh()])
        assert layers[0](Tensor(X, requires_grad=True)).scope.name == "0"
        net = nn.Sequential(nn.Tanh())
        net.body = nn.Sequential(nn.Tanh())
        assert net.body[0](Tensor(X, requires_grad=True)).scope.name == "0"


class Recurrent(nn.Module):
    """(x, state) -> (y, state), and a state of zeros where none is given."""

    def __init__(self, rng):
        self.inner = nn.Linear(2, 2, rng=rng)

    def forward(self, x, state=None):
        state = np.tanh(self.inner(x) + (0.0 if state is None else state))
        return state * 2, state


class Pair(NamedTuple):
    first: object
    second: object


class Gives(nn.Module):
    def __init__(self, what):
        self.what = what

    def forward(self, x):
        return self.what


class Takes:
    """A module for each way to take inputs; each gives what it was given."""

    class One(nn.Module):
        def forward(self, pair):
            return [pair]

    class OneOrMore(nn.Module):
        def forward(self, x, *more):
            return [x, *more]

    class Two(nn.Module):
        def forward(self, x, y):
            return [x, y]

    class TwoOrOne(nn.Module):
        def forward(self, x, y=None):
            return [x, y]

    class OneAndAWord(nn.Module):
        def forward(self, pair, *, scale=1):
            return [pair]

    class Decorated(nn.Module):
        @no_grad()
        def forward(self, pair):
            return [pair]


class TestWhatASequenceHandsOn:
    def test_recurrent_layers_stand_in_a_sequence(self):
        a, b = Recurrent(0), Recurrent(1)
        net = nn.Sequential(a, b)
        state = np.ones((2, 2), np.float32)
        y, last = net(X, state)
        first, between = a(X, state)
        expected, expected_last = b(first, between)
        np.testing.assert_array_equal(y.data, expected.data)
        np.testing.assert_array_equal(last.data, expected_last.data)
        y.sum().backward()
        assert all(p.grad is not None for p in net.parameters())
        alone, _ = net(X)
        np.testing.assert_array_equal(alone.data, b(*a(X))[0].data)

    @pytest.mark.parametrize("taking", [Takes.Two, Takes.TwoOrOne, Takes.OneOrMore])
    def test_a_tuple_is_several_inputs_where_several_are_taken(self, taking):
        assert nn.Sequential(Gives((1, 2)), taking())(0) == [1, 2]
        assert nn.Sequential(Gives((1, 2)), nn.Sequential(taking()))(0) == [1, 2]
        assert nn.Sequential(nn.Sequential(Gives((1, 2))), taking())(0) == [1, 2]

    @pytest.mark.parametrize("taking", [Takes.One, Takes.OneAndAWord, Takes.Decorated])
    def test_and_one_where_one_is_taken_as_in_pytorch(self, taking):
        assert nn.Sequential(Gives((1, 2)), taking())(0) == [(1, 2)]
        assert nn.Sequential(Gives((1, 2)), nn.Sequential(nn.Sequential(taking())))(0) == [(1, 2)]
        assert nn.Sequential(Gives((1, 2)), nn.Sequential(), taking())(0) == [(1, 2)]

    @pytest.mark.parametrize("given", [[1, 2], Pair(1, 2), np.ones(2), None])
    def test_only_a_plain_tuple_is_taken_apart(self, given):
        (x, y) = nn.Sequential(Gives(given), Takes.TwoOrOne())(0)
        assert x is given and y is None

    def test_a_tuple_of_another_length_is_told_as_python_tells_it(self):
        with pytest.raises(TypeError, match=r"takes 3 positional arguments but 4 were given"):
            nn.Sequential(Gives((1, 2, 3)), Takes.Two())(0)

    def test_the_first_module_is_called_with_just_what_is_given(self):
        assert nn.Sequential(Takes.Two())(1, 2) == [1, 2]
        assert nn.Sequential(Takes.One())((1, 2)) == [(1, 2)]
        assert nn.Sequential(Takes.TwoOrOne())((1, 2)) == [(1, 2), None]
        with pytest.raises(TypeError, match="takes 2 positional arguments but 3 were given"):
            nn.Sequential(Takes.One())(1, 2)

    def test_without_modules_it_gives_back_what_it_is_given(self):
        assert nn.Sequential()(X) is X
        assert nn.Sequential()((1, 2)) == (1, 2) == nn.Sequential()(1, 2)
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'x'"):
            nn.Sequential()()

    def test_a_forward_that_says_nothing_of_what_it_takes_is_given_the_tuple(self):
        net = nn.Sequential(Gives((3.0, 4.0)), nn.Tanh())
        net[1].forward = max
        assert net(0) == 4.0

    def test_a_sequence_with_a_forward_of_its_own(self):
        class Two(nn.Sequential):
            def forward(self, x, y):
                return [x, y]

        assert nn.Sequential(Gives((1, 2)), Two(Takes.One()))(0) == [1, 2]
