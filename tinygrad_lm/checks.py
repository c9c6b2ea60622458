"""What all rooms check alike, and how an error shows what was given: the one rule of whole numbers, and quotation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import TypeGuard


def is_whole_number(value: object) -> TypeGuard[int]:
    """Whether this is an integer of Python's or NumPy's; booleans, floats and arrays are not."""
    return not isinstance(value, bool) and isinstance(value, Integral)


def whole_number(
    value: object, low: int, expected: str, high: int | None = None, *, error: type[ValueError] = ValueError
) -> int:
    """A whole number from ``low`` (to ``high``), as a Python integer.

    Parameters
    ----------
    value
        What was given.
    low, high
        The range, both ends included; by default without an upper end.
    expected
        How the message begins: a sentence up to its last word, such as "top_k is a whole number from 1, not". What was
        given follows it.
    error
        The exception that is raised.

    Raises
    ------
    ValueError
        Or ``error``, where it is another: for anything else, booleans included.
    """
    if not is_whole_number(value) or value < low or (high is not None and value > high):
        raise error(f"{expected} {quoted(value)}")
    return int(value)


def whole_entry(config: Mapping[str, object], key: str, low: int, high: int) -> int:
    """A whole number of plain data, in its range.

    Raises
    ------
    ValueError
        For anything else; it names the key.
    """
    return whole_number(config.get(key), low, f"{key} must be a whole number from {low} to {high}, not", high)


def near(word: str, known: Iterable[str]) -> str:
    """``"; did you mean 'lstm'?"`` of the known word that is spelled most like this one, or nothing."""
    from difflib import get_close_matches  # which only a mistake needs

    return "".join(f"; did you mean {each!r}?" for each in get_close_matches(word[:60].lower(), list(known), 1, 0.7))


def quoted(value: object, limit: int = 60) -> str:
    """The ``repr`` of a value, cut to ``limit`` characters so that a message stays one sentence."""
    shown = repr(value[:limit] if isinstance(value, str) else value)
    return shown if len(shown) <= limit else shown[:limit] + "..."
