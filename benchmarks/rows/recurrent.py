"""The step of a GRU and an LSTM: 64 whole names padded to one length, embedding 32, hidden 128, AdamW.

The last row is an LSTM's without most of the padding, of the same loss. All pack their sequences, PyTorch and NumPy by
hand each batch as it is, this package as many names at each step as go on in any of the batches, in eighths of a batch:
the sizes are a part of a step that is replayed.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks import steps
from benchmarks.contestants import by_hand_recurrent, ours, peers, problems
from benchmarks.contestants.problems import Array
from benchmarks.entries import Entry
from benchmarks.timing import Effort
from tinygrad_lm import Tensor, nn
from tinygrad_lm.models import GRU, LSTM
from tinygrad_lm.nn import functional as F
from tinygrad_lm.text import Vocabulary
from tinygrad_lm.text.targets import IGNORE

LR = 1e-3
ROUNDS = 25
UNDROPPED = {"dropout": 0.0, "recurrent_dropout": 0.0, "blank": 0.0}

Family = type[GRU] | type[LSTM]


def gru(effort: Effort) -> Iterator[Entry]:
    """One row."""
    yield padded(GRU, effort.at_most(ROUNDS))


def lstm(effort: Effort) -> Iterator[Entry]:
    """Padded, and by length."""
    yield padded(LSTM, effort.at_most(ROUNDS))
    yield packed(effort.at_most(ROUNDS))


def padded(family: Family, effort: Effort) -> Entry:
    """The step over whole batches."""
    problem = problem_of(family, effort)
    ways = {name: ours.drawing(maker(family, effort), problem, way) for name, way in ours.WAYS.items()}
    ways["NumPy by hand"] = by_hand_recurrent.step_of(family.kind, problem)
    if peers.present("torch", effort):
        from benchmarks.contestants import torch_recurrent, torch_steps

        net = torch_recurrent.maker(family.kind, *sizes(effort))
        for name, fused in torch_steps.EAGER.items():
            ways[name] = torch_steps.step_of(net, torch_steps.of_sequences, problem, fused)
    if peers.present("jax", effort):
        from benchmarks.contestants import jax_nets

        ways["JAX jit"] = jax_nets.recurrent(family.kind, problem)
    return steps.entry(family.kind, title(family, effort), ways, effort)


def packed(effort: Effort) -> Entry:
    """The step of an LSTM over batches whose longest names come first, each no longer than it has to be."""
    problem = problem_of(LSTM, effort)
    ordered = problems.Problem(longest_first(problem.data), problem.weights, problem.optimizer, problem.lr)
    make, loss_of = maker(LSTM, effort), by_length(ordered.data)
    ways = {name: ours.drawing(make, ordered, way, loss_of) for name, way in ours.WAYS.items()}
    ways["NumPy by hand"] = by_hand_recurrent.step_of(LSTM.kind, ordered, packed=True)
    if peers.present("torch", effort):
        from benchmarks.contestants import torch_recurrent, torch_steps

        net = torch_recurrent.maker(LSTM.kind, *sizes(effort))
        ways["PyTorch, padded"] = torch_steps.step_of(net, torch_steps.of_sequences, ordered)
        ways["PyTorch, packed"] = torch_steps.step_of(net, torch_recurrent.of_packed, ordered)
    return steps.entry("lstm-packed", f"{title(LSTM, effort)}, by length", ways, effort)


def sizes(effort: Effort) -> tuple[int, int]:
    """The embedding and the states."""
    return effort.of((32, 128), (4, 8))


def maker(family: Family, effort: Effort) -> Callable[[], Any]:
    """What makes the model."""
    embedding, hidden = sizes(effort)
    return lambda: family(Vocabulary(), embedding=embedding, hidden=hidden, rng=0, **UNDROPPED)


def problem_of(family: Family, effort: Effort) -> problems.Problem:
    """Batches, weights and optimizer."""
    data = problems.sequences(effort.of(64, 8))
    return problems.Problem(data, maker(family, effort)().state_dict(), "adamw", LR)


def title(family: Family, effort: Effort) -> str:
    """What the row is called."""
    return f"a step of {'an' if family is LSTM else 'a'} {family.__name__}, {effort.of(64, 8)} whole names"


def longest_first(data: problems.Sequences) -> problems.Sequences:
    """The same batches, the longest names of each first."""
    found = list[tuple[Array, Array]]()
    for inputs, targets in data.kept:
        order = np.argsort(-lengths(targets), kind="stable")
        found.append((inputs[order], targets[order]))
    return problems.Sequences(tuple(found))


def lengths(targets: Array) -> Array:
    """How many targets of each name count."""
    return (targets != IGNORE).sum(axis=1)


def by_length(data: problems.Sequences) -> ours.LossOf:
    """The loss of batches whose longest names come first, packed by the longest in each place of any of them."""
    longest = np.max([lengths(targets) for _, targets in data.kept], axis=0)
    most = longest.reshape(8, -1).max(axis=1).repeat(len(longest) // 8)  # BLAS likes widths that are whole vectors

    def loss_of(model: Any, inputs: Array, targets: Array) -> Tensor:
        ids, wanted = (nn.pack_padded_sequence(part, most, batch_first=True) for part in (inputs, targets))
        states, _ = model.recurrent(nn.PackedSequence(model.embedding(ids.data), ids.batch_sizes))
        return F.cross_entropy(model.output(states.data), wanted.data, ignore_index=IGNORE)

    return loss_of
