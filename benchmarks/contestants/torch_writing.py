"""Names written with PyTorch: each forward pass gives every name of a batch its next letter, until all have ended."""

from collections.abc import Callable

import torch

from benchmarks.contestants.problems import END

BATCH = 1024
"""How many names are written side by side: as many as this package writes."""

Logits = Callable[[torch.Tensor], torch.Tensor]
"""Logits (n, count) of what follows the ids (n, length) so far."""


def letters(logits_of: Logits, before: int, count: int, longest: int, rng: torch.Generator) -> int:
    """Write so many names, of at most so many letters, each after some boundaries; how many letters they have in all.

    A name that has ended is not read again.
    """
    with torch.no_grad():
        sizes = (min(BATCH, count - first) for first in range(0, count, BATCH))
        return sum(_batch(logits_of, before, n, longest, rng) for n in sizes)


def _batch(logits_of: Logits, before: int, n: int, longest: int, rng: torch.Generator) -> int:
    drawn = torch.full((n, before + longest), END)
    going = torch.arange(n)
    for place in range(before, before + longest):
        chances = torch.softmax(logits_of(drawn[going, :place]), dim=1)
        chosen = torch.multinomial(chances, 1, generator=rng)[:, 0]
        drawn[going, place] = chosen
        going = going[chosen != END]
        if not len(going):
            break
    return int((drawn != END).sum())
