"""How many threads BLAS may use: one, where the matrices are small."""

from __future__ import annotations

from contextlib import AbstractContextManager


def on_one_thread() -> AbstractContextManager[object]:
    """Within, BLAS runs on one thread: small matrices on several take many times longer when a core is busy."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, user_api="blas")
