"""Runs that are kept from one call of a benchmark to the next: used again for the same command, once they are finished.

Beside the folder of a run stands NAME.json. It says what was asked for before the command begins, and the hash of the
weights when that has ended well. So a run of another command is refused, as is one whose weights were changed since,
and one that was interrupted goes on, or is made again.
"""

import hashlib
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tinygrad_lm import locking, runs
from tinygrad_lm.models import files

WEIGHTS = "weights"
"""Where a record has the hash of the weights; a run without it is not finished."""


def make(folder: Path, words: Sequence[str], asked: Mapping[str, object], again: bool = False) -> Path:
    """The run that a command of the package makes in a folder, which is not made again once it is finished.

    Parameters
    ----------
    folder
        Where it is kept.
    words
        The command, but for ``--out``.
    asked
        What tells this run from others: its command as it is typed, and whatever else decides what comes out.
    again
        Make it again where something else was asked for, which loses what was made.

    Raises
    ------
    SystemExit
        Where the folder holds something else, which the message names, and where the command fails, with what it said.
    """
    line = [*words, "--out", str(folder)]
    if folder.is_dir() and any(folder.iterdir()):
        record = _record(folder)
        other = [what for what in asked if record.get(what) != asked[what]]
        if other and again:
            shutil.rmtree(folder)
        elif other:
            was, now = record.get(other[0]), asked[other[0]]
            raise SystemExit(
                f"{folder} is another run: its {other[0]} was {was!r} and is now {now!r}; {_remedy(folder)}"
            )
        elif WEIGHTS not in record:
            line = _rest(folder, line)
        elif record[WEIGHTS] == hash_of_weights(folder):
            return folder
        else:
            raise SystemExit(f"{folder} was changed since it was made: its weights are others; {_remedy(folder)}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    _write(folder, asked)
    _run(line)
    _write(folder, {**asked, WEIGHTS: hash_of_weights(folder)})
    return folder


def hash_of_weights(folder: Path) -> str | None:
    """A hash of the weights of a run; ``None`` where it has none."""
    path = folder / runs.WEIGHTS
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _record(folder: Path) -> dict[str, object]:
    """What stands beside a folder."""
    try:
        return dict(json.loads(_beside(folder).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise SystemExit(f"nothing says which command made {folder}; {_remedy(folder)}") from None


def _rest(folder: Path, line: list[str]) -> list[str]:
    """What an interrupted run still needs: the rest of its training, or all of it, for which its folder is emptied."""
    if (who := locking.holder(folder)) is not None:
        raise SystemExit(f"{folder} is made by {who} now; wait for it, or give another --out")
    try:
        ended = files.read_metadata(folder / runs.CHECKPOINT)["ended"]
    except (runs.ModelFileError, KeyError):
        ended = True  # of counts, of a mixture, and of a training that had saved nothing yet
    if not ended:
        return ["train", "--resume", str(folder)]
    shutil.rmtree(folder)
    return line


def _run(line: Sequence[str]) -> None:
    line = [sys.executable, "-m", "tinygrad_lm", *line]
    print(f"  {shlex.join(line[2:])}", file=sys.stderr, flush=True)
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])


def _beside(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.json")


def _write(folder: Path, record: Mapping[str, object]) -> None:
    _beside(folder).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _remedy(folder: Path) -> str:
    return f"delete the folder {runs.typed(folder)}, or give another --out"
