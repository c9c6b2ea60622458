"""The two engines, ``Value`` and ``Tensor``, and what is computed with their graphs."""

from typing import TYPE_CHECKING

from tinygrad_lm.autograd.anomaly import detect_anomaly
from tinygrad_lm.autograd.arrays import data_of, grad_of, to_values
from tinygrad_lm.autograd.context import enable_grad, is_grad_enabled, no_grad
from tinygrad_lm.autograd.grad_functions import grad, hessian, hvp, jacobian
from tinygrad_lm.autograd.graph import topological_order
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.autograd.value import Value

if TYPE_CHECKING:
    from tinygrad_lm.autograd import custom as custom

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


def __getattr__(name: str) -> object:
    """``custom``, which most programs do without, imported when it is first asked for."""
    if name == "custom":
        from importlib import import_module

        return import_module("tinygrad_lm.autograd.custom")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
