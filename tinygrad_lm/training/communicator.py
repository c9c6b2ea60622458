"""``Communicator``: how the processes that share a training talk; one process alone, and several by MPI."""

from __future__ import annotations

import sys
import time
import traceback
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from mpi4py import MPI
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]

INSTALL = "pip install mpi4py mpich"
"""What a user types who has no MPI; it needs no root."""


class Communicator(Protocol):
    """What a ``Trainer`` asks of the processes (or threads) that share a training: the ranks.

    All ranks call the same methods in the same order, and each call waits for all of them.
    """

    @property
    def rank(self) -> int:
        """Which of them this is, from 0."""
        ...

    @property
    def size(self) -> int:
        """How many there are."""
        ...

    def gather(self, array: Bytes) -> Bytes:
        """The flat arrays of all ranks, all of one length, in the order of the ranks, for each: ``(size, length)``.

        The next call may write into the same array.
        """
        ...

    def broadcast(self, array: Bytes) -> Bytes:
        """The flat array of rank 0, for each; what the others give is not looked at."""
        ...


class Alone:
    """One rank, which has nobody to talk to: it ends with the same bytes as several that share its work."""

    rank = 0
    size = 1

    def gather(self, array: Bytes) -> Bytes:
        """Its own array."""
        return array[None]

    def broadcast(self, array: Bytes) -> Bytes:
        """Its own array."""
        return array


class OverMPI:
    """The ranks of an MPI communicator, such as ``mpi4py.MPI.COMM_WORLD``.

    Parameters
    ----------
    communicator
        It is duplicated, so that nobody else's messages come in between.
    """

    def __init__(self, communicator: MPI.Intracomm) -> None:
        self._messages = communicator.Dup()
        self._ends = communicator.Dup()
        self._found: dict[int, Bytes] = {}  # fresh pages of memory cost more than what is copied into them
        self.rank = self._messages.Get_rank()
        self.size = self._messages.Get_size()

    def gather(self, array: Bytes) -> Bytes:
        """The arrays of all ranks."""
        found = self._found.get(array.size)
        if found is None:
            found = self._found[array.size] = np.empty((self.size, array.size), np.uint8)
        self._messages.Allgather(array, found)
        return found

    def broadcast(self, array: Bytes) -> Bytes:
        """The array of rank 0."""
        length = np.array([array.size], np.int64)
        self._messages.Bcast(length)
        found = array if self.rank == 0 else np.empty(int(length[0]), np.uint8)
        self._messages.Bcast(found)
        return found

    def ended(self, code: int, patience: float | None) -> list[int] | None:
        """Wait until every rank has come to its end; the exit codes of all.

        ``None`` where one has not within so many seconds: it works on, and waits for this one in vain.
        """
        codes = np.zeros(self.size, np.int32)
        request = self._ends.Iallgather(np.array([code], np.int32), codes)
        until = None if patience is None else time.monotonic() + patience
        while not request.Test():
            if until is not None and time.monotonic() > until:
                return None
            time.sleep(0.005)
        return codes.tolist()

    def abort(self, code: int) -> None:
        """End the processes of all ranks, this one too."""
        self._messages.Abort(code)


def over_mpi() -> OverMPI:
    """A communicator of all processes that ``mpiexec`` has started, for ``Trainer(..., communicator=over_mpi())``.

    From then on an exception that nobody catches, on any rank, ends the processes of all after its traceback: else
    the others would wait for it for ever.

    Raises
    ------
    ImportError
        Where mpi4py, or an MPI for it, is missing; saying what to install.
    """
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # the latter where mpi4py finds no MPI
        why = str(error).partition("\n")[0]
        raise ImportError(f"to train with several processes install MPI: {INSTALL} ({why:.200})") from None
    found = OverMPI(MPI.COMM_WORLD)

    def end_all(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        traceback.print_exception(kind, error, trace)
        sys.stderr.flush()
        found.abort(1)

    if found.size > 1:
        sys.excepthook = end_all
    return found
