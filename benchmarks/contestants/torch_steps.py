"""Training steps in PyTorch: eager with its default and its fused optimizer, and compiled."""

from collections.abc import Callable, Mapping

import torch
from torch.nn import functional as F

from benchmarks.contestants.problems import Array, Problem

OPTIMIZERS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}

EAGER = {"PyTorch": False, "PyTorch, fused optimizer": True}
"""What the eager ways are called, and whether the optimizer is the fused one."""

Loss = Callable[..., torch.Tensor]
Makes = Callable[[], torch.nn.Module]


def loaded(make: Makes, weights: Mapping[str, Array]) -> torch.nn.Module:
    """A network with weights of this package's, by their names."""
    torch.set_num_threads(1)
    net = make()
    net.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()})
    return net


def optimizer_of(net: torch.nn.Module, name: str, lr: float, fused: bool) -> torch.optim.Optimizer:
    """An optimizer, the one that PyTorch chooses or its fused one."""
    return OPTIMIZERS[name](net.parameters(), lr=lr, **({"fused": True} if fused else {}))


def of_rows(net: torch.nn.Module) -> Loss:
    """The loss of a network that gives a row of logits for each example."""
    return lambda inputs, targets: F.cross_entropy(net(inputs), targets)


def of_sequences(net: torch.nn.Module) -> Loss:
    """The loss of one that gives logits (n, length, count)."""
    return lambda inputs, targets: F.cross_entropy(net(inputs).flatten(0, 1), targets.flatten())


def plain(loss_of: Loss, optimizer: torch.optim.Optimizer) -> Callable[[Array, Array], float]:
    """The training step as one writes it, over arrays, with its loss."""

    def step(inputs: Array, targets: Array) -> float:
        loss = loss_of(torch.from_numpy(inputs), torch.from_numpy(targets))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def step_of(
    make: Makes,
    loss_of: Callable[[torch.nn.Module], Loss],
    problem: Problem,
    fused: bool = False,
    compiled: bool = False,
) -> Callable[[], float]:
    """A function that does a step and gives its loss."""
    net = loaded(make, problem.weights)
    loss = torch.compile(loss_of(net)) if compiled else loss_of(net)
    step = plain(loss, optimizer_of(net, problem.optimizer, problem.lr, fused))
    batches = problem.data.batches()
    return lambda: step(*next(batches))
