"""What pictures need of the engines' nodes beyond their links: numbers, derivatives, arguments, another run."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache

import numpy as np

from tinygrad_lm.autograd import Value, graph
from tinygrad_lm.autograd.context import Scope, enter_scope, leave_scope
from tinygrad_lm.autograd.custom import signature_of
from tinygrad_lm.autograd.graph import Node, Operation
from tinygrad_lm.autograd.structured import Structured
from tinygrad_lm.autograd.types import Array

Number = float | Array
"""A number of the scalar engine or an array of the tensor engine."""


def array_of(node: Node) -> Array:
    """A node's data as an array: of shape () for a ``Value``."""
    return np.asarray(node.data)


def attributes_of(node: Node) -> Mapping[str, object]:
    """What else the node's operation was called with: axes, shapes, indices."""
    return getattr(node, "attributes", {})


def is_parameter(node: Node) -> bool:
    """Whether a node says of itself that it is a parameter: ``nn.Parameter`` and what is made of it do."""
    return bool(getattr(node, "is_parameter", False))


def contributions_of(node: Node, gradient: Number) -> Sequence[Number | None]:
    """What a node with this gradient adds to that of each of its parents; ``None`` where a parent requires none.

    Raises
    ------
    RuntimeError
        Where the graph was released.
    """
    return graph.contributions_of(node, gradient)


def local_derivatives_of(node: Node) -> Sequence[Number | None]:
    """The local derivatives of a scalar, or of an elementwise operation on arrays; empty for other operations."""
    if isinstance(node, Value):
        with np.errstate(all="ignore"):
            return node.local_derivatives()
    derivatives: tuple[Callable[..., Array] | int, ...] = node.operation.derivatives if node.operation else ()
    inputs = [array_of(parent) for parent in node.parents]
    out = array_of(node)
    found: list[Number | None] = []
    for parent, derivative in zip(node.parents, derivatives, strict=False):
        if not parent.requires_grad:
            found.append(None)
        elif isinstance(derivative, int):
            found.append(derivative)
        else:
            with np.errstate(all="ignore"):
                found.append(np.asarray(derivative(*inputs, out), out.dtype))
    return found


def evaluated(node: Node, inputs: Sequence[Array]) -> Array:
    """What a node would hold if its parents held these arrays.

    Raises
    ------
    ValueError
        For a leaf.
    """
    operation = node.operation
    if operation is None:
        raise ValueError(f"{node!r:.60} is a leaf, which nothing computes")
    if isinstance(node, Value):
        return np.asarray(operation.on_floats([float(x) for x in inputs]))
    with np.errstate(all="ignore"):
        return np.asarray(operation.evaluate(tuple(inputs), dict(attributes_of(node))))


@contextmanager
def inside(scope: Scope | None) -> Generator[None]:
    """A context in which new nodes belong to a module's call."""
    token = enter_scope(scope)
    try:
        yield
    finally:
        leave_scope(token)


_PLACES: Mapping[str, str] = {"x": "1st", "y": "2nd", "z": "3rd"}
"""Arguments that have no name which says something are called by their place."""


def spoken(arguments: Sequence[str]) -> list[str]:
    """The names of arguments as they stand on edges."""
    anonymous = all(name in _PLACES for name in arguments)
    return [_PLACES[name] if anonymous else "input" if name == "x" else name for name in arguments]


@lru_cache(maxsize=1024)
def argument_names(operation: Operation, count: int) -> Sequence[str]:
    """What an operation calls its arguments: ``x`` and ``y``, ``x`` and ``weight``..."""
    if operation.name == "dot":
        return [f"w{i}" for i in range(count // 2)] + [f"x{i}" for i in range(count // 2)]
    names: list[str] = []
    function = _function(operation)
    if function is not None:
        try:
            parameters = signature_of(function).parameters.values()
        except (TypeError, ValueError):
            parameters = ()
        for parameter in parameters:
            if parameter.kind is parameter.VAR_POSITIONAL:
                extra = count - len(names)
                names += [parameter.name] if extra == 1 else [f"{parameter.name}{i}" for i in range(extra)]
                break
            names.append(parameter.name)
    if len(names) < count:
        return ["x", "y", "z"][:count] if count <= 3 else [f"x{i}" for i in range(count)]
    return names[:count]


def _function(operation: Operation) -> Callable[..., object] | None:
    """A function whose parameters are the operation's arguments, if there is one."""
    derivatives: Sequence[object] = operation.derivatives
    written = operation.forward if isinstance(operation, Structured) else None
    candidates = (*derivatives, getattr(operation, "reference", None), written)
    return next((function for function in candidates if callable(function)), None)
