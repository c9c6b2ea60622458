"""What a recording consists of: the events of a step, and the functions that are seen as one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinygrad_lm.autograd.graph import Operation
from tinygrad_lm.autograd.tensor import Tensor
from tinygrad_lm.nn.module import set_buffers
from tinygrad_lm.optim import Optimizer, clip_grad_norm_


@dataclass(frozen=True, eq=False)
class Forward:
    """An operation was computed."""

    operation: Operation
    operands: tuple[object, ...]
    attributes: Mapping[str, object]
    out: Tensor
    learns: bool
    """Whether the result has a gradient."""


@dataclass(frozen=True, eq=False)
class Plain:
    """A function without a gradient was called: on ids, masks, comparisons, or one that steps parameters."""

    function: Callable[..., Any]
    args: Sequence[Any]
    options: Mapping[str, object]
    result: object


@dataclass(frozen=True, eq=False)
class Backward:
    """A backward pass was made."""

    root: Tensor
    gradient: object
    kept: Mapping[int, bool]
    """Of each leaf, by its identity, whether it had a gradient before."""


@dataclass(frozen=True, eq=False)
class Branch:
    """The truth of a tensor decided how the step went on."""

    tensor: Tensor
    outcome: bool


@dataclass(frozen=True, eq=False)
class Cleared:
    """The gradient of a leaf was forgotten."""

    leaf: Tensor


Event = Forward | Plain | Backward | Branch | Cleared

STEP: Any = Optimizer.step.__wrapped__  # pyright: ignore[reportFunctionMemberAccess]
CLIP: Any = clip_grad_norm_.__wrapped__  # pyright: ignore[reportFunctionMemberAccess]
SET_BUFFERS: Any = set_buffers.__wrapped__  # pyright: ignore[reportFunctionMemberAccess]
"""The functions that are seen as one call and change what was there before."""
