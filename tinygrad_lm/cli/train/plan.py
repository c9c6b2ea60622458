"""How ``train`` trains: the plan that its options, and what holds where they are not given, come to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

from tinygrad_lm.cli.parsing import UsageError
from tinygrad_lm.cli.train.options import STARTS, TrainOptions, starts_of
from tinygrad_lm.models.trainable import TrainableModel
from tinygrad_lm.training import Plan


def plan_of(options: TrainOptions, examples: int) -> Plan:
    """The plan for a training on so many examples.

    Raises
    ------
    UsageError
        For settings that make none.
    """
    start = partial(_start, options, _of_family(options))
    batch_size: int = start("batch_size")
    if not options.is_given("batch_size"):
        batch_size = min(batch_size, examples)
    steps: int = start("steps")
    if options.epochs is not None:
        steps = options.epochs * math.ceil(examples / batch_size)
    warmup_steps: int = start("warmup_steps")
    if not options.is_given("warmup_steps"):  # what a family starts with is for trainings of some length
        warmup_steps = min(warmup_steps, steps // 10)
    try:
        return Plan(
            steps=steps,
            batch_size=batch_size,
            lr=start("lr"),
            optimizer=start("optimizer"),
            schedule=start("schedule"),
            weight_decay=start("weight_decay"),
            seed=options.seed,
            evaluate_every=max(1, min(Plan.evaluate_every, steps // 8)),
            clip_grad_norm=start("clip_grad_norm"),
            warmup_steps=warmup_steps,
            ema_decay=start("ema_decay"),
            label_smoothing=start("label_smoothing"),
            pieces=start("pieces"),
        )
    except ValueError as error:
        raise UsageError(str(error)) from None


def _of_family(options: TrainOptions) -> dict[str, Any]:
    """What the family starts with, and in place of it what an optimizer does that was typed."""
    family = options.choice.family
    found = starts_of(family) if issubclass(family, TrainableModel) else {}
    if not options.is_given("optimizer") or options.optimizer == found.get("optimizer"):
        return found
    if "optimizer" in found:  # whose rate and decay are another's
        found = {name: value for name, value in found.items() if name not in ("lr", "weight_decay")}
    return {**found, **STARTS.get(options.optimizer, {})}


def _start(options: TrainOptions, of_family: Mapping[str, Any], name: str) -> Any:
    """A setting as it was given, else what the family starts with, or the command."""
    return getattr(options, name) if options.is_given(name) else of_family.get(name, getattr(options, name))
