"""Tests of what a program is given: inputs and targets are nodes of their own, outside of frames, and have names."""

import functools

import numpy as np
import pytest

import visualize
from tests.helpers.graphs import Net, net_loss, tensor
from tinygrad_lm import Tensor, Value, nn
from tinygrad_lm.autograd import custom
from tinygrad_lm.models import MLP, Transformer
from visualize.graph.source_lines import assigned_name, tracing

everywhere = Value(0.0)


def assign_globally():
    global everywhere
    everywhere = Value(1.0) * 2


def by_label(graph):
    return {node.label: node for node in graph.nodes}


def test_the_inputs_and_targets_of_a_model_are_nodes_outside_of_its_frames():
    model, rng = MLP(context=3, embedding=4, hidden=[5], rng=0), np.random.default_rng(0)
    graph = visualize.draw(model.loss, rng.integers(0, 27, (8, 3)), rng.integers(0, 27, 8), names=model).graph
    for name, user in (("inputs", "embedding"), ("targets", "cross_entropy")):
        node = by_label(graph)[name]
        assert (node.kind, node.cluster) == ("data", "")
        uses = [edge.target for edge in graph.edges if edge.source == node.id]
        assert [other.op for other in graph.nodes if other.id in uses] == [user]
    assert by_label(graph)["inputs"].shape == (8, 3)


def test_without_the_call_they_are_called_as_the_operation_calls_them():
    net, loss = net_loss()
    found = by_label(visualize.draw(loss, names=net).graph)
    assert found["ids"].kind == found["targets"].kind == "data"
    assert found["ids"].data == "[[0, 1], [2, 3]]"


def test_an_array_of_floats_is_called_by_the_parameter_it_is_given_for():
    layer = nn.Linear(3, 2, rng=0)
    for batch in (np.ones((4, 3), np.float32), [[1.0, 2.0, 3.0]], Tensor(np.ones((4, 3), np.float32))):
        graph = visualize.draw(nn.Sequential(layer), batch).graph
        assert by_label(graph)["x"].kind == "data"
        assert by_label(graph)["x"].cluster == ""


def test_an_array_that_several_operations_read_is_one_node():
    first, second = nn.Linear(3, 2, rng=0), nn.Linear(3, 2, rng=1)
    view = visualize.draw(lambda x: (first(x) * second(x)).sum(), np.ones((4, 3), np.float32), show=("label", "local"))
    nodes = [node for node in view.graph.nodes if node.label == "x"]
    assert len(nodes) == 1
    assert sum(edge.source == nodes[0].id for edge in view.graph.edges) == 2
    steps = visualize.backward_steps(lambda x: (first(x) * second(x)).sum(), np.ones((4, 3), np.float32))
    rules = {row.formula for frame in steps for row in frame.contributions}
    assert "gᵀ @ x" in rules


def test_positions_and_masks_are_made_by_the_model_and_stay_in_its_frames():
    model = Transformer(context=4, width=8, heads=2, layers=1, rng=0)
    ids = np.random.default_rng(0).integers(0, 27, (2, 4))
    graph = visualize.draw(model, ids, depth=None).graph
    kinds = {node.label: node.kind for node in graph.nodes if node.id.startswith("d")}
    assert kinds == {"tokens": "data", "ids": "constant", "mask": "constant", "kept": "constant"}
    assert all(node.cluster for node in graph.nodes if node.label in ("ids", "mask"))


def test_numbers_given_to_a_function_are_called_as_its_parameters():
    def f(a, *rest):
        return a * rest[0] + rest[1]

    graph = visualize.draw(f, Value(1.0), Value(2.0), Value(3.0, label="mine")).graph
    assert set(by_label(graph)) >= {"a", "rest[0]", "mine"}


def test_an_array_read_twice_is_one_node():
    ids, first, second = np.array([2, 0]), tensor(3, 2, requires_grad=True), tensor(3, 2, requires_grad=True)
    graph = visualize.draw(lambda ids: (first[ids] + second[ids]).sum(), ids).graph
    assert [node.label for node in graph.nodes if node.id.startswith("d")] in (["ids"], ["ids", "ids"])


def test_what_the_user_named_stands_outside_of_the_first_modules_frame():
    x = Tensor(np.ones((2, 3), np.float32), label="x")
    assert by_label(visualize.draw(nn.Linear(3, 2, rng=0)(x)).graph)["x"].cluster == ""


def test_a_number_that_an_input_holds_too_is_not_taken_from_it():
    """Of ``x * 2.0`` the 2.0 was called ``x[1]`` where x held it."""
    graph = visualize.draw(lambda x: (x * 2.0).sum(), Tensor([1.0, 2.0, 3.0], requires_grad=True)).graph
    assert [(node.label, node.kind) for node in graph.nodes if not node.op] == [("x", "input"), ("", "constant")]


def test_the_steps_of_an_input_are_called_by_their_place():
    w = tensor(2, requires_grad=True)
    graph = visualize.draw(lambda xs: sum((Tensor(x) * w).sum() for x in xs), np.array([[1.0, 2.0], [3.0, 4.0]])).graph
    assert [node.label for node in graph.nodes if node.kind == "data"] == ["xs[0]", "xs[1]"]


def test_of_equal_steps_each_is_called_by_its_own_place():
    """Both letters l of hello were called by the place of the first; of a copy nobody knows which it was."""
    w, letters = tensor(2, requires_grad=True), np.array([[0, 1], [1, 0], [1, 0]], np.float32)
    views = visualize.draw(lambda xs: sum((x * w).sum() for x in xs), letters).graph
    assert [node.label for node in views.nodes if node.kind == "data"] == ["xs[0]", "xs[1]", "xs[2]"]
    copies = visualize.draw(lambda xs: sum((Tensor(x) * w).sum() for x in xs), letters).graph
    assert [node.label for node in copies.nodes if node.kind == "data"] == ["xs[0]", "xs[…]", "xs[…]"]


@pytest.mark.parametrize(("batch", "other"), [((0, 4), (4,)), ((3, 0), (0,)), ((2, 0, 3), (0, 3))])
def test_a_batch_of_nothing_is_no_error(batch, other):
    w = Tensor(np.ones(other), requires_grad=True)
    graph = visualize.draw(lambda x: (x * w + Tensor(np.zeros(other))).sum(), Tensor(np.ones(batch))).graph
    assert by_label(graph)["x"].data == "empty"


@pytest.mark.filterwarnings("error")
def test_an_input_of_nan_is_compared_with_ids_without_a_warning():
    table = nn.Embedding(5, 3, rng=0)
    graph = visualize.draw(lambda x: table(np.array([1, 3])).sum() + x.sum(), Tensor([np.nan, 1.0])).graph
    assert by_label(graph)["ids"].kind == "data"


@pytest.mark.parametrize("option", [[None, "a"], ["a", "b"], [1j, 2], [True, None]])
def test_an_array_of_anything_may_be_an_option(option):
    twice = custom.operation("twice", lambda x, *, option: x * 2, lambda g, out, x, option: g * 2)
    array = np.array(option)
    graph = visualize.draw(twice(tensor(2, requires_grad=True), option=array).sum()).graph
    assert by_label(graph)["option"].data == str(array.dtype)


def test_the_backward_pass_goes_around_data():
    net, loss = net_loss()
    net.zero_grad()
    steps = visualize.backward_steps(loss, names=net)
    loss.backward()
    assert not any(key.startswith("d") for key in steps.gradients)
    assert np.allclose(steps.gradients["v0"], net.embedding.weight.grad)
    assert "ids" in visualize.stepper(net_loss()[1], engine="builtin").html()


class TestNumbersOfAModel:
    """A model taken apart into numbers: each weight stands in the frame of the module whose it is."""

    @pytest.fixture
    def parts(self):
        model = MLP(context=3, embedding=4, hidden=[5], rng=0)
        loss = model.loss(np.array([[0, 1, 2]]), np.array([3]))
        return model, loss

    def test_the_embeddings_weights_stand_in_its_frame(self, parts):
        model, loss = parts
        graph = visualize.draw(loss, names=model, level="scalar", collapse="none", max_nodes=9999).graph
        frames = {cluster.id: cluster.name for cluster in graph.clusters}
        weights = [node for node in graph.nodes if node.kind == "parameter"]
        owners = {(node.label.partition("[")[0], frames[node.cluster]) for node in weights}
        assert owners == {
            ("embedding.weight", "embedding"),
            ("hidden.0.weight", "0"),
            ("hidden.0.bias", "0"),
            ("output.weight", "output"),
            ("output.bias", "output"),
        }

    def test_a_collapsed_frame_counts_its_own_weights_alone(self, parts):
        model, loss = parts
        graph = visualize.draw(loss, names=model, level="scalar", depth=1).graph
        weights = {node.label: node.weights for node in graph.nodes if node.kind == "group"}
        assert weights["hidden: Sequential"] == 12 * 5 + 5
        assert weights["embedding: Embedding"] == 12
        assert weights["output: Linear"] == 5 * 27 + 27


def test_numbers_of_an_embedding_stand_in_its_frame():
    model = MLP(context=1, embedding=2, hidden=[2], rng=0)
    loss = model.loss(np.array([[0]]), np.array([1]))
    graph = visualize.draw(loss, names=model, level="scalar", collapse="none", max_nodes=9999).graph
    frames = {cluster.id: cluster.name for cluster in graph.clusters}
    assert {frames[node.cluster] for node in graph.nodes if node.label.startswith("embedding")} == {"embedding"}


class TestNamesFromLines:
    """What the recorded line calls a result is its label."""

    def test_each_kind_of_assignment(self):
        def f(x, y):
            b = 2 * x
            c = (b + y).tanh() * b
            c += 1
            d: object = c.exp()
            f, g = (d + 1, d - 1) if y.data > 0 else (d, d)
            i = self.i = f * g
            return (e := i * 2) + e

        root = visualize.draw(f, Value(1.0), Value(2.0)).graph
        assert [node.label for node in root.nodes if node.op] == [*("b", "", "", "c", "c", "d", "f", "g", "i", "e", "")]

    def test_of_the_nodes_of_one_call_only_the_result_is_called_so(self):
        net = Net()

        def f(ids):
            logits = net(ids)
            return logits.sum()

        graph = visualize.draw(f, np.array([[0, 1]]), names=net).graph
        assert [node.op for node in graph.nodes if node.label == "logits"] == ["linear"]

    def test_in_a_loop_each_result_is(self):
        def f(h):
            for _ in range(3):
                h = cell(h)
            return h

        def cell(h):
            return h.tanh()

        def plain(h):
            for _ in range(3):
                h = h.tanh()
            return h

        for function in (f, plain):
            labels = [node.label for node in visualize.draw(function, Value(0.5)).graph.nodes]
            assert labels in (["h", "", "", ""], ["h", "h", "h", "h"])
        assert labels == ["h"] * 4

    def test_the_parts_of_an_assignment_that_are_made_by_calls(self):
        q, k = nn.Linear(2, 2, rng=0), nn.Linear(2, 2, rng=1)

        def f(x):
            for _ in range(2):
                query, key, value = (
                    q(x),
                    k(x).tanh(),
                    x * 2,
                )
                x = query * key + value
            return x

        x = Tensor(np.ones((1, 2), np.float32), requires_grad=True)
        labels = [node.label for node in visualize.draw(f, x).graph.nodes if node.op]
        assert [label for label in labels if label] == ["query", "key", "value", "x"] * 2

    def test_what_the_picture_is_assigned_to_is_no_name_of_the_result(self):
        model = MLP(context=1, embedding=2, hidden=[2], rng=0)
        view = visualize.draw(model.loss, np.array([[0]]), np.array([1]))
        assert view.graph.nodes[-1].label == ""
        steps = visualize.backward_steps(model.loss, np.array([[0]]), np.array([1]))
        assert {frame.line for frame in steps} == {""}

    def test_a_label_of_the_users_counts_more(self):
        def f(x):
            y = x * 2
            y.label = "mine"
            return y

        assert by_label(visualize.draw(f, Value(1.0)).graph).keys() == {"x", "", "mine"}

    def test_what_a_node_is_only_a_part_of_is_no_name_of_it(self):
        """The last node that was made for ``y`` was called so, whatever y is."""

        def square(v):
            return v * v

        x = Value(2.0)
        with tracing():
            listed = list(map(square, [x, x]))
            unpacked = [*map(square, [x, x])]
            array = np.array([x, x]) * 2
            best = max([x, x], key=square)
            total = array.sum()
        for node in (*listed, *unpacked, *array, best):
            assert assigned_name(node) == ""
        assert assigned_name(total) == "total"

    def test_variables_of_the_standard_library_are_no_names(self):
        """``functools.cached_property`` keeps what it computed in ``val``."""

        class Fit:
            @functools.cached_property
            def loss(self):
                return Value(2.0) * 3

        fit = Fit()
        with tracing():
            kept = fit.loss + 1
            whole = Fit().loss
        assert [assigned_name(node) for node in (fit.loss, kept, whole)] == ["", "kept", "whole"]

    def test_a_name_of_the_whole_program_is_one(self):
        with tracing():
            assign_globally()
        assert assigned_name(everywhere) == "everywhere"

    def test_without_tracing_there_is_none(self):
        x = Value(1.0)
        y = x * 2
        assert assigned_name(y) == ""
        with tracing():
            z = x * 2
        assert assigned_name(z) == "z"
