"""How time grows with the work: seconds at each size, and the exponent p of seconds ~ size^p over the larger half.

All of it in one process of its own: the garbage collector takes longer where another package has filled the memory.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from benchmarks import children
from benchmarks.contestants import ours, problems
from benchmarks.entries import EAGER, Entry, exponent
from benchmarks.table import shown
from benchmarks.timing import Effort, seconds_of
from tinygrad_lm import Tensor, Value
from tinygrad_lm.models import MLP, KneserNey, Transformer
from tinygrad_lm.text import Vocabulary

Sizes = tuple[int, ...]


class Growing(NamedTuple):
    """A kind of work."""

    title: str
    work: Callable[[int], Callable[[], object]]
    """What prepares the work of a size, and gives what does it."""
    full: Sizes
    tiny: Sizes


def rows(effort: Effort) -> Iterator[Entry]:
    """A row for each thing that can grow."""
    sizes = {key: effort.of(growing.full, growing.tiny) for key, growing in GROWING.items()}
    found = children.call("benchmarks.rows.growth", "measured", sizes)
    for key, growing in GROWING.items():
        yield grown(f"growth-{key}", growing.title, sizes[key], found[key])


def measured(sizes: Mapping[str, Sequence[int]]) -> dict[str, list[float]]:
    """The time of each kind of work at each of its sizes."""
    return {key: [best(GROWING[key].work(size)) for size in each] for key, each in sizes.items()}


def best(do: Callable[[], object]) -> float:
    """The best of three times after one to warm up, or the first where that takes seconds."""
    first = seconds_of(do)
    return first if first > 1 else min(seconds_of(do) for _ in range(3))


def grown(key: str, title: str, sizes: Sequence[int], seconds: list[float]) -> Entry:
    """A row of what was measured: the time at the greatest size, and beside it those at all."""
    larger = slice(-(len(sizes) // 2 + 1), None)
    power = exponent(sizes[larger], seconds[larger])
    told = ", ".join(f"{size:,}: {shown(each, 's')}" for size, each in zip(sizes, seconds, strict=True))
    details = {"sizes": list(sizes), "seconds": seconds, "exponent": power}
    return Entry(key, title, {EAGER: [seconds[-1]]}, note=f"{told}; exponent {power:.2f}", details=details)


def chain_of_values(depth: int) -> Callable[[], object]:
    """Each is a number times the one before."""

    def do() -> None:
        x = start = Value(1.0)
        for _ in range(depth):
            x = x * 1.0000001
        x.backward()
        assert start.grad is not None

    return do


def chain_of_tensors(depth: int) -> Callable[[], object]:
    """The same of a few numbers."""

    def do() -> None:
        x = start = Tensor(np.ones(8), requires_grad=True)
        for _ in range(depth):
            x = x * 1.0000001
        x.sum().backward(retain_graph=False)
        assert start.grad is not None

    return do


def batch(size: int) -> Callable[[], object]:
    """A step over so many examples."""
    return stepping(partial(MLP, Vocabulary(), rng=0), problems.windows(size))


def width(hidden: int) -> Callable[[], object]:
    """A step of a network with so many hidden units."""
    return stepping(partial(MLP, Vocabulary(), hidden=(hidden,), rng=0), problems.windows(64))


def context(length: int) -> Callable[[], object]:
    """A step over four rows of so many characters."""
    rng = np.random.default_rng(0)
    rows = problems.Sequences(((rng.integers(27, size=(4, length)), rng.integers(27, size=(4, length))),))
    return stepping(partial(Transformer, Vocabulary(), context=length, dropout=0.0, rng=0), rows)


def counted(count: int) -> Callable[[], object]:
    """Counting what follows what in so many names."""
    rng = np.random.default_rng(0)
    letters = rng.integers(97, 123, size=(count, 7), dtype=np.uint8)
    names = [row.tobytes().decode() for row in letters]
    return lambda: KneserNey(5).fit(names)


def stepping(make: Callable[[], Any], data: problems.Windows | problems.Sequences) -> Callable[[], object]:
    """A training step of a model."""
    problem = problems.Problem(data, make().state_dict(), "adamw", 1e-3)
    return ours.drawing(make, problem)


DEEP = (1_000, 10_000, 100_000, 1_000_000)
GROWING = {
    "values": Growing("a chain of `Value`s, forward and back", chain_of_values, DEEP, (100, 1000)),
    "tensors": Growing("a chain of tensors of 8 numbers, forward and back", chain_of_tensors, DEEP, (100, 1000)),
    "batch": Growing("a step of the MLP, by batch", batch, (64, 256, 1024, 4096, 16384), (32, 64)),
    "width": Growing("a step of the MLP, by hidden width", width, (128, 256, 512, 1024, 2048), (8, 16)),
    "context": Growing("a step of a Transformer, by context", context, (32, 64, 128, 256, 512), (4, 8)),
    "names": Growing("counting by Kneser-Ney, by names", counted, (1_000, 10_000, 100_000), (50, 100)),
}
