"""The sources of the two packages, each parsed once, for the tests that read code."""

import ast
from functools import cache

from tests.helpers import ROOT


@cache
def modules():
    """Every module of the two packages: its name, and its file."""
    found = {}
    for package in ("tinygrad_lm", "visualize"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def parsed(path):
    """The tree of a file, for reading."""
    return ast.parse(path.read_text(encoding="utf-8"))
