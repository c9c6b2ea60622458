"""How large a model may be."""

MAX_NUMBERS = 1 << 25
"""How many numbers a trainable model has at most: its checkpoint, of five arrays for each, stays below 1 GiB."""
MAX_MEMBERS = 64
"""How many members a mixture has at most."""


class TooLarge(ValueError):
    """A model draws more numbers than it may have."""
