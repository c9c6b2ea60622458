"""Tests of what a module has beside its parameters: buffers in its state, and the random generators it owns."""

import copy

import numpy as np
import pytest

from tinygrad_lm import Tensor, Value, nn
from tinygrad_lm.autograd import to_values
from tinygrad_lm.testing import check_gradients


class RunningNorm(nn.Module):
    """Rows minus a running mean, in the manner of batch norm, with each kind of buffer."""

    def __init__(self, n, dtype=np.float32):
        self.register_buffer("mean", np.zeros(n, dtype))
        self.register_buffer("steps", np.array(0))
        self.register_buffer("mask", np.tril(np.ones((n, n), bool)), persistent=False)
        self.scale = nn.Parameter(np.ones(n), dtype=dtype)
        self.note = np.arange(3)

    def forward(self, x):
        if self.training:
            self.mean = 0.5 * self.mean + 0.5 * x.data.mean(axis=0)
            self.steps = self.steps + 1
        return (x - self.mean) * self.scale


class Net(nn.Module):
    def __init__(self, rng=0):
        self.norm = RunningNorm(2)
        self.head = nn.Linear(2, 1, rng=rng)
        self.register_buffer("ids", np.array([2, 1], np.int32))


X = np.array([[2.0, 4.0], [6.0, 0.0]], np.float32)
SAVED = ["ids", "norm.scale", "norm.mean", "norm.steps", "head.weight", "head.bias"]


def contents(state):
    return {name: (array.dtype, array.shape, array.tobytes()) for name, array in state.items()}


@pytest.mark.parametrize("own", [np.float16, np.float32, np.float64])
def test_a_mean_keeps_its_precision_whatever_it_is_made_of(own):
    module = nn.Module()
    module.register_buffer("mean", np.zeros(2, own))
    module.mean = 0.9 * module.mean + 0.1 * np.float64(1) * np.ones((3, 2))
    assert module.mean.dtype == own and module.mean.shape == (3, 2)
    module.mean = np.arange(2)
    assert module.mean.dtype == np.arange(2).dtype
    module.mean = None
    module.mean = np.ones(2, np.float64)
    assert module.mean.dtype == np.float64


class TestNames:
    def test_they_are_named_once_and_do_not_learn(self):
        net = Net()
        assert [name for name, _ in net.named_buffers()] == ["ids", "norm.mean", "norm.steps", "norm.mask"]
        assert [id(b) for b in net.buffers()] == [id(net.ids), *map(id, (net.norm.mean, net.norm.steps, net.norm.mask))]
        assert [name for name, _ in net.named_parameters()] == ["norm.scale", "head.weight", "head.bias"]
        assert net.num_parameters() == 5
        assert "ids" not in repr(net)

    def test_a_plain_array_is_left_alone(self):
        net = RunningNorm(2)
        assert "note" not in dict(net.named_buffers()) and "note" not in net.state_dict()
        net.note = [1, 2]
        assert net.to(np.float64).note == [1, 2]

    def test_one_array_under_two_names_is_one_buffer(self):
        mask = np.eye(2)
        net = nn.Sequential(nn.Tanh(), nn.Tanh())
        for part in net:
            part.register_buffer("mask", mask)
        assert [name for name, _ in net.named_buffers()] == ["0.mask"]
        assert list(net.state_dict()) == ["0.mask", "1.mask"]

    @pytest.mark.parametrize("name", ["", "a.b", 3, None, "a."])
    def test_what_is_no_name(self, name):
        with pytest.raises(ValueError, match="has the name of an attribute, without a dot, not"):
            nn.Module().register_buffer(name, np.ones(1))

    @pytest.mark.parametrize("name", ["weight", "forward", "training", "in_features", "_name", "buffers"])
    def test_a_name_that_is_taken(self, name):
        net = nn.Linear(2, 2, rng=0)
        with pytest.raises(ValueError, match=rf"Linear\.{name} is something else already: register .* another name"):
            net.register_buffer(name, np.ones(1))
        assert list(net.named_buffers()) == []

    def test_registering_again_replaces(self):
        net = nn.Module()
        net.register_buffer("a", np.ones(1))
        net.register_buffer("a", np.zeros(2), persistent=False)
        assert net.a.shape == (2,) and net.state_dict() == {}


class TestArrays:
    @pytest.mark.parametrize("dtype", [bool, np.uint8, np.int32, np.float16, np.float64, complex, ">f4"])
    def test_every_kind_of_number_is_kept_as_it_is(self, dtype):
        net, array = nn.Module(), np.ones((2, 3), dtype)[:, ::2]
        net.register_buffer("a", array)
        assert net.a is array and net.state_dict()["a"].dtype == array.dtype

    def test_a_tensor_without_gradient_gives_a_copy_of_its_array(self):
        net, tensor = nn.Module(), Tensor([1.0, 2.0])
        net.register_buffer("a", tensor)
        tensor[0] = 9.0
        assert type(net.a) is np.ndarray and net.a.tolist() == [1.0, 2.0]
        net.a = (tensor * 2).detach()
        assert net.a.tolist() == [18.0, 4.0]

    @pytest.mark.parametrize(
        ("value", "words"),
        [
            ([1.0, 2.0], r"a buffer is an array, not list: write np\.array\(\.\.\.\)"),
            (0.5, "not float"),
            (Value(1.0), "not Value"),
            (Tensor([1.0], requires_grad=True), r"this Tensor needs a gradient: give its \.data or \.detach\(\)"),
            (Tensor([1.0], requires_grad=True) * 2, "needs a gradient"),
            (to_values([1.0]), "an array of numbers, not of object"),
            (np.array(["a"]), "an array of numbers, not of <U1"),
        ],
    )
    def test_what_is_no_buffer_is_refused_at_once_and_in_an_assignment(self, value, words):
        net = nn.Module()
        with pytest.raises(TypeError, match=r"Module\.a: .*" + words):
            net.register_buffer("a", value)
        assert not hasattr(net, "a") and list(net.named_buffers()) == []
        net.register_buffer("a", kept := np.ones(2))
        with pytest.raises(TypeError, match=r"Module\.a: .*" + words):
            net.a = value
        assert net.a is kept

    def test_a_parameter_is_no_buffer(self):
        with pytest.raises(TypeError, match=r"this Parameter needs a gradient.*under another name"):
            nn.Module().register_buffer("a", nn.Parameter([1.0]))


class TestAssignment:
    def test_it_replaces_the_array_by_any_other(self):
        net = RunningNorm(2)
        net.mean = other = np.arange(6).reshape(2, 3)
        assert net.mean is other and net.state_dict()["mean"].shape == (2, 3)
        net.steps = net.steps + 1  # a NumPy scalar, since the array has no axes
        assert type(net.steps) is np.ndarray and net.steps.shape == () and net.steps.dtype == np.int64

    def test_none_is_no_buffer_for_the_time_being(self):
        net = RunningNorm(2)
        net.mean = None
        assert "mean" not in net.state_dict() and "mean" not in dict(net.named_buffers())
        net.mean = np.ones(2)
        assert "mean" in net.state_dict()
        net.register_buffer("later", None)
        net.load_state_dict(net.state_dict())
        assert net.later is None

    def test_a_parameter_or_a_module_ends_it(self):
        net = RunningNorm(2)
        net.mean = nn.Parameter([1.0, 2.0])
        net.steps = nn.Linear(1, 1, rng=0)
        assert [name for name, _ in net.named_buffers()] == ["mask"]
        assert [name for name, _ in net.named_parameters()] == ["mean", "scale", "steps.weight", "steps.bias"]
        assert sorted(net.state_dict()) == ["mean", "scale", "steps.bias", "steps.weight"]

    def test_deleting_ends_it(self):
        net = RunningNorm(2)
        del net.mean, net.note
        assert not hasattr(net, "mean") and "mean" not in net.state_dict()
        net.mean = "a word"
        assert net.mean == "a word"
        with pytest.raises(AttributeError):
            del net.nothing
        assert [name for name, _ in net.named_buffers()] == ["steps", "mask"]

    def test_of_one_module_alone(self):
        one, two = RunningNorm(2), RunningNorm(2)
        del one.steps
        one.register_buffer("more", np.ones(1))
        assert [name for name, _ in two.named_buffers()] == ["mean", "steps", "mask"]
        assert list(nn.Module().named_buffers()) == []


class TestBufferState:
    def test_its_order_its_dtypes_and_that_it_is_a_copy(self):
        net = Net()
        state = net.state_dict()
        assert list(state) == SAVED, "of each module the parameters, then the buffers, then the modules in it"
        assert [state[name].dtype for name in ("ids", "norm.steps", "norm.mean")] == [np.int32, np.int64, np.float32]
        state["ids"][...] = 0
        assert net.ids.tolist() == [2, 1]
        net.ids[0] = 7
        assert state["ids"].tolist() == [0, 0]

    def test_what_was_learned_by_the_way_comes_back(self):
        one, two = Net(0), Net(1)
        one.norm(Tensor(X))
        before = two.norm.mask
        two.load_state_dict(one.state_dict())
        assert contents(two.state_dict()) == contents(one.state_dict())
        assert (two.norm.mean.tolist(), int(two.norm.steps)) == ([2.0, 1.0], 1)
        assert two.norm.mask is before, "what is no part of the state stays"

    def test_what_was_loaded_belongs_to_the_module_alone(self):
        net, state = Net(), Net().state_dict()
        net.load_state_dict(state)
        state["ids"][...] = 9
        assert net.ids.tolist() == [2, 1]

    def test_floats_are_rounded_to_the_dtype_that_is_here(self):
        net = RunningNorm(2)
        net.load_state_dict(net.state_dict() | {"mean": np.array([0.1, 2], ">f8")})
        assert net.mean.dtype == np.float32 and net.mean.tolist() == [float(np.float32(0.1)), 2.0]

    def test_all_that_is_wrong_is_named_and_nothing_changes(self):
        net = Net()
        before, arrays = contents(net.state_dict()), list(net.buffers())
        state = {name: array + 1 for name, array in net.state_dict().items()}
        del state["norm.mean"]
        state |= {
            "ids": np.array([1, 2], np.int64),
            "norm.steps": np.array(1.0),
            "norm.mask": np.ones((2, 2), bool),
            "norm.scale": np.ones(2, int),
        }
        with pytest.raises(ValueError, match="the state does not fit this Net") as caught:
            net.load_state_dict(state)
        assert str(caught.value).splitlines()[1:] == [
            "  missing: 'norm.mean' of shape (2,)",
            "  unknown: 'norm.mask'",
            "  dtype of 'ids': int64 was given, int32 is needed",
            "  dtype of 'norm.scale': int64 was given, a floating-point type is needed",
            "  dtype of 'norm.steps': float64 was given, int64 is needed",
        ]
        with pytest.raises(ValueError, match=r"shape of 'ids': \(3,\) was given, \(2,\) is needed"):
            net.load_state_dict(net.state_dict() | {"ids": np.zeros(3, np.int32)})
        assert contents(net.state_dict()) == before
        assert list(map(id, net.buffers())) == list(map(id, arrays))

    @pytest.mark.parametrize("own", [bool, np.uint8, np.int64, np.float32])
    @pytest.mark.parametrize("given", [bool, np.uint8, np.int64, ">i8", np.float64, complex])
    def test_no_kind_of_number_stands_for_another(self, own, given):
        net = nn.Module()
        net.register_buffer("a", np.zeros(2, own))
        array = np.array([1, 0], given)
        equal = np.dtype(own).kind == "f" == array.dtype.kind or np.dtype(own) == array.dtype.newbyteorder("=")
        if equal:
            net.load_state_dict({"a": array})
            assert net.a.dtype == own and net.a.tolist() == [1, 0]
            return
        with pytest.raises(ValueError, match=r"dtype of 'a': .* was given, .* is needed"):
            net.load_state_dict({"a": array})
        assert net.a.tolist() == [0, 0]

    def test_one_that_is_shared_stays_shared(self):
        shared = np.array([1, 2])
        net = nn.Sequential(nn.Tanh(), nn.Tanh(), nn.Tanh())
        for part, persistent in zip(net, (True, True, False), strict=True):
            part.register_buffer("a", shared, persistent)
        net.load_state_dict({"0.a": np.array([3, 4]), "1.a": np.array([3, 4])})
        assert net[0].a is net[1].a is net[2].a
        assert (net[0].a.tolist(), shared.tolist()) == ([3, 4], [1, 2]), "somebody else's array is left alone"
        with pytest.raises(ValueError, match=r"tied: '1\.a' is one buffer under several names, but other numbers"):
            net.load_state_dict({"0.a": np.array([3, 4]), "1.a": np.array([3, 5])})
        assert net[2].a.tolist() == [3, 4]

    def test_a_graph_that_used_the_earlier_array_keeps_its_gradients(self):
        net = RunningNorm(2).eval()
        net.mean = np.ones(2, np.float32)
        loss = (net(Tensor(X)) * net.mean).sum()
        net.load_state_dict(net.state_dict() | {"mean": np.full(2, 5.0)})
        with pytest.raises(RuntimeError, match="modified"):  # the parameter was loaded too
            loss.backward()
        weight = Tensor(X, requires_grad=True)
        loss = (weight * net.mean).sum()
        net.load_state_dict(net.state_dict() | {"mean": np.zeros(2)})
        loss.backward()
        assert weight.grad.tolist() == [[5.0, 5.0], [5.0, 5.0]]


class TestBufferDtypes:
    def test_floating_point_buffers_follow_the_parameters(self):
        net = Net()
        assert net.to(np.float64) is net
        assert [b.dtype for b in net.buffers()] == [np.int32, np.float64, np.int64, bool]
        assert net.norm.scale.dtype == np.float64
        net.to(">f4")
        assert net.norm.mean.dtype == np.float32

    def test_a_shared_one_stays_shared_and_the_same_dtype_stays_itself(self):
        shared = np.ones(2, np.float32)
        net = nn.Sequential(nn.Tanh(), nn.Tanh())
        for part in net:
            part.register_buffer("a", shared)
        assert net.to(np.float32)[0].a is shared
        net.to(np.float64)
        assert net[0].a is net[1].a and net[0].a.dtype == np.float64 and shared.dtype == np.float32

    def test_a_float32_model_with_a_running_mean_stays_float32(self):
        net = RunningNorm(2)
        assert net(Tensor(X)).dtype == net.mean.dtype == np.float32


class TestCopies:
    def test_a_deep_copy_has_buffers_of_its_own_shared_as_before(self):
        net = Net()
        net.again = RunningNorm(2)
        net.again.mean = net.norm.mean
        twin = copy.deepcopy(net)
        assert twin.again.mean is twin.norm.mean is not net.norm.mean
        twin.norm.mean[0] = 5.0
        twin.norm.register_buffer("more", np.ones(1))
        assert net.norm.mean[0] == 0 and "more" not in dict(net.norm.named_buffers())
        assert list(twin.state_dict()) == [*SAVED[:4], "norm.more", *SAVED[4:], *(f"again.{n}" for n in SAVED_NORM)]

    def test_the_mode_decides_whether_a_running_mean_runs(self):
        net = RunningNorm(2)
        with nn.evaluating(net):
            net(Tensor(X))
        assert int(net.steps) == 0
        net(Tensor(X))
        assert int(net.steps) == 1


SAVED_NORM = ["scale", "mean", "steps"]


class TestBuffersInFunctionalCall:
    def test_buffers_are_replaced_and_put_back(self):
        net = RunningNorm(2).eval()
        kept = net.mean
        mean = Tensor([1.0, 2.0], requires_grad=True)
        nn.functional_call(net, {"mean": mean}, Tensor(X)).sum().backward()
        assert mean.grad.tolist() == [-2.0, -2.0] and net.mean is kept
        with pytest.raises(ValueError, match=r"has no parameter 'note'; it has scale, mean, steps, mask"):
            nn.functional_call(net, {"note": 1}, X)

    def test_what_the_call_itself_renews_stays_unless_it_was_replaced(self):
        net = RunningNorm(2)
        nn.functional_call(net, {"scale": np.ones(2), "mean": np.zeros(2)}, Tensor(X))
        assert (net.mean.tolist(), int(net.steps)) == ([0.0, 0.0], 1)

    def test_a_shared_one_is_replaced_wherever_it_stands(self):
        shared = np.ones(2, np.float32)
        net = nn.Sequential(RunningNorm(2), RunningNorm(2)).eval()
        net[0].mean = net[1].mean = shared
        out = nn.functional_call(net, {"1.mean": np.array([1.0, 2.0])}, X)
        np.testing.assert_array_equal(out.data, X - [2.0, 4.0])
        assert net[0].mean is net[1].mean is shared

    def test_the_checker_takes_a_module_with_buffers(self):
        report = check_gradients(RunningNorm(2, np.float64).eval(), Tensor(X.astype(float)))
        assert {row.name for row in report.inputs} == {"x", "scale"}


def test_a_functional_call_takes_a_module():
    with pytest.raises(TypeError, match="functional_call takes a module first, not function"):
        nn.functional_call(lambda x: x, {}, 1.0)


class TestGenerators:
    def test_each_once_with_its_dotted_name(self):
        rng = np.random.default_rng(0)
        net = nn.Sequential(nn.Dropout(rng=rng), nn.Linear(2, 2, rng=rng), nn.Dropout(rng=rng), nn.Dropout(rng=1))
        net.own = np.random.default_rng(2)
        net.several = {"a": [np.random.default_rng(3)]}
        assert dict(net.named_generators()) == {
            "own": net.own,
            "several['a'][0]": net.several["a"][0],
            "0.rng": rng,
            "3.rng": net[3].rng,
        }
        assert [name for name, _ in net.named_generators()] == ["own", "several['a'][0]", "0.rng", "3.rng"]
        assert list(nn.Sequential(nn.Dropout(), nn.Tanh()).named_generators()) == []

    def test_their_states_bring_back_what_is_drawn(self):
        net = nn.Sequential(nn.Dropout(rng=0), nn.Dropout(rng=np.random.Generator(np.random.MT19937(1))))
        ones = np.ones((5, 5))
        net(ones)
        states = {name: copy.deepcopy(rng.bit_generator.state) for name, rng in net.named_generators()}
        drawn = [net(ones) for _ in range(2)]
        for name, rng in net.named_generators():
            rng.bit_generator.state = states[name]
        np.testing.assert_array_equal([net(ones) for _ in range(2)], drawn)

    def test_a_deep_copy_shares_as_before_and_draws_for_itself(self):
        rng = np.random.default_rng(0)
        net = nn.Sequential(nn.Dropout(rng=rng), nn.Dropout(rng=rng))
        twin = copy.deepcopy(net)
        ((name, own),) = twin.named_generators()
        assert name == "0.rng" and own is twin[0].rng is twin[1].rng is not rng
        ones = np.ones((4, 4))
        np.testing.assert_array_equal(twin(ones), net(ones))
        twin(ones)
        assert own.bit_generator.state != rng.bit_generator.state
