"""Random computations as plain data: printed, saved as JSON, and run on ``Tensor``s, ``Value``s or plain NumPy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np

from tinygrad_lm.autograd import Tensor, grad_of, to_values
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.testing.checker.differences import COMPLEX_STEP
from tinygrad_lm.testing.properties.index_data import Json
from tinygrad_lm.testing.properties.operations import KINKED, OPERATIONS, Operand

FORMAT = 1
"""The version of the JSON form."""


@dataclass(frozen=True)
class Step:
    """One operation on earlier results."""

    operation: str
    """Its name in ``OPERATIONS``."""
    operands: tuple[int, ...]
    """The numbers of the results that it is applied to."""
    attributes: dict[str, Json] = field(default_factory=dict[str, Json])
    """What else it is called with, by keyword, as plain data."""

    def apply(self, results: Sequence[Operand]) -> Operand:
        """The result, given all earlier ones."""
        return OPERATIONS[self.operation](*(results[i] for i in self.operands), **self.attributes)

    def margin(self, results: Sequence[Array]) -> float:
        """How far it is from its nearest kink, given all earlier results as real numbers."""
        distance = KINKED.get(self.operation)
        return np.inf if distance is None else distance(*(results[i] for i in self.operands), **self.attributes)

    def __str__(self) -> str:
        arguments = [f"x{i}" for i in self.operands] + [f"{key}={value}" for key, value in self.attributes.items()]
        return f"{self.operation}({', '.join(arguments)})"


@dataclass(frozen=True, eq=False)
class Program:
    """A computation: leaves, the steps that follow them, and which result is returned."""

    leaves: tuple[Array, ...]
    steps: tuple[Step, ...]
    result: int
    """The number of the result that is returned; leaves are numbered first."""

    @overload
    def results(self, leaves: Sequence[Tensor]) -> Sequence[Tensor]: ...
    @overload
    def results(self, leaves: Sequence[Array]) -> Sequence[Array]: ...
    @overload
    def results(self, leaves: Sequence[Operand]) -> Sequence[Operand]: ...
    def results(self, leaves: Sequence[Operand]) -> Sequence[Operand]:
        """The leaves and the result of every step after them, by their numbers."""
        results = list(leaves)
        for step in self.steps:
            results.append(step.apply(results))
        return results

    @overload
    def evaluate(self, leaves: Sequence[Tensor]) -> Tensor: ...
    @overload
    def evaluate(self, leaves: Sequence[Array]) -> Array: ...
    @overload
    def evaluate(self, leaves: Sequence[Operand]) -> Operand: ...
    def evaluate(self, leaves: Sequence[Operand]) -> Operand:
        """The result for these leaves: ``Tensor``s, arrays of ``Value``s, or real or complex arrays."""
        return self.results(leaves)[self.result]

    def on_numpy(self) -> Array:
        """The result in plain NumPy."""
        return self.evaluate(self.leaves)

    def on_tensors(self) -> tuple[list[Tensor], Tensor]:
        """Fresh leaves and the result, on the tensor engine."""
        leaves = [Tensor(x, requires_grad=True, label=f"x{i}") for i, x in enumerate(self.leaves)]
        return leaves, self.evaluate(leaves)

    def on_values(self) -> tuple[list[Array], Array]:
        """Fresh leaves and the result as arrays of ``Value``s, on the scalar engine."""
        leaves = [to_values(x, label=f"x{i}") for i, x in enumerate(self.leaves)]
        return leaves, self.evaluate(leaves)

    def margin(self, leaves: Sequence[Array] | None = None) -> float:
        """How far the program is from its nearest kink, at its own leaves or at other real arrays."""
        if not any(step.operation in KINKED for step in self.steps):
            return np.inf
        results = self.results(self.leaves if leaves is None else leaves)
        return min(step.margin(results) for step in self.steps)

    def gradients_by_complex_step(self, cotangent: Array) -> list[Array]:
        """The gradient of ``sum(cotangent * result)`` to each leaf, in plain NumPy, exact to the last bits."""
        gradients: list[Array] = []
        for position, leaf in enumerate(self.leaves):
            gradient = np.zeros(leaf.shape)
            for index in np.ndindex(leaf.shape):
                moved = [x.astype(np.complex128) for x in self.leaves]
                moved[position][index] += COMPLEX_STEP * 1j
                gradient[index] = np.sum(cotangent * np.imag(self.evaluate(moved))) / COMPLEX_STEP
            gradients.append(gradient)
        return gradients

    def reordered(self, rng: np.random.Generator) -> Program:
        """The same computation with its independent steps in another order."""
        first = len(self.leaves)
        place = {i: i for i in range(first)}
        waiting = dict(enumerate(self.steps, first))
        steps: list[Step] = []
        while waiting:
            ready = [i for i, step in waiting.items() if all(operand in place for operand in step.operands)]
            chosen = ready[rng.integers(len(ready))]
            step = waiting.pop(chosen)
            place[chosen] = first + len(steps)
            steps.append(Step(step.operation, tuple(place[i] for i in step.operands), step.attributes))
        return Program(self.leaves, tuple(steps), place[self.result])

    def to_json(self) -> str:
        """The program as JSON text, every number exact."""
        data = {
            "format": FORMAT,
            "leaves": [{"shape": x.shape, "data": x.reshape(-1).tolist()} for x in self.leaves],
            "steps": [[step.operation, step.operands, step.attributes] for step in self.steps],
            "result": self.result,
        }
        return json.dumps(data, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Program:
        """The program that ``to_json`` wrote.

        Raises
        ------
        ValueError
            Where the text is not a program.
        """
        try:
            data: dict[str, Any] = json.loads(text)
            if data["format"] != FORMAT:
                raise ValueError(f"this is format {data['format']!r}; {FORMAT} is the one that is known")
            leaves = tuple(np.array(x["data"], dtype=np.float64).reshape(x["shape"]) for x in data["leaves"])
            steps = tuple(Step(name, tuple(operands), attributes) for name, operands, attributes in data["steps"])
            program = cls(leaves, steps, data["result"])
            program._check()
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"the text is not a program: {error}") from error
        return program

    def _check(self) -> None:
        for number, step in enumerate(self.steps, start=len(self.leaves)):
            if step.operation not in OPERATIONS:
                raise ValueError(f"there is no operation {step.operation!r}")
            if not all(0 <= i < number for i in step.operands):
                raise ValueError(f"step x{number} uses a result that comes later: {step}")
        if not 0 <= self.result < len(self.leaves) + len(self.steps):
            raise ValueError(f"there is no result x{self.result}")

    def __str__(self) -> str:
        lines = [f"x{i} = np.array({leaf.tolist()})" for i, leaf in enumerate(self.leaves)]
        lines += [f"x{i} = {step}" for i, step in enumerate(self.steps, start=len(self.leaves))]
        return "\n".join([*lines, f"return x{self.result}"])

    def __repr__(self) -> str:
        return f"Program.from_json({self.to_json()!r})"


def gradients_on_tensors(program: Program, cotangent: Array) -> list[Array]:
    """The gradient of ``sum(cotangent * result)`` to each leaf by the tensor engine; zero without a path."""
    leaves, result = program.on_tensors()
    result.backward(cotangent)
    return [np.zeros(leaf.shape) if leaf.grad is None else leaf.grad for leaf in leaves]


def gradients_on_values(program: Program, cotangent: Array) -> list[Array]:
    """The gradient of ``sum(cotangent * result)`` to each leaf by the scalar engine; zero without a path."""
    leaves, result = program.on_values()
    total = np.sum(np.asarray(cotangent * result).reshape(-1))
    total.backward()
    return [grad_of(leaf) for leaf in leaves]
