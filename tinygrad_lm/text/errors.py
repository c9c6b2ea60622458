"""The one exception of the text package, and what its messages share: quotation and integer checks."""

import numpy as np


class DataError(ValueError):
    """The user's data cannot be used; the message says what was given, what was expected and the remedy."""


def quoted(value: object, limit: int = 60) -> str:
    """The `repr` of `value`, cut to `limit` characters so that a message stays one sentence."""
    shown = repr(value[:limit] if isinstance(value, str) else value)
    return shown if len(shown) <= limit else shown[:limit] + "..."


def code_points(text: str) -> str:
    """The code points of `text` as Unicode writes them, at most eight: `code_points("é") == "U+00E9"`."""
    return " ".join(f"U+{ord(character):04X}" for character in text[:8]) + (" ..." if len(text) > 8 else "")


def is_integer(value: object) -> bool:
    """Whether `value` is a Python or NumPy integer; True and False are not."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def check_integer(value: int, least: int, what: str) -> None:
    """Raise a DataError that opens with `what` unless `value` is an integer and at least `least`."""
    if not is_integer(value) or value < least:
        raise DataError(f"{what} is an integer from {least} up; got {quoted(value)}")
