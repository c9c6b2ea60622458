"""Tests of the formulas on the board: on arrays they are what the engine computes, and on symbols they read well."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.registry import ROWS
from tinygrad_lm import Tensor
from tinygrad_lm.autograd import attention, kernels, on_the_board, products, recurrent, reductions, shaping
from tinygrad_lm.autograd.graph import topological_order
from tinygrad_lm.autograd.on_the_board import Board, formula, vjp_formula
from tinygrad_lm.autograd.tensor import call_of
from visualize.graph.nodes import contributions_of

QUIET = {"all": "ignore"}


CHECKED: set[str] = set()
WRITTEN = {operation.name for operation in on_the_board._FORMULAS}


def identity(name, value):
    return value


def checked(out, cotangent):
    """Hold every formula behind a result against what the engine hands on; the names of the operations."""
    found = set()
    for node in topological_order(out):
        if node.operation is None or not node.requires_grad:
            continue
        g = cotangent if node is out else np.random.default_rng(node.size).normal(size=node.shape)
        for i, amount in enumerate(contributions_of(node, np.asarray(g, node.dtype))):
            written = formula(node.operation, i)
            if written is None or amount is None:
                continue
            call = call_of(node)
            try:
                mine = written(Board(np.asarray(g), node.data, call.inputs, node.attributes, identity))
            except ValueError as error:
                assert "diagonal" in str(error)
                continue
            finite = np.isfinite(mine) & np.isfinite(amount)
            assert mine.shape == amount.shape, node.operation.name
            np.testing.assert_allclose(mine[finite], amount[finite], rtol=1e-6, atol=1e-8, err_msg=node.operation.name)
            found.add(node.operation.name)
    return found


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_formula_is_what_the_engine_computes(row):
    @settings(max_examples=max(5, row.examples // 10))
    @given(row.cases, st.integers(0, 2**32 - 1))
    def run(case, seed):
        xs = [Tensor(np.asarray(x, np.float64), requires_grad=True) for x in case.inputs]
        with np.errstate(**QUIET):
            out = row.call(*xs, **case.attributes)
            CHECKED.update(checked(out, np.random.default_rng(seed).normal(size=out.shape)))

    run()
    if row.name in WRITTEN:
        assert row.name in CHECKED


def names(count):
    return ["g", "out", "x", "weight", "bias"][: count + 2]


X, W, B = np.ones((3, 4)), np.ones((5, 4)), np.ones(5)


@pytest.mark.parametrize(
    ("operation", "inputs", "attributes", "texts"),
    [
        (kernels.linear, (X, W, B), {}, ["g @ weight", "gᵀ @ x", "sum_rows(g)"]),
        (kernels.embedding, (W,), {"ids": np.array([1, 2])}, ["scatter_add(g, ids)"]),
        (
            kernels.cross_entropy,
            (X,),
            {"targets": np.array([1, 2, 3])},
            ["g · (softmax(x) - onehot(targets)) / n, n = 3"],
        ),
        (reductions.softmax, (X,), {"axis": -1}, ["out · (g - sum(g · out))"]),
        (reductions.mean, (X,), {"axis": 1}, ["spread(g) / n, n = 4"]),
        (products.matmul, (np.ones((2, 3, 4)), np.ones((2, 4, 5))), {}, ["g @ weightᵀ", "xᵀ @ g"]),
        (products.einsum, (X, W), {"subscripts": "ij,kj->ik"}, ["einsum(ik,kj->ij, g, weight)"]),
        (
            attention.attention,
            (X, X, X),
            {"scale": 0.5},
            ["0.5 · s @ weight, s = a · (d - sum(a · d)), d = g @ biasᵀ, a = weights(x, weight)"],
        ),
        (shaping.where, (X, X), {"condition": X > 0}, ["where(condition, g, 0)", "where(condition, 0, g)"]),
        (recurrent.rnn, (X,), {}, ["through time: the cell's rule, from the last step to the first"]),
    ],
)
def test_formulas_read_as_on_a_board(operation, inputs, attributes, texts):
    out = np.ones(3)
    found = [vjp_formula(operation, i, names(len(inputs)), inputs, out, attributes) for i in range(len(texts))]
    assert found == texts


def test_every_operation_on_arrays_has_a_formula():
    """What is drawn says how a gradient comes about: no operation is only called by its name."""
    silent = set()
    for row in ROWS:
        case = None

        @settings(max_examples=1, database=None)
        @given(row.cases)
        def one(drawn):
            nonlocal case
            case = drawn

        one()
        xs = [Tensor(np.asarray(x, np.float64), requires_grad=True) for x in case.inputs]
        with np.errstate(**QUIET):
            nodes = topological_order(row.call(*xs, **case.attributes))
        for node in nodes:
            if node.operation is None or node.operation.derivatives or not node.requires_grad:
                continue
            data = [p.data for p in node.parents]
            called = ["g", "out", *(f"x{i}" for i in range(len(data)))]
            for i in range(len(data)):
                text = vjp_formula(node.operation, i, called, data, node.data, node.attributes)
                if text.startswith("vjp of"):
                    silent.add(node.operation.name)
    assert silent == set()
