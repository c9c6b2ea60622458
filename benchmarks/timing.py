"""Timing several ways of doing one thing in one process, interleaved, so that their ratio means something."""

import statistics
import time
from collections.abc import Callable, Mapping


def microseconds(ways: Mapping[str, Callable[[], object]], rounds: int = 60, calls: int = 50) -> dict[str, float]:
    """The median time of one call of each way, in microseconds; the ways take turns, round by round."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        for _ in range(calls):
            way()
    for _ in range(rounds):
        for name, way in ways.items():
            started = time.perf_counter()
            for _ in range(calls):
                way()
            times[name].append((time.perf_counter() - started) / calls * 1e6)
    return {name: statistics.median(found) for name, found in times.items()}
