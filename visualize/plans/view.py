"""A picture of a plan: what ``draw`` returns of one, in every format that it has."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

from visualize.formats.labels import clean, cut
from visualize.formats.page import as_table, page
from visualize.formats.text import table
from visualize.formats.themes import Theme
from visualize.formats.viewer import viewer
from visualize.plans.data import PlanData
from visualize.plans.svg import plan_svg


class PlanView:
    """A drawn plan. Shows itself in a notebook; ``save`` writes it in the format of the file's suffix."""

    def __init__(self, data: PlanData, theme: Theme, legend: bool = True) -> None:
        self.data = data
        """What is drawn, as data."""
        self.theme = theme
        """The colours."""
        self.legend = legend
        """Whether the picture says what its colours mean."""

    @cached_property
    def _svg(self) -> str:
        return plan_svg(self.data, self.theme, self.legend)

    def svg(self) -> str:
        """The picture as SVG, ready for a file or a page; it needs no engine."""
        return self._svg

    def text(self) -> str:
        """The calls as a table for a terminal."""
        rows = [("call", "part", "computed", "numbers", "memory")]
        for i, call in enumerate(self.data.calls):
            held = sum(buffer.size for buffer in self.data.buffers if buffer.first <= i <= buffer.last)
            rows.append((str(i + 1), call.part, cut(clean(call.text)), f"{call.numbers:,}", f"{held:,} bytes"))
        return "\n".join([*table(rows), self.data.caption]) + "\n"

    def json(self) -> str:
        """The plan as JSON."""
        content = {"format": 1, "caption": self.data.caption, **asdict(self.data)}
        return json.dumps(content, ensure_ascii=True, indent=1) + "\n"

    def html(self) -> str:
        """A page of its own with the picture and, under it, the calls as a table."""
        body = f"{self._viewer()}\n{as_table(self.text(), 'the plan')}"
        return page("Plan of a step", body, self.theme)

    def _viewer(self) -> str:
        return viewer(self.svg(), (), self.theme, "plan of a step")

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture; the suffix says how: .svg, .html, .json or .txt.

        Raises
        ------
        ValueError
            For another suffix.
        """
        file = Path(path)
        write = FORMATS.get(file.suffix.lower())
        if write is None:
            raise ValueError(f"save: {str(file)!r} must end in one of {', '.join(FORMATS)}, which says the format")
        file.write_bytes(write(self).encode("utf-8"))
        return file

    def _repr_mimebundle_(
        self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None
    ) -> dict[str, str]:
        """What a notebook shows."""
        bundle = {"text/plain": self.text(), "image/svg+xml": self.svg(), "text/html": self._viewer()}
        kept = set(bundle if include is None else include) - set(exclude or ())
        return {form: content for form, content in bundle.items() if form in kept}

    def __repr__(self) -> str:
        return f"<PlanView of {self.data.caption}>"


FORMATS: Mapping[str, Callable[[PlanView], str]] = {
    ".svg": PlanView.svg,
    ".html": PlanView.html,
    ".json": PlanView.json,
    ".txt": PlanView.text,
}
"""How each kind of file is written, by its suffix."""
