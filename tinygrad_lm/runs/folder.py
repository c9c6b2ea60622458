"""The folder of a run: what its files are called, a new one, one that is locked, and how it is typed into a shell."""

from __future__ import annotations

import itertools
import os
import re
import shlex
from contextlib import AbstractContextManager
from pathlib import Path

from tinygrad_lm import locking
from tinygrad_lm.models import ModelFileError, files
from tinygrad_lm.models.saving import WEIGHTS as WEIGHTS

CONFIG = "config.json"
METRICS = "metrics.csv"
LOG = "log.txt"
CHECKPOINT = "checkpoint.safetensors"
TRAINING_NAMES = "training_names.txt"
PICTURES = ("graph.dot", "graph.svg", "graph.html")

Folder = str | os.PathLike[str]


def new_folder(out: Folder | None, kind: str) -> Path:
    """Make the folder of a new run: the one asked for, else the first free of runs/KIND-1, runs/KIND-2, ...

    Raises
    ------
    FileExistsError
        Where the folder asked for holds something already, so that no run is lost, and where something that is no
        folder has its name.
    """
    if out is not None:
        folder = Path(out)
        if folder.is_dir() and (who := locking.holder(folder)) is not None:
            raise FileExistsError(f"{folder} is the run that {who} is training; give another --out")
        check_free(folder)
        _make(folder, "give another --out")
        return folder
    home = Path("runs")
    _make(home, "remove it, or say where the run goes: --out DIR")
    taken = {path.name.lower() for path in home.iterdir()}  # a link that leads nowhere takes its name too
    for number in itertools.count(1):
        folder = home / f"{kind}-{number}"
        if folder.name.lower() not in taken:
            try:
                folder.mkdir()
            except FileExistsError:  # by another process, since we looked
                continue
            return folder
    raise AssertionError("there is no last number")


def is_numbered(folder: Folder, kind: str) -> bool:
    """Whether a folder has a name that ``new_folder`` gives where none is asked for: runs/KIND-1, runs/KIND-2, ..."""
    where = Path(folder).resolve()
    return (
        where.parent == Path("runs").resolve() and re.fullmatch(rf"{re.escape(kind)}-[1-9]\d*", where.name) is not None
    )


def check_free(folder: Path) -> None:
    """Raise ``FileExistsError`` where the folder of a new run holds something (but a lock), or is a file."""
    if folder.is_file() or (folder.is_dir() and any(path.name != locking.LOCK for path in folder.iterdir())):
        raise FileExistsError(f"{folder} {_taken(folder)}")


def _make(folder: Path, remedy: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        what = Path(error.filename or folder)  # it may be a folder above
        raise FileExistsError(f"{what} is there and is no folder; {remedy}") from None


def _taken(folder: Path) -> str:
    """Why a folder that holds something cannot be that of a new run, and what can be done."""
    try:
        ended = files.read_metadata(folder / CHECKPOINT)["ended"]
    except (ModelFileError, KeyError):
        return "exists and is not empty; give another --out"
    which, steps = ("finished", " --steps N") if ended else ("stopped", "")
    return (
        f"exists and is not empty; give another --out, or go on with this {which} run: --resume {typed(folder)}{steps}"
    )


def typed(folder: Folder) -> str:
    """A folder as it is typed into a shell, which takes it for that folder and nothing else."""
    path = str(Path(folder))
    path = f".{os.sep}{path}" if path.startswith("-") else path
    if os.name == "posix":
        return shlex.quote(path)
    return f'"{path}"' if " " in path else path


def locked(folder: Folder) -> AbstractContextManager[None]:
    """Within, nobody else trains the run.

    Raises
    ------
    BlockingIOError
        Naming the process where one does already.
    """
    folder = Path(folder)
    check_folder(folder)
    return locking.locked(folder)


def check_folder(folder: Path) -> None:
    """Raise ``ModelFileError`` unless there is such a folder."""
    if folder.is_file():
        inside = (folder.parent / CONFIG).is_file()
        what = f"give its folder, {str(folder.parent)!r}" if inside else "a run comes first, then a list of names"
        raise ModelFileError(f"there is no run folder {str(folder)!r}: it is a file; {what}")
    if not folder.is_dir():
        raise ModelFileError(
            f"there is no run folder {str(folder)!r}; train one with: tinygrad-lm train --out {typed(folder)}"
        )


def known() -> list[str]:
    """The run folders below ``runs``, as they are named on the command line, by family and number."""
    home = Path("runs")
    found = [path for path in home.iterdir() if (path / CONFIG).is_file()] if home.is_dir() else []
    return [typed(path) for path in sorted(found, key=_place)]


def _place(folder: Path) -> tuple[str, int, str]:
    family, _, number = folder.name.rpartition("-")
    numbered = number.isdecimal() and len(number) < 18
    return (family, int(number), folder.name) if numbered else (folder.name, 0, "")
