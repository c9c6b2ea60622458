"""Whole names in batches, padded to one length: for models that read a name from its start, such as recurrent ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tinygrad_lm.checks import whole_number
from tinygrad_lm.text.errors import DataError
from tinygrad_lm.text.stream import Ids, Pair, check_batch_size, checked_names, in_a_row
from tinygrad_lm.text.targets import IGNORE
from tinygrad_lm.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

POOL = 8
"""A sampled batch is one of this many that are drawn together and sorted by length: more leave less padding."""


class SequenceDataset:
    """The training examples of a list of names, one a name: its tokens, and at each of them the token that comes next.

    The inputs of a name are the boundary and its ids, its targets the ids and the boundary. The sequences of a batch
    are as long as its longest: behind shorter ones the inputs are filled with the boundary, and the targets with
    ``IGNORE``, so that ``targets != IGNORE`` says what counts. "abid" and "al" give

        -abid -> abid-
        -al-- -> al-

    A model that reads from left to right needs no mask of its inputs: the filling comes after all that counts.

    A Transformer sees ``context`` tokens at once and no more. A name that does not fit is not refused, but cut as the
    model sees it when it writes: the first sequence has the first ``context`` targets, and each target after them has a
    sequence of its own, of the ``context`` tokens before it, in which all others are ``IGNORE``. So every target counts
    once, after just the tokens that ``NameDataset`` shows of this context.

    Batches are of sequences of about one length, so that little is filled. Each sequence is equally likely to be drawn,
    be it long or short. So as many batches are of short names as of long ones, and what a mean over each batch's
    targets minimises is about the mean over *names* of the mean loss of each: a character of a short name weighs more
    than one of a long name. To weigh all characters alike, scale each batch's mean by its ``count_targets``.

    It holds one small integer a token and two a sequence; batches are put together as they are drawn.

    Attributes
    ----------
    names
        The names, in the order given.
    vocabulary
        What the ids mean.
    context
        The greatest length of a sequence; ``None``: that of the longest name.

    Raises
    ------
    DataError
        For no name, an empty name, a character outside the vocabulary, and a context that is not an integer from 1 up.
    """

    def __init__(self, names: Sequence[str], vocabulary: Tokenizer, context: int | None = None) -> None:
        self.names = checked_names(names)
        self.vocabulary = vocabulary
        what = "the context, the greatest length of a sequence, is an integer from 1 up; got"
        self.context = None if context is None else whole_number(context, 1, what, error=DataError)
        self._ids, starts = in_a_row(self.names, vocabulary)
        self._starts, self._lengths = _cut(starts, len(self._ids), self.context)

    def __len__(self) -> int:
        """The number of sequences: of names, and of what is left of those that do not fit the context."""
        return len(self._starts)

    @property
    def longest(self) -> int:
        """The length of the longest sequence."""
        return int(self._lengths.max())

    def __repr__(self) -> str:
        context = "" if self.context is None else f", context {self.context}"
        return f"SequenceDataset({len(self.names)} names, {len(self)} sequences{context})"

    def windows(self, name: str) -> list[tuple[str, str]]:
        """What the sequences of one name teach, as text, to print: ``[("-", "a"), ("-a", "b"), ...]``.

        Raises
        ------
        DataError
            Where a character of the name is outside the vocabulary.
        """
        decode = self.vocabulary.decode
        dataset = SequenceDataset([name], self.vocabulary, self.context)
        inputs, targets = dataset.take(np.arange(len(dataset)))
        return [
            (decode(row[: place + 1]), decode([target]))
            for row, wanted in zip(inputs, targets.tolist(), strict=True)
            for place, target in enumerate(wanted)
            if target != IGNORE
        ]

    def batches(self, batch_size: int, rng: np.random.Generator, shuffle: bool = True) -> Iterator[Pair]:
        """One epoch: every sequence once, ``batch_size`` at a time, the last batch with what is left.

        Parameters
        ----------
        batch_size
            From 1 to ``len(self)``.
        rng
            Decides, when they are shuffled, which sequences of about one length come together, the order of the
            batches, and which sequences, of any length, are left for the last.
        shuffle
            Whether to mix the sequences and put those of like lengths together; else they come in the order of the
            names.

        Returns
        -------
        Iterator
            Pairs of inputs and targets, both ``(size, longest)``, int64, the caller's own to change.

        Raises
        ------
        DataError
            Where the batch size is out of range (at the call, before the first batch).
        """
        check_batch_size(batch_size, len(self), "sequences")
        order = rng.permutation(len(self)) if shuffle else np.arange(len(self))
        whole = len(order) - len(order) % batch_size
        full = (self._by_length(order[:whole]) if shuffle else order[:whole]).reshape(-1, batch_size)
        if shuffle:
            rng.shuffle(full)
        left = [order[whole:]] if whole < len(order) else []
        return (self.take(chosen) for chosen in (*full, *left))

    def sample(self, batch_size: int, rng: np.random.Generator) -> Pair:
        """One batch drawn with replacement: inputs and targets, both ``(batch_size, longest)``, int64.

        Eight times as many sequences are drawn as are asked for, each equally likely, and sorted by length; an eighth
        of them, each equally likely, is the batch.

        Raises
        ------
        DataError
            Where the batch size is not an integer from 1 to ``len(self)``.
        """
        check_batch_size(batch_size, len(self), "sequences")
        pool = self._by_length(rng.integers(len(self), size=POOL * batch_size))
        return self.take(pool.reshape(POOL, batch_size)[rng.integers(POOL)])

    def take(self, chosen: NDArray[np.int64]) -> Pair:
        """The sequences of these numbers: inputs and targets, both ``(len(chosen), longest)``, int64.

        All of them in order have the targets that count in the order of the names.
        """
        starts, lengths = (array.take(chosen).astype(np.int64) for array in (self._starts, self._lengths))
        columns = np.arange(int(lengths.max(initial=1)))
        places = starts[:, None] + columns
        # A name follows the boundary that closes the one before it, and the first name the last boundary, at -1.
        inputs = self._ids.take(places - 1, mode="wrap").astype(np.int64)
        targets = self._ids.take(places, mode="wrap").astype(np.int64)
        filling = columns >= lengths[:, None]
        inputs[filling] = self.vocabulary.boundary_id
        targets[filling] = IGNORE
        goes_on = inputs[:, 0] != self.vocabulary.boundary_id
        targets[goes_on, :-1] = IGNORE  # they count in the sequences before
        return inputs, targets

    def _by_length(self, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        """The same sequences, the shortest first; those of one length in the order given."""
        return chosen[np.argsort(self._lengths.take(chosen), kind="stable")]


def _cut(starts: NDArray[np.int64], count: int, context: int | None) -> tuple[Ids, Ids]:
    """Where each sequence starts in a stream of ``count`` ids, and its length; in the smallest unsigned dtypes."""
    lengths = np.diff(starts, append=count)
    if context is not None:
        parts = np.maximum(lengths - context, 0) + 1
        before = np.cumsum(parts) - parts
        starts = np.repeat(starts - before, parts) + np.arange(int(parts.sum()))
        lengths = np.repeat(np.minimum(lengths, context), parts)
    return starts.astype(np.min_scalar_type(count)), lengths.astype(np.min_scalar_type(int(lengths.max())))
