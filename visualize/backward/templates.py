"""How each node is computed, as a text with a gap for each operand: ``{0} + {1}``, ``tanh({0})``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from visualize.graph.data import GraphNode

_INFIX = {"add": " + ", "sub": " - ", "mul": " · ", "div": " / ", "pow": "**", "matmul": " @ "}
_GAP = re.compile(r"\{(\d+)\}")


def template_of(entry: GraphNode, count: int) -> str:
    """The text of a node with so many operands; braces are gaps alone."""
    gaps = [f"{{{i}}}" for i in range(count)]
    if entry.op in _INFIX and count == 2:
        return _INFIX[entry.op].join(gaps)
    if entry.op == "sum" and count > 1:
        return " + ".join(gaps)
    if entry.op == "dot" and count % 2 == 0 and entry.shape is None:
        return " + ".join(f"{a} · {b}" for a, b in zip(gaps[: count // 2], gaps[count // 2 :], strict=True))
    if entry.op == "neg":
        return "-{0}"
    options = [re.sub("[{}]", "", entry.options)] if entry.options else []
    return f"{entry.op}({', '.join([*gaps, *options])})"


def filled(template: str, texts: Sequence[str]) -> str:
    """The template with texts in its gaps; a negative number stands in brackets where it follows something."""

    def text_at(match: re.Match[str]) -> str:
        text = texts[int(match[1])]
        before, after = template[: match.start()], template[match.end() :]
        is_free = not before or before.endswith(("(", ", "))
        return f"({text})" if text.startswith("-") and (not is_free or after.startswith("**")) else text

    return _GAP.sub(text_at, template)
