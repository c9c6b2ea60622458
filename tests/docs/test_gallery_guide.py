"""Tests that the examples in the docstrings of visualize, and in the guide to it, run as written."""

import doctest
import importlib
import pkgutil
import re

import pytest

import visualize
from tests.helpers import ROOT

GUIDE = ROOT / "docs" / "gallery.md"


@pytest.mark.parametrize("name", [module.name for module in pkgutil.walk_packages(visualize.__path__, "visualize.")])
def test_docstrings(name):
    module = importlib.import_module(name)
    assert doctest.testmod(module).failed == 0
    assert module.__doc__


@pytest.mark.skipif(not GUIDE.is_file(), reason="the guide is not part of this distribution")
def test_the_guide_runs_as_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.S)):
        exec(compile(block, f"{GUIDE.name} block {number}", "exec"), names)
    assert {"neuron.svg", "steps.html"} <= {path.name for path in tmp_path.iterdir()}


def test_everything_public_is_documented():
    for name in visualize.__all__:
        assert getattr(visualize, name).__doc__
