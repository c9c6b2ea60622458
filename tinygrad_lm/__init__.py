"""A scalar and a tensor autograd engine on one derivative table, and the language models built on them."""

from importlib import import_module
from types import ModuleType

from tinygrad_lm.autograd import Tensor, Value, detect_anomaly, enable_grad, grad, hessian, hvp, jacobian, no_grad
from tinygrad_lm.random import manual_seed

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
    "manual_seed",
    "no_grad",
]


def __getattr__(name: str) -> ModuleType:
    """The rooms, imported when they are first asked for: ``tinygrad_lm.nn``."""
    if name in _ROOMS:
        return import_module(f"tinygrad_lm.{name}")
    raise AttributeError(f"module 'tinygrad_lm' has no attribute {name!r}")
