"""Cutting a text into graphemes: a base character together with the marks that are written onto it."""

import unicodedata
from itertools import groupby, pairwise

ZERO_WIDTH_JOINERS = frozenset("\u200c\u200d")
SHORT = 256
"""Texts of up to this many characters are left to ``unicodedata``, which orders marks in quadratic time."""


def composed(text: str) -> str:
    """The composed form NFC of ``text``, in time about linear in its length, however many marks a letter has."""
    if text.isascii():
        return text
    if len(text) > SHORT:
        text = _ordered("".join([unicodedata.normalize("NFD", character) for character in text]))
    return unicodedata.normalize("NFC", text)


def _ordered(decomposed: str) -> str:
    """A decomposed text with the marks of each letter in canonical order, which then costs ``unicodedata`` nothing."""
    return "".join(
        "".join(sorted(run, key=unicodedata.combining) if are_marks else run)
        for are_marks, run in groupby(decomposed, lambda character: unicodedata.combining(character) > 0)
    )


def graphemes(text: str) -> list[str]:
    """The graphemes of ``text`` in Unicode's composed form NFC: ``graphemes("कृष्ण") == ["कृ", "ष्", "ण"]``.

    A grapheme is one character and every combining mark (categories Mn, Mc, Me, which hold the variation
    selectors), zero width joiner and zero width non-joiner that follows it. Marks at the very start, with
    nothing to stand on, make a grapheme of their own. Joining the result gives the NFC form of ``text`` back.

    This is the part of Unicode's extended grapheme clusters that ``unicodedata`` can tell. Not joined, so that
    each part is a grapheme of its own: the consonants of an Indic conjunct (a virama ends its grapheme); emoji
    on both sides of a zero width joiner, skin tones, and the two letters of a flag; a carriage return and its
    line feed; spacing vowels that Unicode counts as letters (Thai sara am); Hangul jamo that NFC does not
    compose; tag characters and prefixed signs (category Cf).

    References
    ----------
    Unicode Standard Annex #29, Unicode Text Segmentation.
    """
    if text.isascii():
        return list(text)
    text = composed(text)
    starts = [
        index
        for index, character in enumerate(text)
        if index == 0 or not (character in ZERO_WIDTH_JOINERS or unicodedata.category(character)[0] == "M")
    ]
    return [text[start:end] for start, end in pairwise([*starts, len(text)])]


def grapheme_count(text: str) -> int:
    """``len(graphemes(text))``, without a list of them where each is one character of ASCII."""
    return len(text if text.isascii() else graphemes(text))
