"""The stepper as a piece of HTML: one picture, the structure of the program as data, and what puts numbers in."""

from __future__ import annotations

import hashlib
import json
import re
from functools import cache

import numpy as np

from tinygrad_lm.autograd import Value
from visualize.backward.controls import bar, below, plain
from visualize.backward.javascript import javascript
from visualize.backward.modes import MODES, Mode
from visualize.backward.phases import trained
from visualize.backward.recorded import recorded
from visualize.backward.wording import Wording
from visualize.formats.themes import Theme
from visualize.formats.viewer import colours, compact
from visualize.graph.edges import formula_of

_SCRIPTS = ("passes.js", "words.js", "stepper.js")
_WRITTEN = re.compile(r"\.\d\d?[efg]")
"""The formats that the page writes numbers in, too."""


def fragment_of(words: Wording, picture: str, theme: Theme, mode: Mode, autofocus: bool) -> str:
    """The stepper around a picture; ``mode`` is the one it begins in.

    Keys are the stepper's while the focus is in it. A page of its own gives it the focus (``autofocus``); in a notebook
    the reader does, and the attribute ``data-lm-suppress-shortcuts`` then keeps JupyterLab's shortcuts away. The
    controls are templates, which the script puts in: where there are no scripts, there is the picture.
    """
    title = "forward, backward and update, step by step"
    program, why = program_of(words)
    key = "p" + hashlib.blake2s(program.encode("utf-8"), digest_size=5).hexdigest()
    data = {**structure(words), "program": key if program else ""}
    if not program:
        data["recorded"] = recorded(words)
    computing = f"<script>(window.tglmPrograms??={{}}).{key}={program}</script>\n" if program else ""
    script = "\n".join(map(asset, _SCRIPTS))
    return f"""<section class="tglm-stepper" tabindex="0"{" autofocus" * autofocus} data-steps \
data-lm-suppress-shortcuts="true" aria-label="{title}" style="{colours(theme)}">
<style>{asset("stepper.css")}</style>
<template>{bar(words, mode, why)}</template>
<figure>{picture}</figure>
<template>{below(words)}</template>
<script type="application/json" data-part="data">{_for_script(data)}</script>
{computing}<script>(()=>{{"use strict";
{script}
}})()</script>
</section>"""


def program_of(words: Wording) -> tuple[str, str]:
    """The program that computes everything in the page; or nothing, and why there is none."""
    steps = words.steps["correct"]
    if not all(isinstance(node, Value) for node in steps.nodes.values()):
        return "", "Numbers can be edited where each is a Value of its own, not in arrays."
    if words.optimizer is not None:
        return "", "Numbers cannot be edited here: the page does not compute the optimizer's step."
    if not _WRITTEN.fullmatch(words.fmt):
        return "", f"Numbers cannot be edited here: the page does not write the format {words.fmt!r}."
    try:
        return javascript([steps.nodes[entry.id] for entry in steps.graph.nodes]), ""
    except ValueError as error:
        return "", f"Numbers cannot be edited here: {error}."


def structure(words: Wording) -> dict[str, object]:
    """What is the same for any numbers: names, operands, formulas, the order of every mode, lines of code."""
    steps = words.steps["correct"]
    graph, nodes = steps.graph, steps.nodes
    coming: dict[str, list[list[object]]] = {frame.node: [] for frame in steps}
    for i, edge in enumerate(graph.edges):
        if edge.target in coming and edge.source in steps.gradients:
            coming[edge.target].append([i, edge.source, edge.position])
    leaves = [key for key, node in nodes.items() if node.operation is None]
    fields = words.fields
    # What may be edited is called by its name in formulas.
    named = {nodes[key] for key in fields}
    rules: dict[int, list[str]] = {}
    for row in (row for frame in steps for row in frame.contributions):
        formula = formula_of(nodes[row.target], graph.edges[row.edge].position, steps.words, named)
        rules[row.edge] = [row.derivative, formula or row.formula]
    return {
        "root": graph.roots[0],
        "size": len(graph.nodes),
        "names": words.names,
        "computed": [[each.node, words.templates[each.node], each.operands] for each in words.computed],
        "numbers": [key for key in leaves if key in words.anonymous],
        "coming": coming,
        "rules": rules,
        "graded": [*steps.gradients],
        "leaves": [key for key in leaves if key in steps.gradients],
        "trained": trained(steps),
        "given": {key: plain(nodes[key].data) for key in leaves if np.size(nodes[key].data) == 1},
        "rate": words.rate,
        "fmt": words.fmt if _WRITTEN.fullmatch(words.fmt) else ".4g",
        "modes": [
            {
                "kind": each,
                "note": MODES[each][1],
                "same": words.same(each),
                "order": [frame.node for frame in other],
            }
            for each, other in words.steps.items()
        ],
        "code": {"of": words.line_of},
    }


@cache
def asset(name: str) -> str:
    """A script or a style sheet of this package, as a page holds it."""
    from importlib.resources import files  # not above: it is slow to import

    return compact(files("visualize.backward").joinpath("assets", name).read_text(encoding="utf-8"))


def _for_script(data: object) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
