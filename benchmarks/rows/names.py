"""Names written, by an MLP and by makemore's Transformer, both trained for a moment so that their names end.

PyTorch's loop is the usual one: it reads all that the network sees of each name again for every character.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.contestants import ours, peers, problems
from benchmarks.entries import EAGER, Entry
from benchmarks.timing import Effort, race
from tinygrad_lm.models import MLP, Transformer
from tinygrad_lm.sampling import Settings, samples
from tinygrad_lm.text import Vocabulary

CONTEXT = 16
LONGEST = 30
"""How many letters a name has at most."""


def rows(effort: Effort) -> Iterator[Entry]:
    """A row for each model."""
    hidden = effort.of(200, 8)
    mlp = MLP(Vocabulary(), context=3, embedding=10, hidden=(hidden,), rng=0)
    learn(mlp, problems.windows(32), effort.of(2000, 100), 3e-3)
    yield row("mlp", "an MLP", mlp, _torch_mlp, effort.of(10_000, 100), effort)
    width, heads, layers = effort.of((64, 4, 4), (8, 2, 1))
    sizes = {"context": CONTEXT, "width": width, "heads": heads, "layers": layers}
    transformer = Transformer(Vocabulary(), **sizes, dropout=0.0, rng=0)
    learn(transformer, problems.sequences(32, CONTEXT), effort.of(300, 30), 3e-3)
    yield row("transformer", "makemore's Transformer", transformer, _torch_transformer, effort.of(2_000, 100), effort)


def learn(model: Any, data: problems.Windows | problems.Sequences, steps: int, lr: float) -> None:
    """Train a model for a moment."""
    problem = problems.Problem(data, model.state_dict(), "adamw", lr)
    step = ours.step_of(model, ours.OPTIMIZERS["adamw"](model.parameters(), lr=lr))
    for _, batch in zip(range(steps), problem.data.batches(), strict=False):
        step(*batch)


def row(key: str, title: str, model: Any, torch_logits: Callable[[Any], Any], count: int, effort: Effort) -> Entry:
    """Names of one model."""
    rng = np.random.default_rng(0)
    letters: dict[str, int] = {}

    def write() -> None:
        names = samples(model, Settings(max_length=LONGEST), rng, count=count)
        letters[EAGER] = sum(len(name.text) for name in names)

    ways: dict[str, Callable[[], None]] = {EAGER: write}
    if peers.present("torch", effort):
        import torch

        from benchmarks.contestants import torch_writing

        logits_of, before = torch_logits(model)
        generator = torch.Generator().manual_seed(0)

        def write_with_torch() -> None:
            letters["PyTorch"] = torch_writing.letters(logits_of, before, count, LONGEST, generator)

        ways["PyTorch"] = write_with_torch
    times = race(ways, effort.at_most(9))
    note = "letters a name " + ", ".join(f"{name} {found / count:.2f}" for name, found in letters.items())
    return Entry(f"names-{key}", f"{count:,} names of {title}", times, note=note)


def _torch_mlp(model: MLP) -> tuple[Callable[[Any], Any], int]:
    """What gives logits of an MLP in PyTorch, and how many boundaries stand before a name."""
    from benchmarks.contestants import torch_mlp, torch_steps

    sizes = model.configuration
    net = torch_steps.loaded(
        lambda: torch_mlp.MLP(len(model.vocabulary), sizes.context, sizes.embedding, *sizes.hidden), model.state_dict()
    )
    return lambda ids: net(ids[:, -sizes.context :]), sizes.context


def _torch_transformer(model: Transformer) -> tuple[Callable[[Any], Any], int]:
    """The same of makemore's Transformer."""
    from benchmarks.contestants import makemore, torch_steps

    net = torch_steps.loaded(lambda: makemore.like(model), makemore.renamed(model.state_dict()))
    return lambda ids: net(ids[:, -CONTEXT:])[:, -1], 1
