"""Hypothesis strategies for shapes, axes and arrays that are safe to differentiate at."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from tinygrad_lm.autograd.types import Array, Axis

Shape = tuple[int, ...]

MARGIN = 1e-3
"""How far a program stays from every kink, and ``arrays`` from what they are told to avoid."""
_GRID = 256
_OFFSET = 1 / 1024


@functools.cache
def shapes(max_dims: int = 3, max_side: int = 3, min_dims: int = 0, min_side: int = 1) -> st.SearchStrategy[Shape]:
    """Shapes of arrays, ``()`` among them; with ``min_side=0`` also empty ones."""
    return st.lists(st.integers(min_side, max_side), min_size=min_dims, max_size=max_dims).map(tuple)


@st.composite
def broadcastable_shapes(draw: st.DrawFn, count: int = 2, max_dims: int = 3, max_side: int = 3) -> tuple[Shape, ...]:
    """Several shapes that broadcast together, with axes of size 1 and missing leading axes in every combination."""
    whole = draw(shapes(max_dims, max_side))
    drawn: list[Shape] = []
    for _ in range(count):
        kept = draw(st.integers(0, len(whole)))
        drawn.append(tuple(1 if draw(st.booleans()) else size for size in whole[len(whole) - kept :]))
    return tuple(drawn)


@st.composite
def arrays(
    draw: st.DrawFn,
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

    Raises
    ------
    ValueError
        Where there are not as many distinct numbers between ``low`` and ``high`` as the shape has elements.
    """
    wanted = draw(shapes() if shape is None else shape if isinstance(shape, st.SearchStrategy) else st.just(shape))
    numbers = _numbers(float(low), float(high), tuple(map(float, avoid)))
    size = math.prod(wanted)
    if len(numbers) < (size if distinct else 1):
        raise ValueError(f"arrays: there are not {size} distinct numbers from {low} to {high} on a grid of 1/{_GRID}")
    if not distinct:
        return draw(_elements(numbers, size)).reshape(wanted)
    places = st.lists(st.integers(0, len(numbers) - 1), min_size=size, max_size=size, unique=True)
    return numbers[np.array(draw(places), dtype=np.intp)].reshape(wanted)


@functools.lru_cache(maxsize=64)
def _numbers(low: float, high: float, avoid: tuple[float, ...]) -> Array:
    """The numbers that an array may hold, those next to zero first."""
    steps = np.arange(math.ceil(low * _GRID), math.floor(high * _GRID - 0.25) + 1)
    numbers = steps[np.argsort(np.abs(steps), kind="stable")] / _GRID + _OFFSET
    for number in avoid:
        numbers = numbers[np.abs(numbers - number) > MARGIN]
    return numbers


def _elements(numbers: Array, size: int) -> st.SearchStrategy[Array]:
    """``size`` of the numbers, the first ones being the simplest: all in one draw of bytes, which is fast."""
    width = (len(numbers).bit_length() + 11) // 8
    places = 256 ** np.arange(width)[::-1]

    def choose(drawn: bytes) -> Array:
        return numbers[np.frombuffer(drawn, np.uint8).reshape(size, width) @ places % len(numbers)]

    return st.binary(min_size=size * width, max_size=size * width).map(choose)


def axes(ndim: int, several: bool = True) -> st.SearchStrategy[Axis]:
    """What a reduction takes: ``None``, an axis counted from either end, or (``several``) a tuple of different ones."""
    if ndim == 0:
        return st.none()
    single = st.integers(-ndim, ndim - 1)
    if not several:
        return single
    chosen = st.lists(single, min_size=1, max_size=ndim, unique_by=lambda axis: axis % ndim).map(tuple)
    return st.one_of(st.none(), single, chosen)


_WEIGHTS = np.array([sign * (0.5 + k / 64) for k in range(65) for sign in (1, -1)])


def cotangents(shape: Shape) -> st.SearchStrategy[Array]:
    """Weights of either sign, between 1/2 and 3/2 in size: none is zero, and hardly ever are all equal."""
    return _elements(_WEIGHTS, math.prod(shape)).map(lambda x: x.reshape(shape))
