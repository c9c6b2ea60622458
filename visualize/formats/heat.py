"""The small pictures of arrays in their boxes, as PNG images within an SVG."""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode

from visualize.formats.themes import Theme
from visualize.graph.heat import LEVELS, Cells

HEIGHT, WIDTH = 44.0, 132.0
"""The most room, in pixels."""
CELL = 9.0
"""The largest side of a cell."""


def size_of(cells: Cells) -> tuple[float, float]:
    """The width and the height of a picture of cells."""
    rows, columns = len(cells), len(cells[0])
    side = min(CELL, HEIGHT / rows, WIDTH / columns)
    return columns * side, max(rows * side, 5.0)


def image(cells: Cells, x: float, y: float, theme: Theme) -> str:
    """The picture as an SVG element whose upper left corner is given."""
    width, height = size_of(cells)
    return (
        f'<image x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" preserveAspectRatio="none" '
        f'style="image-rendering:pixelated" href="data:image/png;base64,{png(cells, theme)}"/>'
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="none" '
        f'stroke="{theme.faint}" stroke-width="0.5"/>'
    )


def png(cells: Cells, theme: Theme) -> str:
    """A pixel for each cell, in base64: positive in the colour of gradients, negative in that of inputs."""
    below, zero, above = map(_rgb, (theme.paints["input"].stroke, theme.background, theme.gradient))
    rows = b"".join(b"\0" + bytes(cell + LEVELS for cell in row) for row in cells)
    palette = b"".join(
        _mixed(zero, above if level > 0 else below, abs(level) / LEVELS) for level in range(-LEVELS, LEVELS + 1)
    )
    header = struct.pack(">IIBBBBB", len(cells[0]), len(cells), 8, 3, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in chunks)
    return b64encode(data).decode("ascii")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def _mixed(first: tuple[int, ...], second: tuple[int, ...], share: float) -> bytes:
    return bytes(round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
