"""The user's function made plain: named float64 arrays in, one flat array out, and its backward pass.

Whatever the user gave (a function of ``Tensor``s, of ``Value``s, or with modules among its arguments), the checker sees
a ``Problem``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tinygrad_lm.autograd import Value, enable_grad
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.testing.checker.arguments import argument_names, inputs_of, title, variable
from tinygrad_lm.testing.checker.holomorphic import holomorphic
from tinygrad_lm.testing.checker.nodes import (
    Leaf,
    Node,
    Seed,
    gradients,
    is_array,
    make_leaf,
    nodes_of,
    numbers_of,
    parts_of,
)
from tinygrad_lm.testing.checker.report import GradientError

if TYPE_CHECKING:
    from tinygrad_lm.nn import Module


class UserFunction:
    """A user's function with its arguments, of which the floating-point ones are the inputs to check.

    A module, as the function or as an argument, brings its parameters in as inputs, named as it names them.

    Raises
    ------
    TypeError
        For a function that cannot be called, or an argument that cannot be checked.
    ValueError
        For arguments that cannot be checked, as ``inputs_of`` says.
    """

    order = 1

    def __init__(self, fn: Callable[..., object], arguments: Sequence[object]) -> None:
        if not callable(fn):
            raise TypeError(f"check_gradients takes a function and its inputs, not {type(fn).__name__}: {fn!r:.60}")
        self._fn = fn
        self._arguments = list(arguments)
        self._argument_names = argument_names(fn, len(arguments))
        self._inputs = inputs_of(fn, self._argument_names, arguments)
        self.function = title(fn)
        self.names = [given.name for given in self._inputs.found]
        self.points = [given.point for given in self._inputs.found]
        self.notes = self._inputs.notes()
        """What was done with inputs that are not float64, in sentences."""
        self.shapes: list[tuple[int, ...]] = []
        self.evaluations = 0

    def call_line(self) -> str:
        """The function and its arguments as they are called."""
        return ", ".join([variable(self.function), *map(variable, self._argument_names)])

    def assignments(self, most: int) -> list[str]:
        """A line for each argument that is an input, in full; none if they have more elements than ``most``."""
        given = [each for each in self._inputs.found if each.parameter is None]
        if sum(each.point.size for each in given) > most:
            return []
        made = {"tensor": "np.array({})", "value": "Value({})", "values": "to_values({})"}
        return [f"{variable(each.name)} = {made[each.engine].format(each.point.tolist())}" for each in given]

    def run(self, inputs: Sequence[Leaf]) -> object:
        """What the function returns for these values of the inputs, whatever they are."""
        arguments = [x.copy() if is_array(x) else x for x in self._arguments]
        parameters: dict[str, Leaf] = {}
        for given, x in zip(self._inputs.found, inputs, strict=True):
            if given.parameter is None:
                arguments[given.argument] = x
            else:
                parameters[f"m{given.argument}.{given.parameter}"] = x
        self.evaluations += 1
        if not self._inputs.modules:
            return self._fn(*arguments)
        return _with_parameters(self._fn, self._inputs.modules, parameters, arguments)

    def forward(self, points: Sequence[Array]) -> tuple[list[Leaf], list[Node]]:
        """Fresh leaves at these points, and the results as nodes of a graph.

        Raises
        ------
        GradientError
            Where the function changes its inputs, or returns something else than nodes of the shapes known before.
        """
        leaves = [
            make_leaf(given.name, point, given.engine) for given, point in zip(self._inputs.found, points, strict=True)
        ]
        with enable_grad():
            roots = nodes_of(self.run(leaves), self.function)
        for name, leaf, point in zip(self.names, leaves, points, strict=True):
            if not np.array_equal(numbers_of(leaf), point):
                raise GradientError(
                    f"{self.function} changed its input {name} in place, so what it computed and what is "
                    "differentiated are not the same: let it work on a copy",
                    name=name,
                )
        shapes = [np.shape(root.data) for root in roots]
        if not self.shapes:
            self.shapes = shapes
        elif shapes != self.shapes:
            raise GradientError(
                f"{self.function} returned shapes {shapes} where before it returned {self.shapes}: its shape depends "
                "on the values of its inputs, and then it has no derivative"
            )
        return leaves, roots

    def evaluate(self, points: Sequence[Array]) -> Array:
        """All results at these inputs, flattened into one array."""
        _, roots = self.forward(points)
        return np.concatenate([np.ravel(root.data) for root in roots]).astype(np.float64, copy=False)

    def evaluate_complex(self, points: Sequence[Array]) -> Array:
        """The function run on plain complex numbers; raises whatever it raises if it is not made for them."""
        parts = parts_of(self.run([holomorphic(x) for x in points]))
        return np.concatenate([np.ravel(np.asarray(part, dtype=np.complex128)) for part in parts])

    def vjp(self, points: Sequence[Array], cotangents: Sequence[Array]) -> list[list[Array | None]]:
        """One graph, pulled back once for each cotangent."""
        leaves, roots = self.forward(points)
        results: list[list[Array | None]] = []
        for each in cotangents:
            seeds = self.seeds(roots, each)
            kept = [np.copy(seed) for seed in seeds]
            results.append(gradients(roots, leaves, seeds))
            self._refuse_changes(leaves, points, seeds, kept)
        return results

    def seeds(self, roots: Sequence[Node], cotangent: Array) -> list[Seed]:
        """The weights of the elements of each result, in its shape."""
        cuts = np.cumsum([np.size(root.data) for root in roots])[:-1]
        return [
            float(part[0]) if isinstance(root, Value) else part.reshape(root.shape).copy()
            for root, part in zip(roots, np.split(cotangent, cuts), strict=True)
        ]

    def _refuse_changes(
        self, leaves: Sequence[Leaf], points: Sequence[Array], seeds: Sequence[Seed], kept: Sequence[Array]
    ) -> None:
        if not all(np.array_equal(seed, copy) for seed, copy in zip(seeds, kept, strict=True)):
            raise GradientError(
                f"the backward pass of {self.function} wrote into the gradient that it was given: other parts of a "
                "graph may still need it; compute a new array"
            )
        for name, leaf, point in zip(self.names, leaves, points, strict=True):
            if not np.array_equal(numbers_of(leaf), point):
                raise GradientError(
                    f"the backward pass of {self.function} changed the input {name}: compute a new array", name=name
                )


def _with_parameters(
    fn: Callable[..., object], modules: Sequence[Module], parameters: dict[str, Leaf], arguments: Sequence[object]
) -> object:
    """The function called while its modules have other parameters."""
    from tinygrad_lm.nn import Module, functional_call

    class Holder(Module):
        def forward(self, *args: object, **kwargs: object) -> object:
            return fn(*args, **kwargs)

    holder = Holder()
    for i, module in enumerate(modules):
        # Not by setattr, which would rename the user's module.
        vars(holder)[f"m{i}"] = module
    return functional_call(holder, parameters, *arguments)
