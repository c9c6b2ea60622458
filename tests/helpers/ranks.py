"""Ranks that are threads of one process, which talk by a barrier; and ``mpiexec``, where there is one."""

import importlib.util
import os
import shutil
import sys
import threading
from contextvars import Context
from pathlib import Path

import numpy as np
import pytest

MPIEXEC = shutil.which("mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))

needs_mpi = pytest.mark.skipif(
    MPIEXEC is None or importlib.util.find_spec("mpi4py") is None or sys.platform == "win32",
    reason="mpiexec and mpi4py: the extra mpi brings them",
)


class Meeting:
    """Where threads meet: each leaves an array, and takes those of all."""

    def __init__(self, size):
        self.barrier = threading.Barrier(size, timeout=60)
        self.left = [None] * size

    def exchange(self, rank, array):
        self.left[rank] = array.copy()
        self.barrier.wait()
        found = list(self.left)
        self.barrier.wait()  # else one could leave its next array before another has taken this one
        return found


class Thread:
    """One of several threads as a rank of a training."""

    def __init__(self, meeting, rank):
        self.meeting, self.rank, self.size = meeting, rank, meeting.barrier.parties
        self.gathered = 0

    def gather(self, array):
        assert array.ndim == 1 and array.dtype == np.uint8
        self.gathered += array.size
        return np.stack(self.meeting.exchange(self.rank, array))

    def broadcast(self, array):
        assert array.ndim == 1 and array.dtype == np.uint8
        return self.meeting.exchange(self.rank, array)[0]


def on_ranks(size, work):
    """What ``work(communicator)`` gives on each of so many threads; or the first exception that is not of waiting."""
    meeting, found, errors = Meeting(size), [None] * size, []

    def one(rank):
        try:
            found[rank] = Context().run(work, Thread(meeting, rank))
        except BaseException as error:
            errors.append((isinstance(error, threading.BrokenBarrierError), rank, error))
            meeting.barrier.abort()

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise min(errors, key=lambda each: each[:2])[2]
    return found
