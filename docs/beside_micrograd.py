"""The neuron in micrograd, and the picture that its notebook makes: run by ``beside.py``."""

from __future__ import annotations

import math

from graphviz import Digraph
from micrograd.engine import Value


def neuron() -> str:
    """The neuron of the lecture, as SVG. The package has no tanh and no labels: both are added as the lecture does."""
    named = {"x1": 2.0, "x2": 0.0, "w1": -3.0, "w2": 1.0, "b": 6.8813735870195432}
    x1, x2, w1, w2, b = values = [Value(number) for number in named.values()]
    for value, name in zip(values, named, strict=True):
        value.label = name
    o = _tanh(x1 * w1 + x2 * w2 + b)
    o.label = "o"
    o.backward()
    return _draw_dot(o).pipe(encoding="utf-8")


def _tanh(x: Value) -> Value:
    out = Value(math.tanh(x.data), (x,), "tanh")

    def backward() -> None:
        x.grad += (1 - out.data**2) * out.grad

    out._backward = backward
    return out


def _draw_dot(root: Value) -> Digraph:
    """From left to right, a record for each number and an oval for each operation."""
    nodes, edges, todo = set(), set(), [root]
    while todo:
        value = todo.pop()
        if value not in nodes:
            nodes.add(value)
            edges |= {(child, value) for child in value._prev}
            todo += value._prev
    dot = Digraph(format="svg", graph_attr={"rankdir": "LR"})
    for n in sorted(nodes, key=id):
        name, label = str(id(n)), getattr(n, "label", "")
        dot.node(name, f"{{ {label} | data {n.data:.4f} | grad {n.grad:.4f} }}", shape="record")
        if n._op:
            dot.node(name + n._op, n._op)
            dot.edge(name + n._op, name)
    for child, value in sorted(edges, key=lambda edge: (id(edge[0]), id(edge[1]))):
        dot.edge(str(id(child)), str(id(value)) + value._op)
    return dot
