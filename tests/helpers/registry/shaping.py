"""Registry rows of the operations that change an array's shape or the order of its elements."""

import numpy as np
from hypothesis import strategies as st

from tests.helpers.registry.row import (
    SEEDS,
    Case,
    Refusal,
    Row,
    axes,
    generator,
    shapes,
)
from tinygrad_lm import Tensor
from tinygrad_lm.autograd import shaping
from tinygrad_lm.testing.selfcheck.domains import anywhere

ONES = Tensor(np.ones((2, 3)))


def case_of(shape_strategy, attributes=lambda draw, shape: {}):
    """Cases of one array; the attributes are drawn for its shape."""

    @st.composite
    def build(draw):
        shape = draw(shape_strategy)
        return Case((anywhere(generator(draw(SEEDS)), shape),), attributes(draw, shape))

    return build()


def new_shape(draw, shape):
    size = int(np.prod(shape))
    options = [(size,), (1, size), (size, 1), tuple(reversed(shape)), shape, (1, *shape, 1)]
    if size:
        options += [(-1,), (1, -1), (-1, 1)]
    if size % 2 == 0 and size:
        options += [(2, -1), (size // 2, 2), (-1, 2)]
    return {"shape": draw(st.sampled_from(options))}


def order_of_axes(draw, shape):
    order = draw(st.permutations(range(len(shape))))
    return {"axes": tuple(axis - len(shape) if draw(st.booleans()) else axis for axis in order)}


def two_axes(draw, shape):
    axis = st.integers(-len(shape), len(shape) - 1)
    return {"axis1": draw(axis), "axis2": draw(axis)}


def move(draw, shape):
    n = len(shape)
    count = draw(st.integers(1, n))
    source, target = (draw(st.permutations(range(n)))[:count] for _ in range(2))
    source = [axis - n if draw(st.booleans()) else axis for axis in source]
    return {"source": source[0], "destination": target[0]} if count == 1 else {"source": source, "destination": target}


def to_squeeze(draw, shape):
    ones = [axis for axis, size in enumerate(shape) if size == 1]
    options = [None, *ones, *(axis - len(shape) for axis in ones), tuple(ones)]
    return {"axis": draw(st.sampled_from(options))}


def to_flatten(draw, shape):
    start = draw(st.integers(0, len(shape) - 1))
    end = draw(st.integers(start, len(shape) - 1))
    return {"start_axis": start, "end_axis": end - len(shape) if draw(st.booleans()) else end}


def flatten_reference(x, start_axis, end_axis):
    end = end_axis % x.ndim + 1
    return x.reshape((*x.shape[:start_axis], int(np.prod(x.shape[start_axis:end])), *x.shape[end:]))


def larger_shape(draw, shape):
    grown = tuple(draw(st.sampled_from([1, 2, 3])) if n == 1 else n for n in shape)
    return {"shape": (*draw(st.sampled_from([(), (2,), (1,), (3, 1)])), *grown)}


def kept(x, shape):
    """The shape with -1 for the axes that stay as they are."""
    new = len(shape) - x.ndim
    return tuple(-1 if i >= new and n == x.shape[i - new] else n for i, n in enumerate(shape))


def to_roll(draw, shape):
    shift = st.integers(-4, 4)
    chosen = draw(axes(len(shape)))
    if isinstance(chosen, tuple) and chosen:
        return {"shift": tuple(draw(shift) for _ in chosen), "axis": chosen}
    return {"shift": draw(shift), "axis": None if chosen == () else chosen}


def to_pad(draw, shape):
    width = st.integers(0, 2)
    by_axis = [st.just([(draw(width), draw(width)) for _ in shape])] if shape else []
    widths = draw(st.one_of(width, st.tuples(width, width), *by_axis))
    return {"widths": widths, "value": draw(st.sampled_from([0, -1.5, 2]))}


def pairs(widths, ndim):
    return [tuple(map(int, pair)) for pair in np.broadcast_to(np.asarray(widths), (ndim, 2))]


def moving(name, reference, cases, spellings, *, operations=(), kinks=(), refusals=()):
    return Row(name, spellings, reference, cases, operations, kinks=kinks, refusals=refusals)


def refuses(call, words="", error=ValueError):
    return Refusal(call, error, words)


AXIS_ERROR = np.exceptions.AxisError

ROWS = (
    moving("alias", lambda x: x, case_of(shapes()), {"shaping.alias": shaping.alias}, operations=(shaping.alias,)),
    moving(
        "astype",
        lambda x, dtype: x,
        case_of(shapes(), lambda draw, shape: {"dtype": np.float64}),
        {"Tensor.astype": lambda x, dtype: x.astype(dtype), "shaping.astype": shaping.astype},
        operations=(shaping.astype,),
    ),
    moving(
        "reshape",
        lambda x, shape: np.reshape(x, shape),
        case_of(shapes(), new_shape),
        {
            "Tensor.reshape": lambda x, shape: x.reshape(shape),
            "Tensor.reshape(*shape)": lambda x, shape: x.reshape(*shape),
            "Tensor.view": lambda x, shape: x.view(*shape) if shape else x.view(shape),
            "Tensor.view_as": lambda x, shape: x.view_as(x.data.reshape(shape)),
            "shaping.reshape": shaping.reshape,
            # By position: NumPy 2.0 knows the shape as newshape alone.
            "np.reshape": lambda x, shape: np.reshape(x, shape),
        },
        operations=(shaping.reshape,),
        refusals=(
            refuses(lambda: ONES.reshape(-1, -1), "one unknown"),
            refuses(lambda: ONES.reshape(4), "reshape"),
            refuses(lambda: ONES.reshape(0, -1)),
            refuses(lambda: ONES.reshape(2.5), error=TypeError),
            refuses(lambda: ONES.view(np.float32), "x.astype(dtype)", TypeError),
            refuses(lambda: ONES.view("float32"), "x.astype(dtype)", TypeError),
            refuses(lambda: ONES.view(), "a shape", TypeError),
        ),
    ),
    moving(
        "ravel",
        np.ravel,
        case_of(shapes()),
        {"np.ravel": np.ravel, "Tensor.flatten()": lambda x: x.flatten(), "Tensor.ravel": lambda x: x.ravel()},
        operations=(shaping.reshape,),
    ),
    moving(
        "flatten",
        flatten_reference,
        case_of(shapes(min_dims=1), to_flatten),
        {
            "Tensor.flatten": lambda x, start_axis, end_axis: x.flatten(start_axis, end_axis),
            "Tensor.flatten(dim=)": lambda x, start_axis, end_axis: x.flatten(start_dim=start_axis, end_dim=end_axis),
        },
        operations=(shaping.reshape,),
        refusals=(
            refuses(lambda: ONES.flatten(1, 0), "behind"),
            refuses(lambda: ONES.flatten(2), "out of bounds", AXIS_ERROR),
        ),
    ),
    moving(
        "transpose",
        np.transpose,
        case_of(shapes(), order_of_axes),
        {
            "Tensor.transpose": lambda x, axes: x.transpose(axes),
            "Tensor.transpose(*axes)": lambda x, axes: x.transpose(*axes) if len(axes) > 2 else x.transpose(list(axes)),
            "Tensor.permute": lambda x, axes: x.permute(*axes) if axes else x.permute(),
            "Tensor.permute(dims=)": lambda x, axes: x.permute(dims=axes),
            "shaping.transpose": shaping.transpose,
            "np.transpose": np.transpose,
        },
        operations=(shaping.transpose,),
        refusals=(
            refuses(lambda: ONES.transpose(0), "name each axis"),
            refuses(lambda: ONES.transpose(0, 0), "repeated"),
            refuses(lambda: ONES.transpose(0, 2), "out of bounds", AXIS_ERROR),
            refuses(lambda: ONES.transpose(0, 1), "x.permute(0, 1)", TypeError),
            refuses(lambda: ONES.transpose(-2, -1), "x.swapaxes(-2, -1)", TypeError),
            refuses(lambda: ONES.transpose(dim0=0), "dim1", TypeError),
            refuses(lambda: Tensor(np.ones((1, 2, 3))).permute(0, 1), "name each axis"),
            refuses(lambda: Tensor(np.ones((1, 2, 3))).t(), "at most two axes"),
        ),
    ),
    moving(
        "T",
        np.transpose,
        case_of(shapes()),
        {
            "Tensor.T": lambda x: x.T,
            "np.transpose()": np.transpose,
            "np.transpose(None)": lambda x: np.transpose(x, None),
        },
        operations=(shaping.transpose,),
    ),
    moving(
        "mT",
        lambda x: np.swapaxes(x, -1, -2),
        case_of(shapes(min_dims=2)),
        {"Tensor.mT": lambda x: x.mT, "np.matrix_transpose": np.matrix_transpose},
        operations=(shaping.transpose,),
        refusals=(refuses(lambda: Tensor([1.0]).mT, "out of bounds", AXIS_ERROR),),
    ),
    moving(
        "swapaxes",
        np.swapaxes,
        case_of(shapes(min_dims=1), two_axes),
        {
            "Tensor.swapaxes": lambda x, axis1, axis2: x.swapaxes(axis1, axis2),
            "np.swapaxes": np.swapaxes,
            "Tensor.transpose(dim0=)": lambda x, axis1, axis2: x.transpose(dim0=axis1, dim1=axis2),
            "Tensor.transpose(dim0, dim1)": lambda x, axis1, axis2: (
                x.transpose(axis1, axis2) if x.ndim > 2 else x.swapaxes(axis1, axis2)
            ),
        },
        operations=(shaping.transpose,),
        refusals=(refuses(lambda: ONES.swapaxes(0, 2), "out of bounds", AXIS_ERROR),),
    ),
    moving(
        "moveaxis",
        np.moveaxis,
        case_of(shapes(min_dims=1), move),
        {"np.moveaxis": np.moveaxis},
        operations=(shaping.transpose,),
        refusals=(
            refuses(lambda: np.moveaxis(ONES, 0, 2), "out of bounds", AXIS_ERROR),
            refuses(lambda: np.moveaxis(ONES, (0, 0), (0, 1)), "repeated"),
            refuses(lambda: np.moveaxis(ONES, (0, 1), (0,))),
        ),
    ),
    moving(
        "squeeze",
        np.squeeze,
        case_of(shapes(sizes=(1, 2, 1, 0)), to_squeeze),
        {
            "Tensor.squeeze": lambda x, axis: x.squeeze(axis),
            "Tensor.squeeze(dim=)": lambda x, axis: x.squeeze(dim=axis),
            "np.squeeze": np.squeeze,
        },
        operations=(shaping.reshape,),
        refusals=(
            refuses(lambda: ONES.squeeze(0), "squeeze(dim=0)"),
            refuses(lambda: np.squeeze(ONES, 0)),
            refuses(lambda: ONES.squeeze(2), "out of bounds", AXIS_ERROR),
            refuses(lambda: ONES.squeeze(dims=0), "dims", TypeError),
        ),
    ),
    moving(
        "unsqueeze",
        np.expand_dims,
        case_of(shapes(), lambda draw, shape: {"axis": draw(st.integers(-len(shape) - 1, len(shape)))}),
        {
            "Tensor.unsqueeze": lambda x, axis: x.unsqueeze(axis),
            "Tensor.unsqueeze(dim=)": lambda x, axis: x.unsqueeze(dim=axis),
            "np.expand_dims": np.expand_dims,
        },
        operations=(shaping.reshape,),
        refusals=(refuses(lambda: ONES.unsqueeze(4), "out of bounds", AXIS_ERROR),),
    ),
    moving(
        "atleast_1d",
        np.atleast_1d,
        case_of(shapes()),
        {"np.atleast_1d": np.atleast_1d},
    ),
    moving(
        "broadcast_to",
        np.broadcast_to,
        case_of(shapes(max_dims=2), larger_shape),
        {
            "Tensor.broadcast_to": lambda x, shape: x.broadcast_to(shape),
            "Tensor.broadcast_to(*shape)": lambda x, shape: x.broadcast_to(*shape),
            "Tensor.expand": lambda x, shape: x.expand(kept(x, shape)),
            "Tensor.expand_as": lambda x, shape: x.expand_as(np.empty(shape)),
            "shaping.broadcast_to": shaping.broadcast_to,
            "np.broadcast_to": np.broadcast_to,
        },
        operations=(shaping.broadcast_to,),
        refusals=(refuses(lambda: ONES.broadcast_to(2, 4)), refuses(lambda: ONES.broadcast_to(3))),
    ),
    moving(
        "flip",
        np.flip,
        case_of(shapes(), lambda draw, shape: {"axis": draw(axes(len(shape)))}),
        {
            "Tensor.flip": lambda x, axis: x.flip(axis),
            "Tensor.flip(dims=)": lambda x, axis: x.flip(dims=axis) if axis != () else x.flip(axis),
            "shaping.flip": shaping.flip,
            "np.flip": np.flip,
        },
        operations=(shaping.flip,),
        refusals=(refuses(lambda: ONES.flip(2), "out of bounds", AXIS_ERROR), refuses(lambda: ONES.flip((0, 0)), "")),
    ),
    moving(
        "roll",
        np.roll,
        case_of(shapes(), to_roll),
        {
            "Tensor.roll": lambda x, shift, axis: x.roll(shift, axis),
            "Tensor.roll(dims=)": lambda x, shift, axis: x.roll(shift, dims=axis),
            "shaping.roll": shaping.roll,
            "np.roll": np.roll,
        },
        operations=(shaping.roll,),
        refusals=(refuses(lambda: ONES.roll(1, 2), "out of bounds", AXIS_ERROR),),
    ),
    moving(
        "pad",
        lambda x, widths, value: np.pad(x, widths, constant_values=value),
        case_of(shapes(max_dims=2), to_pad),
        {
            "Tensor.pad": lambda x, widths, value: x.pad(widths, value),
            "shaping.pad": lambda x, widths, value: shaping.pad(x, widths=pairs(widths, x.ndim), value=value),
            "np.pad": lambda x, widths, value: np.pad(x, widths, constant_values=value),
        },
        operations=(shaping.pad,),
        refusals=(
            refuses(lambda: ONES.pad(-1)),
            refuses(lambda: ONES.pad([(1, 1)] * 3)),
            refuses(lambda: np.pad(ONES, 1, mode="edge"), "constant", TypeError),
        ),
    ),
    *(
        moving(
            name,
            getattr(np, name),
            case_of(shapes(min_dims=2), lambda draw, shape: {"k": draw(st.integers(-3, 3))}),
            {
                f"Tensor.{name}": lambda x, k, name=name: getattr(x, name)(k),
                f"Tensor.{name}(diagonal=)": lambda x, k, name=name: getattr(x, name)(diagonal=k),
                f"shaping.{name}": getattr(shaping, name),
                f"np.{name}": getattr(np, name),
            },
            operations=(getattr(shaping, name),),
        )
        for name in ("tril", "triu")
    ),
)
