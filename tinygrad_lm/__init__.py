"""A scalar and a tensor autograd engine on one derivative table, and the language models built on them."""

TYPE_CHECKING = False  # nothing is imported here: the command line starts with it, before it can hear Ctrl-C
if TYPE_CHECKING:
    from typing import Any

    from tinygrad_lm.autograd import Tensor, Value, detect_anomaly, enable_grad, grad, hessian, hvp, jacobian, no_grad

__version__ = "0.1.0"

_ROOMS = frozenset({"models", "nn", "optim", "sampling", "testing", "text", "training"})

__all__ = [
    "Tensor",
    "Value",
    "__version__",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "no_grad",
]


def __getattr__(name: str) -> "Any":
    """The engines' names and the rooms (``tinygrad_lm.nn``), imported when they are first asked for."""
    from importlib import import_module

    if name in _ROOMS:
        return import_module(f"tinygrad_lm.{name}")
    if name in __all__:
        found = globals()[name] = getattr(import_module("tinygrad_lm.autograd"), name)
        return found
    raise AttributeError(f"module 'tinygrad_lm' has no attribute {name!r}")
