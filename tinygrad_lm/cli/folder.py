"""The run folder that a command is given."""

from __future__ import annotations

from pathlib import Path

from tinygrad_lm import runs


def run_folder(text: str) -> Path:
    """The folder of a run. Where there is none, ``ModelFileError`` names those that there are."""
    folder = Path(text)
    if not folder.exists() and (known := runs.known()):
        shown = ", ".join(known[:10]) + (f" and {len(known) - 10:,} more" if len(known) > 10 else "")
        raise runs.ModelFileError(f"there is no run folder {text!r}; there are {shown}")
    return folder
