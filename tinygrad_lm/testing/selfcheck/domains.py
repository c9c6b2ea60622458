"""Where operands are drawn from, so that an operation is smooth there: away from poles, kinks and ties."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinygrad_lm.autograd import rules
from tinygrad_lm.autograd.types import Array

Shape = tuple[int, ...]
Domain = Callable[[np.random.Generator, Shape], Array]
"""Draws an array of a shape."""


def between(low: float, high: float) -> Domain:
    """Numbers of an interval."""
    return lambda rng, shape: np.asarray(rng.uniform(low, high, shape))


def either_sign(low: float, high: float) -> Domain:
    """Numbers of an interval above 0, half of them with the other sign."""
    return lambda rng, shape: np.asarray(rng.choice([-1.0, 1.0], shape) * rng.uniform(low, high, shape))


anywhere = either_sign(0.1, 3.0)
"""Numbers of either sign up to 3, not near 0."""
factors = either_sign(0.2, 2.0)
"""Numbers of which products of many are of moderate size."""


def distinct(rng: np.random.Generator, shape: Shape) -> Array:
    """Numbers at least 0.3 apart and at least 0.15 from 0."""
    size = int(np.prod(shape, dtype=int))
    return (0.3 * (rng.permutation(size) - size // 2) + 0.15).reshape(shape)


def with_a_zero(rng: np.random.Generator, shape: Shape) -> Array:
    """Factors, the last of which is 0."""
    x = factors(rng, shape)
    x.flat[-1] = 0.0
    return x


def least(domain: Domain) -> Domain:
    """Single numbers from the lower end of a domain."""
    return lambda rng, shape: np.min(domain(rng, (8, *shape)), axis=0)


def greatest(domain: Domain) -> Domain:
    """Single numbers from the upper end of a domain."""
    return lambda rng, shape: np.max(domain(rng, (8, *shape)), axis=0)


INTERVALS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("sqrt", "log", "log2", "log10", "pow"), (0.3, 3.0)),
    "log1p": (-0.6, 3.0),
    "tan": (-1.2, 1.2),
}
"""Of the first operand, by the name of the elementwise operation; every other operand may be anywhere but near 0."""


def of_elementwise(name: str) -> tuple[Domain, ...]:
    """The domains of an elementwise operation's operands, which never meet: where they do, some have a kink."""
    interval = INTERVALS.get(name)
    first = anywhere if interval is None else between(*interval)
    count = len(rules.TABLE[name].derivatives)
    if count == 1:
        return (first,)
    return tuple(_apart(anywhere if part else first, part, count) for part in range(count))


def _apart(domain: Domain, part: int, parts: int) -> Domain:
    """The numbers of a domain, moved by less than 1/64 into this part of a grid."""

    def draw(rng: np.random.Generator, shape: Shape) -> Array:
        cell = np.floor(64 * domain(rng, shape))
        return np.asarray((cell + (part + rng.uniform(0.0, 0.5, shape)) / parts) / 64)

    return draw
