"""The greatest memory of a process that trains the MLP with batches of 4,096, where the system tells it."""

from collections.abc import Iterator
from pathlib import Path

from benchmarks import children
from benchmarks.entries import Entry
from benchmarks.rows import mlp
from benchmarks.timing import Effort

STATUS = Path("/proc/self/status")
STEPS = 20


def rows(effort: Effort) -> Iterator[Entry]:
    """One row."""
    if not STATUS.is_file():
        return
    sizes = effort.of((4096, 200), (128, 8))
    names = mlp.makers(sizes[0], "adamw", sizes[1], effort)
    found = {name: [float(children.call("benchmarks.rows.memory", "peak", name, *sizes))] for name in names}
    title = f"peak memory of a process that does {STEPS} steps of the MLP, batch {sizes[0]:,}"
    yield Entry("memory", title, found, "bytes", "with Python, NumPy and all that is imported")


def peak(name: str, batch_size: int, hidden: int) -> int:
    """The greatest memory of this process after some steps of a contestant."""
    step = mlp.makers(batch_size, "adamw", hidden, Effort())[name]()
    for _ in range(STEPS):
        step()
    line = next(line for line in STATUS.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
