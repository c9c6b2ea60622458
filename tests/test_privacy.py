"""A name with an underscore belongs to its file: no other file of the package reads or sets it."""

import ast

from tests.helpers.sources import modules, parsed

OWN = {"self", "cls"}
OF_NAMED_TUPLES = {"_replace", "_asdict", "_fields", "_make"}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name not in {"_", *OF_NAMED_TUPLES}


def foreign(tree: ast.Module) -> list[str]:
    """The private names that a file takes from others: attributes that it does not define, and imports."""
    defined, used = set(), {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            defined.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            defined.add(node.id)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            defined.add(node.value)  # a slot
        elif isinstance(node, ast.ImportFrom):
            used |= {alias.name: node.lineno for alias in node.names if is_private(alias.name)}
        elif isinstance(node, ast.Attribute) and is_private(node.attr):
            mine = isinstance(node.value, ast.Name) and node.value.id in OWN
            mine |= isinstance(node.value, ast.Call) and getattr(node.value.func, "id", "") == "super"
            if mine and isinstance(node.ctx, ast.Store):
                defined.add(node.attr)
            elif not mine:
                used.setdefault(node.attr, node.lineno)
    return [f"line {line}: {name}" for name, line in used.items() if name not in defined]


def test_no_file_uses_the_private_names_of_another():
    assert len(modules()) > 90
    taken = {name: foreign(parsed(path)) for name, path in modules().items()}
    assert {name: lines for name, lines in taken.items() if lines} == {}


def test_what_is_found():
    assert foreign(ast.parse("from a import _b\nx._c = d._e\nself._f = 1\nsuper()._g\nx._f")) == [
        "line 1: _b",
        "line 2: _c",
        "line 2: _e",
    ]
