"""``draw``: the one way from a result, or a model with its input, to a picture."""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np

from tinygrad_lm.autograd.graph import Node
from visualize.backward.frames import steps_of
from visualize.backward.stepper import MOST, stepper_of
from visualize.formats.labels import check_show
from visualize.formats.themes import Theme, theme_of
from visualize.formats.view import DIRECTIONS, GraphView
from visualize.graph.data import Graph, GraphNode
from visualize.graph.extract import Trace, describe, trace
from visualize.graph.quantities import check_format
from visualize.graph.roots import roots_of
from visualize.graph.scalars import to_scalars
from visualize.graph.simplify import Collapse, simplify
from visualize.graph.source_lines import line_of


def draw(
    root: Any,
    *inputs: Any,
    names: Any = None,
    show: Collection[str] = ("label", "shape", "data", "grad"),
    level: str = "tensor",
    direction: str = "LR",
    depth: int | None = None,
    collapse: Collapse = "auto",
    fold_repeats: bool = True,
    max_nodes: int = 150,
    focus: Any = None,
    radius: int = 2,
    theme: str = "light",
    fmt: str = ".4g",
    legend: bool = True,
    engine: str = "auto",
) -> GraphView:
    """Draw the computation graph of a result.

    ``root`` is a ``Value``, a ``Tensor``, several of them in a list, or a model (any function) followed by its
    inputs. What it shows:

    - ``names``: labels, as a dictionary from name to node (``locals()``) or a module with parameters.
    - ``show``: any of ``"label"``, ``"shape"``, ``"data"``, ``"grad"``, ``"local"`` (the local derivative on each
      edge) and ``"line"`` (the line of code, where ``tracing()`` was on).
    - ``level="scalar"`` draws the program on tensors number by number, through the ``Value`` engine.
    - ``fmt``: how numbers are written.

    How much: ``depth`` levels of modules are opened; ``collapse`` and ``fold_repeats`` are what happens above
    ``max_nodes``; ``focus`` (a node, a label, or a list of them) with ``radius`` shows one place.

    How it looks: ``direction`` (``"LR"``, ``"RL"``, ``"TB"``, ``"BT"``), ``theme`` (``"light"``, ``"dark"``,
    ``"colorblind"``, ``"print"``), ``legend``, and the ``engine`` that lays it out (``"dot"``, ``"pygraphviz"``,
    ``"builtin"``, the path of a ``dot``; by default the first that is there).

    Raises ``TypeError`` for a root that is no node, ``ValueError`` for an option that does not exist.
    """
    parts = check_show(show)
    check_format(fmt)
    if level not in ("tensor", "scalar"):
        raise ValueError(f"level is 'tensor' or 'scalar', not {level!r}")
    if direction not in DIRECTIONS:
        raise ValueError(f"direction is one of {', '.join(map(repr, DIRECTIONS))}, not {direction!r}")
    look = theme_of(theme)
    if names is None and callable(getattr(root, "named_parameters", None)):
        names = root
    roots = roots_of(root, inputs)
    if level == "scalar":
        roots, names = to_scalars(roots, names)
    with _no_garbage_collection():
        traced = trace(*roots, names=names)
        reduced = simplify(
            traced.graph,
            depth=depth,
            collapse=collapse,
            fold_repeats=fold_repeats,
            max_nodes=max_nodes,
            focus=_focus(focus, traced) if focus is not None else (),
            radius=radius,
        )
    graph = describe(
        reduced.graph, traced.nodes, fmt, reduced.members, line_of if "line" in parts else None, "local" in parts
    )
    steps = _stepper(traced, reduced.graph, look, fmt, direction, engine)
    return GraphView(graph, look, parts, direction, legend, engine, steps)


@contextmanager
def _no_garbage_collection() -> Generator[None]:
    """Much is allocated here and nothing of it is garbage: looking for some takes a third of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _stepper(
    traced: Trace, shown: Graph, theme: Theme, fmt: str, direction: str, engine: str
) -> Callable[[], str] | None:
    """What writes the backward pass, where there is one of one number and all of it is shown."""
    root = traced.nodes[traced.graph.roots[0]]
    whole = len(shown.nodes) == len(traced.nodes) <= MOST and not shown.notes
    if not whole or len(shown.roots) != 1 or not root.requires_grad or np.size(root.data) != 1:
        return None
    return lambda: stepper_of(steps_of(traced), theme, fmt, direction, engine).fragment()


def _focus(focus: Any, traced: Trace) -> list[str]:
    """The ids that are meant by nodes, labels or a function of a graph's node."""
    many: list[Any] = list(cast("Collection[Any]", focus)) if isinstance(focus, (list, tuple, set)) else [focus]
    found: list[str] = []
    for one in many:
        chosen = [node.id for node in traced.graph.nodes if _matches(one, node, traced)]
        if not chosen:
            raise ValueError(f"focus: nothing in this graph is called or is {one!r:.60}")
        found += chosen
    return found


def _matches(one: Any, node: GraphNode, traced: Trace) -> bool:
    if isinstance(one, Node):
        return traced.nodes[node.id] is one
    if isinstance(one, str):
        return one in (node.label, node.id)
    if callable(one):
        return bool(one(node))
    raise TypeError(f"focus is a node, a label, or a function of a graph's node, not {type(one).__name__}")
