"""The two engines, ``Value`` and ``Tensor``, and what is computed with their graphs."""

from typing import TYPE_CHECKING

from tinygrad_lm.autograd import value_arrays as value_arrays
from tinygrad_lm.autograd.context import enable_grad, is_grad_enabled, no_grad
from tinygrad_lm.autograd.graph import topological_order
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.value import Value
from tinygrad_lm.threads import use_one_unless_told

if TYPE_CHECKING:
    from tinygrad_lm.autograd import custom as custom
    from tinygrad_lm.autograd.anomaly import detect_anomaly
    from tinygrad_lm.autograd.arrays import data_of, grad_of, to_values
    from tinygrad_lm.autograd.grad_functions import grad, hessian, hvp, jacobian

__all__ = [
    "Tensor",
    "Value",
    "custom",
    "data_of",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "grad_of",
    "hessian",
    "hvp",
    "is_grad_enabled",
    "jacobian",
    "no_grad",
    "to_values",
    "topological_order",
]

use_one_unless_told()

_WHEN_ASKED = {
    "anomaly": ("detect_anomaly",),
    "arrays": ("data_of", "grad_of", "to_values"),
    "custom": (),
    "grad_functions": ("grad", "hessian", "hvp", "jacobian"),
}
"""The modules that most programs do without, with the names that they give to this one."""


def __getattr__(name: str) -> object:
    """What most programs do without, imported when it is first asked for."""
    from importlib import import_module

    for module, names in _WHEN_ASKED.items():
        if name == module or name in names:
            home = import_module(f"{__name__}.{module}")
            globals().update({each: getattr(home, each) for each in names})
            return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """What there is, imported or not."""
    return sorted({*globals(), *__all__})
