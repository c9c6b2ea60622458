"""Errors of the package in the words of the command line: its options, where the package names Python's arguments."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import TypeVar

from tinygrad_lm.cli.parsing import Options, UsageError, option

PHRASES = {
    # the names and their vocabulary
    "build the vocabulary from them: Vocabulary.from_names(names)": "train with --alphabet data",
    "build a vocabulary from your own names: Vocabulary.from_names(names)": "train on names that have it, with "
    "--alphabet data",
    "choose another boundary for this vocabulary": "train with another --boundary",
    "such as boundary='.'": "such as --boundary .",
    " by (0.8, 0.1, 0.1) into": " into",
    ", at least three, or a larger first fraction": ", at least three",
    # the training
    "; None clips nothing": "; none clips nothing",
    ", or None for no average, not": ", or none for no average, not",
    "choose a batch size of at most": "choose a --batch-size of at most",
    "warmup_steps must be fewer": "--warmup-steps must be fewer",
    # what is written
    "; shorten it": "; shorten it, or give a larger --max-length",
    "must not occur: leave it out of one of the two": "must not occur: leave it out of --must-contain or of "
    "--must-not-contain",
    "must not occur: change one of the two": "must not occur: change --prefix or --must-not-contain",
    "a smaller depth or top_k, a larger min_p": "a smaller --tree or --top-k, or a larger --min-p",
}
"""What the package says to those who call it from Python, and what a user of the commands is told instead."""

Told = TypeVar("Told", bound=Options)


def in_options(run: Callable[[Told], int]) -> Callable[[Told], int]:
    """A command whose errors name the options that its user has typed, and no argument of Python's."""

    @wraps(run)
    def reworded(options: Told) -> int:
        try:
            return run(options)
        except (UsageError, ValueError) as error:
            from tinygrad_lm.models import ModelFileError
            from tinygrad_lm.text import DataError

            if isinstance(error, UsageError | DataError):
                error.args = (reword(str(error), _names(options)),)
            elif isinstance(error, ModelFileError):  # the settings in a file keep their names
                error.args = (reword(str(error)),)
            raise

    return reworded


def reword(said: str, names: Iterable[str] = ()) -> str:
    """A message with the phrases of the command line, and with options for these names where they stand as words."""
    for phrase, words in PHRASES.items():
        said = said.replace(phrase, words)
    for name in names:
        said = re.sub(rf"(?<![\w'\"/\\.-]){name}(?![\w'\"/\\=(]|\.\w)", option(name), said)
    return said


def _names(options: Options) -> Iterator[str]:
    """The options whose names in Python are no words, those of the model among them."""
    choice = getattr(options, "choice", None)
    settings = () if choice is None else (setting.name for setting in choice.options())
    declared = (name for each in type(options).__mro__ for name in getattr(each, "__annotations__", ()))
    yield from (name for name in (*declared, *settings) if "_" in name)
