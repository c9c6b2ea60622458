"""Tests of the order within rows: few crossings, and frames that stay in one piece."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import visualize
from tests.helpers.graphs import diamond, neuron, recurrence
from tests.visualize.layout.drawn import graph_of, graphs
from tinygrad_lm.models import MLP
from tinygrad_lm.text import Vocabulary
from visualize.graph.data import Cluster
from visualize.layout.order import Order, ordered
from visualize.layout.ranks import Nest
from visualize.layout.rows import rows_of


def order_of(graph, text=0.0):
    rows = rows_of(Nest(graph), [(40.0, 30.0)] * len(graph.nodes), [(text, text, 0.0)] * len(graph.edges))
    return ordered(rows)


def drawn(root, **options):
    return visualize.draw(root, engine="builtin", **options).graph


@pytest.mark.parametrize("text", [0.0, 20.0])
def test_what_can_be_drawn_without_crossings_is(text):
    # The order in which it is met is one of crossings; sweeps must leave a place where all orders are as good.
    assert order_of(graph_of("ab", "ac", "2b", "3c", "bd", "cd"), text).crossings() == 0
    assert order_of(graph_of("cx", "bx", "by", "ay", "az", "dz", "xo", "yo", "zo"), text).crossings() == 0
    for root in (neuron(), diamond(), recurrence(9), recurrence(50)):
        assert order_of(drawn(root), text).crossings() == 0
    tree = [(f"{n}", f"{n * 7 // 16}") for n in range(40, 1, -1)]
    assert order_of(graph_of(*tree), text).crossings() == 0


def test_a_network_number_by_number_has_few_crossings():
    model = MLP(Vocabulary("ab"), context=1, embedding=2, hidden=[2], rng=0)
    loss = model.loss(np.array([[0]]), np.array([1]))
    # Two by two numbers, and two by three, cannot be multiplied without.
    assert order_of(drawn(loss, names=model, level="scalar")).crossings() <= 7


def test_operands_are_in_the_order_of_their_positions():
    order = order_of(graph_of("ad", "bd", "cd", "df", "ef"))
    assert [order.place[i] for i in range(6) if order.rows.items[i].row == 0] == [0, 1, 2]


@st.composite
def beside_each_other(draw):
    """Frames with a chain in each, side by side, between nodes that are linked to them anyhow."""
    inner = [f"{frame}{i}" for frame in "abcd" for i in range(3)]
    chains = [(one, other) for one, other in pairwise(inner) if one[0] == other[0]]
    ends = st.tuples(st.sampled_from(["p", "q", "r"]), st.sampled_from(inner), st.booleans())
    links = [(end, node) if first else (node, end.upper()) for end, node, first in draw(st.lists(ends, max_size=16))]
    clusters = [Cluster(f"c{i}", "m", "M", i) for i in range(4)]
    return graph_of(*chains, *links, clusters=clusters, **{node: f"c{'abcd'.index(node[0])}" for node in inner})


@given(graph=graphs() | beside_each_other())
def test_frames_are_in_one_piece_and_in_one_order(graph):
    check(order_of(graph, 20.0))
    order = Order(order_of(graph).rows)
    check(order)
    for sweep in range(8):
        order.sweep(sweep % 2 == 0, sweep % 4 > 1)
        check(order)
        order.exchange(even=True)
        check(order)


def check(order):
    rows = order.rows
    sides = {}
    for row, line in enumerate(order.lines):
        assert sorted(line) == [i for i, item in enumerate(rows.items) if item.row == row]
        assert [order.place[item] for item in line] == list(range(len(line)))
        for frame, (low, high) in order.held[row].items():
            within = [i for i, item in enumerate(line) if frame in rows.nest.around[rows.items[item].frame]]
            assert within == list(range(low, high + 1))
            for other, (start, _) in order.held[row].items():
                if high < start:
                    sides.setdefault((frame, other), set()).add("below")
                    sides.setdefault((other, frame), set()).add("above")
    assert all(len(side) == 1 for side in sides.values())
