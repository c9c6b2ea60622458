"""The methods of a tensor that reduce, reshape, join and index: each checks its arguments and names its operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_lm.autograd import kernels, products, reductions, shaping
from tinygrad_lm.autograd.graph import detach
from tinygrad_lm.autograd.operators import Operators
from tinygrad_lm.autograd.recorded import number, plain_index, snapshot, whole
from tinygrad_lm.autograd.types import Array, Axis, Operand

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

Axes = Axis | list[int]


def reduction(axis: Axes, keepdims: bool, dim: Axes, keepdim: bool) -> dict[str, Any]:
    """The arguments of a reduction, given in NumPy's words or in PyTorch's, ``dim`` and ``keepdim``."""
    if dim is not None:
        if axis is not None:
            raise TypeError("give the axis once: as axis (NumPy's word) or as dim (PyTorch's)")
        if isinstance(dim, (tuple, list)) and not dim:
            raise TypeError("dim=() is every axis to most of PyTorch and none to NumPy: leave it out, or write axis=()")
        axis = dim
    return {"axis": whole(axis), "keepdims": _flag(keepdims) or _flag(keepdim)}


def _flag(keepdims: object) -> bool:
    if isinstance(keepdims, (bool, int, np.bool)):
        return bool(cast(int, keepdims))
    raise TypeError(
        f"keepdims is True or False, not {keepdims!r}; behind the axis a reduction takes keepdims (NumPy's dtype has "
        "no place here: use astype)"
    )


def one_axis(axis: Any, dim: Any, default: int | None = None) -> Any:
    """The axis given as ``axis`` or as ``dim``; ``default`` is what ``axis`` is where it is not given."""
    if dim is None:
        return whole(axis)
    if axis != default:
        raise TypeError("give the axis once: as axis (NumPy's word) or as dim (PyTorch's)")
    return whole(dim)


def as_shape(sizes: tuple[int | Sequence[int], ...]) -> tuple[int, ...]:
    """Whole numbers given one by one, or as one sequence or array."""
    numbers: int | tuple[int, ...] = whole(sizes[0]) if len(sizes) == 1 else whole(sizes)
    return numbers if isinstance(numbers, tuple) else (numbers,)


class ArrayMethods(Operators):
    """What an array can do beyond arithmetic, with gradients. NumPy's meaning wherever NumPy has the word."""

    __slots__ = ("_data",)

    _data: Array

    @property
    def shape(self) -> tuple[int, ...]:
        """The size of each axis."""
        return self._data.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._data.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        return self._data.dtype

    def sum(self, axis: Axes = None, keepdims: bool = False, *, dim: Axes = None, keepdim: bool = False) -> Self:
        """The sum over one axis, several, or all."""
        return self._record(reductions.sum, (self,), reduction(axis, keepdims, dim, keepdim))

    def mean(self, axis: Axes = None, keepdims: bool = False, *, dim: Axes = None, keepdim: bool = False) -> Self:
        """The mean over one axis, several, or all."""
        return self._record(reductions.mean, (self,), reduction(axis, keepdims, dim, keepdim))

    def var(self, axis: Axes = None, keepdims: bool = False, ddof: float = 0) -> Self:
        """The variance; divided by n - ddof (NumPy's ddof is 0)."""
        return self._record(reductions.var, (self,), {**reduction(axis, keepdims, None, False), "ddof": number(ddof)})

    def std(self, axis: Axes = None, keepdims: bool = False, ddof: float = 0) -> Self:
        """The standard deviation; gradient 0 where all elements are equal."""
        return self._record(reductions.std, (self,), {**reduction(axis, keepdims, None, False), "ddof": number(ddof)})

    def max(self, axis: Axes = None, keepdims: bool = False) -> Self:
        """The largest element; k tied ones get 1/k of the gradient each."""
        return self._record(reductions.max, (self,), reduction(axis, keepdims, None, False))

    def min(self, axis: Axes = None, keepdims: bool = False) -> Self:
        """The smallest element; k tied ones get 1/k of the gradient each."""
        return self._record(reductions.min, (self,), reduction(axis, keepdims, None, False))

    def prod(self, axis: Axes = None, keepdims: bool = False, *, dim: Axes = None, keepdim: bool = False) -> Self:
        """The product; the gradient is right at zeros too."""
        return self._record(kernels.prod, (self,), reduction(axis, keepdims, dim, keepdim))

    def norm(
        self,
        p: float | str = 2,
        axis: Axes = None,
        keepdims: bool = False,
        *,
        ord: float | None = None,
        dim: Axes = None,
        keepdim: bool = False,
    ) -> Self:
        """The vector norm of order 1, 2 or inf over axes (all by default); gradient 0 at 0.

        The order comes first, as in ``np.linalg.norm`` (which calls it ``ord``) and in PyTorch (``p``).
        """
        arguments = reduction(axis, keepdims, dim, keepdim)
        order = p if ord is None else ord
        if order in (2, "fro"):
            return self._record(reductions.norm, (self,), arguments)
        if order == 1:
            return self.abs().sum(**arguments)
        if order == np.inf:
            return self._record(reductions.max, (self.abs(),), arguments)
        raise ValueError(
            f"norm: the order, which comes first, is 1, 2 or inf, not {order!r}; give the axis by name, as in "
            "x.norm(axis=0), and write (x.abs() ** p).sum() ** (1 / p) for another order"
        )

    def logsumexp(self, axis: Axes = None, keepdims: bool = False, *, dim: Axes = None, keepdim: bool = False) -> Self:
        """log(sum(exp(x))) without overflow; -inf with gradient 0 where all elements are -inf."""
        return self._record(reductions.logsumexp, (self,), reduction(axis, keepdims, dim, keepdim))

    def softmax(self, axis: int = -1, *, dim: int | None = None) -> Self:
        """exp(x) / sum(exp(x)) along an axis."""
        return self._record(reductions.softmax, (self,), {"axis": one_axis(axis, dim, -1)})

    def log_softmax(self, axis: int = -1, *, dim: int | None = None) -> Self:
        """log(softmax(x)) along an axis, also where the softmax would underflow."""
        return self._record(reductions.log_softmax, (self,), {"axis": one_axis(axis, dim, -1)})

    def cumsum(self, axis: int | None = None, *, dim: int | None = None) -> Self:
        """The running sum along an axis; of all elements in C order without one."""
        along = one_axis(axis, dim)
        if along is None:
            return self.reshape(-1).cumsum(0)
        return self._record(reductions.cumsum, (self,), {"axis": normalize_axis_index(along, self.ndim)})

    def matmul(self, other: Operand) -> Self:
        """The matrix product; the same as ``@``."""
        return self._record(products.matmul, (self, other))

    def __matmul__(self, other: Operand) -> Self:
        return self._record(products.matmul, (self, other))

    def __rmatmul__(self, other: Operand) -> Self:
        return self._record(products.matmul, (other, self))

    def __imatmul__(self, other: Operand) -> Self:
        return self._in_place(products.matmul, other)

    def reshape(self, *shape: int | Sequence[int]) -> Self:
        """The elements in another shape; one size may be -1."""
        return self._record(shaping.reshape, (self,), {"shape": as_shape(shape)})

    def flatten(
        self, start_axis: int = 0, end_axis: int = -1, *, start_dim: int | None = None, end_dim: int | None = None
    ) -> Self:
        """The axes from start to end, both included, joined into one."""
        start_axis, end_axis = one_axis(start_axis, start_dim, 0), one_axis(end_axis, end_dim, -1)
        if self.ndim == 0:
            return self.reshape(1)
        start, end = normalize_axis_index(start_axis, self.ndim), normalize_axis_index(end_axis, self.ndim)
        if start > end:
            raise ValueError(f"flatten: start_axis {start_axis} lies behind end_axis {end_axis}")
        joined = prod(self.shape[start : end + 1])
        return self.reshape(*self.shape[:start], joined, *self.shape[end + 1 :])

    def transpose(self, *axes: int | Sequence[int]) -> Self:
        """The axes in the order given, reversed without one (NumPy's meaning; to swap two, use ``swapaxes``)."""
        wanted = as_shape(axes) or tuple(reversed(range(self.ndim)))
        if len(wanted) != self.ndim:
            raise ValueError(
                f"transpose: {len(wanted)} axes were given for a shape of {self.ndim}, {self.shape}; name each axis "
                "once, or swap two with swapaxes"
            )
        return self._record(shaping.transpose, (self,), {"axes": wanted})

    def permute(self, *axes: int | Sequence[int], dims: Sequence[int] | None = None) -> Self:
        """The axes in the order given."""
        return cast(Self, ArrayMethods.transpose(self, *(axes if dims is None else (tuple(dims),))))

    @property
    def T(self) -> Self:
        """The axes reversed."""
        return self.transpose()

    @property
    def mT(self) -> Self:
        """The last two axes swapped."""
        return self.swapaxes(-1, -2)

    def swapaxes(self, axis1: int, axis2: int) -> Self:
        """Two axes exchanged."""
        order = list(range(self.ndim))
        first, second = normalize_axis_index(axis1, self.ndim), normalize_axis_index(axis2, self.ndim)
        order[first], order[second] = second, first
        return self._record(shaping.transpose, (self,), {"axes": tuple(order)})

    def squeeze(self, axis: Axes = None) -> Self:
        """Without the axes of size 1, or without those named, which must be of size 1."""
        return self.reshape(np.squeeze(self._data, axis=whole(axis)).shape)

    def unsqueeze(self, axis: int = 0, *, dim: int | None = None) -> Self:
        """With a new axis of size 1 at a position."""
        return self.reshape(np.expand_dims(self._data, one_axis(axis, dim, 0)).shape)

    def broadcast_to(self, *shape: int | Sequence[int]) -> Self:
        """The elements repeated to fill a larger shape, by NumPy's rules."""
        return self._record(shaping.broadcast_to, (self,), {"shape": as_shape(shape)})

    def split(self, sections: int | Sequence[int], axis: int = 0) -> list[Self]:
        """Parts along an axis: that many equal ones, or cut before the given positions (as ``np.split``)."""
        where = normalize_axis_index(axis, self.ndim)
        length = self.shape[where]
        sections = whole(sections)
        if isinstance(sections, int):
            if sections < 1 or length % sections:
                raise ValueError(f"split: an axis of {length} does not fall into {sections} equal parts")
            cuts = list(range(0, length + 1, length // sections)) if length else [0] * (sections + 1)
        else:
            cuts = [0, *sections, length]
        before = (slice(None),) * where
        return [self[(*before, slice(a, b))] for a, b in pairwise(cuts)]

    def flip(self, axis: Any = None, *more: int, dims: Axes = None) -> Self:
        """The elements in reverse order along axes, all by default."""
        chosen = reduction((axis, *more) if more else axis, False, dims, False)["axis"]
        return self._record(shaping.flip, (self,), {"axis": chosen})

    def roll(self, shift: int | tuple[int, ...], axis: Axis = None, *, dims: Axis = None) -> Self:
        """The elements shifted along an axis, the last coming first."""
        return self._record(shaping.roll, (self,), {"shift": whole(shift), "axis": one_axis(axis, dims)})

    def pad(self, widths: ArrayLike, value: float = 0) -> Self:
        """A border of a constant; widths as ``np.pad`` takes them: n, (before, after), or one pair an axis."""
        pairs = np.broadcast_to(np.asarray(widths), (self.ndim, 2)).tolist()
        return self._record(shaping.pad, (self,), {"widths": tuple((a, b) for a, b in pairs), "value": value})

    def tril(self, k: int = 0, *, diagonal: int = 0) -> Self:
        """The lower triangle of the last two axes, zero above the k-th diagonal; of a row, n by n with rows alike."""
        return self._record(shaping.tril, (self,), {"k": self._diagonal(k or diagonal)})

    def triu(self, k: int = 0, *, diagonal: int = 0) -> Self:
        """The upper triangle of the last two axes, zero below the k-th diagonal; of a row, n by n with rows alike."""
        return self._record(shaping.triu, (self,), {"k": self._diagonal(k or diagonal)})

    def _diagonal(self, k: int) -> int:
        if self.ndim == 0:
            raise TypeError("a triangle is of at least one axis, and this tensor has shape ()")
        return whole(k)

    def where(self, condition: Operand, other: Operand) -> Self:
        """These elements where the condition holds, the other's elsewhere."""
        return self._record(shaping.where, (self, other), {"condition": snapshot(condition)})

    def masked_fill(self, mask: Operand, value: Operand) -> Self:
        """These elements, but ``value`` where the mask is true; no gradient flows there."""
        return self._record(shaping.where, (value, self), {"condition": snapshot(mask)})

    def astype(self, dtype: DTypeLike) -> Self:
        """The elements in another dtype; the gradient comes back in this one."""
        return self._record(shaping.astype, (self,), {"dtype": np.dtype(dtype)})

    def take_along_axis(self, indices: Operand, axis: int) -> Self:
        """One element for each index along an axis (as ``np.take_along_axis``; PyTorch's ``gather``)."""
        ids = np.asarray(detach(indices))
        where = normalize_axis_index(axis, self.ndim)
        if ids.dtype.kind not in "iu":
            raise IndexError(f"take_along_axis: indices are integers, not {ids.dtype}")
        if ids.ndim != self.ndim:
            raise ValueError(f"take_along_axis: indices of shape {ids.shape} for elements of shape {self.shape}")
        # On the other axes the two broadcast, and indices may stop short (as PyTorch's gather has it).
        counts = [size if n == 1 or size == 1 else n for n, size in zip(ids.shape, self.shape, strict=True)]
        grid = np.ogrid[tuple(slice(n) for n in counts)]
        return self[tuple(ids if i == where else part for i, part in enumerate(grid))]

    def __getitem__(self, index: object) -> Self:
        return self._record(shaping.getitem, (self,), {"index": plain_index(index)})

    def argmax(
        self, axis: int | None = None, keepdims: bool = False, *, dim: int | None = None, keepdim: bool = False
    ) -> Self:
        """The position of the largest element, the first of ties; no gradient."""
        return self._without_graph(np.argmax, (self,), **reduction(axis, keepdims, dim, keepdim))

    def argmin(
        self, axis: int | None = None, keepdims: bool = False, *, dim: int | None = None, keepdim: bool = False
    ) -> Self:
        """The position of the smallest element, the first of ties; no gradient."""
        return self._without_graph(np.argmin, (self,), **reduction(axis, keepdims, dim, keepdim))

    def all(self, axis: Axes = None, keepdims: bool = False, *, dim: Axes = None, keepdim: bool = False) -> Self:
        """Whether every element is true (not zero); no gradient."""
        return self._without_graph(np.all, (self,), **reduction(axis, keepdims, dim, keepdim))

    def any(self, axis: Axes = None, keepdims: bool = False, *, dim: Axes = None, keepdim: bool = False) -> Self:
        """Whether some element is true (not zero); no gradient."""
        return self._without_graph(np.any, (self,), **reduction(axis, keepdims, dim, keepdim))

    def __lt__(self, other: Operand) -> Self:
        return self._without_graph(np.less, (self, other))

    def __le__(self, other: Operand) -> Self:
        return self._without_graph(np.less_equal, (self, other))

    def __gt__(self, other: Operand) -> Self:
        return self._without_graph(np.greater, (self, other))

    def __ge__(self, other: Operand) -> Self:
        return self._without_graph(np.greater_equal, (self, other))

    def __eq__(self, other: Operand) -> Self:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._without_graph(np.equal, (self, other))

    def __ne__(self, other: Operand) -> Self:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._without_graph(np.not_equal, (self, other))

    __hash__ = object.__hash__

    def __and__(self, other: Operand) -> Self:
        return self._without_graph(np.bitwise_and, (self, other))

    def __or__(self, other: Operand) -> Self:
        return self._without_graph(np.bitwise_or, (self, other))

    def __invert__(self) -> Self:
        return self._without_graph(np.invert, (self,))

    __rand__ = __and__
    __ror__ = __or__

    @classmethod
    def _without_graph(cls, function: Callable[..., object], inputs: tuple[object, ...], **options: object) -> Any:
        """The result of a function without gradient, on the operands' data."""
        raise NotImplementedError
