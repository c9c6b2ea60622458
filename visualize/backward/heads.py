"""Arrow heads at the beginning of each edge of a picture, for what flows back along it: hidden until they are shown."""

from __future__ import annotations

import math
import re

_EDGE = re.compile(
    r'(<g id="[^"]*\be\d+" class="edge">\s*)<title>[^<]*</title>(\s*<path\b[^>]*?\bd="([^"]*)"[^>]*?(?:/>|>\s*</path>))'
)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
LENGTH, HALF = 9.0, 4.5


def with_heads(svg: str) -> str:
    """An SVG of any engine with a second head on each edge, and without the edges' tooltips, which tell no frame."""
    return _EDGE.sub(lambda edge: f"{edge[1]}{edge[2]}{_head(edge[3])}", svg)


def _head(path: str) -> str:
    numbers = [float(x) for x in _NUMBER.findall(path)]
    (x, y), *rest = zip(numbers[::2], numbers[1::2], strict=False)
    # Along the path where it begins: towards the first point that is another one.
    dx, dy = next(((u - x, v - y) for u, v in rest if math.hypot(u - x, v - y) >= 1), (1.0, 0.0))
    u, v = dx / math.hypot(dx, dy), dy / math.hypot(dx, dy)
    base = [(x + LENGTH * u + side * v, y + LENGTH * v - side * u) for side in (-HALF, HALF)]
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in ((x, y), *base))
    return f'<polygon class="head" points="{points}" display="none"/>'
