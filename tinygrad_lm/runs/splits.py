"""Whether two runs learned from, and are validated on, the same names: else their losses say nothing of each other."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any, cast

from tinygrad_lm.models import ModelFileError
from tinygrad_lm.runs.folder import typed
from tinygrad_lm.runs.opening import Run

OPTIONS = {
    "seed": "--split-seed",
    "file": "--data",
    "alphabet": "--alphabet",
    "boundary": "--boundary",
    "min_length": "--min-length",
    "max_length": "--max-length",
}
"""What decides a split, and the option of ``train`` that says it."""


def differing(one: Run, other: Run) -> str:
    """In what the splits of two runs differ, in words; ``""`` where both have the same names in each part."""
    told = [_told(run) for run in (one, other)]
    same = told[0].get("fingerprint") == told[1].get("fingerprint")
    if same and one.training_names == other.training_names and one.model.vocabulary == other.model.vocabulary:
        return ""
    known = [f"{option} {_shown(name, told[0])} and {_shown(name, told[1])}" for name, option in OPTIONS.items()]
    found = [words for name, words in zip(OPTIONS, known, strict=True) if told[0].get(name) != told[1].get(name)]
    return ", ".join(found) or "the names themselves, which have changed in between"


def check_same_split(one: Run, other: Run) -> None:
    """Raise ``ModelFileError``, which says what differs and the remedy, where the splits of two runs do."""
    if what := differing(one, other):
        how = "".join(f" {each}" for each in _options(one, other))
        raise ModelFileError(
            f"{one.folder} and {other.folder} were not trained on the same split of the same names ({what:.300}), so "
            f"that one may have learned what the other is tested on; train {other.folder} anew{how:.300}"
        )


def _options(one: Run, other: Run) -> Iterator[str]:
    """The options of ``train`` that give the second the split of the first."""
    first, second = _told(one), _told(other)
    for name, option in OPTIONS.items():
        value = first.get(name)
        if value != second.get(name):
            text = typed(one.folder / str(value)) if name == "file" else shlex.quote(str(value))
            yield f"without {option}" if value is None else f"with {option} {text}"


def _told(run: Run) -> dict[str, Any]:
    data: object = run.config["data"]
    return cast(dict[str, Any], data) if isinstance(data, dict) else {}


def _shown(name: str, told: dict[str, Any]) -> str:
    value = told.get(name)
    if value is None:
        return "the bundled names" if name == "file" else "none"
    return f"{value!r:.80}"
