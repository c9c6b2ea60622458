"""Which names a run is about: read, cleaned and split, and read again when a run goes on or is evaluated."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinygrad_lm import runs
from tinygrad_lm.checks import quoted
from tinygrad_lm.models import LanguageModel, ModelFileError, disk, files
from tinygrad_lm.text import (
    CleanedNames,
    DataError,
    Split,
    Tokenizer,
    Vocabulary,
    bundled_names,
    clean_names,
    read_names,
    split_names,
)
from tinygrad_lm.text.names import LONGEST

OWN_COPY = "names.txt"
"""Where a run keeps the lines that it cannot read again."""


@dataclass(frozen=True)
class Source:
    """Which names a run is about, as its configuration says it."""

    file: str | None
    """An absolute path, ``names.txt`` for the run's own copy of what came through a pipe, None: the bundled names."""
    alphabet: str
    boundary: str
    min_length: int
    max_length: int | None
    seed: int

    @property
    def origin(self) -> str:
        """Where the names come from, in words."""
        if self.file is None:
            return "the bundled Indian names"
        return f"a pipe; the run keeps its lines in {OWN_COPY}" if self.file == OWN_COPY else self.file

    def split(self, lines: Sequence[str]) -> tuple[CleanedNames, Split, Tokenizer]:
        """The names among the lines, cleaned and split, and the vocabulary they are written in."""
        if self.alphabet == "data":
            possible = (line.lower() for line in lines if len(line) <= LONGEST)
            vocabulary = Vocabulary.from_names(possible, self.boundary)
        else:
            vocabulary = Vocabulary(boundary=self.boundary)
        cleaned = clean_names(lines, vocabulary, self.min_length, self.max_length)
        return cleaned, split_names(cleaned.kept, seed=self.seed), vocabulary


def read(data: str | None) -> tuple[str | None, list[str]]:
    """What ``--data`` names: how a configuration calls it, and its lines, which are read only once."""
    if data is None:
        return None, bundled_names()
    path = Path(data)
    passing = path.exists() and not path.is_file() and not path.is_dir()
    return OWN_COPY if passing else os.path.realpath(data), read_names(data)


def keep(folder: Path, source: Source, lines: Sequence[str]) -> None:
    """Leave a copy of the lines in the run folder where they cannot be read again."""
    if source.file == OWN_COPY:
        disk.write_atomically(folder / OWN_COPY, "".join(f"{line}\n" for line in lines).encode("utf-8"))


def copy(folder: Path, source: Source, original: Path) -> None:
    """Take over the lines that another run keeps of the same names."""
    if source.file == OWN_COPY:
        disk.write_atomically(folder / OWN_COPY, disk.read_bytes(original / OWN_COPY, files.MAX_FILE))


def of_run(config: Mapping[str, Any], folder: Path) -> Source:
    """The source that a run's configuration names.

    Raises
    ------
    ModelFileError
        Where it names none.
    """
    with suppress(KeyError, TypeError, AttributeError):
        known = {name: value for name, value in config["data"].items() if name != "fingerprint"}
        if isinstance(known["file"], str | None) and known["alphabet"] in ("latin", "data"):
            return Source(**known)
    raise ModelFileError(f"{folder / runs.CONFIG} does not say which data the run is about")


def read_again(config: Mapping[str, Any], model: LanguageModel, folder: Path, remedy: str) -> tuple[Source, Split]:
    """The source of a run and its names, split as they were.

    Raises
    ------
    DataError
        Where they have changed since.
    """
    source = of_run(config, folder)
    file = None if source.file is None else folder / source.file
    if source.file == OWN_COPY and not (folder / OWN_COPY).is_file():
        raise DataError(f"{folder} has no {OWN_COPY}, the copy of its names; {remedy}")
    if file is not None and file.exists() and not (file.is_file() or file.is_dir()):
        raise DataError(f"the names came from {file}, which is no file that is read again; {remedy}")
    _, split, vocabulary = source.split(bundled_names() if file is None else read_names(file))
    seen = runs.fingerprint((*split.train, *split.validation))
    if config["data"].get("fingerprint") != seen or model.vocabulary != vocabulary:
        raise DataError(
            f"the names in {'the package' if file is None else file} have changed since {folder} was started; {remedy}"
        )
    return source, split


def to_measure(found: runs.Run) -> tuple[Sequence[str], Sequence[str], str]:
    """The validation and the test names of a run, or none, and why they cannot be read again."""
    try:
        _, split = read_again(found.config, found.model, found.folder, "so its losses are left out")
    except (DataError, ModelFileError, OSError) as error:
        return (), (), str(error)
    return split.validation, split.test, ""


def some(names: Sequence[str]) -> str:
    """The first three of a list, each cut to a readable length."""
    return ", ".join(quoted(name, 30) for name in names[:3]) + (", ..." if len(names) > 3 else "")
