"""The goals, as data: what of another's time (or memory) this package may take at most, and what of its own."""

from typing import NamedTuple

from benchmarks.entries import Entry


class Goal(NamedTuple):
    """One of them."""

    entry: str
    """The key of the entry that it is about."""
    against: str | None
    """Whose share it is; ``None`` where it is a number of seconds."""
    limit: float


GOALS = (
    Goal("mlp-sgd-32", "NumPy by hand", 1.08),
    Goal("mlp-sgd-32", "PyTorch", 0.18),
    Goal("mlp-sgd-32", "JAX jit", 0.50),
    Goal("mlp-adamw-32", "NumPy by hand", 1.08),
    Goal("mlp-adamw-32", "PyTorch", 0.18),
    Goal("mlp-adamw-32", "JAX jit", 0.50),
    Goal("mlp-sgd-512", "PyTorch", 0.40),
    Goal("mlp-sgd-512", "JAX jit", 0.90),
    Goal("mlp-adamw-512", "PyTorch", 0.40),
    Goal("mlp-adamw-512", "JAX jit", 0.90),
    Goal("mlp-sgd-4096", "PyTorch", 0.48),
    Goal("mlp-sgd-4096", "JAX jit", 1.0),
    Goal("mlp-adamw-4096", "PyTorch", 0.48),
    Goal("mlp-adamw-4096", "JAX jit", 1.0),
    Goal("lstm", "PyTorch", 0.85),
    Goal("lstm-packed", "PyTorch, padded", 0.62),
    Goal("gru", "PyTorch", 0.60),
    Goal("transformer", "PyTorch, makemore's source", 0.65),
    Goal("transformer", "PyTorch, nn.GELU", 0.80),
    Goal("scalar-collecting", "micrograd", 1 / 5),
    Goal("scalar-not-collecting", "micrograd", 1 / 1.2),
    Goal("scalar-replayed-collecting", "micrograd", 1 / 30),
    Goal("scalar-replayed-not-collecting", "micrograd", 1 / 30),
    Goal("scalar-memory", "micrograd", 0.25),
    Goal("microgpt-collecting", "a plain engine", 1 / 12),
    Goal("course-lab", "PyTorch", 0.15),
    Goal("names-mlp", "PyTorch", 0.30),
    Goal("names-transformer", "PyTorch", 0.30),
    Goal("import-engines", None, 0.030),
    Goal("threads", "one thread", 1.3),
)


class Verdict(NamedTuple):
    """What came of a goal."""

    goal: Goal
    value: float
    met: bool


def verdicts(entry: Entry) -> list[Verdict]:
    """What came of the goals of an entry; those are left out that are against what was not measured."""
    found: list[Verdict] = []
    for goal in GOALS:
        if goal.entry == entry.key and goal.against in (None, *entry.others):
            value = entry.median(entry.ours) if goal.against is None else entry.ratio(goal.against)
            found.append(Verdict(goal, value, value <= goal.limit))
    return found
