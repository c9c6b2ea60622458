"""The methods of a tensor that reduce, reshape, join and index: each checks its arguments and names its operation."""

# Operands may be floats, arrays or nodes: their types are not inferred here.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false, reportUnusedFunction=false

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Any, Self

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_lm.autograd import kernels, products, reductions, shaping
from tinygrad_lm.autograd.graph import constant
from tinygrad_lm.autograd.operators import Operators
from tinygrad_lm.autograd.recorded import plain_index, snapshot, whole
from tinygrad_lm.autograd.reductions import Axis


def _reduction(axis: Axis, keepdims: bool, torch: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a reduction, in NumPy's words or, as PyTorch users type them, ``dim`` and ``keepdim``."""
    if type(keepdims) is not bool:
        keepdims = _flag(keepdims)
    if not torch:
        return {"axis": whole(axis), "keepdims": keepdims}
    unknown = set(torch) - {"dim", "keepdim"}
    if unknown:
        raise TypeError(f"unexpected argument {sorted(unknown)[0]!r}; a reduction takes axis (or dim) and keepdims")
    if "dim" in torch and axis is not None:
        raise TypeError("give the axis once: as axis (NumPy's word) or as dim (PyTorch's)")
    return {"axis": whole(torch.get("dim", axis)), "keepdims": _flag(torch.get("keepdim", keepdims))}


def _flag(keepdims: Any) -> bool:
    if isinstance(keepdims, (int, np.bool)):
        return bool(keepdims)
    raise TypeError(
        f"keepdims is True or False, not {keepdims!r}; behind the axis a reduction takes keepdims (NumPy's dtype has "
        "no place here: use astype)"
    )


def _single_axis(axis: Any, torch: dict[str, Any]) -> Any:
    unknown = set(torch) - {"dim"}
    if unknown:
        raise TypeError(f"unexpected argument {sorted(unknown)[0]!r}; the axis is given as axis or dim")
    return whole(torch.get("dim", axis))


class ArrayMethods(Operators):
    """What an array can do beyond arithmetic, with gradients. NumPy's meaning wherever NumPy has the word."""

    __slots__ = ("_data",)

    _data: np.ndarray[Any, Any]

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

    def sum(self, axis: Axis = None, keepdims: bool = False, **torch: Any) -> Self:
        """The sum over one axis, several, or all."""
        return self.apply(reductions.sum, (self,), _reduction(axis, keepdims, torch))

    def mean(self, axis: Axis = None, keepdims: bool = False, **torch: Any) -> Self:
        """The mean over one axis, several, or all."""
        return self.apply(reductions.mean, (self,), _reduction(axis, keepdims, torch))

    def var(self, axis: Axis = None, keepdims: bool = False, ddof: int = 0, **torch: Any) -> Self:
        """The variance; divided by n - ddof (NumPy's ddof = 0; PyTorch's default is 1)."""
        return self.apply(reductions.var, (self,), {**_reduction(axis, keepdims, torch), "ddof": ddof})

    def std(self, axis: Axis = None, keepdims: bool = False, ddof: int = 0, **torch: Any) -> Self:
        """The standard deviation; gradient 0 where all elements are equal."""
        return self.apply(reductions.std, (self,), {**_reduction(axis, keepdims, torch), "ddof": ddof})

    def max(self, axis: Axis = None, keepdims: bool = False, **torch: Any) -> Self:
        """The largest element; k tied ones get 1/k of the gradient each."""
        return self.apply(reductions.max, (self,), _reduction(axis, keepdims, torch))

    def min(self, axis: Axis = None, keepdims: bool = False, **torch: Any) -> Self:
        """The smallest element; k tied ones get 1/k of the gradient each."""
        return self.apply(reductions.min, (self,), _reduction(axis, keepdims, torch))

    def prod(self, axis: Axis = None, keepdims: bool = False, **torch: Any) -> Self:
        """The product; the gradient is right at zeros too."""
        return self.apply(kernels.prod, (self,), _reduction(axis, keepdims, torch))

    def norm(self, axis: Axis = None, keepdims: bool = False, ord: float = 2, **torch: Any) -> Self:
        """The vector norm over axes (all by default) of order 1, 2 or inf; gradient 0 at 0."""
        arguments = _reduction(axis, keepdims, torch)
        if ord == 2:
            return self.apply(reductions.norm, (self,), arguments)
        if ord == 1:
            return self.abs().sum(**arguments)
        if ord == np.inf:
            return self.abs().max(**arguments)
        raise ValueError(f"norm: ord is 1, 2 or inf, not {ord!r}; write (x.abs() ** p).sum() ** (1 / p) for another")

    def logsumexp(self, axis: Axis = None, keepdims: bool = False, **torch: Any) -> Self:
        """log(sum(exp(x))) without overflow; -inf with gradient 0 where all elements are -inf."""
        return self.apply(reductions.logsumexp, (self,), _reduction(axis, keepdims, torch))

    def softmax(self, axis: int = -1, **torch: Any) -> Self:
        """exp(x) / sum(exp(x)) along an axis."""
        return self.apply(reductions.softmax, (self,), {"axis": _single_axis(axis, torch)})

    def log_softmax(self, axis: int = -1, **torch: Any) -> Self:
        """log(softmax(x)) along an axis, also where the softmax would underflow."""
        return self.apply(reductions.log_softmax, (self,), {"axis": _single_axis(axis, torch)})

    def cumsum(self, axis: int | None = None, **torch: Any) -> Self:
        """The running sum along an axis; of all elements in C order without one."""
        along = _single_axis(axis, torch)
        if along is None:
            return self.reshape(-1).cumsum(0)
        return self.apply(reductions.cumsum, (self,), {"axis": normalize_axis_index(along, self.ndim)})

    def matmul(self, other: Any) -> Self:
        """The matrix product; the same as ``@``."""
        return self.apply(products.matmul, (self, other), {})

    def __matmul__(self, other: Any) -> Self:
        return self.apply(products.matmul, (self, other), {})

    def __rmatmul__(self, other: Any) -> Self:
        return self.apply(products.matmul, (other, self), {})

    def reshape(self, *shape: Any) -> Self:
        """The elements in another shape; one size may be -1."""
        return self.apply(shaping.reshape, (self,), {"shape": _several(shape)})

    def flatten(self, start_axis: int = 0, end_axis: int = -1) -> Self:
        """The axes from start to end, both included, joined into one."""
        if self.ndim == 0:
            return self.reshape(1)
        start, end = normalize_axis_index(start_axis, self.ndim), normalize_axis_index(end_axis, self.ndim)
        if start > end:
            raise ValueError(f"flatten: start_axis {start_axis} lies behind end_axis {end_axis}")
        joined = prod(self.shape[start : end + 1])
        return self.reshape(*self.shape[:start], joined, *self.shape[end + 1 :])

    def transpose(self, *axes: Any) -> Self:
        """The axes in the order given, reversed without one (NumPy's meaning; to swap two, use ``swapaxes``)."""
        wanted = _several(axes) or tuple(reversed(range(self.ndim)))
        if len(wanted) != self.ndim:
            raise ValueError(
                f"transpose: {len(wanted)} axes were given for a shape of {self.ndim}, {self.shape}; name each axis "
                "once, or swap two with swapaxes"
            )
        return self.apply(shaping.transpose, (self,), {"axes": wanted})

    def permute(self, *axes: Any) -> Self:
        """The axes in the order given."""
        return self.transpose(*axes)

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
        return self.apply(shaping.transpose, (self,), {"axes": tuple(order)})

    def squeeze(self, axis: Axis = None, **torch: Any) -> Self:
        """Without the axes of size 1, or without those named, which must be of size 1."""
        return self.reshape(np.squeeze(self._data, axis=_single_axis(axis, torch)).shape)

    def unsqueeze(self, axis: int = 0, **torch: Any) -> Self:
        """With a new axis of size 1 at a position."""
        return self.reshape(np.expand_dims(self._data, _single_axis(axis, torch)).shape)

    def broadcast_to(self, *shape: Any) -> Self:
        """The elements repeated to fill a larger shape, by NumPy's rules."""
        return self.apply(shaping.broadcast_to, (self,), {"shape": _several(shape)})

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

    def flip(self, axis: Axis = None) -> Self:
        """The elements in reverse order along axes, all by default."""
        return self.apply(shaping.flip, (self,), {"axis": whole(axis)})

    def roll(self, shift: int | tuple[int, ...], axis: Axis = None) -> Self:
        """The elements shifted along an axis, the last coming first."""
        return self.apply(shaping.roll, (self,), {"shift": whole(shift), "axis": whole(axis)})

    def pad(self, widths: Any, value: float = 0) -> Self:
        """A border of a constant; widths as ``np.pad`` takes them: n, (before, after), or one pair an axis."""
        pairs = np.broadcast_to(np.asarray(widths), (self.ndim, 2)).tolist()
        return self.apply(shaping.pad, (self,), {"widths": tuple((a, b) for a, b in pairs), "value": value})

    def tril(self, k: int = 0) -> Self:
        """The lower triangle of the last two axes, zero above the k-th diagonal; of a row, n by n with rows alike."""
        return self.apply(shaping.tril, (self,), {"k": self._diagonal(k)})

    def triu(self, k: int = 0) -> Self:
        """The upper triangle of the last two axes, zero below the k-th diagonal; of a row, n by n with rows alike."""
        return self.apply(shaping.triu, (self,), {"k": self._diagonal(k)})

    def _diagonal(self, k: Any) -> int:
        if self.ndim == 0:
            raise TypeError("a triangle is of at least one axis, and this tensor has shape ()")
        return whole(k)

    def where(self, condition: Any, other: Any) -> Self:
        """These elements where the condition holds, the other's elsewhere."""
        return self.apply(shaping.where, (self, other), {"condition": snapshot(condition)})

    def masked_fill(self, mask: Any, value: Any) -> Self:
        """These elements, but ``value`` where the mask is true; no gradient flows there."""
        return self.apply(shaping.where, (value, self), {"condition": snapshot(mask)})

    def astype(self, dtype: Any) -> Self:
        """The elements in another dtype; the gradient comes back in this one."""
        return self.apply(shaping.astype, (self,), {"dtype": np.dtype(dtype)})

    def take_along_axis(self, indices: Any, axis: int) -> Self:
        """One element for each index along an axis (as ``np.take_along_axis``; PyTorch's ``gather``)."""
        ids = np.asarray(constant(indices))
        where = normalize_axis_index(axis, self.ndim)
        if ids.dtype.kind not in "iu":
            raise IndexError(f"take_along_axis: indices are integers, not {ids.dtype}")
        if ids.ndim != self.ndim:
            raise ValueError(f"take_along_axis: indices of shape {ids.shape} for elements of shape {self.shape}")
        # On the other axes the two broadcast, and indices may stop short (as PyTorch's gather has it).
        counts = [size if n == 1 or size == 1 else n for n, size in zip(ids.shape, self.shape, strict=True)]
        grid = np.ogrid[tuple(slice(n) for n in counts)]
        return self[tuple(ids if i == where else part for i, part in enumerate(grid))]

    def __getitem__(self, index: Any) -> Self:
        return self.apply(shaping.getitem, (self,), {"index": plain_index(index)})

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Self:
        """The position of the largest element, the first of ties; no gradient."""
        return self.plain(np.argmax, (self,), axis=axis, keepdims=keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Self:
        """The position of the smallest element, the first of ties; no gradient."""
        return self.plain(np.argmin, (self,), axis=axis, keepdims=keepdims)

    def all(self, axis: Axis = None, keepdims: bool = False) -> Self:
        """Whether every element is true (not zero); no gradient."""
        return self.plain(np.all, (self,), axis=axis, keepdims=keepdims)

    def any(self, axis: Axis = None, keepdims: bool = False) -> Self:
        """Whether some element is true (not zero); no gradient."""
        return self.plain(np.any, (self,), axis=axis, keepdims=keepdims)

    @classmethod
    def plain(cls, function: Any, inputs: tuple[Any, ...], **options: Any) -> Any:
        """The result of a function without gradient, on the operands' data."""
        raise NotImplementedError


def _several(given: tuple[Any, ...]) -> tuple[int, ...]:
    """Whole numbers given one by one, or as one sequence or array."""
    numbers = whole(given[0]) if len(given) == 1 else whole(given)
    return numbers if isinstance(numbers, tuple) else (numbers,)
