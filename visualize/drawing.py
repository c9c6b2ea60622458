"""``draw``: the one way from a result, or a model with its input, to a picture."""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import TYPE_CHECKING, TypeGuard, overload

from visualize.composing import SHOWN, Place, Wish, check_picture, composed
from visualize.formats.labels import check_show
from visualize.formats.style import check_direction
from visualize.formats.themes import Theme, theme_of
from visualize.formats.view import GraphView
from visualize.graph.naming import Names, naming_of
from visualize.graph.quantities import check_format
from visualize.graph.roots import roots_of
from visualize.graph.scalars import to_scalars
from visualize.graph.simplify import Collapse
from visualize.plans.view import PlanView

if TYPE_CHECKING:
    from tinygrad_lm.replay.plan import Plan


@overload
def draw(root: Plan, *, names: Names = None, theme: str | Theme = "light", legend: bool = True) -> PlanView: ...  # pyright: ignore[reportOverlappingOverload]
@overload
def draw(
    root: object,
    *inputs: object,
    names: Names = None,
    style: str = "graph",
    show: Collection[str] | None = None,
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
    style: str = "graph",
    show: Collection[str] | None = None,
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
    style : {"graph", "architecture"}
        ``"architecture"`` draws a model's modules in place of its operations: a box for each that holds no other, with
        its weights, what goes in and what comes out, downwards from the inputs to the output.
    show : collection of str, optional
        Any of ``"label"``, ``"shape"``, ``"data"``, ``"grad"``, ``"local"`` (the local derivative on each edge),
        ``"line"`` (the line of code, where ``tracing()`` was on) and ``"heat"`` (arrays as small pictures). By default
        the first four, and in an architecture the first two.
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
        What lays it out: ``"builtin"``, ``"dot"``, ``"pygraphviz"``, the path of a ``dot``, or ``"auto"``: the layout
        that is built in, and for more than 250 nodes Graphviz, if it is there.

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
    wish = Wish(
        style=check_picture(style),
        show=check_show(SHOWN[style] if show is None else show),
        direction=check_direction(direction),
        theme=theme_of(theme),
        fmt=check_format(fmt),
        legend=legend,
        engine=engine,
        depth=depth,
        collapse=collapse,
        fold_repeats=fold_repeats,
        max_nodes=max_nodes,
        focus=focus,
        radius=radius,
    )
    if level not in ("tensor", "scalar"):
        raise ValueError(f"level is 'tensor' or 'scalar', not {level!r}")
    naming = naming_of(names, root, inputs)
    roots = roots_of(root, inputs)
    if level == "scalar":
        roots, naming = to_scalars(roots, naming)
    return composed(roots, naming, wish)


def _is_plan(root: object) -> TypeGuard[Plan]:
    """Whether it is the plan of a replayed step; nothing is imported to say so."""
    replaying = sys.modules.get("tinygrad_lm.replay.plan")
    return replaying is not None and isinstance(root, replaying.Plan)
