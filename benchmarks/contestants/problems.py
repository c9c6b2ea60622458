"""What all contestants are given: examples, and batches that are the same for each of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from tinygrad_lm.text import NameDataset, SequenceDataset, Vocabulary, bundled_names
from tinygrad_lm.text.targets import IGNORE

END = Vocabulary().boundary_id
"""What begins and ends a name, and fills up what is shorter than the rest of its batch."""

BLOCK = 128
"""How many examples go forward and backward together, where a batch is larger."""
DRAWN = 256
"""For how many batches indices are drawn at once: the same numbers as batch by batch, in a tenth of the time."""
KEPT = 32
"""How many batches of whole names there are; they come again and again."""

Array = np.ndarray
Pair = tuple[Array, Array]


@dataclass(frozen=True)
class Windows:
    """Windows of the bundled names with what comes next, drawn with replacement."""

    contexts: Array
    targets: Array
    batch_size: int

    def chosen(self) -> Iterator[Array]:
        """The numbers of the examples of each batch; the same whenever it is called."""
        rng = np.random.Generator(np.random.PCG64(0))
        while True:
            yield from rng.integers(len(self.targets), size=(DRAWN, self.batch_size))

    def batches(self) -> Iterator[Pair]:
        """The batches themselves."""
        for chosen in self.chosen():
            yield self.contexts.take(chosen, axis=0), self.targets.take(chosen)


@dataclass(frozen=True)
class Sequences:
    """Batches of whole names, all padded to one length."""

    kept: tuple[Pair, ...]

    def batches(self) -> Iterator[Pair]:
        """The batches, over and over."""
        while True:
            yield from self.kept


@dataclass(frozen=True)
class Problem:
    """A training: what is learned from, where the weights start, and how they are changed."""

    data: Windows | Sequences
    weights: Mapping[str, Array]
    optimizer: str
    """``sgd`` or ``adamw``."""
    lr: float

    def copies(self) -> dict[str, Array]:
        """The weights as arrays of the caller's own."""
        return {name: array.copy() for name, array in self.weights.items()}


def windows(batch_size: int, context: int = 3) -> Windows:
    """Those of all bundled names."""
    data = NameDataset(bundled_names(), Vocabulary(), context)
    return Windows(data.contexts, data.targets, batch_size)


def sequences(batch_size: int, length: int | None = None) -> Sequences:
    """Batches of the bundled names, padded to a length, or to that of the longest name with its end."""
    data = SequenceDataset(bundled_names(), Vocabulary())
    rng = np.random.Generator(np.random.PCG64(0))
    wide = data.longest if length is None else length
    kept = [_padded(data.take(rng.integers(len(data), size=batch_size)), wide) for _ in range(KEPT)]
    return Sequences(tuple(kept))


def _padded(pair: Pair, wide: int) -> Pair:
    inputs, targets = (np.full((len(part), wide), fill) for part, fill in zip(pair, (END, IGNORE), strict=True))
    for whole, part in zip((inputs, targets), pair, strict=True):
        whole[:, : part.shape[1]] = part
    return inputs, targets
