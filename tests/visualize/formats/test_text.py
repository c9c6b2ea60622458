"""Tests of the table for a terminal: columns in line whatever the letters, and what stands in each of them."""

import numpy as np
import pytest

import visualize
from tests.helpers.graphs import neuron, recurrence
from tinygrad_lm import Tensor, Value
from visualize.formats.text import columns, table


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("", 0),
        ("abc", 3),
        ("é", 1),
        ("e\u0301", 1),
        ("a\u0323\u0302", 1),
        ("\u0e01\u0e34", 1),
        ("\u0915\u0941\u092e\u093e\u0930", 4),
        ("o\u20dd", 1),
        ("日本", 4),
        ("ｗ", 2),
        ("か\u3099", 2),
        ("×∂½", 3),
    ],
)
def test_columns(text, width):
    assert columns(text) == width


def test_columns_stand_in_line_under_marks_and_wide_letters():
    lines = table([("name", "x"), ("e\u0301te\u0301", "x"), ("日本", "x"), ("longest", "x")])
    assert [columns(line.partition("x")[0]) for line in lines] == [len("longest") + 2] * 4
    assert lines[0] == "name     x"


def test_a_name_with_marks_shifts_nothing():
    plain, marked = Value(2.0, label="ete"), Value(2.0, label="e\u0301te\u0301")
    lines = [visualize.draw(x * 3).text().splitlines() for x in (plain, marked)]
    assert [[columns(line) for line in each] for each in lines] == [[columns(line) for line in lines[0]]] * 2


def test_the_rows():
    a, b = Value(2.0, label="a"), Tensor(np.ones((2, 3)), requires_grad=True, label="b")
    c = a / 4
    c.backward()
    assert visualize.draw(c).text().splitlines() == [
        "node  name  shape  data  grad  made by",
        "v0    a            2     0.25  input",
        "v1                 4           constant",
        "v2                 0.5   1     div(a, v1)",
    ]
    lines = visualize.draw(b.sum(axis=1).sum()).text().splitlines()
    assert lines[1].split() == ["v0", "b", "2×3", "[[1,", "1,", "1],", "[1,", "1,", "1]]", "-", "input"]
    assert lines[2].endswith("sum(b, axis=1)")
    assert lines[3].split()[1] == "scalar"


def test_groups_and_the_caption():
    lines = visualize.draw(recurrence(60)).text().splitlines()
    assert any(line.endswith("×58 the same weights again, 290 nodes") for line in lines)
    assert lines[-1].startswith("showing 13 of 303 nodes")
    assert visualize.draw(neuron()).text().splitlines()[-1].startswith("v9")
    assert visualize.draw(neuron()).text().endswith("tanh(n)\n")
