"""The arguments of the function under check: how they are called, and which of them are inputs to differentiate by."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeGuard, cast

import numpy as np

from tinygrad_lm.autograd import Tensor, Value, custom, data_of
from tinygrad_lm.autograd.graph import Operation
from tinygrad_lm.autograd.types import Array
from tinygrad_lm.testing.checker.nodes import Engine, is_array, is_array_of_values

if TYPE_CHECKING:
    from tinygrad_lm.nn import Module


class Input(NamedTuple):
    """One floating-point input, and where it stands in the call."""

    name: str
    point: Array
    """Its numbers, in float64."""
    engine: Engine
    argument: int
    """The position of the argument that it is, or of the module that it is a parameter of."""
    parameter: str | None = None
    """Its name in that module; ``None`` for an argument of its own."""


@dataclass
class Inputs:
    """The inputs to differentiate by, and what was done with the other arguments."""

    found: list[Input] = field(default_factory=list[Input])
    modules: list[Module] = field(default_factory=list["Module"])
    """The function itself, where it is one, and the arguments that are: their parameters are inputs."""
    fixed: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """The names of what has no gradient, by dtype."""
    upcast: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """The names of inputs that are not float64, by dtype."""

    def notes(self) -> list[str]:
        """What was done with arguments that are not float64, in sentences."""
        return [
            *(f"held fixed, since {dtype} has no gradient: {', '.join(of)}" for dtype, of in self.fixed.items()),
            *(f"checked as float64 in place of {dtype}: {', '.join(of)}" for dtype, of in self.upcast.items()),
        ]

    def add(self, name: str, argument: object, position: int, scalar: bool) -> None:
        """Take up an argument if it holds floats; ``scalar`` says that the function is one of ``Value``s.

        Raises
        ------
        TypeError
            For arrays of complex numbers or of other objects than ``Value``s.
        """
        if isinstance(argument, Value) or (scalar and isinstance(argument, float)):
            self._take(name, np.asarray(float(argument)), "value", position)
            return
        data = _numbers(argument)
        if data is None:
            return
        if data.dtype.kind == "f":
            self._take(name, data, "values" if scalar and not isinstance(argument, Tensor) else "tensor", position)
        elif data.dtype.kind in "iub":
            self.fixed.setdefault(str(data.dtype), []).append(name)
        elif is_array_of_values(data):
            self._take(name, data_of(data), "values", position)
        elif data.dtype.kind in "cO":
            raise TypeError(
                f"{name} is an array of {data.dtype}: only real floating-point numbers and Values can be "
                "checked; split a complex input into its real and imaginary part"
            )

    def add_module(self, name: str, module: Module) -> None:
        """Take up every parameter of a module that requires a gradient."""
        position = len(self.modules)
        self.modules.append(module)
        for key, parameter in module.named_parameters():
            if parameter.requires_grad:
                engine: Engine = "value" if isinstance(parameter, Value) else "tensor"
                self._take(f"{name}.{key}" if name else key, np.asarray(parameter.data), engine, position, key)

    def _take(self, name: str, data: Array, engine: Engine, argument: int, parameter: str | None = None) -> None:
        if data.size and any(n > 1 and s == 0 for n, s in zip(data.shape, data.strides, strict=True)):
            raise ValueError(
                f"{name} is a broadcast view: one number in memory stands for several elements of shape {data.shape}, "
                f"which cannot be moved one by one; pass {name}.copy()"
            )
        if not np.isfinite(data).all():
            index = tuple(int(i) for i in np.argwhere(~np.isfinite(data))[0])
            raise ValueError(f"{name} is {data[index]} at index {index}: a derivative needs finite inputs")
        if data.dtype != np.float64:
            self.upcast.setdefault(str(data.dtype), []).append(name)
        self.found.append(Input(name, np.array(data, dtype=np.float64), engine, argument, parameter))


def inputs_of(fn: Callable[..., object], names: Sequence[str], arguments: Sequence[object]) -> Inputs:
    """The inputs of a call.

    Raises
    ------
    TypeError
        For an argument of a dtype that cannot be checked, a complex one, say.
    ValueError
        Where there is no floating-point input, one is not finite or a broadcast view, or two share memory.
    """
    inputs = Inputs()
    scalar = any(isinstance(x, Value) or is_array_of_values(x) for x in arguments)
    for position, (name, argument) in enumerate(zip(names, arguments, strict=True)):
        inputs.add(name, argument, position, scalar)
    for name, thing in [("", fn), *zip(names, arguments, strict=True)]:
        if _is_module(thing):
            inputs.add_module(name, thing)
    if not inputs.found:
        given = ", ".join(_kind(x) for x in arguments) or "none"
        raise ValueError(
            f"check_gradients({title(fn)}, ...): there is no floating-point input to check (given: {given}). "
            "Give arrays, Tensors or Values of floats: 1.0 in place of 1"
        )
    _refuse_shared_memory(names, arguments)
    return inputs


def _refuse_shared_memory(names: Sequence[str], arguments: Sequence[object]) -> None:
    given = [(name, x.data if isinstance(x, Tensor) else x) for name, x in zip(names, arguments, strict=True)]
    arrays = [(name, data) for name, data in given if is_array(data) and data.dtype.kind == "f"]
    for i, (name, data) in enumerate(arrays):
        for other, later in arrays[i + 1 :]:
            if np.shares_memory(data, later):
                raise ValueError(
                    f"{name} and {other} share memory, so a step in one would move the other: pass a copy of one "
                    "of them, or check a function of one input that uses it twice"
                )


def _numbers(argument: object) -> Array | None:
    """The array that an argument is or holds; ``None`` for anything else."""
    data = argument.data if isinstance(argument, Tensor) else argument
    if is_array(data):
        return data
    if isinstance(data, (float, np.generic)) or (isinstance(data, list) and _of_numbers(cast("list[object]", data))):
        return np.asarray(data)
    return None


def _of_numbers(x: object) -> bool:
    """Whether a nested list holds plain numbers and nothing else."""
    return all(map(_of_numbers, cast("list[object]", x))) if isinstance(x, list) else isinstance(x, (int, float))


def _is_module(x: object) -> TypeGuard[Module]:
    return hasattr(x, "named_parameters") and not isinstance(x, type)


def _kind(x: object) -> str:
    data = x.data if isinstance(x, Tensor) else x
    return str(getattr(data, "dtype", type(x).__name__))


def title(fn: object) -> str:
    """What a function, a module or an operation is called."""
    inner = getattr(fn, "func", fn)
    return str(getattr(inner, "__name__", None) or getattr(inner, "name", None) or type(inner).__name__)


def argument_names(fn: Callable[..., object], count: int) -> list[str]:
    """The names of the first ``count`` arguments; ``input 3`` for one without a name."""
    operation = _without_keywords(fn)
    target: Callable[..., object] = getattr(operation if isinstance(operation, Operation) else fn, "forward", fn)
    try:
        parameters = list(custom.signature_of(target).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names: list[str] = []
    for parameter in parameters:
        if parameter.kind is parameter.VAR_POSITIONAL:
            names += [f"{parameter.name}[{i}]" for i in range(count - len(names))]
        elif parameter.kind is not parameter.VAR_KEYWORD:
            names.append(parameter.name)
    names = names[:count]
    return names + [f"input {i}" for i in range(len(names), count)]


def _without_keywords(fn: object) -> object:
    """What a ``functools.partial`` calls, if it fixes only keyword arguments."""
    if isinstance(fn, functools.partial):
        partial = cast("functools.partial[object]", fn)
        return partial if partial.args else partial.func
    return fn


def variable(name: str) -> str:
    """A name that can be assigned to."""
    return {"<lambda>": "fn"}.get(name, name.replace("[", "_").replace("]", "").replace(" ", "_"))
