"""Where random numbers come from: a generator that is given, or the default one, which ``manual_seed`` seeds."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from tinygrad_lm.checks import is_whole_number

_default: ContextVar[np.random.Generator | None] = ContextVar("tinygrad_lm.generator", default=None)


def manual_seed(seed: int) -> np.random.Generator:
    """Seed and return the default generator, from which layers and functions draw that are given no ``rng``.

    It then draws what ``np.random.default_rng(seed)`` draws: the same seed, machine and NumPy give the same bytes.

    There is one default generator a thread or task. A task that is started later, and ``asyncio.to_thread``, draw
    from their parent's until they call ``manual_seed`` themselves, which the parent does not notice. A new thread
    starts unseeded (under Python's option ``thread_inherit_context`` it is like a task).

    Raises
    ------
    TypeError
        For anything but an integer; booleans are not integers here.
    ValueError
        For an integer below 0.
    """
    if not is_whole_number(seed):
        raise TypeError(f"manual_seed takes an integer from 0, such as manual_seed(0), not {seed!r:.60}")
    if seed < 0:
        raise ValueError(f"manual_seed takes an integer from 0, not {seed!r}")
    generator = np.random.Generator(np.random.PCG64(int(seed)))
    _default.set(generator)
    return generator


def default_generator() -> np.random.Generator:
    """The default generator of this thread or task; without ``manual_seed`` a fresh one, different each time."""
    generator = _default.get()
    if generator is None:
        generator = np.random.default_rng()
        _default.set(generator)
    return generator


@contextmanager
def drawing_from(generator: np.random.Generator) -> Generator[None, None, None]:
    """In the block this generator is the default one; afterwards the default one is as it was before."""
    before = _default.set(generator)
    try:
        yield
    finally:
        _default.reset(before)


def existing_default_generator() -> np.random.Generator | None:
    """The default generator of this thread or task, or ``None`` where nothing has seeded it or drawn from it yet."""
    return _default.get()


def as_generator(rng: np.random.Generator | int | None = None) -> np.random.Generator:
    """What an argument ``rng`` means: a generator itself, an integer seed (0 is one), ``None`` the default generator.

    A seed makes a new generator each time: two layers that are given the same seed start equal.

    Raises
    ------
    TypeError
        For anything else, a negative integer included.
    """
    if rng is None:
        return default_generator()
    if isinstance(rng, np.random.Generator):
        return rng
    if is_whole_number(rng) and rng >= 0:
        return np.random.Generator(np.random.PCG64(int(rng)))
    raise TypeError(
        f"rng is a numpy.random.Generator or a seed (an integer from 0), not {rng!r:.60}: leave it out to draw from "
        "the default generator, which tinygrad_lm.manual_seed(n) seeds, or hand one np.random.default_rng(n) to all"
    )
