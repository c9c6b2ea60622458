"""``stopping_on_signals``: Ctrl-C, and what else asks a process to end, stop a training after the step under way."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinygrad_lm.training.trainer import Trainer


@contextmanager
def stopping_on_signals(trainer: Trainer) -> Generator[None]:
    """Within, Ctrl-C (SIGTERM, SIGHUP) lets the step under way finish, then stops; a second one interrupts at once.

    A signal that is ignored, as nohup and a shell's background jobs do, stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if trainer.stop:
            raise KeyboardInterrupt
        trainer.stop = True

    # Windows has no SIGHUP, which a terminal sends when it closes.
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    earlier = {number: signal.getsignal(number) for number in numbers}
    # None is a handler of another language, which could not be put back.
    heard = [number for number, handler in earlier.items() if handler not in (signal.SIG_IGN, None)]
    for number in heard:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, earlier[number])
