"""``Plan``: how a training is done, as plain numbers and words that are written into the files of a run."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, cast

from tinygrad_lm import defaults, optim
from tinygrad_lm.checks import whole_number

MOST = 10**18
"""The largest whole number in a plan; beyond it a number of steps is no float's any more."""


@dataclass(frozen=True)
class Plan:
    """How to train, as numbers and words.

    Parameters
    ----------
    steps
        How many batches the training has in all.
    batch_size
        How many examples a batch has.
    lr
        The learning rate, which the schedule multiplies.
    optimizer
        One of ``optim.OPTIMIZERS``.
    schedule
        One of ``optim.SCHEDULES``.
    weight_decay
        Of the matrices; vectors (biases, norms) do not decay.
    seed
        Decides the batches.
    evaluate_every
        After how many steps the validation loss is measured, as it is after the last.

    Raises
    ------
    ValueError
        Naming the setting that is out of range.
    """

    steps: int
    batch_size: int = defaults.BATCH_SIZE
    lr: float = defaults.LR
    optimizer: str = defaults.OPTIMIZER
    schedule: str = defaults.SCHEDULE
    weight_decay: float = defaults.WEIGHT_DECAY
    seed: int = 0
    evaluate_every: int = 250

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "evaluate_every", "seed"):
            low = 0 if name == "seed" else 1
            value = whole_number(getattr(self, name), low, f"{name} is a whole number from {low} to 10**18, not", MOST)
            object.__setattr__(self, name, value)  # one of NumPy's would not be written as JSON
        for name in ("lr", "weight_decay"):
            finite_number(vars(self), name, 0)
        if self.optimizer not in optim.OPTIMIZERS:
            raise ValueError(f"optimizer is one of {', '.join(optim.OPTIMIZERS)}, not {self.optimizer!r}")
        if self.schedule not in optim.SCHEDULES:
            raise ValueError(f"schedule is one of {', '.join(optim.SCHEDULES)}, not {self.schedule!r}")

    def to_json(self) -> dict[str, object]:
        """The settings as plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Plan:
        """The settings from plain data. Raises ``ValueError`` for unknown, missing or bad ones."""
        names = {field.name for field in fields(cls)}
        if set(data) != names:
            raise ValueError(
                f"a training plan has the settings {', '.join(sorted(names))}, not {', '.join(sorted(data))}"
            )
        return cls(**cast(dict[str, Any], data))


def finite_number(data: Mapping[str, object], name: str, low: float = -sys.float_info.max) -> float:
    """The number of that name, from ``low`` and finite. Raises ``ValueError`` naming it otherwise."""
    value = data[name]
    # An integer beyond the largest float is below inf all the same.
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= sys.float_info.max:
        raise ValueError(f"{name} is a finite number{'' if low else ' from 0'}, not {value!r:.60}")
    return float(value)
