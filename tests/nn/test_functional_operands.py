"""What the functions of tinygrad_lm.nn.functional do with single numbers, Values, lists and tables of odd shapes."""

import numpy as np
import pytest

from tinygrad_lm import Tensor, Value
from tinygrad_lm.nn import functional as F

VALUE, ROW = Value(1.5), Tensor([1.0, 2.0])
SQUARE = Tensor([[1.0, 0.0], [0.0, 2.0]])
NUMBERS = {
    "softmax": lambda v: F.softmax(v),
    "log_softmax": lambda v: F.log_softmax(v),
    "linear, x": lambda v: F.linear(v, SQUARE),
    "linear, weight": lambda v: F.linear(ROW, v),
    "linear, bias": lambda v: F.linear(ROW, SQUARE, v),
    "linear, all": lambda v: F.linear(v, v, v),
    "cross_entropy": lambda v: F.cross_entropy(v, [0]),
    "cross_entropy, targets": lambda v: F.cross_entropy(SQUARE, v),
    "layer_norm, x": lambda v: F.layer_norm(v, ROW, ROW),
    "layer_norm, weight": lambda v: F.layer_norm(ROW, v, ROW),
    "layer_norm, bias": lambda v: F.layer_norm(ROW, ROW, v),
    "embedding, weight": lambda v: F.embedding([0], v),
    "embedding, ids": lambda v: F.embedding(v, SQUARE),
    "one_hot, ids": lambda v: F.one_hot(v, 3),
}


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("number", [VALUE, 1.5, np.float64(1.5)], ids=lambda x: type(x).__name__)
def test_a_number_where_an_array_is_needed(name, number):
    """A Value is one number: the sentence says so, never an AttributeError."""
    if not isinstance(number, Value) and "softmax" in name:
        assert float(NUMBERS[name](number)) == (name == "softmax")
        return
    with pytest.raises((TypeError, ValueError), match=name.partition(",")[0] if "," not in name else None) as caught:
        NUMBERS[name](number)
    assert "attribute" not in str(caught.value)
    if isinstance(number, Value) and name.split(", ")[-1] not in ("targets", "ids"):
        assert "Value" in str(caught.value)


def test_what_is_of_one_element_at_a_time_takes_values():
    x, y = Value(1.0), Value(3.0)
    loss = F.mse_loss(x, y)
    loss.backward()
    assert (loss.data, x.grad, y.grad) == (4.0, -4.0, 4.0)
    assert F.mse_loss(x, 3).data == 4.0
    assert F.dropout(x, 0.5, training=False, rng=None) is x
    rng = np.random.default_rng(0)
    assert {F.dropout(x, 0.5, rng=rng).data for _ in range(40)} == {0.0, 2.0}
    for activation in (F.relu, F.tanh, F.sigmoid, F.gelu, F.silu, F.softplus):
        assert isinstance(activation(x), Value)


def test_lists_are_arrays():
    rows = [[1.0, 2.0], [3.0, 5.0]]
    np.testing.assert_array_equal(F.linear(rows, rows), np.array(rows) @ np.array(rows).T)
    assert F.cross_entropy(rows, [0, 1]) == pytest.approx(F.cross_entropy(np.array(rows), [0, 1]))
    np.testing.assert_allclose(F.layer_norm(rows, [1.0, 1.0], [0.0, 0.0])[0], [-1, 1], rtol=1e-4)
    assert F.embedding([1, 1], rows).tolist() == [rows[1], rows[1]]
    assert F.mse_loss(rows, rows) == 0.0
    assert np.shape(F.dropout(rows, 0.5, rng=np.random.default_rng(0))) == (2, 2)
    chances = F.softmax([Value(0.0), Value(0.0)])
    assert [float(p) for p in chances] == [0.5, 0.5]
    assert F.linear(ROW, rows).data.tolist() == [5.0, 13.0]


@pytest.mark.parametrize("shape", [(5,), (), (2, 3, 4)], ids=str)
def test_an_embedding_table_has_rows(shape):
    table = Tensor(np.ones(shape), requires_grad=True)
    with pytest.raises(ValueError, match=r"embedding: the weight is a table \(n, width\)"):
        F.embedding([0, 1], table)
