"""PyTorch's own words for a tensor: each in a line or two of what is here, with PyTorch's meaning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self, cast

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_lm.autograd import reductions, remedies
from tinygrad_lm.autograd.graph import detach
from tinygrad_lm.autograd.kernels import check_ids
from tinygrad_lm.autograd.methods import ArrayMethods, Axes, as_shape, reduction
from tinygrad_lm.autograd.two_readings import TwoReadings, ValuesAndIndices
from tinygrad_lm.autograd.types import Operand


class Casts(TwoReadings):
    """The dtypes as methods. A class of its own, since here ``int`` and ``float`` are no types."""

    __slots__ = ()

    def float(self) -> Self:
        """The elements as float32, as in PyTorch (NumPy's ``float`` is float64)."""
        return self.astype(np.float32)

    def double(self) -> Self:
        """The elements as float64."""
        return self.astype(np.float64)

    def half(self) -> Self:
        """The elements as float16."""
        return self.astype(np.float16)

    def int(self) -> Self:
        """The elements as int32, cut towards zero; no gradient."""
        return self.astype(np.int32)

    def long(self) -> Self:
        """The elements as int64, cut towards zero; no gradient."""
        return self.astype(np.int64)

    def bool(self) -> Self:
        """Whether each element is not zero; no gradient."""
        return self.astype(np.bool_)


class TorchWords(Casts):
    """What PyTorch calls by a name of its own."""

    __slots__ = ()

    def view(self, *shape: Any) -> Self:
        """The elements in another shape, as ``reshape``; one size may be -1."""
        sizes = cast("Sequence[object]", shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape)
        if not shape or not all(isinstance(size, (int, np.integer)) for size in sizes):
            raise TypeError(
                f"view takes a shape, as reshape does, not {sizes[0] if sizes else 'nothing'!r}; "
                "for another dtype write x.astype(dtype)"
            )
        return self.reshape(cast("Sequence[int]", sizes))

    def view_as(self, other: ArrayMethods) -> Self:
        """The elements in the shape of another tensor."""
        return self.reshape(other.shape)

    def ravel(self) -> Self:
        """The elements along one axis, in C order."""
        return self.reshape(-1)

    def expand(self, *sizes: int | Sequence[int]) -> Self:
        """The elements repeated to fill a larger shape; -1 keeps an axis as it is."""
        wanted = as_shape(sizes)
        own = (-1,) * (len(wanted) - self.ndim) + self.shape
        return self.broadcast_to(*(old if new == -1 else new for new, old in zip(wanted, own, strict=False)))

    def expand_as(self, other: ArrayMethods) -> Self:
        """The elements repeated to fill the shape of another tensor."""
        return self.broadcast_to(other.shape)

    def numel(self) -> int:
        """The number of elements."""
        return self._data.size

    def dim(self) -> int:
        """The number of axes."""
        return self.ndim

    def t(self) -> Self:
        """The transpose of a matrix; a vector as it is."""
        if self.ndim > 2:
            raise ValueError(f"t is for at most two axes, not shape {self.shape}; swap two with x.transpose(-2, -1)")
        return self.T

    def contiguous(self) -> Self:
        """The tensor itself: the memory's layout makes no difference here."""
        return self

    def clone(self) -> Self:
        """A copy, through which the gradient flows (``detach`` gives one without)."""
        return self[...]

    def chunk(self, chunks: int, dim: int = 0) -> tuple[Self, ...]:
        """At most that many parts along an axis, of one size but for the last, which may be smaller."""
        if chunks < 1:
            raise ValueError(f"chunk: at least 1 part, not {chunks}")
        return self.split(max(1, -(-self.shape[dim] // chunks)), dim=dim)

    def unbind(self, dim: int = 0) -> tuple[Self, ...]:
        """The slices along an axis, without that axis."""
        before = (slice(None),) * normalize_axis_index(dim, self.ndim)
        return tuple(self[(*before, i)] for i in range(self.shape[dim]))

    def gather(self, dim: int, index: Operand) -> Self:
        """out[i][j] = x[i][index[i][j]] for dim 1: one element for each index, which may be smaller but for ``dim``.

        Nothing is broadcast; ``take_along_axis`` does that.
        """
        where = normalize_axis_index(dim, self.ndim)
        ids = check_ids(np.array(detach(index)), self.shape[where], "gather: the index")
        sizes = list(zip(ids.shape, self.shape, strict=False))
        if ids.ndim != self.ndim or any(a > b for i, (a, b) in enumerate(sizes) if i != where):
            raise ValueError(
                f"gather: an index of shape {ids.shape} for elements of shape {self.shape}; it has the same number of "
                f"axes, and none but axis {where} is longer"
            )
        grid = np.ogrid[tuple(slice(n) for n in ids.shape)]
        return self[tuple(ids if i == where else part for i, part in enumerate(grid))]

    def index_select(self, dim: int, index: Operand) -> Self:
        """The slices at some positions along an axis, in their order."""
        where = normalize_axis_index(dim, self.ndim)
        ids = check_ids(np.array(detach(index)), self.shape[where], "index_select: the index")
        return self[(*(slice(None),) * where, ids.reshape(-1))]

    def repeat_interleave(self, repeats: Operand, dim: int | None = None) -> Self:
        """Each element so many times along an axis, of all elements without one (NumPy's ``repeat``)."""
        return self.repeat(cast(int, detach(repeats)), axis=dim)

    def tile(self, *reps: int | Sequence[int]) -> Self:
        """The whole repeated along each axis, as ``np.tile``; what PyTorch's ``repeat`` does."""
        tile: Callable[..., Any] = np.tile
        return tile(self, as_shape(reps))

    def topk(self, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> ValuesAndIndices[Self]:
        """The k largest elements along an axis (or the smallest) and their indices, the first of ties first.

        They always come in order.
        """
        where = normalize_axis_index(dim, self.ndim)
        if not 0 <= k <= self.shape[where]:
            raise ValueError(f"topk: k is from 0 to {self.shape[where]}, the length of axis {where}, not {k}")
        indices = self.argsort(where, descending=largest)[(*(slice(None),) * where, slice(k))]
        return ValuesAndIndices(self.take_along_axis(indices, where), indices)

    def amax(self, axis: Axes = None, keepdims: bool = False, *, dim: Axes = None, keepdim: bool = False) -> Self:
        """The largest element over one axis, several, or all; k tied ones get 1/k of the gradient each."""
        return self._record(reductions.max, (self,), reduction(axis, keepdims, dim, keepdim))

    def amin(self, axis: Axes = None, keepdims: bool = False, *, dim: Axes = None, keepdim: bool = False) -> Self:
        """The smallest element over one axis, several, or all; k tied ones get 1/k of the gradient each."""
        return self._record(reductions.min, (self,), reduction(axis, keepdims, dim, keepdim))

    def clamp(self, min: Operand | None = None, max: Operand | None = None) -> Self:
        """The elements limited to [min, max], as ``clip``."""
        return self.clip(min, max)

    def add(self, other: Any, *, alpha: float = 1) -> Self:
        """x + alpha * other."""
        return self + (other if alpha == 1 else alpha * other)

    def sub(self, other: Any, *, alpha: float = 1) -> Self:
        """x - alpha * other."""
        return self - (other if alpha == 1 else alpha * other)

    def mul(self, other: Operand) -> Self:
        """x * other."""
        return self * other

    def div(self, other: Operand) -> Self:
        """x / other."""
        return self / other

    def neg(self) -> Self:
        """-x."""
        return -self

    def pow(self, exponent: Operand) -> Self:
        """x ** exponent."""
        return self**exponent

    def mm(self, mat2: Operand) -> Self:
        """The product of two matrices."""
        return self._product("mm", mat2, (2, 2))

    def bmm(self, mat2: Operand) -> Self:
        """The products of two stacks of matrices."""
        return self._product("bmm", mat2, (3, 3))

    def mv(self, vec: Operand) -> Self:
        """The product of a matrix and a vector."""
        return self._product("mv", vec, (2, 1))

    def dot(self, other: Operand) -> Self:
        """The sum of the products of two vectors; of matrices the product, as in NumPy."""
        dot: Callable[..., Any] = np.dot
        return dot(self, other)

    def _product(self, word: str, other: Operand, axes: Sequence[int]) -> Self:
        shapes = self.shape, np.shape(detach(other))
        if [*map(len, shapes)] != [*axes]:
            raise ValueError(
                f"{word} takes {axes[0]} axes times {axes[1]}, not shapes {shapes[0]} and {shapes[1]}; "
                "x @ y takes any that fit"
            )
        return self.matmul(other)

    def eq(self, other: Operand) -> Self:
        """Whether each element equals the other's; no gradient."""
        return self._without_graph(np.equal, (self, other))

    def ne(self, other: Operand) -> Self:
        """Whether each element differs from the other's; no gradient."""
        return self._without_graph(np.not_equal, (self, other))

    def lt(self, other: Operand) -> Self:
        """Whether each element is less than the other's; no gradient."""
        return self._without_graph(np.less, (self, other))

    def le(self, other: Operand) -> Self:
        """Whether each element is at most the other's; no gradient."""
        return self._without_graph(np.less_equal, (self, other))

    def gt(self, other: Operand) -> Self:
        """Whether each element is greater than the other's; no gradient."""
        return self._without_graph(np.greater, (self, other))

    def ge(self, other: Operand) -> Self:
        """Whether each element is at least the other's; no gradient."""
        return self._without_graph(np.greater_equal, (self, other))


remedies.refuse(TorchWords, remedies.of_a_tensor())
