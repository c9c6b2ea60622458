"""``Entry``, what a row of the table is made of: our ways to do a thing, those of others, and what each took."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks import timing

EAGER, REPLAYED, IN_BLOCKS = "ours, eager", "ours, replayed", "ours, in blocks"
OURS = (IN_BLOCKS, REPLAYED, EAGER)
"""What stands for this package against the others: the first of these that was measured."""


@dataclass(frozen=True)
class Entry:
    """One thing that was measured."""

    key: str
    """What goals and files call it."""
    title: str
    times: timing.Times
    """What each way took, round by round: seconds, or bytes."""
    unit: str = "s"
    note: str = ""
    """What else there is to say: whether the losses agree."""
    details: Mapping[str, object] = field(default_factory=dict)
    """Further numbers, for the file."""

    @property
    def ours(self) -> str:
        """The way that stands for this package."""
        return next(name for name in OURS if name in self.times)

    @property
    def others(self) -> list[str]:
        """The ways that are not ours."""
        return [name for name in self.times if name not in OURS]

    def median(self, way: str) -> float:
        """What a way took."""
        return median(self.times[way])

    def ratio(self, other: str, ours: str | None = None) -> float:
        """How many times what another took ours did."""
        return timing.ratio(self.times, ours or self.ours, other)

    def to_json(self) -> dict[str, object]:
        """The numbers as plain data."""
        here = [name for name in OURS if name in self.times]
        return {
            "key": self.key,
            "title": self.title,
            "unit": self.unit,
            "medians": {name: self.median(name) for name in self.times},
            "ratios": {name: {other: self.ratio(other, name) for other in self.others} for name in here},
            "rounds": min(map(len, self.times.values())),
            "note": self.note,
            **self.details,
        }


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """The p of seconds ~ size^p: the slope of the straight line through the logarithms."""
    import numpy as np

    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
