"""micrograd's demo on scalars, in processes of their own: a step with the garbage collector on and off, and its memory.

Most of micrograd's time is the collector's, so both are told.
"""

from collections.abc import Iterator, Mapping

from benchmarks import children, steps
from benchmarks.contestants import peers
from benchmarks.entries import EAGER, REPLAYED, Entry
from benchmarks.table import shown
from benchmarks.timing import Effort, Times

MODULE = "benchmarks.contestants.scalars"
STEPS = 3
"""How many steps each process times."""
VALUES = (65_818, 180)
"""How many values micrograd makes for a step, of the full size and of the tiny one."""


def rows(effort: Effort) -> Iterator[Entry]:
    """Four rows of time, of a step as it is and replayed, and one of memory."""
    engines = {EAGER: "tinygrad_lm"}
    if peers.present("micrograd", effort):
        engines["micrograd"] = "micrograd"
    yield from timed(engines, True, effort)
    yield from timed(engines, False, effort)
    yield held(engines, effort)


def timed(engines: Mapping[str, str], collecting: bool, effort: Effort) -> Iterator[Entry]:
    """The time of a step: as it is, and replayed, against the same times of others."""
    engines = {**engines, REPLAYED: "replayed"}
    times: Times = {name: [] for name in engines}
    losses: dict[str, list[float]] = {}
    for _ in range(effort.of(5, 1)):
        for name, engine in engines.items():
            found = children.call(MODULE, "timed", engine, collecting, *sizes(effort), STEPS)
            times[name].append(found["seconds"])
            losses[name] = found["losses"]
    key, how = ("collecting", "on") if collecting else ("not-collecting", "off")
    title = f"a step of micrograd's demo, its own code, garbage collector {how}"
    for part, told, ways in (
        ("", "", [name for name in engines if name != REPLAYED]),
        ("replayed-", ", replayed", engines),
    ):
        note, off = steps.agreement({name: losses[name] for name in ways})
        some = {name: times[name] for name in ways}
        yield Entry(f"scalar-{part}{key}", f"{title}{told}", some, note=note, details={"losses_off_by": off})


def held(engines: Mapping[str, str], effort: Effort) -> Entry:
    """The memory of its graph, for each of the values that micrograd makes."""
    values = effort.of(*VALUES)
    found = {name: children.call(MODULE, "memory", engine, *sizes(effort)) for name, engine in engines.items()}
    each = {name: [bytes_of["held"] / values] for name, bytes_of in found.items()}
    worst = "; ".join(f"{name} {shown(bytes_of['peak'] / values, 'bytes')}" for name, bytes_of in found.items())
    title = f"memory of a value, of its graph of {values:,}"
    return Entry("scalar-memory", title, each, "bytes", f"at most on the way back: {worst}", {"memory": found})


def sizes(effort: Effort) -> tuple[int, int]:
    """How many points there are, and how wide the net is."""
    return effort.of((100, 16), (4, 2))
