"""Where operands are drawn from, so that an operation is smooth there: away from poles, kinks and ties."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinygrad_lm.autograd.elementwise import ANYWHERE, AWAY_FROM_0, Elementwise, Intervals
from tinygrad_lm.autograd.types import Array

Shape = tuple[int, ...]
Domain = Callable[[np.random.Generator, Shape], Array]
"""Draws an array of a shape."""


def within(intervals: Intervals) -> Domain:
    """Numbers drawn uniformly from one interval or from several."""
    lows, highs = np.array(intervals).T
    ends = np.cumsum(highs - lows)

    def draw(rng: np.random.Generator, shape: Shape) -> Array:
        along = rng.uniform(0.0, ends[-1], shape)
        which = np.searchsorted(ends, along, side="right")
        return np.asarray(highs[which] - (ends[which] - along))

    return draw


anywhere = within(ANYWHERE)
"""Numbers of either sign up to 3."""
away_from_0 = within(AWAY_FROM_0)
"""Numbers of either sign up to 3, not near 0."""
factors = within(((-2.0, -0.2), (0.2, 2.0)))
"""Numbers of either sign between 0.2 and 2 in size, so that products of many stay of moderate size."""


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


def of_elementwise(rule: Elementwise) -> tuple[Domain, ...]:
    """The domains of an elementwise operation's operands, which never meet: where they do, some have a kink."""
    count = len(rule.derivatives)
    if count == 1:
        return (within(rule.domain),)
    return tuple(_apart(within(rule.others if part else rule.domain), part, count) for part in range(count))


def _apart(domain: Domain, part: int, parts: int) -> Domain:
    """The numbers of a domain, moved by less than 1/64 into this part of a grid."""

    def draw(rng: np.random.Generator, shape: Shape) -> Array:
        cell = np.floor(64 * domain(rng, shape))
        return np.asarray((cell + (part + rng.uniform(0.0, 0.5, shape)) / parts) / 64)

    return draw
