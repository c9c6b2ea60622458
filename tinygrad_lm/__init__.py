"""A scalar and a tensor autograd engine on one derivative table, and the language models built on them."""

TYPE_CHECKING = False  # nothing is imported here: the command line starts with it, before it can hear Ctrl-C
if TYPE_CHECKING:
    from typing import Any

    from tinygrad_lm import autograd as autograd
    from tinygrad_lm import cli as cli
    from tinygrad_lm import comparing as comparing
    from tinygrad_lm import models as models
    from tinygrad_lm import nn as nn
    from tinygrad_lm import optim as optim
    from tinygrad_lm import replay as replay
    from tinygrad_lm import runs as runs
    from tinygrad_lm import sampling as sampling
    from tinygrad_lm import testing as testing
    from tinygrad_lm import text as text
    from tinygrad_lm import training as training
    from tinygrad_lm.autograd import Tensor, Value, detect_anomaly, enable_grad, grad, hessian, hvp, jacobian, no_grad
    from tinygrad_lm.random import manual_seed
    from tinygrad_lm.threads import get_num_threads, set_num_threads

__version__ = "0.1.0"

_ROOMS = frozenset(
    {
        *("autograd", "cli", "comparing", "models", "nn", "optim", "replay", "runs", "sampling", "testing", "text"),
        "training",
    }
)
_FILES = frozenset(
    {"checks", "defaults", "interrupts", "lazy", "locking", "progress", "random", "threads", "user_file"}
)
"""What ``from tinygrad_lm import`` finds too, without a look among the engines' names first, which loads them."""

_HOMES = {"get_num_threads": "threads", "manual_seed": "random", "set_num_threads": "threads"}
"""Where the names are that the engines do not have."""

__all__ = [
    "Tensor",
    "Value",
    "__version__",
    "detect_anomaly",
    "enable_grad",
    "get_num_threads",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "manual_seed",
    "no_grad",
    "set_num_threads",
]


def __getattr__(name: str) -> "Any":
    """The engines' names and the rooms (``tinygrad_lm.nn``), imported when they are first asked for."""
    from importlib import import_module

    if name in _ROOMS or name in _FILES:
        return import_module(f"tinygrad_lm.{name}")
    if name in __all__:
        home = import_module(f"tinygrad_lm.{_HOMES.get(name, 'autograd')}")
        found = globals()[name] = getattr(home, name)
        return found
    remedy = None
    if not name.startswith("_"):
        remedy = import_module("tinygrad_lm.autograd.remedies").of_the_package(name)
    raise AttributeError(f"module 'tinygrad_lm' has no attribute {name!r}" + (f": {remedy}" if remedy else ""))


def __dir__() -> list[str]:
    """What the package has: its names, and its rooms, imported or not."""
    return sorted({*globals(), *__all__, *_ROOMS} - {"TYPE_CHECKING"})
