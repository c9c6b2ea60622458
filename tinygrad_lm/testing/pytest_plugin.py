"""The pytest plugin: a fixture ``check_gradients``, and the hypothesis profiles where one of them is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tinygrad_lm.testing.checker.report import GradientReport

PREFIX = "tinygrad_lm-"


@pytest.fixture(scope="session")  # it holds nothing, and hypothesis refuses what is made anew for each test
def check_gradients() -> Callable[..., GradientReport]:
    """``tinygrad_lm.testing.check_gradients``: ``check_gradients(fn, *inputs, order=2)`` fails the test if wrong."""
    from tinygrad_lm.testing.checker.gradients import check_gradients as check

    return check


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the profiles before hypothesis' own plugin loads one by name."""
    wanted = config.getoption("--hypothesis-profile", default=None)
    if isinstance(wanted, str) and wanted.startswith(PREFIX):
        from tinygrad_lm.testing.profiles import register_profiles

        register_profiles()
