"""The step of makemore's Transformer: 32 names of 16 characters, width 64, 4 heads, 4 blocks, AdamW."""

from collections.abc import Iterator

from benchmarks import steps
from benchmarks.contestants import by_hand_transformer, ours, peers, problems
from benchmarks.entries import Entry
from benchmarks.timing import Effort
from tinygrad_lm.models import Transformer
from tinygrad_lm.text import Vocabulary

CONTEXT = 16
LR = 5e-4


def rows(effort: Effort) -> Iterator[Entry]:
    """One row."""
    width, heads, layers = effort.of((64, 4, 4), (8, 2, 1))

    def make() -> Transformer:
        return Transformer(Vocabulary(), context=CONTEXT, width=width, heads=heads, layers=layers, dropout=0.0, rng=0)

    weights = make().state_dict()
    batch_size = effort.of(32, 4)
    problem = problems.Problem(problems.sequences(batch_size, CONTEXT), weights, "adamw", LR)
    ways = {name: ours.drawing(make, problem, way) for name, way in ours.WAYS.items()}
    ways["NumPy by hand"] = by_hand_transformer.step_of(heads, layers, problem)
    if peers.present("torch", effort):
        from torch import nn

        from benchmarks.contestants import makemore, torch_steps

        def net() -> nn.Module:
            return makemore.like(make())

        def with_gelu() -> nn.Module:
            return makemore.like(make(), nn.GELU("tanh"))

        theirs = problems.Problem(problem.data, makemore.renamed(weights), problem.optimizer, LR)
        of_sequences = torch_steps.of_sequences
        ways["PyTorch, makemore's source"] = torch_steps.step_of(net, of_sequences, theirs)
        ways["PyTorch, nn.GELU"] = torch_steps.step_of(with_gelu, of_sequences, theirs)
        ways["PyTorch, nn.GELU, fused optimizer"] = torch_steps.step_of(with_gelu, of_sequences, theirs, fused=True)
        if peers.compiles(effort):
            ways["torch.compile"] = torch_steps.step_of(with_gelu, of_sequences, theirs, fused=True, compiled=True)
    if peers.present("jax", effort):
        from benchmarks.contestants import jax_nets

        ways["JAX jit"] = jax_nets.transformer(heads, layers, problem)
    title = f"a step of makemore's Transformer, {batch_size} x {CONTEXT}, AdamW"
    yield steps.entry("transformer", title, ways, effort.at_most(25))
