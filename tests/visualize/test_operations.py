"""Tests that every operation of the engines can be drawn, stepped through and taken apart into numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import visualize
from tests.helpers.graphs import read_svg
from tests.helpers.registry import ROWS
from tinygrad_lm import Tensor
from visualize.graph.naming import Naming
from visualize.graph.scalars import to_scalars


def loss_of(row, case):
    """A number that depends on every element of the operation's result, with the tensors it was made of."""
    inputs = [Tensor(x, requires_grad=True, label=f"in{i}") for i, x in enumerate(case.inputs)]
    with np.errstate(all="ignore"):
        result = row.call(*inputs, **case.attributes)
        parts = result if isinstance(result, (list, tuple)) else [result]
        losses = [(part * part).sum() for part in parts if part.requires_grad]
        return sum(losses[1:], start=losses[0]) if losses else None, inputs


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@settings(max_examples=5)
@given(data=st.data())
def test_every_operation_is_drawn_and_stepped_through(row, data):
    loss, inputs = loss_of(row, data.draw(row.cases))
    if loss is None:
        return
    view = visualize.draw(loss, engine="builtin", show=("label", "shape", "data", "grad", "local"))
    read_svg(view.svg())
    assert all(edge.uses == 1 for edge in view.graph.edges)
    with np.errstate(all="ignore"):
        steps = visualize.backward_steps(loss)
        loss.backward()
        for key, node in steps.nodes.items():
            if any(node is x for x in inputs) and node.grad is not None:
                np.testing.assert_allclose(steps.gradients[key], node.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@settings(max_examples=3)
@given(data=st.data())
def test_every_operation_is_the_same_number_by_number(row, data):
    loss, _ = loss_of(row, data.draw(row.cases))
    if loss is None or not np.isfinite(loss.data):
        return
    with np.errstate(all="ignore"):
        (value,), _ = to_scalars([loss], Naming())
    assert float(value) == pytest.approx(float(loss), rel=1e-6, abs=1e-9)
