"""How many threads BLAS uses: one, where nobody says otherwise."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tinygrad_lm.checks import whole_number

VARIABLES = ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "OMP_NUM_THREADS")
"""Environment variables that say how many threads a BLAS library uses."""


def on_one_thread() -> AbstractContextManager[object]:
    """Within, BLAS runs on one thread: small matrices on several take many times longer when a core is busy."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, user_api="blas")


def use_one_unless_told() -> None:
    """Set NumPy's BLAS to one thread, unless an environment variable says how many.

    The engines do so when they are imported. Networks of a laptop's size are products of some microseconds, which
    several threads hardly speed up; where another program keeps a core busy, they wait for one another, and a step
    takes a hundred times as long. On one thread it also ends with the same bits however many cores there are.
    """
    if not any(os.environ.get(name) for name in VARIABLES):
        set_num_threads(1)


def set_num_threads(n: int) -> None:
    """Let NumPy's BLAS use ``n`` threads, for the whole process: for networks whose products take milliseconds.

    Trainings by ``Trainer`` and sampling stay on one.
    """
    count = whole_number(n, 1, "set_num_threads: n is a whole number from 1, not")
    for pool in _pools():
        pool.set_num_threads(count)


def get_num_threads() -> int:
    """How many threads NumPy's BLAS uses; 1 where that cannot be told."""
    return max((pool.get_num_threads() or 1 for pool in _pools()), default=1)


class _Pool(Protocol):
    """What threadpoolctl knows a library by."""

    user_api: str
    filepath: str

    def get_num_threads(self) -> int | None: ...
    def set_num_threads(self, num_threads: int) -> object: ...


def _pools() -> list[_Pool]:
    """The libraries that NumPy brought with it, whose threads are nobody else's; where there is none, all of BLAS."""
    from threadpoolctl import ThreadpoolController

    controller: Any = ThreadpoolController()
    libraries: list[_Pool] = controller.lib_controllers
    found = [pool for pool in libraries if pool.user_api == "blas"]
    home = Path(np.__file__).parent
    own = [pool for pool in found if {home, home.with_name("numpy.libs")} & set(Path(pool.filepath).parents)]
    return own or found
