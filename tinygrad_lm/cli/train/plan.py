"""How ``train`` trains: the plan that its options, and what holds where they are not given, come to."""

from __future__ import annotations

import math
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
    start = partial(_start, options)
    batch_size: int = start("batch_size")
    if not options.is_given("batch_size"):
        batch_size = min(batch_size, examples)
    steps: int = start("steps")
    if options.epochs is not None:
        steps = options.epochs * math.ceil(examples / batch_size)
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
            warmup_steps=_warmup(options, steps),
            ema_decay=start("ema_decay"),
            label_smoothing=start("label_smoothing"),
        )
    except ValueError as error:
        raise UsageError(str(error)) from None


def _start(options: TrainOptions, name: str) -> Any:
    """A setting as it was given, else what the optimizer starts with, or the family, or the command."""
    if options.is_given(name):
        return getattr(options, name)
    family = options.choice.family
    of_family = starts_of(family) if issubclass(family, TrainableModel) else {}
    if options.is_given("optimizer") and options.optimizer != of_family.get("optimizer"):
        if "optimizer" in of_family:  # whose rate and decay are another's
            of_family = {name: value for name, value in of_family.items() if name not in ("lr", "weight_decay")}
        of_family = {**of_family, **STARTS.get(options.optimizer, {})}
    return of_family.get(name, getattr(options, name))


def _warmup(options: TrainOptions, steps: int) -> int:
    """How many steps the rate rises: what a family starts with is for trainings of some length."""
    given: int = _start(options, "warmup_steps")
    return given if options.is_given("warmup_steps") else min(given, steps // 10)
