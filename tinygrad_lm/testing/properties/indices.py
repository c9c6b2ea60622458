"""NumPy indices of every kind: a hypothesis strategy that draws them; ``index_data`` has them as plain data."""

from __future__ import annotations

from math import prod

import numpy as np
from hypothesis import strategies as st

from tinygrad_lm.autograd.types import Array
from tinygrad_lm.testing.properties.arrays import Shape
from tinygrad_lm.testing.properties.index_data import Index, Part


@st.composite
def indices(draw: st.DrawFn, shape: Shape) -> Index:
    """Indices of every kind: integers, slices, ``None``, ``...``, repeating and negative integer arrays, masks."""
    if not shape:
        return draw(st.sampled_from([(), ..., None]))
    kind = draw(st.sampled_from(["basic", "basic", "ids", "mask"]))
    if kind == "mask":
        bits = draw(st.lists(st.booleans(), min_size=prod(shape), max_size=prod(shape)))
        return np.array(bits, dtype=bool).reshape(shape)
    if kind == "ids" and all(shape):
        return draw(_ids(shape))
    parts: list[Part] = [draw(_basic(size)) for size in shape[: draw(st.integers(0, len(shape)))]]
    if draw(st.booleans()):
        parts.insert(draw(st.integers(0, len(parts))), None)
    if draw(st.booleans()):
        parts.append(...)
    return tuple(parts)


@st.composite
def _ids(draw: st.DrawFn, shape: Shape) -> Index:
    """Integer arrays of one length for the first axes, or for only the last one."""
    length = draw(st.integers(1, 4))

    def ids(size: int) -> Array:
        return np.array(draw(st.lists(st.integers(-size, size - 1), min_size=length, max_size=length)), dtype=np.intp)

    count = draw(st.integers(0, len(shape)))
    if count == 0:
        return (..., ids(shape[-1]))
    parts = tuple(ids(size) for size in shape[:count])
    return parts[0] if count == 1 else parts


def _basic(size: int) -> st.SearchStrategy[int | slice]:
    bound = st.none() | st.integers(-size - 1, size + 1)
    cut = st.builds(slice, bound, bound, st.sampled_from([None, 1, 2, -1, -2]))
    return cut | st.integers(-size, size - 1) if size else cut
