"""A plain engine of scalars, as in A. Karpathy's microgpt: a node for each sum and product, with its local gradients.

Matrices are lists of lists, a product with one is ``sum(wi * xi)`` a row, and a name is read letter by letter beside
the keys and values of those before. The plan is that of this package's preset, which has a norm before its output.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any


class Value:
    """A number, what it was computed from, and its derivative with respect to each of that."""

    __slots__ = ("_children", "_local_grads", "data", "grad")

    def __init__(self, data: float, children: tuple[Value, ...] = (), local_grads: tuple[float, ...] = ()) -> None:
        self.data = data
        self.grad = 0.0
        self._children = children
        self._local_grads = local_grads

    def __add__(self, other: Value | float) -> Value:
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data + other.data, (self, other), (1, 1))

    def __mul__(self, other: Value | float) -> Value:
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, other: float) -> Value:
        return Value(self.data**other, (self,), (other * self.data ** (other - 1),))

    def log(self) -> Value:
        return Value(math.log(self.data), (self,), (1 / self.data,))

    def exp(self) -> Value:
        return Value(math.exp(self.data), (self,), (math.exp(self.data),))

    def relu(self) -> Value:
        return Value(max(0, self.data), (self,), (float(self.data > 0),))

    def __neg__(self) -> Value:
        return self * -1

    def __radd__(self, other: float) -> Value:
        return self + other

    def __sub__(self, other: Value | float) -> Value:
        return self + (-other)

    def __rmul__(self, other: float) -> Value:
        return self * other

    def __truediv__(self, other: Value | float) -> Value:
        return self * other**-1

    def backward(self) -> None:
        topo: list[Value] = []
        visited: set[Value] = set()

        def build_topo(v: Value) -> None:
            if v not in visited:
                visited.add(v)
                for child in v._children:
                    build_topo(child)
                topo.append(v)

        build_topo(self)
        self.grad = 1
        for v in reversed(topo):
            for child, local_grad in zip(v._children, v._local_grads):  # noqa: B905
                child.grad += local_grad * v.grad


Vector = list[Value]
Matrix = list[list[Value]]


def linear(x: Vector, w: Matrix) -> Vector:
    return [sum_of(wi * xi for wi, xi in zip(wo, x)) for wo in w]  # noqa: B905


def sum_of(values: Any) -> Value:
    return sum(values)


def softmax(logits: Vector) -> Vector:
    max_val = max(val.data for val in logits)
    exps = [(val - max_val).exp() for val in logits]
    total = sum_of(exps)
    return [e / total for e in exps]


def rmsnorm(x: Vector, eps: float) -> Vector:
    ms = sum_of(xi * xi for xi in x) / len(x)
    scale = (ms + eps) ** -0.5
    return [xi * scale for xi in x]


class Net:
    """The Transformer of one block, from weights as arrays by the names that the package gives them."""

    def __init__(self, weights: Mapping[str, Any], heads: int, eps: float) -> None:
        self.state: dict[str, Matrix] = {
            name: [[Value(float(x)) for x in row] for row in array] for name, array in weights.items()
        }
        self.heads, self.eps = heads, eps

    def parameters(self) -> list[Value]:
        return [p for matrix in self.state.values() for row in matrix for p in row]

    def __call__(self, token: int, place: int, keys: Matrix, values: Matrix) -> Vector:
        """The logits of the token that comes next."""
        state = self.state
        x = [t + p for t, p in zip(state["tokens.weight"][token], state["places.weight"][place])]  # noqa: B905
        width, size = len(x), len(x) // self.heads
        residual = x
        projected = linear(rmsnorm(x, self.eps), state["blocks.0.project.weight"])
        q, k, v = projected[:width], projected[width : 2 * width], projected[2 * width :]
        keys.append(k)
        values.append(v)
        mixed: Vector = []
        for start in range(0, width, size):
            of_head = slice(start, start + size)
            q_h = q[of_head]
            k_h, v_h = [row[of_head] for row in keys], [row[of_head] for row in values]
            scores = [sum_of(q_h[j] * k_t[j] for j in range(size)) / size**0.5 for k_t in k_h]
            weights = softmax(scores)
            mixed += [sum_of(weights[t] * v_h[t][j] for t in range(len(v_h))) for j in range(size)]
        x = [a + b for a, b in zip(linear(mixed, state["blocks.0.mix.weight"]), residual)]  # noqa: B905
        residual = x
        up = [xi.relu() for xi in linear(rmsnorm(x, self.eps), state["blocks.0.up.weight"])]
        x = [a + b for a, b in zip(linear(up, state["blocks.0.down.weight"]), residual)]  # noqa: B905
        return linear(rmsnorm(x, self.eps), state["output.weight"])

    def loss(self, tokens: Sequence[int], targets: Sequence[int]) -> Value:
        """The mean of -log p of the targets."""
        keys: Matrix = []
        values: Matrix = []
        losses: Vector = []
        for place, (token, target) in enumerate(zip(tokens, targets)):  # noqa: B905
            probabilities = softmax(self(token, place, keys, values))
            losses.append(-probabilities[target].log())
        return (1 / len(losses)) * sum_of(losses)
