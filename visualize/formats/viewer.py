"""A picture in a small viewer for pages and notebooks: fit, zoom, pan, and a node lights up what it is connected to."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable
from functools import cache
from html import escape

from visualize.formats.themes import Theme
from visualize.graph.data import GraphEdge

HINT = "Point at a node, or use the arrow keys; + − 0 zoom, dragging moves."

_OPERATOR = re.compile(r" (=>|[!=]==|&&|\|\|) ")
"""Operators of JavaScript that stand in no text."""

_BUTTONS = (("fit", "show all of it", "fit"), ("out", "smaller", "−"), ("in", "larger", "+"))


def viewer(svg: str, edges: Iterable[GraphEdge], theme: Theme, what: str, end: str = "", hint: str = HINT) -> str:
    """An SVG whose groups have the ids of nodes and edges, as a piece of HTML in which one can look around.

    Where all of the picture would be too small to read, the node ``end`` is seen first; ``hint`` says what can be done.
    The picture is held as an image, which the script opens: where there are no scripts, as in a notebook that is not
    trusted, it is still seen.
    """
    buttons = "".join(
        f'<button type="button" data-view="{part}" aria-label="{label}" title="{label}">{sign}</button>'
        for part, label, sign in _BUTTONS
    )
    ends = json.dumps([[edge.source, edge.target] for edge in edges], separators=(",", ":"))
    return f"""<section class="tglm-view" tabindex="0" aria-label="{escape(what)}" data-lm-suppress-shortcuts="true" \
data-end="{end}" style="{colours(theme)}">
<style>{asset("viewer.css")}</style>
<img src="data:image/svg+xml;base64,{b64encode(svg.encode("utf-8")).decode("ascii")}" alt="{escape(what)}" \
style="max-width:100%;height:auto">
<div class="look">{buttons}<span class="about" data-view="about" role="status" data-hint="{escape(hint)}"></span></div>
<script type="application/json" data-view="edges">{ends}</script>
<script>{asset("viewer.js")}</script>
</section>"""


def colours(theme: Theme) -> str:
    """The colours of a theme as properties that style sheets read."""
    names = ("background", "ink", "faint", "frame", "alert", "active", "gradient")
    paint = theme.paints["input"]
    rest = f"feeds:{paint.stroke};--focus:{theme.gradient}"
    return ";".join(f"--{name}:{getattr(theme, name)}" for name in names) + f";--{rest}"


@cache
def asset(name: str) -> str:
    """A script or a style sheet of this package, as a page holds it."""
    from importlib.resources import files  # not above: it is slow to import

    return compact(files("visualize.formats").joinpath("assets", name).read_text(encoding="utf-8"))


def compact(text: str) -> str:
    """A script or a style sheet without indents, lines that are comments, and the room around some operators."""
    lines = (_OPERATOR.sub(r"\1", line.strip()) for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))
