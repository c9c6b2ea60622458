"""What stands in an attribute of a module: nodes and modules, also in containers, with the names that lead there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

import numpy as np

_PLAIN = frozenset({bool, bytes, complex, float, int, str, type(None)})
"""What most attributes and long lists are made of: nothing can be in them, so that they are passed over at once."""


def found(name: str, thing: Any, kinds: tuple[type, ...], above: tuple[int, ...] = ()) -> Iterator[tuple[str, Any]]:
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
            yield from found(name + key, part, kinds, (*above, id(thing)))


def _parts(thing: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(thing, (list, tuple)):
        parts = cast("list[Any]", thing)
        return () if set(map(type, parts)) <= _PLAIN else ((f"[{i}]", part) for i, part in enumerate(parts))
    if isinstance(thing, dict):
        return ((f"[{key!r}]", part) for key, part in cast("dict[Any, Any]", thing).items())
    if isinstance(thing, np.ndarray):
        array = cast("np.ndarray[Any, Any]", thing)
        indices = np.ndindex(array.shape if array.dtype == object else 0)
        return ((f"[{', '.join(map(str, index))}]" if index else "", array[index]) for index in indices)
    if callable(getattr(cast("type[Any]", type(thing)), "parameters", None)):
        return ((f".{key}", part) for key, part in getattr(thing, "__dict__", {}).items())
    return ()
