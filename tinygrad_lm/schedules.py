"""Learning-rate schedules: what the rate is multiplied by at each step. ``tinygrad_lm.optim`` has all of them."""

from __future__ import annotations

import math
from collections.abc import Callable

from tinygrad_lm.checks import whole_number

Schedule = Callable[[int], float]


def constant() -> Schedule:
    """1 at every step."""
    return lambda step: 1.0


def linear(total: int, end: float = 0.0) -> Schedule:
    """From 1 at step 0 in a straight line to ``end`` at step ``total``, and on at that."""
    length = _length(total)
    return lambda step: 1 + (end - 1) * min(step / length, 1.0)


def cosine(total: int, end: float = 0.0) -> Schedule:
    """From 1 at step 0 along half a cosine to ``end`` at step ``total``, and on at that (Loshchilov & Hutter 2017)."""
    length = _length(total)
    return lambda step: end + (1 - end) * (1 + math.cos(math.pi * min(step / length, 1.0))) / 2


def step(every: int, factor: float = 0.1) -> Schedule:
    """Multiplied by ``factor`` after each ``every`` steps."""
    length = _length(every)
    return lambda step: factor ** (step // length)


def warmup(steps: int, then: Schedule | None = None) -> Schedule:
    """In a straight line up to 1 over the first ``steps`` steps (never 0), then another schedule from its start."""
    length = _length(steps, 0)
    after = constant() if then is None else then
    return lambda step: (step + 1) / length if step < length else after(step - length)


def _length(n: object, low: int = 1) -> int:
    return whole_number(n, low, f"a schedule's length is a whole number of steps from {low}, not")


SCHEDULES: dict[str, Callable[[int], Schedule]] = {
    "constant": lambda total: constant(),
    "linear": linear,
    "cosine": cosine,
    "step": lambda total: step(max(1, total // 2)),
}
"""Schedules by name, each made from the number of steps of the whole training."""
