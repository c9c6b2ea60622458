"""Photograph the gallery: ``python docs/contact_sheet.py [folder]``, one PNG for each theme and width of a page.

Every part of the gallery is opened in a headless Chromium, in a window of that width, and the photographs are laid side
by side, half their size. It needs a clone of the project, whose tests have the browser. ``--tiles`` keeps the
photographs in their own size, too.
"""

from __future__ import annotations

import base64
import math
import sys
from html import escape
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from docs import gallery
from tests.helpers.browser import Browser
from visualize.formats.page import page
from visualize.formats.themes import theme_of

THEMES = ("light", "dark")
WIDTHS = (400, 700, 1200)
TALLEST = 2_200
"""Parts of the page that are taller are cut off."""

Tile = tuple[str, bytes, int, int]
"""A title, a PNG, its width and its height."""


def photographs(browser: Browser, theme: str, width: int, folder: Path) -> list[Tile]:
    """Every part of the gallery in a window of that width."""
    file = folder / f"gallery-{theme}.html"
    file.write_bytes(gallery.gallery(theme).encode("utf-8"))
    opened = browser.page(width=width, height=900, scheme=theme)
    opened.open(file)
    boxes = opened.evaluate(
        "[...document.querySelectorAll('article')].map((part) => { const r = part.getBoundingClientRect(); "
        "return [part.querySelector('h2').textContent, r.x + scrollX, r.y + scrollY, r.width, r.height]; })"
    )
    tiles: list[Tile] = []
    for title, x, y, wide, tall in boxes:
        wide, tall = math.ceil(min(wide + 16, width)), math.ceil(min(tall, TALLEST))
        clip = {"x": max(0, x - 8), "y": y, "width": wide, "height": tall, "scale": 1}
        shot = opened.send("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        tiles.append((title, base64.b64decode(shot["data"]), wide, tall))
    problems = opened.problems()
    opened.close()
    file.unlink()
    if problems:
        raise SystemExit(f"{theme}, {width} px: {problems}")
    return tiles


def sheet(browser: Browser, tiles: list[Tile], theme: str, width: int, path: Path) -> None:
    """All photographs of a page on one sheet."""
    columns = {400: 8, 700: 5, 1200: 4}[width]
    heights = [0] * columns
    content: list[list[str]] = [[] for _ in range(columns)]
    for title, data, wide, tall in tiles:
        column = heights.index(min(heights))
        heights[column] += tall // 2 + 40
        image = f'<img src="data:image/png;base64,{base64.b64encode(data).decode()}" width="{wide // 2}">'
        content[column].append(f"<figure>{image}<figcaption>{escape(title)}</figcaption></figure>")
    rules = "body{margin:12px}main{display:flex;gap:14px}figure{margin:0 0 14px}figcaption{font-size:11px}"
    body = "".join(f"<div>{''.join(column)}</div>" for column in content)
    file = path.with_suffix(".html")
    file.write_bytes(
        page("Contact sheet", f"<style>{rules}</style><main>{body}</main>", theme_of(theme)).encode("utf-8")
    )
    opened = browser.page(width=columns * (width // 2 + 14) + 24, height=max(heights) + 40)
    opened.open(file)
    path.write_bytes(opened.screenshot())
    opened.close()
    file.unlink()


def main(arguments: list[str]) -> None:
    """Write the sheets, and say where."""
    keep = "--tiles" in arguments
    places = [argument for argument in arguments if argument != "--tiles"]
    folder = (Path(places[0]) if places else Path(__file__).parent / "contact_sheets").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    browser = Browser()
    try:
        for theme in THEMES:
            for width in WIDTHS:
                tiles = photographs(browser, theme, width, folder)
                path = folder / f"{theme}-{width}.png"
                sheet(browser, tiles, theme, width, path)
                print(path)
                for i, (_, data, _, _) in enumerate(tiles if keep else ()):
                    (folder / f"{theme}-{width}-{i:02}.png").write_bytes(data)
    finally:
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
