"""A graph as JSON, for programs that draw or check it themselves."""

from __future__ import annotations

import json
from dataclasses import asdict

from visualize.graph.data import Graph

FORMAT = 1
"""The number of this form; it grows when a field changes its meaning."""


def to_json(graph: Graph) -> str:
    """The graph as JSON text: the fields of ``Graph``, its caption, and the number of the form."""
    content = {"format": FORMAT, "caption": graph.caption, **asdict(graph)}
    return json.dumps(content, ensure_ascii=True, indent=1) + "\n"
