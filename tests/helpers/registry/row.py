"""What a registry row holds, and the strategies that rows share: shapes, axes, values from the package's domains."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from tinygrad_lm.autograd.graph import Operation
from tinygrad_lm.testing.selfcheck.samples import domains_of

SEEDS = st.integers(0, 2**32 - 1)
WIDE = frozenset(
    {
        *("add", "mul", "maximum", "clip", "where", "matmul", "einsum", "tensordot"),
        *("sum", "mean", "var", "max", "prod", "logsumexp", "softmax", "cumsum"),
        *("transpose", "broadcast_to", "roll", "pad", "concatenate", "stack"),
        *("getitem", "scatter_add", "take_along_axis"),
    }
)
"""The rows whose difficulty is broadcasting, axes or indices: they need more cases."""


@dataclass(frozen=True)
class Case:
    """Differentiable inputs, float64, and what else the operation is called with."""

    inputs: tuple[np.ndarray, ...]
    attributes: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", tuple(map(np.asarray, self.inputs)))


@dataclass(frozen=True)
class Kink:
    """A corner with its exact value and exact gradients (for a cotangent of ones)."""

    inputs: tuple[object, ...]
    value: object
    gradients: tuple[object, ...]
    attributes: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """A wrong call, the exception it must raise, and words of the message."""

    call: Callable[[], object]
    error: type[Exception]
    words: str = ""


@dataclass(frozen=True)
class Row:
    """An operation: how it is called, what it computes, on which inputs, and what happens at its corners."""

    name: str
    spellings: dict[str, Callable[..., object]]
    """Every public way to call it, by name; all take ``(*inputs, **attributes)``."""
    reference: Callable[..., object]
    """The same in plain NumPy, for real and complex arrays."""
    cases: st.SearchStrategy[Case]
    operations: tuple[Operation, ...] = ()
    """The engine's operations that one case or another must put into the graph."""
    scalar: bool = False
    """Whether the spellings work on ``Value``s too."""
    kinks: tuple[Kink, ...] = ()
    refusals: tuple[Refusal, ...] = ()

    @property
    def call(self) -> Callable[..., object]:
        """The first spelling."""
        return next(iter(self.spellings.values()))

    @property
    def examples(self) -> int:
        """How many cases the current profile asks for."""
        return examples(1_000 if self.name in WIDE else 300)


def examples(in_ci: int, exploring: int | None = None) -> int:
    """The number of cases in the current profile, for a test that runs ``in_ci`` in continuous integration."""
    counts = {"ci": in_ci, "explore": exploring or 4 * in_ci}
    return counts.get(settings.get_current_profile_name(), min(50, max(10, in_ci // 20)))


def generator(seed):
    """Values are drawn by NumPy from a seed that hypothesis draws: fast, and shapes still shrink."""
    return np.random.default_rng(seed)


@functools.cache
def shapes(min_dims=0, max_dims=3, sizes=(1, 2, 3, 0)):
    """Shapes small enough for a full Jacobian; an empty axis now and then."""
    size = st.sampled_from(sizes) if 0 not in sizes else st.sampled_from([*sizes[:3], *sizes[:3], 0])
    return st.lists(size, min_size=min_dims, max_size=max_dims).map(tuple)


@functools.cache
@st.composite
def broadcastable(draw, count, sizes=(1, 2, 3, 0), max_dims=3):
    """Shapes that broadcast together: each drops leading axes of a common shape and shrinks others to 1."""
    full = draw(shapes(max_dims=max_dims, sizes=sizes))
    found = []
    for _ in range(count):
        start = draw(st.integers(0, len(full)))
        found.append(tuple(1 if draw(st.integers(0, 2)) == 2 else n for n in full[start:]))
    return tuple(found)


@functools.cache
@st.composite
def axes(draw, ndim, several=True, none=True):
    """An axis, several in any order, negative or not, or None."""
    options = []
    if none:
        options.append(st.none())
    if ndim:
        options.append(st.integers(-ndim, ndim - 1))
    if several:
        subset = st.lists(st.sampled_from(range(ndim)), unique=True, max_size=ndim) if ndim else st.just([])
        options.append(subset)
    choice = draw(st.one_of(options))
    if isinstance(choice, list):
        return tuple(axis - ndim if draw(st.booleans()) else axis for axis in choice)
    return choice


def domain_of(operation):
    """Where the package's table draws the first operand of an operation from."""
    return domains_of(operation)[0]


@st.composite
def elementwise_cases(draw, *domains, max_dims=3):
    """Inputs of broadcastable shapes, each from its domain."""
    sizes = draw(broadcastable(len(domains), max_dims=max_dims))
    rng = generator(draw(SEEDS))
    return Case(tuple(domain(rng, shape) for domain, shape in zip(domains, sizes, strict=True)))


def smallest(x, axis=None, keepdims=False):
    """The minimum for complex arrays, by the real part."""
    return -largest(-x, axis, keepdims)


def largest(x, axis=None, keepdims=False):
    """The maximum for complex arrays, by the real part."""
    reducing = tuple(range(x.ndim)) if axis is None else tuple(np.atleast_1d(axis).astype(int) % max(x.ndim, 1))
    kept = [i for i in range(x.ndim) if i not in reducing]
    moved = np.transpose(x, [*kept, *reducing]).reshape([*(x.shape[i] for i in kept), -1])
    best = np.take_along_axis(moved, np.argmax(moved.real, axis=-1)[..., None], -1)[..., 0]
    return best.reshape([1 if i in reducing else n for i, n in enumerate(x.shape)]) if keepdims else best


def choose(condition, x, y):
    """Where, for complex arrays."""
    return np.where(condition, x, y)
