"""Asking the engines in their order for a picture, until one has drawn it."""

from __future__ import annotations

from dataclasses import replace

from visualize.formats import engines
from visualize.formats.dot import to_dot
from visualize.formats.embedded import at_home, with_pictures
from visualize.formats.shapes import footer_of
from visualize.formats.style import Style
from visualize.formats.svg import to_svg
from visualize.graph.data import Graph


def rendered(graph: Graph, style: Style, engine: str) -> tuple[str, str]:
    """The graph as SVG, ready for a page, and the name of the engine that laid it out.

    Raises
    ------
    DrawingError
        With what each engine said, where none could draw it.
    """
    problems: list[str] = []
    for candidate in engines.candidates(engine, len(graph.nodes)):
        try:
            if candidate.name == "builtin":
                return at_home(_built_in(graph, style), graph), candidate.name
            dot = to_dot(replace(graph, notes=(), total=graph.shown), replace(style, legend=False), for_pictures=True)
            svg = engines.run(candidate, dot, "svg", len(graph.nodes)).decode("utf-8", "replace")
            footer = footer_of(graph, style.theme, style.legend)
            return at_home(with_pictures(svg, graph, style.theme), graph, footer), candidate.name
        except engines.DrawingError as error:
            problems.append(str(error))
    raise engines.DrawingError("\n".join(problems))


def rendered_by_graphviz(graph: Graph, style: Style, engine: str, form: str) -> bytes:
    """The graph in a form that only Graphviz writes: ``png`` or ``pdf``.

    Raises
    ------
    DrawingError
        Without Graphviz, or where it fails.
    """
    problems: list[str] = []
    for candidate in engines.candidates(engine):
        if candidate.name == "builtin":
            continue
        try:
            return engines.run(candidate, to_dot(graph, style), form, len(graph.nodes))
        except engines.DrawingError as error:
            problems.append(str(error))
    why = "; ".join(problems) or "Graphviz is not here"
    raise engines.DrawingError(f".{form} needs Graphviz: {why}. {engines.REMEDY}.")


def _built_in(graph: Graph, style: Style) -> str:
    count = len(graph.nodes)
    if count > engines.BUILT_IN:
        raise engines.DrawingError(
            f"{count:,} nodes are too many for the built-in layout (the limit is {engines.BUILT_IN}); "
            "draw fewer: collapse='auto', depth=1, max_nodes=150, or focus=... around one node"
        )
    return to_svg(graph, style)
