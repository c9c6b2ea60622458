"""The function under check, made plain: named float64 arrays in, one flat array out, and its backward pass.

Whatever the user gave (a function of ``Tensor``s, of ``Value``s, or with modules among its arguments), the
checker sees a ``Problem``. Its gradient is a ``Problem`` too, which is how second order is checked.
"""

# Operands may be floats, arrays or nodes: their types are not inferred here.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from tinygrad_lm.autograd import Tensor, Value, data_of, enable_grad, graph
from tinygrad_lm.autograd.custom import signature_of
from tinygrad_lm.autograd.derivatives import gradients_or_zeros
from tinygrad_lm.autograd.graph import Operation
from tinygrad_lm.testing.checker.analytic import analytic
from tinygrad_lm.testing.checker.nodes import flat, grouped, make_leaf, nodes_of, numbers_of, parts_of
from tinygrad_lm.testing.checker.report import GradientError

Array = np.ndarray[Any, Any]


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

    def pull(self, points: Sequence[Array], weights: Sequence[Array]) -> list[list[Array | None]]:
        """For each array of weights the gradient of ``weights @ results`` to each input, all from one graph."""
        ...


class Call:
    """A user's function with its arguments, of which the floating-point ones are the inputs to check.

    A module, as the function or as an argument, brings its parameters in as inputs, named as it names them.
    """

    order = 1

    def __init__(self, fn: Callable[..., Any], arguments: Sequence[Any]) -> None:
        if not callable(fn):
            raise TypeError(f"check_gradients takes a function and its inputs, not {type(fn).__name__}: {fn!r:.60}")
        self._fn = fn
        self.function = _title(fn)
        self.names: list[str] = []
        self.points: list[Array] = []
        self.engines: list[str] = []
        """What each input is given as: ``tensor``, ``value``, or ``values`` for an array of them."""
        self._fixed: dict[str, list[str]] = {}
        self._upcast: dict[str, list[str]] = {}
        self.shapes: list[tuple[int, ...]] = []
        self.evaluations = 0
        self._places: list[tuple[Any, Any]] = []
        self._arguments = list(arguments)
        argument_names = _argument_names(fn, len(arguments))
        scalar = any(isinstance(x, Value) or _of_values(x) for x in arguments)
        for position, argument in enumerate(self._arguments):
            self._add(argument_names[position], argument, position, scalar)
        self._modules: list[Any] = []
        for name, module in [("", fn), *zip(argument_names, arguments, strict=True)]:
            if _is_module(module):
                self._add_module(name, module)
        if not self.points:
            given = ", ".join(_kind(x) for x in arguments) or "none"
            raise ValueError(
                f"check_gradients({self.function}, ...): there is no floating-point input to check (given: {given}). "
                "Give arrays, Tensors or Values of floats: 1.0 in place of 1"
            )
        self._refuse_shared_memory()

    def _add(self, name: str, argument: Any, position: int, scalar: bool) -> None:
        if isinstance(argument, Value) or (scalar and isinstance(argument, float)):
            self._input(name, np.asarray(float(argument)), (None, position), "value")
            return
        data = argument.data if isinstance(argument, Tensor) else argument
        if isinstance(data, float) or (isinstance(data, list) and _of_numbers(data)):
            data = np.asarray(data)
        if not isinstance(data, (np.ndarray, np.generic)):
            return
        if data.dtype.kind == "f":
            plain = scalar and not isinstance(argument, Tensor)
            self._input(name, np.asarray(data), (None, position), "values" if plain else "tensor")
        elif data.dtype.kind in "iub":
            self._fixed.setdefault(str(data.dtype), []).append(name)
        elif _of_values(data):
            self._input(name, data_of(data), (None, position), "values")
        elif data.dtype.kind in "cO":
            raise TypeError(
                f"{name} is an array of {data.dtype}: only real floating-point numbers and Values can be "
                "checked; split a complex input into its real and imaginary part"
            )

    def _add_module(self, name: str, module: Any) -> None:
        self._modules.append(module)
        for key, parameter in module.named_parameters():
            if parameter.requires_grad:
                engine = "value" if isinstance(parameter, Value) else "tensor"
                self._input(f"{name}.{key}" if name else key, np.asarray(parameter.data), (module, key), engine)

    def _input(self, name: str, data: Array, place: tuple[Any, Any], engine: str) -> None:
        if data.size and any(n > 1 and s == 0 for n, s in zip(data.shape, data.strides, strict=True)):
            raise ValueError(
                f"{name} is a broadcast view: one number in memory stands for several elements of shape {data.shape}, "
                f"which cannot be moved one by one; pass {name}.copy()"
            )
        if not np.isfinite(data).all():
            index = tuple(int(i) for i in np.argwhere(~np.isfinite(data))[0])
            raise ValueError(f"{name} is {data[index]} at index {index}: a derivative needs finite inputs")
        if data.dtype != np.float64:
            self._upcast.setdefault(str(data.dtype), []).append(name)
        self.names.append(name)
        self.points.append(np.array(data, dtype=np.float64))
        self.engines.append(engine)
        self._places.append(place)

    def _refuse_shared_memory(self) -> None:
        given = [
            (name, argument.data if isinstance(argument, Tensor) else argument)
            for name, argument in zip(_argument_names(self._fn, len(self._arguments)), self._arguments, strict=True)
        ]
        arrays = [(name, data) for name, data in given if isinstance(data, np.ndarray) and data.dtype.kind == "f"]
        for i, (name, data) in enumerate(arrays):
            for other, later in arrays[i + 1 :]:
                if np.shares_memory(data, later):
                    raise ValueError(
                        f"{name} and {other} share memory, so a step in one would move the other: pass a copy of one "
                        "of them, or check a function of one input that uses it twice"
                    )

    def notes(self) -> list[str]:
        """What was done with inputs that are not float64, in sentences."""
        return [
            *(f"held fixed, since {dtype} has no gradient: {', '.join(of)}" for dtype, of in self._fixed.items()),
            *(f"checked as float64 in place of {dtype}: {', '.join(of)}" for dtype, of in self._upcast.items()),
        ]

    def call_line(self) -> str:
        """The function and its arguments as they are called."""
        names = _argument_names(self._fn, len(self._arguments))
        return ", ".join([_variable(self.function), *map(_variable, names)])

    def assignments(self, most: int) -> list[str]:
        """A line for each argument that is an input, in full; none if they have more elements than ``most``."""
        given = [
            (_variable(name), point.tolist(), engine)
            for name, point, engine, (module, _) in zip(
                self.names, self.points, self.engines, self._places, strict=True
            )
            if module is None
        ]
        if sum(np.size(numbers) for _, numbers, _ in given) > most:
            return []
        made = {"tensor": "np.array({})", "value": "Value({})", "values": "to_values({})"}
        return [f"{name} = {made[engine].format(numbers)}" for name, numbers, engine in given]

    def run(self, inputs: Sequence[Any]) -> Any:
        """What the function returns for these values of the inputs, whatever they are."""
        arguments = [x.copy() if isinstance(x, np.ndarray) else x for x in self._arguments]
        parameters: dict[str, Any] = {}
        for place, x in zip(self._places, inputs, strict=True):
            module, key = place
            if module is None:
                arguments[key] = x
            else:
                parameters[f"m{self._modules.index(module)}.{key}"] = x
        self.evaluations += 1
        if not self._modules:
            return self._fn(*arguments)
        return _with_parameters(self._fn, self._modules, parameters, arguments)

    def trace(self, points: Sequence[Array]) -> tuple[list[Any], list[Any]]:
        """Fresh leaves at these points, and the results as nodes."""
        leaves = [make_leaf(*each) for each in zip(self.names, points, self.engines, strict=True)]
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
        _, roots = self.trace(points)
        return np.concatenate([np.ravel(root.data) for root in roots]).astype(np.float64, copy=False)

    def evaluate_complex(self, points: Sequence[Any]) -> Array:
        """The function run on plain complex numbers; raises whatever it raises if it is not made for them."""
        result = parts_of(self.run([analytic(x) for x in points]))
        return np.concatenate([np.ravel(np.asarray(part, dtype=np.complex128)) for part in result])

    def pull(self, points: Sequence[Array], weights: Sequence[Array]) -> list[list[Array | None]]:
        """One graph, pulled back once for each array of weights."""
        leaves, roots = self.trace(points)
        results: list[list[Array | None]] = []
        for each in weights:
            pairs = [(root, seed) for root, seed in self.seeds(roots, each) if root.requires_grad]
            kept = [np.copy(seed) for _, seed in pairs]
            with graph.no_grad():
                found = graph.gradients_of(
                    [root for root, _ in pairs], flat(leaves), [seed for _, seed in pairs], create_graph=False
                )
            results.append(grouped(found, leaves))
            self._refuse_changes(leaves, points, [seed for _, seed in pairs], kept)
        return results

    def seeds(self, roots: Sequence[Any], weights: Array) -> list[tuple[Any, Any]]:
        """Each result with the weights of its elements, in its shape."""
        cuts = np.cumsum([np.size(root.data) for root in roots])[:-1]
        parts = np.split(weights, cuts)
        return [
            (root, float(part[0]) if isinstance(root, Value) else part.reshape(root.shape).copy())
            for root, part in zip(roots, parts, strict=True)
        ]

    def _refuse_changes(self, leaves: Any, points: Any, seeds: Any, kept: Any) -> None:
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


class Slopes:
    """The gradient of a problem, for fixed weights of its results, as a problem of its own."""

    def __init__(self, call: Call, weights: Array) -> None:
        self.function = call.function
        self.names = call.names
        self.shapes = [point.shape for point in call.points]
        self.order = 2
        self.recorded = np.zeros(0)
        """The gradient as the last ``pull`` recorded it, to be compared with the plain one."""
        self._call = call
        self._weights = weights

    def evaluate(self, points: Sequence[Array]) -> Array:
        """The gradient to every input, zero where there is no path."""
        (gradients,) = self._call.pull(points, [self._weights])
        return np.concatenate(
            [np.ravel(np.zeros(x.shape) if g is None else g) for x, g in zip(points, gradients, strict=True)]
        )

    def pull(self, points: Sequence[Array], weights: Sequence[Array]) -> list[list[Array | None]]:
        """The gradient of the gradient, by differentiating the recorded backward pass."""
        leaves, roots = self._call.trace(points)
        pairs = self._call.seeds(roots, self._weights)
        first = gradients_or_zeros(
            [root for root, _ in pairs], flat(leaves), [seed for _, seed in pairs], create_graph=True
        )
        self.recorded = np.concatenate([np.ravel(node.data) for node in first])
        results: list[list[Array | None]] = []
        for each in weights:
            parts = np.split(each, np.cumsum([np.size(node.data) for node in first])[:-1])
            seeds = [
                part.reshape(node.shape) if isinstance(node, Tensor) else float(part[0])
                for node, part in zip(first, parts, strict=True)
            ]
            second = gradients_or_zeros(first, flat(leaves), seeds)
            results.append(grouped([node.data for node in second], leaves))
        return results


def _with_parameters(fn: Any, modules: Sequence[Any], parameters: dict[str, Any], arguments: Sequence[Any]) -> Any:
    from tinygrad_lm.nn import Module, functional_call

    class Holder(Module):
        def forward(self, *args: Any, **kwargs: Any) -> Any:
            return fn(*args, **kwargs)

    holder = Holder()
    for i, module in enumerate(modules):
        # Not by setattr, which would rename the user's module.
        vars(holder)[f"m{i}"] = module
    return functional_call(holder, parameters, *arguments)


def _variable(name: str) -> str:
    """A name that can be assigned to."""
    return {"<lambda>": "fn"}.get(name, name.replace("[", "_").replace("]", "").replace(" ", "_"))


def _of_numbers(x: Any) -> bool:
    """Whether a nested list holds plain numbers and nothing else."""
    return all(_of_numbers(part) for part in x) if isinstance(x, list) else isinstance(x, (int, float))


def _of_values(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype == object and x.size > 0 and all(isinstance(v, Value) for v in x.flat)


def _is_module(x: Any) -> bool:
    return hasattr(x, "named_parameters") and not isinstance(x, type)


def _title(fn: Any) -> str:
    inner = getattr(fn, "func", fn)
    return str(getattr(inner, "__name__", None) or getattr(inner, "name", None) or type(inner).__name__)


def _kind(x: Any) -> str:
    data = x.data if isinstance(x, Tensor) else x
    return str(data.dtype) if hasattr(data, "dtype") else type(x).__name__


def _argument_names(fn: Any, count: int) -> list[str]:
    target = getattr(fn, "forward", fn)
    if isinstance(fn, Operation):
        # Its forward takes anything; the function that it was made of has names.
        made_of = (getattr(fn, name, None) for name in ("function", "numpy", "fused"))
        target = next((function for function in made_of if function is not None), target)
    try:
        parameters = list(signature_of(target).parameters.values())
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
