"""What a command prints, and keeps in the log of its run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import TextWrapper

from tinygrad_lm.cli.terminal import printable

WIDTH = 80
"""How many columns a line has at most, where it can be broken: a folder or a file is one word."""


class Console:
    """Prints, and writes the same into the run's log once there is one."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._folder: Path | None = None

    def __call__(self, text: str = "") -> None:
        """Print a line, with its control characters as escapes."""
        text = printable(text)
        try:
            print(text, flush=True)
        except OSError as error:
            raise OSError(error.errno, error.strerror, "standard output") from None
        self._lines.append(text)
        self._write()

    def wrapped(self, text: str, indent: str = "") -> None:
        """Print a sentence in lines that fit a terminal, those after the first further to the right."""
        lines = TextWrapper(
            WIDTH,
            initial_indent=indent,
            subsequent_indent=f"{indent}  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in lines.wrap(text):
            self(line)

    def log_to(self, folder: Path) -> None:
        """From now on, and for what was printed so far, keep a log in a run folder."""
        self._folder = folder
        self._write()

    def _write(self) -> None:
        if self._folder is not None:
            from tinygrad_lm import runs  # as whoever has a run has done before

            runs.append_log(self._folder, "".join(line + "\n" for line in self._lines))
            self._lines.clear()

    def table(self, rows: Sequence[Sequence[str]], indent: str = "  ") -> None:
        """Columns, the first to the left and the others to the right."""
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        for first, *rest in rows:
            cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))]
            self(indent + "  ".join(cells).rstrip())
