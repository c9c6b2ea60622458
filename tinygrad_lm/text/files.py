"""Reading lists of names from files, the bundled list among them."""

import codecs
import os
from pathlib import Path

from tinygrad_lm.checks import quoted
from tinygrad_lm.text.errors import DataError

UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
MAX_SIZE = 1 << 28
REMEDY = "Give a text file in UTF-8 with one name a line"


def read_names(path: str | os.PathLike[str]) -> list[str]:
    """The raw lines of a UTF-8 text file, with or without a byte order mark, under any line ending.

    Raises
    ------
    DataError
        Where there is no such file, it is a directory, cannot be opened, holds no text, is binary, or is not UTF-8
        (named with the byte offset).
    """
    file = Path(path)
    shown = quoted(str(file), limit=200)
    try:
        with file.open("rb") as opened:
            raw = opened.read(MAX_SIZE + 1)
    except FileNotFoundError:
        raise DataError(f"there is no file {shown}. {REMEDY}.") from None
    except IsADirectoryError:
        raise DataError(f"{shown} is a directory, not a file. {REMEDY}.") from None
    except (OSError, ValueError) as error:
        # Windows answers a directory with PermissionError; a path that holds NUL is a ValueError.
        what = "is a directory, not a file" if file.is_dir() else f"cannot be read: {error}"
        raise DataError(f"{shown} {what}. {REMEDY}.") from None
    if len(raw) > MAX_SIZE:
        raise DataError(f"{shown} is larger than {MAX_SIZE:,} bytes, which no list of names is. {REMEDY}.")
    return _lines(raw, shown)


def bundled_names() -> list[str]:
    """The Indian first names that come with the package: sorted, unique, lower-case a-z, 4 to 10 letters.

    Raises
    ------
    DataError
        Where the list is missing from the installation.
    """
    from importlib import resources  # which imports much, and most programs read other names

    installed = resources.files("tinygrad_lm") / "data" / "names.txt"
    if installed.is_file():
        return _lines(installed.read_bytes(), "the bundled list")
    checkout = Path(__file__).resolve().parents[2] / "data" / "names.txt"
    if checkout.is_file():
        return read_names(checkout)
    raise DataError("the bundled list, data/names.txt, is not installed. Install the package again.")


def _lines(raw: bytes, shown: str) -> list[str]:
    if raw.startswith(UTF16_MARKS):
        raise DataError(f"{shown} is UTF-16, not UTF-8. Save it as UTF-8, one name a line.")
    if (nul := raw.find(b"\0")) >= 0:
        raise DataError(f"{shown} is a binary file: byte {nul} is NUL. {REMEDY}.")
    body = raw.removeprefix(codecs.BOM_UTF8)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        offset = len(raw) - len(body) + error.start
        line = raw.count(b"\n", 0, offset) + 1
        raise DataError(
            f"{shown} is not UTF-8: byte {offset}, on line {line}, is {raw[offset]:#04x}. "
            "Save it as UTF-8, one name a line."
        ) from None
    if not text or text.isspace():
        raise DataError(f"{shown} is empty: it holds no name. {REMEDY}.")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines
