"""The pytest plugin, as a user meets it."""

import subprocess
import sys
from importlib.metadata import entry_points

import pytest

TESTS = """
import numpy as np
from hypothesis import given, settings, strategies as st

def test_right(check_gradients):
    check_gradients(np.tanh, np.ones(3))

def test_wrong(check_gradients):
    check_gradients(lambda x: x * x.data, np.ones(3))

@given(st.floats(-1, 1))
def test_property(check_gradients, x):
    check_gradients(np.tanh, x)

def test_profile():
    assert settings().max_examples == 300
"""


PLUGIN = "tinygrad_lm.testing.pytest_plugin"


def run_pytest(folder, *options):
    (folder / "test_mine.py").write_text(TESTS)
    installed = [point.value for point in entry_points(group="pytest11")]
    plugin = [] if PLUGIN in installed else ["-p", PLUGIN]
    command = [sys.executable, "-m", "pytest", *plugin, "-p", "no:cacheprovider", "--color=no", "-v"]
    return subprocess.run([*command, *options], cwd=folder, capture_output=True, text=True, check=False).stdout


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """What pytest prints of those tests."""
    return run_pytest(tmp_path_factory.mktemp("plugin"))


def test_plugin_gives_the_fixture(ran):
    assert "test_right PASSED" in ran
    assert "test_wrong FAILED" in ran
    assert "the gradient of <lambda> with respect to x is wrong" in ran


def test_the_fixture_serves_property_tests(ran):
    """Hypothesis refuses fixtures that are made anew for each test but not for each example."""
    assert "test_property PASSED" in ran


def test_plugin_registers_the_profiles(ran, tmp_path):
    assert "test_profile FAILED" in ran
    assert "test_profile PASSED" in run_pytest(tmp_path, "--hypothesis-profile=tinygrad_lm-ci", "-k", "profile")


def test_the_plugin_loads_neither_numpy_nor_the_engines():
    """pytest imports it in every run of everybody who has the package."""
    code = f"import pytest, sys; before = set(sys.modules); import {PLUGIN}\nprint(*set(sys.modules) - before)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {name for name in loaded if name.startswith(("tinygrad_lm", "numpy", "hypothesis"))} == {
        "tinygrad_lm",
        "tinygrad_lm.testing",
        PLUGIN,
    }


def test_the_public_names_are_there_when_they_are_asked_for():
    from tinygrad_lm import testing

    assert set(testing.__all__) <= set(dir(testing))
    for name in testing.__all__:
        assert getattr(testing, name).__name__ == name
    with pytest.raises(AttributeError, match=r"module 'tinygrad_lm\.testing' has no attribute 'check_gradient'"):
        testing.check_gradient  # noqa: B018
