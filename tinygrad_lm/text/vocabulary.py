"""The vocabulary: the characters a model knows, in order, and the boundary marker around a name."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from tinygrad_lm.checks import is_whole_number, quoted
from tinygrad_lm.text.errors import DataError, code_points
from tinygrad_lm.text.files import read_names
from tinygrad_lm.text.segmentation import graphemes

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    from tinygrad_lm.text.tokenizer import Tokenizer

MAX_TOKEN = 128
"""How many characters, marks included, a token has at most; Unicode's stream-safe format allows 30 marks."""


class Vocabulary:
    """A fixed list of tokens, each one grapheme, and the boundary marker as the last of them.

    By default the 27 tokens of the lectures: a = 0 ... z = 25 and the boundary, written ``-``, = 26.

    Parameters
    ----------
    tokens
        The tokens but the boundary, in the order of their ids; a string is cut into graphemes.
    boundary
        The marker, one grapheme that is not among the tokens.

    Raises
    ------
    DataError
        For no token, for a token or boundary that is not one printable grapheme, and for the same one twice.
    """

    __slots__ = ("_ids", "_tokens")

    kind: ClassVar[str] = "characters"
    """What ``TOKENIZERS`` calls the class; files do not say it."""

    def __init__(self, tokens: Iterable[str] = "abcdefghijklmnopqrstuvwxyz", boundary: str = "-") -> None:
        alphabet = [_one_grapheme(token, "a token") for token in _listed(tokens)]
        marker = _one_grapheme(boundary, "the boundary")
        if not alphabet:
            raise DataError("a vocabulary needs at least one token besides the boundary; got none")
        self._ids = {token: index for index, token in enumerate(alphabet)}
        if len(self._ids) < len(alphabet):
            twice = next(token for index, token in enumerate(alphabet) if self._ids[token] != index)
            raise DataError(f"the token {quoted(twice)} stands in the vocabulary twice; list each token once")
        if marker in self._ids:
            raise DataError(
                f"the boundary {quoted(marker)} is also one of the tokens, so the end of a name could not be "
                "told from a part of it; choose a boundary that no name holds, such as boundary='.'"
            )
        self._tokens = (*alphabet, marker)

    @classmethod
    def from_names(cls, names: Iterable[str], boundary: str = "-") -> Vocabulary:
        """The sorted graphemes found in ``names``, in any alphabet; ``A`` and ``a`` are two.

        Raises
        ------
        DataError
            Where the names hold nothing but white space, which is stripped from both ends of each, and for a control
            character, a lone surrogate, and the boundary itself.
        """
        found: set[str] = set()
        for name in (names,) if isinstance(names, str) else names:
            found.update(_cut(name.strip()))
        if not found:
            raise DataError("there is no character to build a vocabulary from. Give at least one name")
        return cls(sorted(found), boundary)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], boundary: str = "-") -> Vocabulary:
        """The sorted graphemes found in a UTF-8 file of names, one a line, or of an alphabet.

        Raises
        ------
        DataError
            Where the file cannot be read as ``read_names`` describes, or holds the boundary.
        """
        return cls.from_names(read_names(path), boundary)

    @classmethod
    def from_json(cls, data: object) -> Vocabulary:
        """The vocabulary that ``to_json`` wrote down: ``{"tokens": [...], "boundary": "-"}`` and nothing else.

        Raises
        ------
        DataError
            Where keys are missing or unknown, a value has another type, or the constructor refuses it.
        """
        fields = cast(dict[str, object], data) if isinstance(data, dict) else {}
        if set(fields) != {"tokens", "boundary"} or not isinstance(fields["tokens"], list):
            expected = '{"tokens": ["a", "b", ...], "boundary": "-"}'
            raise DataError(f"a vocabulary is written as {expected}; got {quoted(cast(object, data))}")
        return cls(cast(list[str], fields["tokens"]), cast(str, fields["boundary"]))

    def to_json(self) -> dict[str, object]:
        """The constructor's arguments as plain data, ready for ``json.dumps``."""
        return {"tokens": list(self._tokens[:-1]), "boundary": self.boundary}

    @property
    def tokens(self) -> tuple[str, ...]:
        """Every token, in the order of the ids; the boundary is the last."""
        return self._tokens

    @property
    def boundary(self) -> str:
        """The marker before and after a name."""
        return self._tokens[-1]

    @property
    def boundary_id(self) -> int:
        """The id of the boundary, ``len(self) - 1``."""
        return len(self._tokens) - 1

    def __len__(self) -> int:
        """The number of tokens, the boundary among them."""
        return len(self._tokens)

    def __contains__(self, token: object) -> bool:
        """Whether ``token`` is one of the tokens or the boundary, in whichever Unicode form it is written."""
        if not isinstance(token, str):
            return False
        whole = "".join(graphemes(token))
        return whole in self._ids or whole == self.boundary

    def __eq__(self, other: object) -> bool:
        """Whether every id means the same token."""
        return self._tokens == other._tokens if isinstance(other, Vocabulary) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._tokens)

    def __repr__(self) -> str:
        """The call that makes this vocabulary; a long alphabet is cut."""
        return f"Vocabulary({quoted(''.join(self._tokens[:-1]))}, boundary={self.boundary!r})"

    def unknown(self, text: str) -> list[str]:
        """The graphemes of ``text`` that ``encode`` would refuse, in order; the boundary is one of them."""
        return [token for token in _cut(text) if token not in self._ids]

    def encode(self, text: str) -> list[int]:
        """The ids of the graphemes of ``text``, no boundary added: ``Vocabulary().encode("ab") == [0, 1]``.

        Raises
        ------
        DataError
            For a grapheme that is not in the vocabulary, or is its boundary, naming its position (in graphemes, from
            0), its code points and the remedy.
        """
        ids = self._ids
        try:
            return [ids[token] for token in _cut(text)]
        except KeyError:
            raise DataError(self._refusal(text)) from None

    def decode(self, ids: Sequence[int] | NDArray[np.integer]) -> str:
        """The text of a sequence of ids, the boundary's included: ``Vocabulary().decode([0, 1, 26]) == "ab-"``.

        Raises
        ------
        DataError
            Where ``ids`` is not one-dimensional, and for an id that is not an integer (bools and floats are not) from
            0 to ``len(self) - 1``, naming its position.
        """
        array = self._checked(ids)
        if array.ndim != 1:
            raise DataError(f"ids to decode are one sequence; got an array of shape {array.shape}")
        return "".join([self._tokens[int(index)] for index in array])

    def one_hot(self, ids: object, dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """One row for each id, 1 at the id and 0 elsewhere; shape ``ids.shape + (len(self),)``.

        Any two different rows are at distance sqrt(2): one-hot vectors know nothing of likeness.

        Raises
        ------
        DataError
            For an id that is not an integer (bools and floats are not) from 0 to ``len(self) - 1``.
        """
        array = self._checked(ids)
        rows = np.zeros((array.size, len(self)), dtype=dtype)
        rows[np.arange(array.size), array.ravel()] = 1
        return rows.reshape(*array.shape, len(self))

    def _checked(self, ids: object) -> NDArray[np.int64]:
        """``ids`` as an int64 array, once each is known to be an integer of the vocabulary."""
        # Lists as Python objects, so that NumPy turns neither True into 1 nor a huge integer into a float.
        given = cast("NDArray[np.int64]", ids) if isinstance(ids, np.ndarray) else np.array(ids, dtype=object)
        if given.dtype == object:
            wrong = np.array([not is_whole_number(value) for value in given.flat], dtype=bool)
        else:
            wrong = np.full(given.size, given.dtype.kind not in "iu")
        if not wrong.any():
            wrong = ((given < 0) | (given >= len(self))).ravel()
        if wrong.any():
            position = int(wrong.argmax())
            where = "" if given.ndim == 0 else f" at position {position}"
            raise DataError(
                f"ids are integers from 0 to {len(self) - 1} (the boundary {quoted(self.boundary)}); "
                f"got {quoted(given.item(position))}{where}"
            )
        return given.astype(np.int64)

    def _refusal(self, text: str) -> str:
        parts = graphemes(text)
        position = next(index for index, token in enumerate(parts) if token not in self._ids)
        token = parts[position]
        if token == self.boundary:
            problem = "is the boundary marker, which is set before and after a name for you"
            remedy = "Take it out, or choose another boundary for this vocabulary"
        else:
            problem = f"is not among the characters {quoted(''.join(self._tokens[:-1]))} of the vocabulary"
            remedy = "Take it out, or build a vocabulary from your own names: Vocabulary.from_names(names)"
            if token.lower() in self._ids:
                remedy = f"Write it in lower case, {quoted(token.lower())}"
        where = f"at position {position} of {quoted(text)}"
        return f"{quoted(token)} ({code_points(token)}) {where} {problem}. {remedy}."


def _cut(text: str) -> Iterable[str]:
    """The graphemes of ``text``; of plain ASCII without a list of them."""
    return text if text.isascii() else graphemes(text)


def _listed(tokens: Iterable[str]) -> list[str]:
    return graphemes(tokens) if isinstance(tokens, str) else list(tokens)


def vocabulary_or_letters(given: Tokenizer | None) -> Tokenizer:
    """What a model reads by: what it is given, or the letters from a to z.

    Raises
    ------
    TypeError
        For what is no tokenizer.
    """
    if given is None:
        return Vocabulary()
    if not hasattr(given, "boundary_id"):
        raise TypeError(
            f"a model reads by a Vocabulary or another tokenizer, not {quoted(given)}: leave it out for a to z, or "
            "give Vocabulary.from_names(names)"
        )
    return given


def _one_grapheme(token: object, role: str) -> str:
    """``token`` in NFC, once it is known to be one grapheme that can be printed."""
    if isinstance(token, str) and len(token) > MAX_TOKEN:  # before NFC, whose time grows with the square of the marks
        raise DataError(
            f"{role} is one character with its marks, at most {MAX_TOKEN} of them together; "
            f"got {len(token):,}, {quoted(token)}. Take it out of the names"
        )
    parts = graphemes(token) if isinstance(token, str) else []
    if len(parts) != 1:
        raise DataError(f"{role} is one character with its marks; got {quoted(token)}")
    # A control character would act on the terminal that shows a name; a lone surrogate cannot be UTF-8.
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in parts[0]):
        raise DataError(
            f"{role} is a character that can be printed; got a control character or lone surrogate, "
            f"{quoted(token)}. Take it out of the names"
        )
    return parts[0]
