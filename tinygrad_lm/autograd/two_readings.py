"""The words that NumPy and PyTorch read differently.

``axis`` and ``keepdims`` are NumPy's, ``dim`` and ``keepdim`` PyTorch's; without either, what both read the same is
done, and else NumPy's reading or a refusal that names both.

docs/coming_from_pytorch.md has the table.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, NoReturn, Self, TypeVar, overload

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_lm.autograd import reductions
from tinygrad_lm.autograd.graph import Node
from tinygrad_lm.autograd.methods import ArrayMethods, Axes, one_axis, reduction
from tinygrad_lm.autograd.recorded import number
from tinygrad_lm.autograd.types import Array

T = TypeVar("T")


class ValuesAndIndices(NamedTuple, Generic[T]):
    """What PyTorch's max, min, sort and topk give: elements, and where they stood along the axis."""

    values: T
    indices: T


class Size(int):
    """A number of elements, whose call as in PyTorch says what to write."""

    __slots__ = ()

    def __call__(self, dim: int | None = None) -> NoReturn:
        """Raise ``TypeError`` that names ``shape`` and ``numel``."""
        written = "x.size() write x.shape" if dim is None else f"x.size({dim}) write x.shape[{dim}]"
        raise TypeError(
            f"x.size is NumPy's word here, the number of elements, {self}: where PyTorch has {written}; "
            "x.numel() is the number of elements in both"
        )


def _words(word: str, positional: tuple[Any, ...], words: dict[str, Any], most: int, *others: str) -> tuple[Any, bool]:
    """The axis that was given, if any, and whether the keywords are PyTorch's; other keywords are for the caller."""
    unknown = words.keys() - {"axis", "keepdims", "dim", "keepdim", *others}
    if unknown:
        raise TypeError(f"{word}() got an unexpected keyword argument {min(unknown)!r}")
    named = [words[key] for key in ("axis", "dim") if key in words]
    if len(named) + bool(positional) > 1:
        raise TypeError(f"{word}: give the axis once, as axis (NumPy's word) or as dim (PyTorch's)")
    torch = bool(words.keys() & {"dim", "keepdim"})
    if torch and words.keys() & {"axis", "keepdims"}:
        raise TypeError(
            f"{word}: axis and keepdims are read as NumPy reads them, dim and keepdim as PyTorch does; "
            "keep to one of the two"
        )
    if len(positional) > most:
        raise TypeError(f"{word} takes at most {most} arguments without a name, but {len(positional)} were given")
    return ([*positional, *named] or [None])[0], torch


def _spread(word: str, positional: tuple[Any, ...], words: dict[str, Any]) -> dict[str, Any]:
    """The arguments of std and var: ddof is 0 in NumPy's words, 1 in PyTorch's, unless it is given."""
    if len(positional) > 1 or any(isinstance(part, bool) for part in positional):
        raise TypeError(
            f"{word}: True or False without a name, or a second argument, is unbiased to PyTorch and something else to "
            f"NumPy; write x.{word}(axis=0, ddof=1), or x.{word}(dim=0, unbiased=True), and keepdims=True by name"
        )
    axis, torch = _words(word, positional, words, 1, "ddof", "correction", "unbiased")
    given = [key for key in ("ddof", "correction", "unbiased") if key in words]
    if len(given) > 1:
        raise TypeError(f"{word}: {given[0]} and {given[1]} say the same; give one of them")
    ddof = words[given[0]] if given else int(torch)
    kept = bool(words.get("keepdims", words.get("keepdim", False)))
    arguments = reduction(None, kept, axis, False) if torch else reduction(axis, kept, None, False)
    return {**arguments, "ddof": int(ddof) if isinstance(ddof, bool) else number(ddof)}


def _sizes(length: int, sections: Any) -> list[int]:
    """The sizes of the parts as PyTorch reads ``split``: parts of one size, the last shorter, or a list of sizes."""
    if np.ndim(sections):
        sizes = [operator.index(size) for size in sections]
        if min(sizes, default=0) < 0 or sum(sizes) != length:
            raise ValueError(f"split: sizes along dim must add up to the {length} of the axis, not {sizes}")
        return sizes
    size = operator.index(sections)
    if size < 1:
        raise ValueError(f"split: parts along dim have a size of at least 1, not {size}")
    return [min(size, length - start) for start in range(0, length, size)] or [0]


def _same_split(length: int, sections: Any) -> bool:
    """Whether that many equal parts are also parts of that size; or neither, for which NumPy's error will do."""
    if np.ndim(sections):
        return False
    count = operator.index(sections)
    return count < 1 or length == count * count or (length == 0 and count == 1)


class TwoReadings(ArrayMethods):
    """The words with two meanings. NumPy's own functions on a tensor keep NumPy's."""

    __slots__ = ()

    @property
    def size(self) -> Size:
        """The number of elements (NumPy's word; PyTorch's ``size()`` is ``shape``)."""
        return Size(self._data.size)

    def _extreme(self, word: str, positional: tuple[Any, ...], words: dict[str, Any]) -> Any:
        if positional and isinstance(positional[0], (Node, np.ndarray)):
            raise TypeError(f"{word} of two tensors, element by element, is np.{word}imum(x, y) or x.{word}imum(y)")
        axis, torch = _words(word, positional, words, 2)
        if len(positional) > 1 and words:
            raise TypeError(f"{word}: give keepdims once, behind the axis or by name")
        if not torch:
            keepdims = positional[1] if len(positional) > 1 else words.get("keepdims", False)
            return getattr(ArrayMethods, word)(self, axis, keepdims)
        if axis is None or isinstance(axis, (tuple, list)):
            raise TypeError(f"{word}: values and indices are those of one dim; over several write x.a{word}(dim=...)")
        where, keepdim = normalize_axis_index(axis, self.ndim), words.get("keepdim", False)
        indices = self._without_graph(np.argmax if word == "max" else np.argmin, (self,), axis=where, keepdims=True)
        values = self.take_along_axis(indices, where)
        if not keepdim:
            shape = (*self.shape[:where], *self.shape[where + 1 :])
            values, indices = values.reshape(shape), indices.reshape(shape)
        return ValuesAndIndices(values, indices)

    @overload
    def max(self, axis: Axes = None, keepdims: bool = False) -> Self: ...
    @overload
    def max(self, axis: int, *, keepdim: bool) -> ValuesAndIndices[Self]: ...
    @overload
    def max(self, *, dim: int, keepdim: bool = False) -> ValuesAndIndices[Self]: ...
    def max(self, *axis: Any, **words: Any) -> Any:
        """The largest element; k tied ones get 1/k of the gradient each.

        With ``dim`` or ``keepdim``, PyTorch's pair of values and indices: the first of ties gets the whole gradient.
        """
        return self._extreme("max", axis, words)

    @overload
    def min(self, axis: Axes = None, keepdims: bool = False) -> Self: ...
    @overload
    def min(self, axis: int, *, keepdim: bool) -> ValuesAndIndices[Self]: ...
    @overload
    def min(self, *, dim: int, keepdim: bool = False) -> ValuesAndIndices[Self]: ...
    def min(self, *axis: Any, **words: Any) -> Any:
        """The smallest element; k tied ones get 1/k of the gradient each.

        With ``dim`` or ``keepdim``, PyTorch's pair of values and indices: the first of ties gets the whole gradient.
        """
        return self._extreme("min", axis, words)

    @overload
    def var(self, axis: Axes = None, *, keepdims: bool = False, ddof: float = 0) -> Self: ...
    @overload
    def var(self, axis: Axes = None, *, keepdims: bool = False, correction: float) -> Self: ...
    @overload
    def var(self, axis: Axes = None, *, keepdims: bool = False, unbiased: bool) -> Self: ...
    @overload
    def var(self, axis: Axes = None, *, keepdim: bool, correction: float = 1) -> Self: ...
    @overload
    def var(self, *, dim: Axes, keepdim: bool = False, correction: float = 1) -> Self: ...
    @overload
    def var(self, *, dim: Axes = None, keepdim: bool = False, unbiased: bool) -> Self: ...
    def var(self, *axis: Any, **words: Any) -> Self:
        """The variance, divided by n - ddof: ddof is 0 as in NumPy, but 1 as in PyTorch with ``dim`` or ``keepdim``.

        ``ddof``, ``correction`` or ``unbiased`` says it outright.
        """
        return self._record(reductions.var, (self,), _spread("var", axis, words))

    @overload
    def std(self, axis: Axes = None, *, keepdims: bool = False, ddof: float = 0) -> Self: ...
    @overload
    def std(self, axis: Axes = None, *, keepdims: bool = False, correction: float) -> Self: ...
    @overload
    def std(self, axis: Axes = None, *, keepdims: bool = False, unbiased: bool) -> Self: ...
    @overload
    def std(self, axis: Axes = None, *, keepdim: bool, correction: float = 1) -> Self: ...
    @overload
    def std(self, *, dim: Axes, keepdim: bool = False, correction: float = 1) -> Self: ...
    @overload
    def std(self, *, dim: Axes = None, keepdim: bool = False, unbiased: bool) -> Self: ...
    def std(self, *axis: Any, **words: Any) -> Self:
        """The standard deviation, the root of ``var`` with its ddof; gradient 0 where all elements are equal."""
        return self._record(reductions.std, (self,), _spread("std", axis, words))

    @overload
    def transpose(self, *axes: int) -> Self: ...
    @overload
    def transpose(self, axes: Sequence[int], /) -> Self: ...
    @overload
    def transpose(self, *, dim0: int, dim1: int) -> Self: ...
    def transpose(self, *axes: Any, **dims: Any) -> Self:
        """The axes in the order given, reversed without one; two numbers on three axes and more swap these two.

        On two axes ``transpose(0, 1)`` is refused: NumPy changes nothing, PyTorch swaps.
        """
        if dims:
            if axes or dims.keys() != {"dim0", "dim1"}:
                raise TypeError(
                    "transpose takes the axes in their new order, or the two to swap by name, dim0 and dim1"
                )
            return self.swapaxes(dims["dim0"], dims["dim1"])
        if len(axes) == 2 and self.ndim > 2:
            return self.swapaxes(*axes)
        if len(axes) == 2 and self.ndim == 2 and [normalize_axis_index(axis, 2) for axis in axes] == [0, 1]:
            raise TypeError(
                f"transpose{axes} of two axes: NumPy reads the new order of the axes, so nothing changes: write "
                f"x.permute{axes}; PyTorch reads the two to swap: write x.swapaxes{axes}, or x.T"
            )
        return super().transpose(*axes)

    def squeeze(self, axis: Axes = None, *, dim: Axes = None) -> Self:
        """Without the axes of size 1, or without those named.

        ``axis`` must be of size 1, as in NumPy; a ``dim`` of another size stays, as in PyTorch.
        """
        chosen = one_axis(axis, dim)
        if chosen is None:
            return super().squeeze()
        named = reductions.axes_of(self.ndim, chosen)
        longer = [i for i in named if self.shape[i] != 1]
        if longer and dim is None:
            raise ValueError(
                f"squeeze: axis {longer[0]} of shape {self.shape} is not of size 1, as NumPy wants it; PyTorch leaves "
                f"such an axis as it is: write x.squeeze(dim={longer[0]})"
            )
        return self.reshape(tuple(n for i, n in enumerate(self.shape) if i not in named or n != 1))

    @overload
    def split(self, sections: int | Sequence[int], axis: int = 0) -> list[Self]: ...
    @overload
    def split(self, sections: int | Sequence[int], *, dim: int) -> tuple[Self, ...]: ...
    def split(self, sections: Any, *axis: Any, **words: Any) -> Any:
        """Parts along an axis: ``axis=`` takes their number (or positions to cut at), ``dim=`` their size (or sizes).

        Without either keyword it is done where both come to the same, and refused elsewhere.
        """
        given, torch = _words("split", axis, words, 1)
        where = normalize_axis_index(0 if given is None else given, self.ndim)
        length = self.shape[where]
        if torch:
            before, stop, parts = (slice(None),) * where, 0, list[Self]()
            for size in _sizes(length, sections):
                parts.append(self[(*before, slice(stop, stop + size))])
                stop += size
            return tuple(parts)
        if "axis" not in words and not _same_split(length, sections):
            numpys, torchs = ("cuts before", "sizes") if np.ndim(sections) else ("number of parts", "size of each part")
            raise TypeError(
                f"split({sections}) of an axis of {length}: NumPy reads the {numpys}: write x.split({sections}, "
                f"axis={where}); PyTorch reads the {torchs}: write x.split({sections}, dim={where})"
            )
        return super().split(sections, where)

    def sort(
        self, dim: int = -1, descending: bool = False, *, stable: bool = True, **axis: Any
    ) -> ValuesAndIndices[Self]:
        """PyTorch's pair of sorted values and their indices, equal elements in their order; ``np.sort`` gives values.

        NumPy's ``x.sort()`` changes ``x`` in place, which a graph cannot follow.
        """
        if axis.keys() - {"axis"}:
            raise TypeError(f"sort() got an unexpected keyword argument {min(axis)!r}")
        if axis:
            along = axis["axis"]
            raise TypeError(
                f"sort: NumPy's x.sort(axis={along}) sorts in place, which a graph cannot follow: write np.sort(x, "
                f"axis={along}) for the values; PyTorch gives values and indices: write x.sort(dim={along})"
            )
        indices = self.argsort(dim, descending=descending)
        return ValuesAndIndices(self.take_along_axis(indices, dim), indices)

    def argsort(self, axis: int = -1, descending: bool = False, *, dim: int | None = None, stable: bool = True) -> Self:
        """The positions that sort the elements along an axis, equal ones in their order; no gradient."""
        where = normalize_axis_index(one_axis(axis, dim, -1), self.ndim)
        return self._without_graph(_order, (self,), axis=where, descending=descending)

    def repeat(self, *repeats: Any, **axis: Any) -> Self:
        """``repeat(n, axis=)``: each element n times along an axis, as NumPy reads it (``axis=None``: of all)."""
        if len(repeats) == 1 and axis.keys() == {"axis"}:
            repeat: Callable[..., Any] = np.repeat
            return repeat(self, repeats[0], axis["axis"])
        shown = ", ".join(map(str, repeats))
        each = f"{repeats[0]}, axis={repeats[1]}" if len(repeats) == 2 else f"{shown}, axis=None"
        raise TypeError(
            f"repeat({shown}): NumPy repeats each element: write x.repeat({each}); "
            f"PyTorch repeats the whole: write x.tile({shown})"
        )


def _order(data: Array, axis: int, descending: bool) -> Array:
    if not descending:
        return np.argsort(data, axis, kind="stable")
    # Sorted backwards twice, so that equal elements keep their order; NaN comes first, as in PyTorch.
    return data.shape[axis] - 1 - np.flip(np.argsort(np.flip(data, axis), axis, kind="stable"), axis)
