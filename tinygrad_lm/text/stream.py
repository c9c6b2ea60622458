"""A list of names as one stream of ids, which datasets cut their examples from, and the checks that they share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from tinygrad_lm.checks import quoted, whole_number
from tinygrad_lm.text.errors import DataError
from tinygrad_lm.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

Ids: TypeAlias = "NDArray[np.integer]"
"""Ids, or their places, in any integer dtype."""
Pair: TypeAlias = "tuple[NDArray[np.int64], NDArray[np.int64]]"
"""The inputs of a model, and its targets."""


def checked_names(names: Sequence[str]) -> tuple[str, ...]:
    """The names as a tuple, once they are checked.

    Raises
    ------
    DataError
        For no name, an empty name, and one string in place of a list.
    """
    if isinstance(names, str):
        raise DataError(f"a dataset needs a list of names; got the string {quoted(names)}")
    if not len(names):
        raise DataError("a dataset needs at least one name; got none")
    if "" in names:
        raise DataError(f"name {names.index('')} (counted from 0) is empty. Clean the list with clean_names first.")
    return tuple(names)


def check_batch_size(batch_size: int, count: int, what: str) -> None:
    """Check that a batch size is an integer from 1 to ``count``, the number of the data's ``what``.

    Raises
    ------
    DataError
        Where it is not.
    """
    whole_number(batch_size, 1, "the batch size is an integer from 1 up; got", error=DataError)
    if batch_size > count:
        raise DataError(
            f"a batch of {batch_size} is larger than the data, which has {count} {what}. "
            f"Choose a batch size of at most {count}, or give more names."
        )


def in_a_row(names: Sequence[str], vocabulary: Tokenizer) -> tuple[Ids, NDArray[np.int64]]:
    """The ids of all names, each closed by the boundary, in the smallest unsigned dtype; and where each name starts."""
    encode, boundary = vocabulary.encode, (vocabulary.boundary_id,)
    # The ids go from list to array without a turn of Python's for each.
    parts = chain.from_iterable((encode(name), boundary) for name in names)
    ids = np.fromiter(chain.from_iterable(parts), np.min_scalar_type(len(vocabulary) - 1))
    ends = np.flatnonzero(ids == vocabulary.boundary_id)
    starts = np.zeros(len(ends), np.int64)
    starts[1:] = ends[:-1] + 1
    return ids, starts
