"""A step where another program keeps a core busy: as this package is, told one thread, told as many as there are cores.

Each in processes of its own, in turns, on all cores; the other program is a loop on the first of them.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from benchmarks import children
from benchmarks.entries import EAGER, Entry
from benchmarks.timing import Effort, Times

VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


def rows(effort: Effort) -> Iterator[Entry]:
    """One row, where there is another core."""
    cores = os.cpu_count() or 1
    if cores < 2 or not hasattr(os, "sched_setaffinity"):
        return
    ways = {EAGER: "", "one thread": "1", f"{cores} threads": str(cores)}
    times: Times = {name: [] for name in ways}
    batch_size, hidden, steps = effort.of((512, 200, 30), (32, 8, 2))
    with busy():
        for _ in range(effort.of(5, 1)):
            for name, told in ways.items():
                words = ("-m", "benchmarks.rows.threads", *map(str, (batch_size, hidden, steps)))
                variables = dict.fromkeys(VARIABLES, told)
                times[name].append(float(children.printed(*words, **variables)))
    title = f"a step of an MLP, batch {batch_size:,}, AdamW, with another program on one of {cores} cores"
    yield Entry("threads", title, times)


@contextmanager
def busy() -> Iterator[None]:
    """Another program runs on the first core."""
    text = "import os\nos.sched_setaffinity(0, {0})\nwhile True: pass"
    other = subprocess.Popen([sys.executable, "-c", text])
    try:
        yield
    finally:
        other.kill()
        other.wait()


def step_time(batch_size: int, hidden: int, steps: int) -> float:
    """The median time of a step, with the threads that BLAS has."""
    from benchmarks.contestants import ours, problems
    from tinygrad_lm.models import MLP
    from tinygrad_lm.text import Vocabulary

    def make() -> MLP:
        return MLP(Vocabulary(), context=3, embedding=10, hidden=(hidden,), rng=0)

    problem = problems.Problem(problems.windows(batch_size), make().state_dict(), "adamw", 1e-3)
    step = ours.drawing(make, problem)
    found = list[float]()
    for _ in range(steps + 3):
        started = time.perf_counter()
        step()
        found.append(time.perf_counter() - started)
    return median(found[3:])


if __name__ == "__main__":
    # Before NumPy is there: BLAS looks how many cores the process may use.
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    print(step_time(*map(int, sys.argv[1:])))
