"""Registry rows of the operations over axes: sums, means, extremes, norms, products, and the softmax family."""

import math
from operator import methodcaller

import numpy as np
from hypothesis import strategies as st

from tests.helpers.registry.row import (
    SEEDS,
    Case,
    Kink,
    Refusal,
    Row,
    axes,
    domain_of,
    elementwise_cases,
    generator,
    largest,
    shapes,
    smallest,
)
from tinygrad_lm import Tensor
from tinygrad_lm.autograd import kernels, reductions, rules
from tinygrad_lm.testing.selfcheck.domains import anywhere, distinct
from tinygrad_lm.testing.selfcheck.samples import domains_of

INF, NAN = math.inf, math.nan


def count(x, axis):
    return np.ones(x.shape).sum(axis=axis, keepdims=True)


def mean_reference(x, axis=None, keepdims=False):
    return np.sum(x / count(x, axis), axis=axis, keepdims=keepdims)


def var_reference(x, axis=None, keepdims=False, ddof=0):
    centred = x - mean_reference(x, axis, keepdims=True)
    return np.sum(centred * centred / (count(x, axis) - ddof), axis=axis, keepdims=keepdims)


def std_reference(x, axis=None, keepdims=False, ddof=0):
    return np.sqrt(var_reference(x, axis, keepdims, ddof))


def norm_reference(x, axis=None, keepdims=False):
    return np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))


def logsumexp_reference(x, axis=None, keepdims=False):
    return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


def softmax_reference(x, axis=-1):
    e = np.exp(x)
    return e / e.sum(axis=axis, keepdims=True)


def absolute(x):
    return np.where(x.real < 0, -x, x)


@st.composite
def reductions_of(draw, domain, *, empty=True, more=None, group=1):
    """An array, the axes to reduce, keepdims as often as not; ``group`` is the least number of combined elements."""
    sizes = (1, 2, 3, 0) if empty else (1, 2, 3)
    shape = draw(shapes(sizes=sizes, min_dims=0 if group == 1 else 1))
    axis = draw(axes(len(shape)))
    if group > 1 and count(np.ones(shape), axis).size and count(np.ones(shape), axis).flat[0] < group:
        shape, axis = (*shape[:-1], 3), None
    attributes = {"axis": axis} if axis is not None or draw(st.booleans()) else {}
    if draw(st.booleans()):
        attributes["keepdims"] = draw(st.booleans())
    if more is not None:
        attributes |= draw(more)
    return Case((domain(generator(draw(SEEDS)), shape),), attributes)


@st.composite
def along_one_axis(draw, domain=anywhere, *, empty=True, none=False):
    """An array and one of its axes."""
    shape = draw(shapes(min_dims=1, sizes=(1, 2, 3, 0) if empty else (1, 2, 3)))
    return Case((domain(generator(draw(SEEDS)), shape),), {"axis": draw(axes(len(shape), several=False, none=none))})


@st.composite
def with_zeros(draw):
    """Factors some of which are zero: none, one, or several in a group."""
    case = draw(reductions_of(domain_of("prod")))
    (x,) = case.inputs
    rng = generator(draw(SEEDS))
    return Case((np.where(rng.uniform(size=x.shape) < draw(st.sampled_from([0, 0.3, 0.7])), 0.0, x),), case.attributes)


def axis_refusals(name, *, needs_elements=False):
    """What every reduction refuses: axes out of range, an axis twice, a float, unknown words."""
    call = methodcaller
    x = np.ones((2, 3))
    found = [
        Refusal(lambda: call(name, axis=2)(Tensor(x)), np.exceptions.AxisError, "out of bounds"),
        Refusal(lambda: call(name, axis=-3)(Tensor(x)), np.exceptions.AxisError, "out of bounds"),
        Refusal(lambda: call(name, axis=(0, 0))(Tensor(x)), ValueError, "duplicate"),
        Refusal(lambda: call(name, axis=(1, -1))(Tensor(x)), ValueError, "duplicate"),
        Refusal(lambda: call(name, axis=0.5)(Tensor(x)), TypeError),
        Refusal(lambda: call(name, axes=0)(Tensor(x)), TypeError, "axes"),
        Refusal(lambda: call(name, axis=0, dim=1)(Tensor(x)), TypeError, "once"),
        Refusal(lambda: call(name, dim=())(Tensor(x)), TypeError),
    ]
    if needs_elements:
        found.append(Refusal(lambda: call(name)(Tensor(np.ones((0, 2)))), ValueError))
    return tuple(found)


def reducing(name, reference, cases, *, operation=None, numpy=(), torch=None, kinks=(), refusals=(), extra=None):
    """The row of a reduction: by operation, by method in NumPy's and in PyTorch's words, by NumPy's functions."""
    operation = operation or getattr(reductions, name)
    torch = torch or name

    def torch_words(x, axis=None, keepdims=False, ddof=None):
        correction = {"correction": ddof or 0} if name in ("std", "var") else {}
        if axis == ():
            return getattr(x, torch)(axis=axis, keepdims=keepdims, **correction)
        return getattr(x, torch)(dim=list(axis) if isinstance(axis, tuple) else axis, keepdim=keepdims, **correction)

    return Row(
        name=name,
        spellings={
            f"Tensor.{name}": methodcaller_of(name),
            operation_name(operation): operation,
            f"Tensor.{torch}(dim=)": torch_words,
        }
        | {f"np.{f.__name__}" if f is not np.linalg.norm else "np.linalg.norm": f for f in numpy}
        | (extra or {}),
        reference=reference,
        cases=cases,
        operations=(operation,),
        kinks=kinks,
        refusals=refusals,
    )


def methodcaller_of(name):
    return lambda x, **options: getattr(x, name)(**options)


def operation_name(operation):
    return f"{'kernels' if isinstance(operation, kernels.Kernel) else 'reductions'}.{operation.name}"


def ufunc_reduce(ufunc):
    """A ufunc's ``reduce``, whose default axis is 0 where the functions' is None."""
    return lambda x, axis=None, keepdims=False: ufunc.reduce(x, axis=axis, keepdims=keepdims)


DDOF = st.sampled_from([{}, {"ddof": 0}, {"ddof": 1}])

ROWS = (
    reducing(
        "sum",
        lambda x, axis=None, keepdims=False: np.sum(x, axis=axis, keepdims=keepdims),
        reductions_of(domain_of("sum")),
        numpy=(np.sum,),
        extra={"np.add.reduce": ufunc_reduce(np.add)},
        refusals=axis_refusals("sum"),
    ),
    reducing(
        "mean",
        mean_reference,
        reductions_of(domain_of("mean"), empty=False),
        numpy=(np.mean,),
        refusals=axis_refusals("mean", needs_elements=True),
    ),
    reducing(
        "var",
        var_reference,
        reductions_of(domain_of("var"), empty=False, more=DDOF, group=2),
        numpy=(np.var,),
        kinks=(Kink(([2.0, 2.0],), 0.0, ([0.0, 0.0],)),),
        refusals=axis_refusals("var", needs_elements=True),
    ),
    reducing(
        "std",
        std_reference,
        reductions_of(domain_of("std"), empty=False, more=DDOF, group=2),
        numpy=(np.std,),
        kinks=(Kink(([2.0, 2.0],), 0.0, ([0.0, 0.0],)), Kink(([5.0],), 0.0, ([0.0],))),
        refusals=axis_refusals("std", needs_elements=True),
    ),
    reducing(
        "norm",
        norm_reference,
        reductions_of(domain_of("norm"), empty=False),
        kinks=(Kink(([0.0, 0.0],), 0.0, ([0.0, 0.0],)), Kink(([-3.0, 4.0],), 5.0, ([-0.6, 0.8],))),
        refusals=(
            *axis_refusals("norm"),
            Refusal(lambda: Tensor([1.0]).norm(ord=3), ValueError, "order"),
            Refusal(lambda: Tensor([1.0]).norm((0,)), ValueError, "x.norm(axis=0)"),
            Refusal(lambda: np.linalg.norm(Tensor(np.ones((2, 2))), 1), TypeError, "matrix"),
            Refusal(lambda: np.linalg.norm(Tensor(np.ones((2, 2))), 2, (0, 1)), TypeError, "Frobenius"),
        ),
        numpy=(np.linalg.norm,),
    ),
    Row(
        name="mul_div",
        spellings={"reductions.mul_div": reductions.mul_div},
        reference=lambda g, x, d: g * x / d,
        cases=elementwise_cases(*domains_of("mul_div")),
        operations=(reductions.mul_div,),
        kinks=(Kink((3.0, 0.0, 0.0), 0.0, (NAN, NAN, NAN)), Kink((0.0, 0.0, 0.0), 0.0, (NAN, 0.0, 0.0))),
    ),
    Row(
        name="norm of order 1",
        spellings={
            "Tensor.norm(ord=1)": lambda x, axis=None, keepdims=False: x.norm(1, axis, keepdims),
            "Tensor.norm(p=1)": lambda x, axis=None, keepdims=False: x.norm(axis=axis, keepdims=keepdims, p=1),
        },
        reference=lambda x, axis=None, keepdims=False: np.sum(absolute(x), axis=axis, keepdims=keepdims),
        cases=reductions_of(domain_of("norm")),
        operations=(rules.abs, reductions.sum),
        kinks=(Kink(([0.0, -2.0],), 2.0, ([0.0, -1.0],)),),
    ),
    Row(
        name="norm of order inf",
        spellings={"Tensor.norm(ord=inf)": lambda x, axis=None, keepdims=False: x.norm(np.inf, axis, keepdims)},
        reference=lambda x, axis=None, keepdims=False: largest(absolute(x), axis, keepdims),
        cases=reductions_of(lambda rng, shape: distinct(rng, shape) + 0.02, empty=False),
        operations=(rules.abs, reductions.max),
        kinks=(Kink(([2.0, -2.0],), 2.0, ([0.5, -0.5],)),),
    ),
    reducing(
        "max",
        largest,
        reductions_of(domain_of("max"), empty=False),
        numpy=(np.max, np.amax),
        torch="amax",
        extra={"np.maximum.reduce": ufunc_reduce(np.maximum)},
        kinks=(
            Kink(([1.0, 3.0, 3.0],), 3.0, ([0.0, 0.5, 0.5],)),
            Kink(([0.0, 0.0, 0.0, 0.0],), 0.0, ([0.25] * 4,)),
            Kink(([INF, INF],), INF, ([0.5, 0.5],)),
            Kink(([[1.0, 1.0], [2.0, 1.0]],), [1.0, 2.0], ([[0.5, 0.5], [1.0, 0.0]],), {"axis": 1}),
            Kink(([[1.0, 1.0], [1.0, 0.0]],), 1.0, ([[1 / 3, 1 / 3], [1 / 3, 0.0]],), {"axis": (0, 1)}),
        ),
        refusals=axis_refusals("max", needs_elements=True),
    ),
    reducing(
        "min",
        smallest,
        reductions_of(domain_of("min"), empty=False),
        numpy=(np.min, np.amin),
        torch="amin",
        extra={"np.minimum.reduce": ufunc_reduce(np.minimum)},
        kinks=(
            Kink(([1.0, 1.0, 3.0],), 1.0, ([0.5, 0.5, 0.0],)),
            Kink(([[1.0, 1.0], [2.0, 1.0]],), [1.0, 1.0], ([[1.0, 0.5], [0.0, 0.5]],), {"axis": 0}),
        ),
        refusals=axis_refusals("min", needs_elements=True),
    ),
    reducing(
        "prod",
        lambda x, axis=None, keepdims=False: np.prod(x, axis=axis, keepdims=keepdims),
        with_zeros(),
        operation=kernels.prod,
        numpy=(np.prod,),
        extra={
            "np.multiply.reduce": ufunc_reduce(np.multiply),
            "kernels.prod.reference": kernels.prod.reference,
        },
        kinks=(
            Kink(([0.0, 2.0, 3.0],), 0.0, ([6.0, 0.0, 0.0],)),
            Kink(([0.0, 2.0, 0.0],), 0.0, ([0.0, 0.0, 0.0],)),
        ),
        refusals=axis_refusals("prod"),
    ),
    Row(
        name="cumsum",
        spellings={
            "Tensor.cumsum": lambda x, axis: x.cumsum(axis),
            "reductions.cumsum": reductions.cumsum,
            "Tensor.cumsum(dim=)": lambda x, axis: x.cumsum(dim=axis),
            "np.cumsum": np.cumsum,
            "np.add.accumulate": np.add.accumulate,
        },
        reference=np.cumsum,
        cases=along_one_axis(),
        operations=(reductions.cumsum,),
        refusals=(
            Refusal(lambda: Tensor([1.0]).cumsum(1), np.exceptions.AxisError, "out of bounds"),
            Refusal(lambda: Tensor([1.0]).cumsum(axes=0), TypeError, "axes"),
        ),
    ),
    Row(
        name="cumsum of all elements",
        spellings={"Tensor.cumsum()": lambda x, **_: x.cumsum(), "np.cumsum": lambda x, **_: np.cumsum(x)},
        reference=lambda x, **_: np.cumsum(x),
        cases=along_one_axis(),
        operations=(reductions.cumsum,),
    ),
    reducing(
        "logsumexp",
        logsumexp_reference,
        reductions_of(domain_of("logsumexp"), empty=False),
        kinks=(
            Kink(([-INF, -INF],), -INF, ([0.0, 0.0],)),
            Kink(([1e3, 1e3],), 1e3 + math.log(2), ([0.5, 0.5],)),
            Kink(([-INF, 1.0],), 1.0, ([0.0, 1.0],)),
            Kink(([[-INF, -INF], [0.0, -INF]],), [-INF, 0.0], ([[0.0, 0.0], [1.0, 0.0]],), {"axis": 1}),
        ),
        refusals=axis_refusals("logsumexp", needs_elements=True),
    ),
    Row(
        name="softmax",
        spellings={
            "Tensor.softmax": lambda x, axis=-1: x.softmax(axis),
            "reductions.softmax": reductions.softmax,
            "Tensor.softmax(dim=)": lambda x, axis=-1: x.softmax(dim=axis),
        },
        reference=softmax_reference,
        cases=along_one_axis(empty=False),
        operations=(reductions.softmax,),
        kinks=(
            Kink(([1e3, -1e3],), [1.0, 0.0], ([0.0, 0.0],)),
            Kink(([7.0],), [1.0], ([0.0],)),
            Kink(([-INF, 0.0],), [0.0, 1.0], ([0.0, 0.0],)),
        ),
        refusals=(
            Refusal(lambda: Tensor([1.0]).softmax(1), np.exceptions.AxisError, "out of bounds"),
            Refusal(lambda: Tensor([1.0]).softmax(axes=1), TypeError, "axes"),
        ),
    ),
    Row(
        name="log_softmax",
        spellings={
            "Tensor.log_softmax": lambda x, axis=-1: x.log_softmax(axis),
            "reductions.log_softmax": reductions.log_softmax,
            "Tensor.log_softmax(dim=)": lambda x, axis=-1: x.log_softmax(dim=axis),
        },
        reference=lambda x, axis: np.log(softmax_reference(x, axis)),
        cases=along_one_axis(empty=False),
        operations=(reductions.log_softmax,),
        kinks=(
            Kink(([1e3, -1e3],), [0.0, -2e3], ([-1.0, 1.0],)),
            Kink(([7.0],), [0.0], ([0.0],)),
        ),
        refusals=(Refusal(lambda: Tensor([1.0]).log_softmax(1), np.exceptions.AxisError, "out of bounds"),),
    ),
)
