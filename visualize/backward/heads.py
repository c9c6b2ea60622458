"""A picture that is stepped through: its edges have heads at both ends, and its tooltips tell no numbers."""

from __future__ import annotations

import math
import re

_EDGE = re.compile(
    r'(<g id="[^"]*\be\d+" class="edge">\s*)<title>[^<]*</title>(\s*<path\b[^>]*?\bd="([^"]*)"[^>]*?(?:/>|>\s*</path>))'
)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_TOLD = re.compile(r"(<title>[^<]*?)\n(?:data|grad) [^<\n]*")
LENGTH, HALF = 9.0, 4.5


def to_be_stepped(svg: str) -> str:
    """An SVG of any engine with a second head on each edge, hidden until something flows back along it.

    What tooltips say of numbers is taken out: it changes from frame to frame.
    """
    svg = _EDGE.sub(lambda edge: f"{edge[1]}{edge[2]}{_head(edge[3])}", svg)
    for _ in range(2):
        svg = _TOLD.sub(r"\1", svg)
    return svg


def _head(path: str) -> str:
    numbers = [float(x) for x in _NUMBER.findall(path)]
    (x, y), *rest = zip(numbers[::2], numbers[1::2], strict=False)
    # Along the path where it begins: towards the first point that is another one.
    dx, dy = next(((u - x, v - y) for u, v in rest if math.hypot(u - x, v - y) >= 1), (1.0, 0.0))
    u, v = dx / math.hypot(dx, dy), dy / math.hypot(dx, dy)
    base = [(x + LENGTH * u + side * v, y + LENGTH * v - side * u) for side in (-HALF, HALF)]
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in ((x, y), *base))
    return f'<polygon class="head" points="{points}" display="none"/>'
