"""Tuples, lists and dictionaries of anything, as arguments and results of calls are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast


def deep(function: Callable[[Any], Any], x: object) -> Any:
    """What a function makes of what tuples, lists and dictionaries hold, in the same tuples, lists and dictionaries."""
    if isinstance(x, dict):
        return {key: deep(function, value) for key, value in cast("dict[Any, Any]", x).items()}
    if isinstance(x, (tuple, list)):
        several = cast("list[Any]", x)
        parts = [deep(function, part) for part in several]
        kind: Any = type(several)
        return kind(*parts) if hasattr(kind, "_fields") else kind(parts)
    return function(x)


def within(x: object) -> Iterator[Any]:
    """What tuples, lists and dictionaries hold, also those in them; anything else itself."""
    if isinstance(x, dict):
        for value in cast("dict[Any, Any]", x).values():
            yield from within(value)
    elif isinstance(x, (tuple, list)):
        for part in cast("list[Any]", x):
            yield from within(part)
    else:
        yield x
