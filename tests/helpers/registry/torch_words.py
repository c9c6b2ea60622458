"""Registry rows of PyTorch's own words that select: sort, the pairs of max and min, gather."""

import numpy as np
from hypothesis import strategies as st

from tests.helpers.registry.reductions import along_one_axis
from tests.helpers.registry.row import Kink, largest, shapes, smallest
from tests.helpers.registry.shaping import AXIS_ERROR, ONES, case_of, moving, refuses
from tinygrad_lm import Tensor
from tinygrad_lm.autograd import shaping
from tinygrad_lm.testing.selfcheck.domains import distinct


def to_gather(draw, shape):
    """An index no longer than the elements but along its axis."""
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    ids = [draw(st.integers(0, n)) for n in shape]
    ids[axis] = draw(st.integers(0, 3))
    flat = [draw(st.integers(0, shape[axis] - 1)) for _ in range(int(np.prod(ids)))]
    return {"dim": axis, "index": np.array(flat, dtype=int).reshape(ids)}


def gather_reference(x, dim, index):
    out = np.empty(index.shape, x.dtype)
    for position in np.ndindex(index.shape):
        source = list(position)
        source[dim] = index[position]
        out[position] = x[tuple(source)]
    return out


def extreme(name, reference):
    """The values of PyTorch's pair: at a tie the first has the whole gradient."""
    return moving(
        f"{name} with its index",
        lambda x, axis: reference(x, axis),
        along_one_axis(distinct, empty=False),
        {
            f"Tensor.{name}(dim=)": lambda x, axis: getattr(x, name)(dim=axis).values,
            f"Tensor.{name}(keepdim=)": lambda x, axis: getattr(x, name)(axis, keepdim=True).values.squeeze(axis),
        },
        operations=(shaping.getitem,),
        kinks=(
            Kink(([1.0, 1.0],), 1.0, ([1.0, 0.0],), {"axis": 0}),
            Kink(([[2.0, 2.0], [3.0, 3.0]],), [2.0, 3.0], ([[1.0, 0.0], [1.0, 0.0]],), {"axis": 1}),
        ),
        refusals=(
            refuses(lambda: getattr(ONES, name)(dim=2), "out of bounds", AXIS_ERROR),
            refuses(lambda: getattr(ONES, name)(dim=(0, 1)), f"x.a{name}(dim=...)", TypeError),
            refuses(lambda: getattr(ONES, name)(keepdim=True), "those of one dim", TypeError),
            refuses(lambda: getattr(ONES, name)(axis=1, keepdim=True), "keep to one", TypeError),
            refuses(lambda: getattr(ONES, name)(ONES), f"np.{name}imum(x, y)", TypeError),
            refuses(lambda: getattr(ONES, name)(0, False, 1), "at most 2", TypeError),
        ),
    )


ROWS = (
    moving(
        "sort",
        lambda x, axis: np.sort(x, axis=axis),
        along_one_axis(distinct),
        {
            "np.sort": np.sort,
            "Tensor.sort(dim=)": lambda x, axis: x.sort(dim=axis).values,
            "Tensor.sort(descending=)": lambda x, axis: x.sort(axis, descending=True).values.flip(axis),
            "Tensor.topk": lambda x, axis: x.topk(x.shape[axis], axis, largest=False).values,
            "Tensor.topk(largest)": lambda x, axis: x.topk(x.shape[axis], dim=axis).values.flip(axis),
        },
        operations=(shaping.getitem,),
        kinks=(Kink(([2.0, 1.0, 2.0],), [1.0, 2.0, 2.0], ([1.0, 1.0, 1.0],), {"axis": 0}),),
        refusals=(
            refuses(lambda: ONES.sort(axis=0), "np.sort(x, axis=0)", TypeError),
            refuses(lambda: ONES.sort(kind="stable"), "kind", TypeError),
            refuses(lambda: ONES.sort(2), "out of bounds", AXIS_ERROR),
            refuses(lambda: ONES.topk(4), "from 0 to 3"),
            refuses(lambda: ONES.topk(1, dim=2), "out of bounds", AXIS_ERROR),
        ),
    ),
    moving(
        "sort all",
        lambda x, axis: np.sort(x, axis=None),
        along_one_axis(distinct),
        {"np.sort(axis=None)": lambda x, axis: np.sort(x, axis=None)},
    ),
    extreme("max", largest),
    extreme("min", smallest),
    moving(
        "gather",
        gather_reference,
        case_of(shapes(min_dims=1, sizes=(1, 2, 3)), to_gather),
        {"Tensor.gather": lambda x, dim, index: x.gather(dim, index)},
        operations=(shaping.getitem,),
        refusals=(
            refuses(lambda: ONES.gather(1, [0]), "same number of axes"),
            refuses(lambda: ONES.gather(1, [[0], [0], [0]]), "axis 1"),
            refuses(lambda: ONES.gather(1, [[3]]), "outside 0 to 2", IndexError),
            refuses(lambda: ONES.gather(1, [[-1]]), "outside 0 to 2", IndexError),
            refuses(lambda: ONES.gather(1, Tensor([[True]])), "integers", TypeError),
        ),
    ),
)
