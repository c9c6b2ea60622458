"""The hypothesis strategy that draws random programs, each differentiable where it is."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from math import prod

import numpy as np
from hypothesis import strategies as st

from tinygrad_lm.autograd.types import Array
from tinygrad_lm.testing.properties.arrays import MARGIN, Shape, arrays, axes, shapes
from tinygrad_lm.testing.properties.index_data import Json, encode_index
from tinygrad_lm.testing.properties.indices import indices
from tinygrad_lm.testing.properties.operations import OPERATIONS
from tinygrad_lm.testing.properties.program import Program, Step

_LARGEST = 1e3
_MOST_ELEMENTS = 64
_ELEMENTWISE_PAIRS = frozenset({"add", "sub", "mul", "div_square", "pow_tanh", "maximum", "where"})
_PAIRS = _ELEMENTWISE_PAIRS | {"matmul", "outer", "concatenate", "stack"}
_WEIGHT_OF_A_PAIR = 3
"""Pairs come more often than others: where nothing is joined, nothing goes wrong in a graph."""

Attributes = dict[str, Json]


@st.composite
def programs(
    draw: st.DrawFn,
    max_leaves: int = 3,
    max_steps: int = 6,
    max_dims: int = 3,
    max_side: int = 3,
    operations: Sequence[str] | None = None,
) -> Program:
    """Random computations that can be differentiated where they are: finite, bounded and off every kink.

    Any result may be used several times, twice by one step, or not at all; any may be the one returned. A step that
    would come too close to a kink, or grow beyond 1,000 or 64 elements, is left out.

    Parameters
    ----------
    max_leaves, max_steps
        How many leaves and steps there are at most; at least one leaf, and perhaps no step.
    max_dims, max_side
        How many axes the leaves have at most, and how long each is.
    operations
        The names of those that may occur; by default all of ``tinygrad_lm.testing.programs.OPERATIONS``.

    Raises
    ------
    ValueError
        For the name of an operation that does not exist.
    """
    allowed = sorted(OPERATIONS if operations is None else operations)
    unknown = set(allowed) - set(OPERATIONS)
    if unknown:
        raise ValueError(f"programs: there is no operation {sorted(unknown)[0]!r}; there are {', '.join(OPERATIONS)}")
    names = draw(_names(tuple(allowed), draw(st.integers(0, max_steps)), max_steps))
    leaves = draw(_leaves(max_leaves, max_dims, max_side))
    results: list[Array] = list(leaves)
    steps: list[Step] = []
    for name in names:
        step = _step(draw, name, results, max_dims)
        if step is None or step.margin(results) < MARGIN:
            continue
        result = np.asarray(step.apply(results))
        if result.size in range(1, _MOST_ELEMENTS + 1) and np.abs(result).max() <= _LARGEST:
            steps.append(step)
            results.append(result)
    return Program(leaves, tuple(steps), _returned(draw, len(results)))


@functools.cache
def _leaves(count: int, max_dims: int, max_side: int) -> st.SearchStrategy[tuple[Array, ...]]:
    return st.lists(arrays(shapes(max_dims, max_side)), min_size=1, max_size=count).map(tuple)


@functools.cache
def _names(allowed: tuple[str, ...], least: int, most: int) -> st.SearchStrategy[list[str]]:
    weighted = [name for name in allowed for _ in range(_WEIGHT_OF_A_PAIR if name in _PAIRS else 1)]
    return st.lists(st.sampled_from(weighted), min_size=least, max_size=most)


def _recent(draw: st.DrawFn, count: int) -> int:
    """One of ``count`` results, the last ones first and more often: programs grow deep, and shrink well."""
    return count - 1 - min(draw(st.integers(0, count - 1)), draw(st.integers(0, count - 1)))


def _returned(draw: st.DrawFn, count: int) -> int:
    """The last result, three times in four; else any."""
    return count - 1 - max(0, draw(st.integers(0, 4 * count - 1)) - 3 * count)


def _step(draw: st.DrawFn, name: str, results: Sequence[Array], max_dims: int) -> Step | None:
    """A step of this operation on some of the results; ``None`` where none fits."""
    first = _recent(draw, len(results))
    operands: tuple[int, ...] = (first,)
    if name in _PAIRS:
        partners = [i for i, y in enumerate(results) if _fits(name, results[first].shape, y.shape, max_dims)]
        if not partners:
            return None
        operands = (first, draw(st.sampled_from(partners)))
    drawn = _ATTRIBUTES.get(name)
    attributes = {} if drawn is None else drawn(draw, [results[i].shape for i in operands], max_dims)
    return None if attributes is None else Step(name, operands, attributes)


def _fits(name: str, a: Shape, b: Shape, max_dims: int) -> bool:
    """Whether an operation on two arrays takes these shapes."""
    if name in ("stack", "outer"):
        return a == b and len(a) < max_dims and (name == "stack" or a != ())
    if name == "concatenate":
        return any(_joins(a, b, axis) for axis in range(len(a)))
    if name == "matmul":
        return bool(a and b) and a[-1] == b[-2:][0] and _broadcast(a[:-2], b[:-2]) and max(len(a), len(b)) <= max_dims
    return _broadcast(a, b)


def _broadcast(a: Shape, b: Shape) -> bool:
    return all(m == n or 1 in (m, n) for m, n in zip(a[::-1], b[::-1], strict=False))


def _joins(a: Shape, b: Shape, axis: int) -> bool:
    return len(a) == len(b) and all(m == n for i, (m, n) in enumerate(zip(a, b, strict=True)) if i != axis % len(a))


def _one_of(draw: st.DrawFn, axes: Sequence[int]) -> Attributes | None:
    return {"axis": draw(st.sampled_from(axes))} if axes else None


def _one_axis(draw: st.DrawFn, shapes: Sequence[Shape], _: int) -> Attributes | None:
    return _one_of(draw, range(-len(shapes[0]), len(shapes[0])))


def _kept_axis(draw: st.DrawFn, shapes: Sequence[Shape], _: int) -> Attributes | None:
    found = _one_axis(draw, shapes, _)
    return None if found is None else found | {"keepdims": draw(st.booleans())}


def _several_axes(draw: st.DrawFn, shapes: Sequence[Shape], _: int) -> Attributes:
    axis = draw(axes(len(shapes[0])))
    return {"axis": list(axis) if isinstance(axis, tuple) else axis, "keepdims": draw(st.booleans())}


def _new_axis(draw: st.DrawFn, shapes: Sequence[Shape], _: int) -> Attributes | None:
    return _one_of(draw, range(len(shapes[0]) + 1))


def _common_axis(draw: st.DrawFn, shapes: Sequence[Shape], _: int) -> Attributes | None:
    a, b = shapes
    return _one_of(draw, [axis for axis in range(-len(a), len(a)) if _joins(a, b, axis)])


def _roll(draw: st.DrawFn, shapes: Sequence[Shape], _: int) -> Attributes | None:
    found = _one_axis(draw, shapes, _)
    return None if found is None else found | {"shift": draw(st.integers(-2, 2))}


def _mask(draw: st.DrawFn, shapes: Sequence[Shape], _: int) -> Attributes:
    shape = np.broadcast_shapes(*shapes)
    bits = draw(st.lists(st.booleans(), min_size=prod(shape), max_size=prod(shape)))
    return {"mask": np.array(bits, dtype=bool).reshape(shape).tolist()}


def _reshape(draw: st.DrawFn, shapes: Sequence[Shape], _: int) -> Attributes:
    size = prod(shapes[0])
    wanted = [(size,), (size, 1), (1, size), shapes[0][::-1], (2, -1), (-1, 3)]
    return {"shape": list(draw(st.sampled_from([s for s in wanted if not size % max(1, abs(prod(s)))])))}


def _transpose(draw: st.DrawFn, shapes: Sequence[Shape], _: int) -> Attributes:
    return {"axes": list(draw(st.permutations(range(len(shapes[0])))))}


def _stretch(draw: st.DrawFn, shapes: Sequence[Shape], max_dims: int) -> Attributes | None:
    if len(shapes[0]) >= max_dims:
        return None
    stretched = [draw(st.integers(1, 3)) if size == 1 else size for size in shapes[0]]
    return {"shape": [draw(st.integers(1, 3)), *stretched]}


_ATTRIBUTES: dict[str, Callable[[st.DrawFn, Sequence[Shape], int], Attributes | None]] = {
    "scale": lambda draw, shapes, max_dims: {"factor": draw(st.sampled_from([-1.5, 0.5, 2.0]))},
    "where": _mask,
    **dict.fromkeys(("sum", "mean", "var", "prod_tanh", "logsumexp"), _several_axes),
    "max": _kept_axis,
    **dict.fromkeys(("softmax", "cumsum", "flip"), _one_axis),
    "roll": _roll,
    "concatenate": _common_axis,
    "stack": _new_axis,
    "reshape": _reshape,
    "transpose": _transpose,
    "broadcast_to": _stretch,
    "getitem": lambda draw, shapes, max_dims: {"index": encode_index(draw(indices(shapes[0])))},
}
"""What else an operation is called with, drawn for the shapes of its operands; ``None`` where nothing fits."""
