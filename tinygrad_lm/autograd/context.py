"""What holds here and now, for one thread or task: whether operations are recorded, and in which module's call."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_recording: ContextVar[bool] = ContextVar("tinygrad_lm.recording", default=True)
_modes: ContextVar[tuple[GradMode, ...]] = ContextVar("tinygrad_lm.modes", default=())
"""The modes that this thread or task is in, the innermost last, which says what ``_recording`` is."""

recording = _recording.get
"""Whether operations are recorded: what the engines ask at every operation."""


def is_grad_enabled() -> bool:
    """Whether operations are recorded here and now (per thread and per task)."""
    return recording()


class GradMode:
    """A context manager and decorator that switches recording, restored whatever happens."""

    enabled = True

    def __enter__(self) -> None:
        _switch((*_modes.get(), self))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        modes = _modes.get()
        for i in reversed(range(len(modes))):
            if modes[i] is self:
                _switch((*modes[:i], *modes[i + 1 :]))
                return
        # An asynchronous generator that another task closes: this task never was in the mode.

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """The function, called within such a mode (a decorator).

        Raises
        ------
        TypeError
            For generators and coroutines.
        """
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                f"{type(self).__name__} cannot decorate the generator function {function.__qualname__!r}: its body "
                f"would run outside; write 'with {type(self).__name__}():' inside the function"
            )
        if inspect.iscoroutinefunction(function):
            raise TypeError(
                f"{type(self).__name__} cannot decorate the coroutine {function.__qualname__!r}; "
                f"write 'with {type(self).__name__}():' inside it"
            )

        @functools.wraps(function)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
            with type(self)():
                return function(*args, **kwargs)

        return wrapped


class no_grad(GradMode):
    """Inside, operations compute without recording a graph: ``with no_grad():`` or ``@no_grad()``."""

    enabled = False


class enable_grad(GradMode):
    """Inside, operations are recorded again, also within ``no_grad``."""

    enabled = True


def _switch(modes: tuple[GradMode, ...]) -> None:
    _modes.set(modes)
    _recording.set(not modes or modes[-1].enabled)


class Scope:
    """One call of a module: nodes made in it belong together in a picture."""

    __slots__ = ("kind", "module", "name", "parent")

    def __init__(self, name: str, kind: str, module: int, parent: Scope | None) -> None:
        self.name = name
        """The module's attribute name in the module that holds it; its class name at the top."""
        self.kind = kind
        """The module's class name."""
        self.module = module
        """The module's identity: two calls of one module share it."""
        self.parent = parent
        """The call that this call was made in."""


_scope: ContextVar[Scope | None] = ContextVar("tinygrad_lm.scope", default=None)
current_scope = _scope.get
enter_scope = _scope.set
leave_scope = _scope.reset
