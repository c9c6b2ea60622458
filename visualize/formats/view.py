"""A picture of a graph: what ``draw`` returns, in every format."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from visualize.formats.dot import to_dot
from visualize.formats.mermaid import to_mermaid
from visualize.formats.page import as_table, folded, page
from visualize.formats.rendering import rendered, rendered_by_graphviz
from visualize.formats.serial import to_json
from visualize.formats.style import Style
from visualize.formats.text import to_text
from visualize.formats.themes import Theme
from visualize.formats.viewer import viewer
from visualize.graph.data import Graph

if TYPE_CHECKING:
    import graphviz


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
        """The colours."""
        self.show = show
        """The parts of nodes and edges that are written, as ``draw`` takes them."""
        self.direction = direction
        """Where the flow goes: ``"LR"``, ``"RL"``, ``"TB"`` or ``"BT"``."""
        self.legend = legend
        """Whether the picture says what its boxes mean."""
        self._asked = engine
        self._stepper = stepper

    @property
    def style(self) -> Style:
        """How it is drawn: the theme, the parts that are shown, the direction and the legend."""
        return Style(self.theme, self.show, self.direction, self.legend)

    @cached_property
    def dot(self) -> str:
        """The picture in Graphviz's DOT language, the same text for the same program."""
        return to_dot(self.graph, self.style)

    @property
    def engine(self) -> str:
        """The engine that laid out the picture: ``dot``, ``pygraphviz`` or ``builtin``."""
        return self._rendered[1]

    def svg(self) -> str:
        """The picture as SVG, ready for a file or a page.

        Raises
        ------
        DrawingError
            Where no engine could lay it out.
        """
        return self._rendered[0]

    def png(self) -> bytes:
        """The picture as PNG.

        Raises
        ------
        DrawingError
            Without Graphviz.
        """
        return rendered_by_graphviz(self.graph, self.style, self._asked, "png")

    def pdf(self) -> bytes:
        """The picture as PDF.

        Raises
        ------
        DrawingError
            Without Graphviz.
        """
        return rendered_by_graphviz(self.graph, self.style, self._asked, "pdf")

    def source(self) -> graphviz.Source:
        """The picture as an object of the graphviz package, for its ``render``, ``view`` and ``pipe``."""
        from graphviz import Source

        return Source(self.dot)

    def text(self) -> str:
        """The graph as a table for a terminal."""
        return to_text(self.graph)

    def mermaid(self) -> str:
        """The picture as a Mermaid flowchart."""
        return to_mermaid(self.graph, self.style)

    def json(self) -> str:
        """The graph as JSON."""
        return to_json(self.graph)

    def html(self, stepper: bool | None = None) -> str:
        """A page of its own: the picture to look around in, the pass step by step, and the graph as a table.

        Parameters
        ----------
        stepper
            Whether the backward pass is in it, step by step; by default where the whole graph is shown and small,
            folded away. ``True`` shows it at once.

        Raises
        ------
        ValueError
            Where the stepper is asked for, but not all of the graph is shown, it is large, or its root is not one
            number that requires a gradient.
        DrawingError
            Where no engine could lay out the picture.
        """
        if stepper and self._stepper is None:
            raise ValueError(
                "html(stepper=True) needs the whole graph of one number: draw a single root that needs a gradient and "
                "has one element, with collapse='none' and at most 150 nodes"
            )
        steps = ""
        if self._stepper is not None and stepper is not False:
            try:
                steps = folded("step through it", self._stepper(), is_open=bool(stepper))
            except (RuntimeError, ValueError, TypeError, ArithmeticError):
                # The graph was released or changed since it was drawn, or it holds an operation that cannot be run
                # again: what was drawn still stands.
                if stepper:
                    raise
        parts = [self._viewer(), steps, as_table(self.text())]
        return page("Computation graph", "\n".join(filter(None, parts)), self.theme)

    def _viewer(self) -> str:
        graph = self.graph
        what = f"computation graph of {len(graph.nodes)} nodes and {len(graph.edges)} edges"
        return viewer(self.svg(), graph.edges, self.theme, what, graph.roots[0] if graph.roots else "")

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture; the suffix says how: .svg, .png, .pdf, .dot, .html, .json, .mmd or .txt.

        Raises
        ------
        ValueError
            For another suffix.
        DrawingError
            For a .png or .pdf without Graphviz, and where no engine could lay out the picture.
        """
        file = Path(path)
        write = FORMATS.get(file.suffix.lower())
        if write is None:
            raise ValueError(f"save: {str(file)!r} must end in one of {', '.join(FORMATS)}, which says the format")
        content = write(self)
        file.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        return file

    @cached_property
    def _rendered(self) -> tuple[str, str]:
        """The SVG and the engine that laid it out."""
        return rendered(self.graph, self.style, self._asked)

    def _repr_mimebundle_(
        self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None
    ) -> dict[str, str]:
        """What a notebook shows: the picture to look around in, or as it is, or the table; never an error."""
        bundle = {"text/plain": self.text()}
        try:
            bundle["image/svg+xml"] = self.svg()
            bundle["text/html"] = self._viewer()
        except Exception as error:  # whatever an engine does, a notebook shows at least the text
            bundle["text/plain"] += f"(no picture: {error})\n"
        kept = set(bundle if include is None else include) - set(exclude or ())
        return {form: content for form, content in bundle.items() if form in kept}

    def __repr__(self) -> str:
        caption = f", {self.graph.caption}" if self.graph.caption else ""
        return f"<GraphView of {len(self.graph.nodes)} nodes and {len(self.graph.edges)} edges{caption}>"


FORMATS: Mapping[str, Callable[[GraphView], str | bytes]] = {
    ".svg": GraphView.svg,
    ".png": GraphView.png,
    ".pdf": GraphView.pdf,
    ".dot": lambda view: view.dot,
    ".gv": lambda view: view.dot,
    ".html": GraphView.html,
    ".json": GraphView.json,
    ".mmd": GraphView.mermaid,
    ".mermaid": GraphView.mermaid,
    ".txt": GraphView.text,
}
"""How each kind of file is written, by its suffix."""
