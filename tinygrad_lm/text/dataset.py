"""The sliding window: names cut into contexts of fixed length, each with the token that follows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tinygrad_lm.checks import whole_number
from tinygrad_lm.text.errors import DataError
from tinygrad_lm.text.stream import Ids, Pair, check_batch_size, checked_names, in_a_row
from tinygrad_lm.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

TABLE = 1 << 20
"""Contexts of up to this many ids in all (8 MiB) are cut out once: training draws from them thousands of times."""


class NameDataset:
    """The training examples of a list of names: ``context`` ids, and the id that comes next.

    A name of n tokens gives n + 1 examples: each token, and the boundary that ends the name, after the ``context``
    tokens before it; the boundary also fills a context that would reach past the start. With a context of 3,
    "abid" gives --- a, --a b, -ab i, abi d, bid -.

    Contexts of more than 8 MiB are not kept: the dataset then holds two small integers an example, and cuts windows
    out as they are drawn.

    Attributes
    ----------
    names
        The names, in the order given.
    vocabulary
        What the ids mean.
    context
        The length of the window.
    contexts
        The contexts of all examples: int64 ``(len(self), context)``, read-only, made when it is first asked for.
    targets
        The targets of all examples: int64 ``(len(self),)``, read-only, likewise.

    Raises
    ------
    DataError
        For no name, an empty name, a character outside the vocabulary, and a context that is not an integer from 1 up.
    """

    def __init__(self, names: Sequence[str], vocabulary: Tokenizer, context: int = 3) -> None:
        self.names = checked_names(names)
        self.vocabulary = vocabulary
        what = "the context, the length of the window, is an integer from 1 up; got"
        self.context = whole_number(context, 1, what, error=DataError)
        self._ids, starts = in_a_row(self.names, vocabulary)
        self._places = _places(starts, len(self._ids))

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
        """The examples of one name as text, to print: ``[("---", "a"), ("--a", "b"), ...]``.

        Raises
        ------
        DataError
            Where a character of the name is outside the vocabulary.
        """
        decode = self.vocabulary.decode
        ids, starts = in_a_row([name], self.vocabulary)
        contexts, targets = _windows(ids, _places(starts, len(ids)), np.arange(len(ids)), self.context)
        return [(decode(row), decode([target])) for row, target in zip(contexts, targets.tolist(), strict=True)]

    def batches(self, batch_size: int, rng: np.random.Generator, shuffle: bool = True) -> Iterator[Pair]:
        """One epoch: every example once, ``batch_size`` at a time, the last batch with what is left.

        Parameters
        ----------
        batch_size
            From 1 to ``len(self)``.
        rng
            Decides the order when the examples are shuffled.
        shuffle
            Whether to mix the examples of all names; else they come in the order of the names.

        Returns
        -------
        Iterator
            Pairs of contexts ``(size, context)`` and targets ``(size,)``, int64, the caller's own to change.

        Raises
        ------
        DataError
            Where the batch size is out of range (at the call, before the first batch).
        """
        check_batch_size(batch_size, len(self), "windows")
        order = rng.permutation(len(self)) if shuffle else np.arange(len(self))
        return (
            self._drawn(chosen)
            for chosen in (order[start : start + batch_size] for start in range(0, len(self), batch_size))
        )

    def sample(self, batch_size: int, rng: np.random.Generator) -> Pair:
        """One batch drawn with replacement: contexts ``(batch_size, context)``, targets ``(batch_size,)``, int64.

        Raises
        ------
        DataError
            Where the batch size is not an integer from 1 to ``len(self)``.
        """
        check_batch_size(batch_size, len(self), "windows")
        return self._drawn(rng.integers(len(self._ids), size=batch_size))

    def take(self, chosen: NDArray[np.int64]) -> Pair:
        """The examples of these numbers: contexts ``(len(chosen), context)``, targets ``(len(chosen),)``, int64."""
        return _windows(self._ids, self._places, chosen, self.context)

    def _drawn(self, chosen: NDArray[np.int64]) -> Pair:
        if len(self._ids) * self.context <= TABLE:
            return self.contexts.take(chosen, axis=0), self.targets.take(chosen)
        return self.take(chosen)


def _places(starts: Ids, count: int) -> Ids:
    """The place of each id in its name, in the smallest unsigned dtype."""
    # One step up each time, and back to 0 where a name starts.
    steps = np.ones(count, np.int32)
    steps[0] = 0
    steps[starts[1:]] = 1 - np.diff(starts)
    places = np.cumsum(steps, out=steps)
    return places.astype(np.min_scalar_type(int(places.max())))


def _windows(ids: Ids, places: Ids, chosen: NDArray[np.int64], context: int) -> Pair:
    """The windows that end at the chosen ids of a row: what stands before each, and the boundary before its name.

    A name follows the boundary that closes the one before it, and the first name the last boundary, at -1.
    """
    first = chosen - places.take(chosen)
    before = chosen[:, None] - np.arange(context, 0, -1)
    np.maximum(before, first[:, None] - 1, out=before)
    return ids.take(before).astype(np.int64), ids.take(chosen).astype(np.int64)
