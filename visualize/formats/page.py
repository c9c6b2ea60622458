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
summary {{ cursor: pointer; padding: .3rem 0 }}
</style>
</head>
<body>
{body}
</body>
</html>
"""


def as_table(text: str, what: str = "the graph") -> str:
    """The same content as text, to be unfolded."""
    return folded(f"{what} as a table", f"<pre>{escape(text, quote=False)}</pre>")


def folded(title: str, body: str, is_open: bool = False) -> str:
    """A part of a page that is unfolded by a click."""
    return f"<details{' open' * is_open}><summary>{escape(title)}</summary>{body}</details>"
