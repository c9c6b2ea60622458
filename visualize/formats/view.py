"""A picture of a graph: what ``draw`` returns, in every format."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visualize.formats import engines
from visualize.formats.dot import to_dot
from visualize.formats.mermaid import to_mermaid
from visualize.formats.page import as_figure, as_table, page
from visualize.formats.serial import to_json
from visualize.formats.svg import at_home, to_svg
from visualize.formats.text import to_text
from visualize.formats.themes import Theme
from visualize.graph.data import Graph

if TYPE_CHECKING:
    import graphviz

DIRECTIONS = ("LR", "RL", "TB", "BT")
SUFFIXES = (".svg", ".png", ".pdf", ".dot", ".gv", ".html", ".json", ".mmd", ".mermaid", ".txt")


class GraphView:
    """A drawn graph. Shows itself in a notebook; ``save`` writes it in the format of the file's suffix."""

    def __init__(
        self,
        graph: Graph,
        theme: Theme,
        show: Collection[str],
        direction: str = "LR",
        legend: bool = True,
        engine: str = "auto",
        stepper: Callable[[], str] | None = None,
    ) -> None:
        self.graph = graph
        """What is drawn, as data."""
        self.theme = theme
        self.show = show
        self.direction = direction
        self.legend = legend
        self._asked = engine
        self._stepper = stepper

    @cached_property
    def dot(self) -> str:
        """The picture in Graphviz's DOT language, the same text for the same program."""
        return to_dot(self.graph, self.theme, self.show, self.direction, self.legend)

    @property
    def engine(self) -> str:
        """The engine that laid out the picture: ``dot``, ``pygraphviz`` or ``builtin``."""
        return self._drawn[1]

    def svg(self) -> str:
        """The picture as SVG, ready for a file or a page. Raises ``DrawingError`` if no engine could lay it out."""
        return self._drawn[0]

    def source(self) -> graphviz.Source:
        """The picture as an object of the graphviz package, for its ``render``, ``view`` and ``pipe``."""
        from graphviz import Source

        return Source(self.dot)

    def text(self) -> str:
        """The graph as a table for a terminal."""
        return to_text(self.graph)

    def mermaid(self) -> str:
        """The picture as a Mermaid flowchart."""
        return to_mermaid(self.graph, self.theme, self.show, self.direction)

    def json(self) -> str:
        """The graph as JSON."""
        return to_json(self.graph)

    def html(self, stepper: bool | None = None) -> str:
        """A page of its own with the picture and, under it, the graph as a table.

        ``stepper=True`` puts the backward pass in it, step by step; by default it is there where the whole graph
        is shown and small.
        """
        if stepper and self._stepper is None:
            raise ValueError(
                "html(stepper=True) needs the whole graph of one number: draw a single root that needs a gradient and "
                "has one element, with collapse='none' and at most 150 nodes"
            )
        body = ""
        if self._stepper is not None and stepper is not False:
            try:
                body = self._stepper()
            except (RuntimeError, ValueError, TypeError, ArithmeticError):
                # The graph was released or changed since it was drawn, or it holds an operation that cannot be run
                # again: what was drawn still stands.
                if stepper:
                    raise
        body = body or as_figure(self.svg())
        return page("Computation graph", f"{body}\n{as_table(self.text())}", self.theme)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture; the suffix says how: .svg, .png, .pdf, .dot, .html, .json, .mmd or .txt.

        Raises ``ValueError`` for another suffix, ``DrawingError`` for a .png or .pdf without Graphviz.
        """
        file = Path(path)
        suffix = file.suffix.lower()
        if suffix in (".png", ".pdf"):
            content = self._native(suffix[1:])
        elif suffix in SUFFIXES:
            content = self._written(suffix).encode("utf-8")
        else:
            raise ValueError(f"save: {str(file)!r} must end in one of {', '.join(SUFFIXES)}, which says the format")
        file.write_bytes(content)
        return file

    def _written(self, suffix: str) -> str:
        match suffix:
            case ".svg":
                return self.svg()
            case ".html":
                return self.html()
            case ".json":
                return self.json()
            case ".mmd" | ".mermaid":
                return self.mermaid()
            case ".txt":
                return self.text()
            case _:
                return self.dot

    def _native(self, form: str) -> bytes:
        problems: list[str] = []
        for engine in engines.candidates(self._asked):
            if engine.name == "builtin":
                continue
            try:
                return engines.run(engine, self.dot, form, len(self.graph.nodes))
            except engines.DrawingError as error:
                problems.append(str(error))
        why = "; ".join(problems) or "Graphviz is not here"
        raise engines.DrawingError(f".{form} needs Graphviz: {why}. {engines.REMEDY}.")

    @cached_property
    def _drawn(self) -> tuple[str, str]:
        """The SVG and the engine that laid it out."""
        problems: list[str] = []
        for engine in engines.candidates(self._asked):
            try:
                if engine.name == "builtin":
                    return self._built_in(), engine.name
                drawn = engines.run(engine, self.dot, "svg", len(self.graph.nodes))
                return at_home(drawn.decode("utf-8", "replace"), self.graph), engine.name
            except engines.DrawingError as error:
                problems.append(str(error))
        raise engines.DrawingError("\n".join(problems))

    def _built_in(self) -> str:
        count = len(self.graph.nodes)
        if count > engines.BUILT_IN:
            raise engines.DrawingError(
                f"{count:,} nodes are too many for the built-in layout (the limit is {engines.BUILT_IN}); "
                "draw fewer: collapse='auto', depth=1, max_nodes=150, or focus=... around one node"
            )
        return at_home(to_svg(self.graph, self.theme, self.show, self.direction, self.legend), self.graph)

    def _repr_mimebundle_(
        self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None
    ) -> dict[str, Any]:
        """What a notebook shows: the picture, or the table where no picture can be made; never an error."""
        bundle: dict[str, Any] = {"text/plain": self.text()}
        try:
            bundle["image/svg+xml"] = self.svg()
        except Exception as error:  # whatever an engine does, a notebook shows the text
            bundle["text/plain"] += f"(no picture: {error})\n"
        kept = set(bundle if include is None else include) - set(exclude or ())
        return {form: content for form, content in bundle.items() if form in kept}

    def __repr__(self) -> str:
        caption = f", {self.graph.caption}" if self.graph.caption else ""
        return f"<GraphView of {len(self.graph.nodes)} nodes and {len(self.graph.edges)} edges{caption}>"
