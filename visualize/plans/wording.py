"""What the arrays of a plan are called, and its calls in short."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_lm.replay.generators import Draw
from tinygrad_lm.replay.instructions import Clip, Store, StoreBuffer, Update, WholeBackward, WholeForward
from tinygrad_lm.replay.memory import mentioned
from tinygrad_lm.replay.optimising import Comparison
from tinygrad_lm.replay.traced import Check, Compute, Traced

SIGNS = {
    "add": "+",
    "subtract": "−",
    "multiply": "×",
    "divide": "/",
    "matmul": "@",
    "dot": "·",
    "less": "<",
    "less_equal": "≤",
    "greater": ">",
    "greater_equal": "≥",
    "equal": "=",
    "not_equal": "≠",
}
"""Functions of two arrays that are written between them."""

LONGEST = 16
"""An index of more characters is left out."""


class Wording:
    """The names of arrays, each another; those of leaves are given."""

    def __init__(self, leaves: Mapping[int, str]) -> None:
        self._names: dict[int, str] = {}
        self._taken = set(leaves.values())
        self._unnamed = 0
        for key, name in leaves.items():
            self._names[key] = name

    def name(self, traced: Traced) -> str:
        """What an array is called: as it was named, by what it is the gradient of, or by a number."""
        owner = traced.owner
        found = self._names.get(id(owner))
        if found is None:
            found = self._names[id(owner)] = self._new(owner)
        return found

    def _new(self, owner: Traced) -> str:
        if owner.role in ("constant", "extern") and not owner.name:
            return _constant(owner)
        wanted = owner.name
        if not wanted and owner.about is not None:
            wanted = f"d {self.name(owner.about)}"
        if not wanted:
            self._unnamed += 1
            wanted = f"x{self._unnamed}"
        name, n = wanted, 2
        while name in self._taken:
            name, n = f"{wanted}_{n}", n + 1
        self._taken.add(name)
        return name

    def written(self, x: Any) -> str:
        """An argument of a call."""
        if isinstance(x, Traced):
            name, owner = self.name(x), x.owner
            turned = x.ndim > 1 and x.array.strides == owner.array.strides[::-1] != owner.array.strides
            return f"{name}ᵀ" if turned else f"{name}{self._part(x)}"
        if type(x) in (tuple, list):
            return f"({self._listed(x)})"
        if type(x) is slice:
            return ":".join("" if part is None else str(part) for part in (x.start, x.stop))
        if x is None or x is Ellipsis:
            return "…" if x is Ellipsis else "new"
        return f"{x:.3g}" if isinstance(x, float) else str(x)

    def _listed(self, x: Any) -> str:
        return ", ".join([self.written(part) for part in x])

    def _part(self, view: Traced) -> str:
        """Which part of its array a view is, where it is one."""
        while view.base is not None:
            if view.how and view.how[0] == "__getitem__":
                (index,) = view.how[1]
                text = f"[{self._listed(index if type(index) is tuple else (index,))}]"
                return text if len(text) <= LONGEST else "[…]"
            view = view.base
        return ""

    def call(self, instruction: Any) -> str:
        """An instruction in short."""
        if isinstance(instruction, Compute):
            return self._compute(instruction)
        if isinstance(instruction, Comparison):
            return f"check {self._expression(instruction.compute)}"
        if isinstance(instruction, Check):
            return f"check {self.written(instruction.condition)}"
        if isinstance(instruction, Draw):
            return f"{self.name(instruction.result)} = rng.{instruction.method}()"
        if isinstance(instruction, WholeForward):
            return f"{self.name(instruction.result)} = {instruction.operation.name}(...)"
        if isinstance(instruction, WholeBackward):
            results = ", ".join(self.name(result) for result in instruction.results if result is not None)
            return f"{results} = back through {instruction.forward.operation.name}"
        if isinstance(instruction, Store):
            return f"copy {self.written(instruction.value)} to the gradients"
        if isinstance(instruction, StoreBuffer):
            return f"{instruction.name} = {self.written(instruction.value)}"
        if isinstance(instruction, Clip):
            return f"clip the gradients to norm {instruction.max_norm:g}"
        if isinstance(instruction, Update):
            return f"{type(instruction.optimizer).__name__}, a step"
        return type(instruction).__name__

    def _compute(self, compute: Compute) -> str:
        target = self.written(compute.result)
        if compute.method == "__setitem__":
            _, index, value = compute.args
            return f"{target}[{self.written(index)}] = {self.written(value)}"
        if compute.method == "fill":
            return f"{target} = {self.written(compute.args[1])}"
        if compute.method == "at":
            return f"{compute.function.__name__}.at({', '.join(map(self.written, compute.args))})"
        return f"{target} = {self._expression(compute)}"

    def _expression(self, compute: Compute) -> str:
        name, args = compute.function.__name__, compute.args
        if compute.method == "__getitem__":
            return f"{self.written(args[0])}[{self.written(args[1])}]"
        if compute.method == "take" and isinstance(args[0], Traced):
            return f"{self.written(args[0])}[{self.written(args[1])}]"
        if compute.method == "reduce":
            short = {"add": "sum", "maximum": "max", "minimum": "min"}.get(name, f"{name}.reduce")
            return f"{short}({self.written(args[0])})"
        if name in SIGNS and len(args) == 2:
            return f"{self.written(args[0])} {SIGNS[name]} {self.written(args[1])}"
        return f"{name}({', '.join([self.written(x) for x in args if _is_number(x) or [*mentioned(x)]])})"


def _is_number(x: Any) -> bool:
    return isinstance(x, (int, float)) and not isinstance(x, bool)


def _constant(owner: Traced) -> str:
    array = owner.array
    if array.ndim == 0:
        return f"{array.item():.3g}"
    if array.size and np.issubdtype(array.dtype, np.number):
        first = array.reshape(-1)[0]
        if np.all(array == first):
            return {0: "zeros", 1: "ones"}.get(first.item(), "constant")
        if array.ndim == 2 and len(array) == array.shape[1] and np.array_equal(array, np.eye(len(array))):
            return "eye"
    return "constant"
