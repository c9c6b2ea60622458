"""NumPy indices as plain data for JSON, and back."""

from __future__ import annotations

from types import EllipsisType
from typing import cast

import numpy as np

from tinygrad_lm.autograd.types import Array

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Part = int | slice | EllipsisType | Array | None
Index = Part | tuple[Part, ...]


def encode_index(index: Index) -> Json:
    """A NumPy index as plain data for JSON."""
    if isinstance(index, tuple):
        return {"tuple": [encode_index(part) for part in index]}
    if isinstance(index, slice):
        return {"slice": [index.start, index.stop, index.step]}
    if isinstance(index, EllipsisType):
        return {"ellipsis": True}
    if isinstance(index, np.ndarray):
        return {"mask" if index.dtype == bool else "ids": [list(index.shape), index.reshape(-1).tolist()]}
    return index


def decode_index(data: Json) -> Index:
    """The NumPy index that ``encode_index`` described."""
    if not isinstance(data, dict):
        return cast("int | None", data)
    ((kind, value),) = data.items()
    if kind == "ellipsis":
        return ...
    parts = cast("list[Json]", value)
    if kind == "tuple":
        return tuple(cast("Part", decode_index(part)) for part in parts)
    if kind == "slice":
        return slice(*parts)
    shape, elements = cast("list[list[int]]", parts)
    return np.array(elements, dtype=bool if kind == "mask" else np.intp).reshape(shape)
