"""``Tokenizer``: what turns names into ids and back, whatever its tokens are, and how one is read from a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, cast

import numpy as np

from tinygrad_lm.checks import quoted
from tinygrad_lm.text.errors import DataError
from tinygrad_lm.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Tokenizer(Protocol):
    """What datasets, models and samples ask of a vocabulary: of characters (``Vocabulary``), or of longer pieces.

    Ids go from 0 to ``len(tokenizer) - 1``. One of them is the boundary, which stands before and after a name and in no
    text. Every other token is a character (a grapheme) or several of them in a row: the tokens of a text, joined, are
    the text in Unicode's composed form NFC, so that its characters can be counted whatever it was cut into. Two are
    equal where every text has the same ids in both.
    """

    kind: ClassVar[str]
    """What files call the class; ``TOKENIZERS`` finds it by that name."""

    @property
    def tokens(self) -> tuple[str, ...]:
        """Every token as text, in the order of the ids; the boundary's is the marker that is printed for it."""
        ...

    @property
    def boundary(self) -> str:
        """How the boundary is printed."""
        ...

    @property
    def boundary_id(self) -> int:
        """The id of the boundary."""
        ...

    def __len__(self) -> int:
        """The number of tokens, the boundary among them."""
        ...

    def __eq__(self, other: object) -> bool: ...

    def __hash__(self) -> int: ...

    def encode(self, text: str) -> list[int]:
        """The ids of a text, no boundary added.

        Raises
        ------
        DataError
            For a character that no token holds.
        """
        ...

    def decode(self, ids: Sequence[int] | NDArray[np.integer]) -> str:
        """The text of a sequence of ids, the boundary's included.

        Raises
        ------
        DataError
            For anything but integers from 0 to ``len(self) - 1``.
        """
        ...

    def unknown(self, text: str) -> list[str]:
        """The characters of a text that ``encode`` would refuse, in order."""
        ...

    def to_json(self) -> dict[str, object]:
        """All of it as plain data, ready for ``json.dumps``, with its ``kind`` beside it as ``"kind"``.

        Only ``Vocabulary`` leaves its kind out: files were written before there were others.
        """
        ...

    @classmethod
    def from_json(cls, data: object) -> Self:
        """The tokenizer that ``to_json`` wrote down.

        Raises
        ------
        DataError
            For any other data.
        """
        ...


TOKENIZERS: dict[str, type[Tokenizer]] = {Vocabulary.kind: Vocabulary}
"""The classes that are found in files, by their kind: those of the package, and those that a user adds."""


def kind_of(data: object) -> object:
    """The kind of tokenizer that plain data says it is: that of ``Vocabulary`` where it says none."""
    return cast(dict[str, object], data).get("kind", Vocabulary.kind) if isinstance(data, dict) else Vocabulary.kind


def tokenizer_from_json(data: object) -> Tokenizer:
    """The tokenizer that some tokenizer's ``to_json`` wrote down.

    Raises
    ------
    DataError
        For a kind that is not among ``TOKENIZERS``, and for what its class refuses.
    """
    kind = kind_of(data)
    if not isinstance(kind, str) or kind not in TOKENIZERS:
        known = ", ".join(TOKENIZERS)
        raise DataError(
            f"a tokenizer of the unknown kind {quoted(kind)}; known are {known}, and what is added to text.TOKENIZERS"
        )
    return TOKENIZERS[kind].from_json(data)
