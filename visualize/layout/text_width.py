"""How wide a text will be: an estimate, on the safe side, for the fonts that browsers put in place of Helvetica."""

from __future__ import annotations

import math
import unicodedata
from functools import lru_cache

_NARROW = frozenset("ijl.,:;'|!()[]{}ft` I")
_WIDE = frozenset("mwMW@%—…→∂√Σ½")


@lru_cache(maxsize=4096)
def _em(character: str) -> float:
    if character in _NARROW:
        return 0.4
    if character in _WIDE:
        return 1.0
    if character.isascii():
        return 0.72 if character.isupper() else 0.62
    if unicodedata.combining(character):
        return 0.0
    return 1.1 if unicodedata.east_asian_width(character) in "WF" else 0.8


def text_width(text: str, size: float) -> float:
    """The width of one line at a font size, in the same unit as the size."""
    # fsum: a plain sum of floats rounds differently from one Python to the next.
    return size * math.fsum(map(_em, text))
