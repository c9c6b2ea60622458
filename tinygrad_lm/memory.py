"""Memory that was freed, kept for the arrays to come."""

from __future__ import annotations

import functools

import numpy as np

KEPT = 1 << 24
"""How many bytes an array may have to be kept: half of the most that glibc goes by."""


@functools.cache
def keep_what_is_freed() -> None:
    """Let the C library keep the memory of arrays of some megabytes, once and for the process.

    At first glibc hands what is freed above 128 KiB back to the system, which must clear it anew for the next array:
    that takes longer than what small networks compute. How much it keeps follows the largest array that was ever
    freed (``man 3 mallopt``, M_MMAP_THRESHOLD), so one that nobody has written to is made and freed here, which costs
    no memory; up to twice its size of what is freed later stays with the process. Other libraries take no notice.
    """
    np.empty(KEPT, np.uint8)
