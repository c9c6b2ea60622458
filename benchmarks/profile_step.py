"""Where the time of a training step goes: the step as one writes it, beside the same step replayed.

    python -m benchmarks.profile_step             both tables, in a minute
    python -m benchmarks.profile_step --quick     with a hundredth of the repetitions

The step is that of the lectures' MLP: context 3, embedding 10, hidden 200, batch 32, AdamW. Its calls and arrays are
counted, its parts timed, one BLAS thread on one core; a time is the least of many repetitions, in turns. The second
table measures what a replayed step does otherwise than one would write it at first, each thing alone.
"""

import sys
import time
import tracemalloc
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import machine
from tinygrad_lm import optim
from tinygrad_lm.autograd.tensor import Tensor, from_array
from tinygrad_lm.models import MLP
from tinygrad_lm.replay import Replayed, replay
from tinygrad_lm.replay.calls import calls_of
from tinygrad_lm.replay.instructions import Clip, Store, Update
from tinygrad_lm.replay.lowering import Lowering
from tinygrad_lm.replay.recording import Recorder
from tinygrad_lm.replay.traced import Compute, Tape
from visualize.plans.extract import plan_data

Array = np.ndarray
Way = Callable[[], object]

BATCH, HIDDEN = 32, 200
ROUNDS = 4000
"""How often the ways take turns: one call in each, so short that nothing else is likely to come between."""
RATE = 1e-6
"""Small: the parts are repeated alone, an update with one gradient, too."""


class Step:
    """The step of the lectures' MLP, eager and replayed, on one batch."""

    def __init__(self) -> None:
        self.model = MLP(context=3, embedding=10, hidden=(HIDDEN,), rng=0)
        self.optimizer = optim.AdamW(self.model.parameters(), lr=RATE)
        rng = np.random.default_rng(0)
        self.inputs, self.targets = rng.integers(0, 27, (BATCH, 3)), rng.integers(0, 27, BATCH)

    def eager(self, inputs: Array, targets: Array) -> Tensor:
        """The step as one writes it."""
        self.optimizer.zero_grad()
        loss = self.model.loss(inputs, targets)
        loss.backward(retain_graph=False)
        self.optimizer.step()
        return loss

    def replayed(self) -> Replayed[[Array, Array], Tensor]:
        """The same, after so many calls that there is a plan."""
        step = replay(self.eager)
        for _ in range(3):
            step(self.inputs, self.targets)
        return step


def least(ways: Mapping[str, Way], rounds: int) -> dict[str, float]:
    """The microseconds of one call of each way: the least of the rounds, in which the ways take turns."""
    found = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            found[name] = min(found[name], (time.perf_counter() - started) * 1e6)
    return found


def python_calls(way: Way) -> int:
    """How many Python functions one call of a way enters, itself not counted."""
    entered = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal entered
        entered += event == "call"

    sys.setprofile(count)
    try:
        way()
    finally:
        sys.setprofile(None)
    return entered - 1


def peak(way: Way) -> int:
    """How many bytes more than before are in use at most while a way is called."""
    way()
    tracemalloc.start()
    try:
        way()
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        way()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def written_down() -> tuple[int, int]:
    """How many calls of NumPy's an eager step makes, and how many arrays: as they are recorded, before any is saved."""
    step = Step()
    given = [np.array(step.inputs), np.array(step.targets)]
    tensors = [from_array(array) for array in given]
    with Recorder(lambda args: None, lambda args: None) as recorder:
        recorder.watch([*tensors, *step.optimizer.parameters])
        step.eager(*tensors)  # pyright: ignore[reportArgumentType]
    lowering = Lowering([(x, array, "") for x, array in zip(tensors, given, strict=True)], {})
    lowering.run(recorder.events)
    calls = [x for x in lowering.instructions if isinstance(x, Compute)] + updating(step) * len(
        step.optimizer.parameters
    )
    return len(calls), sum(not call.in_place for call in calls)


def updating(step: Step) -> list[Compute]:
    """The calls of the optimizer's rule."""
    optimizer, tape = step.optimizer, Tape()
    p, d, *moments = (tape.given(np.ones(2), "argument") for _ in range(2 + len(optimizer.moments)))
    given: Any = (p, d, dict(zip(optimizer.moments, moments, strict=True)), tape.made(np.ones(2)), 1)
    optimizer.update(*given, optimizer.groups[0][1])
    return [x for x in tape.instructions if isinstance(x, Compute)]


def parts_of(step: Replayed[Any, Any]) -> dict[str, Way]:
    """The calls of a plan up to the end of each part: none can run without those before it, which share its memory."""
    plan = step.plan
    assert plan is not None
    cut = {"forward": 0, "backward": 0}
    rows = [x for x in plan.instructions if not isinstance(x, Store)]
    for instruction, call in zip(rows, plan_data(plan).calls, strict=True):
        if not isinstance(instruction, (Update, Clip)):
            cut[call.part] += len(calls_of(instruction, plan.layout.array))
    ends = {"forward": cut["forward"], "backward": cut["forward"] + cut["backward"], "update": len(plan.calls)}

    def running(calls: list[Any]) -> Way:
        def run() -> None:
            for function, args in calls:
                function(*args)

        return run

    return {name: running(plan.calls[:end]) for name, end in ends.items()}


def profile(rounds: int) -> list[tuple[str, str, str]]:
    """The rows of the first table: what, eager, replayed."""
    eager, other = Step(), Step()
    replayed = other.replayed()
    plan = replayed.plan
    assert plan is not None
    ways: dict[str, Way] = {
        "eager": lambda: eager.eager(eager.inputs, eager.targets),
        "replayed": lambda: replayed(other.inputs, other.targets),
    }
    calls, arrays = written_down()
    joined = len(plan.stepped)
    made = {
        "Python functions entered": [python_calls(way) for way in ways.values()],
        "NumPy calls": [calls, len(plan.calls) - joined + joined * len(updating(other))],
        "arrays made": [arrays, 1],
        "bytes taken and given back, at most at a time": [peak(way) for way in ways.values()],
    }
    times = least({**ways, **eager_parts(), **parts_of(replayed)}, rounds)
    rows = [(what, f"{one:,}", f"{two:,}") for what, (one, two) in made.items()]
    rest, before = [times["eager"], times["replayed"]], 0.0
    for part in ("forward", "backward", "update"):
        pair = [times[f"eager {part}"], max(0.0, times[part] - before)]
        before = times[part]
        rest = [max(0.0, left - each) for left, each in zip(rest, pair, strict=True)]
        rows.append((f"{part}, us", *(f"{each:.0f}" for each in pair)))
    rows.append(("the rest, us", *(f"{each:.0f}" for each in rest)))
    rows.append(("the whole step, us", *(f"{times[way]:.0f}" for way in ways)))
    return rows


def eager_parts() -> dict[str, Way]:
    """The parts of an eager step, each alone, with a model of its own."""
    forward, backward, update = Step(), Step(), Step()
    loss = backward.model.loss(backward.inputs, backward.targets)
    update.eager(update.inputs, update.targets)

    def sweep() -> None:
        backward.optimizer.zero_grad()
        loss.backward()

    return {
        "eager forward": lambda: forward.model.loss(forward.inputs, forward.targets),
        "eager backward": sweep,
        "eager update": update.optimizer.step,
    }


def pays(rounds: int) -> list[tuple[str, str, str, str]]:
    """The rows of the second table: what, at which size, as one writes it, as a plan does it."""
    rows: list[tuple[str, str, str, str]] = []
    sizes = {n: habits(n) for n in (32, 512, 4096)}
    measured = [(name, f"{n:,} rows", *sizes[n][name]) for name in sizes[32] for n in sizes]
    measured.append(("AdamW of five parameters, as one vector", "11,897 numbers", *updates()))
    for name, size, before, after in measured:
        found = least({"before": before, "after": after}, rounds)
        rows.append((name, size, f"{found['before']:.1f}", f"{found['after']:.1f}"))
    return rows


def habits(n: int) -> dict[str, tuple[Way, Way]]:
    """What a plan does otherwise, on arrays of so many rows: as one writes it, and as a plan does it."""
    rng = np.random.default_rng(0)
    x, z, d = (rng.normal(size=shape).astype(np.float32) for shape in ((n, HIDDEN), (n, 27), (3 * n, 10)))
    y, ones, sums, most = (
        np.empty_like(x),
        np.ones(n, np.float32),
        np.empty(HIDDEN, np.float32),
        np.empty(n, np.float32),
    )
    turned, hot, ids = np.empty((27, n), np.float32), np.empty((3 * n, 27), np.float32), rng.integers(0, 27, 3 * n)
    eye, table = np.eye(27, dtype=np.float32), np.zeros((27, 10), np.float32)

    def maxima() -> None:
        np.copyto(turned, z.T)
        np.maximum.reduce(turned, 0, None, most)

    def product() -> None:
        eye.take(ids, 0, hot)
        np.matmul(hot.T, d, table)

    return {
        f"a product of arrays {HIDDEN} wide, into one that is there": (lambda: x * x, lambda: np.multiply(x, x, y)),
        f"sums of {HIDDEN} columns, as a product with ones": (lambda: x.sum(axis=0), lambda: np.dot(ones, x, sums)),
        "row maxima of 27 columns, in a copy of the transpose": (lambda: z.max(axis=1), maxima),
        "rows of 10 added up by three ids each, as a product": (lambda: np.add.at(table, ids, d), product),
    }


def updates() -> tuple[Way, Way]:
    """An optimizer's step of five parameters one by one, and of all as one vector."""
    step, other = Step(), Step()
    step.eager(step.inputs, step.targets)
    plan = other.replayed().plan
    assert plan is not None
    (joined,) = plan.stepped
    return step.optimizer.step, joined.step


def main(words: list[str]) -> None:
    """Measure, and print both tables."""
    rounds = max(2, ROUNDS // (100 if "--quick" in words else 1))
    machine.pin()
    with threadpool_limits(1):
        print("| a step of an MLP, batch 32, AdamW | eager | replayed |\n|---|---|---|")
        for row in profile(rounds):
            print("|", " | ".join(row), "|", flush=True)
        print("\n| what pays | size | as one writes it, us | as a plan does it, us |\n|---|---|---|---|")
        for more in pays(max(2, rounds // 4)):
            print("|", " | ".join(more), "|", flush=True)
        print("", machine.told(machine.about(())), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
