"""Cutting a text into graphemes: a base character together with the marks that are written onto it."""

import unicodedata

ZERO_WIDTH_JOINERS = frozenset("\u200c\u200d")


def graphemes(text: str) -> list[str]:
    """The graphemes of `text` in Unicode's composed form NFC: `graphemes("कृष्ण") == ["कृ", "ष्", "ण"]`.

    A grapheme is one character and every combining mark (categories Mn, Mc, Me, which hold the variation
    selectors), zero width joiner and zero width non-joiner that follows it. Marks at the very start, with
    nothing to stand on, make a grapheme of their own. Joining the result gives the NFC form of `text` back.

    This is a subset of Unicode's extended grapheme clusters (UAX #29), as far as `unicodedata` alone goes.
    Not joined, so that each part is a grapheme of its own: the consonants of an Indic conjunct (a virama
    ends its grapheme); emoji on both sides of a zero width joiner, skin tones, and the two letters of a
    flag; a carriage return and its line feed; spacing vowels that Unicode counts as letters (Thai sara am);
    Hangul jamo that NFC does not compose; tag characters and prefixed signs (category Cf).
    """
    if text.isascii():
        return list(text)
    found: list[str] = []
    for character in unicodedata.normalize("NFC", text):
        if found and (character in ZERO_WIDTH_JOINERS or unicodedata.category(character)[0] == "M"):
            found[-1] += character
        else:
            found.append(character)
    return found
