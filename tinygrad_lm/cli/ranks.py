"""The command under ``mpiexec``: which of its processes this is, what each of them does, and how all end together."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tinygrad_lm.cli.parsing import UsageError
from tinygrad_lm.interrupts import Later

if TYPE_CHECKING:
    from tinygrad_lm.training import Communicator
    from tinygrad_lm.training.communicator import OverMPI

VARIABLES = (("PMI_RANK", "PMI_SIZE"), ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"))
"""What MPICH's and Open MPI's launchers tell each process that they start."""

PATIENCE = 2.0
"""For how many seconds a rank that has failed waits for the others, which may have failed alike."""


class Place(NamedTuple):
    """Which of the processes that a launcher started this is."""

    rank: int
    size: int


def place() -> Place | None:
    """The place of this process among those that a launcher of MPI started; ``None`` where none started it."""
    for rank, size in VARIABLES:
        told = os.environ.get(rank, ""), os.environ.get(size, "")
        if all(each.isdecimal() for each in told):
            return Place(*map(int, told))
    return None


def run(here: Place, arguments: Sequence[str], command: Callable[[Sequence[str]], int]) -> int:
    """Run a command as one of several processes; the exit code.

    ``train`` is shared by all, and rank 0 alone speaks and writes; every other command is done by rank 0 alone. Where
    a rank fails whom the others wait for, it says why and ends all of them.
    """
    if list(arguments[:1]) != ["train"]:
        return command(arguments) if here.rank == 0 else 0
    try:
        with Later():
            world = _world(here)
    except (ImportError, UsageError) as error:
        if here.rank == 0:
            print(f"tinygrad-lm: {error}", file=sys.stderr)
        return 1
    said = io.StringIO()
    if here.rank:
        sys.stdout, sys.stderr = Path(os.devnull).open("w", encoding="utf-8"), said  # noqa: SIM115
    try:
        code = command(arguments)
    except BaseException:
        traceback.print_exc()
        code = 1
    if here.rank:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # rank 0 hears it
    codes = world.ended(code, PATIENCE if code else None)
    if here.rank and code and (codes is None or not any(codes[: here.rank])):
        lines = said.getvalue().splitlines() or [f"it ended with exit code {code}"]
        told = "".join(f"rank {here.rank} of {here.size}: {line}\n" for line in lines)
        print(told, end="", file=sys.__stderr__, flush=True)
    if codes is None:
        sys.stdout.flush()
        sys.stderr.flush()
        world.abort(code)
    return code


def communicator() -> Communicator | None:
    """How this process talks to the others that ``mpiexec`` started; ``None`` where it started none."""
    here = place()
    if here is None:
        return None
    from tinygrad_lm.training import Alone

    return Alone() if here.size == 1 else _world(here)


@cache
def _world(here: Place) -> OverMPI:
    """All processes, by MPI.

    Raises
    ------
    ImportError
        Where there is no MPI.
    UsageError
        Where it sees other processes than the launcher started.
    """
    from tinygrad_lm.training import over_mpi

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # mpi4py's, of a launcher of another MPI
        found = over_mpi()
    if (found.rank, found.size) != here:
        raise UsageError(
            f"the launcher started {here.size} processes, of which mpi4py sees {found.size}, since they are of "
            "different MPIs: start it by the mpiexec of the MPI that mpi4py uses, such as "
            f"{Path(sys.executable).parent / 'mpiexec'}"
        )
    return found


def helps(team: Communicator | None) -> bool:
    """Whether this process only computes, for rank 0 to show and to save."""
    return team is not None and team.rank > 0


def read_once(
    team: Communicator | None, read: Callable[[], tuple[str | None, list[str]]]
) -> tuple[str | None, list[str]]:
    """What rank 0 reads, which alone has the standard input, for all; where it fails, the others end in silence."""
    if team is None or team.size == 1:
        return read()
    import numpy as np

    with leading(team) as begin:
        if team.rank:
            follow(team)
            file, lines = json.loads(team.broadcast(np.empty(0, np.uint8)).tobytes())
            return file, lines
        found = read()
        begin()
        team.broadcast(np.frombuffer(json.dumps(found).encode(), np.uint8))
        return found


@contextmanager
def leading(team: Communicator | None) -> Generator[Callable[[], None]]:
    """Within, rank 0 says by what is given that the others can go on; where it does not come to that, they end."""
    import numpy as np

    begun = team is None or team.size == 1 or team.rank > 0

    def begin() -> None:
        nonlocal begun
        if team is not None and not begun:
            begun = True
            team.broadcast(np.ones(1, np.uint8))

    try:
        yield begin
    finally:
        if team is not None and not begun:
            team.broadcast(np.zeros(1, np.uint8))


def follow(team: Communicator | None) -> None:
    """Wait until rank 0 says that this one can go on; end in silence where it has failed, which it says itself."""
    import numpy as np

    if team is not None and not team.broadcast(np.zeros(1, np.uint8))[0]:
        raise SystemExit(0)
