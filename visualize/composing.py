"""From a program's nodes to the graph that is drawn: what is left out, put together and told, as was wished."""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from tinygrad_lm.autograd.graph import Node
from visualize.backward.frames import steps_of
from visualize.backward.stepper import MOST, stepper_of
from visualize.formats.style import Style
from visualize.formats.svg import size_of
from visualize.formats.themes import Theme
from visualize.formats.view import GraphView
from visualize.graph.architecture import architecture_of, described_architecture
from visualize.graph.contract import Reduced
from visualize.graph.data import Graph, GraphNode
from visualize.graph.describe import described
from visualize.graph.extract import Extract, extract
from visualize.graph.health import Health
from visualize.graph.naming import Naming
from visualize.graph.roots import direction_of
from visualize.graph.simplify import Collapse, folded, simplify

Place = Node | str | Callable[[GraphNode], bool]
"""A node, what it is called, or a function that is true of it."""


SHOWN = {"graph": ("label", "shape", "data", "grad"), "architecture": ("label", "shape")}
"""The parts that are shown where none are asked for, in each style."""

LONGEST = 2_200.0
WIDEST = 1_600.0
"""Pictures that would be larger, in pixels, are folded as those of too many nodes are."""

PAGE = 1_400.0
"""An architecture that would be longer is folded."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked of a picture, as ``draw`` takes it, checked."""

    style: str
    show: Collection[str]
    direction: str
    theme: Theme
    fmt: str
    legend: bool
    engine: str
    depth: int | None
    collapse: Collapse
    fold_repeats: bool
    max_nodes: int
    focus: Place | Collection[Place] | None
    radius: int


def check_picture(style: str) -> str:
    """The style of a picture as it was given.

    Raises
    ------
    ValueError
        Where it is neither ``"graph"`` nor ``"architecture"``.
    """
    if style not in SHOWN:
        raise ValueError(f"style is 'graph' or 'architecture', not {style!r}")
    return style


def composed(roots: Sequence[Node], naming: Naming, wish: Wish) -> GraphView:
    """The picture of a program's results."""
    direction = direction_of(wish.direction, roots) if wish.style == "graph" else wish.direction.replace("auto", "TB")
    style = Style(wish.theme, wish.show, direction, wish.legend)
    with _no_garbage_collection():
        extracted = extract(*roots, naming=naming)
        compose = _architecture if wish.style == "architecture" else _graph
        graph, steps = compose(extracted, style, wish)
    return GraphView(graph, wish.theme, wish.show, direction, wish.legend, wish.engine, steps)


_Composed = tuple[Graph, Callable[[], str] | None]


def _graph(extracted: Extract, style: Style, wish: Wish) -> _Composed:
    """The operations, simplified as far as necessary, and the stepper if all of them are shown."""
    health = Health(extracted)

    def told(reduced: Reduced) -> Graph:
        lines, local, heat = (part in style.show for part in ("line", "local", "heat"))
        return described(reduced.graph, extracted, wish.fmt, reduced.members, lines, local, heat, health)

    reduced = simplify(
        extracted.graph,
        depth=wish.depth,
        collapse=wish.collapse,
        fold_repeats=wish.fold_repeats,
        max_nodes=wish.max_nodes,
        focus=_found(wish.focus, extracted) if wish.focus is not None else (),
        radius=wish.radius,
        fits=lambda smaller: _fits(told(smaller), style, LONGEST),
    )
    return told(reduced), _stepper(extracted, reduced.graph, style, wish)


def _architecture(extracted: Extract, style: Style, wish: Wish) -> _Composed:
    """The modules, repeats folded where the picture would be longer than a page."""
    architecture, health = architecture_of(extracted, wish.depth), Health(extracted)

    def told(reduced: Reduced) -> Graph:
        graph = described(reduced.graph, extracted, wish.fmt, reduced.members, heat=True, health=health)
        nodes = tuple(
            replace(node, options=", ".join(filter(None, (node.options, architecture.options.get(node.id, "")))))
            for node in graph.nodes
        )
        return described_architecture(replace(graph, nodes=nodes), extracted, reduced.members)

    def enough(reduced: Reduced) -> bool:
        return len(reduced) <= wish.max_nodes and _fits(told(reduced), style, PAGE)

    reduced = architecture.reduced
    if wish.fold_repeats and not enough(reduced):
        reduced = folded(reduced, enough, of_modules_alone=True)
    return told(reduced), None


def _fits(graph: Graph, style: Style, longest: float) -> bool:
    """Whether a picture, as the built-in layout makes it, can still be looked at."""
    along, across = size_of(graph, style)
    if style.direction in ("TB", "BT"):
        along, across = across, along
    return along <= longest and across <= WIDEST


def _stepper(extracted: Extract, shown: Graph, style: Style, wish: Wish) -> Callable[[], str] | None:
    """A function that writes the backward pass, where the whole graph of one number is shown; else ``None``."""
    root = extracted.nodes[extracted.graph.roots[0]]
    whole = len(shown.nodes) == shown.total <= MOST and not shown.notes
    if not whole or len(shown.roots) != 1 or not root.requires_grad or np.size(root.data) != 1:
        return None

    def fragment() -> str:
        stepper = stepper_of(steps_of(extracted), style.theme, wish.fmt, style.direction, wish.engine)
        return stepper.fragment(autofocus=True)

    return fragment


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
