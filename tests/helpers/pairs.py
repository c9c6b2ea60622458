"""A tokenizer whose tokens are pairs of letters: what shows a tokenizer to be more than a list of characters."""

from tinygrad_lm.text import TOKENIZERS, DataError, graphemes


class Pairs:
    """The letters of an alphabet two at a time from the start of a name, and a last odd one alone.

    Its boundary is the first token, where that of ``Vocabulary`` is the last.
    """

    kind = "pairs"
    boundary_id = 0

    def __init__(self, letters="abcdefghijklmnopqrstuvwxyz", boundary="."):
        self.letters, self.boundary = graphemes(letters), boundary
        pairs = [one + other for one in self.letters for other in self.letters]
        self.tokens = (boundary, *self.letters, *pairs)
        self.ids = {token: index for index, token in enumerate(self.tokens) if index}

    def __len__(self):
        return len(self.tokens)

    def __eq__(self, other):
        return isinstance(other, Pairs) and self.tokens == other.tokens

    def __hash__(self):
        return hash(self.tokens)

    def unknown(self, text):
        return [part for part in graphemes(text) if part not in self.letters]

    def encode(self, text):
        if unknown := self.unknown(text):
            raise DataError(f"{unknown[0]!r} is in no pair")
        parts = graphemes(text)
        return [self.ids["".join(parts[i : i + 2])] for i in range(0, len(parts), 2)]

    def decode(self, ids):
        if not all(0 <= index < len(self) for index in ids):
            raise DataError("no such id")
        return "".join(self.tokens[index] for index in ids)

    def to_json(self):
        return {"kind": self.kind, "letters": self.letters, "boundary": self.boundary}

    @classmethod
    def from_json(cls, data):
        return cls("".join(data["letters"]), data["boundary"])


def registered(patch):
    """Let files find the class for the length of a test."""
    patch.setitem(TOKENIZERS, Pairs.kind, Pairs)
