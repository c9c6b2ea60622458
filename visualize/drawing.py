"""``draw``: the one way from a result, or a model with its input, to a picture."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeGuard, cast, overload

import numpy as np

from tinygrad_lm.autograd.graph import Node
from visualize.backward.frames import steps_of
from visualize.backward.stepper import MOST, stepper_of
from visualize.formats.labels import check_show
from visualize.formats.style import Style, check_direction
from visualize.formats.svg import size_of
from visualize.formats.themes import Theme, theme_of
from visualize.formats.view import GraphView
from visualize.graph.data import Graph, GraphNode
from visualize.graph.describe import described
from visualize.graph.extract import Extract, extract
from visualize.graph.naming import Names, naming_of
from visualize.graph.quantities import check_format
from visualize.graph.roots import direction_of, roots_of
from visualize.graph.scalars import to_scalars
from visualize.graph.simplify import Collapse, simplify
from visualize.plans.view import PlanView

if TYPE_CHECKING:
    from tinygrad_lm.replay.plan import Plan

Place = Node | str | Callable[[GraphNode], bool]
"""A node, what it is called, or a function that is true of it."""


@overload
def draw(root: Plan, *, names: Names = None, theme: str | Theme = "light", legend: bool = True) -> PlanView: ...  # pyright: ignore[reportOverlappingOverload]
@overload
def draw(
    root: object,
    *inputs: object,
    names: Names = None,
    show: Collection[str] = ("label", "shape", "data", "grad"),
    level: str = "tensor",
    direction: str = "auto",
    depth: int | None = None,
    collapse: Collapse = "auto",
    fold_repeats: bool = True,
    max_nodes: int = 150,
    focus: Place | Collection[Place] | None = None,
    radius: int = 2,
    theme: str | Theme = "light",
    fmt: str = ".4g",
    legend: bool = True,
    engine: str = "auto",
) -> GraphView: ...
def draw(
    root: object,
    *inputs: object,
    names: Names = None,
    show: Collection[str] = ("label", "shape", "data", "grad"),
    level: str = "tensor",
    direction: str = "auto",
    depth: int | None = None,
    collapse: Collapse = "auto",
    fold_repeats: bool = True,
    max_nodes: int = 150,
    focus: Place | Collection[Place] | None = None,
    radius: int = 2,
    theme: str | Theme = "light",
    fmt: str = ".4g",
    legend: bool = True,
    engine: str = "auto",
) -> GraphView | PlanView:
    """Draw the computation graph of a result, or the plan of a step that is replayed.

    Parameters
    ----------
    root : Value, Tensor, list of them, callable, or Plan
        What is drawn. A model, or any function, is called with ``inputs``, while lines of code are recorded. Of a plan,
        ``replay(step).plan``, the calls and the memory are drawn; then only ``names``, ``theme`` and ``legend`` count.
    *inputs
        The inputs of a model or a function.
    names : mapping or model, optional
        Labels: a dictionary from name to node (``locals()`` will do), or a module, whose parameters are then labelled
        and drawn as such; a model that is drawn counts as given here.
    show : collection of str
        Any of ``"label"``, ``"shape"``, ``"data"``, ``"grad"``, ``"local"`` (the local derivative on each edge) and
        ``"line"`` (the line of code, where ``tracing()`` was on).
    level : {"tensor", "scalar"}
        ``"scalar"`` draws the program on tensors number by number, through the ``Value`` engine.
    direction : {"auto", "LR", "RL", "TB", "BT"}
        Where the flow goes: from left to right, and so on; by itself single numbers are drawn from left to right, and
        tensors, whose boxes are wide, from top to bottom.
    depth : int, optional
        How many levels of modules are opened; by default all.
    collapse : {"auto", "none"} or function of a Cluster
        Which modules are drawn as one node: as many as necessary above ``max_nodes``, none, or those for which the
        function is true.
    fold_repeats : bool
        Whether repeats are drawn once above ``max_nodes``.
    max_nodes : int
        How many nodes a picture may have before it is made smaller.
    focus : Node, str, function of a GraphNode, or several of them, optional
        The only place to show, with what is within ``radius`` edges of it.
    radius : int
        How much is shown around the focus.
    theme : str or Theme
        ``"light"``, ``"dark"`` or another of ``THEMES``, or one of your own.
    fmt : str
        How numbers are written.
    legend : bool
        Whether the picture says what its boxes mean.
    engine : str
        What lays it out: ``"dot"``, ``"pygraphviz"``, ``"builtin"``, the path of a ``dot``, or ``"auto"`` for the first
        that is there.

    Returns
    -------
    GraphView or PlanView
        The picture, to be shown in a notebook or saved in any format.

    Raises
    ------
    TypeError
        For a root that cannot be drawn, and for names, a focus or a theme of another type than these.
    ValueError
        For an option that does not exist.
    """
    if _is_plan(root):
        from visualize.plans.extract import plan_data

        return PlanView(plan_data(root, naming_of(names)), theme_of(theme), legend)
    look = theme_of(theme)
    parts = check_show(show)
    check_direction(direction)
    check_format(fmt)
    if level not in ("tensor", "scalar"):
        raise ValueError(f"level is 'tensor' or 'scalar', not {level!r}")
    naming = naming_of(names, root, inputs)
    roots = roots_of(root, inputs)
    if level == "scalar":
        roots, naming = to_scalars(roots, naming)
    style = Style(look, parts, direction_of(direction, roots), legend)
    with _no_garbage_collection():
        extracted = extract(*roots, naming=naming)
        reduced = simplify(
            extracted.graph,
            depth=depth,
            collapse=collapse,
            fold_repeats=fold_repeats,
            max_nodes=max_nodes,
            focus=_found(focus, extracted) if focus is not None else (),
            radius=radius,
            fits=lambda graph: _fits(graph, extracted, style, fmt),
        )
    lines, local = "line" in style.show, "local" in style.show
    graph = described(reduced.graph, extracted, fmt, reduced.members, lines, local)
    steps = _stepper(extracted, reduced.graph, style, fmt, engine)
    return GraphView(graph, look, parts, style.direction, legend, engine, steps)


LONGEST = 2_200.0
WIDEST = 1_600.0
"""Pictures that would be larger, in pixels, are folded as those of too many nodes are."""


def _fits(graph: Graph, extracted: Extract, style: Style, fmt: str) -> bool:
    """Whether a picture of a graph, as the built-in layout makes it, can still be looked at."""
    along, across = size_of(described(graph, extracted, fmt, local="local" in style.show), style)
    if style.direction in ("TB", "BT"):
        along, across = across, along
    return along <= LONGEST and across <= WIDEST


def _is_plan(root: object) -> TypeGuard[Plan]:
    """Whether it is the plan of a replayed step; nothing is imported to say so."""
    replaying = sys.modules.get("tinygrad_lm.replay.plan")
    return replaying is not None and isinstance(root, replaying.Plan)


@contextmanager
def _no_garbage_collection() -> Generator[None]:
    """Pause the collector: much is allocated here, none of it is garbage, and looking takes a third of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _stepper(extracted: Extract, shown: Graph, style: Style, fmt: str, engine: str) -> Callable[[], str] | None:
    """A function that writes the backward pass, where the whole graph of one number is shown; else ``None``."""
    root = extracted.nodes[extracted.graph.roots[0]]
    whole = len(shown.nodes) == shown.total <= MOST and not shown.notes
    if not whole or len(shown.roots) != 1 or not root.requires_grad or np.size(root.data) != 1:
        return None
    return lambda: stepper_of(steps_of(extracted), style.theme, fmt, style.direction, engine).fragment(autofocus=True)


def _found(focus: Place | Collection[Place], extracted: Extract) -> list[str]:
    """The ids of the graph's nodes that a focus means."""
    many = list(cast("Collection[Place]", focus)) if isinstance(focus, (list, tuple, set)) else [cast("Place", focus)]
    found: list[str] = []
    for one in many:
        chosen = [node.id for node in extracted.graph.nodes if _is_meant(one, node, extracted)]
        if not chosen:
            raise ValueError(f"focus: nothing in this graph is called or is {one!r:.60}")
        found += chosen
    return found


def _is_meant(place: Place, node: GraphNode, extracted: Extract) -> bool:
    if isinstance(place, Node):
        return extracted.nodes[node.id] is place
    if isinstance(place, str):
        return place in (node.label, node.id)
    if callable(place):
        return bool(place(node))
    raise TypeError(f"focus is a node, a label, or a function of a graph's node, not {type(place).__name__}")
