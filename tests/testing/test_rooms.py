"""The rooms of ``tinygrad_lm.testing`` lean on each other one way only, and ask no more of a user than they need."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.sources import parsed
from tinygrad_lm import testing

ROOT = Path(testing.__file__).parent
MAY_USE = {"checker": set(), "properties": {"checker"}, "selfcheck": {"checker"}}
"""The neighbours that a room may import."""
PACKAGE = "tinygrad_lm.testing"


def imported(path):
    """The modules that a file imports, wherever in it."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("room", MAY_USE)
def test_a_room_imports_its_own_and_what_it_may(room):
    sources = sorted((ROOT / room).glob("*.py"))
    assert len(sources) > 3
    allowed = {room, *MAY_USE[room]}
    for path in sources:
        neighbours = {name.split(".")[2] for name in imported(path) if name.startswith(f"{PACKAGE}.")}
        assert neighbours <= allowed, path.name


def test_these_are_all_rooms():
    assert {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()} == set(MAY_USE)


def test_hypothesis_is_for_strategies_only():
    modules = ", ".join(f"{PACKAGE}.{name}" for name in ("programs", "selfcheck.command", "checker.gradients"))
    code = f"""
import sys, tinygrad_lm
assert "{PACKAGE}" not in sys.modules
from {PACKAGE} import check_gradients
import {modules}
assert not {{"hypothesis", "pytest", "_pytest"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
