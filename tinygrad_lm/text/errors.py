"""The one exception of the text package, and how its messages show characters that cannot be seen."""


class DataError(ValueError):
    """The user's data cannot be used; the message says what was given, what was expected and the remedy."""


def code_points(text: str) -> str:
    """The code points of ``text`` as Unicode writes them, at most eight: ``code_points("é") == "U+00E9"``."""
    return " ".join(f"U+{ord(character):04X}" for character in text[:8]) + (" ..." if len(text) > 8 else "")
