"""What may be drawn: nodes as they are, lists of them, and models or functions with their inputs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import cast

from tinygrad_lm.autograd import Value
from tinygrad_lm.autograd.graph import Node
from visualize.graph.source_lines import tracing


def roots_of(root: object, inputs: Sequence[object] = ()) -> list[Node]:
    """The nodes to draw: as given, or what a model or function makes of its inputs.

    A function is called while lines of code are recorded.

    Raises
    ------
    TypeError
        For anything else, and for inputs that do not fit the function.
    """
    if not isinstance(root, Node) and callable(root):
        root = _result_of(root, inputs)
    elif inputs:
        raise TypeError(
            f"inputs go after a model or a function, but {type(root).__name__} is neither; "
            "several roots go into one list: [a, b]"
        )
    several = cast("Sequence[object]", root) if isinstance(root, (list, tuple)) else ()
    parts: list[object] = [*several] or [root]
    nodes = [part for part in parts if isinstance(part, Node)]
    if len(nodes) == len(parts):
        return nodes
    what = "a list with other things in it" if several else f"{type(parts[0]).__name__}: {parts[0]!r:.60}"
    raise TypeError(f"a picture is made of a Value, a Tensor, a list of them, or a model with its inputs, not {what}")


def direction_of(direction: str, nodes: Iterable[Node]) -> str:
    """Where the flow goes: as asked for, or by itself from left to right for numbers, and downwards for tensors."""
    if direction != "auto":
        return direction
    return "LR" if all(isinstance(node, Value) for node in nodes) else "TB"


def _result_of(function: Callable[..., object], inputs: Sequence[object]) -> object:
    called: Callable[..., object] = getattr(function, "forward", function)
    try:
        inspect.signature(called).bind(*inputs)
    except TypeError as error:
        raise TypeError(
            f"a model or a function is drawn with its inputs, draw(model, batch), but with {len(inputs)} of "
            f"them it cannot be called: {error}"
        ) from None
    except ValueError:
        # A function written in C may have no signature.
        pass
    with tracing():
        return function(*inputs)
