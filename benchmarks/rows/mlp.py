"""The step of the lectures' MLP: context 3, embedding 10, hidden 200; batches of 32, 512 and 4,096; SGD and AdamW."""

from collections.abc import Callable, Iterator
from functools import partial

from benchmarks import steps
from benchmarks.contestants import by_hand, ours, peers, problems
from benchmarks.entries import IN_BLOCKS, Entry
from benchmarks.timing import Effort
from tinygrad_lm.models import MLP
from tinygrad_lm.text import Vocabulary

CONTEXT, EMBEDDING = 3, 10
RATES = {"sgd": 0.1, "adamw": 1e-3}
NAMES = {"sgd": "SGD", "adamw": "AdamW"}

Step = Callable[[], float]


def rows(effort: Effort) -> Iterator[Entry]:
    """A row for each size of a batch and each optimizer."""
    for batch_size in effort.of((32, 512, 4096), (32, 256)):
        for optimizer in RATES:
            making = makers(batch_size, optimizer, effort.of(200, 8), effort)
            title = f"a step of an MLP, batch {batch_size:,}, {NAMES[optimizer]}"
            ways = {name: make() for name, make in making.items()}
            yield steps.entry(f"mlp-{optimizer}-{batch_size}", title, ways, effort)


def makers(batch_size: int, optimizer: str, hidden: int, effort: Effort) -> dict[str, Callable[[], Step]]:
    """What makes the step of each contestant, and imports for it what it needs."""

    def make() -> MLP:
        return MLP(Vocabulary(), context=CONTEXT, embedding=EMBEDDING, hidden=(hidden,), rng=0)

    data = problems.windows(batch_size, CONTEXT)
    problem = problems.Problem(data, make().state_dict(), optimizer, RATES[optimizer])
    found: dict[str, Callable[[], Step]] = {
        name: partial(ours.drawing, make, problem, way) for name, way in ours.WAYS.items()
    }
    if batch_size > problems.BLOCK:
        found[IN_BLOCKS] = partial(ours.drawing, make, problem, ours.in_blocks)
    found["NumPy by hand"] = partial(by_hand.step_of, problem)
    if peers.present("torch", effort):
        found["PyTorch"] = partial(_with_torch, problem, hidden)
        found["PyTorch, fused optimizer"] = partial(_with_torch, problem, hidden, fused=True)
    if peers.compiles(effort):
        found["torch.compile"] = partial(_with_torch, problem, hidden, fused=True, compiled=True)
    if peers.present("jax", effort):
        found["JAX jit"] = partial(_with_jax, problem)
    if peers.present("autograd", effort):
        found["HIPS autograd"] = partial(_with_autograd, problem)
    if peers.present("mygrad", effort):
        found["MyGrad"] = partial(_with_mygrad, problem)
    return found


def _with_torch(problem: problems.Problem, hidden: int, fused: bool = False, compiled: bool = False) -> Step:
    from benchmarks.contestants import torch_mlp, torch_steps

    net = partial(torch_mlp.MLP, len(Vocabulary()), CONTEXT, EMBEDDING, hidden)
    return torch_steps.step_of(net, torch_steps.of_rows, problem, fused, compiled)


def _with_jax(problem: problems.Problem) -> Step:
    from benchmarks.contestants import jax_nets

    return jax_nets.mlp(problem)


def _with_autograd(problem: problems.Problem) -> Step:
    from benchmarks.contestants import numpy_engines

    return numpy_engines.with_autograd(problem)


def _with_mygrad(problem: problems.Problem) -> Step:
    from benchmarks.contestants import numpy_engines

    return numpy_engines.with_mygrad(problem)
