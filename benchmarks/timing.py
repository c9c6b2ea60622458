"""Timing several ways of doing one thing in turns, so that their ratio means something where the clock does not."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

Size = TypeVar("Size")

Times = dict[str, list[float]]
"""What one call of each way took, in seconds, round by round."""


@dataclass(frozen=True)
class Effort:
    """How much is measured, and of what size."""

    rounds: int = 41
    """How often the ways take turns."""
    seconds: float = 0.004
    """How long a way works in each round, at least."""
    tiny: bool = False
    """Whether sizes are so small that all is done in seconds, and nobody else is measured."""

    def of(self, full: Size, tiny: Size) -> Size:
        """One of two sizes."""
        return tiny if self.tiny else full

    def at_most(self, rounds: int) -> "Effort":
        """The same with fewer rounds, for what takes long."""
        return Effort(min(rounds, self.rounds), self.seconds, self.tiny)


TINY = Effort(rounds=2, seconds=0.0, tiny=True)


def race(ways: Mapping[str, Callable[[], object]], effort: Effort) -> Times:
    """Time each way, round by round, in an order that is drawn: what comes again and again hits none in each round."""
    calls = {name: _calls(way, effort.seconds) for name, way in ways.items()}
    times: Times = {name: [] for name in ways}
    order, rng = list(ways), random.Random(0)
    for _ in range(effort.rounds):
        rng.shuffle(order)
        for name in order:
            times[name].append(seconds_of(ways[name], calls[name]))
    return times


def seconds_of(way: Callable[[], object], calls: int = 1) -> float:
    """The mean time of some calls."""
    started = time.perf_counter()
    for _ in range(calls):
        way()
    return (time.perf_counter() - started) / calls


def ratio(times: Times, one: str, other: str) -> float:
    """How many times as long one takes as another: the median of the rounds' ratios."""
    return median(a / b for a, b in zip(times[one], times[other], strict=True))


def _calls(way: Callable[[], object], seconds: float) -> int:
    """How many calls take so long: by the second one, where the first does not take so long itself."""
    return 1 if seconds_of(way) >= seconds else max(1, round(seconds / seconds_of(way)))
