"""What is printed never acts on a terminal, whatever a file or its name holds. Imports nothing heavy."""

import unicodedata

DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of the text after them; a joiner within a name is none of them."""


def printable(text: str) -> str:
    """`text` with its control characters (but the line feed) as escapes: what is printed never acts on a terminal."""
    if text.isprintable():
        return text
    return "".join(
        repr(character)[1:-1]
        if character != "\n" and (unicodedata.category(character) == "Cc" or character in DIRECTIONS)
        else character
        for character in text
    )
