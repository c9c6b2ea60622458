"""What may be drawn: nodes as they are, lists of them, and models or functions with their inputs."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import Any, cast

from tinygrad_lm.autograd.graph import Node
from visualize.graph.source_lines import tracing


def roots_of(root: Any, inputs: Iterable[Any] = ()) -> list[Node]:
    """The nodes to draw: as given, or what a model or function makes of its inputs.

    A function is called while lines of code are recorded.
    """
    arguments = tuple(inputs)
    if not isinstance(root, Node) and callable(root):
        try:
            called: Any = getattr(root, "forward", root)
            inspect.signature(called).bind(*arguments)
        except TypeError as error:
            raise TypeError(
                f"a model or a function is drawn with its inputs, draw(model, batch), but with {len(arguments)} of "
                f"them it cannot be called: {error}"
            ) from None
        except ValueError:
            # Written in C, it does not say what it takes.
            pass
        with tracing():
            root = root(*arguments)
    elif arguments:
        raise TypeError(
            f"inputs go after a model or a function, but {type(root).__name__} is neither; "
            "several roots go into one list: [a, b]"
        )
    if isinstance(root, Node):
        return [root]
    parts: list[Any] = list(cast("Sequence[Any]", root)) if isinstance(root, (list, tuple)) else []
    if parts and all(isinstance(part, Node) for part in parts):
        return parts
    what = "a list with other things in it" if parts else f"{type(cast('object', root)).__name__}: {root!r:.60}"
    raise TypeError(f"a picture is made of a Value, a Tensor, a list of them, or a model with its inputs, not {what}")
