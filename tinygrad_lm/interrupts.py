"""Ctrl-C while a command starts: it waits for an import, which would answer with a traceback or not at all."""

import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType


class Later:
    """Within, Ctrl-C is noted and raises ``KeyboardInterrupt`` at the end.

    Raised in the middle of an import it is swallowed by a callback (with a traceback on the terminal), or turned
    into an ``ImportError`` by NumPy. Where Ctrl-C does not raise anyway (it is ignored, another handler has it, this
    is not the main thread), nothing is changed.
    """

    def __enter__(self) -> None:
        self._heard = False
        self._held = False
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            try:
                signal.signal(signal.SIGINT, self._hear)
                self._held = True
            except ValueError:  # another thread than the main one, which no signal interrupts
                pass

    def __exit__(self, *raised: object) -> None:
        if self._held:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self._heard:
            raise KeyboardInterrupt

    def _hear(self, number: int, frame: "FrameType | None") -> None:
        self._heard = True
