"""What the package's own operations are checked with: for each a few calls at points where it is smooth."""

# Operands may be floats, arrays or nodes: their types are not inferred here.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import tinygrad_lm.autograd
from tinygrad_lm.autograd import Value, kernels, products, reductions, rules, shaping
from tinygrad_lm.autograd.graph import Operation

Array = np.ndarray[Any, Any]

_INTERNAL = frozenset({"released"})
"""Marks of the engines that are called operations and compute nothing."""


@dataclass(frozen=True)
class Case:
    """One call of an operation, to be checked."""

    operation: str
    function: Callable[..., Any]
    inputs: tuple[Any, ...]


def operations() -> set[str]:
    """The names of all operations that the engines define."""
    names: set[str] = set()
    for info in pkgutil.iter_modules(tinygrad_lm.autograd.__path__, "tinygrad_lm.autograd."):
        found = vars(importlib.import_module(info.name)).values()
        names |= {x.name for x in found if isinstance(x, Operation)}
    return names - _INTERNAL


def cases(seed: int = 0) -> Iterator[Case]:
    """Every case of every operation, at points drawn from the seed."""
    rng = np.random.default_rng(seed)
    yield from _elementwise(rng)
    for name, calls in (_shapes(rng) | _reductions(rng) | _products(rng) | _kernels(rng)).items():
        for function, *inputs in calls:
            yield Case(name, function, tuple(inputs))


def _apart(rng: np.random.Generator, *shape: int) -> Array:
    """Numbers of either sign, none near 0 or near another: away from the kinks of abs, maximum or max."""
    size = int(np.prod(shape, dtype=int))
    return rng.permutation(np.linspace(-1.9, 1.7, size) + 0.011).reshape(shape)


def _positive(rng: np.random.Generator, *shape: int) -> Array:
    return rng.uniform(0.3, 2.5, shape)


def _small(rng: np.random.Generator, *shape: int) -> Array:
    return rng.uniform(-0.9, 0.9, shape)


_POSITIVE = frozenset({"sqrt", "log", "log2", "log10", "log1p", "reciprocal"})


def _elementwise(rng: np.random.Generator) -> Iterator[Case]:
    for name, rule in rules.TABLE.items():
        draw = _positive if name in _POSITIVE else _apart
        if name == "tan":
            # Away from its poles.
            draw = _small
        operands = len(rule.derivatives)
        if name == "clip":
            pairs = [(_apart(rng, 3, 4), np.full(4, -1.0), np.array(1.05)), (-1.5, -1.0, 1.05), (0.2, -1.0, 1.05)]
        elif name == "pow":
            pairs = [(_positive(rng, 3, 4), _apart(rng, 4)), (1.3, -0.7)]
            yield Case(name, lambda x: x**3, (_apart(rng, 3, 4),))
        elif operands == 2:
            pairs = [(draw(rng, 3, 4), draw(rng, 4) + 0.05), (draw(rng, 3, 1), draw(rng, 4) + 0.05), (0.7, -1.3)]
        else:
            pairs = [(draw(rng, 3, 4),), (0.7,), (1.4 if name in _POSITIVE else -1.4,)]
        for inputs in pairs:
            yield Case(name, rule, inputs if isinstance(inputs[0], np.ndarray) else tuple(map(Value, inputs)))


def _shapes(rng: np.random.Generator) -> dict[str, list[tuple[Any, ...]]]:
    def x() -> Array:
        return _apart(rng, 3, 4)

    rows = np.array([0, 2, 2, -1])
    mask = rng.random((3, 4)) > 0.5
    return {
        "alias": [(shaping.alias, x())],
        "astype": [(lambda a: shaping.astype(a, dtype=np.float64), x())],
        "reshape": [(lambda a: shaping.reshape(a, shape=(2, 6)), x())],
        "transpose": [
            (lambda a: shaping.transpose(a, axes=(1, 0)), x()),
            (lambda a: shaping.transpose(a, axes=(2, 0, 1)), _apart(rng, 2, 3, 4)),
        ],
        "broadcast_to": [
            (lambda a: shaping.broadcast_to(a, shape=(2, 3, 4)), _apart(rng, 3, 1)),
            (lambda a: shaping.broadcast_to(a, shape=(2, 3)), _apart(rng)),
        ],
        "concatenate": [(lambda a, b, i=i: shaping.concatenate(a, b, axis=i), x(), x()) for i in (0, -1)],
        "stack": [(lambda a, b, i=i: shaping.stack(a, b, axis=i), x(), x()) for i in (0, 1, -1)],
        "flip": [(lambda a, i=i: shaping.flip(a, axis=i), x()) for i in (None, 0, (0, 1))],
        "roll": [
            (lambda a: shaping.roll(a, shift=2), x()),
            (lambda a: shaping.roll(a, shift=(1, 2), axis=(0, 1)), x()),
        ],
        "pad": [(lambda a: shaping.pad(a, widths=((1, 0), (0, 2)), value=3.0), x())],
        "tril": [(lambda a: shaping.tril(a, k=-1), x())],
        "triu": [(lambda a: shaping.triu(a, k=1), x())],
        "where": [
            (lambda a, b: shaping.where(a, b, condition=mask), x(), x()),
            (lambda a, b: shaping.where(a, b, condition=mask), _apart(rng, 4), _apart(rng, 3, 1)),
        ],
        "getitem": [
            (lambda a: shaping.getitem(a, index=(slice(None), 1)), x()),
            (lambda a: shaping.getitem(a, index=(slice(None, None, -2), None)), x()),
            (lambda a: shaping.getitem(a, index=rows), x()),
            (lambda a: shaping.getitem(a, index=(rows, rows)), x()),
            (lambda a: shaping.getitem(a, index=mask), x()),
        ],
        "scatter_add": [
            (lambda a: shaping.scatter_add(a, index=rows, shape=(3, 5)), _apart(rng, 4, 5)),
            (lambda a: shaping.scatter_add(a, index=slice(1, 3), shape=(4, 4)), _apart(rng, 2, 4)),
        ],
    }


def _reductions(rng: np.random.Generator) -> dict[str, list[tuple[Any, ...]]]:
    def over_axes(name: str) -> list[tuple[Any, ...]]:
        operation = getattr(reductions, name)
        axes = [(None, False), (0, False), (-1, True), ((0, 2), False)]
        return [
            (lambda a, i=i, keep=keep: operation(a, axis=i, keepdims=keep), _apart(rng, 2, 3, 2)) for i, keep in axes
        ]

    def along_axis(name: str) -> list[tuple[Any, ...]]:
        operation = getattr(reductions, name)
        return [(lambda a, i=i: operation(a, axis=i), _apart(rng, 2, 3, 2)) for i in (0, -1)]

    found = {name: over_axes(name) for name in ("sum", "mean", "var", "std", "norm", "max", "min", "logsumexp")}
    found |= {name: along_axis(name) for name in ("softmax", "log_softmax", "cumsum")}
    found["sum"].append((lambda a, b, c: Value.sum([a, b, c, a]), Value(0.5), Value(-1.0), Value(2.0)))
    found["mul_div"] = [(reductions.mul_div, _apart(rng, 3, 1), _apart(rng, 3, 4), _positive(rng, 3, 1))]
    return found


def _products(rng: np.random.Generator) -> dict[str, list[tuple[Any, ...]]]:
    shapes = [
        ((3,), (3,)),
        ((2, 3), (3,)),
        ((3,), (3, 2)),
        ((2, 3), (3, 4)),
        ((2, 2, 3), (3, 2)),
        ((2, 1, 2, 3), (2, 3, 2)),
    ]
    subscripts = [
        ("ij,jk->ik", (2, 3), (3, 2)),
        ("bij,bjk->bik", (2, 2, 3), (2, 3, 2)),
        ("ii->i", (3, 3)),
        ("ij->j", (2, 3)),
    ]
    return {
        "matmul": [(products.matmul, _apart(rng, *a), _apart(rng, *b)) for a, b in shapes],
        "einsum": [
            (lambda *xs, s=s: products.einsum(*xs, subscripts=s), *(_apart(rng, *shape) for shape in operands))
            for s, *operands in subscripts
        ],
        "dot": [(lambda a, b, c: Value.dot([a, b], [b, c]), Value(0.5), Value(-1.0), Value(2.0))],
    }


def _kernels(rng: np.random.Generator) -> dict[str, list[tuple[Any, ...]]]:
    ids = np.array([[0, 2, 2], [4, 0, 1]])
    zero = _apart(rng, 2, 3)
    zero[0, 1] = 0.0
    return {
        "linear": [
            (kernels.linear, _apart(rng, 3, 4), _apart(rng, 2, 4), _apart(rng, 2)),
            (kernels.linear, _apart(rng, 2, 3, 4), _apart(rng, 2, 4)),
        ],
        "embedding": [(lambda w: kernels.embedding(w, ids=ids), _apart(rng, 5, 3))],
        "cross_entropy": [(lambda z: kernels.cross_entropy(z, targets=np.array([0, 2, 1, 1])), _apart(rng, 4, 3))],
        "layer_norm": [
            (lambda x, w, b: kernels.layer_norm(x, w, b, eps=1e-5), _apart(rng, 3, 4), _apart(rng, 4), _apart(rng, 4))
        ],
        "prod": [
            (kernels.prod, _apart(rng, 2, 3)),
            (lambda a: kernels.prod(a, axis=1, keepdims=True), zero),
        ],
    }
