"""How ``train`` trains: the plan that its options, and what holds where they are not given, come to."""

from __future__ import annotations

import math

from tinygrad_lm.cli.parsing import UsageError
from tinygrad_lm.cli.train.options import STARTS, TrainOptions
from tinygrad_lm.training import Plan


def plan_of(options: TrainOptions, examples: int) -> Plan:
    """The plan for a training on so many examples.

    Raises
    ------
    UsageError
        For settings that make none.
    """
    batch_size = options.batch_size
    if not options.is_given("batch_size"):
        batch_size = min(batch_size, examples)
    steps = options.steps
    if options.epochs is not None:
        steps = options.epochs * math.ceil(examples / batch_size)
    try:
        return Plan(
            steps=steps,
            batch_size=batch_size,
            lr=_start(options, "lr", options.lr),
            optimizer=options.optimizer,
            schedule=options.schedule,
            weight_decay=_start(options, "weight_decay", options.weight_decay),
            seed=options.seed,
            evaluate_every=max(1, min(Plan.evaluate_every, steps // 8)),
            clip_grad_norm=options.clip_grad_norm,
            warmup_steps=options.warmup_steps,
            ema_decay=options.ema_decay,
        )
    except ValueError as error:
        raise UsageError(str(error)) from None


def _start(options: TrainOptions, name: str, value: float) -> float:
    """A setting as it was given, else what the optimizer starts with."""
    return value if options.is_given(name) else STARTS.get(options.optimizer, {}).get(name, value)
