"""A self-contained HTML page around pictures: no network, and no script but this package's own."""

from __future__ import annotations

from html import escape

from visualize.formats.labels import clean
from visualize.formats.themes import Theme

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


def page(title: str, body: str, theme: Theme) -> str:
    """A whole HTML document."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{escape(clean(title))}</title>
<style>
body {{ margin: 1.5rem; background: {theme.background}; color: {theme.ink}; font: 15px/1.45 system-ui, sans-serif }}
pre {{ overflow-x: auto; font: 13px/1.5 ui-monospace, monospace }}
figure {{ margin: 0; overflow-x: auto }}
figure > svg {{ min-width: calc(.7 * var(--wide)) }}
</style>
</head>
<body>
{body}
</body>
</html>
"""


def as_figure(svg: str) -> str:
    """A picture: wider than the page it shrinks a little, then it can be scrolled."""
    return f"<figure>{svg}</figure>"


def as_table(text: str, what: str = "the graph") -> str:
    """The same content as text, to be unfolded."""
    return f"<details><summary>{what} as a table</summary><pre>{escape(text, quote=False)}</pre></details>"
