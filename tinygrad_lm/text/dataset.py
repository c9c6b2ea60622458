"""The sliding window: names cut into contexts of fixed length, each with the token that follows it."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from tinygrad_lm.text.errors import DataError, check_integer, quoted
from tinygrad_lm.text.vocabulary import Vocabulary

Pair = tuple[NDArray[np.int64], NDArray[np.int64]]


class NameDataset:
    """The training examples of a list of names: `context` ids, and the id that comes next.

    A name of n characters gives n + 1 examples: each character, and the boundary that ends it, after the
    `context` tokens before it; the boundary also fills a context that would reach past the start. With a
    context of 3, "abid" gives --- a, --a b, -ab i, abi d, bid -.

    Attributes:
        names: the names, in the order given.
        vocabulary: what the ids mean.
        context: the length of the window.
        contexts: int64 array of shape `(len(self), context)`, read-only.
        targets: int64 array of shape `(len(self),)`, read-only.

    Raises:
        DataError: no name, an empty name, a character outside the vocabulary, or a context that is not an
            integer from 1 up.
    """

    def __init__(self, names: Sequence[str], vocabulary: Vocabulary, context: int = 3) -> None:
        if isinstance(names, str):
            raise DataError(f"a dataset needs a list of names; got the string {quoted(names)}")
        check_integer(context, 1, "the context, the length of the window,")
        if not len(names):
            raise DataError("a dataset needs at least one name; got none")
        if "" in names:
            raise DataError(f"name {names.index('')} (counted from 0) is empty. Clean the list with clean_names first.")
        self.names = tuple(names)
        self.vocabulary = vocabulary
        self.context = int(context)
        encoded = [vocabulary.encode(name) for name in names]
        self.contexts, self.targets = _slide(encoded, self.context, vocabulary.boundary_id)
        self.contexts.flags.writeable = False
        self.targets.flags.writeable = False

    def __len__(self) -> int:
        """The number of examples (windows), not of names."""
        return len(self.targets)

    def __repr__(self) -> str:
        return f"NameDataset({len(self.names)} names, {len(self)} windows, context {self.context})"

    def windows(self, name: str) -> list[tuple[str, str]]:
        """The examples of one name as text, to print: `[("---", "a"), ("--a", "b"), ...]`.

        Raises:
            DataError: a character of the name is outside the vocabulary.
        """
        decode = self.vocabulary.decode
        contexts, targets = _slide([self.vocabulary.encode(name)], self.context, self.vocabulary.boundary_id)
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
            (self.contexts.take(chosen, axis=0), self.targets.take(chosen))
            for chosen in (order[start : start + batch_size] for start in range(0, len(self), batch_size))
        )

    def sample(self, batch_size: int, rng: np.random.Generator) -> Pair:
        """One batch drawn with replacement: contexts `(batch_size, context)`, targets `(batch_size,)`, int64.

        Raises:
            DataError: the batch size is not an integer from 1 to `len(self)`.
        """
        self._check_batch_size(batch_size)
        chosen = rng.integers(len(self.targets), size=batch_size)
        return self.contexts.take(chosen, axis=0), self.targets.take(chosen)

    def _check_batch_size(self, batch_size: int) -> None:
        check_integer(batch_size, 1, "the batch size")
        if batch_size > len(self.targets):
            raise DataError(
                f"a batch of {batch_size} is larger than the data, which has {len(self.targets)} windows. "
                f"Choose a batch size of at most {len(self.targets)}, or give more names."
            )


def _slide(encoded: Sequence[Sequence[int]], context: int, boundary: int) -> Pair:
    """The windows of several encoded names, without a Python loop over the characters.

    The names stand in one row, each closed by the boundary: that row is the targets. A column of the contexts
    is the same row shifted by 1 ... `context` places, and the boundary where it would show the name before.
    """
    sizes = np.array([len(ids) + 1 for ids in encoded])
    targets = np.array([index for ids in encoded for index in (*ids, boundary)], dtype=np.int64)
    position_in_name = np.arange(len(targets)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    contexts = np.full((len(targets), context), boundary, dtype=np.int64)
    for back in range(1, min(context, int(sizes.max())) + 1):
        inside = np.flatnonzero(position_in_name >= back)
        contexts[inside, context - back] = targets[inside - back]
    return contexts, targets
