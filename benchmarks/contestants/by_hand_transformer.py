"""The step of makemore's Transformer as one writes it in NumPy when nothing but its speed counts.

Each part makes its arrays once and works in them. What pays: sums over the width, and over the weights of attention, as
products with ones; one maximum for all weights of attention, where no row's exponentials vanish by it; and what pays in
``by_hand``.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np

from benchmarks.contestants.flat import flattened, optimizer
from benchmarks.contestants.problems import Array, Problem

ROOT, CUBE = math.sqrt(2 / math.pi), 0.044715
LEAST = 1e-30
"""A sum of exponentials below this has lost digits: each row then has a maximum of its own."""
Weights = Mapping[str, tuple[Array, Array]]
"""Each weight and its gradient."""


def step_of(heads: int, layers: int, problem: Problem) -> Callable[[], float]:
    """A function that does a step and gives its loss."""
    names = list(problem.weights)
    flat, grad, parts, grads = flattened([problem.weights[name] for name in names])
    weights = dict(zip(names, zip(parts, grads, strict=True), strict=True))
    change = optimizer(problem.optimizer, flat, grad, problem.lr)
    batches = problem.data.batches()
    inputs, _ = next(problem.data.batches())
    run = _whole(weights, heads, layers, *inputs.shape)

    def step() -> float:
        loss = run(*next(batches))
        change()
        return loss

    return step


def _whole(weights: Weights, heads: int, layers: int, n: int, length: int) -> Callable[[Array, Array], float]:
    """Embedding, blocks, norm, Linear and loss of a batch (n, length), and all the way back."""
    (table, d_table), (places, d_places) = weights["tokens.weight"], weights["places.weight"]
    (w_out, d_w_out), (count, width), rows = weights["output.weight"], table.shape, n * length
    new = _maker(table)
    blocks = [_Block(weights, f"blocks.{i}", heads, n, length) for i in range(layers)]
    norm = _Norm(weights, "norm", rows)
    x, d_y, logits = new(rows, width), new(rows, width), new(count, rows)
    onehot, eye = new(rows, count), np.eye(count, dtype=table.dtype)
    counts, right, sums = new(rows), new(rows), new(rows)
    ones, ones_of_characters, columns = new(rows) + 1, new(count) + 1, np.arange(rows)
    flat_logits, by_name = logits.reshape(-1), x.reshape(n, length, width)

    def run(inputs: Array, targets: Array) -> float:
        ids, wanted = inputs.reshape(rows), targets.reshape(rows)
        np.greater_equal(wanted, 0, counts, casting="unsafe")
        share = 1 / np.dot(counts, ones)
        table.take(ids, 0, x, "clip")
        np.add(by_name, places[:length], by_name)
        for block in blocks:
            block.forward(x)
        y = norm.forward(x)
        np.matmul(w_out, y.T, logits)
        np.maximum.reduce(logits, 0, None, sums)
        np.subtract(logits, sums, logits)
        where = np.maximum(wanted, 0) * rows + columns
        flat_logits.take(where, None, right, "clip")
        np.exp(logits, logits)
        np.matmul(ones_of_characters, logits, sums)
        loss = -np.dot(right, counts)
        np.divide(counts, sums, right)
        np.log(sums, sums)
        loss += np.dot(sums, counts)
        np.multiply(right, share, right)
        np.multiply(logits, right, logits)
        flat_logits[where] -= counts * share
        np.matmul(logits, y, d_w_out)
        np.matmul(logits.T, w_out, d_y)
        x.fill(0)  # from here on the gradient of what flows through the blocks
        norm.backward(d_y, x)
        for block in reversed(blocks):
            block.backward(x)
        np.add.reduce(by_name, 0, None, d_places[:length])
        eye.take(ids, 0, onehot, "clip")
        np.matmul(onehot.T, x, d_table)
        return float(loss * share)

    return run


class _Block:
    """Attention, then the small network, each added to what comes in."""

    def __init__(self, weights: Weights, name: str, heads: int, n: int, length: int) -> None:
        rows = n * length
        self.first, self.second = (_Norm(weights, f"{name}.{norm}_norm", rows) for norm in ("attention", "network"))
        linears = (_Linear(weights, f"{name}.{part}", rows) for part in ("project", "mix", "up", "down"))
        self.project, self.mix, self.up, self.down = linears
        self.attention = _Attention(heads, n, length, self.mix.w)
        self.gelu = _Gelu(self.up.y)

    def forward(self, x: Array) -> None:
        mixed = self.attention.forward(self.project.forward(self.first.forward(x)))
        np.add(x, self.mix.forward(mixed), x)
        np.add(x, self.down.forward(self.gelu.forward(self.up.forward(self.second.forward(x)))), x)

    def backward(self, d: Array) -> None:
        self.second.backward(self.up.backward(self.gelu.backward(self.down.backward(d))), d)
        self.first.backward(self.project.backward(self.attention.backward(self.mix.backward(d))), d)


class _Linear:
    """x W' + b."""

    def __init__(self, weights: Weights, name: str, rows: int) -> None:
        (self.w, self.d_w), (self.b, self.d_b) = weights[f"{name}.weight"], weights[f"{name}.bias"]
        new = _maker(self.w)
        self.y, self.d_x, self.ones = new(rows, len(self.w)), new(rows, self.w.shape[1]), new(rows) + 1

    def forward(self, x: Array) -> Array:
        self.x = x
        np.matmul(x, self.w.T, self.y)
        return np.add(self.y, self.b, self.y)

    def backward(self, d: Array) -> Array:
        np.matmul(d.T, self.x, self.d_w)
        np.matmul(self.ones, d, self.d_b)
        return np.matmul(d, self.w, self.d_x)


class _Norm:
    """LayerNorm, whose backward pass adds to the gradient of what came in."""

    def __init__(self, weights: Weights, name: str, rows: int) -> None:
        (self.w, self.d_w), (self.b, self.d_b) = weights[f"{name}.weight"], weights[f"{name}.bias"]
        width, new = len(self.w), _maker(self.w)
        self.scaled, self.y, self.small = (new(rows, width) for _ in range(3))
        self.root, self.sums, self.ones = new(rows, 1), new(rows, 1), new(rows) + 1
        self.means = new(width, 1) + self.w.dtype.type(1 / width)

    def forward(self, x: Array) -> Array:
        scaled, root = self.scaled, self.root
        np.matmul(x, self.means, self.sums)
        np.subtract(x, self.sums, scaled)
        np.multiply(scaled, scaled, self.small)
        np.matmul(self.small, self.means, root)
        np.add(root, 1e-5, root)
        np.sqrt(root, root)
        np.divide(1, root, root)
        np.multiply(scaled, root, scaled)
        np.multiply(scaled, self.w, self.y)
        return np.add(self.y, self.b, self.y)

    def backward(self, d: Array, onto: Array) -> None:
        scaled, small, y = self.scaled, self.small, self.y
        np.multiply(d, scaled, small)
        np.matmul(self.ones, small, self.d_w)
        np.matmul(self.ones, d, self.d_b)
        np.multiply(d, self.w, y)
        np.multiply(small, self.w, small)
        np.matmul(small, self.means, self.sums)
        np.multiply(scaled, self.sums, small)
        np.matmul(y, self.means, self.sums)
        np.subtract(y, self.sums, y)
        np.subtract(y, small, y)
        np.multiply(y, self.root, y)
        np.add(onto, y, onto)


class _Gelu:
    """GPT-2's GELU: u (1 + tanh(ROOT (u + CUBE u^3))) / 2."""

    def __init__(self, like: Array) -> None:
        self.y, self.squares, self.tanh = (np.empty_like(like) for _ in range(3))

    def forward(self, u: Array) -> Array:
        self.u, squares, tanh = u, self.squares, self.tanh
        np.multiply(u, u, squares)
        np.multiply(squares, ROOT * CUBE, tanh)
        np.add(tanh, ROOT, tanh)
        np.multiply(tanh, u, tanh)
        np.tanh(tanh, tanh)
        np.add(tanh, 1, self.y)
        np.multiply(self.y, u, self.y)
        return np.multiply(self.y, 0.5, self.y)

    def backward(self, d: Array) -> Array:
        squares, tanh, u = self.squares, self.tanh, self.u
        np.multiply(squares, 3 * ROOT * CUBE, squares)
        np.add(squares, ROOT, squares)
        np.multiply(squares, u, squares)
        np.multiply(tanh, tanh, u)
        np.subtract(1, u, u)
        np.multiply(squares, u, squares)
        np.add(squares, tanh, squares)
        np.add(squares, 1, squares)
        np.multiply(squares, 0.5, squares)
        return np.multiply(d, squares, d)


class _Attention:
    """Masked attention of queries, keys and values that come side by side."""

    def __init__(self, heads: int, n: int, length: int, like: Array) -> None:
        width, new = len(like), _maker(like)
        share, self.shape = width // heads, (n, length, 3, heads, width // heads)
        self.scale = share**-0.5
        self.query, self.key, self.value, self.mixed, self.d_mixed = (new(n, heads, length, share) for _ in range(5))
        self.d_heads, self.d_parts = new(3, n, heads, length, share), new(n * length, 3 * width)
        self.weights, self.d_weights = (new(n, heads, length, length) for _ in range(2))
        self.sums, self.ones = new(n, heads, length, 1), new(length, 1) + 1
        self.seen, self.y = np.tril(np.ones((length, length), like.dtype)), new(n * length, width)
        self.by_head = self.y.reshape(n, length, heads, share).swapaxes(1, 2)

    def forward(self, parts: Array) -> Array:
        query, key, value = parts.reshape(self.shape).transpose(2, 0, 3, 1, 4)
        weights, sums = self.weights, self.sums
        np.multiply(query, self.scale, self.query)
        np.copyto(self.key, key)
        np.copyto(self.value, value)
        np.matmul(self.query, self.key.swapaxes(2, 3), weights)
        self._exponentials(weights.max())
        if not sums.min() > LEAST:
            np.matmul(self.query, self.key.swapaxes(2, 3), weights)
            np.copyto(weights, -np.inf, where=self.seen == 0)
            self._exponentials(weights.max(axis=3, keepdims=True))
        np.divide(weights, sums, weights)
        np.matmul(weights, self.value, self.mixed)
        np.copyto(self.by_head, self.mixed)
        return self.y

    def _exponentials(self, largest: Array) -> None:
        """Of what is seen, and their sums."""
        weights = self.weights
        np.subtract(weights, largest, weights)
        np.exp(weights, weights)
        np.multiply(weights, self.seen, weights)
        np.matmul(weights, self.ones, self.sums)

    def backward(self, d: Array) -> Array:
        d_weights, weights, (d_query, d_key, d_value) = self.d_weights, self.weights, self.d_heads
        np.copyto(self.d_mixed, d.reshape(self.by_head.swapaxes(1, 2).shape).swapaxes(1, 2))
        np.matmul(weights.swapaxes(2, 3), self.d_mixed, d_value)
        np.matmul(self.d_mixed, self.value.swapaxes(2, 3), d_weights)
        np.multiply(d_weights, weights, d_weights)
        np.matmul(d_weights, self.ones, self.sums)
        np.multiply(weights, self.sums, weights)
        np.subtract(d_weights, weights, d_weights)
        np.matmul(d_weights, self.key, d_query)
        np.multiply(d_query, self.scale, d_query)
        np.matmul(d_weights.swapaxes(2, 3), self.query, d_key)
        np.copyto(self.d_parts.reshape(self.shape), self.d_heads.transpose(1, 3, 0, 2, 4))
        return self.d_parts


def _maker(like: Array) -> Callable[..., Array]:
    """What makes arrays of zeros of the dtype of another."""

    def new(*shape: int) -> Array:
        return np.zeros(shape, like.dtype)

    return new
