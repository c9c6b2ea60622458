"""Tests of how the rooms of visualize depend on each other: one way, without a circle."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import visualize
from tests.helpers.sources import parsed

HOME = Path(visualize.__file__).parent
BELOW = {
    "graph": set(),
    "layout": {"graph"},
    "formats": {"graph", "layout"},
    "backward": {"graph", "formats"},
    "plans": {"graph", "layout", "formats"},
    "composing": {"graph", "formats", "backward"},
    "drawing": {"graph", "formats", "plans", "composing"},
}
"""What each room may import, beside its own files and the autograd engine."""
OF_PLANS = {"plans", "drawing", "code"}
"""The rooms that know the plans of replayed steps, and their programs, too."""


def imports_of(path):
    """The modules that a file imports, within functions too."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by dots"
            for alias in node.names:
                inner = HOME.parent.joinpath(*node.module.split("."), alias.name)
                is_module = inner.with_suffix(".py").exists() or inner.is_dir()
                yield f"{node.module}.{alias.name}" if is_module else node.module


MODULES = {
    ".".join(path.relative_to(HOME.parent).with_suffix("").parts).removesuffix(".__init__"): set(imports_of(path))
    for path in HOME.rglob("*.py")
}


def test_each_room_knows_those_below_it_alone():
    for module, imported in MODULES.items():
        room = (*module.split("."), "")[1]
        for other in imported:
            package, _, rest = other.partition(".")
            if package == "tinygrad_lm":
                allowed = {"autograd", "replay"} if room in OF_PLANS else {"autograd"}
                assert other.split(".")[1] in allowed, f"{module} imports {other}"
            elif package == "visualize" and room:
                assert rest.split(".")[0] in BELOW[room] | {room}, f"{module} imports {other}"


def test_there_is_no_circle():
    order = [*TopologicalSorter(MODULES).static_order()]
    assert order.index("visualize.graph.data") < order.index("visualize.drawing") < order.index("visualize")
