"""A scalar and a tensor autograd engine on one derivative table, and the language models built on them."""

from tinygrad_lm.autograd import Tensor, Value, detect_anomaly, enable_grad, grad, hessian, hvp, jacobian, no_grad

__version__ = "0.1.0"

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
