"""The lock on a run folder: one process trains a run at a time, and the lock ends with the process that holds it."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from tinygrad_lm.models.disk import check_writable

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCK = "training.lock"
BUSY = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)
FAR = 1 << 30
"""Where Windows locks a byte, beyond the content: nobody else can read what it locks."""


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Hold the lock on a folder: no other process (nor thread) trains in it, and reading stays possible.

    It is the operating system's own lock on a file. The process id in the file only serves the message. Where a file
    system has no locks, the folder is trained in without one.

    Raises
    ------
    BlockingIOError
        At once, where the folder is locked.
    ModelFileError
        Where the file is a link or pipe.
    """
    path = folder / LOCK
    handle = _acquire(path)
    try:
        with suppress(OSError):  # a full disk: the lock holds without words
            os.ftruncate(handle, 0)
            os.write(handle, f"{os.getpid()}\n".encode())
        yield
    finally:
        if sys.platform != "win32":  # while it is locked, so that nobody else's is removed
            path.unlink(missing_ok=True)
        os.close(handle)
        if sys.platform == "win32":  # which refuses to remove what is open, here or by the next to lock it
            with suppress(OSError):
                path.unlink()


def holder(folder: Path) -> str | None:
    """Who trains in a folder now, in words; ``None`` where nobody does."""
    path = folder / LOCK
    if not path.is_file():
        return None
    handle = os.open(path, os.O_RDWR)
    try:
        return None if _lock(handle) else _named(handle)
    finally:
        os.close(handle)


def _acquire(path: Path) -> int:
    while True:
        check_writable(path)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        try:
            if not _lock(handle):
                raise BlockingIOError(f"{path.parent} is being trained by {_named(handle)}; wait for it, or stop it")
            # Its holder may have removed the file between our opening and locking it.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), path.stat()):
                    return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _lock(handle: int) -> bool:
    """Lock an open file; false where another process has locked it."""
    try:
        if sys.platform == "win32":
            os.lseek(handle, FAR, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            os.lseek(handle, 0, os.SEEK_SET)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in BUSY
    return True


def _named(handle: int) -> str:
    os.lseek(handle, 0, os.SEEK_SET)
    pid = os.read(handle, 20).strip()
    return f"another process (pid {int(pid)})" if pid.isdigit() else "another process"
