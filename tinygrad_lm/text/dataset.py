"""The sliding window: names cut into contexts of fixed length, each with the token that follows it."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lm.checks import quoted, whole_number
from tinygrad_lm.text.errors import DataError
from tinygrad_lm.text.vocabulary import Vocabulary

Pair = tuple[NDArray[np.int64], NDArray[np.int64]]

TABLE = 1 << 20
"""Up to so many ids (8 MiB) the contexts are cut out once, since training draws from them thousands of times."""


class NameDataset:
    """The training examples of a list of names: `context` ids, and the id that comes next.

    A name of n characters gives n + 1 examples: each character, and the boundary that ends it, after the
    `context` tokens before it; the boundary also fills a context that would reach past the start. With a
    context of 3, "abid" gives --- a, --a b, -ab i, abi d, bid -.

    Attributes:
        names: the names, in the order given.
        vocabulary: what the ids mean.
        context: the length of the window.
        contexts: int64 array of shape `(len(self), context)`, read-only, made when it is first asked for.
        targets: int64 array of shape `(len(self),)`, read-only, likewise.

    Beyond 8 MiB of contexts it holds two small integers an example, and windows are cut out when they are drawn.

    Raises:
        DataError: no name, an empty name, a character outside the vocabulary, or a context that is not an
            integer from 1 up.
    """

    def __init__(self, names: Sequence[str], vocabulary: Vocabulary, context: int = 3) -> None:
        if isinstance(names, str):
            raise DataError(f"a dataset needs a list of names; got the string {quoted(names)}")
        if not len(names):
            raise DataError("a dataset needs at least one name; got none")
        if "" in names:
            raise DataError(f"name {names.index('')} (counted from 0) is empty. Clean the list with clean_names first.")
        self.names = tuple(names)
        self.vocabulary = vocabulary
        what = "the context, the length of the window, is an integer from 1 up"
        self.context = whole_number(context, 1, what, error=DataError)
        self._ids, self._places = _in_a_row(self.names, vocabulary)

    @cached_property
    def contexts(self) -> NDArray[np.int64]:
        """The contexts of all examples: for a long list of names much larger than the dataset itself."""
        contexts, _ = _windows(self._ids, self._places, np.arange(len(self)), self.context)
        contexts.flags.writeable = False
        return contexts

    @cached_property
    def targets(self) -> NDArray[np.int64]:
        """The targets of all examples."""
        targets = self._ids.astype(np.int64)
        targets.flags.writeable = False
        return targets

    def __len__(self) -> int:
        """The number of examples (windows), not of names."""
        return len(self._ids)

    def __repr__(self) -> str:
        return f"NameDataset({len(self.names)} names, {len(self)} windows, context {self.context})"

    def windows(self, name: str) -> list[tuple[str, str]]:
        """The examples of one name as text, to print: `[("---", "a"), ("--a", "b"), ...]`.

        Raises:
            DataError: a character of the name is outside the vocabulary.
        """
        decode = self.vocabulary.decode
        ids, places = _in_a_row([name], self.vocabulary)
        contexts, targets = _windows(ids, places, np.arange(len(ids)), self.context)
        return [(decode(row), decode([target])) for row, target in zip(contexts, targets.tolist(), strict=True)]

    def batches(self, batch_size: int, rng: np.random.Generator, shuffle: bool = True) -> Iterator[Pair]:
        """One epoch: every example once, `batch_size` at a time, the last batch with what is left.

        Args:
            batch_size: from 1 to `len(self)`.
            rng: decides the order when the examples are shuffled.
            shuffle: whether to mix the examples of all names; else they come in the order of the names.

        Returns:
            Pairs of contexts `(size, context)` and targets `(size,)`, int64, the caller's own to change.

        Raises:
            DataError: the batch size is out of range (at the call, before the first batch).
        """
        self._check_batch_size(batch_size)
        order = rng.permutation(len(self)) if shuffle else np.arange(len(self))
        return (
            self._drawn(chosen)
            for chosen in (order[start : start + batch_size] for start in range(0, len(self), batch_size))
        )

    def sample(self, batch_size: int, rng: np.random.Generator) -> Pair:
        """One batch drawn with replacement: contexts `(batch_size, context)`, targets `(batch_size,)`, int64.

        Raises:
            DataError: the batch size is not an integer from 1 to `len(self)`.
        """
        self._check_batch_size(batch_size)
        return self._drawn(rng.integers(len(self._ids), size=batch_size))

    def take(self, chosen: NDArray[np.int64]) -> Pair:
        """The examples of these numbers: contexts `(len(chosen), context)`, targets `(len(chosen),)`, int64."""
        return _windows(self._ids, self._places, chosen, self.context)

    def _drawn(self, chosen: NDArray[np.int64]) -> Pair:
        if len(self._ids) * self.context <= TABLE:
            return self.contexts.take(chosen, axis=0), self.targets.take(chosen)
        return self.take(chosen)

    def _check_batch_size(self, batch_size: int) -> None:
        whole_number(batch_size, 1, "the batch size is an integer from 1 up", error=DataError)
        if batch_size > len(self._ids):
            raise DataError(
                f"a batch of {batch_size} is larger than the data, which has {len(self)} windows. "
                f"Choose a batch size of at most {len(self)}, or give more names."
            )


def _in_a_row(names: Sequence[str], vocabulary: Vocabulary) -> tuple[NDArray[Any], NDArray[Any]]:
    """The ids of all names, each closed by the boundary, and the place of each id in its name.

    Both in the smallest unsigned dtype that holds them.
    """
    ids = np.fromiter(_stream(names, vocabulary), np.min_scalar_type(vocabulary.boundary_id))
    ends = np.flatnonzero(ids == vocabulary.boundary_id)
    # One step up each time, and back to 0 behind a boundary.
    steps = np.ones(len(ids), np.int32)
    steps[0] = 0
    steps[ends[:-1] + 1] = -np.diff(ends, prepend=-1)[:-1] + 1
    places = np.cumsum(steps, out=steps)
    return ids, places.astype(np.min_scalar_type(int(places.max())))


def _windows(ids: NDArray[Any], places: NDArray[Any], chosen: NDArray[np.int64], context: int) -> Pair:
    """The windows that end at the chosen ids of a row: what stands before each, and the boundary before its name.

    A name follows the boundary that closes the one before it, and the first name the last boundary, at -1.
    """
    first = chosen - places.take(chosen)
    before = chosen[:, None] - np.arange(context, 0, -1)
    np.maximum(before, first[:, None] - 1, out=before)
    return ids.take(before).astype(np.int64), ids.take(chosen).astype(np.int64)


def _stream(names: Sequence[str], vocabulary: Vocabulary) -> Iterator[int]:
    for name in names:
        yield from vocabulary.encode(name)
        yield vocabulary.boundary_id
