"""Strategies for NumPy indices of every kind: basic, advanced, mixed, Boolean, with duplicates and with tensors."""

import numpy as np
from hypothesis import strategies as st

from tinygrad_lm import Tensor


def whole(draw, size, shape):
    """Whole numbers in range, negative ones and duplicates among them."""
    flat = [draw(st.integers(-size, size - 1)) for _ in range(int(np.prod(shape)))]
    return np.array(flat, dtype=draw(st.sampled_from([np.int64, np.int8]))).reshape(shape)


def cut(draw, size):
    """A slice, of either direction and maybe empty."""
    end = st.none() | st.integers(-size - 1, size + 1)
    return slice(draw(end), draw(end), draw(st.sampled_from([None, 1, 2, -1, -2])))


def mask(draw, shape):
    """A Boolean array."""
    size = int(np.prod(shape))
    return np.array([draw(st.booleans()) for _ in range(size)], dtype=bool).reshape(shape)


def disguised(draw, ids):
    """Positions as an array, as a list or as a tensor."""
    form = draw(st.integers(0, 3))
    return ids.tolist() if form == 1 and ids.ndim and ids.size else Tensor(ids) if form == 2 else ids


@st.composite
def mixed_indices(draw, shape):
    """One part an axis or fewer, with an ellipsis and new axes anywhere."""
    together = draw(st.sampled_from([(), (1,), (2,), (3,), (2, 1), (1, 2), (0,)]))
    parts, masked = [], False
    for size in shape[: draw(st.integers(0, len(shape)))]:
        kind = draw(st.integers(0, 5))
        if kind == 0 or size == 0:
            parts.append(slice(None))
        elif kind == 1:
            parts.append(draw(st.integers(-size, size - 1)))
        elif kind == 2 and not masked and together == ():
            masked = True
            parts.append(mask(draw, (size,)))
        elif kind in (3, 4) and not masked:
            wanted = together if draw(st.booleans()) else together[1:]
            parts.append(disguised(draw, whole(draw, size, wanted)))
        else:
            parts.append(cut(draw, size))
    missing = len(shape) - len(parts)
    if draw(st.booleans()):
        at = draw(st.integers(0, len(parts)))
        tail = parts[at:]
        # Behind an ellipsis the parts speak of the last axes: only slices and masks of the right size stay legal.
        if missing == 0 or all(isinstance(part, slice) for part in tail):
            parts[at:at] = [Ellipsis]
    for _ in range(draw(st.integers(0, 1))):
        parts.insert(draw(st.integers(0, len(parts))), None)
    return parts[0] if len(parts) == 1 and draw(st.booleans()) else tuple(parts)


@st.composite
def indices(draw, shape):
    """A NumPy index for an array of that shape."""
    kind = draw(st.integers(0, 7))
    if kind == 0:
        return mask(draw, shape)
    if kind == 1 and shape and shape[0]:
        ids = whole(draw, shape[0], draw(st.sampled_from([(2,), (3,), (2, 2), (0,), (5,)])))
        return disguised(draw, ids)
    if kind == 2 and len(shape) > 1:
        return (..., mask(draw, shape[-1:]))
    if kind == 3:
        return Tensor(mask(draw, shape))
    return draw(mixed_indices(shape))
