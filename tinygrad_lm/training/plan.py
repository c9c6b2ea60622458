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

PIECES = 4
"""Into how many pieces a batch is cut where processes share it and the plan does not say."""

MOST_PIECES = 10**4
"""Each step keeps the gradients of every piece."""

OF_THE_OPTIMIZER = ("lr", "weight_decay")
"""What a plan says to its optimizer, and nothing to one of the user's own."""


@dataclass(frozen=True)
class Plan:
    """How to train, as numbers and words.

    ``optimizer=None`` and ``schedule=None`` say that the ``Trainer`` is given one of the user's own. Then ``lr`` and
    ``weight_decay``, which are the optimizer's, and ``warmup_steps``, which is the schedule's, are left out here:
    whatever would be ignored is refused.

    Parameters
    ----------
    steps
        How many batches the training has in all.
    batch_size
        How many examples a batch has.
    lr
        The learning rate, which the schedule multiplies.
    optimizer
        One of ``optim.OPTIMIZERS``, or ``None``.
    schedule
        One of ``optim.SCHEDULES``, or ``None``; it runs over the steps that are left after the warm-up.
    weight_decay
        Of the matrices; vectors (biases, norms) do not decay.
    seed
        Decides the batches.
    evaluate_every
        After how many steps the validation loss is measured, as it is after the last.
    clip_grad_norm
        The greatest Euclidean norm of all gradients together (see ``optim.clip_grad_norm_``); ``None``: any.
    warmup_steps
        Over how many steps the learning rate first rises in a straight line, fewer than ``steps``.
    ema_decay
        The decay of an exponential moving average of the weights, from 0 to below 1 (0.999, say), which is then what
        is evaluated, kept as the best and saved, as are averages of the buffers, such as the running statistics of
        ``BatchNorm1d``; ``None``: the weights themselves. See ``WeightAverage``.
    label_smoothing
        From 0 to 1: what share of each target is spread over all tokens (see ``functional.cross_entropy``). The losses
        of the training are then of such targets; those of the validation never.
    pieces
        Into how many pieces each batch is cut, so that as many processes can share it, one or several pieces each; the
        number decides the bytes that come out, and how many processes there are does not. ``None``: batches stay whole,
        unless the ``Trainer`` is given a communicator. See ``training.pieces.Pieces``.

    Raises
    ------
    ValueError
        Naming the setting that is out of range.
    """

    steps: int
    batch_size: int = defaults.BATCH_SIZE
    lr: float | None = defaults.LR
    optimizer: str | None = defaults.OPTIMIZER
    schedule: str | None = defaults.SCHEDULE
    weight_decay: float | None = defaults.WEIGHT_DECAY
    seed: int = 0
    evaluate_every: int = 250
    clip_grad_norm: float | None = None
    warmup_steps: int = 0
    ema_decay: float | None = None
    label_smoothing: float = 0.0
    pieces: int | None = None

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "evaluate_every", "seed", "warmup_steps"):
            low = 0 if name in ("seed", "warmup_steps") else 1
            value = whole_number(getattr(self, name), low, f"{name} is a whole number from {low} to 10**18, not", MOST)
            object.__setattr__(self, name, value)  # one of NumPy's would not be written as JSON
        if self.pieces is not None:
            what = f"pieces is a whole number from 1 to {MOST_PIECES:,}, or None for whole batches, not"
            object.__setattr__(self, "pieces", whole_number(self.pieces, 1, what, MOST_PIECES))
        if self.warmup_steps >= self.steps:
            raise ValueError(
                f"warmup_steps must be fewer than the {self.steps:,} steps in all, not {self.warmup_steps:,}"
            )
        self._check_optimizer()
        if self.schedule is None and self.warmup_steps:
            raise ValueError(
                f"warmup_steps={self.warmup_steps} says nothing beside a schedule of your own: leave it out of the "
                "plan, and give the schedule optim.warmup(steps, then)"
            )
        if self.schedule is not None and self.schedule not in optim.SCHEDULES:
            raise ValueError(f"schedule is one of {', '.join(optim.SCHEDULES)}, or None, not {self.schedule!r}")
        if self.clip_grad_norm is not None and not finite_number(vars(self), "clip_grad_norm", 0):
            raise ValueError("clip_grad_norm is above 0, for 0 lets nothing be learned; None clips nothing")
        if self.ema_decay is not None and not finite_number(vars(self), "ema_decay", 0) < 1:
            raise ValueError(f"ema_decay is a number from 0 to below 1, or None for no average, not {self.ema_decay!r}")
        if not finite_number(vars(self), "label_smoothing", 0) <= 1:
            raise ValueError(f"label_smoothing is a number from 0 to 1, not {self.label_smoothing!r}")

    def _check_optimizer(self) -> None:
        if self.optimizer is None:
            for name in OF_THE_OPTIMIZER:
                if getattr(self, name) not in (None, getattr(Plan, name)):
                    raise ValueError(
                        f"{name}={getattr(self, name)!r:.60} says nothing to an optimizer of your own: leave it out of "
                        "the plan, and give it to the optimizer"
                    )
                object.__setattr__(self, name, None)
            return
        if self.optimizer not in optim.OPTIMIZERS:
            raise ValueError(f"optimizer is one of {', '.join(optim.OPTIMIZERS)}, or None, not {self.optimizer!r}")
        for name in OF_THE_OPTIMIZER:
            finite_number(vars(self), name, 0)

    def to_json(self) -> dict[str, object]:
        """The settings as plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Plan:
        """The settings from plain data; what an earlier version did not write has its default.

        Raises
        ------
        ValueError
            For unknown, missing or bad ones.
        """
        names, given = {field.name for field in fields(cls)}, {**ADDED, **data}
        if set(given) != names:
            raise ValueError(
                f"a training plan has the settings {', '.join(sorted(names))}, not {', '.join(sorted(data))}"
            )
        return cls(**cast(dict[str, Any], given))


ADDED: Mapping[str, object] = {
    name: getattr(Plan, name) for name in ("clip_grad_norm", "warmup_steps", "ema_decay", "label_smoothing", "pieces")
}
"""What the plans of earlier versions do not say, and what held for them: the defaults."""


def finite_number(data: Mapping[str, object], name: str, low: float = -sys.float_info.max) -> float:
    """The number of that name, from ``low`` and finite.

    Raises
    ------
    ValueError
        Naming it otherwise.
    """
    value = data[name]
    # An integer beyond the largest float is below inf all the same.
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= sys.float_info.max:
        raise ValueError(f"{name} is a finite number{'' if low else ' from 0'}, not {value!r:.60}")
    return float(value)
