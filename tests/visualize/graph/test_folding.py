"""Tests of what may be drawn as one: repeats that are wired alike, weights that are really shared, uses that add up."""

from collections import Counter
from graphlib import CycleError, TopologicalSorter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import visualize
from tests.helpers.graphs import recurrence
from tinygrad_lm import Tensor, Value, nn
from visualize.graph.contract import Group, Reduced, contract, has_cycle
from visualize.graph.data import Graph, GraphEdge, GraphNode

CUBE_FREE = [i.bit_count() % 2 for i in range(1000)]
"""The Thue-Morse sequence: no stretch stands in it three times in a row."""
SQUARE_FREE = [len(ones) for ones in "".join(map(str, CUBE_FREE)).split("0")[1:]]
"""How many ones stand between its zeros, 0, 1 or 2: no stretch stands in it even twice in a row."""


def labels(root, **options):
    """The labels of the groups in a picture, which accounts for every node."""
    graph = visualize.draw(root, **options).graph
    assert sum(node.size for node in graph.nodes) == graph.total
    assert not has_cycle(graph)
    return [node.label for node in graph.nodes if node.kind == "group"]


def chain(second, steps=200):
    """h = tanh(h * other), where ``second`` gives the other operand of a step from all results so far."""
    results = [Value(0.5, label="h0"), Value(0.4, label="h1")]
    for t in range(steps):
        results.append((results[-1] * second(t, results)).tanh())
    return results[-1]


class TestWiring:
    """The same operations in the same order are repeats only where each uses what its counterpart uses."""

    def test_the_step_before_the_last(self):
        assert labels(chain(lambda t, results: results[-2])) == ["+197 more"]

    def test_the_same_leaf_or_one_of_each_step(self):
        w = Value(0.9, label="w")
        assert labels(chain(lambda t, results: w)) == ["×198 the same weights again"]
        assert labels(chain(lambda t, results: Value(t / 200))) == ["+198 more"]

    @pytest.mark.parametrize(
        "others",
        [
            lambda results: (results[-2], results[-50], results[-97]),
            lambda results: (results[-2], Value(0.3), results[-50]),
            lambda results: (results[-2], results[0], results[-50]),
        ],
    )
    def test_without_repetition(self, others):
        """The operations repeat and their wiring never does, not even twice in a row: nothing may be folded."""
        found = labels(chain(lambda t, results: others([results[0]] * 97 + results)[SQUARE_FREE[t]]))
        assert found == ["what came before"]

    def test_a_far_operation_that_all_use_is_no_difference(self):
        far = (Value(0.9, label="w") + 1).exp()
        assert labels(chain(lambda t, results: far))[-1].startswith(("+", "×"))

    @pytest.mark.parametrize("at", [60, 100, 140])
    def test_one_step_that_differs_stays_apart(self, at):
        """What stands before and behind it is folded; the step itself, wired to the first result, is drawn."""
        graph = visualize.draw(chain(lambda t, results: results[0] if t == at else results[-2]), max_nodes=60).graph
        groups = [node for node in graph.nodes if node.kind == "group"]
        assert sorted(node.label[0] for node in groups) == ["+", "+"]
        sizes = sorted(node.size for node in groups)
        assert sizes[0] < 2 * min(at, 200 - at) < sizes[1] + 8

    def test_other_operations(self):
        h = Value(0.5)
        for kind in CUBE_FREE[:200]:
            h = h.tanh() if kind else h.sin()
        assert labels(h) == ["what came before"]


class Recurrent(nn.Module):
    """Steps with one matrix, and with as many biases as are asked for, in turn."""

    def __init__(self, biases):
        rng = np.random.default_rng(0)
        self.weight = nn.Parameter(rng.normal(size=(2, 2)))
        for i in range(biases):
            setattr(self, f"bias{i}", nn.Parameter(rng.normal(size=2)))
        self.biases = biases

    def forward(self, x, steps=100):
        for t in range(steps):
            x = np.tanh(x @ self.weight + getattr(self, f"bias{t % self.biases}"))
        return x


def of_model(biases):
    model = Recurrent(biases)
    return labels(model(Tensor(np.ones((1, 2)))), names=model, collapse=lambda cluster: False)


class TestSharedWeights:
    """Repeats have the same weights where all their parameters are the same; what is fed in may differ."""

    def test_all_are_shared(self):
        assert of_model(1) == ["×98 the same weights again"]

    def test_one_is_shared_and_one_is_not(self):
        assert of_model(100) == ["+98 more"]

    def test_in_turn(self):
        assert of_model(2) == ["+98 more"]

    def test_none_at_all(self):
        assert labels(chain(lambda t, results: Value(t / 200, requires_grad=False))) == ["+198 more"]

    def test_what_is_fed_in_may_differ(self):
        w, h = Value(0.9, label="w"), Value(0.5, label="h0")
        for t in range(100):
            h = (w * h + Value(t / 100, label=f"x{t}")).tanh()
        assert labels(h) == ["×98 the same weights again"]


def test_repeats_are_counted_whatever_their_length():
    for length in (1, 2, 7):
        w, h = Value(0.5), Value(0.4)
        for _ in range(80):
            for _ in range(length - 1):
                h = h.sin()
            h = (h * w).tanh()
        assert "×78 the same weights again" in labels(h)


@st.composite
def contractions(draw):
    """A graph, and twice a choice of nodes to be put together, the second among what is then left."""
    count = draw(st.integers(2, 14))
    nodes = tuple(GraphNode(f"v{i}", "operation" if i else "input") for i in range(count))
    pairs = draw(st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=30))
    pairs = sorted(((a, b) for a, b in pairs if a < b), key=lambda pair: pair[::-1])
    position = Counter()
    edges = []
    for a, b in pairs:
        edges.append(GraphEdge(f"v{a}", f"v{b}", position[b]))
        position[b] += 1
    graph = Graph(nodes, tuple(edges), (), (f"v{count - 1}",), count)
    return graph, [draw(st.lists(st.integers(0, 3), min_size=count, max_size=count)) for _ in range(2)]


def is_cyclic(edges):
    order = TopologicalSorter()
    for source, target in edges:
        order.add(target, source)
    try:
        order.prepare()
    except CycleError:
        return True
    return False


@given(contractions())
def test_uses_add_up(drawn):
    """Each edge that is left counts the program's edges between what its two ends stand for, twice in a row too."""
    graph, choices = drawn
    reduced = Reduced(graph)
    for choice in choices:
        groups = {}
        for node, group in zip(reduced.graph.nodes, choice, strict=False):
            if group:
                groups.setdefault(group, []).append(node.id)
        reduced = contract(reduced, [Group(ids, "some") for ids in groups.values()])
        home = {member: key for key, ids in reduced.members.items() for member in ids}
        wanted = Counter()
        for edge in graph.edges:
            ends = home.get(edge.source, edge.source), home.get(edge.target, edge.target)
            if ends[0] != ends[1]:
                wanted[ends] += 1
        found = Counter()
        for edge in reduced.graph.edges:
            found[edge.source, edge.target] += edge.uses
            if edge.target in reduced.members:
                assert found[edge.source, edge.target] == edge.uses, "an edge into a group is drawn once"
        assert found == wanted
        assert has_cycle(reduced.graph) == is_cyclic(wanted)
        assert sum(node.size for node in reduced.graph.nodes) == graph.total
        assert {key: len(ids) for key, ids in reduced.members.items()} == {
            node.id: node.size for node in reduced.graph.nodes if node.kind == "group"
        }


def test_uses_add_up_when_what_was_put_together_is_put_together_again():
    nodes = tuple(GraphNode(f"v{i}", "operation" if i else "input") for i in range(6))
    edges = tuple(GraphEdge("v0", f"v{i}") for i in range(1, 6))
    once = contract(Reduced(Graph(nodes, edges, (), ("v5",), 6)), [Group(["v1", "v2", "v3"], "three")])
    assert [edge.uses for edge in once.graph.edges] == [3, 1, 1]
    (group,) = once.members
    twice = contract(once, [Group([group, "v4"], "four")])
    assert [edge.uses for edge in twice.graph.edges] == [4, 1]


def test_the_order_stays_topological():
    """v1 and v4 become one, of which v2 uses v1: v2 must now come after it."""
    nodes = tuple(GraphNode(f"v{i}", "operation" if i else "input") for i in range(6))
    pairs = [(0, 1), (1, 2), (0, 3), (0, 4), (2, 5), (3, 5), (4, 5)]
    graph = Graph(nodes, tuple(GraphEdge(f"v{a}", f"v{b}") for a, b in pairs), (), ("v5",), 6)
    smaller = contract(Reduced(graph), [Group(["v1", "v4"], "some")]).graph
    assert [node.id for node in smaller.nodes] == ["v0", "v3", "g0", "v2", "v5"]


@pytest.mark.parametrize(
    ("groups", "left"),
    [
        ([(("v3",), True)], {"v1", "v2", "v4", "v5", "g0"}),
        ([(("v3",), False)], {"v0", "v1", "v2", "v4", "v5", "g0"}),
        ([(("v3",), True), (("v4",), True)], {"v1", "v2", "v5", "g0", "g1"}),
        ([(("v3", "v4"), True)], {"v2", "v5", "g0"}),
        ([(("v0", "v3"), True), (("v4", "v5"), True)], {"v1", "g0", "g1"}),
    ],
)
def test_leaves_that_nothing_else_uses_go_along(groups, left):
    """v3 uses v0 and v1, v4 uses v1 and v2, v5 uses v2 and both results."""
    nodes = tuple(GraphNode(f"v{i}", "operation" if i > 2 else "input") for i in range(6))
    pairs = [(0, 3), (1, 3), (1, 4), (2, 4), (2, 5), (3, 5), (4, 5)]
    graph = Graph(nodes, tuple(GraphEdge(f"v{a}", f"v{b}") for a, b in pairs), (), ("v5",), 6)
    groups = [Group(ids, "some", with_leaves=with_leaves) for ids, with_leaves in groups]
    assert {node.id for node in contract(Reduced(graph), groups).graph.nodes} == left


def test_uses_into_a_folded_recurrence():
    graph = visualize.draw(recurrence(60)).graph
    (group,) = [node for node in graph.nodes if node.kind == "group"]
    into = {edge.source: edge.uses for edge in graph.edges if edge.target == group.id}
    names = {node.id: node.label for node in graph.nodes}
    assert {names[key]: uses for key, uses in into.items() if names[key]} == {"w": 58, "u": 58}
