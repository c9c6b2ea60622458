"""What a tape holds beside NumPy's calls: operations that stay whole, and what a step leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tinygrad_lm import optim
from tinygrad_lm.autograd.graph import Operation
from tinygrad_lm.nn.module import Module
from tinygrad_lm.replay.traced import Traced


@dataclass(frozen=True, eq=False)
class WholeForward:
    """An operation that is called as it is."""

    operation: Operation
    inputs: tuple[object, ...]
    attributes: Mapping[str, object]
    result: Traced
    cell: list[Any]
    """Where its result and what it saved are kept for the backward pass."""


@dataclass(frozen=True, eq=False)
class WholeBackward:
    """The derivative of such an operation."""

    forward: WholeForward
    gradient: Traced
    needed: tuple[bool, ...]
    results: tuple[Traced | None, ...]


@dataclass(frozen=True, eq=False)
class Update:
    """An optimizer's step."""

    optimizer: optim.Optimizer
    leaves: tuple[int, ...]
    """The parameters that have a gradient, by their identity."""


@dataclass(frozen=True, eq=False)
class Clip:
    """Gradients scaled to a norm."""

    leaves: tuple[int, ...]
    max_norm: float


@dataclass(frozen=True, eq=False)
class Store:
    """The gradient of a leaf is complete, for the time being."""

    leaf: int
    value: Traced


@dataclass(frozen=True, eq=False)
class StoreBuffer:
    """A buffer of a module is given another array."""

    module: Module
    name: str
    value: Traced


@dataclass(frozen=True, eq=False)
class Given:
    """A tensor that the step returns, and whether it had a graph, which is used up."""

    value: Traced
    learned: bool
