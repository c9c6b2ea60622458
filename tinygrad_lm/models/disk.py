"""Files on disk: written whole or not at all, appended to without following links, read within a limit."""

from __future__ import annotations

import os
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


class ModelFileError(ValueError):
    """A model file or run folder that is missing, damaged, foreign or of a newer format; says what is wrong."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: a temporary file beside it, flushed to disk, then renamed over it.

    Raises
    ------
    OSError
        Naming the file where the disk is full or may not be written.
    """
    with _naming(path):
        _replace(path, content)


def _replace(path: Path, content: bytes) -> None:
    import tempfile

    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if os.name == "posix":
        _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    """Make a renaming last through a power failure, where the file system can."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _naming(path: Path) -> Generator[None]:
    """A failure to write names the file, which the system does only for an opening, and what that means."""
    try:
        yield
    except OSError as error:
        what = f"{error.strerror or error}; it was not written, and all is as it was last saved"
        raise OSError(error.errno, what, str(path)) from None


def append_text(path: Path, text: str) -> None:
    """Add text to a file, made where it is missing; what UTF-8 cannot hold (lone surrogates) is escaped.

    Raises
    ------
    ModelFileError
        For a link, pipe or device, which could lead out of the folder or wait for ever.
    """
    check_writable(path)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):  # each where the system has it
        flags |= getattr(os, name, 0)
    with _naming(path), os.fdopen(os.open(path, flags, 0o666), "ab") as file:
        file.write(text.encode("utf-8", errors="backslashreplace"))


def check_writable(path: Path) -> None:
    """Raise ``ModelFileError`` unless a path is free or a regular file, itself and not by a link."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        what = "a link" if stat.S_ISLNK(mode) else "no regular file"
        raise ModelFileError(f"{path} is {what}: a run is written only to regular files of its own folder; remove it")


def size_of_file(path: Path) -> int:
    """The size of a file in bytes.

    Raises
    ------
    ModelFileError
        Where it is missing, or a folder, pipe or device.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror or error}") from None
    if not stat.S_ISREG(status.st_mode):
        raise ModelFileError(f"{path} is not a regular file")
    return status.st_size


@contextmanager
def reading(path: Path, limit: int) -> Generator[BinaryIO]:
    """A file opened to read.

    Raises
    ------
    ModelFileError
        Where it is missing, no file, or larger than the limit.
    """
    if size_of_file(path) > limit:  # before the opening, which waits for the other end of a pipe
        raise ModelFileError(f"{path} is larger than {limit:,} bytes, which no file of this kind is")
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror or error}") from None


def read_bytes(path: Path, limit: int) -> bytes:
    """A file's content.

    Raises
    ------
    ModelFileError
        As ``reading`` does.
    """
    with reading(path, limit) as file:
        return file.read(limit)
