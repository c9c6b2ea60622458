"""Initial values of parameters, by name, drawn from a generator.

``rng`` is a generator, an integer seed, or ``None`` for the default generator: see ``as_generator``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.random import as_generator

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

GAINS = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "gelu": math.sqrt(2), "silu": math.sqrt(2)}
"""How much each nonlinearity shrinks the spread of its input, to be made up for (He et al. 2015)."""


def gain(nonlinearity: str) -> float:
    """The factor for a nonlinearity, by name."""
    if nonlinearity not in GAINS:
        raise ValueError(f"no gain is known for {nonlinearity!r}; choose one of {', '.join(GAINS)}")
    return GAINS[nonlinearity]


def _fans(tensor: Tensor) -> tuple[int, int]:
    if tensor.ndim != 2:
        raise ValueError(f"Kaiming and Xavier initialisation need a matrix (out, in), not shape {tensor.shape}")
    return tensor.shape[1], tensor.shape[0]


def _fill(tensor: Tensor, values: ArrayLike) -> Tensor:
    tensor.data = np.asarray(values, dtype=tensor.dtype)
    return tensor


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, *, rng: np.random.Generator | int | None = None
) -> Tensor:
    """Normally distributed."""
    return _fill(tensor, as_generator(rng).normal(mean, std, tensor.shape))


def uniform_(
    tensor: Tensor, low: float = 0.0, high: float = 1.0, *, rng: np.random.Generator | int | None = None
) -> Tensor:
    """Evenly distributed between low and high."""
    return _fill(tensor, as_generator(rng).uniform(low, high, tensor.shape))


def constant_(tensor: Tensor, value: float) -> Tensor:
    """The same number everywhere."""
    return _fill(tensor, np.full(tensor.shape, value))


def zeros_(tensor: Tensor, *, rng: np.random.Generator | int | None = None) -> Tensor:
    """0 everywhere; a generator is taken, so that any initialisation can be called by name, and not used."""
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor, *, rng: np.random.Generator | int | None = None) -> Tensor:
    """1 everywhere; a generator is taken and not used, as by ``zeros_``."""
    return constant_(tensor, 1.0)


def kaiming_normal_(
    tensor: Tensor, nonlinearity: str = "relu", *, rng: np.random.Generator | int | None = None
) -> Tensor:
    """Normal with standard deviation gain / sqrt(fan in), so that signals keep their size (He et al. 2015)."""
    fan_in, _ = _fans(tensor)
    return normal_(tensor, 0.0, gain(nonlinearity) / math.sqrt(fan_in), rng=rng)


def kaiming_uniform_(
    tensor: Tensor, nonlinearity: str = "relu", *, rng: np.random.Generator | int | None = None
) -> Tensor:
    """Uniform with the same standard deviation as ``kaiming_normal_``."""
    fan_in, _ = _fans(tensor)
    bound = gain(nonlinearity) * math.sqrt(3 / fan_in)
    return uniform_(tensor, -bound, bound, rng=rng)


def xavier_normal_(
    tensor: Tensor, nonlinearity: str = "linear", *, rng: np.random.Generator | int | None = None
) -> Tensor:
    """Normal with standard deviation gain * sqrt(2 / (fan in + fan out)) (Glorot & Bengio 2010)."""
    fan_in, fan_out = _fans(tensor)
    return normal_(tensor, 0.0, gain(nonlinearity) * math.sqrt(2 / (fan_in + fan_out)), rng=rng)


def xavier_uniform_(
    tensor: Tensor, nonlinearity: str = "linear", *, rng: np.random.Generator | int | None = None
) -> Tensor:
    """Uniform with the same standard deviation as ``xavier_normal_``."""
    fan_in, fan_out = _fans(tensor)
    bound = gain(nonlinearity) * math.sqrt(6 / (fan_in + fan_out))
    return uniform_(tensor, -bound, bound, rng=rng)


INITIALIZERS: dict[str, Callable[..., Tensor]] = {
    "kaiming_normal": kaiming_normal_,
    "kaiming_uniform": kaiming_uniform_,
    "xavier_normal": xavier_normal_,
    "xavier_uniform": xavier_uniform_,
    "normal": normal_,
    "uniform": uniform_,
    "zeros": zeros_,
    "ones": ones_,
}


def by_name(name: str) -> Callable[..., Tensor]:
    """The initialisation with this name: ``by_name("kaiming_normal")(weight, "tanh", rng=rng)``."""
    if name not in INITIALIZERS:
        raise ValueError(f"no initialisation is called {name!r}; choose one of {', '.join(INITIALIZERS)}")
    return INITIALIZERS[name]
