"""Hypothesis strategies for property tests of gradients: arrays, shapes, axes, indices, and whole programs.

Needs hypothesis (``pip install hypothesis``). Importing this module also registers the profiles of
``tinygrad_lm.testing.profiles``.
"""

# What hypothesis draws has no static type.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinygrad_lm.testing.properties.programs import KINKED, OPERATIONS, Program, Step, encode_index

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]
Draw = Callable[[st.SearchStrategy[Any]], Any]

_GRID = 256
_OFFSET = 1 / 1024
MARGIN = 1e-3
"""How far a program stays from every kink, and ``arrays`` from what they are told to avoid."""
_LARGEST = 1e3
_MOST_ELEMENTS = 64


@functools.cache
def shapes(max_dims: int = 3, max_side: int = 3, min_dims: int = 0, min_side: int = 1) -> st.SearchStrategy[Shape]:
    """Shapes of arrays, ``()`` among them; ``min_side=0`` for empty ones too."""
    return st.lists(st.integers(min_side, max_side), min_size=min_dims, max_size=max_dims).map(tuple)


@st.composite
def broadcastable_shapes(draw: Draw, count: int = 2, max_dims: int = 3, max_side: int = 3) -> tuple[Shape, ...]:
    """So many shapes that broadcast together, with axes of size 1 and missing leading axes in every combination."""
    whole: Shape = draw(shapes(max_dims, max_side))
    drawn: list[Shape] = []
    for _ in range(count):
        kept = draw(st.integers(0, len(whole)))
        drawn.append(tuple(1 if draw(st.booleans()) else size for size in whole[len(whole) - kept :]))
    return tuple(drawn)


@st.composite
def arrays(
    draw: Draw,
    shape: Shape | st.SearchStrategy[Shape] | None = None,
    low: float = -2.0,
    high: float = 2.0,
    avoid: Sequence[float] = (),
    distinct: bool = False,
) -> Array:
    """Float64 arrays that are safe to differentiate at.

    Elements lie between ``low`` and ``high``, 1/1024 or more from zero and from every other multiple of 1/256, and
    not within 1/1000 of the numbers in ``avoid`` (the bounds of a clip, say). With ``distinct`` any two elements are
    1/256 or more apart, as ``max`` or a sort needs it. They shrink towards the element next to zero.
    """
    wanted: Shape = draw(
        shapes() if shape is None else shape if isinstance(shape, st.SearchStrategy) else st.just(shape)
    )
    count, numbers = _numbers(float(low), float(high), tuple(map(float, avoid)))
    size = prod(wanted)
    if count < (size if distinct else 1):
        raise ValueError(f"arrays: there are not {size} distinct numbers from {low} to {high} on a grid of 1/{_GRID}")
    elements = draw(st.lists(numbers, min_size=size, max_size=size, unique=distinct))
    return np.array(elements, dtype=np.float64).reshape(wanted)


@functools.lru_cache(maxsize=64)
def _numbers(low: float, high: float, avoid: tuple[float, ...]) -> tuple[int, st.SearchStrategy[float]]:
    """How many numbers an array may hold, and the strategy that draws one: making it takes longer than drawing."""
    steps = sorted(range(int(np.ceil(low * _GRID)), int(np.floor(high * _GRID - 0.25)) + 1), key=abs)
    allowed = [n / _GRID + _OFFSET for n in steps]
    allowed = [x for x in allowed if all(abs(x - p) > MARGIN for p in avoid)]
    return len(allowed), st.sampled_from(allowed) if allowed else st.nothing()


def axes(ndim: int, several: bool = True) -> st.SearchStrategy[Any]:
    """What a reduction takes: ``None``, an axis counted from either end, or (``several``) a tuple of different ones."""
    if ndim == 0:
        return st.none()
    single = st.integers(-ndim, ndim - 1)
    if not several:
        return single
    chosen = st.lists(single, min_size=1, max_size=ndim, unique_by=lambda axis: axis % ndim).map(tuple)
    return st.one_of(st.none(), single, chosen)


@st.composite
def indices(draw: Draw, shape: Shape) -> Any:
    """Indices of every kind: integers, slices, ``None``, ``...``, repeating and negative integer arrays, masks."""
    kind = draw(st.sampled_from(["basic", "basic", "ids", "mask"]))
    if not shape:
        return draw(st.sampled_from([(), ..., None]))
    if kind == "mask":
        bits = draw(st.lists(st.booleans(), min_size=prod(shape), max_size=prod(shape)))
        return np.array(bits, dtype=bool).reshape(shape)
    if kind == "ids" and all(shape):
        count = draw(st.integers(1, len(shape)))
        length = draw(st.integers(1, 4))
        parts = [
            np.array(draw(st.lists(st.integers(-size, size - 1), min_size=length, max_size=length)), dtype=np.intp)
            for size in shape[:count]
        ]
        return parts[0] if count == 1 else tuple(parts)
    parts: list[Any] = [draw(_basic(size)) for size in shape[: draw(st.integers(0, len(shape)))]]
    if draw(st.booleans()):
        parts.insert(draw(st.integers(0, len(parts))), None)
    if draw(st.booleans()):
        parts.append(...)
    return tuple(parts)


def _basic(size: int) -> st.SearchStrategy[Any]:
    bound = st.none() | st.integers(-size - 1, size + 1)
    cut = st.builds(slice, bound, bound, st.sampled_from([None, 1, 2, -1, -2]))
    return cut | st.integers(-size, size - 1) if size else cut


def cotangents(shape: Shape) -> st.SearchStrategy[Array]:
    """Weights of either sign, between 1/2 and 3/2 in size: none is zero, and hardly ever are all equal."""
    size = prod(shape)
    weight = st.builds(lambda sign, k: sign * (0.5 + k / 64), st.sampled_from([1.0, -1.0]), st.integers(0, 64))
    return st.lists(weight, min_size=size, max_size=size).map(lambda x: np.array(x, dtype=np.float64).reshape(shape))


@st.composite
def programs(
    draw: Draw,
    max_leaves: int = 3,
    max_steps: int = 6,
    max_dims: int = 3,
    max_side: int = 3,
    operations: Sequence[str] | None = None,
) -> Program:
    """Random computations that can be differentiated where they are: finite, bounded and off every kink.

    Any result may be used several times, twice by one step, or not at all; any may be the one returned. A step that
    would come too close to a kink, or grow beyond 1,000 or 64 elements, is left out. ``operations`` limits the steps
    to some of ``tinygrad_lm.testing.programs.OPERATIONS``.
    """
    allowed = sorted(OPERATIONS if operations is None else operations)
    unknown = set(allowed) - set(OPERATIONS)
    if unknown:
        raise ValueError(f"programs: there is no operation {sorted(unknown)[0]!r}; there are {', '.join(OPERATIONS)}")
    leaves = draw(_leaves(max_leaves, max_dims, max_side))
    results: list[Array] = list(leaves)
    steps: list[Step] = []
    for name in draw(st.lists(st.sampled_from(allowed), max_size=max_steps)):
        step = _step(draw, name, results, max_dims)
        if step is None:
            continue
        result = np.asarray(step.apply(results))
        if result.size in range(1, _MOST_ELEMENTS + 1) and np.abs(result).max() <= _LARGEST:
            steps.append(step)
            results.append(result)
    return Program(leaves, tuple(steps), draw(st.integers(0, len(results) - 1).map(lambda k: len(results) - 1 - k)))


@functools.cache
def _leaves(count: int, max_dims: int, max_side: int) -> st.SearchStrategy[tuple[Array, ...]]:
    return st.lists(arrays(shapes(max_dims, max_side)), min_size=1, max_size=count).map(tuple)


_ONE = frozenset({"neg", "sin", "tanh", "exp_tanh", "log_square", "sqrt_square", "cube_tanh", "relu", "abs"})
_TWO = frozenset({"add", "sub", "mul", "div_square", "maximum", "where"})


def _step(draw: Draw, name: str, results: Sequence[Array], max_dims: int) -> Step | None:
    """A step of this operation on some of the results; ``None`` where none fits or a kink is too close."""
    # The last results first, so that programs grow deep and shrink well.
    first = len(results) - 1 - draw(st.integers(0, len(results) - 1))
    x = results[first]
    operands: tuple[int, ...] = (first,)
    attributes: dict[str, Any] = {}
    if name in _TWO or name in ("matmul", "concatenate", "stack"):
        partners = [i for i, y in enumerate(results) if _fits(name, x, y, max_dims)]
        if not partners:
            return None
        operands = (first, draw(st.sampled_from(partners)))
    y = results[operands[-1]]
    if name == "where":
        shape = np.broadcast_shapes(x.shape, y.shape)
        bits = draw(st.lists(st.booleans(), min_size=prod(shape), max_size=prod(shape)))
        attributes = {"mask": np.array(bits, dtype=bool).reshape(shape).tolist()}
    elif name in ("concatenate", "softmax", "cumsum", "max", "flip", "stack"):
        if not x.ndim and name != "stack":
            return None
        candidates = range(-x.ndim, x.ndim) if name != "stack" else range(x.ndim + 1)
        if name == "concatenate":
            candidates = [axis for axis in candidates if _joins(x.shape, y.shape, axis)]
        attributes = {"axis": draw(st.sampled_from(list(candidates)))}
        if name == "max":
            attributes["keepdims"] = draw(st.booleans())
    elif name in ("sum", "mean"):
        axis = draw(axes(x.ndim))
        attributes = {"axis": list(axis) if isinstance(axis, tuple) else axis, "keepdims": draw(st.booleans())}
    elif name == "reshape":
        parts = [(x.size,), (x.size, 1), (1, x.size), x.shape[::-1], (2, -1), (-1, 3)]
        attributes = {"shape": list(draw(st.sampled_from([s for s in parts if not x.size % max(1, abs(prod(s)))])))}
    elif name == "transpose":
        attributes = {"axes": draw(st.permutations(range(x.ndim)))}
    elif name == "broadcast_to":
        if x.ndim >= max_dims:
            return None
        stretched = [draw(st.integers(1, 3)) if size == 1 else size for size in x.shape]
        attributes = {"shape": [draw(st.integers(1, 3)), *stretched]}
    elif name == "getitem":
        attributes = {"index": encode_index(draw(indices(x.shape)))}
    step = Step(name, operands, attributes)
    margin = KINKED.get(name)
    near = margin is not None and margin(*(results[i] for i in operands), **attributes) < MARGIN
    return None if near else step


def _fits(name: str, x: Array, y: Array, max_dims: int) -> bool:
    if name == "stack":
        return x.shape == y.shape and x.ndim < max_dims
    if name == "concatenate":
        return any(_joins(x.shape, y.shape, axis) for axis in range(x.ndim))
    try:
        if name == "matmul":
            return x.ndim > 0 and y.ndim > 0 and np.matmul(x, y).ndim <= max_dims
        np.broadcast_shapes(x.shape, y.shape)
    except ValueError:
        return False
    return True


def _joins(a: Shape, b: Shape, axis: int) -> bool:
    return len(a) == len(b) and all(m == n for i, (m, n) in enumerate(zip(a, b, strict=True)) if i != axis % len(a))
