"""Ctrl-C at a moment that must not be cut short: it waits for the end of an import, of a step, of a picture."""

import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Self


class Later:
    """A context in which Ctrl-C waits: it is noted, and raised as ``KeyboardInterrupt`` at the end.

    In the middle of an import a callback would swallow it (with a traceback on the terminal), or NumPy would turn it
    into an ``ImportError``. Where the context itself raises, its own exception is the one that is raised. Where Ctrl-C
    does not raise anyway (it is ignored, another handler has it, this is not the main thread), nothing is changed.

    Parameters
    ----------
    second_at_once
        Whether a second Ctrl-C does not wait.

    Attributes
    ----------
    heard
        Whether Ctrl-C was pressed.
    """

    def __init__(self, second_at_once: bool = False) -> None:
        self.heard = False
        self._second_at_once = second_at_once
        self._held = False

    def __enter__(self) -> "Self":
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            try:
                signal.signal(signal.SIGINT, self._hear)
                self._held = True
            except ValueError:  # another thread than the main one, which no signal interrupts
                pass
        return self

    def __exit__(self, kind: object, *raised: object) -> None:
        if self._held:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self.heard and kind is None:
            raise KeyboardInterrupt

    def _hear(self, number: int, frame: "FrameType | None") -> None:
        if self.heard and self._second_at_once:
            raise KeyboardInterrupt
        self.heard = True
