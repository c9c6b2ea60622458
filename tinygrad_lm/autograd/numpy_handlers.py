"""How a NumPy function that is called with a tensor finds what computes it, and what it may be called with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_lm.autograd.graph import Node, detach
from tinygrad_lm.autograd.operators import unsupported


class Handler:
    """How a NumPy function is computed when a tensor is among its arguments."""

    __slots__ = ("fixed", "function", "names")

    def __init__(self, function: Callable[..., object], names: tuple[str, ...], fixed: dict[str, object]) -> None:
        self.function = function
        self.names = names
        """NumPy's parameters in NumPy's order, so that none is misread; empty where there are any number of them."""
        self.fixed = fixed
        """The parameters that must keep NumPy's default, since another value has no derivative here."""

    def __call__(self, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> object:
        """Compute it on arguments as NumPy takes them."""
        if self.names:
            if len(args) > len(self.names):
                raise TypeError(f"{name} takes at most {len(self.names)} arguments by position, not {len(args)}")
            named = dict(zip(self.names, args, strict=False))
            twice = named.keys() & options.keys()
            if twice:
                raise TypeError(f"{name} got {min(twice)!r} twice, by position and by name")
            args, options = (), named | options
        taken = {key: value for key, value in options.items() if key not in self.fixed}
        for key in options.keys() - taken.keys():
            value, default = options[key], self.fixed[key]
            if value is not default and not (isinstance(value, str) and value == default):
                raise TypeError(
                    f"{name} on a Tensor takes only {key}={default!r}: compute it on x.data where no gradient is "
                    "needed, or write it in functions that have one"
                )
        return self.function(*args, **taken)


HANDLERS: dict[Any, Handler] = {}
"""The handler of each NumPy function that has a derivative, or a tensor as its result."""

PLAIN = frozenset(
    {
        *(np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.iscomplexobj, np.isrealobj),
        *(np.array_equal, np.array_equiv, np.allclose, np.isclose, np.count_nonzero),
        *(np.zeros_like, np.ones_like, np.empty_like, np.full_like, np.argsort, np.nonzero, np.flatnonzero),
        *(np.searchsorted, np.bincount, np.array_str, np.array_repr, np.array2string),
        *(np.shares_memory, np.may_share_memory),
    }
)
"""NumPy functions that give plain results, without gradient."""


def call(function: Any, args: tuple[Any, ...], options: dict[str, Any], tensor: Node) -> Any:
    """Compute a NumPy function of whose arguments ``tensor`` is one."""
    name = f"{function.__module__.replace('numpy', 'np')}.{function.__name__}"
    handler = HANDLERS.get(function)
    if handler is not None:
        return handler(name, args, options)
    if function in PLAIN:
        return function(*map(plain, args), **{key: plain(value) for key, value in options.items()})
    raise unsupported(name, tensor)


def plain(x: Any) -> Any:
    """The data of a node, also within a list or a tuple; anything else as it is."""
    return type(x)(map(detach, x)) if type(x) in (list, tuple) else detach(x)


def handles(*functions: Any, names: str, **fixed: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a handler, called by NumPy's names of the parameters (a decorator)."""

    def register(handler: Callable[..., Any]) -> Callable[..., Any]:
        for function in functions:
            HANDLERS[function] = Handler(handler, tuple(names.split()), fixed)
        return handler

    return register
