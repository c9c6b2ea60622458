"""What stands in an attribute of a module: nodes and modules, also in containers, with the names that lead there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar, cast

import numpy as np

from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.types import is_ndarray
from tinygrad_lm.autograd.value import Value

Kind = TypeVar("Kind")

_PLAIN = frozenset({bool, bytes, complex, float, int, str, type(None)})
"""What most attributes and long lists are made of: nothing can be in them, so that they are passed over at once."""


def learns(thing: object) -> bool:
    """Whether this is a node that collects a gradient and was not computed."""
    return isinstance(thing, (Tensor, Value)) and thing.requires_grad and thing.is_leaf


def find(
    name: str, thing: object, kinds: tuple[type[Kind], ...], above: tuple[int, ...] = ()
) -> Iterator[tuple[str, Kind]]:
    """Everything of these kinds in ``thing``: itself, or what it holds, named as one would write it.

    ``w``, ``w[0]``, ``w[0][1]``, ``w['a']``, and ``w[0, 1]`` in an object array. An object that has a ``parameters``
    method, as micrograd's layers have, is looked into as well: ``layer.neurons[0].w[1]``. What has been found is
    not looked into.
    """
    if type(thing) in _PLAIN:
        return
    if isinstance(thing, kinds):
        yield name, thing
    elif id(thing) not in above:
        for key, part in _parts(thing):
            yield from find(name + key, part, kinds, (*above, id(thing)))


def _parts(thing: object) -> Iterable[tuple[str, object]]:
    if isinstance(thing, (list, tuple)):
        parts = cast("list[object]", thing)
        return () if set(map(type, parts)) <= _PLAIN else ((f"[{i}]", part) for i, part in enumerate(parts))
    if isinstance(thing, dict):
        return ((f"[{key!r}]", part) for key, part in cast("dict[object, object]", thing).items())
    if is_ndarray(thing):
        indices = np.ndindex(thing.shape if thing.dtype == object else 0)
        return ((f"[{', '.join(map(str, index))}]" if index else "", thing[index]) for index in indices)
    if callable(getattr(type(thing), "parameters", None)):
        return ((f".{key}", part) for key, part in getattr(thing, "__dict__", {}).items())
    return ()
