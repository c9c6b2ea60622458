"""What is checked, made plain: a function of named arrays with a backward pass; and the gradient of one, as one.

The gradient of a problem is a problem too, which is how second order is checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from tinygrad_lm.autograd import Value
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.testing.checker.nodes import Seed, gradients, recorded_gradients
from tinygrad_lm.testing.checker.user_function import UserFunction


class Problem(Protocol):
    """A function of named arrays with a backward pass."""

    function: str
    names: list[str]
    shapes: list[tuple[int, ...]]
    """The shapes of its results."""
    order: int

    def evaluate(self, points: Sequence[Array]) -> Array:
        """All results at these inputs, flattened into one array."""
        ...

    def vjp(self, points: Sequence[Array], cotangents: Sequence[Array]) -> list[list[Array | None]]:
        """For each cotangent the gradient of ``cotangent @ results`` to each input, all from one graph."""
        ...


class GradientFunction:
    """The gradient of a user's function, for a fixed cotangent of its results, as a problem of its own."""

    order = 2

    def __init__(self, user: UserFunction, cotangent: Array) -> None:
        self.function = user.function
        self.names = user.names
        self.shapes = [point.shape for point in user.points]
        self.recorded: Array = np.zeros(0)
        """The gradient as the last ``vjp`` recorded it, to be compared with the plain one."""
        self._user = user
        self._cotangent = cotangent

    def evaluate(self, points: Sequence[Array]) -> Array:
        """The gradient to every input, zero where there is no path."""
        (found,) = self._user.vjp(points, [self._cotangent])
        return np.concatenate(
            [np.ravel(np.zeros(x.shape) if g is None else g) for x, g in zip(points, found, strict=True)]
        )

    def vjp(self, points: Sequence[Array], cotangents: Sequence[Array]) -> list[list[Array | None]]:
        """The gradient of the gradient, by differentiating the recorded backward pass."""
        leaves, roots = self._user.forward(points)
        first = recorded_gradients(roots, leaves, self._user.seeds(roots, self._cotangent))
        if first is None:
            self.recorded = np.zeros(sum(x.size for x in points))
            return [[np.zeros(x.shape) for x in points] for _ in cotangents]
        self.recorded = np.concatenate([np.ravel(node.data) for node in first])
        results: list[list[Array | None]] = []
        for each in cotangents:
            parts = np.split(each, np.cumsum([np.size(node.data) for node in first])[:-1])
            seeds: list[Seed] = [
                float(part[0]) if isinstance(node, Value) else part.reshape(node.shape)
                for node, part in zip(first, parts, strict=True)
            ]
            second = gradients(first, leaves, seeds)
            results.append([np.zeros(x.shape) if g is None else g for x, g in zip(points, second, strict=True)])
        return results
