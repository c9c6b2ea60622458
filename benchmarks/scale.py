"""What a training step costs as the work grows: batch, width, and processes that share it; and what larger ones would.

    python -m benchmarks.scale           about four minutes of two cores; needs the extra mpi
    python -m benchmarks.scale --quick   the smallest sizes, once

Each row is measured five times in turn: with whole batches, with 4 pieces on one rank, and with 4 pieces on two; of
five medians of a step the least counts. One rank and two have to end with the same bytes, else there is no row. What a
gather costs (the gradients of 4 pieces to each of two ranks, and their sum), and how many operations a second the
products of one core do, are measured last; from both the lower part is computed: a parameter costs 6 operations a
target, in the forward and the backward pass.
"""

import hashlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from tinygrad_lm.models import LSTM, MLP
from tinygrad_lm.nn import Parameter
from tinygrad_lm.text import Vocabulary, bundled_names, split_names
from tinygrad_lm.training import Alone, Communicator, Plan, Trainer, over_mpi
from tinygrad_lm.training.pieces import Layout
from tinygrad_lm.training.plan import PIECES

SIZES = {"mlp": ((64, 512, 4096), (64, 1024)), "lstm": ((64, 512), (64, 256))}
"""Of each family the batches, and the widths of its hidden layer."""
ROUNDS = 5
QUICK = {"mlp": ((64,), (64,)), "lstm": ((64,), (64,))}
LARGER = {"the LSTM of the leaderboard": 304_763, "GPT-2 small": 124_000_000, "a model of a billion": 1_000_000_000}
"""Parameters of what is computed."""


class Case(NamedTuple):
    """One row: a family, a batch, a width."""

    family: str
    batch: int
    width: int

    def trainer(self, steps: int, communicator: Communicator | None) -> Trainer:
        """A training of so many steps."""
        split = split_names(bundled_names(), seed=0)
        if self.family == "mlp":
            model: Any = MLP(Vocabulary(), context=8, embedding=32, hidden=(self.width,), rng=0)
        else:
            model = LSTM(Vocabulary(), embedding=32, hidden=self.width, rng=0)
        train = list(split.train) * 4  # so that a batch of whole names can be large
        plan = Plan(steps, batch_size=self.batch, evaluate_every=10**9)
        return Trainer(model, train, split.validation[:5], plan, communicator=communicator)

    def steps(self) -> int:
        """How many are measured: the same on every machine, for one rank and two are to end with the same bytes."""
        tokens = self.batch * (1 if self.family == "mlp" else 8)
        return int(min(400, max(12, 2e9 / (6 * self.parameters() * tokens))))

    def parameters(self) -> int:
        """How many the model has."""
        return sum(parameter.data.size for parameter in self.trainer(1, None).model.parameters())


def milliseconds(case: Case, communicator: Communicator | None) -> tuple[float, str]:
    """The median time of a step, and a hash of the weights after them."""
    trainer = case.trainer(case.steps(), communicator)
    times: list[float] = []
    trainer.run(lambda step, loss: times.append(time.perf_counter()), progress=False)
    weights = b"".join(array.tobytes() for array in trainer.model.state_dict().values())
    return statistics.median(np.diff(times)) * 1e3, hashlib.sha256(weights).hexdigest()


def gathered(communicator: Communicator, numbers: int) -> float:
    """The seconds in which the gradients of all pieces of so many numbers reach a rank and are added up."""
    layout = Layout([Parameter(np.zeros(numbers))], 0)
    sent = np.zeros((PIECES // communicator.size, layout.size), np.uint8)
    for record in sent:
        layout.head(record)[1] = 1
    times: list[float] = []
    for _ in range(15):
        began = time.perf_counter()
        found = communicator.gather(sent.reshape(-1)).reshape(PIECES, layout.size)
        layout.read_gradients(list(found), [1 / PIECES] * PIECES)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def operations() -> float:
    """How many operations a second the products of one core do, as they come in a training."""
    x, w = np.ones((512, 512), np.float32), np.ones((512, 512), np.float32)
    times: list[float] = []
    for _ in range(50):
        began = time.perf_counter()
        np.matmul(x, w)
        times.append(time.perf_counter() - began)
    return 2 * 512**3 / statistics.median(times)


def work(what: str, *given: str) -> object:
    """What a process that ``main`` starts measures; rank 0 alone tells it."""
    communicator = None if what == "whole" else Alone() if os.environ.get("PMI_SIZE") == "1" else over_mpi()
    with threadpool_limits(1):
        if what == "gather":
            assert communicator is not None
            found = gathered(communicator, int(given[0]))
        else:
            family, batch, width = given
            found = milliseconds(Case(family, int(batch), int(width)), communicator)
    return found if communicator is None or communicator.rank == 0 else None


def asked(ranks: int, *words: object) -> Any:
    """What so many processes measure; 0: one, which no launcher has started."""
    beside = Path(sys.executable).parent / "mpiexec"
    start = [str(beside) if beside.exists() else "mpiexec", "-n", str(ranks)] if ranks else []
    line = [*start, sys.executable, "-m", "benchmarks.scale", "measure", *map(str, words)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


WAYS: dict[str, Callable[[Case], Any]] = {
    "whole": lambda case: asked(0, "whole", *case),
    "1 rank": lambda case: asked(1, "pieces", *case),
    "2 ranks": lambda case: asked(2, "pieces", *case),
}


def measure(case: Case, rounds: int) -> list[float]:
    """The milliseconds of a step each way: of the rounds the fastest, in which least else was going on."""
    found: dict[str, list[Any]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, way in WAYS.items():
            found[name].append(way(case))
    if len({weights for name in ("1 rank", "2 ranks") for _, weights in found[name]}) > 1:
        raise ArithmeticError(f"{case}: one rank and two do not end with the same bytes")
    return [min(time for time, _ in found[name]) for name in WAYS]


def row(*cells: object) -> None:
    """A line of a table."""
    print("|", " | ".join(map(str, cells)), "|", flush=True)


def main(quick: bool = False) -> None:
    """Measure, and print both parts."""
    row("model", "batch", "width", "parameters", "whole batch", "4 pieces, 1 rank", "4 pieces, 2 ranks", "gained")
    row(*["---"] * 8)
    for family, (batches, widths) in (QUICK if quick else SIZES).items():
        for width in widths:
            for batch in batches:
                case = Case(family, batch, width)
                times = measure(case, 1 if quick else ROUNDS)
                shown = [f"{each:.2f} ms" for each in times]
                row(family, f"{batch:,}", f"{width:,}", f"{case.parameters():,}", *shown, f"{times[0] / times[2]:.2f}")
    numbers = 100_000 if quick else 4_000_000
    travels = min(asked(2, "gather", numbers) for _ in range(1 if quick else ROUNDS))
    with threadpool_limits(1):
        rate = operations()
    print(f"\nmeasured: {rate / 1e9:.0f} thousand million operations a second in products of one core;")
    print(f"{travels * 1e3:.1f} ms until the gradients of {numbers:,} parameters are gathered and added up\n")
    row("parameters", "bytes to each rank", "gathered and added up", "1,000 targets on one core", "4,000 such steps")
    row(*["---"] * 5)
    for what, parameters in LARGER.items():
        gradients, arithmetic = travels / numbers * parameters, 6 * parameters * 1000 / rate
        shown = (f"{PIECES * 4 * parameters / 1e6:,.0f} MB", f"{gradients:.2g} s", f"{arithmetic:.2g} s")
        row(f"{what}, {parameters:,}", *shown, f"{4000 * arithmetic / 3600:.2g} hours")
    print(f"\ntwo ranks gain from about {2 * travels / numbers * rate / 6:,.0f} targets a batch on")


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        if (found := work(*sys.argv[2:])) is not None:
            print(json.dumps(found), flush=True)
    else:
        main("--quick" in sys.argv)
