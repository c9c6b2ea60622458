"""Tests of small honest pictures of large graphs: collapsing, folding, looking at one place."""

import time

import numpy as np
import pytest

import visualize
from tests.helpers.graphs import Block, Net, net_loss, neuron, recurrence, tensor
from tinygrad_lm import Tensor, Value, nn
from visualize.graph.contract import has_cycle
from visualize.graph.naming import Naming
from visualize.graph.scalars import to_scalars


def groups(graph):
    return [node for node in graph.nodes if node.kind == "group"]


def accounted(graph):
    """Every node of the program is drawn, or counted in a group."""
    return sum(node.size for node in graph.nodes)


def blocks(count, shared=False):
    rng = np.random.default_rng(0)
    one = Block(rng)
    return nn.Sequential(*[one if shared else Block(rng) for _ in range(count)])


def test_small_graphs_are_shown_whole():
    graph = visualize.draw(neuron()).graph
    assert graph.caption == ""
    assert not groups(graph)


@pytest.mark.parametrize(
    ("depth", "titles"),
    [
        (0, ["Net"]),
        (1, ["embedding: Embedding", "layers: Sequential"]),
        (2, ["0: Linear", "1: Tanh", "2: Linear"]),
        (3, []),
    ],
)
def test_depth_opens_that_many_levels_of_modules(depth, titles):
    net, loss = net_loss()
    graph = visualize.draw(loss, names=net, depth=depth).graph
    assert [node.label for node in groups(graph) if node.label in titles] == titles
    assert accounted(graph) == graph.total == 13
    assert not has_cycle(graph)


def test_clusters_nest_as_the_modules_do():
    net, loss = net_loss()
    graph = visualize.draw(loss, names=net).graph
    names = {cluster.id: cluster.title for cluster in graph.clusters}
    nesting = {cluster.title: names.get(cluster.parent, "") for cluster in graph.clusters}
    assert nesting == {
        "Net": "",
        "embedding: Embedding": "Net",
        "layers: Sequential": "Net",
        "0: Linear": "layers: Sequential",
        "1: Tanh": "layers: Sequential",
        "2: Linear": "layers: Sequential",
    }
    home = {node.label: names.get(node.cluster, "") for node in graph.nodes if node.label}
    assert home["layers.0.weight"] == "0: Linear"
    assert home["embedding.weight"] == "embedding: Embedding"


def test_a_group_says_what_it_holds():
    net, loss = net_loss()
    group = next(node for node in visualize.draw(loss, names=net, depth=2).graph.nodes if node.label == "0: Linear")
    assert (group.size, group.weights, group.shape) == (3, 4 * 3 + 3, (2, 3))


@pytest.mark.parametrize("steps", [40, 50, 1000])
def test_a_recurrence_is_folded_and_says_that_the_weights_are_the_same(steps):
    view = visualize.draw(recurrence(steps))
    # The first step is drawn, and the last, whose result is the root.
    assert [node.label for node in groups(view.graph)] == [f"×{steps - 2} the same weights again"]
    assert accounted(view.graph) == view.graph.total == 5 * steps + 3
    assert view.graph.caption.startswith(f"showing 13 of {5 * steps + 3:,} nodes")
    assert not has_cycle(view.graph)
    uses = {edge.uses for edge in view.graph.edges if edge.target == groups(view.graph)[0].id}
    assert uses == {1, steps - 2}


def test_distinct_copies_are_said_to_be_distinct():
    x = Tensor(np.ones((1, 2), np.float32), label="x")
    distinct = visualize.draw(blocks(60), x).graph
    assert [node.label for node in groups(distinct)] == ["+58 more Block"]
    shared = visualize.draw(blocks(60, shared=True), x).graph
    assert [node.label for node in groups(shared)] == ["×58 Block again"]
    assert accounted(distinct) == distinct.total
    assert accounted(shared) == shared.total


def test_folding_can_be_switched_off():
    graph = visualize.draw(recurrence(100), fold_repeats=False, max_nodes=40).graph
    assert len(graph.nodes) == 40
    assert accounted(graph) == graph.total
    assert [node.label for node in groups(graph)] == ["what came before"]


def test_collapse_none_shows_everything():
    assert len(visualize.draw(recurrence(60), collapse="none").graph.nodes) == 303


def test_collapse_by_a_function():
    net, loss = net_loss()
    graph = visualize.draw(loss, names=net, collapse=lambda cluster: cluster.kind == "Linear").graph
    assert [node.label for node in groups(graph)] == ["0: Linear", "2: Linear"]
    assert "2 module calls collapsed" in graph.caption


def test_one_module_called_again_is_one_module():
    x = Tensor(np.ones((1, 2), np.float32), label="x")
    graph = visualize.draw(blocks(3, shared=True), x).graph
    assert len({c.module for c in graph.clusters if c.kind == "Block"}) == 1
    graph = visualize.draw(blocks(3), x).graph
    assert len({c.module for c in graph.clusters if c.kind == "Block"}) == 3


@pytest.mark.parametrize("radius", [0, 1, 2])
def test_focus_shows_what_is_near(radius):
    o = neuron()
    n = o.parents[0]
    for focus in (n, "n", lambda node: node.label == "n"):
        graph = visualize.draw(o, focus=focus, radius=radius).graph
        assert "n" in {node.label for node in graph.nodes}
        assert graph.shown == [1, 4, 6][radius]
        assert f"showing {graph.shown} of 10 nodes" in graph.caption


def test_what_says_that_a_graph_goes_on_stands_for_no_node():
    """In a group such stubs were counted as nodes of the program, and in a table they had ``0 nodes``."""
    x = a = Value(1.0, label="a")
    for i in range(40):
        x = x * a + i
    graph = visualize.draw(x, focus="a", radius=1, max_nodes=5).graph
    assert [node.size for node in graph.nodes if node.size] == [1 + 40]
    assert graph.caption.startswith("showing 0 of 121 nodes")
    text = visualize.draw(x, focus="v20", radius=2).text()
    assert "2 more" in text and "0 nodes" not in text


def test_the_caption_stands_in_every_format():
    view = visualize.draw(recurrence(60), engine="builtin")
    for text in (view.dot, view.svg(), view.mermaid(), view.json(), view.text(), view.html()):
        assert "showing 13 of 303 nodes" in text


def test_random_programs_become_small_pictures_that_account_for_every_node():
    rng = np.random.default_rng(0)
    for _ in range(10):
        nodes = [Value(float(i)) for i in range(5)]
        for i in range(400):
            a, b = rng.integers(max(0, len(nodes) - 30), len(nodes), 2)
            nodes.append([nodes[a] + nodes[b], nodes[a] * nodes[b], nodes[a].tanh()][i % 3])
        graph = visualize.draw(nodes[-1], max_nodes=60).graph
        assert len(graph.nodes) <= 60
        assert accounted(graph) == graph.total
        assert not has_cycle(graph)


@pytest.mark.slow
def test_a_hundred_thousand_nodes_become_a_small_picture():
    h = recurrence(20_000)
    start = time.perf_counter()
    view = visualize.draw(h, engine="builtin")
    view.svg()
    took = time.perf_counter() - start
    assert view.graph.total == 100_003
    assert len(view.graph.nodes) < 20
    # Two seconds on an idle machine; the tests may share theirs.
    assert took < 8


def test_a_tiny_model_number_by_number():
    net, loss = net_loss()
    view = visualize.draw(loss, names=net, level="scalar", collapse="none")
    by_label = {node.label: node for node in view.graph.nodes}
    weight = by_label["layers.0.weight[0, 1]"]
    assert weight.kind == "parameter"
    assert weight.data == f"{net.layers[0].weight.data[0, 1]:.4g}"
    assert weight.grad == f"{net.layers[0].weight.grad[0, 1]:.4g}"
    root = next(node for node in view.graph.nodes if node.id in view.graph.roots)
    assert float(root.data) == pytest.approx(float(loss.data), rel=1e-3)
    assert "layers: Sequential" in {cluster.title for cluster in view.graph.clusters}


@pytest.mark.parametrize(
    "program",
    [
        lambda x: x.softmax(-1),
        lambda x: x.log_softmax(-1),
        lambda x: x.logsumexp(-1),
        lambda x: x.logsumexp(),
        lambda x: x.mean(0),
        lambda x: x.var(0),
        lambda x: x.std(),
        lambda x: x.max(-1),
        lambda x: x.norm(),
        lambda x: x.prod(-1),
        lambda x: x.cumsum(0),
        lambda x: np.concatenate([x, x * 2]),
        lambda x: x[[0, 0, 1]],
        lambda x: np.where(x.data > 0, x, x * x),
        lambda x: np.tril(x @ x.T),
        lambda x: x.astype(np.float32),
        lambda x: np.einsum("ij,kj->ik", x, x),
        lambda x: np.pad(x, 1).gelu(),
    ],
)
def test_programs_on_tensors_are_the_same_number_by_number(program):
    x = tensor(2, 3, label="x", requires_grad=True)
    y = program(x)
    loss = (y * y).sum()
    loss.backward()
    (value,), naming = to_scalars([loss], Naming())
    names = {label: node for node, label in naming.labels.items()}
    assert float(value) == pytest.approx(float(loss), rel=1e-5)
    for index in np.ndindex(2, 3):
        scalar = names[f"x[{index[0]}, {index[1]}]"]
        scalar.grad = None
    value.backward()
    for index in np.ndindex(2, 3):
        assert (names[f"x[{index[0]}, {index[1]}]"].grad or 0.0) == pytest.approx(x.grad[index], rel=1e-4, abs=1e-9)


def test_results_without_numbers_get_a_sentence():
    with pytest.raises(ValueError, match="there is no number in this result"):
        visualize.draw(Tensor(np.zeros((0, 3))), level="scalar")
    assert len(visualize.draw(Tensor([1, 2, 3]), level="scalar").graph.nodes) == 3


def test_too_many_numbers_get_a_sentence():
    with pytest.raises(ValueError, match="level='scalar' would draw"):
        visualize.draw(Tensor(np.ones(30_000), requires_grad=True).sum(), level="scalar")


def test_a_model_with_its_input():
    view = visualize.draw(Net(), np.array([[0, 1]]))
    assert view.graph.clusters[0].title == "Net"
