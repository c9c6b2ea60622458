"""Training steps of several contestants beside one another, and whether they learn alike."""

from collections.abc import Callable, Mapping

import numpy as np

from benchmarks.entries import EAGER, Entry
from benchmarks.timing import Effort, race

CHECKED = 20
"""After so many steps from the same weights on the same batches the losses have to agree."""
TOLERANCE = 1e-3
"""How far a loss may be from ours, as a share of it: float32, summed in other orders."""


def entry(key: str, title: str, ways: Mapping[str, Callable[[], float]], effort: Effort) -> Entry:
    """Check, then time, steps that each draw a batch, go forward and backward, update, and give the loss."""
    losses = {name: [way() for _ in range(CHECKED)] for name, way in ways.items()}
    note, off = agreement(losses)
    return Entry(key, title, race(ways, effort), note=note, details={"losses_off_by": off})


def agreement(losses: Mapping[str, list[float]], tolerance: float = TOLERANCE) -> tuple[str, dict[str, float]]:
    """Whether all had the losses of our eager way, in words; and how far each was off at most, as a share."""
    right = np.array(losses[EAGER])
    off = {name: float(np.max(np.abs(np.array(found) / right - 1))) for name, found in losses.items() if name != EAGER}
    wrong = {name: by for name, by in off.items() if not by <= tolerance}
    if wrong:
        return "; ".join(f"**{name}: other losses**, by {by:.2g}" for name, by in wrong.items()), off
    worst = max(off.values(), default=None)
    how = "are the same" if worst == 0 else f"agree to {worst or 0:.0e}"
    return "" if worst is None else f"losses of {len(right)} steps {how}", off
