"""Random computations as plain data: printed, saved as JSON, and run on ``Tensor``s, ``Value``s or plain NumPy.

A program is a list of leaves and a list of steps, each an operation of ``OPERATIONS`` on earlier results, and says
which result it returns. Everything is written in NumPy's words, so one ``evaluate`` runs it on arrays of any kind,
complex ones (for the complex step) among them. ``tinygrad_lm.testing.strategies.programs`` draws them.
"""

# Operands may be floats, arrays or nodes: their types are not inferred here.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_lm.autograd import Tensor, data_of, rules, to_values
from tinygrad_lm.testing.checker.differences import COMPLEX_STEP

Array = np.ndarray[Any, Any]
FORMAT = 1
"""The version of the JSON form."""


def _is_complex(*arrays: Any) -> bool:
    return any(isinstance(x, np.ndarray) and x.dtype.kind == "c" for x in arrays)


def _of_values(*arrays: Any) -> bool:
    return any(isinstance(x, np.ndarray) and x.dtype.kind == "O" for x in arrays)


def _relu(x: Any) -> Any:
    if _of_values(x):
        # NumPy's own maximum would put plain zeros among the Values.
        return rules.relu(x)
    return np.where(np.real(x) > 0, x, 0) if _is_complex(x) else np.maximum(x, 0)


def _abs(x: Any) -> Any:
    return x * np.sign(np.real(x)) if _is_complex(x) else np.abs(x)


def _maximum(x: Any, y: Any) -> Any:
    if _of_values(x, y):
        return rules.maximum(x, y)
    return np.where(np.real(x) >= np.real(y), x, y) if _is_complex(x, y) else np.maximum(x, y)


def _max(x: Any, axis: int, keepdims: bool) -> Any:
    if not _is_complex(x):
        return np.max(x, axis=axis, keepdims=keepdims)
    largest = np.take_along_axis(x, np.argmax(np.real(x), axis=axis, keepdims=True), axis)
    return largest if keepdims else np.squeeze(largest, axis)


def _softmax(x: Any, axis: int) -> Any:
    e = np.exp(np.tanh(x))
    return e / np.sum(e, axis=axis, keepdims=True)


def _where(x: Any, y: Any, mask: Any) -> Any:
    return np.where(np.array(mask, dtype=bool), x, y)


def _axes(axis: Any) -> Any:
    return tuple(axis) if isinstance(axis, list) else axis


OPERATIONS: dict[str, Callable[..., Any]] = {
    "neg": lambda x: -x,
    "sin": np.sin,
    "tanh": np.tanh,
    "exp_tanh": lambda x: np.exp(np.tanh(x)),
    "log_square": lambda x: np.log(x * x + 0.5),
    "sqrt_square": lambda x: np.sqrt(x * x + 0.1),
    "cube_tanh": lambda x: np.tanh(x) ** 3,
    "relu": _relu,
    "abs": _abs,
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div_square": lambda x, y: x / (y * y + 0.5),
    "maximum": _maximum,
    "matmul": lambda x, y: x @ y,
    "where": _where,
    "sum": lambda x, axis, keepdims: np.sum(x, axis=_axes(axis), keepdims=keepdims),
    "mean": lambda x, axis, keepdims: np.mean(x, axis=_axes(axis), keepdims=keepdims),
    "max": _max,
    "softmax": _softmax,
    "cumsum": lambda x, axis: np.cumsum(x, axis=axis),
    "reshape": lambda x, shape: np.reshape(x, tuple(shape)),
    "transpose": lambda x, axes: np.transpose(x, tuple(axes)),
    "broadcast_to": lambda x, shape: np.broadcast_to(x, tuple(shape)),
    "flip": lambda x, axis: np.flip(x, axis),
    "concatenate": lambda x, y, axis: np.concatenate([x, y], axis=axis),
    "stack": lambda x, y, axis: np.stack([x, y], axis=axis),
    "getitem": lambda x, index: x[decode_index(index)],
}
"""Every operation by name: a function of arrays of any kind. Those that could leave their domain cannot here."""

KINKED: dict[str, Callable[..., float]] = {
    "relu": lambda x: float(np.abs(x).min(initial=np.inf)),
    "abs": lambda x: float(np.abs(x).min(initial=np.inf)),
    "maximum": lambda x, y: float(np.abs(x - y).min(initial=np.inf)),
    "max": lambda x, axis, keepdims: float(np.diff(np.sort(x, axis=axis), axis=axis).min(initial=np.inf)),
}
"""How far an operation with kinks is from its nearest."""


@dataclass(frozen=True)
class Step:
    """One operation on earlier results, by their numbers; the attributes are plain data."""

    operation: str
    operands: tuple[int, ...]
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])

    def apply(self, results: Sequence[Any]) -> Any:
        """The result, given all earlier ones."""
        return OPERATIONS[self.operation](*(results[i] for i in self.operands), **self.attributes)

    def __str__(self) -> str:
        arguments = [f"x{i}" for i in self.operands] + [f"{key}={value}" for key, value in self.attributes.items()]
        return f"{self.operation}({', '.join(arguments)})"


@dataclass(frozen=True, eq=False)
class Program:
    """Leaves, steps, and the number of the result that it returns (leaves are numbered first)."""

    leaves: tuple[Array, ...]
    steps: tuple[Step, ...]
    result: int

    def evaluate(self, leaves: Sequence[Any]) -> Any:
        """The result for these leaves: ``Tensor``s, arrays of ``Value``s, or real or complex arrays."""
        results = list(leaves)
        for step in self.steps:
            result = step.apply(results)
            # NumPy turns arrays of shape () into bare numbers, which know less.
            results.append(result if isinstance(result, Tensor) else np.asarray(result))
        return results[self.result]

    def on_numpy(self) -> Array:
        """The result in plain NumPy."""
        return np.asarray(self.evaluate(self.leaves))

    def on_tensors(self) -> tuple[list[Tensor], Tensor]:
        """Fresh leaves and the result, on the tensor engine."""
        leaves = [Tensor(x, requires_grad=True, label=f"x{i}") for i, x in enumerate(self.leaves)]
        return leaves, self.evaluate(leaves)

    def on_values(self) -> tuple[list[Array], Array]:
        """Fresh leaves and the result as arrays of ``Value``s, on the scalar engine."""
        leaves = [to_values(x, label=f"x{i}") for i, x in enumerate(self.leaves)]
        return leaves, self.evaluate(leaves)

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
        """The program that ``to_json`` wrote. Raises ``ValueError`` where the text is no program."""
        try:
            data = json.loads(text)
            if data["format"] != FORMAT:
                raise ValueError(f"this is format {data['format']!r}; {FORMAT} is the one that is known")
            leaves = tuple(np.array(x["data"], dtype=np.float64).reshape(x["shape"]) for x in data["leaves"])
            steps = tuple(Step(name, tuple(operands), attributes) for name, operands, attributes in data["steps"])
            program = cls(leaves, steps, data["result"])
            program._check()
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"the text is no program: {error}") from error
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
    """The same by the scalar engine."""
    leaves, result = program.on_values()
    total = np.sum(np.asarray(cotangent * result).reshape(-1))
    total.backward()
    return [np.array([v.grad or 0.0 for v in leaf.flat]).reshape(leaf.shape) for leaf in leaves]


def numbers(result: Any) -> Array:
    """What a result holds, of either engine or of plain NumPy, as an array of floats."""
    if isinstance(result, Tensor):
        return result.data
    return data_of(result) if isinstance(result, np.ndarray) and result.dtype == object else np.asarray(result)


def encode_index(index: Any) -> Any:
    """A NumPy index as plain data for JSON."""
    if isinstance(index, tuple):
        return {"tuple": [encode_index(part) for part in index]}
    if isinstance(index, slice):
        return {"slice": [index.start, index.stop, index.step]}
    if index is Ellipsis:
        return {"ellipsis": True}
    if isinstance(index, np.ndarray):
        return {"mask" if index.dtype == bool else "ids": [list(index.shape), index.reshape(-1).tolist()]}
    return index


def decode_index(data: Any) -> Any:
    """The NumPy index that ``encode_index`` described."""
    if not isinstance(data, dict):
        return data
    ((kind, value),) = data.items()
    if kind == "tuple":
        return tuple(decode_index(part) for part in value)
    if kind == "slice":
        return slice(*value)
    if kind == "ellipsis":
        return Ellipsis
    shape, elements = value
    return np.array(elements, dtype=bool if kind == "mask" else np.intp).reshape(shape)
