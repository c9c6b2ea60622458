"""Tests of alarms: nan and infinity where they begin and within groups, masks that alarm nobody, and stale results."""

import numpy as np
import pytest

import visualize
from tests.helpers.graphs import Net, tensor
from tinygrad_lm import Tensor, Value, nn, optim
from tinygrad_lm.autograd import custom


def by_op(graph):
    return {node.op or node.label: node for node in graph.nodes}


class Broken(nn.Module):
    """A module in whose middle a nan arises."""

    def __init__(self):
        self.inner = nn.Linear(2, 2, rng=0)

    def forward(self, x):
        return np.sqrt(self.inner(x) - 100.0).sum()


@pytest.fixture
def broken():
    with np.errstate(all="ignore"):
        return visualize.draw(nn.Sequential(Broken(), nn.Tanh()), np.ones((1, 2), np.float32), collapse="none").graph


def test_the_first_nan_says_that_it_begins_there(broken):
    nodes = by_op(broken)
    assert nodes["sqrt"].note == "nan begins here"
    assert (nodes["sum"].alert, nodes["sum"].note) == (True, "")
    assert not nodes["linear"].alert


def test_a_collapsed_group_does_not_hide_a_nan():
    with np.errstate(all="ignore"):
        model = nn.Sequential(Broken(), nn.Tanh())
        x = np.ones((1, 2), np.float32)
        view = visualize.draw(model, x, collapse=lambda cluster: cluster.kind == "Broken", engine="builtin")
    group = next(node for node in view.graph.nodes if node.kind == "group")
    assert group.alert
    assert group.note == "nan within, in 2 of 7"
    assert "nan within" in view.svg() and "nan within" in view.dot and view.theme.alert in view.svg()


def test_a_collapsed_group_does_not_hide_a_nan_of_its_own():
    with np.errstate(all="ignore"):
        graph = visualize.draw(nn.Sequential(Broken()), np.ones((1, 2), np.float32), depth=1).graph
    assert [node.alert for node in graph.nodes if node.kind == "group"] == [True]


def test_a_mask_is_no_error():
    scores = tensor(3, 3, requires_grad=True, label="scores")
    hidden = np.triu(np.ones((3, 3), bool), 1)
    for masked in (scores.masked_fill(hidden, -np.inf), scores + np.where(hidden, -np.inf, 0.0)):
        weights = nn.functional.softmax(masked)
        weights.sum().backward()
        graph = visualize.graph_of(weights)
        assert not any(node.alert for node in graph.nodes)
        assert any("-inf" in node.data for node in graph.nodes)


def test_an_infinity_that_no_mask_put_there_is_one():
    with np.errstate(all="ignore"):
        x = Tensor([0.0, 1.0], requires_grad=True, label="x")
        graph = visualize.graph_of(np.log(x) + 1)
    nodes = by_op(graph)
    assert nodes["log"].note == "-inf begins here"
    assert nodes["add"].alert and not nodes["x"].alert


def test_a_gradient_that_is_not_finite_alarms():
    x = Value(0.0, label="x")
    with np.errstate(all="ignore"):
        y = x.sqrt()
        y.backward()
    assert by_op(visualize.graph_of(y))["x"].alert


class TestStale:
    """Numbers that were changed after others were computed from them."""

    def test_a_number(self):
        a = Value(2.0, label="a")
        b = a * 3
        c = b + 1
        assert "stale" not in visualize.draw(c).dot
        a.data -= 1
        view = visualize.draw(c, engine="builtin")
        nodes = by_op(view.graph)
        assert nodes["mul"].note.startswith("stale")
        assert nodes["add"].note == ""
        assert "changed after its result was computed" in view.graph.caption
        assert "stale" in view.svg()

    def test_a_tensor_that_was_stepped(self):
        net = Net()
        loss = nn.functional.cross_entropy(net(np.array([[0, 1]])), np.array([1]))
        loss.backward()
        assert "stale" not in visualize.draw(loss, names=net).dot
        optim.SGD(net.parameters(), lr=0.1).step()
        stale = {node.op for node in visualize.draw(loss, names=net).graph.nodes if node.note.startswith("stale")}
        assert stale == {"embedding", "linear"}

    def test_a_result_that_was_changed(self):
        x = tensor(2, requires_grad=True)
        y = x * 2
        y.data += 1
        assert by_op(visualize.graph_of(y))["mul"].note.startswith("stale")

    def test_a_group_says_so_too(self):
        net = Net()
        loss = net(np.array([[0, 1]])).sum()
        net.embedding.weight.data *= 2
        group = next(node for node in visualize.draw(loss, depth=0).graph.nodes if node.kind == "group")
        assert group.note.startswith("stale")

    def test_a_nan_that_stays_is_not_a_change(self):
        with np.errstate(all="ignore"):
            y = Value(-1.0).log() * 2
        assert "stale" not in visualize.draw(y).dot

    def test_each_number_is_looked_at_once_for_a_picture(self):
        """Each attempt to fold a graph computed all of it again, which took half of the time of a large one."""
        calls = []

        def forward(x):
            calls.append(x)
            return x * 0.5

        halved = custom.elementwise("halved", forward, lambda x, out: 0.5 + 0 * x)
        y = Value(1.0)
        for _ in range(200):
            y = halved(y)
        calls.clear()
        assert visualize.draw(y).graph.caption
        assert len(calls) == 200

    def test_an_operation_that_refuses_the_new_numbers_is_a_change(self):
        def forward(x):
            if x < 0:
                raise ValueError("negative")
            return x * 0.5

        x = Value(1.0, label="x")
        y = custom.elementwise("refusing", forward, lambda x, out: 0.5 + 0 * x)(x) + 1
        x.data = -1.0
        assert by_op(visualize.draw(y).graph)["refusing"].note.startswith("stale")
