"""Registry rows of the operations that join, select and index."""

import numpy as np
from hypothesis import strategies as st

from tests.helpers.registry.indices import indices
from tests.helpers.registry.row import SEEDS, Case, Kink, axes, broadcastable, generator, shapes
from tests.helpers.registry.shaping import AXIS_ERROR, ONES, case_of, moving, refuses
from tinygrad_lm import Tensor
from tinygrad_lm.autograd import shaping
from tinygrad_lm.autograd.graph import detach
from tinygrad_lm.testing.selfcheck.domains import anywhere

INF, NAN = np.inf, np.nan


def to_split(draw, shape):
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    size = shape[axis]
    divisors = [n for n in range(1, size + 1) if size % n == 0] or [1, 2]
    cuts = st.lists(st.integers(0, size), max_size=3).map(sorted)
    sections = draw(st.sampled_from(divisors) | cuts)
    parts = sections if isinstance(sections, int) else len(sections) + 1
    return {"sections": sections, "axis": axis, "part": draw(st.integers(0, parts - 1))}


def sizes(x, sections, axis):
    """PyTorch's sizes for NumPy's sections."""
    return [part.shape[axis] for part in np.split(np.empty(x.shape), sections, axis)]


def along_axis(draw, shape):
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    ids = [1 if draw(st.integers(0, 3)) == 0 else n for n in shape]
    ids[axis] = draw(st.integers(0, 3))
    size = shape[axis]
    flat = [draw(st.integers(-size, size - 1)) for _ in range(int(np.prod(ids)))]
    return {"indices": np.array(flat, dtype=int).reshape(ids), "axis": axis}


def to_take(draw, shape):
    axis = draw(axes(len(shape), several=False))
    size = int(np.prod(shape)) if axis is None else shape[axis]
    ids = draw(st.lists(st.integers(-size, size - 1), max_size=4))
    return {"indices": np.array(ids, dtype=int) if draw(st.booleans()) or not ids else ids[0], "axis": axis}


def to_repeat(draw, shape):
    axis = draw(axes(len(shape), several=False))
    size = int(np.prod(shape)) if axis is None else shape[axis]
    times = st.integers(0, 3)
    return {"repeats": draw(times | st.lists(times, min_size=size, max_size=size)), "axis": axis}


def to_tile(draw, shape):
    return {"reps": draw(st.integers(0, 3) | st.lists(st.integers(0, 2), max_size=3).map(tuple))}


@st.composite
def joins(draw, new_axis=False, least_dims=1):
    """One to three arrays that fit together along an axis."""
    shape = list(draw(shapes(min_dims=0 if new_axis else least_dims)))
    axis = draw(st.integers(-len(shape) - new_axis, len(shape) - 1 + new_axis))
    rng, arrays = generator(draw(SEEDS)), []
    for _ in range(draw(st.integers(1, 3))):
        if not new_axis:
            shape[axis] = draw(st.sampled_from([1, 2, 3, 0]))
        arrays.append(anywhere(rng, shape))
    return Case(tuple(arrays), {"axis": axis})


@st.composite
def stacks(draw, vertical):
    """Arrays for vstack or hstack, of 1 or 2 axes."""
    rng, width = generator(draw(SEEDS)), draw(st.sampled_from([1, 2, 3]))
    count = draw(st.integers(1, 3))
    if draw(st.booleans()):
        sizes = [width if vertical else draw(st.integers(0, 3)) for _ in range(count)]
        return Case(tuple(anywhere(rng, (n,)) for n in sizes))
    rows = [draw(st.integers(0, 3)) for _ in range(count)]
    return Case(tuple(anywhere(rng, (n, width) if vertical else (width, n)) for n in rows))


@st.composite
def choices(draw):
    """Two branches and a condition, all broadcasting."""
    condition, *branches = draw(broadcastable(3))
    rng = generator(draw(SEEDS))
    mask = np.asarray(rng.uniform(size=condition) < 0.5)
    return Case(tuple(anywhere(rng, s) for s in branches), {"condition": Tensor(mask) if draw(st.booleans()) else mask})


@st.composite
def scatters(draw):
    """Elements to add at an index of zeros."""
    shape = draw(shapes(min_dims=1))
    index = draw(indices(shape))
    index = tuple(map(detach, index)) if isinstance(index, tuple) else detach(index)
    index = np.array(index, dtype=int) if isinstance(index, list) else index
    selected = np.zeros(shape)[index].shape
    return Case((anywhere(generator(draw(SEEDS)), selected),), {"index": index, "shape": shape})


def scatter_reference(x, index, shape):
    out = np.zeros(shape, x.dtype)
    np.add.at(out, index, x)
    return out


def plain_index(index):
    return tuple(map(detach, index)) if isinstance(index, tuple) else detach(index)


def take_reference(x, indices, axis):
    return np.take(x, indices, axis)


ROWS = (
    moving(
        "concatenate",
        lambda *xs, axis: np.concatenate(xs, axis=axis),
        joins(),
        {
            "np.concatenate": lambda *xs, axis: np.concatenate(xs, axis=axis),
            "shaping.concatenate": shaping.concatenate,
        },
        operations=(shaping.concatenate,),
        refusals=(
            refuses(lambda: np.concatenate([ONES, Tensor([1.0])])),
            refuses(lambda: np.concatenate([ONES, ONES.T])),
            refuses(lambda: np.concatenate([ONES], axis=2), "out of bounds", AXIS_ERROR),
        ),
    ),
    moving(
        "concatenate flat",
        lambda *xs, axis: np.concatenate(xs, axis=None),
        joins(),
        {"np.concatenate(axis=None)": lambda *xs, axis: np.concatenate(xs, axis=None)},
        operations=(shaping.concatenate,),
    ),
    moving(
        "stack",
        lambda *xs, axis: np.stack(xs, axis=axis),
        joins(new_axis=True),
        {"np.stack": lambda *xs, axis: np.stack(xs, axis=axis), "shaping.stack": shaping.stack},
        operations=(shaping.stack,),
        refusals=(
            refuses(lambda: np.stack([ONES, ONES.T]), "shape"),
            refuses(lambda: np.stack([ONES], axis=3), "out of bounds", AXIS_ERROR),
        ),
    ),
    moving("vstack", lambda *xs: np.vstack(xs), stacks(True), {"np.vstack": lambda *xs: np.vstack(xs)}),
    moving("hstack", lambda *xs: np.hstack(xs), stacks(False), {"np.hstack": lambda *xs: np.hstack(xs)}),
    moving(
        "split",
        lambda x, sections, axis, part: np.split(x, sections, axis)[part],
        case_of(shapes(min_dims=1), to_split),
        {
            "Tensor.split": lambda x, sections, axis, part: x.split(sections, axis=axis)[part],
            "Tensor.split(dim=)": lambda x, sections, axis, part: x.split(sizes(x, sections, axis), dim=axis)[part],
            "np.split": lambda x, sections, axis, part: np.split(x, sections, axis)[part],
        },
        operations=(shaping.getitem,),
        refusals=(
            refuses(lambda: ONES.split(2, axis=1), "equal parts"),
            refuses(lambda: ONES.split(0), "equal parts"),
            refuses(lambda: ONES.split(2, 1), "x.split(2, dim=1)", TypeError),
            refuses(lambda: ONES.split([1], 1), "x.split([1], axis=1)", TypeError),
            refuses(lambda: ONES.split(0, dim=1), "at least 1"),
            refuses(lambda: ONES.split([1, 1], dim=1), "add up to the 3"),
            refuses(lambda: ONES.split(1, axis=0, dim=0), "once", TypeError),
            refuses(lambda: ONES.split(1, 2), "out of bounds", AXIS_ERROR),
        ),
    ),
    moving(
        "where",
        lambda x, y, condition: np.where(detach(condition), x, y),
        choices(),
        {
            "np.where": lambda x, y, condition: np.where(condition, x, y),
            "Tensor.where": lambda x, y, condition: x.where(condition, y),
            "Tensor.masked_fill": lambda x, y, condition: y.masked_fill(condition, x),
            "shaping.where": lambda x, y, condition: shaping.where(x, y, condition=detach(condition)),
        },
        operations=(shaping.where,),
        kinks=(
            Kink((INF, 1.0), 1.0, (0.0, 1.0), {"condition": False}),
            Kink((NAN, 1.0), 1.0, (0.0, 1.0), {"condition": np.False_}),
            Kink((2.0, NAN), 2.0, (1.0, 0.0), {"condition": Tensor(True)}),
        ),
        refusals=(refuses(lambda: np.where(np.ones(4, bool), ONES, 0.0)),),
    ),
    moving(
        "getitem",
        lambda x, index: x[plain_index(index)],
        st.one_of(case_of(shapes(), lambda draw, shape: {"index": draw(indices(shape))})),
        {
            "Tensor.__getitem__": lambda x, index: x[index],
            "shaping.getitem": lambda x, index: shaping.getitem(x, index=plain_index(index)),
        },
        operations=(shaping.getitem,),
        refusals=(
            refuses(lambda: ONES[2], "out of bounds", IndexError),
            refuses(lambda: ONES[0, 0, 0], "too many", IndexError),
            refuses(lambda: ONES[[0, 2]], "out of bounds", IndexError),
            refuses(lambda: ONES[1.0], "", IndexError),
            refuses(lambda: ONES["a"], "", IndexError),
            refuses(lambda: ONES[np.ones(3, bool)], "", IndexError),
            refuses(lambda: ONES[np.array([0.5])], "", IndexError),
        ),
    ),
    moving(
        "copy",
        np.copy,
        case_of(shapes()),
        {"np.copy": np.copy, "Tensor.clone": lambda x: x.clone()},
        operations=(shaping.getitem,),
    ),
    moving(
        "scatter_add",
        scatter_reference,
        scatters(),
        {"shaping.scatter_add": shaping.scatter_add},
        operations=(shaping.scatter_add,),
    ),
    moving(
        "take_along_axis",
        np.take_along_axis,
        case_of(shapes(min_dims=1, sizes=(1, 2, 3)), along_axis),
        {
            "Tensor.take_along_axis": lambda x, indices, axis: x.take_along_axis(indices, axis),
            "np.take_along_axis": np.take_along_axis,
        },
        operations=(shaping.getitem,),
        refusals=(
            refuses(lambda: ONES.take_along_axis(np.array([0]), 0), "indices of shape"),
            refuses(lambda: ONES.take_along_axis(np.array([[0]]), 2), "out of bounds", AXIS_ERROR),
            refuses(lambda: ONES.take_along_axis(np.array([[2]]), 0), "out of bounds", IndexError),
        ),
    ),
    moving(
        "take",
        take_reference,
        case_of(shapes(min_dims=1, sizes=(1, 2, 3)), to_take),
        {"np.take": np.take},
        operations=(shaping.getitem,),
    ),
    moving(
        "diagonal",
        np.diagonal,
        case_of(shapes(min_dims=2), lambda draw, shape: {"offset": draw(st.integers(-3, 3))}),
        {"np.diagonal": np.diagonal},
        operations=(shaping.getitem,),
    ),
    moving(
        "trace",
        np.trace,
        case_of(shapes(min_dims=2), lambda draw, shape: {"offset": draw(st.integers(-3, 3))}),
        {"np.trace": np.trace},
        operations=(shaping.getitem,),
    ),
    moving(
        "repeat",
        np.repeat,
        case_of(shapes(), to_repeat),
        {
            "np.repeat": np.repeat,
            "Tensor.repeat": lambda x, repeats, axis: x.repeat(repeats, axis=axis),
            "Tensor.repeat_interleave": lambda x, repeats, axis: x.repeat_interleave(repeats, axis),
        },
        operations=(shaping.getitem,),
        refusals=(
            refuses(lambda: ONES.repeat(2), "x.tile(2)", TypeError),
            refuses(lambda: ONES.repeat(2, 1), "x.repeat(2, axis=1)", TypeError),
            refuses(lambda: ONES.repeat(2, dim=1), "x.tile(2)", TypeError),
        ),
    ),
    moving(
        "tile",
        np.tile,
        case_of(shapes(max_dims=2), to_tile),
        {
            "np.tile": np.tile,
            "Tensor.tile": lambda x, reps: x.tile(reps),
            "Tensor.tile(*reps)": lambda x, reps: x.tile(*np.atleast_1d(np.array(reps, int)).tolist()),
        },
    ),
)
