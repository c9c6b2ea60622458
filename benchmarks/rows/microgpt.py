"""microgpt on single numbers, in processes of their own: a training step, with the garbage collector on and off.

Against a plain engine with a node for each sum and product, which is the benchmark's own: nobody else is needed.
"""

from collections.abc import Iterator

from benchmarks import children, steps
from benchmarks.entries import EAGER, Entry
from benchmarks.timing import Effort, Times

MODULE = "benchmarks.contestants.microgpt"
PLAIN = "a plain engine"
ENGINES = {EAGER: "tinygrad_lm", PLAIN: "plain"}
STEPS = 5
"""How many steps each process times, each of another name."""


def rows(effort: Effort) -> Iterator[Entry]:
    """Two rows."""
    yield timed(True, effort)
    yield timed(False, effort)


def timed(collecting: bool, effort: Effort) -> Entry:
    """The time of a step; the engines take turns."""
    times: Times = {name: [] for name in ENGINES}
    losses: dict[str, list[float]] = {}
    for _ in range(effort.of(5, 1)):
        for name, engine in ENGINES.items():
            found = children.call(MODULE, "timed", engine, collecting, effort.tiny, effort.of(STEPS, 2))
            times[name].append(found["seconds"])
            losses[name] = found["losses"]
    note, off = steps.agreement(losses, tolerance=1e-9)
    key, how = ("microgpt-collecting", "on") if collecting else ("microgpt-not-collecting", "off")
    title = f"a step of microgpt on single numbers, a name at a time, garbage collector {how}"
    return Entry(key, title, times, note=note, details={"losses_off_by": off})
