"""The course's lab as a whole: context 3, embedding 10, hidden 100, batches of 32, Adam, 20 epochs over the names.

Every epoch goes once through the training names, in an order that is the same for all, and measures the loss on the
validation names. The contestants' epochs take turns; what is told is the time of so many epochs as the median takes.
"""

import time
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.contestants import ours, peers
from benchmarks.contestants.problems import Array, Pair
from benchmarks.entries import Entry
from benchmarks.timing import Effort, Times
from tinygrad_lm import no_grad, optim
from tinygrad_lm.models import MLP
from tinygrad_lm.text import NameDataset, Vocabulary, bundled_names, split_names

CONTEXT, EMBEDDING, BATCH = 3, 10, 32
LR = 1e-3

Step = Callable[[Array, Array], object]
Loss = Callable[[Array, Array], float]


def rows(effort: Effort) -> Iterator[Entry]:
    """One row."""
    split = split_names(bundled_names()[: effort.of(None, 40)], seed=0)
    train, validation = (examples(names) for names in (split.train, split.validation))
    hidden, epochs = effort.of((100, 20), (8, 2))
    contestants = {name: with_ours(hidden, way) for name, way in ours.WAYS.items()}
    if peers.present("torch", effort):
        from benchmarks.contestants import torch_steps

        contestants |= {name: with_torch(hidden, fused) for name, fused in torch_steps.EAGER.items()}
    rngs = {name: np.random.default_rng(0) for name in contestants}
    times: Times = {name: [] for name in contestants}
    losses: dict[str, float] = {}
    for _ in range(epochs):
        for name, (step, loss) in contestants.items():
            started = time.perf_counter()
            epoch(step, train, rngs[name])
            losses[name] = loss(*validation)
            times[name].append((time.perf_counter() - started) * epochs)
    note = "validation losses " + ", ".join(f"{name} {loss:.4f}" for name, loss in losses.items())
    title = f"the course's lab, {epochs} epochs of {len(train[0]):,} windows"
    yield Entry("course-lab", title, times, note=note, details={"validation_losses": losses})


def examples(names: list[str]) -> Pair:
    """All windows of some names, and what comes next."""
    data = NameDataset(names, Vocabulary(), CONTEXT)
    return data.contexts.copy(), data.targets.copy()  # PyTorch warns of arrays that are read-only


def epoch(step: Step, train: Pair, rng: np.random.Generator) -> None:
    """Once through the training examples."""
    contexts, targets = train
    order = rng.permutation(len(targets))
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        step(contexts.take(chosen, axis=0), targets.take(chosen))


def model_of(hidden: int) -> MLP:
    """The model, with the weights that all begin with."""
    return MLP(Vocabulary(), context=CONTEXT, embedding=EMBEDDING, hidden=(hidden,), rng=0)


def with_ours(hidden: int, way: Callable[[ours.Step], ours.Step]) -> tuple[Step, Loss]:
    """This package's step, and its loss on other examples."""
    model = model_of(hidden)
    step = ours.step_of(model, optim.Adam(model.parameters(), lr=LR))

    def loss(contexts: Array, targets: Array) -> float:
        with no_grad():
            return model.loss(contexts, targets).item()

    return way(step), loss


def with_torch(hidden: int, fused: bool) -> tuple[Step, Loss]:
    """PyTorch's."""
    import torch

    from benchmarks.contestants import torch_mlp, torch_steps

    model = model_of(hidden)
    net = torch_steps.loaded(lambda: torch_mlp.MLP(len(Vocabulary()), CONTEXT, EMBEDDING, hidden), model.state_dict())
    loss_of, optimizer = torch_steps.of_rows(net), torch_steps.optimizer_of(net, "adam", LR, fused)

    def loss(contexts: Array, targets: Array) -> float:
        with torch.no_grad():
            return loss_of(*map(torch.from_numpy, (contexts, targets))).item()

    return torch_steps.plain(loss_of, optimizer), loss
