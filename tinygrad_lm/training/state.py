"""What a training goes on from: how it was set up and how far it is, as arrays and plain data, and how that is read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple, cast

from tinygrad_lm.autograd.types import Array
from tinygrad_lm.checks import whole_entry
from tinygrad_lm.training.plan import MOST, Plan, finite_number

PARTS = ("model", "best", "optimizer", "average")
"""What the arrays of a state belong to; the names of each begin with it."""


class Setup(NamedTuple):
    """What a training was made with: a state is taken up where it is the same."""

    plan: Plan
    fingerprint: str
    """A hash of the names."""
    optimizer: dict[str, object] | None
    """What can be told of an optimizer of the user's own; the plan tells of another."""
    before_step: bool
    """Whether something may change the gradients; what it does cannot be told."""

    def to_json(self) -> dict[str, object]:
        """All of it as plain data."""
        return {**self._asdict(), "plan": self.plan.to_json()}

    def check_same(self, data: Mapping[str, object]) -> None:
        """Raise ``ValueError`` naming what differs in the state of another training; the steps may."""
        if "plan" not in data:
            raise ValueError(
                "an earlier version of tinygrad-lm wrote it, without the plan and the names, so that nothing tells "
                "whether the training would go on as it began; train anew"
            )
        plan = Plan.from_json(cast(Mapping[str, object], data["plan"]))
        _check_equal({**plan.to_json(), "steps": None}, {**self.plan.to_json(), "steps": None})
        if data["fingerprint"] != self.fingerprint:
            raise ValueError("the names, or which of them are for validation, are not those that it was trained on")
        optimizer = cast(Mapping[str, object] | None, data.get("optimizer"))
        _check_equal({} if optimizer is None else optimizer, self.optimizer or {})
        if data.get("before_step", False) is not self.before_step:
            raise ValueError(
                "it was trained with a before_step, which is missing now"
                if not self.before_step
                else "it was trained without the before_step that there is now"
            )


class Progress(NamedTuple):
    """How far a training is."""

    step: int
    seconds: float
    best_loss: float
    best_step: int
    nats: float
    characters: int

    def to_json(self) -> dict[str, object]:
        """All of it as plain data: a best loss that there is none of yet is ``None``."""
        return {**self._asdict(), "best_loss": self.best_loss if math.isfinite(self.best_loss) else None}


def read_progress(data: Mapping[str, object], plan: Plan, one_character: bool) -> Progress:
    """How far a training was.

    Earlier versions summed the mean losses of batches. Where every example is one character those are the sums of now;
    else they are none of characters, and refused, unless there were none since the last report.

    Raises
    ------
    ValueError, KeyError
        For what cannot be.
    """
    step = whole_entry(data, "step", 0, MOST)
    if step > plan.steps:
        raise ValueError(f"step {step} is not one of the plan's {plan.steps}")
    if "nats" in data or "loss_sum" not in data:
        nats, characters = finite_number(data, "nats"), whole_entry(data, "characters", 0, MOST)
    else:
        batches = whole_entry(data, "loss_count", 0, step)
        nats, characters = finite_number(data, "loss_sum") * plan.batch_size, batches * plan.batch_size
        if batches and not one_character:
            raise ValueError(
                "an earlier version of tinygrad-lm wrote it between two reports, with a training loss that is no mean "
                "over characters; train anew"
            )
    best_loss = math.inf if data["best_loss"] is None else finite_number(data, "best_loss")
    best_step = whole_entry(data, "best_step", 0, step)
    return Progress(step, finite_number(data, "seconds", 0), best_loss, best_step, nats, characters)


def joined(parts: Mapping[str, Mapping[str, Array]]) -> dict[str, Array]:
    """The arrays of all parts, each name with its part before it."""
    return {f"{part}.{name}": array for part, held in parts.items() for name, array in held.items()}


def parted(arrays: Mapping[str, Array]) -> dict[str, dict[str, Array]]:
    """What ``joined`` put together.

    Raises
    ------
    ValueError
        For an array that belongs to none.
    """
    parts: dict[str, dict[str, Array]] = {part: {} for part in PARTS}
    for name, array in arrays.items():
        part, _, rest = name.partition(".")
        if part not in parts:
            raise ValueError(f"the array {name!r:.60} has no place in a training")
        parts[part][rest] = array
    return parts


def stepped(arrays: Mapping[str, Array]) -> int:
    """How many parameters the arrays of an optimizer's state are of: those that have had a gradient."""
    return len({name.partition(".")[0] for name in arrays})


def _check_equal(saved: Mapping[str, object], now: Mapping[str, object]) -> None:
    """Raise ``ValueError`` naming a setting with both its values."""
    for name in (*now, *saved):
        if saved.get(name) != now.get(name):
            raise ValueError(
                f"{name} was {saved.get(name)!r:.60} when it was saved and is now {now.get(name)!r:.60}; "
                "a training goes on as it began"
            )
